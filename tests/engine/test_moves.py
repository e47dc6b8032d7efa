"""Renames, letting go, protection and watching: what the state may do while nothing happens at Kraken."""

import pytest

from krakenstate import DerivativesSubaccount, MasterAccount, Moved, Removed
from krakenstate.engine import moves
from krakenstate.errors import AddressTaken, AddressUnknown, HandInNotExpected, MoveImpossible, StackProblems
from krakenstate.model.address import Address
from krakenstate.model.desired import Desired
from krakenstate.model.plan import Action, Reason, StepClass
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from tests.engine.test_rebuild import lose_the_state, make_anew
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    HEAD,
    HEDGER,
    MM,
    SECRETS,
    derivatives_key,
    grant,
    is_empty,
    spot_key,
)

OLD, NEW = Address("spot_key.pnl"), Address("spot_key.reporting")
KEY, RENAMED = spot_key(), spot_key(name="reporting")


def declare(world, *declarations, also=BASIS, renames=(), removed=()):
    """Edits the stack, renames and removals included."""
    world.desired = Desired(HEAD, [*also, *declarations], renames, removed)


def move(old=OLD, new=NEW):
    """As a stack says it."""
    return Moved(old=old, new=new)


def test_a_rename_is_a_proposal_of_its_own(world):
    """Shown as a move, part of the decision, and nothing else is proposed."""
    world.put_in_service(KEY)
    declare(world, RENAMED, renames=[move()])
    plan = world.plan()
    [step] = plan.moves
    assert (step.address, step.previous_address, step.action) == (NEW, OLD, Action.NO_OP)
    assert step.step_class is StepClass.PROPOSAL
    assert [s.address for s in plan.proposals] == [NEW]
    assert plan.digest != world_digest_without_moves(world)


def world_digest_without_moves(world):
    """The digest of a stack that proposes nothing."""
    declare(world, KEY)
    return world.plan().digest


def test_a_renamed_key_stays_where_its_process_reads_it(world):
    """The record moves, the secret does not, and everything goes on: observing, changing, removing."""
    key, renamed = derivatives_key(), derivatives_key(name="hedge")
    made = world.put_in_service(key)
    declare(world, renamed, renames=[move(key.address, renamed.address)])
    [outcome] = world.apply()
    assert outcome.effect is Effect.MOVED
    assert is_empty(world.plan())
    assert world.published("hedger", key.address)
    assert world.published("hedger", renamed.address) is None
    assert [r.address for r in world.state.records if r.kind == "key"] == [renamed.address]
    assert world.plan().facts.observations[-1].address != key.address
    assert world.session().records.snapshots.load_snapshot().of(renamed.address).description.fingerprint == (
        made.fingerprint
    )

    declare(world)
    world.apply()
    world.attest(TaskKind.STOP_PROCESS, renamed.address)
    world.settle()
    world.attest(TaskKind.DELETE_KEY, renamed.address)
    world.settle()
    assert world.published("hedger", key.address) is None
    assert is_empty(world.plan())


def test_a_rename_comes_back_from_a_lost_state(world):
    """Beside the secret stands the address it has now."""
    world.put_in_service(KEY)
    declare(world, RENAMED, renames=[move()])
    world.apply()
    declare(world, RENAMED)
    lose_the_state(world)
    assert make_anew(world).secrets == [NEW]
    assert world.state.key(NEW).shelf == OLD
    assert not world.plan().proposals


def test_a_rename_not_yet_applied_comes_back_from_a_lost_state_too(world):
    """The stack says what the secret is called now."""
    world.put_in_service(KEY)
    declare(world, RENAMED, renames=[move()])
    lose_the_state(world)
    assert make_anew(world).tasks == []
    assert world.state.key(NEW).shelf == OLD
    assert not world.plan().proposals


def test_a_key_on_its_way_in_moves_with_its_task_and_its_secret(world):
    """The task keeps its id and names the new address; what lies in quarantine is not lost."""
    key, renamed = derivatives_key(), derivatives_key(name="hedge")
    declare(world, key)
    world.apply()
    task = world.task(TaskKind.CREATE_KEY, key.address)
    world.hand_in(key.address, world.make_key(key), site=None)
    declare(world, renamed, renames=[move(key.address, renamed.address)])
    with pytest.raises(HandInNotExpected):
        world.hand_in(renamed.address, world.make_key(key))
    settled = world.settle()
    assert settled.outcomes == []
    world.apply()
    assert world.published("hedger", key.address)
    assert is_empty(world.plan())
    assert [t.id for t in world.state.tasks if t.address == renamed.address] == [task.id]


