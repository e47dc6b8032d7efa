"""The state in memory: records and tasks in one document per account, and what changing it marks."""

import pytest

from krakenstate.errors import AddressUnknown, TaskNotFound
from krakenstate.model.state import Document, document_of
from krakenstate.model.task import TaskKind, TaskStatus, task_id
from tests.support.looks import account_record, grant_record, key_record, new_state, served, task_of
from tests.support.world import CARRY, MM, derivatives_key, grant, spot_key

KEY, PERP = spot_key(account=MM), derivatives_key(account=CARRY)
ADDRESS = "spot_key.pnl"


def clean_state(*records, tasks=()):
    """A state that holds these and was saved."""
    state = new_state(records, tasks)
    state.changed.clear()
    return state


def test_each_account_has_a_document_of_its_own():
    """An account's record and keys lie together, and grants in the stack's."""
    state = new_state([account_record(MM), key_record(KEY), key_record(PERP), grant_record(grant())])
    assert {name: sorted(d.records) for name, d in state.documents.items()} == {
        "spot_subaccount.mm": ["spot_key.pnl", "spot_subaccount.mm"],
        "derivatives_subaccount.carry": ["derivatives_key.hedger"],
        "stack": ["grant.pnl"],
    }
    assert [document_of(r) for r in state.records] == [
        "derivatives_subaccount.carry",
        "stack",
        "spot_subaccount.mm",
        "spot_subaccount.mm",
    ]


def test_records_are_found_by_address_and_kind():
    """Asking for another kind finds nothing; asking for what must be there and is not is an error."""
    state = new_state([account_record(MM), key_record(KEY), grant_record(grant())])
    assert state.key(ADDRESS) == key_record(KEY)
    assert (state.account(ADDRESS), state.grant(ADDRESS), state.key("spot_subaccount.mm")) == (
        None,
        None,
        None,
    )
    assert state.record("grant.pnl") == grant_record(grant())
    with pytest.raises(AddressUnknown):
        state.record("spot_key.other")


def test_putting_marks_only_what_it_changes():
    """The same record again changes nothing; another marks its document alone."""
    state = clean_state(account_record(MM), key_record(KEY), key_record(PERP))
    state.put(key_record(KEY))
    assert state.changed == set()
    state.put(served(KEY))
    assert state.changed == {"spot_subaccount.mm"}
    assert state.key(ADDRESS) == served(KEY)


def test_forgetting_takes_the_record_and_its_closed_tasks():
    """Open tasks stay, since somebody still has to act; others' records are untouched."""
    done = task_of(TaskKind.CREATE_KEY, ADDRESS, status=TaskStatus.VERIFIED)
    still = task_of(TaskKind.DELETE_KEY, ADDRESS)
    state = clean_state(account_record(MM), key_record(KEY), key_record(PERP), tasks=[done, still])
    state.forget(ADDRESS)
    assert [r.address for r in state.records] == ["derivatives_key.hedger", "spot_subaccount.mm"]
    assert state.tasks == [still]
    assert state.changed == {"spot_subaccount.mm"}
    state.changed.clear()
    state.forget("spot_key.never-there")
    assert state.changed == set()


def test_a_task_lies_with_what_it_is_about_and_stays_there():
    """In its account's document; after its record is forgotten it is changed where it lies."""
    state = new_state([key_record(KEY)], [task_of(TaskKind.DELETE_KEY, ADDRESS)])
    [task] = state.documents["spot_subaccount.mm"].tasks.values()
    state.forget(ADDRESS)
    state.put_task(task.model_copy(update={"rejection": "again"}))
    assert [name for name, d in state.documents.items() if d.tasks] == ["spot_subaccount.mm"]
    assert [t.rejection for t in state.tasks] == ["again"]


def test_a_task_about_nothing_recorded_lies_with_the_stack():
    """There is always a place."""
    state = new_state([], [task_of(TaskKind.DELETE_KEY, ADDRESS)])
    assert list(state.documents) == ["stack"]


def test_tasks_are_found_by_the_beginning_of_their_id():
    """One match is the task; none, several or an empty beginning is an error."""
    one, other = (
        task_of(TaskKind.CREATE_KEY, ADDRESS, id="aa11bb22"),
        task_of(TaskKind.EDIT_KEY, ADDRESS, id="aa99cc33"),
    )
    state = new_state([key_record(KEY)], [one, other])
    assert state.task("aa1") == one
    for prefix in ("aa", "", "ff"):
        with pytest.raises(TaskNotFound):
            state.task(prefix)
    assert state.open_tasks(ADDRESS) == [one, other]
    assert state.open_tasks("spot_key.other") == []


def test_the_last_hundred_applied_digests_are_kept():
    """Older ones give way."""
    state = new_state()
    for number in range(103):
        state.index = state.index.model_copy(update={"serial": number})
        state.note_applied(f"{number:064x}")
    assert state.index.applied_digests == {f"{number:064x}": number for number in range(3, 103)}
    state.note_applied(f"{7:064x}")
    assert state.index.applied_digests[f"{7:064x}"] == 102
    assert state.changed == {"index"}


def test_documents_survive_json():
    """What is written is what is read, every kind of record and a task included."""
    state = new_state(
        [account_record(MM), served(KEY), grant_record(grant()), key_record(PERP)],
        [task_of(TaskKind.EDIT_KEY, ADDRESS, waits_on=("spot_subaccount.mm",))],
    )
    for document in state.documents.values():
        assert Document.model_validate_json(document.model_dump_json()) == document


def test_a_task_id_is_stable():
    """The same work has this id for ever: it is the first eight digits of the SHA-256 of its four parts."""
    assert task_id("spot_key.pnl", TaskKind.CREATE_KEY, 1, 1) == "a4a6c73c"
    others = {
        task_id("spot_key.pnl", TaskKind.CREATE_KEY, 1, 1),
        task_id("spot_key.pnl2", TaskKind.CREATE_KEY, 1, 1),
        task_id("spot_key.pnl", TaskKind.DELETE_KEY, 1, 1),
        task_id("spot_key.pnl", TaskKind.CREATE_KEY, 2, 1),
        task_id("spot_key.pnl", TaskKind.CREATE_KEY, 1, 2),
    }
    assert len(others) == 5
