"""The same truth in odd words: each is understood or reported, and none is taken for absence."""

from typing import get_args

import pytest

from krakenstate.errors import AnswerUnreadable
from krakenstate.model.plan import Action
from krakenstate.model.run import Effect
from krakenstate.model.state import AccountStatus
from krakenstate.model.task import TaskKind
from krakenstate.sim.world import CidrFields, Dialect
from tests.support.world import (
    CARRY,
    COLO,
    CONTROLLER,
    CREATOR,
    DESK,
    MM,
    derivatives_key,
    halves,
    is_empty,
    spot_key,
)

HEDGER = "derivatives_key.hedger"
KEYS = [pytest.param(spot_key, id="spot"), pytest.param(derivatives_key, id="derivatives")]


def link_carry(world):
    """Support and the owner link the account, if it is not yet."""
    world.people("create-account", name="carry", email=CARRY.email, kind="sub")
    world.people("support-process", master=DESK.email, subaccount=CARRY.email)
    world.people("email-confirm", email=CARRY.email)


@pytest.mark.parametrize("dialect", get_args(Dialect))
@pytest.mark.parametrize("make", KEYS)
def test_a_key_is_recognised_in_every_dialect(world, dialect, make):
    """A key as declared is published, and nothing is left to do."""
    world.people("dialect", words=[dialect])
    world.put_in_service(make())
    assert is_empty(world.plan())


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_link_is_recognised_in_every_dialect(world, dialect):
    """A linked account with its trading switch as declared asks for nothing."""
    link_carry(world)
    world.people("dialect", words=[dialect])
    world.put_in_service(CONTROLLER)
    world.declare(CONTROLLER, CARRY)
    world.apply()
    world.settle()
    assert is_empty(world.plan())


def test_a_list_that_is_null_is_not_an_empty_list(world):
    """A link that is gone is missed where the list is empty; null says nothing, so nobody is asked to make
    it."""
    link_carry(world)
    world.put_in_service(CONTROLLER)
    world.declare(CONTROLLER, CARRY)
    world.apply()
    world.settle()
    world.simulation.world.links.clear()
    assert world.step(CARRY.address).task_kind is TaskKind.LINK_DERIVATIVES
    world.people("dialect", words=["nulls"])
    step = world.step(CARRY.address)
    assert (step.action, step.missing) == (Action.UNKNOWN, "unreadable")


@pytest.mark.parametrize("make", KEYS)
def test_an_allowlist_that_is_null_is_not_an_open_one(world, make):
    """A key whose allowlist is null is neither accepted nor called open; its secret stays in quarantine."""
    key = make()
    world.declare(key)
    world.apply()
    credential = world.make_key(key, ip=[])
    world.people("dialect", words=["nulls"])
    with pytest.raises(AnswerUnreadable, match=r"ipAllowlist|allowedCidrBlocks"):
        world.hand_in(key.address, credential)
    assert world.published(key.process.name, str(key.address)) is None
    assert world.quarantine(key.process.name, str(key.address)) == halves(credential)


@pytest.mark.parametrize("dialects", [[], ["several-errors"], ["several-errors", "extra-fields", "nulls"]])
@pytest.mark.parametrize("make", KEYS)
def test_a_rejection_is_recognised_beside_milder_errors(world, dialects, make):
    """A key of another private half is refused as such, and asked once."""
    key = make()
    world.declare(key)
    world.apply()
    other, credential = world.make_key(key, name=None), world.make_key(key)
    world.people("dialect", words=dialects or ["none"])
    mixed = credential.model_copy(update={"api_secret": other.api_secret})
    outcome = world.hand_in(key.address, mixed)
    world.settle()
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, "KS2102" if make is spot_key else "KS2101")
    assert len(world.calls(only=credential)) == 1


@pytest.mark.parametrize("kind", ["http-429", "bad-request"])
def test_a_call_that_was_not_answered_says_nothing_about_the_key(world, kind):
    """Throttled in front of Kraken, or refused as malformed: the key in service is unknown, not gone."""
    world.put_in_service(derivatives_key())
    world.people("fault", kind=kind, path="/api/auth/")
    assert world.step(HEDGER).action is Action.UNKNOWN
    assert world.step(HEDGER).action is Action.NO_OP


