"""The power goes at every seam of every remote write: the next run tells the truth and finishes the work.

How this works: the key-value store is watched. When the journal, a document of the state or the index is
about to be written, or just was, the power goes: not even ``finally`` blocks reach anything. Then the power
is back, the dead run's lease has ended, and another run goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from krakenstate import AppRole, DerivativesSubaccount, Moved, Removed
from krakenstate.engine import leak
from krakenstate.engine.adoption import keep_inventory
from krakenstate.errors import LockHeld, VaultError
from krakenstate.model.desired import Desired
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.run import CallKind
from krakenstate.model.state import AccountStatus
from krakenstate.model.task import TaskKind, TaskStatus
from tests.support.memory import PowerCut, Unreliable, Watch
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    HEAD,
    MM,
    World,
    grant,
    halves,
    is_empty,
    spot_key,
)

BEFORE_INTENT, AFTER_INTENT = "before the intent", "after the intent, before the call"
BEFORE_OUTCOME, BEFORE_STATE = "after the call, before its outcome", "before the state is saved"
BEFORE_INDEX = "between document and index"
SEAMS = (BEFORE_INTENT, AFTER_INTENT, BEFORE_OUTCOME, BEFORE_STATE, BEFORE_INDEX)
SPOT, RENAMED = "spot_key.pnl", "spot_key.reporting"


def seam(kind: CallKind, where: str) -> Watch:
    """Cuts the power at one place of the first write of a kind."""
    concluded = False

    def watch(moment: str, path: str, data: Mapping[str, Any]) -> bool:
        nonlocal concluded
        is_entry = "/journal/" in path and data.get("kind") == kind.value
        is_intent = is_entry and data["result"] is None
        is_outcome = is_entry and not is_intent
        if is_outcome and moment == "after":
            concluded = True
        hits = {
            BEFORE_INTENT: is_intent and moment == "before",
            AFTER_INTENT: is_intent and moment == "after",
            BEFORE_OUTCOME: is_outcome and moment == "before",
            BEFORE_STATE: concluded and moment == "before" and "/resources/" in path,
            BEFORE_INDEX: concluded and moment == "before" and path.endswith("/index"),
        }
        return hits[where]

    return watch


@dataclass(frozen=True)
class Scenario:
    """A run that makes a kind of call, the run that follows its death, and where both must arrive."""

    kind: CallKind
    prepare: Callable[[World], None]
    run: Callable[[World], object]
    again: Callable[[World], object]
    check: Callable[[World], None]
    seams: tuple[str, ...] = SEAMS


def creator_in_service(world: World) -> None:
    """The stack declares a subaccount, and the key that can create it works."""
    world.put_in_service(CREATOR)
    world.declare(CREATOR, MM)


def subaccount_exists_once(world: World) -> None:
    """Kraken made it once, the state knows it, and its set-up is asked for."""
    assert [a["email"] for a in world.people("state")["accounts"]].count(MM.email) == 1
    assert len(world.calls("CreateSubaccount")) == 1
    assert world.state.account(MM.address).status is AccountStatus.EXISTS
    assert world.open_tasks() == [TaskKind.FINISH_EMAIL_SETUP]


def apply_and_answer(world: World) -> None:
    """The next apply; when it asks what became of the creation, somebody looks and says the truth."""
    world.apply()
    if TaskKind.SETTLE_UNKNOWN in world.open_tasks():
        exists = MM.email in [a["email"] for a in world.people("state")["accounts"]]
        assert len(world.calls("CreateSubaccount")) == exists
        world.answer(MM.address, created=exists)
        world.apply()


def trading_on(world: World) -> None:
    """A linked account that trades, and a stack that says it shall not."""
    world.people("create-account", name="carry", email=CARRY.email, kind="sub")
    world.put_in_service(CONTROLLER)
    world.declare(CONTROLLER, CARRY)
    world.people("support-process", master=DESK.email, subaccount=CARRY.email)
    world.people("email-confirm", email=CARRY.email)
    world.settle()
    assert is_empty(world.plan())
    off = DerivativesSubaccount(name="carry", master=DESK, email=CARRY.email, trading_enabled=False)
    world.declare(CONTROLLER, off)


def trading_is_off(world: World) -> None:
    """Kraken does as declared, nothing is left to do, and nobody else is blamed for the change."""
    [account] = [a for a in world.people("state")["accounts"] if a["email"] == CARRY.email]
    assert account["trading_enabled"] is False
    plan = world.plan()
    assert is_empty(plan)
    assert plan.facts.drift == ()


def left_in_inbox(world: World) -> None:
    """An approved key waits in the inbox."""
    world.declare(spot_key())
    world.apply()
    world.leave_in_inbox("pnl", SPOT, world.make_key(spot_key()))


def key_is_in_service(world: World) -> None:
    """Published once, nothing left on the way, its nonces used once each, nothing to do."""
    assert world.published("pnl", SPOT) is not None
    assert world.kv.metadata(f"kraken/prod/pnl/{SPOT}").version == 1
    assert (world.quarantine("pnl", SPOT), world.inbox("pnl", SPOT)) == (None, None)
    nonces = [call["nonce"] for call in world.calls("GetApiKeyInfo")]
    assert nonces == sorted(set(nonces))
    assert world.open_tasks() == []
    assert is_empty(world.plan())


def ready_to_let_go(world: World) -> None:
    """A key that left the stack, its process stopped, its deletion attested."""
    world.put_in_service(spot_key())
    world.declare()
    world.apply()
    world.attest(TaskKind.STOP_PROCESS, SPOT)
    world.settle()
    world.people("delete-key", account="desk", name="pnl-g1")
    world.attest(TaskKind.DELETE_KEY, SPOT)


def key_is_gone(world: World) -> None:
    """Neither secret nor record is left, and nobody asked the deleted key."""
    assert (world.published("pnl", SPOT), world.quarantine("pnl", SPOT)) == (None, None)
    assert world.state.key(SPOT) is None
    assert {call["outcome"] for call in world.calls()} == {"ok"}
    assert is_empty(world.plan())


def renamed(world: World) -> None:
    """A key in service has another name in the stack."""
    world.put_in_service(spot_key())
    world.desired = Desired(HEAD, [*BASIS, spot_key(name="reporting")], [Moved(old=SPOT, new=RENAMED)])


def key_has_its_new_name(world: World) -> None:
    """Recorded once, and its process still reads where it did."""
    assert world.published("pnl", SPOT) is not None
    assert [r.address for r in world.state.records if r.kind == "key"] == [RENAMED]
    assert is_empty(world.plan())


def to_let_go_of(world: World) -> None:
    """A key in service that the state shall let go of."""
    world.put_in_service(spot_key())
    world.desired = Desired(HEAD, BASIS, (), [Removed(address=SPOT)])


def key_is_let_go_of(world: World) -> None:
    """Its secret stays where it was; the state knows nothing of it."""
    assert world.published("pnl", SPOT) is not None
    assert world.state.key(SPOT) is None
    assert is_empty(world.plan())


MANAGED = grant(auth=AppRole(), manage=True)
PLACES = {"sys/policies/acl/krakenstate-prod-pnl", "auth/approle/role/krakenstate-prod-pnl"}


def grant_to_install(world: World) -> None:
    """A managed grant is declared and nothing of it is there."""
    world.declare(MANAGED)


def grant_is_there(world: World) -> None:
    """Policy and role stand in Vault, and nothing is left to do."""
    assert set(world.administration.held) == PLACES
    assert is_empty(world.plan())


def grant_to_remove(world: World) -> None:
    """A managed grant has left the stack; a policy of somebody else stands beside it."""
    world.declare(MANAGED)
    world.apply()
    world.administration.write("sys/policies/acl/other", "x")
    world.declare()


def grant_is_gone(world: World) -> None:
    """Of what was made nothing is left, and of the rest everything."""
    assert set(world.administration.held) == {"sys/policies/acl/other"}
    assert world.state.grant("grant.pnl") is None
    assert is_empty(world.plan())


def adopted(world: World) -> None:
    """A key that was there before is declared."""
    world.declare(spot_key(key_name="K"))


def key_is_adopted(world: World) -> None:
    """It is recorded, and nothing is left to do."""
    assert world.state.key(SPOT).adopted is not None
    assert is_empty(world.plan())


def list_a_key(world: World) -> None:
    """Somebody adds a key to the inventory."""
    with world.writing("inventory add") as run:
        keep_inventory(run, [InventoryEntry(name="K", account="desk")], ("name", "account"), "ana")


def key_is_listed(world: World) -> None:
    """Once."""
    assert [entry.name for entry in world.state.inventory] == ["K"]


def successor_handed_in(world: World) -> None:
    """A key whose rotation is due was asked for, and its successor waits in the inbox."""
    key = spot_key(rotate_every=timedelta(days=90))
    world.put_in_service(key)
    world.clock.advance(days=91)
    world.apply()
    world.leave_in_inbox("pnl", SPOT, world.make_key(key, name="pnl-g2"))


def successor_is_in_service(world: World) -> None:
    """The new generation is published once, the old secret lies aside, and nobody was rejected."""
    assert world.state.key(SPOT).generation == 2
    assert world.kv.metadata(f"kraken/prod/pnl/{SPOT}").version == 2
    assert world.kv.read(f"krakenstate/prod/retired/pnl/{SPOT}-g1") is not None
    assert {call["outcome"] for call in world.calls()} == {"ok"}
    assert world.open_tasks() == [TaskKind.ADOPT_KEY]


def key_that_leaked(world: World) -> None:
    """A key in service whose secret somebody has seen."""
    world.put_in_service(spot_key())


def order_rotation(world: World) -> None:
    """As ``key rotate --now`` does."""
    with world.writing("key rotate --now") as run:
        leak.rotate_now(run, world.desired.get(SPOT), "leaked", "ann")


def rotation_is_ordered(world: World) -> None:
    """One task for each of the two deeds, and the old secret lies aside."""
    assert world.open_tasks() == [TaskKind.CREATE_KEY, TaskKind.DELETE_KEY]
    assert world.state.key(SPOT).rotation.retired is True


SCENARIOS = {
    **{
        kind.value: Scenario(
            kind,
            grant_to_install,
            World.apply,
            World.apply,
            grant_is_there,
            seams=(BEFORE_INTENT, AFTER_INTENT, BEFORE_OUTCOME),  # recorded before anything is written
        )
        for kind in (CallKind.WRITE_POLICY, CallKind.WRITE_ROLE)
    },
    **{
        kind.value: Scenario(
            kind,
            grant_to_remove,
            World.apply,
            World.apply,
            grant_is_gone,
            seams=tuple(
                where for where in SEAMS if where != BEFORE_STATE
            ),  # an empty document is not written
        )
        for kind in (CallKind.REMOVE_POLICY, CallKind.REMOVE_ROLE)
    },
    "adopt": Scenario(
        CallKind.ADOPT,
        adopted,
        World.apply,
        World.apply,
        key_is_adopted,
        seams=(BEFORE_INTENT, AFTER_INTENT, BEFORE_OUTCOME),  # the call is the saving itself
    ),
    "keep-inventory": Scenario(
        CallKind.KEEP_INVENTORY,
        World.declare,
        list_a_key,
        list_a_key,
        key_is_listed,
        seams=(BEFORE_INTENT, AFTER_INTENT, BEFORE_OUTCOME),
    ),
    "retire": Scenario(
        CallKind.RETIRE, successor_handed_in, World.settle, World.settle, successor_is_in_service
    ),
    "order": Scenario(CallKind.ORDER, key_that_leaked, order_rotation, order_rotation, rotation_is_ordered),
    "move": Scenario(CallKind.MOVE, renamed, World.apply, World.apply, key_has_its_new_name),
    "release": Scenario(CallKind.RELEASE, to_let_go_of, World.apply, World.apply, key_is_let_go_of),
    "create-subaccount": Scenario(
        CallKind.CREATE_SUBACCOUNT, creator_in_service, World.apply, apply_and_answer, subaccount_exists_once
    ),
    "set-trading": Scenario(CallKind.SET_TRADING, trading_on, World.apply, World.apply, trading_is_off),
    **{
        kind.value: Scenario(kind, left_in_inbox, World.settle, World.settle, key_is_in_service)
        for kind in (
            CallKind.STORE_QUARANTINE,
            CallKind.EMPTY_INBOX,
            CallKind.PROBE,
            CallKind.PUBLISH,
        )
    },
    "drop-secret after publishing": Scenario(
        CallKind.DROP_SECRET,
        left_in_inbox,
        World.settle,
        World.settle,
        key_is_in_service,
        seams=(BEFORE_INTENT, AFTER_INTENT, BEFORE_OUTCOME),  # everything was saved before
    ),
    "drop-secret at the end": Scenario(
        CallKind.DROP_SECRET, ready_to_let_go, World.settle, World.settle, key_is_gone
    ),
}


def test_every_kind_of_call_is_cut_off_here():
    """A new kind of remote write comes with its seams."""
    assert {scenario.kind for scenario in SCENARIOS.values()} == set(CallKind)


@pytest.mark.parametrize(
    ("name", "where"), [(name, where) for name, scenario in SCENARIOS.items() for where in scenario.seams]
)
def test_the_next_run_finishes_what_a_dead_one_began(world, name, where):
    """Nothing is lost, nothing is done twice, and one more run arrives where the dead one was going."""
    scenario = SCENARIOS[name]
    scenario.prepare(world)
    world.cut_power_at(seam(scenario.kind, where), lambda: scenario.run(world))
    world.said.clear()
    scenario.again(world)
    scenario.check(world)


@pytest.mark.parametrize("where", [AFTER_INTENT, BEFORE_OUTCOME, BEFORE_STATE, BEFORE_INDEX])
def test_recovery_says_once_what_it_found(world, where):
    """The run after a death names the dead one and what is concluded about it; later runs do not repeat
    it."""
    creator_in_service(world)
    world.cut_power_at(seam(CallKind.CREATE_SUBACCOUNT, where), world.apply)
    world.said.clear()
    world.apply()
    [line] = [said for said in world.said if said.startswith("An earlier ")]
    assert line.startswith("An earlier apply (")
    assert "by ann@desk) did not end: " in line
    if where in {AFTER_INTENT, BEFORE_OUTCOME}:
        task = world.task(TaskKind.SETTLE_UNKNOWN, MM.address)
        assert line.endswith(f'the subaccount "desk-mm" may exist; task {task.id} asks what became of it.')
    else:
        assert line.endswith('the subaccount "desk-mm" was created and is recorded now.')
    world.said.clear()
    world.settle()
    assert [said for said in world.said if said.startswith("An earlier ")] == []


def test_a_run_that_died_before_its_first_write_left_nothing_undone(world):
    """Nothing was sent, so nothing is said to be left undone."""
    creator_in_service(world)
    watch = seam(CallKind.CREATE_SUBACCOUNT, BEFORE_INTENT)
    world.cut_power_at(watch, world.apply)
    world.said.clear()
    world.apply()
    found = [said for said in world.said if said.startswith("An earlier ")]
    assert all(said.endswith("did not end: nothing was left undone.") for said in found)
    subaccount_exists_once(world)


def test_an_unknown_creation_is_never_sent_again_by_itself(world):
    """However often plans and applies run, the call stays one until a person has answered."""
    creator_in_service(world)
    world.cut_power_at(seam(CallKind.CREATE_SUBACCOUNT, AFTER_INTENT), world.apply)
    for _ in range(3):
        world.apply()
        world.settle()
        world.clock.advance(days=1)
    assert world.calls("CreateSubaccount") == []
    assert world.step(MM.address).task_kind is TaskKind.SETTLE_UNKNOWN
    world.answer(MM.address, created=False)
    world.apply()
    subaccount_exists_once(world)


def test_a_creation_whose_answer_is_lost_becomes_a_question(world):
    """Kraken created it and the answer never came: unknown at once, asked of a person, and not sent again."""
    creator_in_service(world)
    world.loses_answers_to = "CreateSubaccount"
    [outcome] = world.apply()
    assert (outcome.effect, outcome.code) == ("failed", "KS3102")
    world.loses_answers_to = ""
    world.apply()
    assert len(world.calls("CreateSubaccount")) == 1
    world.answer(MM.address, created=True)
    subaccount_exists_once(world)


@pytest.mark.parametrize("failure", ["unreachable", "sealed", "denied", "lost"])
def test_a_creation_that_could_not_be_written_down_is_not_sent_again(world, failure):
    """Kraken created it, and Vault failed before the outcome was written: the journal stays open, so that the
    next run asks a person or knows it; it is not sent a second time."""
    creator_in_service(world)
    vault = Unreliable(world.mains.inner)
    world.mains.inner = vault

    def fail_at_the_outcome(moment: str, path: str, data: Mapping[str, Any]) -> bool:
        if moment == "before" and data.get("kind") == "create-subaccount" and data["result"] is not None:
            vault.fail(failure, 0)
        return False

    world.mains.watch = fail_at_the_outcome
    with pytest.raises(VaultError):
        world.apply()
    world.mains.restore()
    vault.mend()
    apply_and_answer(world)
    subaccount_exists_once(world)


def test_a_switch_whose_answer_is_lost_is_read_again(world):
    """A trading switch with a lost answer fails that step; the next run reads what became of it."""
    trading_on(world)
    world.loses_answers_to = "trading-enabled"
    plan_before = world.state.account(CARRY.address).trading_enabled
    world.loses_answers_to = ""
    assert plan_before is True

    def lose(moment: str, path: str, data: Mapping[str, Any]) -> bool:
        world.loses_answers_to = "trading-enabled" if data.get("kind") == "set-trading" else ""
        return False

    world.mains.watch = lose
    [outcome] = world.apply()
    world.mains.restore()
    world.loses_answers_to = ""
    assert outcome.effect == "failed"
    world.apply()
    assert is_empty(world.plan())
    assert [c["method"] for c in world.calls("trading-enabled?tradingEnabled=false")] == ["PUT"]


def test_a_dead_runs_lock_is_kept_until_its_lease_ends(world):
    """Nobody writes beside a run that may still live; a minute later its lock is taken over."""
    left_in_inbox(world)
    world.mains.watch = seam(CallKind.PROBE, AFTER_INTENT)
    with pytest.raises(PowerCut):
        world.settle()
    world.mains.restore()
    with pytest.raises(LockHeld):
        world.settle()
    world.clock.advance(seconds=61)
    world.settle()
    key_is_in_service(world)


def test_a_secret_typed_in_is_safe_from_the_moment_its_place_was_told(world):
    """Whatever dies after quarantine said where the secret is, the next settle puts it into service."""
    world.declare(spot_key())
    world.apply()
    credential = world.make_key(spot_key())
    world.cut_power_at(
        seam(CallKind.STORE_QUARANTINE, BEFORE_OUTCOME), lambda: world.hand_in(SPOT, credential)
    )
    assert world.quarantine("pnl", SPOT) == halves(credential)
    world.settle()
    key_is_in_service(world)


def test_tasks_opened_by_a_dead_run_are_not_doubled(world):
    """The next run opens the same tasks under the same ids."""
    world.declare(spot_key())
    cut = []

    def watch(moment: str, path: str, data: Mapping[str, Any]) -> bool:
        if path.endswith("/index") and moment == "before":
            cut.append(path)
        return bool(cut)

    world.cut_power_at(watch, world.apply)
    assert world.state.tasks == []
    world.apply()
    [task] = world.state.tasks
    assert (task.kind, task.status, task.round) == (TaskKind.CREATE_KEY, TaskStatus.OPEN, 1)
