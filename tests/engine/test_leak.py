"""The night of a leak: no plan, open breakers, few calls, and the truth about the leaked key."""

from datetime import timedelta

import pytest

from krakenstate import Permission
from krakenstate.engine import leak, people
from krakenstate.errors import NotInService, UsageError
from krakenstate.model.plan import Action, Reason
from krakenstate.model.rotation import Stage
from krakenstate.model.run import Breaker, BreakerScope, Effect
from krakenstate.model.task import TaskKind
from tests.engine.test_rotation import (
    AGING,
    SPOT,
    delete_old,
    draining,
    due,
    next_key,
    published,
    retired,
    stage,
)
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    STATE,
    World,
    halves,
    is_empty,
    spot_key,
)

FUNDS = spot_key(permissions={Permission.QUERY_FUNDS, Permission.WITHDRAW_FUNDS})


def order_rotation(world: World, reason: str = "in a public log") -> leak.Orders:
    """As ``krakenstate key rotate --now`` does."""
    with world.writing("key rotate --now") as run:
        return leak.rotate_now(run, world.desired.get(SPOT), reason, "ann")


def order_revocation(world: World, reason: str = "laptop stolen") -> leak.Orders:
    """As ``krakenstate key revoke`` does."""
    with world.writing("key revoke") as run:
        return leak.revoke(run, world.desired.get(SPOT), run.state.key(SPOT), reason, "ann")


def open_breaker(world: World, scope: BreakerScope, subject: str) -> None:
    """Earlier failures keep this from being asked for an hour."""
    now = world.clock()
    world.session().records.ledger.open_breaker(
        Breaker(
            scope=scope,
            subject=subject,
            opened_at=now,
            until=now + timedelta(hours=1),
            code="KS2101",
            address=SPOT,
            account="master_account.desk",
        )
    )


def journalled(world: World, kind: str) -> list[dict]:
    """The details of every journalled call of a kind."""
    found = []
    for path in world.kv.paths:
        entry = world.kv.read(path) if path.startswith(f"{STATE}/journal/") else None
        if entry and entry.data.get("kind") == kind:
            found.append(entry.data["details"])
    return found


@pytest.mark.parametrize(
    ("key", "order"),
    [
        pytest.param(spot_key(), [TaskKind.CREATE_KEY, TaskKind.DELETE_KEY], id="new-key-first"),
        pytest.param(FUNDS, [TaskKind.DELETE_KEY, TaskKind.CREATE_KEY], id="moves-funds"),
    ],
)
def test_two_deeds_at_kraken_and_two_orders_end_a_leak(world, key, order):
    """With the account's breaker open from the start: served by the new key, the leaked one proven dead."""
    old = world.put_in_service(key)
    open_breaker(world, BreakerScope.ACCOUNT, "master_account.desk")
    breakers = world.session().records.ledger.breakers()
    asked = len(world.calls())
    orders = order_rotation(world)
    assert [t.kind for t in orders.tasks] == order
    assert journalled(world, "order") == [
        {"order": "key rotate --now", "reason": "in a public log", "by": "ann"}
    ]
    assert len(world.calls()) == asked

    new = next_key(world, key)
    delete_old(world, old)
    outcome = world.hand_in(SPOT, new)
    assert outcome.effect is Effect.PUBLISHED
    assert "is proven dead: Kraken does not know it" in outcome.text
    assert world.published("pnl", SPOT).items() >= halves(new).items()
    assert (retired(world), stage(world), world.open_tasks(SPOT)) == (None, None, [])
    assert len(world.calls()) == asked + 2
    assert world.session().records.ledger.breakers() == breakers
    assert is_empty(world.plan())


def test_a_leaked_key_that_still_answers_is_said_to_be_alive(world):
    """The new key is in service, and the task to delete the old one says what was found."""
    world.put_in_service(spot_key())
    order_rotation(world)
    outcome = world.hand_in(SPOT, next_key(world))
    assert (outcome.effect, outcome.code) == (Effect.PUBLISHED, "KS2207")
    assert "is NOT revoked" in outcome.text
    assert world.task(TaskKind.DELETE_KEY, SPOT).rejection.startswith("NOT deleted")
    assert world.step(SPOT).action is Action.WAIT


def test_a_leaked_key_of_no_declared_unit_is_asked_only_after_somebody_deleted_it(world):
    """No nonce is sure to leave its process alone while the key may live."""
    key = spot_key(nonce_unit=None)
    old = world.put_in_service(key)
    asked = len(world.calls(only=old))
    order_rotation(world)
    world.hand_in(SPOT, next_key(world, key))
    assert len(world.calls(only=old)) == asked
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.DESTROYED


