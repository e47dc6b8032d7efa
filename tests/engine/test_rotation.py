"""A rotation, stage by stage: the process is served all the time, and the old key is dead in the end."""

from datetime import date, timedelta

import pytest

from krakenstate.engine import runs
from krakenstate.errors import HandInNotExpected
from krakenstate.model.plan import Action, Reason
from krakenstate.model.report import Evidence, InUse
from krakenstate.model.rotation import Stage
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind, TaskStatus
from tests.support.world import (
    CONTROLLER,
    STATE,
    World,
    derivatives_key,
    halves,
    is_empty,
    spot_key,
)

SPOT, PERP = "spot_key.pnl", "derivatives_key.hedger"
DEAD = "is proven dead: Kraken does not know it; its secret left Vault"
DAYS = timedelta(days=1)
AGING = spot_key(rotate_every=90 * DAYS, overlap=2 * DAYS)


def due(world: World, key=AGING):
    """A key in service whose rotation is due."""
    old = world.put_in_service(key)
    world.clock.advance(days=91)
    return old


def next_key(world: World, key=AGING, **other):
    """Somebody makes the next generation."""
    named = {"name": f"{key.name}-g2"} if key.api.value == "spot" else {}
    return world.make_key(key, **{**named, **other})


def stage(world: World, address: str = SPOT) -> Stage | None:
    """How far the rotation is."""
    rotation = world.state.key(address).rotation
    return rotation.stage if rotation else None


def retired(world: World, address: str = SPOT, process: str = "pnl"):
    """What lies aside of the first generation."""
    entry = world.kv.read(f"{STATE}/retired/{process}/{address}-g1")
    return entry.data if entry else None


def says_it_uses(world: World, credential, address: str = SPOT, process: str = "pnl") -> None:
    """The process leaves word which key it uses."""
    store = world.session().records.evidence
    before, version = store.read(process, address)
    evidence = before or Evidence(stack="prod", address=address)
    use = InUse(fingerprint=credential.fingerprint, at=world.clock())
    store.write(process, address, evidence.model_copy(update={"in_use": use}), version)


def published(world: World, key=AGING):
    """A rotation whose new generation is in service."""
    old = due(world, key)
    world.apply()
    new = next_key(world, key)
    assert world.hand_in(key.address, new).effect is Effect.PUBLISHED
    return old, new


def draining(world: World, key=AGING):
    """A rotation whose old key's deletion is asked for."""
    old, new = published(world, key)
    world.attest(TaskKind.ADOPT_KEY, key.address)
    world.clock.advance(days=3)
    world.settle()
    world.settle()
    return old, new


def delete_old(world: World, credential) -> None:
    """Somebody deletes a key in the web page."""
    world.people("delete-key", account="desk", key=credential.api_key.get_secret_value())


def test_a_key_is_rotated_from_its_proposal_to_the_proof(world):
    """One safe stage after the other; each is visible, and between them nothing is left to propose."""
    old = due(world)
    step = world.step(SPOT)
    assert (step.action, step.reason) == (Action.ROTATE, Reason.ROTATION_DUE)
    assert (world.plan().summary.add, world.plan().summary.remove) == (1, 1)
    [outcome] = world.apply()
    assert outcome.effect is Effect.OPENED
    assert (stage(world), world.open_tasks(SPOT)) == (Stage.REQUESTED, [TaskKind.CREATE_KEY])
    assert "pnl-g2" in world.task(TaskKind.CREATE_KEY, SPOT).instructions
    assert world.plan().proposals == []
    assert world.published("pnl", SPOT)["api_key"] == halves(old)["api_key"]

    new = next_key(world)
    assert world.hand_in(SPOT, new).text.startswith("published at ")
    assert (stage(world), world.open_tasks(SPOT)) == (Stage.PUBLISHED, [TaskKind.ADOPT_KEY])
    assert world.published("pnl", SPOT).items() >= halves(new).items()
    assert retired(world).items() >= halves(old).items()
    record = world.state.key(SPOT)
    assert (record.generation, record.key_name) == (2, "pnl-g2")
    assert world.kv.metadata(f"kraken/prod/pnl/{SPOT}").custom["generations"] == '{"1":1,"2":2}'
    assert [world.settle().outcomes for _ in range(2)] == [[], []]

    says_it_uses(world, new)
    world.settle()
    assert (stage(world), world.open_tasks(SPOT)) == (Stage.DRAINING, [])
    assert world.step(SPOT).action is Action.WAIT
    world.clock.advance(days=1)
    assert world.settle().outcomes == []
    world.clock.advance(days=1)
    world.settle()
    task = world.task(TaskKind.DELETE_KEY, SPOT)
    assert f"ends in {old.last_four}" in task.instructions
    assert '"pnl-g1"' in task.title

    asked = len(world.calls(only=old))
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [proof] = world.settle().outcomes
    assert (proof.effect, proof.text) == (
        Effect.DESTROYED,
        f"the old key (generation 1, ...{old.last_four}) {DEAD}",
    )
    assert len(world.calls(only=old)) == asked + 1
    assert world.session().records.ledger.breakers() == []
    assert (retired(world), stage(world), world.open_tasks(SPOT)) == (None, None, [])
    assert is_empty(world.plan())
    assert world.published("pnl", SPOT).items() >= halves(new).items()


