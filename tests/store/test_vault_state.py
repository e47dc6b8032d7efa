"""The state in Vault: what is written, in which order, and what damage is noticed."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakenstate.errors import (
    LineageExists,
    LineageMissing,
    StateConflict,
    StateDamaged,
    StateRestored,
    StateTooLarge,
    StateTooNew,
    VaultConflict,
    VaultDenied,
    VaultUnreachable,
)
from krakenstate.model.address import Address
from krakenstate.model.index import FORMAT_VERSION, Index
from krakenstate.model.state import AccountRecord, AccountStatus, GrantRecord
from krakenstate.model.task import Task, TaskKind, TaskStatus
from krakenstate.store.vault.formats import seal, unsealed
from krakenstate.store.vault.state import VaultStateStore

NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
PATH = "krakenstate/prod"


def new_index():
    """The head of a new lineage."""
    return Index(
        krakenstate_version="0.0.0",
        lineage=str(uuid.uuid4()),
        serial=1,
        stack="prod",
        environment="production",
        spot_origin="https://api.kraken.com",
        futures_origin="https://futures.kraken.com",
        created_at=NOW,
        written_at=NOW,
    )


def account(name, **changes):
    """A recorded account."""
    fields = {
        "address": f"spot_subaccount.{name}",
        "status": AccountStatus.EXISTS,
        "email": f"{name}@desk.example",
    }
    return AccountRecord(**{**fields, **changes})


def task(number, *, of="spot_subaccount.mm", status=TaskStatus.OPEN, text="do it"):
    """A task."""
    return Task(
        id=f"{number:08x}",
        kind=TaskKind.FINISH_EMAIL_SETUP,
        address=of,
        assignee="desk",
        opened_at=NOW,
        status=status,
        title="t",
        instructions=text,
        evidence="e",
    )


@pytest.fixture
def store(kv, mount):
    """A store on a fresh mount."""
    return store_over(kv, mount)


def store_over(kv, mount):
    """One more run's view of the same state."""
    return VaultStateStore(kv, mount, PATH, version="1.2.3")


def test_a_missing_state_is_not_an_empty_one(store, mount):
    """Loading what was never created says so, with the place."""
    with pytest.raises(LineageMissing, match=f"{mount}/krakenstate/prod"):
        store.load()


def test_an_older_index_put_back_is_refused_until_the_newest_is_back(store, kv, mount):
    """What was done since would be done again; the error names the version that loads again."""
    state = store.create(new_index().model_copy(update={"serial": 0}))
    for name in ("mm", "carry"):
        state.put(account(name))
        store.save(state, NOW)
    index = f"{PATH}/index"
    kv.write(index, kv.read(index, 2).data, cas=3)
    with pytest.raises(StateRestored, match="serial 1, put back over serial 2") as error:
        store_over(kv, mount).load()
    assert error.value.next_step == f"Put the newer one back: bao kv rollback -version=3 {mount}/{index}"
    kv.write(index, kv.read(index, 3).data, cas=4)
    again = store_over(kv, mount)
    loaded = again.load()
    assert len(list(loaded.records)) == 2
    loaded.put(account("third"))
    again.save(loaded, NOW)
    assert len(list(store_over(kv, mount).load().records)) == 3


def test_a_state_is_created_once(store, kv, mount):
    """A second creation is refused, also by another run, and also when the index was deleted since."""
    index = new_index()
    store.create(index)
    for again in (store, store_over(kv, mount)):
        with pytest.raises(LineageExists):
            again.create(new_index())
    assert store.load().index.lineage == index.lineage


def test_a_deleted_index_is_told_from_one_that_never_was(store, bao, mount):
    """Its history is still there, and the message says how to restore it."""
    store.create(new_index())
    bao.request("DELETE", f"{mount}/data/{PATH}/index")
    with pytest.raises(LineageMissing, match="was deleted") as caught:
        store.load()
    assert f"bao kv undelete -versions=1 {mount}/{PATH}/index" in caught.value.next_step
    with pytest.raises(LineageExists):
        store.create(new_index())


