"""The first rotation of an adopted key: it gets our name and our path, and the desk's own path stays."""

import pytest
from pydantic import SecretStr

from krakenstate.engine import leak
from krakenstate.engine.adoption import linked
from krakenstate.engine.reporting import Here, report_here
from krakenstate.errors import NotAskedInService
from krakenstate.model.credential import Credential
from krakenstate.model.plan import Action, Reason
from krakenstate.model.provenance import Provenance
from krakenstate.model.rotation import Stage
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from tests.engine.test_rebuild import lose_the_state, make_anew
from tests.engine.test_rotation import DAYS, SPOT, delete_old, says_it_uses, stage
from tests.support.adopted import ENTRY, FIELDS, KEY, PATH
from tests.support.world import (
    CARRY,
    CONTROLLER,
    DESK,
    STATE,
    World,
    derivatives_key,
    halves,
    is_empty,
    spot_key,
)

ADOPTED = {"key_name": "PNL (old)", "vault_path": PATH, "vault_fields": FIELDS}
ROTATED = {"rotate_every": 90 * DAYS, "overlap": 2 * DAYS}


def adopt(world: World, *keys) -> None:
    """The desk's keys are declared, approved and recorded."""
    world.declare(*keys)
    world.initialise()
    world.apply()


def next_key(world: World, key=KEY, number: int = 1):
    """Somebody makes the next generation under our name."""
    named = {"name": f"{key.name}-g{number}"} if key.api.value == "spot" else {}
    return world.make_key(key, **named)


def old_of(made) -> Credential:
    """The desk's key as a credential."""
    return Credential(api_key=SecretStr(made["api_key"]), api_secret=SecretStr(made["api_secret"]))


def shown(world: World) -> list[str]:
    """What the plan says beside its steps about adopted keys."""
    return [c.code for c in world.plan().facts.checks if c.code.startswith("KS131")]


def test_an_adopted_key_is_rotated_to_our_name_and_path(world, made):
    """Its process is told where to read, the old key is asked once when it is gone, the desk's path stays."""
    adopt(world, KEY)
    old, before = old_of(made), (world.kv.read(PATH), world.kv.metadata(PATH))
    world.clock.advance(days=200)
    assert is_empty(world.plan())

    world.declare(spot_key(**ADOPTED, **ROTATED))
    step = world.step(SPOT)
    assert (step.action, step.reason) == (Action.ROTATE, Reason.ROTATION_DUE)
    assert step.note.startswith("rotate_every is declared, and nobody knows how old the adopted key is; ")
    changes = {c.name: (c.before, c.after) for c in step.changes}
    assert changes == {
        "generation": (0, 1),
        "name": ("PNL (old)", "pnl-g1"),
        "vault_path": (PATH, f"kraken/prod/pnl/{SPOT}"),
    }
    world.apply()
    assert '"pnl-g1"' in world.task(TaskKind.CREATE_KEY, SPOT).title
    new = next_key(world)
    assert world.hand_in(SPOT, new).effect is Effect.PUBLISHED
    assert world.published("pnl", SPOT).items() >= halves(new).items()
    assert world.kv.read(f"{STATE}/retired/pnl/{SPOT}-g0").data == halves(old)
    task = world.task(TaskKind.ADOPT_KEY, SPOT)
    assert f"read its secret at kv/kraken/prod/pnl/{SPOT} from now on, not at kv/{PATH}." in task.instructions

    says_it_uses(world, new)
    world.settle()
    assert stage(world) is Stage.DRAINING
    world.clock.advance(days=3)
    world.settle()
    deletion = world.task(TaskKind.DELETE_KEY, SPOT)
    assert f'"PNL (old)" (...{old.last_four})' in deletion.title
    assert f"Its secret at kv/{PATH} is your own: remove it there once the key is deleted" in " ".join(
        deletion.instructions.split()
    )
    assert world.calls(only=old) == []
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.DESTROYED
    assert outcome.text.endswith(
        f"is proven dead: Kraken does not know it; its secret at kv/{PATH} is your own: remove it there"
    )
    assert len(world.calls(only=old)) == 1
    assert (world.kv.read(PATH), world.kv.metadata(PATH)) == before
    assert world.kv.read(f"{STATE}/retired/pnl/{SPOT}-g0") is None


