"""A key that serves one process is not taken for another, and nobody is asked to delete it."""

from datetime import timedelta

import pytest

from krakenstate import Process
from krakenstate.engine import leak
from krakenstate.engine.identity import held_elsewhere
from krakenstate.errors import HandInNotExpected
from krakenstate.model.address import Address
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from tests.support.stock import OTHER
from tests.support.world import BASIS, World, derivatives_key, halves, is_empty, spot_key

CARRIER = Process(name="carrier", owner="market-making")
HEDGER = derivatives_key()
SAME_ACCOUNT = derivatives_key(name="carrier", process=CARRIER)
OTHER_ACCOUNT = derivatives_key(name="carrier", process=CARRIER, account=OTHER)
SLOT = "hedger", HEDGER.address


def two_keys(world: World, second):
    """The hedger's key is in service, and another one is awaited."""
    world.people("create-account", name="other", email=OTHER.email, iiban=OTHER.iiban)
    world.declare(HEDGER, second, also=(*BASIS, OTHER, CARRIER))
    return world.put_in_service(HEDGER)


def check_turned_away(world: World, second, outcome) -> None:
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, HandInNotExpected.code)
    assert f"in service for {HEDGER.address}" in outcome.text
    assert world.open_tasks() == [TaskKind.CREATE_KEY]
    assert world.task(TaskKind.CREATE_KEY, second.address).rejection == outcome.text
    assert world.quarantine("carrier", second.address) is None
    assert world.published("carrier", second.address) is None
    assert world.published(*SLOT) is not None


def test_a_key_in_service_handed_in_on_another_account_is_not_to_be_deleted(world):
    """A paste into the wrong window: it is refused before Kraken is asked, and the process keeps its key."""
    credential = two_keys(world, OTHER_ACCOUNT)
    asked = len(world.calls(only=credential))
    check_turned_away(world, OTHER_ACCOUNT, world.hand_in(OTHER_ACCOUNT.address, credential))
    assert len(world.calls(only=credential)) == asked


def test_a_key_in_service_is_not_published_for_a_second_process(world):
    """A Derivatives key has no name, so nothing but this tells two of one account apart."""
    credential = two_keys(world, SAME_ACCOUNT)
    check_turned_away(world, SAME_ACCOUNT, world.hand_in(SAME_ACCOUNT.address, credential))


def test_a_key_in_service_that_lies_in_the_inbox_of_another_is_turned_away(world):
    """The copy goes, the key stays."""
    credential = two_keys(world, OTHER_ACCOUNT)
    world.leave_in_inbox("carrier", OTHER_ACCOUNT.address, credential)
    [outcome] = [o for o in world.settle().outcomes if o.address == OTHER_ACCOUNT.address]
    check_turned_away(world, OTHER_ACCOUNT, outcome)


def test_a_key_that_came_into_service_is_no_longer_to_be_deleted(world):
    """Replaced by another in quarantine, then handed in again, and published."""
    key = spot_key()
    world.declare(key)
    world.apply()
    first = world.make_key(key)
    second = world.make_key(key, name="second")
    world.hand_in(key.address, first, site=None)
    world.hand_in(key.address, second, site=None)
    assert world.task(TaskKind.DELETE_KEY, key.address).subject == first.fingerprint
    assert world.hand_in(key.address, first).effect is Effect.PUBLISHED
    assert world.published("pnl", key.address).items() >= halves(first).items()
    assert world.task(TaskKind.DELETE_KEY, key.address).subject == second.fingerprint


def test_a_key_handed_in_twice_is_deleted_only_when_nobody_waits_for_it(world):
    """Of another account at one address, and the right one at the other."""
    world.people("create-account", name="other", email=OTHER.email, iiban=OTHER.iiban)
    world.declare(HEDGER, OTHER_ACCOUNT, also=(*BASIS, OTHER, CARRIER))
    world.apply()
    credential = world.make_key(HEDGER)
    world.hand_in(HEDGER.address, credential, site=None)
    assert world.hand_in(OTHER_ACCOUNT.address, credential).effect is Effect.REJECTED
    assert TaskKind.DELETE_KEY not in world.open_tasks()
    world.settle()
    assert world.published(*SLOT).items() >= halves(credential).items()


