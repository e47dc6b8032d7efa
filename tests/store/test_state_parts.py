"""Documents in parts: no part exceeds the limit, and growing and shrinking across it loses nothing."""

from datetime import timedelta

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.errors import StateDamaged
from krakenstate.model.state import AccountRecord, AccountStatus, Document, State
from krakenstate.model.task import TaskStatus
from krakenstate.store.vault import parts
from krakenstate.store.vault import state as store_module
from krakenstate.store.vault.canonical import canonical
from krakenstate.store.vault.parts import (
    MAX_DOCUMENT_BYTES,
    MAX_STRINGS,
    divide,
    document_named,
    strings_in,
    unite,
)
from krakenstate.store.vault.state import VaultStateStore
from tests.store.test_vault_state import NOW, PATH, account, new_index, task
from tests.support.memory import MemoryKeyValue

MM = "spot_subaccount.mm"


@pytest.fixture(params=["memory", "vault"])
def anywhere(request):
    """Key-value store and mount: in memory, and on a real server."""
    if request.param == "memory":
        return MemoryKeyValue(), "kv"
    return request.getfixturevalue("kv"), request.getfixturevalue("mount")


def grown(state, count, size=4000):
    """Tasks of an account, so many and so large."""
    for number in range(count):
        state.put_task(task(number, text="x" * size))


def stored(kv):
    """Each part in the store, and the bytes of its canonical JSON."""
    found = {name: kv.read(f"{PATH}/resources/{name}").data for name in kv.list(f"{PATH}/resources")}
    return {name: len(rfc8785.dumps(data)) for name, data in found.items()}


def test_an_account_grows_and_shrinks_across_the_limit_and_loses_nothing(anywhere):
    """No part is larger than the limit, other accounts stay as they are, and what is read is what was."""
    kv, mount = anywhere
    store = VaultStateStore(kv, mount, PATH, version="1.2.3")
    state = store.create(new_index())
    state.put(account("mm"))
    state.put(account("carry"))
    seen = []
    for count in (10, 61, 62, 63, 64, 65, 66, 140, 300, 66, 61, 3, 0):
        state.put(account("mm"))
        for old in state.tasks:
            state.put_task(old.model_copy(update={"status": TaskStatus.CANCELLED}))
        state.forget(MM)
        state.put(account("mm"))
        grown(state, count)
        store.save(state, NOW + timedelta(minutes=len(seen)))
        sizes = stored(kv)
        assert max(sizes.values()) <= MAX_DOCUMENT_BYTES
        assert set(sizes) == set(state.index.documents)
        seen.append(len([name for name in sizes if document_named(name) == MM]))
        read = VaultStateStore(kv, mount, PATH, version="1.2.3").load()
        assert read.documents == state.documents
        assert (len(read.tasks), read.account(MM)) == (count, account("mm"))
        state = store.load()
    assert (seen[0], seen[-2:]) == (1, [1, 1])
    assert 1 < seen[1] <= seen[6] < seen[7] < seen[8] > seen[9]
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.carry").version == 1


def test_a_change_touches_one_part(anywhere):
    """A task that changes in a large account is one write beside the index."""
    kv, mount = anywhere
    store = VaultStateStore(kv, mount, PATH, version="1.2.3")
    state = store.create(new_index())
    state.put(account("mm"))
    grown(state, 140)
    store.save(state, NOW)
    before = state.index.documents
    state.put_task(task(7, text="y" * 4000))
    store.save(state, NOW)
    after = state.index.documents
    assert set(before) == set(after)
    assert len([name for name in before if before[name] != after[name]]) == 1


def test_many_small_things_are_divided_too(anywhere):
    """OpenBao takes a thousand strings in a request, which an account with many keys has before 256 KiB."""
    kv, mount = anywhere
    store = VaultStateStore(kv, mount, PATH, version="1.2.3")
    state = store.create(new_index())
    state.put(account("mm"))
    grown(state, 100, size=1)
    store.save(state, NOW)
    sizes = stored(kv)
    assert sum(sizes.values()) < MAX_DOCUMENT_BYTES
    assert len(sizes) > 1
    assert store.load().documents == state.documents


def test_more_documents_than_an_index_can_pin_are_pinned_on_pages(anywhere):
    """Growing past the index and shrinking below it loses nothing, and each entry stays within the limits."""
    kv, mount = anywhere
    store = VaultStateStore(kv, mount, PATH, version="1.2.3")
    state = store.create(new_index())
    for number in range(300):
        state.put(account(f"a{number}"))
    store.save(state, NOW)
    index = kv.read(f"{PATH}/index").data
    assert sorted(index["documents"]) == ["pins.1", "pins.2"]
    entries = [index, *(kv.read(f"{PATH}/resources/{name}").data for name in index["documents"])]
    assert max(map(strings_in, entries)) <= MAX_STRINGS
    read = store.load()
    assert read.documents == state.documents
    assert read.index.documents == state.index.documents
    assert set(store.own_limits(read)) >= {f"{mount}/{PATH}/resources/pins.2"}
    for number in range(5, 300):
        read.forget(f"spot_subaccount.a{number}")
    store.save(read, NOW)
    assert set(kv.list(f"{PATH}/resources")) == {f"spot_subaccount.a{number}" for number in range(5)}
    assert VaultStateStore(kv, mount, PATH, version="1.2.3").load().documents == read.documents