def test_a_derivatives_key_is_rotated_too(world):
    """Told apart by its public half; the report is what the key itself says where its process runs."""
    key = derivatives_key(rotate_every=90 * DAYS)
    old, new = published(world, key)
    assert world.open_tasks(PERP) == [TaskKind.ADOPT_KEY]
    says_it_uses(world, new, PERP, "hedger")
    world.settle()
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, PERP)
    [proof] = world.settle().outcomes
    assert proof.effect is Effect.DESTROYED
    assert is_empty(world.plan())


def test_a_controller_needs_no_adoption(world):
    """Its process is this program, which reads the path at each run."""
    key = type(CONTROLLER)(
        **{n: getattr(CONTROLLER, n) for n in type(CONTROLLER).model_fields} | {"rotate_every": 90 * DAYS}
    )
    published(world, key)
    assert stage(world, key.address) is Stage.ADOPTED
    world.settle()
    assert world.open_tasks(key.address) == [TaskKind.DELETE_KEY]


@pytest.mark.parametrize(
    ("days", "changes", "reason"),
    [
        pytest.param(60, {}, Reason.EXPIRING, id="within-the-lead-time"),
        pytest.param(60, {"expires": date(2028, 1, 1)}, Reason.EXPIRING, id="a-later-day-declared"),
        pytest.param(100, {"expires": date(2028, 1, 1)}, Reason.EXPIRED, id="expired"),
    ],
)
def test_expiry_starts_a_rotation(world, days, changes, reason):
    """Nearer than the lead time, or over, whatever the next one will be."""
    key = spot_key(expires=date(2027, 1, 10))
    world.put_in_service(key)
    world.clock.advance(days=days)
    world.declare(spot_key(**{"expires": date(2027, 1, 10), **changes}))
    step = world.step(SPOT)
    assert (step.action, step.reason) == (Action.ROTATE, reason)


def test_an_expired_key_whose_declaration_expired_too_waits_for_a_later_day(world):
    """No key can be made with an expiry in the past, so the plan says what to declare."""
    world.put_in_service(spot_key(expires=date(2027, 1, 10)))
    world.clock.advance(days=100)
    step = world.step(SPOT)
    assert step.action is Action.WAIT
    assert "declare a later day" in step.note


def test_a_new_key_that_has_ended_already_is_told_as_such(world):
    """No web page makes one with an expiry in the past; whoever approves its task reads that first."""
    world.declare(spot_key(expires=date(2026, 1, 10)))
    step = world.step(SPOT)
    assert (step.action, step.task_kind) == (Action.MANUAL, TaskKind.CREATE_KEY)
    assert step.note.startswith("expires=2026-01-10 lies in the past, so no key can be made as declared")


def test_an_edit_comes_before_a_rotation_by_age(world):
    """What narrows a key is not put off until its successor exists."""
    due(world)
    world.declare(spot_key(rotate_every=90 * DAYS, permissions={"query-funds"}))
    assert world.step(SPOT).task_kind is TaskKind.EDIT_KEY


def test_the_next_generation_is_asked_for_anew_when_its_declaration_changes(world):
    """The task is superseded, and the key that is then handed in is compared with what is declared now."""
    due(world)
    world.apply()
    changed = spot_key(rotate_every=90 * DAYS, overlap=2 * DAYS, permissions={"query-funds"})
    world.declare(changed)
    step = world.step(SPOT)
    assert (step.task_kind, step.reason) == (TaskKind.CREATE_KEY, Reason.DECLARATION_CHANGED)
    world.apply()
    [first] = [t for t in world.state.tasks if t.status is TaskStatus.CANCELLED]
    assert first.kind is TaskKind.CREATE_KEY
    assert world.hand_in(SPOT, next_key(world)).effect is Effect.REJECTED
    world.people("edit-key", account="desk", name="pnl-g2", permission=["query-funds"])
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.PUBLISHED
    assert world.state.key(SPOT).terms.permissions == ("query-funds",)


