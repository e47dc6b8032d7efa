"""Packs: copies of many documents in few entries, which make a large state quick to read and never wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.errors import StateDamaged, VaultConflict
from krakenstate.model.state import AccountStatus
from krakenstate.store.vault import packs as packs_module
from krakenstate.store.vault.packed import pack, unpack
from krakenstate.store.vault.packs import FEWEST
from krakenstate.store.vault.state import VaultStateStore
from tests.store.test_vault_state import NOW, PATH, account, new_index, task
from tests.support.memory import FAILURES, MemoryKeyValue, Unreliable

RESOURCES = f"{PATH}/resources"


class Counted:
    """A key-value store that remembers which entries were read, written and removed."""

    def __init__(self, inner):
        self.inner = inner
        self.reads, self.writes, self.deletes = [], [], []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def read(self, path, version=None):
        self.reads.append(path.removeprefix(f"{PATH}/").removeprefix("resources/"))
        return self.inner.read(path, version)

    def write(self, path, data, cas):
        self.writes.append(path.removeprefix(f"{PATH}/").removeprefix("resources/"))
        return self.inner.write(path, data, cas)

    def delete(self, path):
        self.deletes.append(path.removeprefix(f"{RESOURCES}/"))
        self.inner.delete(path)


def store_over(kv, mount="kv"):
    """A new run's view of the state."""
    return VaultStateStore(kv, mount, PATH, version="1.2.3")


def desk(kv, count=60, mount="kv"):
    """A saved and packed state of so many documents."""
    store = store_over(kv, mount)
    state = store.create(new_index().model_copy(update={"serial": 0}))
    for number in range(count):
        state.put(account(f"a{number}"))
    store.save(state, NOW)
    store.pack(state)
    return store, state


def change(kv, *numbers, packed=False, mount="kv"):
    """A run that changes some accounts, and ends as runs do or dies before it packs."""
    store = store_over(kv, mount)
    state = store.load()
    for number in numbers:
        before = state.account(f"spot_subaccount.a{number}")
        state.put(before.model_copy(update={"username": f"{before.username or ''}x"}))
    store.save(state, NOW)
    if packed:
        store.pack(state)
    return state


def read_by(kv, mount="kv"):
    """The state as a new run loads it, and what it read for that; the same as from the documents alone."""
    counted = Counted(kv)
    state = store_over(counted, mount).load()
    alone = store_over(kv, mount).load(without_packs=True)
    assert state.documents == alone.documents
    assert list(state.documents) == list(alone.documents)
    assert state.index == alone.index
    return state, counted.reads


def damaged(kv, data, name="packs.1"):
    """Writes something else over a pack."""
    kv.write(f"{RESOURCES}/{name}", data, cas=kv.metadata(f"{RESOURCES}/{name}").version)


def test_a_large_state_is_read_in_few_calls():
    """Three hundred documents: the index, its pages and the packs, and no document."""
    kv = MemoryKeyValue()
    _, state = desk(kv, 300)
    found, reads = read_by(kv)
    assert found.documents == state.documents
    assert sorted(reads) == ["index", "packs.1", "packs.2", "pins.1", "pins.2"]


def test_a_small_state_has_no_packs():
    """With fewer documents nothing is read or written that was not before."""
    kv = MemoryKeyValue()
    desk(kv, FEWEST - 1)
    _, reads = read_by(kv)
    assert len(reads) == FEWEST
    assert "packs.1" not in {*reads, *kv.list(RESOURCES)}


def test_of_a_state_that_changed_since_the_changed_documents_are_read():
    """A run that died before it packed costs the next one a call for each document that it wrote."""
    kv = MemoryKeyValue()
    desk(kv)
    change(kv, 7, 8)
    found, reads = read_by(kv)
    assert found.account("spot_subaccount.a7").username == "x"
    assert sorted(reads) == ["index", "packs.1", "spot_subaccount.a7", "spot_subaccount.a8"]