def test_a_renamed_account_takes_its_keys_and_its_waiting_tasks_along(world):
    """Keys, links and controllers of a renamed master refer to its new address."""
    house = MasterAccount(name="house", email=DESK.email, iiban=DESK.iiban)
    world.put_in_service(CONTROLLER)
    world.people("create-account", name="carry", email=CARRY.email, kind="sub")
    declare(world, CONTROLLER, CARRY)
    world.apply()
    others = [d for d in BASIS if d is not DESK]
    controller = CONTROLLER.model_copy(update={"account": house, "controls": house})
    carry = DerivativesSubaccount(name="carry", master=house, email=CARRY.email, trading_enabled=True)
    declare(world, house, controller, carry, also=others, renames=[move(DESK.address, house.address)])
    world.people("support-process", master=DESK.email, subaccount=CARRY.email)
    world.people("email-confirm", email=CARRY.email)
    world.apply()
    assert is_empty(world.plan())
    assert world.state.key(CONTROLLER.address).account == house.address
    assert world.state.account(CARRY.address).master == house.address
    assert world.state.account(DESK.address) is None


def test_nothing_settles_on_a_rename_that_was_not_applied(world):
    """The record of its account still has the old address; settling would make a second one."""
    house = MasterAccount(name="house", email=DESK.email, iiban=DESK.iiban)
    key = derivatives_key()
    world.put_in_service(CONTROLLER)
    world.declare(CONTROLLER, key)
    world.apply()
    world.hand_in(key.address, world.make_key(key), site=None)
    others = [d for d in BASIS if d is not DESK]
    controller = CONTROLLER.model_copy(update={"account": house, "controls": house})
    there = key.model_copy(update={"account": house})
    declare(world, house, controller, there, also=others, renames=[move(DESK.address, house.address)])
    assert world.settle().outcomes == []
    assert world.state.account(house.address) is None
    world.apply()
    assert world.published("hedger", key.address)
    assert is_empty(world.plan())


def test_a_chain_of_renames_is_one(world):
    """From wherever in the chain the state stands."""
    world.put_in_service(KEY)
    middle = Address("spot_key.middle")
    declare(world, RENAMED, renames=[move(OLD, middle), move(middle, NEW)])
    assert world.plan().moves[0].previous_address == OLD
    world.apply()
    assert is_empty(world.plan())


def test_a_rename_to_where_something_is_recorded_is_refused(world):
    """Two records cannot become one."""
    world.put_in_service(KEY)
    other = spot_key(name="reporting", process=HEDGER)
    declare(world, KEY, other)
    world.apply()
    declare(world, other, renames=[move()])
    with pytest.raises(AddressTaken):
        world.plan()


def test_a_new_key_does_not_come_to_where_the_secret_of_a_renamed_one_lies(world):
    """The freed address is refused as long as the renamed key's process reads there, and its secret stays."""
    world.put_in_service(KEY)
    declare(world, RENAMED, renames=[move()])
    world.apply()
    before = world.published("pnl", OLD)
    declare(world, RENAMED, spot_key(account=DESK))
    with pytest.raises(StackProblems) as refused:
        world.apply()
    [problem] = refused.value.problems
    assert (problem.code, problem.address) == ("KS3022", OLD)
    assert NEW in problem.message
    assert problem.next_step == "Declare the new key under another name."
    assert world.published("pnl", OLD) == before
    declare(world, RENAMED, spot_key(name="balances", account=DESK))
    assert [s.address for s in world.plan().proposals] == ["spot_key.balances"]


def test_a_rename_of_nothing_is_told(world):
    """The state records neither end, so the line has no effect, and the plan says so."""
    declare(world, RENAMED, renames=[move()])
    [check] = [c for c in world.plan().facts.checks if c.code == MoveImpossible.code]
    assert OLD in check.text


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("seam", range(1, 12))
def test_a_rename_that_dies_anywhere_is_finished_by_the_next_apply(world, moment, seam):
    """Killed at each write: the secret is never lost, and one more apply ends it."""
    world.put_in_service(KEY)
    declare(world, RENAMED, renames=[move()])
    seen = []

    def watch(when, path, _data):
        if when == moment and not path.endswith(("/lock", "/snapshot")):
            seen.append(path)
        return len(seen) == seam

    world.mains.watch = watch
    try:
        world.apply()
    except BaseException:  # noqa: BLE001 - the power went off
        world.mains.restore()
        world.clock.advance(minutes=2)
    world.mains.restore()
    world.apply()
    assert is_empty(world.plan())
    assert world.state.key(NEW).shelf == OLD
    assert world.published("pnl", OLD)