def test_whoever_else_waits_with_a_key_is_turned_away_when_it_comes_into_service(world):
    """So that taking that other key out of the stack never asks for the deletion of this one."""
    world.declare(HEDGER, SAME_ACCOUNT, also=(*BASIS, CARRIER))
    world.apply()
    credential = world.make_key(HEDGER)
    for key in (HEDGER, SAME_ACCOUNT):
        world.hand_in(key.address, credential, site=None)
    assert world.hand_in(HEDGER.address, credential).effect is Effect.PUBLISHED
    assert world.quarantine("carrier", SAME_ACCOUNT.address) is None
    assert (
        f"in service for {HEDGER.address}" in world.task(TaskKind.CREATE_KEY, SAME_ACCOUNT.address).rejection
    )
    world.declare(HEDGER, also=(*BASIS, CARRIER))
    world.apply()
    assert world.open_tasks() == []
    assert is_empty(world.plan())


def test_a_key_that_another_address_put_into_service_is_spared_while_the_first_is_removed(world):
    """Its task says to delete a key that serves by now; it is cancelled, and the removal goes on without."""
    world.declare(HEDGER, SAME_ACCOUNT, also=(*BASIS, CARRIER))
    world.apply()
    credential = world.make_key(HEDGER)
    for key in (HEDGER, SAME_ACCOUNT):
        world.hand_in(key.address, credential, site=None)
    world.declare(HEDGER, also=(*BASIS, CARRIER))
    world.apply(site=None)
    assert world.open_tasks(SAME_ACCOUNT.address) == [TaskKind.DELETE_KEY]
    world.settle()
    assert world.published(*SLOT).items() >= halves(credential).items()
    assert world.open_tasks() == []
    world.settle()
    assert world.state.key(SAME_ACCOUNT.address) is None
    assert world.published(*SLOT) is not None
    assert is_empty(world.plan())


def test_a_key_that_was_just_replaced_is_not_taken_for_another_process(world):
    """Until it is proven dead the old generation belongs to its own address."""
    key = spot_key(rotate_every=timedelta(days=90))
    old = world.put_in_service(key)
    world.clock.advance(days=91)
    world.apply()
    world.hand_in(key.address, world.make_key(key, name="pnl-g2"))
    found = held_elsewhere(world.state, Address("spot_key.other"), old.fingerprint)
    assert found is not None
    assert found.address == key.address


@pytest.mark.parametrize("way", ["key ingest", "inbox"])
def test_the_key_that_is_to_be_replaced_does_not_replace_itself(world, way):
    """A Derivatives key has no name that would tell: its copy is dropped, and it stays in service alone."""
    key = derivatives_key(rotate_every=timedelta(days=90))
    old = world.put_in_service(key)
    world.clock.advance(days=91)
    world.apply()
    if way == "inbox":
        world.leave_in_inbox("hedger", key.address, old)
        [outcome] = world.settle().outcomes
    else:
        outcome = world.hand_in(key.address, old)
    assert outcome.effect is Effect.REJECTED
    assert (
        "the key is the one that is to be replaced. Only its copy in quarantine was dropped" in outcome.text
    )
    assert world.published("hedger", key.address).items() >= halves(old).items()
    assert world.quarantine("hedger", key.address) is None
    assert world.task(TaskKind.CREATE_KEY, key.address).rejection == outcome.text
    assert world.open_tasks() == [TaskKind.CREATE_KEY]


def test_nobody_hands_in_a_key_for_one_that_was_revoked(world):
    """What comes all the same is deleted, not taken, until a plan approves a new one."""
    old = world.put_in_service(spot_key())
    with world.writing("key revoke") as run:
        leak.revoke(run, spot_key(), run.state.key("spot_key.pnl"), "laptop stolen", "ann")
    world.people("delete-key", account="desk", key=old.api_key.get_secret_value())
    world.attest(TaskKind.DELETE_KEY, "spot_key.pnl")
    world.settle()
    late = world.make_key(spot_key(), name="pnl-g2")
    slot = world.session().slot("process.pnl", "spot_key.pnl")
    world.session().custody.store_quarantine(slot, late)  # as a hand-in does that finds the lock taken
    path = world.leave_in_inbox("pnl", "spot_key.pnl", late)
    [outcome] = world.settle().outcomes
    assert "a second key" in outcome.text
    assert [c.text for c in world.plan().facts.checks if c.code == "KS2202"] == [
        f"a secret lies in inbox (kv/{path}) that no task asks for; it is not taken"
    ]
    assert world.task(TaskKind.DELETE_KEY, "spot_key.pnl").subject == late.fingerprint
    world.attest(TaskKind.DELETE_KEY, "spot_key.pnl")
    world.settle()
    assert world.quarantine("pnl", "spot_key.pnl") is None
    assert world.state.key("spot_key.pnl").published is None
    assert world.calls(only=late) == []
