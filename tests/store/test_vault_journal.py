"""The journal on a real server: what a run leaves behind when it ends, and when it does not."""

from datetime import UTC, datetime, timedelta

import pytest

from krakenstate.errors import InternalError, JournalUnreadable, VaultConflict
from krakenstate.model.run import Call, CallKind, Result
from krakenstate.secret.redactor import Redactor
from krakenstate.store.vault import journal as journal_module
from krakenstate.store.vault.journal import VaultJournal

PATH = "krakenstate/prod"
CANARY = "canary-8c11f0a4d6+/=="


class Clock:
    """A clock that moves a second at each look."""

    def __init__(self):
        self.now = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def new_journal(kv, mount):
    """Makes the journal of one more run."""
    clock, redactor = Clock(), Redactor()
    redactor.register(CANARY)
    return lambda: VaultJournal(
        kv, mount, PATH, clock=clock, who="ann@desk", version="1.2.3", scrub=redactor.scrub
    )


def test_intent_comes_before_outcome(new_journal, kv):
    """The first version of an entry is the intent, the second the outcome."""
    journal = new_journal()
    run = journal.begin("apply")
    intent = journal.intend(CallKind.PUBLISH, "spot_key.pnl", {"version": 3, "list": ["a", None]})
    path = f"{PATH}/journal/{run.id}/0001"
    assert run.id.startswith("20261122T173001Z-")
    assert kv.read(path).data["result"] is None
    journal.conclude(intent, Result.DONE, "version 4")
    assert kv.read(path, version=1).data["result"] is None
    assert kv.read(path).data["result"] == "done"
    assert kv.read(path).data["details"] == {"version": 3, "list": ["a", None]}
    with pytest.raises(VaultConflict):
        journal.conclude(intent, Result.FAILED)


def test_calls_made_side_by_side_share_an_entry(new_journal, kv):
    """Their intents are its first version, their outcomes its second; one that was cut off stays open."""
    dead = new_journal()
    run = dead.begin("settle")
    calls = [Call(kind=CallKind.PUBLISH, address=f"spot_key.k{n}", details={"n": CANARY}) for n in range(3)]
    intents = dead.intend_all(calls)
    dead.conclude_all(intents, [(Result.DONE, ""), None, (Result.FAILED, "KS4003")])
    dead.intend(CallKind.PROBE, "spot_key.k0", {})
    path = f"{PATH}/journal/{run.id}"
    assert kv.list(path) == ["0001", "0004", "run"]
    assert [i["result"] for i in kv.read(f"{path}/0001", version=1).data["intents"]] == [None, None, None]
    assert CANARY not in str(kv.read(f"{path}/0001").data)
    [(found, left)] = new_journal().unfinished()
    assert found.id == run.id
    assert [(i.number, i.address, i.result) for i in left] == [
        (1, "spot_key.k0", "done"),
        (2, "spot_key.k1", None),
        (3, "spot_key.k2", "failed"),
        (4, "spot_key.k0", None),
    ]


def test_a_run_that_died_is_found_by_the_next(new_journal):
    """Its intents come back in order with what is known of each; after recovery it is closed."""
    dead = new_journal()
    run = dead.begin("apply")
    first = dead.intend(CallKind.STORE_QUARANTINE, "spot_key.pnl", {})
    dead.conclude(first, Result.DONE)
    dead.intend(CallKind.PUBLISH, "spot_key.pnl", {"x": 1})
    ended = new_journal()
    ended.begin("settle")
    ended.end("done")
    journal = new_journal()
    journal.begin("apply")
    [(found, intents)] = journal.unfinished()
    assert found == run
    assert [(i.number, i.kind, i.result) for i in intents] == [
        (1, CallKind.STORE_QUARANTINE, Result.DONE),
        (2, CallKind.PUBLISH, None),
    ]
    journal.conclude(intents[1], Result.UNKNOWN, "asked a person")
    journal.recovered(found, "one call unknown")
    assert journal.unfinished() == []


def test_unfinished_runs_come_oldest_first(new_journal):
    """Runs are told apart by when they began; the current one is not among them."""
    begun = [new_journal().begin("apply").id for _ in range(3)]
    journal = new_journal()
    journal.begin("apply")
    assert [run.id for run, _ in journal.unfinished()] == begun


def test_ten_thousand_calls_stay_in_order(new_journal):
    """Numbers are compared as numbers."""
    dead = new_journal()
    dead.begin("apply")
    dead._last_number = 9998
    for _ in range(3):
        dead.intend(CallKind.PROBE, "spot_key.pnl", {})
    [(_, intents)] = new_journal().unfinished()
    assert [intent.number for intent in intents] == [9999, 10000, 10001]


def test_no_secret_enters_the_journal(new_journal, bao, mount):
    """Whatever is passed as detail, name or conclusion, registered secrets are taken out."""
    journal = new_journal()
    journal.begin(f"apply {CANARY}")
    intent = journal.intend(CallKind.PUBLISH, "spot_key.pnl", {"a": CANARY, "b": [{CANARY: f"x{CANARY}y"}]})
    journal.conclude(intent, Result.FAILED, f"it said {CANARY}")
    journal.end(f"failed: {CANARY}")
    kept = str(list(bao.walk(mount)))
    assert "canary" not in kept
    assert "(sensitive value)" in kept


def test_fifty_ended_runs_are_kept(new_journal, kv, monkeypatch):
    """Older ended runs are removed with all their entries; unfinished ones stay."""
    monkeypatch.setattr(journal_module, "KEEP_RUNS", 3)
    dead = new_journal()
    unfinished = dead.begin("apply").id
    dead.intend(CallKind.PROBE, "spot_key.pnl", {})
    ended = []
    for _ in range(5):
        journal = new_journal()
        ended.append(journal.begin("apply").id)
        journal.conclude(journal.intend(CallKind.PROBE, "spot_key.pnl", {}), Result.DONE)
        journal.end("done")
    left = [name.rstrip("/") for name in kv.list(f"{PATH}/journal") if name != "open/"]
    assert kv.list(f"{PATH}/journal/open") == [unfinished]
    assert left == [unfinished, *ended[-3:]]


@pytest.mark.parametrize("damage", ["head", "intent", "no head"])
def test_a_journal_that_cannot_be_read_is_not_passed_over(new_journal, kv, mount, damage):
    """What the last run did would not be known, so the damage is named by its path."""
    dead = new_journal()
    run = dead.begin("apply")
    dead.intend(CallKind.PROBE, "spot_key.pnl", {})
    folder = f"{PATH}/journal/{run.id}"
    if damage == "no head":
        kv.delete(f"{folder}/run")
    else:
        kv.write(f"{folder}/{'run' if damage == 'head' else '0001'}", {"id": 5}, cas=1)
    with pytest.raises(JournalUnreadable, match=f"{mount}/{folder}"):
        new_journal().unfinished()


def test_an_entry_needs_an_open_journal(new_journal):
    """Intending before beginning is a bug, and said to be one."""
    with pytest.raises(InternalError):
        new_journal().intend(CallKind.PROBE, "spot_key.pnl", {})