def test_a_pack_is_written_when_a_twentieth_of_it_is_old():
    """Two changed documents of sixty write no pack; the third does, and then none is read by itself."""
    kv = MemoryKeyValue()
    desk(kv)
    change(kv, 1, 2, packed=True)
    assert kv.metadata(f"{RESOURCES}/packs.1").version == 1
    change(kv, 3, packed=True)
    assert kv.metadata(f"{RESOURCES}/packs.1").version == 2
    assert sorted(read_by(kv)[1]) == ["index", "packs.1"]


def test_of_many_packs_those_are_written_in_which_much_changed():
    """Of three hundred documents those of one pack change: the other stays as it was written."""
    kv = MemoryKeyValue()
    desk(kv, 300)
    mine = [n for n in range(300) if packs_module.number_of(f"spot_subaccount.a{n}", 2) == 1]
    change(kv, *mine, packed=True)
    assert [kv.metadata(f"{RESOURCES}/packs.{n}").version for n in (1, 2)] == [1, 2]


def test_a_run_that_packs_again_and_again_writes_only_what_it_must():
    """What was packed is remembered: nothing is read for it, and an unchanged state writes nothing."""
    kv = Counted(MemoryKeyValue())
    store, state = desk(kv)
    written = len(kv.writes)
    store.pack(state)
    assert (len(kv.writes), kv.reads) == (written, [])


def test_a_pack_keeps_one_version():
    """Nobody reads an older one."""
    kv = MemoryKeyValue()
    desk(kv)
    assert kv.metadata(f"{RESOURCES}/packs.1").keeps == 1


def test_packs_follow_the_size_of_the_state():
    """A state that grows has more of them, one that shrinks fewer, and a small one none."""
    kv = MemoryKeyValue()
    store, state = desk(kv, 60)
    for number in range(60, 300):
        state.put(account(f"a{number}"))
    store.save(state, NOW)
    store.pack(state)
    assert [n for n in kv.list(RESOURCES) if n.startswith("packs")] == ["packs.1", "packs.2"]
    assert len(read_by(kv)[1]) == 5
    store = store_over(kv)
    state = store.load()
    for number in range(10, 300):
        state.forget(f"spot_subaccount.a{number}")
    store.save(state, NOW)
    store.pack(state)
    assert not [n for n in kv.list(RESOURCES) if n.startswith("packs")]
    assert len(read_by(kv)[1]) == 11


def test_what_left_the_state_leaves_the_packs():
    """A pack in which a twentieth is no longer pinned is written anew without it."""
    kv = MemoryKeyValue()
    store, state = desk(kv, 60)
    for number in range(3):
        state.forget(f"spot_subaccount.a{number}")
    store.save(state, NOW)
    store.pack(state)
    text = b"".join(unpack(kv.read(f"{RESOURCES}/packs.1").data["packed"], 10**6))
    assert (b'subaccount.a2"' in text, b'subaccount.a3"' in text) == (False, True)


def test_documents_too_large_for_the_packs_have_more_of_them(monkeypatch):
    """No pack exceeds what Vault takes; a state that fits none goes without."""
    monkeypatch.setattr(packs_module, "MAX_PACK_CHARS", 1000)
    kv = MemoryKeyValue()
    desk(kv, 60)
    names = [n for n in kv.list(RESOURCES) if n.startswith("packs")]
    assert len(names) == 2
    assert all(len(kv.read(f"{RESOURCES}/{name}").data["packed"]) <= 1000 for name in names)
    assert not [name for name in read_by(kv)[1] if name.startswith("spot")]
    monkeypatch.setattr(packs_module, "MAX_PACK_CHARS", 10)
    change(kv, *range(60), packed=True)
    assert not [n for n in kv.list(RESOURCES) if n.startswith("packs")]
    assert len(read_by(kv)[1]) == 62


FOREIGN = [
    pytest.param({}, id="empty"),
    pytest.param({"count": 1}, id="nothing in it"),
    pytest.param({"count": 1, "packed": 7}, id="no text"),
    pytest.param({"count": 0, "packed": pack(b"")}, id="none"),
    pytest.param({"count": 10**9, "packed": pack(b"")}, id="a billion"),
    pytest.param({"count": 1, "packed": "?"}, id="not packed"),
    pytest.param({"count": 1, "packed": pack(b"x" * 10_000_000)}, id="a line without end"),
    pytest.param({"count": 1, "packed": pack(b"\n" * 200_000_000)}, id="a bomb"),
    pytest.param({"count": 1, "packed": pack(b"{}\n[]\nnull\n\xff")}, id="other lines"),
    pytest.param({"count": 1, "packed": pack(b"x" * 999)[:-40] + "A" * 40}, id="torn"),
    pytest.param({"count": 3, "packed": pack(b"")}, id="others missing"),
]