def rotated(world: World, made, key):
    """An adopted key whose first rotation has ended."""
    adopt(world, key)
    world.apply()
    old = old_of(made)
    new = next_key(world, key)
    world.hand_in(SPOT, new)
    world.attest(TaskKind.ADOPT_KEY, SPOT)
    world.settle()
    delete_old(world, old)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    world.settle()
    assert world.state.key(SPOT).rotation is None
    return new


def test_what_was_adopted_can_leave_the_stack_and_may_stay(world, made):
    """The plan is empty with and without it; while it stays, a check says that it can go."""
    key = spot_key(**ADOPTED, rotate_every=90 * DAYS)
    rotated(world, made, key)
    assert is_empty(world.plan())
    [check] = [c for c in world.plan().facts.checks if c.code == "KS1315"]
    assert check.text == (
        "the adopted key is no longer in use; take key_name= and vault_path= and vault_fields= out of its "
        "declaration"
    )
    world.declare(spot_key(rotate_every=90 * DAYS))
    assert (is_empty(world.plan()), shown(world)) == (True, [])
    record = world.state.key(SPOT)
    assert (record.generation, record.key_name, record.provenance) == (1, "pnl-g1", Provenance.OBSERVED)


def test_afterwards_it_is_a_key_like_any_other(world, made):
    """Its next rotation is due by its age, and its secret is replaced at the same path."""
    key = spot_key(**ADOPTED, rotate_every=90 * DAYS)
    first = rotated(world, made, key)
    world.clock.advance(days=91)
    assert world.step(SPOT).reason is Reason.ROTATION_DUE
    world.apply()
    second = next_key(world, key, 2)
    assert world.hand_in(SPOT, second).effect is Effect.PUBLISHED
    assert world.published("pnl", SPOT).items() >= halves(second).items()
    assert world.kv.read(f"{STATE}/retired/pnl/{SPOT}-g1").data.items() >= halves(first).items()


def test_a_lost_state_knows_that_the_adopted_key_was_replaced(world, made):
    """What lies at our path came after it, although the stack still says key_name= and vault_path=."""
    new = rotated(world, made, spot_key(**ADOPTED, rotate_every=90 * DAYS))
    lose_the_state(world)
    make_anew(world)
    record = world.state.key(SPOT)
    assert (record.generation, record.published.fingerprint) == (1, new.fingerprint)
    assert record.is_as_adopted is False
    assert {s.action for s in world.plan().steps} <= {Action.NO_OP, Action.UNKNOWN}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, None, id="nothing-declared"),
        pytest.param({"rotate_before": 30 * DAYS}, Reason.EXPIRING, id="expires-soon"),
    ],
)
def test_an_adopted_key_is_let_alone_until_its_declaration_says_more(world, made, fields, reason):
    """Its expiry alone proposes nothing; with a declared lead time it does."""
    adopt(world, KEY)
    world.clock.advance(days=220)
    world.declare(spot_key(**ADOPTED, **fields))
    step = world.step(SPOT)
    assert (step.action, step.reason) == (
        (Action.ROTATE, reason) if reason else (Action.NO_OP, Reason.IN_SYNC)
    )


def test_others_who_used_a_shared_key_are_named(world):
    """Each of them needs a key of its own before the old one is deleted."""
    with world.writing("inventory add") as run:
        run.state.put_inventory([ENTRY])
    adopt(world, spot_key(key_name="PNL (old)", rotate_every=90 * DAYS))
    world.apply()
    world.hand_in(SPOT, next_key(world))
    text = world.task(TaskKind.ADOPT_KEY, SPOT).instructions
    assert "By the desk's list dashboard used it too: see that nobody does." in text