@pytest.mark.parametrize("fields", get_args(CidrFields))
@pytest.mark.parametrize("allowlist", [["192.0.2.10"], ["192.0.2.10", "203.0.113.7", "2001:db8:1::/64"]])
def test_an_allowlist_is_read_from_both_of_its_fields(world, fields, allowlist):
    """Whichever field holds which block, the key is as declared; and once one is added, it is not."""
    world.people("cidr", fields=fields)
    networks = [derivatives_key().allowlist[0]] + ([COLO] if len(allowlist) > 1 else [])
    credential = world.put_in_service(derivatives_key(allowlist=networks))
    assert is_empty(world.plan())
    world.people("edit-key", account="desk", key=credential.api_key.get_secret_value(),
                 ip=["198.51.100.1", *allowlist])  # fmt: skip
    assert world.step(HEDGER).task_kind is TaskKind.EDIT_KEY


@pytest.mark.parametrize("answer", ["field", "plain", "false"])
def test_a_refused_subaccount_may_already_exist(world, answer):
    """Somebody made it by hand: the step fails, a task asks, and however often it is applied, it was sent
    once; answered as there, it is as if it had been created."""
    creator_meets_a_duplicate(world, answer)
    [outcome] = world.apply()
    assert (outcome.effect, outcome.code) == (Effect.FAILED, "KS2014")
    assert 'the subaccount may already exist: "desk-mm"' in outcome.text
    assert world.state.account(MM.address).status is AccountStatus.UNKNOWN
    task = world.task(TaskKind.SETTLE_UNKNOWN, MM.address)
    assert "Kraken refused to create it" in " ".join(task.instructions.split())
    for _ in range(2):
        world.settle()
        world.apply()
        assert world.step(MM.address).task_id == task.id
    assert len(world.calls("CreateSubaccount")) == 1
    world.answer(MM.address, created=True)
    assert world.state.account(MM.address).status is AccountStatus.EXISTS
    world.apply()
    assert len(world.calls("CreateSubaccount")) == 1


def test_a_refused_subaccount_that_is_not_there_is_proposed_again_after_a_persons_word(world):
    """Another account has its user name: once somebody looked, and the name was changed, it is created."""
    creator_meets_a_duplicate(world, "false")
    world.apply()
    world.answer(MM.address, created=False)
    renamed = MM.model_copy(update={"username": "desk-mm-2"})
    world.declare(CREATOR, renamed)
    assert world.step(MM.address).action is Action.CREATE
    [outcome] = world.apply()
    assert outcome.effect is Effect.CREATED
    assert len(world.calls("CreateSubaccount")) == 2


def test_a_run_that_dies_after_a_refusal_leaves_the_same_question(world):
    """The journal holds the refusal: the next run asks why it was refused, and sends nothing."""
    creator_meets_a_duplicate(world, "false")

    def before_state(moment, path, data):
        return moment == "before" and "/resources/" in path

    world.cut_power_at(before_state, world.apply)
    world.apply()
    task = world.task(TaskKind.SETTLE_UNKNOWN, MM.address)
    assert "Kraken refused to create it" in " ".join(task.instructions.split())
    assert len(world.calls("CreateSubaccount")) == 1


def test_a_duplicate_that_is_answered_with_success_is_taken_as_created(world):
    """Nobody could tell: no API lists subaccounts. It is recorded once and never sent again."""
    creator_meets_a_duplicate(world, "true")
    [outcome] = world.apply()
    assert outcome.effect is Effect.CREATED
    assert world.state.account(MM.address).status is AccountStatus.EXISTS
    world.apply()
    assert len(world.calls("CreateSubaccount")) == 1


def creator_meets_a_duplicate(world, answer):
    """A subaccount of the declared user name exists, and Kraken answers a second one as said."""
    world.people(
        "create-account", name="by-hand", email="other@desk.example", username=MM.username, kind="sub"
    )
    world.people("duplicates", answer=answer)
    world.put_in_service(CREATOR)
    world.declare(CREATOR, MM)