@pytest.mark.parametrize("data", FOREIGN)
def test_a_pack_that_is_none_costs_time_and_nothing_else(data):
    """Whatever lies there, the documents are read, and the next run that packs puts a good one there."""
    kv = MemoryKeyValue()
    desk(kv)
    damaged(kv, data)
    found, reads = read_by(kv)
    assert len(list(found.records)) == 60
    assert len([name for name in reads if name.startswith("spot")]) == 60
    change(kv, 1, packed=True)
    assert not [name for name in read_by(kv)[1] if name.startswith("spot")]


def test_a_copy_that_was_edited_is_not_believed():
    """A line whose digest is not the pinned one is passed over; its document is read."""
    kv = MemoryKeyValue()
    desk(kv)
    data = kv.read(f"{RESOURCES}/packs.1").data
    text = b"".join(unpack(data["packed"], 10**6))
    damaged(kv, {**data, "packed": pack(text.replace(b"a7@desk", b"evil@desk"))})
    found, reads = read_by(kv)
    assert found.account("spot_subaccount.a7").email == "a7@desk.example"
    assert sorted(reads) == ["index", "packs.1", "spot_subaccount.a7"]


@pytest.mark.parametrize("field", ["lineage", "name", "format_version", "records"])
def test_a_copy_that_the_index_vouches_for_is_checked_all_the_same(field):
    """Form, name, lineage and format are checked; the document's own read says what is wrong."""
    kv = MemoryKeyValue()
    other = {"lineage": "another", "name": "spot_subaccount.b", "format_version": 99, "records": {"x": 1}}
    state = desk(kv)[1]
    part = packs_module.divide(state.documents["spot_subaccount.a7"])["spot_subaccount.a7"]
    text = packs_module.canonical({**part.data, field: other[field]})
    index = state.index.model_copy(
        update={"documents": {"spot_subaccount.a7": state.index.documents["spot_subaccount.a7"]}}
    )
    assert packs_module._document(packs_module.canonical(part.data), "spot_subaccount.a7", index) is not None
    assert packs_module._document(text, "spot_subaccount.a7", index) is None


def test_a_copy_that_stands_there_many_times_is_read_once(monkeypatch):
    """Whoever may write packs cannot make a run read a document ten thousand times."""
    kv = MemoryKeyValue()
    desk(kv)
    data = kv.read(f"{RESOURCES}/packs.1").data
    line = b"".join(unpack(data["packed"], 10**6)).split(b"\n")[0]
    damaged(kv, {**data, "packed": pack(b"\n".join([line] * 9000))})
    read = []
    real = packs_module._document
    monkeypatch.setattr(packs_module, "_document", lambda *what: read.append(what) or real(*what))
    assert len(list(store_over(kv).load().records)) == 60
    assert len(read) == 1


@pytest.mark.parametrize("failure", ["unreachable", "sealed", "denied"])
def test_a_pack_that_cannot_be_read_is_passed_over(failure):
    """The documents are read then; if they cannot be read either, their error is what is said."""
    kv = Unreliable(MemoryKeyValue())
    desk(kv)
    store = store_over(kv)
    kv.fail(failure, 1)
    assert len(list(store.load().records)) == 60
    kv.fail(failure, 1, times=100)
    with pytest.raises(FAILURES[failure], match="as this"):
        store.load()


