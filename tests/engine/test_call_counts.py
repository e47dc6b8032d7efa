"""How often Kraken and Vault are asked: one question to each key at an observation, and no call too many."""

import pytest

from krakenstate.engine import observe, reading
from krakenstate.model.plan import Action
from tests.support.counting import Counting
from tests.support.many import many_in_inbox
from tests.support.settled import settled_desk
from tests.support.world import CARRY, CONTROLLER, derivatives_key, spot_key

CHECK, LIST = "/v3/check", "/subaccounts"


def test_a_key_describes_itself_at_most_once_per_observation(world):
    """Each plan, apply or settle asks a Derivatives key in service once for itself, and no Spot key."""
    others = [derivatives_key(), derivatives_key(name="viewer")]
    world.link_carry()
    world.declare(CARRY, spot_key(), CONTROLLER, *others)
    spot, controller = world.put_in_service(spot_key()), world.put_in_service(CONTROLLER)
    keys = [world.put_in_service(key) for key in others]
    for run in (world.plan, world.apply, world.settle, world.plan):
        before = len(world.calls())
        run()
        new = world.calls()[before:]
        checks = [call["key_fingerprint"] for call in new if call["path"].endswith(CHECK)]
        lists = [call["key_fingerprint"] for call in new if call["path"].endswith(LIST)]
        assert [checks.count(key.fingerprint) for key in keys] == [1, 1]
        assert checks.count(controller.fingerprint) == 1
        assert lists == [controller.fingerprint]
        assert spot.fingerprint not in {call["key_fingerprint"] for call in new}


def test_of_keys_that_are_asked_metadata_is_told_beside_the_secret(world):
    """Where every published key is asked, Vault is asked for each secret once and for none's metadata."""
    keys = [derivatives_key(), derivatives_key(name="viewer")]
    world.declare(*keys)
    for key in keys:
        world.put_in_service(key)
    counted = world.mains.inner = Counting(world.kv)
    world.observe()
    assert (counted.data["secrets"], counted.heads_["secrets"]) == (2, 0)


def test_a_plan_of_a_thousand_keys_asks_little(world):
    """Nothing changed: no signed call, no secret read, no document, and a handful of others."""
    settled_desk(world, accounts=100, keys=10)
    counted = world.mains.inner = Counting(world.kv)
    session = world.session()
    state = reading.load_for_reading(session)
    plan = reading.make_plan(session, state, observe.take_snapshot(session, state))
    assert {step.action for step in plan.steps} == {Action.NO_OP}
    assert len([step for step in plan.steps if step.address.type == "spot_key"]) == 1000
    assert world.calls() == []
    assert counted.data == {"index": 1, "resources": 1, "snapshot": 2}
    assert counted.heads_ == {"journal": 1, "secrets": 1, "inbox": 2, "quarantine": 1, "evidence": 1}


@pytest.mark.parametrize(("accounts", "keys"), [(2, 1), (4, 1), (4, 3)])
def test_a_settle_makes_the_calls_that_the_page_states(world, accounts, keys):
    """For each key 18, for each round 21, for each account 2, and 18 for the run: docs/calls.md has it."""
    many_in_inbox(world, accounts, keys)
    counted = world.mains.inner = Counting(world.kv)
    outcomes = world.settle().outcomes
    assert [outcome.effect for outcome in outcomes] == ["published"] * accounts * keys
    assert counted.total == 18 * accounts * keys + 21 * keys + 2 * accounts + 18
    assert len(world.calls()) == accounts * keys


def test_without_the_right_to_scan_a_look_at_the_inbox_costs_two_calls_per_key(world):
    """A server that does not tell all heads at once is listed, and asked one by one."""
    many_in_inbox(world, accounts=2, keys=2)
    counted = world.mains.inner = Counting(world.kv, can_scan=False)
    world.observe()
    assert counted.heads_["inbox"] == 1 + 2 * 4 + 1 + 4