@pytest.mark.parametrize("key", [
    pytest.param(spot_key(key_name="PNL (old)", rotate_every=90 * DAYS), id="spot"),
    pytest.param(derivatives_key(key_name="futures", rotate_every=90 * DAYS), id="derivatives"),
])  # fmt: skip
def test_a_key_whose_secret_nobody_showed_is_rotated_by_peoples_word(world, key):
    """It cannot be asked, so somebody looks; no task names the end of another key."""
    adopt(world, key)
    world.apply()
    new = next_key(world, key)
    assert world.hand_in(key.address, new).effect is Effect.PUBLISHED
    world.attest(TaskKind.ADOPT_KEY, key.address)
    world.settle()
    deletion = world.task(TaskKind.DELETE_KEY, key.address)
    assert new.last_four not in deletion.title + deletion.instructions
    asked = len(world.calls())
    world.attest(TaskKind.DELETE_KEY, key.address)
    [outcome] = world.settle().outcomes
    assert "(generation 0) is not proven dead" in outcome.text
    assert outcome.text.endswith("asks somebody to look")
    world.attest(TaskKind.DELETE_KEY, key.address)
    [outcome] = world.settle().outcomes
    assert (outcome.effect, outcome.text.startswith("the old key (generation 0) is gone")) == (
        Effect.DESTROYED,
        True,
    )
    calls = world.calls()[asked:]
    assert {c["key_fingerprint"] for c in calls} <= {new.fingerprint}
    assert is_empty(world.plan())


def test_a_desk_that_replaced_its_own_secret_holds_nothing_up(world, made):
    """The adopted path is the desk's to write; the old key is then looked for, not asked."""
    adopt(world, spot_key(**ADOPTED, rotate_every=90 * DAYS))
    world.apply()
    other = halves(world.make_key(spot_key(), name="other"))
    head = world.kv.metadata(PATH)
    world.kv.write(PATH, {"key": other["api_key"], "secret": other["api_secret"]}, head.version)
    assert world.hand_in(SPOT, next_key(world)).effect is Effect.PUBLISHED
    assert any("its old secret was not put aside" in line for line in world.said)
    assert world.state.key(SPOT).rotation.retired is False


@pytest.mark.parametrize("known", [True, False])
def test_a_leaked_adopted_key_is_replaced_at_once(world, made, known):
    """Two orders, no plan: the new key is at our path, the old one is dead or looked for."""
    key = spot_key(**ADOPTED) if known else spot_key(key_name="PNL (old)")
    adopt(world, key)
    old = old_of(made) if known else None
    with world.writing("key rotate --now") as run:
        orders = leak.rotate_now(run, world.desired.get(SPOT), "in a public log", "ann")
    assert [t.kind for t in orders.tasks] == [TaskKind.CREATE_KEY, TaskKind.DELETE_KEY]
    new = next_key(world)
    world.people("delete-key", account="desk", key=made["api_key"])
    outcome = world.hand_in(SPOT, new)
    assert outcome.effect is Effect.PUBLISHED
    assert world.published("pnl", SPOT).items() >= halves(new).items()
    assert world.kv.read(PATH).data["secret"] == made["api_secret"]
    if known:
        assert "proven dead" in outcome.text
        assert len(world.calls(only=old)) == 1
        assert is_empty(world.plan())
    else:
        assert "is not proven dead: its secret was never shown" in outcome.text
        for _ in range(2):
            world.attest(TaskKind.DELETE_KEY, SPOT)
            world.settle()
        assert is_empty(world.plan())