def test_during_a_lockout_the_new_secret_is_stored_and_nothing_is_asked(world):
    """It stays in quarantine, it is said until when, and a settle afterwards goes on by itself."""
    old = world.put_in_service(spot_key())
    open_breaker(world, BreakerScope.EGRESS, "egress")
    order_rotation(world)
    delete_old(world, old)
    new = next_key(world)
    asked = len(world.calls())
    outcome = world.hand_in(SPOT, new)
    assert outcome.effect is Effect.WAITING
    assert "is not asked until 2026-11-02T10:00:00Z" in outcome.text
    assert (world.quarantine("pnl", SPOT), len(world.calls())) == (halves(new), asked)
    world.clock.advance(hours=2)
    [published] = world.settle().outcomes
    assert published.effect is Effect.PUBLISHED
    assert "proven dead" in published.text
    assert is_empty(world.plan())


def test_an_order_hurries_a_rotation_that_waits_for_its_successor(world):
    """One rotation, one task to make the key; and nothing is waited for after it is published."""
    old = due(world)
    world.apply()
    order_rotation(world)
    assert world.open_tasks(SPOT) == [TaskKind.CREATE_KEY, TaskKind.DELETE_KEY]
    delete_old(world, old)
    assert "proven dead" in world.hand_in(SPOT, next_key(world)).text


def test_a_second_leak_during_an_overlap_replaces_the_key_in_service_too(world):
    """Both old generations are deleted and proven dead, one after the other; the newest secret serves."""
    first, second = draining(world)
    orders = order_rotation(world, "in a public log, again")
    said = f"generation 1 (...{first.last_four}), which it replaced, is to be deleted now too"
    assert said in " ".join(orders.notes)
    assert [t.kind for t in orders.tasks] == [
        TaskKind.CREATE_KEY,
        TaskKind.DELETE_KEY,
        TaskKind.DELETE_KEY,
    ]
    assert [t.subject for t in orders.tasks] == ["", second.fingerprint, first.fingerprint]
    third = next_key(world, AGING, name="pnl-g3")
    delete_old(world, second)
    assert "generation 2" in world.hand_in(SPOT, third).text
    assert world.published("pnl", SPOT).items() >= halves(third).items()
    record = world.state.key(SPOT)
    assert (record.generation, stage(world)) == (3, Stage.DRAINING)
    assert [old.number for old in record.outgoing] == [1]
    assert world.open_tasks(SPOT) == [TaskKind.DELETE_KEY]
    assert retired(world).items() >= halves(first).items()

    delete_old(world, first)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle().outcomes
    assert (outcome.effect, outcome.text.startswith("the old key (generation 1")) == (Effect.DESTROYED, True)
    assert (stage(world), retired(world), world.open_tasks(SPOT)) == (None, None, [])
    assert is_empty(world.plan())


def test_a_second_leak_before_the_process_uses_the_new_key_ends_the_question_whether_it_does(world):
    """Both are told apart by their fingerprints, and no task is left that nothing waits for."""
    first, second = published(world)
    assert world.open_tasks(SPOT) == [TaskKind.ADOPT_KEY]
    orders = order_rotation(world)
    assert [t.subject for t in orders.tasks] == ["", second.fingerprint, first.fingerprint]
    assert TaskKind.ADOPT_KEY not in world.open_tasks(SPOT)
    [*_, earlier, _latest] = sorted(u.text for u in world.plan().facts.upcoming if u.address == SPOT)
    assert earlier.startswith("rotation to generation 2 is draining")


def test_a_revocation_during_an_overlap_revokes_both_generations(world):
    """Each is deleted and proven dead; then nothing is in service, and it stays so."""
    first, second = draining(world)
    orders = order_revocation(world)
    assert [t.subject for t in orders.tasks] == [second.fingerprint, first.fingerprint, ""]
    for old in (second, first):
        delete_old(world, old)
        [task] = [t for t in world.state.open_tasks(SPOT) if t.subject == old.fingerprint]
        with world.writing("task attest", None) as run:
            people.attest(run, task, "ann", "done")
        [outcome] = world.settle().outcomes
        assert outcome.effect is Effect.DESTROYED, outcome
    record = world.state.key(SPOT)
    assert (record.rotation, record.published, record.revoked) == (None, None, "laptop stolen")
    assert (world.published("pnl", SPOT), retired(world), world.open_tasks(SPOT)) == (None, None, [])


