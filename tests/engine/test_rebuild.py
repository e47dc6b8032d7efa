"""``state rebuild``: a lost state comes back from Vault and Kraken, and nothing is created on the way."""

import pytest

from krakenstate.engine import runs
from krakenstate.engine.rebuild import rebuild
from krakenstate.errors import StateHealthy, StateLost, StateOfAnother
from krakenstate.model.plan import Action
from krakenstate.model.provenance import Provenance
from krakenstate.model.state import AccountStatus
from krakenstate.model.task import TaskKind
from krakenstate.store.vault.formats import seal, unsealed
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    MM,
    SECRETS,
    STATE,
    derivatives_key,
    grant,
    is_empty,
    spot_key,
)

CREATES = {Action.CREATE, Action.MANUAL, Action.ROTATE}
KEY = spot_key(account=MM)


def lose_the_state(world):
    """Index, documents, journal, snapshot and lock are gone; secrets, breakers and probes are not."""
    for path in world.kv.paths:
        if path.startswith(
            (f"{STATE}/index", f"{STATE}/resources/", f"{STATE}/journal/", f"{STATE}/snapshot")
        ):
            world.kv.delete(path)


def make_anew(world, *, lineage=None, site="runner"):
    """As ``krakenstate state rebuild`` does."""
    return rebuild(world.session(site), lineage=lineage, wait_s=0)


@pytest.fixture
def desk(world):
    """A desk in service: a Spot subaccount with a key, a link, both controllers, a grant."""
    world.declare(CREATOR, CONTROLLER, MM, KEY, CARRY, grant())
    world.apply()
    for key in (CREATOR, CONTROLLER):
        world.hand_in(key.address, world.make_key(key))
    world.apply()
    world.people("email-confirm", email=MM.email)
    world.hand_in(KEY.address, world.make_key(KEY, account=MM.username))
    world.people("create-account", name="carry", email=CARRY.email, kind="sub")
    world.people("support-process", master=DESK.email, subaccount=CARRY.email)
    world.people("email-confirm", email=CARRY.email)
    world.settle()
    world.attest(TaskKind.INSTALL_GRANT, "grant.pnl")
    return world


def test_a_lost_state_comes_back_without_a_creation(desk):
    """Keys from Vault, links from Kraken, questions for the rest; the answers lead back to no changes."""
    created = len(desk.calls("CreateSubaccount"))
    before = {r.address: r for r in desk.state.records}
    lose_the_state(desk)
    made = make_anew(desk)
    assert set(made.secrets) == {CREATOR.address, CONTROLLER.address, KEY.address}
    assert {t.address for t in made.tasks} == {MM.address, "grant.pnl"}

    plan = desk.plan()
    assert not plan.proposals
    assert not CREATES & {step.action for step in plan.steps}
    desk.apply()
    desk.settle()
    assert len(desk.calls("CreateSubaccount")) == created

    desk.answer(MM.address, created=True)
    desk.answer("grant.pnl", created=True)
    plan = desk.plan()
    assert not plan.proposals
    assert not plan.settlements
    assert not plan.facts.tasks
    after = {r.address: r for r in desk.state.records}
    assert set(after) == set(before)
    assert {a: r.published.fingerprint for a, r in after.items() if r.kind == "key"} == {
        a: r.published.fingerprint for a, r in before.items() if r.kind == "key"
    }
    assert after[MM.address].iiban == before[MM.address].iiban
    assert after[CARRY.address].account_uid == before[CARRY.address].account_uid
    assert desk.state.key(KEY.address).provenance is Provenance.RECORDED
    assert desk.state.key(CONTROLLER.address).provenance is Provenance.OBSERVED
    assert len(desk.calls("CreateSubaccount")) == created


def test_without_a_site_nothing_is_asked_and_nothing_created(desk):
    """From nowhere in particular the links are unknown too; they are asked of people."""
    lose_the_state(desk)
    asked = len(desk.calls("api-keys/v3/check"))
    made = make_anew(desk, site=None)
    assert {t.address for t in made.tasks} == {MM.address, "grant.pnl", CARRY.address}
    assert len(desk.calls("api-keys/v3/check")) == asked
    assert not desk.plan(None).proposals
    desk.settle()  # from the runner: the list of links shows it, and its question closes
    assert desk.open_tasks(CARRY.address) == []
    assert desk.state.account(CARRY.address).status is AccountStatus.EXISTS