@pytest.mark.parametrize("says_so", [True, False])
def test_a_creation_that_died_is_not_sent_again_under_another_name(world, says_so):
    """The run died, then somebody renamed the declaration: it is still the same user name."""
    world.put_in_service(CREATOR)
    declare(world, CREATOR, MM)
    world.cut_power_at(
        lambda moment, path, data: moment == "after" and data.get("kind") == "create-subaccount", world.apply
    )
    there = MM.model_copy(update={"name": "maker"})
    declare(world, CREATOR, there, renames=[move(MM.address, there.address)] if says_so else [])
    world.apply()
    assert world.open_tasks(there.address) == [TaskKind.SETTLE_UNKNOWN]
    assert world.calls("CreateSubaccount") == []


def test_letting_go_touches_nothing_but_the_label(world):
    """The key stays at Kraken, its secret in Vault; a lost state does not take it back."""
    made = world.put_in_service(KEY)
    asked = len(world.calls(only=made))
    declare(world, removed=[Removed(address=OLD)])
    step = world.step(OLD)
    assert (step.action, step.reason) == (Action.FORGET, Reason.LET_GO)
    [outcome] = world.apply()
    assert f"{SECRETS}/pnl/{OLD}" in outcome.text
    assert world.published("pnl", OLD)
    assert world.state.key(OLD) is None
    assert len(world.calls(only=made)) == asked
    assert is_empty(world.plan())
    lose_the_state(world)
    assert make_anew(world).secrets == []


def test_an_account_is_let_go_of_after_its_keys(world):
    """First the key, then the account."""
    key = spot_key(account=MM)
    declare(world, CREATOR, MM, key)
    world.apply()
    world.hand_in(CREATOR.address, world.make_key(CREATOR))
    world.apply()
    created = len(world.calls("CreateSubaccount"))
    declare(world, CREATOR, removed=[Removed(address=MM.address), Removed(address=key.address)])
    assert world.step(MM.address).action is Action.WAIT
    world.apply()
    assert world.step(MM.address).reason is Reason.LET_GO
    world.apply()
    assert is_empty(world.plan())
    assert len(world.calls("CreateSubaccount")) == created


def test_protection_outlives_the_block(world):
    """It is recorded by an apply; then neither taking it out nor Removed gets past it, until it is lifted."""
    world.put_in_service(KEY)
    declare(world, spot_key(protect=True))
    step = world.step(OLD)
    assert (step.action, step.before, step.after) == (Action.UPDATE, {"protect": False}, {"protect": True})
    world.apply()
    assert is_empty(world.plan())
    declare(world)
    with pytest.raises(StackProblems, match="protect=True"):
        world.plan()
    declare(world, removed=[Removed(address=OLD)])
    with pytest.raises(StackProblems, match="protect=True"):
        world.apply()
    declare(world, KEY)
    world.apply()
    declare(world)
    assert world.step(OLD).task_kind is TaskKind.STOP_PROCESS


def test_a_resource_is_protected_from_its_first_apply(world):
    """No second apply is needed."""
    key = spot_key(protect=True)
    declare(world, key, grant(protect=True))
    world.apply()
    declare(world)
    with pytest.raises(StackProblems) as refused:
        world.plan()
    assert len(refused.value.problems) == 2


def test_what_is_only_observed_is_told_and_not_done(world):
    """No task, no call, no hand-in; the plan says what would be done."""
    key = spot_key(observe_only=True)
    watched = grant(observe_only=True)
    declare(world, key, watched)
    plan = world.plan()
    assert not plan.proposals
    assert {s.address: s.would for s in plan.steps if s.would} == {
        key.address: Action.MANUAL,
        watched.address: Action.MANUAL,
    }
    world.apply()
    assert world.open_tasks() == []
    with pytest.raises(HandInNotExpected):
        world.hand_in(key.address, world.make_key(key))


def test_a_rename_without_a_moved_is_suggested(world):
    """The key of the same process on the same account under another name: the line to paste is told."""
    world.put_in_service(KEY)
    declare(world, RENAMED)
    [check] = [c for c in world.plan().facts.checks if c.code == "KS7022"]
    assert 'stack.add(Moved(old="spot_key.pnl", new="spot_key.reporting"))' in check.text
    declare(world, spot_key(name="reporting", process=HEDGER))
    assert not [c for c in world.plan().facts.checks if c.code == "KS7022"]


def test_moving_by_command_checks_both_ends(world):
    """Nothing recorded at the old address, something at the new one, another type: each refused."""
    world.put_in_service(KEY)
    with world.writing("state mv") as run:
        for old, new, error in (
            ("spot_key.none", NEW, AddressUnknown),
            (OLD, OLD, AddressTaken),
            (OLD, "derivatives_key.pnl", MoveImpossible),
        ):
            with pytest.raises(error):
                moves.carry_out(run, Address(old), Address(new))