@pytest.mark.parametrize("failure", ["unreachable", "sealed", "denied", "lost"])
def test_a_run_whose_packs_are_not_written_has_done_its_work(failure, caplog):
    """The state was saved before; that its packs are old is logged, and the next run packs."""
    kv = Unreliable(MemoryKeyValue())
    store, state = desk(kv)
    for number in range(60):
        state.put(account(f"a{number}", status=AccountStatus.UNKNOWN))
    store.save(state, NOW)
    kv.fail(failure, 1)
    store.pack(state)
    assert "The packs at kv/krakenstate/prod were left as they are" in caplog.text
    kv.mend()
    assert {r.status for r in read_by(kv)[0].records} == {AccountStatus.UNKNOWN}
    change(kv, 1, 2, 3, packed=True)
    assert sorted(read_by(kv)[1]) == ["index", "packs.1"]


def test_of_two_runs_that_pack_one_gives_way(caplog):
    """A pack that somebody else wrote meanwhile is left as it is."""

    class Racing(Counted):
        def write(self, path, data, cas):
            if "packs" in path:
                raise VaultConflict("raced")
            return super().write(path, data, cas)

    kv = MemoryKeyValue()
    desk(Racing(kv))
    assert "raced" in caplog.text
    assert len(read_by(kv)[1]) == 62


def test_a_document_that_is_lost_is_noticed_by_whoever_reads_documents():
    """A copy stands for it, and the next change of the account writes it anew."""
    kv = MemoryKeyValue()
    desk(kv)
    kv.delete(f"{RESOURCES}/spot_subaccount.a7")
    assert store_over(kv).load().account("spot_subaccount.a7") == account("a7")
    with pytest.raises(StateDamaged, match=r"spot_subaccount\.a7 is gone"):
        store_over(kv).load(without_packs=True)
    change(kv, 7)
    assert read_by(kv)[0].account("spot_subaccount.a7").username == "x"


def test_packs_on_a_real_server(kv, mount, bao):
    """Written, read, and passed over when damaged, for a token that may read the documents and no more."""
    _, state = desk(kv, 60, mount)
    policy = f"""
      path "{mount}/data/{PATH}/index" {{ capabilities = ["read"] }}
      path "{mount}/data/{RESOURCES}/*" {{ capabilities = ["read"] }}
    """
    reader = bao.client(mount, token=bao.token_with(policy))
    found, reads = read_by(reader, mount)
    assert found.documents == state.documents
    assert sorted(reads) == ["index", "packs.1"]
    change(kv, 5, mount=mount)
    assert sorted(read_by(reader, mount)[1]) == ["index", "packs.1", "spot_subaccount.a5"]
    damaged(kv, {"count": 1, "packed": "?"})
    assert len(read_by(reader, mount)[1]) == 62
    kv.delete(f"{RESOURCES}/packs.1")
    assert len(read_by(reader, mount)[1]) == 62
    change(kv, 6, packed=True, mount=mount)
    assert sorted(read_by(reader, mount)[1]) == ["index", "packs.1"]
    reader.close()


RUNS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 15), st.integers(0, 600)), max_size=6),
        st.sampled_from(["packed", "died", "damaged", "lost"]),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(runs=RUNS)
def test_whatever_runs_leave_the_state_with_packs_is_that_of_the_documents(runs):
    """Accounts come, change and go, runs die, packs are damaged: what is loaded is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packs_module, "FEWEST", 4)
        patch.setattr(packs_module, "_PER_PACK", 4)
        kv = MemoryKeyValue()
        desk(kv, 3)
        for changes, end in runs:
            store = store_over(kv)
            state = store.load()
            for number, size in changes:
                address = f"spot_subaccount.a{number}"
                if size % 5 == 0:
                    state.take_out(address)
                else:
                    state.put(account(f"a{number}"))
                    state.put_task(task(number, of=address, text="é" * size))
            store.save(state, NOW)
            if end != "died":
                store.pack(state)
            if end == "damaged":
                for name in [n for n in kv.list(RESOURCES) if n.startswith("packs")][:1]:
                    damaged(kv, {"count": 2, "packed": "?"}, name)
            if end == "lost":
                kv.delete(f"{RESOURCES}/packs.1")
            found, reads = read_by(kv)
            assert (list(found.records), found.tasks) == (list(state.records), state.tasks)
            if end == "packed" and len(state.index.documents) >= 4:
                assert not [name for name in reads if name.startswith("spot")]