def test_a_revoked_key_leaves_vault_when_it_is_dead_and_is_not_made_again_by_itself(world):
    """Deleted, proven, gone; the plan says that it was revoked, and a new one needs approval."""
    old = world.put_in_service(AGING)
    orders = order_revocation(world)
    assert [t.kind for t in orders.tasks] == [TaskKind.DELETE_KEY, TaskKind.STOP_PROCESS]
    assert world.plan().proposals == []
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.DESTROYED
    assert (world.published("pnl", SPOT), retired(world), world.open_tasks(SPOT)) == (None, None, [])
    step = world.step(SPOT)
    assert (step.task_kind, step.reason) == (TaskKind.CREATE_KEY, Reason.REVOKED)
    assert "laptop stolen" in step.note
    world.apply()
    assert world.hand_in(SPOT, next_key(world)).effect is Effect.PUBLISHED
    assert world.state.key(SPOT).generation == 2
    assert is_empty(world.plan())


def test_a_leaked_secret_that_somebody_replaced_in_vault_holds_nothing_up(world):
    """The new key goes into service; that the old one is gone is looked at by a person."""
    old = world.put_in_service(spot_key())
    stranger = world.make_key(spot_key(), name="stranger")
    path = f"kraken/prod/pnl/{SPOT}"
    world.kv.write(path, halves(stranger), world.kv.metadata(path).version)
    orders = order_rotation(world)
    assert len(orders.tasks) == 2
    assert "was not put aside" in " ".join(world.said)
    delete_old(world, old)
    new = next_key(world)
    assert world.hand_in(SPOT, new).effect is Effect.PUBLISHED
    assert world.published("pnl", SPOT).items() >= halves(new).items()
    for _ in range(2):
        world.attest(TaskKind.DELETE_KEY, SPOT)
        world.settle()
    assert (stage(world), len(world.calls(only=old))) == (None, 1)


def test_orders_are_refused_where_there_is_nothing_to_order(world):
    """No key in service, a revocation under way, or no reason given."""
    world.declare(spot_key())
    world.apply()
    with pytest.raises(NotInService):
        order_rotation(world)
    world.hand_in(SPOT, world.make_key(spot_key()))
    order_revocation(world)
    with pytest.raises(NotInService):
        order_rotation(world)
    with pytest.raises(UsageError):
        leak.check_reason("  ")


@pytest.fixture
def troubled(world):
    """An account with three keys in service and one that was handed in, and a link that trades."""
    world.put_in_service(CONTROLLER)
    world.declare(*BASIS, CONTROLLER, CARRY, spot_key(), also=())
    world.link_carry()
    world.apply()
    world.settle()
    world.put_in_service(spot_key())
    world.put_in_service(spot_key(name="bank", process=BASIS[5], permissions={Permission.WITHDRAW_FUNDS}))
    late = spot_key(name="late", process=BASIS[4])
    world.declare(*world.desired.resources.values(), late, also=())
    world.apply()
    world.hand_in(late.address, world.make_key(late), site=None)
    return world


def test_panic_lists_what_moves_funds_first_and_stops_trading(troubled):
    """The click lists write nothing; the switch works past the account's breaker, with its reason."""
    world = troubled
    before = {path: world.kv.metadata(path).version for path in world.kv.paths}
    listed = leak.deletions(world.session(), world.state, world.desired.get("master_account.desk"), "x")
    assert [title for title, _ in listed] == [
        "spot_key.bank (can move funds)",
        "derivatives_key.derivatives-controller",
        "spot_key.late",
        "spot_key.pnl",
    ]
    assert "\nFor the process pnl of risk.\n" in listed[3][1]
    assert {path: world.kv.metadata(path).version for path in world.kv.paths} == before
    open_breaker(world, BreakerScope.ACCOUNT, "master_account.desk")
    with world.writing("panic") as run:
        assert leak.stop_trading(run, CARRY, "orders nobody sent", "ann")
    [account] = [a for a in world.people("state")["accounts"] if a["email"] == CARRY.email]
    assert account["trading_enabled"] is False
    assert journalled(world, "set-trading")[-1]["reason"] == "orders nobody sent"


def test_panic_has_every_key_of_an_account_deleted_and_says_why(troubled):
    """Its tasks are open in the order in which to do them, and a settle brings none of the keys back."""
    world = troubled
    with world.writing("panic") as run:
        orders = leak.revoke_all(run, world.desired.get("master_account.desk"), "orders nobody sent", "ann")
    deletions = [t.address for t in orders.tasks if t.kind is TaskKind.DELETE_KEY]
    assert deletions == [
        "spot_key.bank", "derivatives_key.derivatives-controller", "spot_key.late", "spot_key.pnl",
    ]  # fmt: skip
    assert [t.kind for t in orders.tasks[4:]] == [TaskKind.STOP_PROCESS] * 3
    assert all(t.is_open for t in orders.tasks)
    assert {(d["order"], d["reason"], d["by"]) for d in journalled(world, "order")} == {
        ("panic", "orders nobody sent", "ann")
    }
    assert world.quarantine("hedger", "spot_key.late") is None
    world.settle()
    assert world.state.key("spot_key.late").published is None
    assert world.state.key(SPOT).rotation.replaces is False