def test_a_key_that_was_asked_for_and_not_handed_in_is_a_question(world):
    """Somebody may have made it: --created opens the task to hand it in, --absent asks for it anew."""
    hedger = derivatives_key()
    world.declare(spot_key(), hedger)
    world.apply()
    lose_the_state(world)
    make_anew(world)
    assert world.open_tasks() == [TaskKind.SETTLE_UNKNOWN] * 2
    assert not world.plan().proposals

    world.answer("spot_key.pnl", created=True)
    assert world.open_tasks("spot_key.pnl") == [TaskKind.CREATE_KEY]
    assert world.hand_in("spot_key.pnl", world.make_key(spot_key())).effect == "published"
    world.answer(hedger.address, created=False)
    assert world.step(hedger.address).action is Action.MANUAL
    world.apply()
    assert world.hand_in(hedger.address, world.make_key(hedger)).effect == "published"
    assert is_empty(world.plan())


def test_a_secret_in_quarantine_is_not_lost(world):
    """It was handed in and not published: the next settle goes on with it, and no question is left."""
    key = derivatives_key()
    world.declare(key)
    world.apply()
    world.hand_in(key.address, world.make_key(key), site=None)
    lose_the_state(world)
    made = make_anew(world, site=None)
    assert made.secrets == [key.address]
    assert made.tasks == []
    world.settle()
    assert world.published("hedger", key.address)
    assert is_empty(world.plan())


def test_a_key_handed_in_while_its_question_is_open_answers_it(world):
    """Handing it in is the best answer."""
    world.declare(spot_key())
    world.apply()
    lose_the_state(world)
    make_anew(world)
    world.hand_in("spot_key.pnl", world.make_key(spot_key()))
    assert world.open_tasks() == []
    assert is_empty(world.plan())


def test_a_key_the_stack_no_longer_declares_is_recorded_and_leaves_in_order(world):
    """It is in Vault, so it is at Kraken: its removal begins with its process."""
    world.put_in_service(spot_key())
    world.declare()
    lose_the_state(world)
    make_anew(world)
    assert world.step("spot_key.pnl").task_kind is TaskKind.STOP_PROCESS


def test_what_cannot_be_placed_is_told_and_left(world):
    """A secret of an account the stack does not have stays where it is, and the rebuild says so."""
    world.put_in_service(spot_key())
    other = [d for d in BASIS if d is not DESK]
    world.declare(DESK.model_copy(update={"name": "house"}), also=other)
    lose_the_state(world)
    made = make_anew(world)
    assert made.secrets == []
    [line] = made.left
    assert f"{SECRETS}/pnl/spot_key.pnl" in line
    assert world.published("pnl", "spot_key.pnl")


def test_a_state_that_can_be_read_is_not_replaced(world):
    """Only its exact lineage, typed, gives it up."""
    world.put_in_service(spot_key())
    lineage = world.state.index.lineage
    for named in (None, "another"):
        with pytest.raises(StateHealthy):
            make_anew(world, lineage=named)
    assert world.state.index.lineage == lineage
    make_anew(world, lineage=lineage)
    assert world.state.index.lineage != lineage
    assert not world.plan().proposals


def test_another_stacks_state_is_not_replaced(world):
    """Whatever was typed."""
    lineage = world.state.index.lineage
    entry = world.kv.read(f"{STATE}/index")
    world.kv.write(f"{STATE}/index", seal({**unsealed(entry.data), "stack": "other"}), cas=entry.version)
    with pytest.raises(StateOfAnother):
        make_anew(world, lineage=lineage)


def test_a_damaged_state_is_rebuilt(world):
    """A document that is gone is a lost state."""
    world.put_in_service(spot_key())
    world.kv.delete(f"{STATE}/resources/master_account.desk")
    made = make_anew(world)
    assert made.secrets == ["spot_key.pnl"]
    assert not world.plan().proposals


def test_a_rebuild_that_dies_can_be_repeated(world):
    """Documents are written before the index; until then nothing has changed."""
    world.put_in_service(spot_key())
    lose_the_state(world)
    world.cut_power_at(
        lambda moment, path, _data: moment == "before" and path == f"{STATE}/index", lambda: make_anew(world)
    )
    make_anew(world)
    assert world.state.key("spot_key.pnl")
    world.settle()
    assert not world.plan().proposals


def test_init_does_not_start_empty_over_a_lost_state(world):
    """Secrets of the stack show that there was a state; an empty one would ask for everything again."""
    world.put_in_service(spot_key())
    lose_the_state(world)
    with pytest.raises(StateLost, match=r"spot_key\.pnl"):
        runs.initialise(world.session())