@pytest.mark.parametrize("known", [True, False])
def test_an_adopted_key_is_revoked(world, made, known):
    """Stopped and deleted; the desk's path stays, and what the plan proposes next is our first generation."""
    adopt(world, spot_key(**ADOPTED) if known else spot_key(key_name="PNL (old)"))
    with world.writing("key revoke") as run:
        leak.revoke(run, world.desired.get(SPOT), run.state.key(SPOT), "laptop stolen", "ann")
    assert world.open_tasks(SPOT) == [TaskKind.DELETE_KEY, TaskKind.STOP_PROCESS]
    world.people("delete-key", account="desk", key=made["api_key"])
    world.attest(TaskKind.DELETE_KEY, SPOT)
    world.settle()
    if not known:
        world.attest(TaskKind.DELETE_KEY, SPOT)
        world.settle()
    record = world.state.key(SPOT)
    assert (record.rotation, record.published, record.revoked) == (None, None, "laptop stolen")
    assert world.kv.read(PATH).data["secret"] == made["api_secret"]
    assert world.open_tasks(SPOT) == []
    step = world.step(SPOT)
    assert (step.action, step.reason) == (Action.MANUAL, Reason.REVOKED)
    world.apply()
    assert '"pnl-g1"' in world.task(TaskKind.CREATE_KEY, SPOT).title
    new = next_key(world)
    assert world.hand_in(SPOT, new).effect is Effect.PUBLISHED
    assert world.published("pnl", SPOT).items() >= halves(new).items()
    assert is_empty(world.plan())
    assert shown(world) == ["KS1315"]


def test_what_may_be_the_adopted_key_itself_is_left_where_it_lies(world, made):
    """Its secret was never shown: what lies in quarantine or in the inbox is said, not dropped nor taken."""
    adopt(world, spot_key(key_name="PNL (old)"))
    slot, quarantine = world.session().slot("process.pnl", SPOT), f"kv/{STATE}/quarantine/pnl/{SPOT}"
    world.session().custody.store_quarantine(slot, old_of(made))
    inbox = world.leave_in_inbox("pnl", SPOT, old_of(made))
    world.settle()
    assert world.quarantine("pnl", SPOT) == world.inbox("pnl", SPOT) == halves(old_of(made))
    assert sorted(c.text for c in world.plan().facts.checks if c.code == "KS2202") == [
        f"a secret lies in inbox (kv/{inbox}) that no task asks for; it is not taken",
        f"a secret lies in quarantine ({quarantine}) that no task asks for; it is not taken",
    ]
    assert world.calls() == []


def test_a_report_of_an_adopted_key_says_more_than_people_did(world):
    """Where its process runs a Derivatives key is asked at the desk's own path; a Spot key in use is not."""
    key = derivatives_key(key_name="futures", vault_path="trading/hedger")
    made = world.make_key(key)
    spot = world.make_key(spot_key(), name="K")
    world.kv.write("trading/hedger", halves(made), 0)
    world.kv.write("trading/pnl", halves(spot), 0)
    adopt(world, key, spot_key(key_name="K", vault_path="trading/pnl"))
    assert [o.provenance for o in world.plan().facts.observations if o.address == key.address] == [
        Provenance.ATTESTED
    ]
    world.clock.advance(minutes=1)
    report_here(world.session(), key, Here("bot@desk", "desk"))
    with pytest.raises(NotAskedInService):
        report_here(world.session(), world.desired.get(SPOT), Here("bot@desk", "desk"))
    assert [o.provenance for o in world.plan().facts.observations if o.address == key.address] == [
        Provenance.REPORTED
    ]
    assert is_empty(world.plan())
    assert len(world.calls()) == len(world.calls(only=made)) == 1

    world.declare(key.model_copy(update={"rotate_every": 90 * DAYS}), spot_key(key_name="K"))
    world.apply()
    new = next_key(world, key)
    assert world.hand_in(key.address, new).effect is Effect.PUBLISHED
    world.clock.advance(minutes=1)
    report_here(world.session(), key, Here("bot@desk", "desk"))  # vault_path= is still declared
    world.settle()
    assert stage(world, key.address) is Stage.DRAINING


def test_links_that_kraken_lists_are_imported(world):
    """The controller is asked for them, and what the stack declares already is left out."""
    world.put_in_service(CONTROLLER)
    world.link_carry()
    [found] = linked(world.session(), world.state)
    assert (found.name, found.email, found.master, found.adopted) == (
        "link-kraken-carry",
        CARRY.email,
        DESK,
        True,
    )
    assert linked(world.session(None), world.state) == []
    assert any("is not asked for links" in line for line in world.said)
    world.declare(CONTROLLER, CARRY)
    assert linked(world.session(), world.state) == []
