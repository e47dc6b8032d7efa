"""How often a key is asked: one question to each at an observation, told by Kraken's call log."""

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