def test_what_is_saved_is_loaded(store, kv, mount):
    """Records and tasks come back, under the next serial and the version that wrote them."""
    state = store.create(new_index())
    state.put(account("mm"))
    state.put(account("carry"))
    state.put_task(task(1))
    state.note_applied("abc")
    later = NOW + timedelta(minutes=5)
    store.save(state, later)
    found = store_over(kv, mount).load()
    assert found.documents == state.documents
    assert found.index == state.index
    assert (found.index.serial, found.index.written_at) == (2, later)
    assert found.index.krakenstate_version == "1.2.3"
    assert found.index.applied_digests == {"abc": 1}
    assert set(found.index.documents) == {"spot_subaccount.mm", "spot_subaccount.carry"}
    assert found.changed == set()


def test_an_unchanged_state_is_not_written(store, kv):
    """Saving what was loaded keeps serial and versions, and so does putting back what was there."""
    state = store.create(new_index())
    state.put(account("mm"))
    store.save(state, NOW)
    state.put(account("mm", status=AccountStatus.UNKNOWN))
    state.put(account("mm"))
    store.save(state, NOW + timedelta(hours=1))
    assert state.index.serial == 2
    assert kv.metadata(f"{PATH}/index").version == 2
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.mm").version == 1


def test_only_changed_documents_are_written(store, kv):
    """A document that did not change keeps its version and pin."""
    state = store.create(new_index())
    state.put(account("mm"))
    state.put(account("carry"))
    store.save(state, NOW)
    before = state.index.documents["spot_subaccount.carry"]
    state.put(account("mm", iiban="AA12 N84G ABCD 3F5K"))
    store.save(state, NOW)
    assert state.index.documents["spot_subaccount.carry"] == before
    assert state.index.documents["spot_subaccount.mm"].version == 2
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.carry").version == 1


def test_an_empty_document_disappears(store, kv, mount):
    """Without records and tasks a document leaves the index and the store, and may come back."""
    state = store.create(new_index())
    state.put(account("mm"))
    store.save(state, NOW)
    state.forget("spot_subaccount.mm")
    store.save(state, NOW)
    assert state.index.documents == {}
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.mm") is None
    state.put(account("mm"))
    store.save(state, NOW)
    assert store_over(kv, mount).load().account("spot_subaccount.mm") == account("mm")


def test_of_two_runs_the_second_to_write_is_refused(store, kv, mount):
    """Whoever loaded an older index writes nothing at all."""
    store.create(new_index())
    other = store_over(kv, mount)
    one, two = store.load(), other.load()
    one.put(account("mm"))
    store.save(one, NOW)
    two.put(account("mm", status=AccountStatus.UNKNOWN))
    with pytest.raises(StateConflict):
        other.save(two, NOW)
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.mm").version == 1
    assert store.load().account("spot_subaccount.mm") == account("mm")


def test_one_run_with_two_readings_is_refused_too(store):
    """A state that was loaded before another was saved is stale, within one process as well."""
    store.create(new_index())
    one, two = store.load(), store.load()
    one.put(account("mm"))
    store.save(one, NOW)
    two.put(account("carry"))
    with pytest.raises(StateConflict):
        store.save(two, NOW)


class Dying:
    """A key-value store that dies at the n-th write."""

    def __init__(self, inner, survives):
        self._inner = inner
        self._survives = survives

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def write(self, path, data, cas):
        if self._survives == 0:
            raise VaultUnreachable("gone")
        self._survives -= 1
        return self._inner.write(path, data, cas)


@pytest.mark.parametrize("survives", [0, 1, 2])
def test_a_run_that_dies_before_the_index_changed_nothing(store, kv, mount, survives):
    """Until the index is written the old state is what is loaded, and the next save goes on from there."""
    state = store.create(new_index())
    state.put(account("mm"))
    state.put(account("carry"))
    store.save(state, NOW)
    dying = VaultStateStore(Dying(kv, survives), mount, PATH, version="1.2.3")
    doomed = dying.load()
    for name in ("mm", "carry"):
        doomed.put(account(name, status=AccountStatus.UNKNOWN))
    with pytest.raises(VaultUnreachable):
        dying.save(doomed, NOW)
    found = store_over(kv, mount)
    state = found.load()
    assert {r.status for r in state.records} == {AccountStatus.EXISTS}
    state.put(account("mm", iiban="AA12 N84G ABCD 3F5K"))
    found.save(state, NOW)
    assert store_over(kv, mount).load().account("spot_subaccount.mm").iiban == "AA12 N84G ABCD 3F5K"