def test_a_change_writes_its_document_its_page_and_the_index():
    """However many documents a state has, saving one of them makes none of the others anew."""
    kv = MemoryKeyValue()
    store = VaultStateStore(kv, "kv", PATH, version="1.2.3")
    state = store.create(new_index())
    for number in range(300):
        state.put(account(f"a{number}"))
    store.save(state, NOW)
    before = {path: kv.metadata(path).version for path in kv.paths}
    fresh = VaultStateStore(kv, "kv", PATH, version="1.2.3")
    again = fresh.load()
    again.put(account("a7", email="other@desk.example"))
    with pytest.MonkeyPatch.context() as patch:
        made = []
        patch.setattr(store_module, "divide", lambda document: made.append(document.name) or divide(document))
        fresh.save(again, NOW)
    written = {path for path in kv.paths if kv.metadata(path).version != before[path]}
    page = next(name for name in ("pins.1", "pins.2") if f"{PATH}/resources/{name}" in written)
    resources = f"{PATH}/resources"
    assert written == {f"{PATH}/index", f"{resources}/{page}", f"{resources}/spot_subaccount.a7"}
    assert made == ["spot_subaccount.a7"]


def test_a_page_that_was_tampered_with_is_noticed():
    """A pin is believed only where the index vouches for its page."""
    kv = MemoryKeyValue()
    store = VaultStateStore(kv, "kv", PATH, version="1.2.3")
    state = store.create(new_index())
    for number in range(300):
        state.put(account(f"a{number}"))
    store.save(state, NOW)
    path = f"{PATH}/resources/pins.2"
    entry = kv.read(path)
    kept = kv._entries[path]
    kept.texts[entry.version] = kept.texts[entry.version].replace(': "1 ', ': "2 ', 1)
    with pytest.raises(StateDamaged, match=r"pins\.2 is not what the index pinned"):
        store.load()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text(), JSON, max_size=4))
def test_canonical_json_is_that_of_the_rfc(data):
    """The quick way writes the bytes that code which follows RFC 8785 step by step writes."""
    try:
        expected = rfc8785.dumps(data)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            canonical(data)
        return
    assert canonical(data) == expected


def test_a_part_is_called_after_its_document():
    """The first part has the document's own name, the others a number that no address can end with."""
    document = Document(lineage="l", name=MM, tasks={f"{n:08x}": task(n, text="x" * 9000) for n in range(60)})
    names = set(divide(document))
    assert names == {MM, f"{MM}.2", f"{MM}.3", f"{MM}.4"}
    assert {document_named(name) for name in names} == {MM}
    assert document_named("stack") == "stack"
    assert document_named("stack.12") == "stack"
    assert document_named("spot_subaccount.m-2") == "spot_subaccount.m-2"


ITEMS = st.dictionaries(st.integers(0, 400), st.integers(0, 900), max_size=60)


@settings(max_examples=60, deadline=None)
@given(records=ITEMS, tasks=ITEMS)
def test_any_document_divides_into_parts_that_fit_and_unite(records, tasks):
    """Every part fits, none is empty, together they are the document, and it is always divided alike."""
    document = Document(
        lineage="l",
        name=MM,
        records={
            f"spot_subaccount.a{n}": AccountRecord(
                address=f"spot_subaccount.a{n}", status=AccountStatus.EXISTS, email="é" * size
            )
            for n, size in records.items()
        },
        tasks={f"{n:08x}": task(n, text="x" * size) for n, size in tasks.items()},
    )
    limit = 4096
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MAX_DOCUMENT_BYTES", limit)
        divided = divide(document)
        shuffled = document.model_copy(
            update={
                "records": dict(reversed(document.records.items())),
                "tasks": dict(reversed(document.tasks.items())),
            }
        )
        assert {n: p.digest for n, p in divide(shuffled).items()} == {n: p.digest for n, p in divided.items()}
    assert all(part.size == len(rfc8785.dumps(part.data)) <= limit for part in divided.values())
    assert all(part.strings <= MAX_STRINGS for part in divided.values())
    read = [Document.model_validate(part.data) for part in divided.values()]
    assert all(part.records or part.tasks for part in read)
    if records or tasks:
        assert unite(read) == {MM: document}
    else:
        assert divided == {}


class Story:
    """A state that is saved and read again by turns, beside what it should hold."""

    def __init__(self):
        self.kv = MemoryKeyValue()
        self.store = VaultStateStore(self.kv, "kv", PATH, version="1.2.3")
        self.state: State = self.store.create(new_index())
        self.state.put(account("mm"))
        self.wanted = {}

    def set(self, number, size):
        """A task of a size; an old one of that number is replaced."""
        self.wanted[number] = task(number, text="x" * size)
        self.state.put_task(self.wanted[number])

    def drop_all_but(self, numbers):
        """Other tasks go, as with a record that is forgotten."""
        kept = {n: t for n, t in self.wanted.items() if n in numbers}
        for old in self.state.tasks:
            self.state.put_task(old.model_copy(update={"status": TaskStatus.CANCELLED}))
        self.state.forget(MM)
        self.state.put(account("mm"))
        for each in kept.values():
            self.state.put_task(each)
        self.wanted = kept

    def check(self):
        """Saves, and reads as another run would."""
        self.store.save(self.state, NOW)
        assert max(stored(self.kv).values()) <= parts.MAX_DOCUMENT_BYTES
        assert set(stored(self.kv)) == set(self.state.index.documents)
        self.state = self.store.load()
        assert {t.id: t for t in self.state.tasks} == {t.id: t for t in self.wanted.values()}
        assert self.state.account(MM) == account("mm")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 30), st.integers(0, 3000)),
        st.tuples(st.just("keep"), st.sets(st.integers(0, 30))),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_no_sequence_of_saves_loses_anything(steps):
    """Tasks come, change and go in any order, across the limit and back: what was saved is what is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MAX_DOCUMENT_BYTES", 6000)
        story = Story()
        for kind, *what in steps:
            if kind == "set":
                story.set(*what)
            else:
                story.drop_all_but(*what)
            story.check()