def test_a_successor_that_differs_leaves_the_old_key_in_service(world):
    """It stays in quarantine with its report; the process notices nothing."""
    old = due(world)
    world.apply()
    outcome = world.hand_in(SPOT, next_key(world, permission=["withdraw-funds"]))
    assert outcome.effect is Effect.REJECTED
    assert stage(world) is Stage.RECEIVED
    assert world.published("pnl", SPOT).items() >= halves(old).items()
    assert retired(world) is None


def test_a_successor_of_another_account_is_dropped_and_the_rotation_goes_on(world):
    """A task asks to delete it where nobody wanted it; the old key and its rotation are as they were."""
    old = due(world)
    world.apply()
    world.people("create-account", name="other", email="other@desk.example")
    wrong = next_key(world, account="other@desk.example")
    assert world.hand_in(SPOT, wrong).code == "KS2104"
    assert stage(world) is Stage.REQUESTED
    assert world.state.key(SPOT).published.fingerprint == old.fingerprint
    assert world.hand_in(SPOT, next_key(world)).effect is Effect.PUBLISHED


def test_a_second_key_is_taken_only_while_a_rotation_waits_for_one(world):
    """Before it begins and after it published, nothing is taken in beside the key in service."""
    world.put_in_service(AGING)
    with pytest.raises(HandInNotExpected):
        runs.expect_hand_in(world.session(), SPOT)
    world.clock.advance(days=91)
    world.apply()
    world.hand_in(SPOT, next_key(world))
    with pytest.raises(HandInNotExpected):
        runs.expect_hand_in(world.session(), SPOT)


def test_a_key_that_answers_was_not_deleted(world):
    """Attested and still alive: it is said, the task is open again, and the next rotation waits."""
    old, _ = draining(world)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle().outcomes
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, "KS2207")
    task = world.task(TaskKind.DELETE_KEY, SPOT)
    assert task.rejection.startswith("NOT deleted: it answered at ")
    assert (stage(world), retired(world) is not None) == (Stage.DRAINING, True)
    world.clock.advance(days=100)
    assert world.step(SPOT).action is Action.WAIT
    assert [u.text for u in world.plan().facts.upcoming if "rotation to generation 2" in u.text]
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.DESTROYED


def test_without_an_admitted_site_somebody_looks(world):
    """The deletion is attested a second time, after looking; only then the secret leaves Vault."""
    old, _ = draining(world)
    asked = len(world.calls(only=old))
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle("colo").outcomes
    assert outcome.effect is Effect.WAITING
    assert (stage(world), retired(world) is not None) == (Stage.REVOKED, True)
    assert "look at the list of keys" in world.task(TaskKind.DELETE_KEY, SPOT).instructions
    assert world.settle("colo").outcomes == []
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle("colo").outcomes
    assert (outcome.effect, retired(world)) == (Effect.DESTROYED, None)
    assert len(world.calls(only=old)) == asked
    assert is_empty(world.plan("colo")) or world.plan("colo").proposals == []


def test_a_proof_whose_answer_is_lost_is_asked_again_a_quarter_of_an_hour_later(world):
    """Nobody is asked twice in a moment; meanwhile the secret stays."""
    old, _ = draining(world)
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    world.loses_answers_to = "GetApiKeyInfo"
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.WAITING
    world.loses_answers_to = ""
    asked = len(world.calls(only=old))
    assert all(o.effect is Effect.WAITING for o in world.settle().outcomes)
    assert len(world.calls(only=old)) == asked
    world.clock.advance(minutes=16)
    [outcome] = world.settle().outcomes
    assert (outcome.effect, len(world.calls(only=old))) == (Effect.DESTROYED, asked + 1)


def test_a_key_removed_during_its_rotation_leaves_nothing_behind(world):
    """Both generations are deleted and both secrets go before the record does."""
    old, new = published(world)
    world.declare()
    world.apply()
    world.settle()
    assert world.open_tasks(SPOT) == [TaskKind.DELETE_KEY, TaskKind.STOP_PROCESS]
    delete_old(world, old)
    world.attest(TaskKind.STOP_PROCESS, SPOT)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [proof] = world.settle().outcomes
    assert proof.effect is Effect.DESTROYED
    world.settle()
    delete_old(world, new)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    world.settle()
    assert world.state.key(SPOT) is None
    assert (retired(world), world.published("pnl", SPOT)) == (None, None)


def test_a_key_removed_before_its_successor_was_published_gives_the_rotation_up(world):
    """The successor that was handed in is to be deleted as well."""
    due(world)
    world.apply()
    world.hand_in(SPOT, next_key(world, permission=["withdraw-funds"]))
    world.declare()
    world.apply()
    assert world.state.key(SPOT).rotation is None
    assert world.open_tasks(SPOT) == [TaskKind.DELETE_KEY, TaskKind.STOP_PROCESS]
    assert world.quarantine("pnl", SPOT) is None