def test_repeated_deaths_do_not_push_the_pinned_version_out(store, kv, mount):
    """What a dead run left is used again, so that history is not used up: KV keeps ten versions."""
    state = store.create(new_index())
    state.put(account("mm"))
    store.save(state, NOW)
    for _ in range(15):
        dying = VaultStateStore(Dying(kv, 1), mount, PATH, version="1.2.3")
        doomed = dying.load()
        doomed.put(account("mm", status=AccountStatus.UNKNOWN))
        try:
            dying.save(doomed, NOW)
        except VaultUnreachable:
            continue
        break
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.mm").version == 2
    assert store_over(kv, mount).load().account("spot_subaccount.mm").status is AccountStatus.UNKNOWN


def die(kv, mount, number):
    """A run that changes an account, and dies between document and index."""
    dying = VaultStateStore(Dying(kv, 1), mount, PATH, version="1.2.3")
    doomed = dying.load()
    doomed.put(account("mm", username=f"other-{number}"))
    dying.save(doomed, NOW)


def test_not_even_deaths_that_leave_something_else_each_time_push_it_out(store, kv, mount):
    """Where unpinned versions pile up, the entry is told to keep more of them before one more is written."""
    state = store.create(new_index())
    state.put(account("mm"))
    store.save(state, NOW)
    for number in range(25):
        with pytest.raises(VaultUnreachable):
            die(kv, mount, number)
    found = store_over(kv, mount).load()
    assert found.account("spot_subaccount.mm") == account("mm")
    assert kv.metadata(f"{PATH}/resources/spot_subaccount.mm").version == 26


def test_a_mount_that_keeps_one_version_loses_nothing(bao, kv, mount):
    """Entries of the state say themselves how many versions they keep."""
    bao.request("POST", f"{mount}/config", {"max_versions": 1})
    store = store_over(kv, mount)
    state = store.create(new_index())
    state.put(account("mm"))
    store.save(state, NOW)
    with pytest.raises(VaultUnreachable):
        die(kv, mount, 1)
    assert store_over(kv, mount).load().account("spot_subaccount.mm") == account("mm")
    assert set(store.own_limits(state).values()) == {10}


def test_a_token_that_may_not_set_that_goes_on_with_what_the_mount_keeps(bao, kv, mount):
    """Rights on metadata are not needed to save; where too much piled up for the mount, saving is refused."""
    store = store_over(kv, mount)
    saved(store)
    policy = f"""
      path "{mount}/data/*" {{ capabilities = ["create", "update", "read"] }}
      path "{mount}/metadata/*" {{ capabilities = ["read", "delete"] }}
    """
    narrow = bao.client(mount, token=bao.token_with(policy))
    bao.request("POST", f"{mount}/metadata/{PATH}/resources/spot_subaccount.mm", {"max_versions": 0})
    for number in range(9):
        with pytest.raises(VaultUnreachable):
            die(narrow, mount, number)
    with pytest.raises(VaultDenied):
        die(narrow, mount, 9)
    assert store_over(narrow, mount).load().account("spot_subaccount.mm") == account("mm")
    narrow.close()


def test_a_reader_that_is_overtaken_reads_again(store, kv, mount):
    """A document that a writer removes while another run reads is no damage: there is a newer index."""
    saved(store)
    writer = store.load()

    class Overtaken(Dying):
        def read(self, path, version=None):
            if "/resources/" in path and writer.changed == set():
                writer.forget("spot_subaccount.mm")
                writer.put(account("carry"))
                store.save(writer, NOW)
            return self._inner.read(path, version)

    found = VaultStateStore(Overtaken(kv, 0), mount, PATH, version="1.2.3").load()
    assert [r.address for r in found.records] == ["spot_subaccount.carry"]


@pytest.mark.parametrize("moved", ["another account's", "another state's"])
def test_a_document_in_a_wrong_place_is_named(store, kv, mount, moved):
    """A document copied from another account or another lineage is refused, saying what it is."""
    path = saved(store)
    if moved == "another account's":
        state = store.load()
        state.put(account("carry"))
        store.save(state, NOW)
        data = kv.read(f"{PATH}/resources/spot_subaccount.carry").data
    else:
        foreign = VaultStateStore(kv, mount, "krakenstate/other", version="1.2.3")
        state = foreign.create(new_index())
        state.put(account("mm"))
        foreign.save(state, NOW)
        data = kv.read("krakenstate/other/resources/spot_subaccount.mm").data
    repin(kv, path, data)
    before = kv.metadata(f"{PATH}/index").version
    with pytest.raises(StateDamaged, match=rf"{mount}/{path} belongs to another") as caught:
        store.load()
    assert data["lineage"] in caught.value.message
    assert "krakenstate state rebuild" in caught.value.next_step
    assert kv.metadata(f"{PATH}/index").version == before


def test_another_writer_of_a_document_is_a_conflict(store, kv, mount):
    """A document that changes between looking and writing stops the save before the index."""

    class Racing(Dying):
        def write(self, path, data, cas):
            if "/resources/" in path:
                raise VaultConflict("raced")
            return self._inner.write(path, data, cas)

    store.create(new_index())
    racing = VaultStateStore(Racing(kv, 0), mount, PATH, version="1.2.3")
    state = racing.load()
    state.put(account("mm"))
    with pytest.raises(StateConflict, match=r"spot_subaccount\.mm"):
        racing.save(state, NOW)
    assert kv.metadata(f"{PATH}/index").version == 1


def saved(store):
    """A state with one document, saved."""
    state = store.create(new_index())
    state.put(account("mm"))
    store.save(state, NOW)
    return f"{PATH}/resources/spot_subaccount.mm"


def repin(kv, path, data):
    """Makes the index vouch for other data, as somebody with too many rights could."""
    version = kv.write(path, data, cas=kv.metadata(path).version)
    index = kv.read(f"{PATH}/index")
    pin = {"version": version, "digest": hashlib.sha256(rfc8785.dumps(data)).hexdigest()}
    index.data["documents"] = {path.rpartition("/")[2]: pin}
    reseal(kv, index.data)


def reseal(kv, data):
    """Writes an index whose digest fits, as somebody who knows the format could."""
    kv.write(f"{PATH}/index", seal(unsealed(data)), cas=kv.metadata(f"{PATH}/index").version)


def test_an_edit_by_hand_is_not_loaded(store, kv):
    """A newer version nobody pinned is ignored: the pinned one is what is read."""
    path = saved(store)
    entry = kv.read(path)
    entry.data["records"]["spot_subaccount.mm"]["email"] = "evil@desk.example"
    kv.write(path, entry.data, cas=1)
    assert store.load().account("spot_subaccount.mm").email == "mm@desk.example"


@pytest.mark.parametrize("action", ["delete", "destroy", "gone"])
def test_a_lost_document_is_named(store, bao, mount, kv, action):
    """A pinned version that was deleted, destroyed or purged stops everything, with its name."""
    path = saved(store)
    if action == "gone":
        kv.delete(path)
    else:
        bao.request("POST", f"{mount}/{action}/{path}", {"versions": [1]})
    with pytest.raises(StateDamaged, match=rf"{mount}/{path} is gone"):
        store.load()


def test_a_replaced_document_is_named(store, kv, mount):
    """A document made anew under the pinned version has another digest."""
    path = saved(store)
    entry = kv.read(path)
    kv.delete(path)
    entry.data["records"]["spot_subaccount.mm"]["email"] = "evil@desk.example"
    kv.write(path, entry.data, cas=0)
    with pytest.raises(StateDamaged, match=rf"{path} is not what the index pinned"):
        store.load()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data.pop("records") and None, id="truncated"),
        pytest.param(lambda data: data.update(records=5), id="another type"),
        pytest.param(lambda data: data.update(name="spot_subaccount.x"), id="another name"),
        pytest.param(lambda data: data.update(lineage="x"), id="another lineage"),
        pytest.param(lambda data: data.update(extra="x"), id="an unknown field"),
        pytest.param(lambda data: data.update(format_version="x"), id="no format"),
    ],
)
def test_a_document_that_the_index_vouches_for_is_checked_all_the_same(store, kv, damage):
    """Form, name and lineage are checked beside the digest."""
    path = saved(store)
    data = kv.read(path).data
    damage(data)
    repin(kv, path, data)
    if "records" in data:
        with pytest.raises(StateDamaged, match=path):
            store.load()
    else:
        assert list(store.load().records) == []


def test_numbers_without_canonical_form_are_damage(store, kv):
    """A document with a number that RFC 8785 cannot write was not written by krakenstate."""
    path = saved(store)
    kv.delete(path)
    kv.write(path, {"format_version": 2**60}, cas=0)
    with pytest.raises(StateDamaged, match=path):
        store.load()


@pytest.mark.parametrize("field", ["lineage", "serial", "documents", "created_at"])
def test_a_damaged_index_is_named(store, kv, mount, field):
    """An index without one of its fields is damaged, not empty."""
    saved(store)
    entry = kv.read(f"{PATH}/index")
    entry.data[field] = {"spot_subaccount.mm": {"version": 1}} if field == "documents" else None
    reseal(kv, entry.data)
    with pytest.raises(StateDamaged, match=rf"{mount}/{PATH}/index .*{field}"):
        store.load()


def test_a_newer_format_is_told_from_damage(store, kv):
    """A state that a newer krakenstate wrote asks for that version, in index and document."""
    path = saved(store)
    data = kv.read(path).data
    repin(kv, path, {**data, "format_version": FORMAT_VERSION + 1, "new": True})
    with pytest.raises(StateTooNew, match=path):
        store.load()
    entry = kv.read(f"{PATH}/index")
    newer = {"format_version": FORMAT_VERSION + 1, "new": True, "krakenstate_version": "7.8.9"}
    kv.write(f"{PATH}/index", {**entry.data, **newer}, cas=entry.version)
    with pytest.raises(StateTooNew, match=r"index was written by krakenstate 7\.8\.9 in format") as caught:
        store.load()
    assert caught.value.next_step == "Use krakenstate 7.8.9 or newer."


def test_an_index_that_was_edited_by_hand_is_named(store, kv, mount):
    """Nothing pins the index, so it carries a digest of its own; the message says how to go back."""
    saved(store)
    entry = kv.read(f"{PATH}/index")
    kv.write(f"{PATH}/index", {**entry.data, "serial": 1}, cas=entry.version)
    with pytest.raises(
        StateDamaged, match=rf"Version 3 of {mount}/{PATH}/index is not what krakenstate wrote"
    ) as caught:
        store.load()
    assert f"bao kv rollback -version=2 {mount}/{PATH}/index" in caught.value.next_step
    assert "krakenstate state rebuild" in caught.value.next_step
    kv.write(f"{PATH}/index", entry.data, cas=3)
    assert store.load().index.serial == 2


def test_a_record_that_fits_no_part_is_refused_before_anything_is_written(store, kv):
    """256 KiB are the limit; the message names document and task, and nothing is written."""
    state = store.create(new_index())
    state.put(account("a"))
    state.put(account("mm"))
    state.put_task(task(1, text="x" * 256 * 1024))
    with pytest.raises(StateTooLarge, match=r"spot_subaccount\.mm .*00000001") as caught:
        store.save(state, NOW)
    assert caught.value.code == "KS3009"
    assert kv.list(f"{PATH}/resources") == []


def test_documents_are_readable(store, kv):
    """In Vault a document is plain JSON, as a person may want to read it."""
    assert kv.read(saved(store)).data["records"]["spot_subaccount.mm"] == {
        "kind": "account",
        "address": "spot_subaccount.mm",
        "status": "exists",
        "email": "mm@desk.example",
        "username": None,
        "master": None,
        "iiban": None,
        "account_uid": None,
        "trading_enabled": None,
        "existed_at": None,
        "provenance": "recorded",
        "adopted": None,
        "protect": False,
    }


TEXTS = st.text(max_size=40)
NAMES = st.from_regex(r"\A[a-z][a-z0-9_-]{0,10}\Z")
ACCOUNTS = st.builds(
    lambda name, email, username, uid, trading, at: account(
        name, email=email, username=username, account_uid=uid, trading_enabled=trading, existed_at=at
    ),
    NAMES,
    TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | st.booleans(),
    st.none() | st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0)),
)
GRANTS = st.builds(
    lambda name, policy: GrantRecord(
        address=Address.of("grant", name),
        process=Address.of("process", name),
        policy_name=name,
        policy=policy,
    ),
    NAMES,
    TEXTS,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(ACCOUNTS | GRANTS, max_size=5), text=TEXTS)
def test_any_state_survives_the_round_trip(kv, mount, records, text):
    """Whatever characters and instants a state holds, what is loaded is what was saved."""
    path = f"round/{uuid.uuid4()}"
    store = VaultStateStore(kv, mount, path, version="1.2.3")
    state = store.create(new_index())
    for record in records:
        state.put(record)
    state.put_task(task(1, text=text))
    store.save(state, NOW)
    found = VaultStateStore(kv, mount, path, version="1.2.3").load()
    assert found.documents == state.documents
    serial = found.index.serial
    store.save(state, NOW)
    assert state.index.serial == serial
