"""A desk with nothing to do, for a minute: looking at it again and again changes nothing."""

import os
import time

import pytest

from krakenstate.model.plan import Action
from tests.support.world import derivatives_key, grant, spot_key

SOAK_S = float(os.environ.get("KRAKENSTATE_SOAK_S", "60"))


@pytest.mark.soak
def test_a_settled_desk_stays_settled(world):
    """A minute of plans, applies and settles proposes nothing, writes no state and asks no Spot key."""
    spot, derivatives = spot_key(), derivatives_key()
    world.declare(spot, derivatives, grant())
    world.initialise()
    world.apply()
    credential = world.make_key(spot)
    world.hand_in(spot.address, credential)
    world.hand_in(derivatives.address, world.make_key(derivatives))
    for task in world.state.open_tasks():
        world.attest(task.kind, task.address)
    serial, asked = world.state.index.serial, len(world.calls(only=credential))

    rounds, until = 0, time.monotonic() + SOAK_S
    while time.monotonic() < until:
        plan = world.plan()
        assert {step.action for step in plan.steps} == {Action.NO_OP}
        assert world.apply() == []
        assert world.settle().outcomes == []
        assert plan.facts.drift == ()
        rounds += 1
        world.clock.advance(seconds=5)

    assert rounds > 1
    assert world.state.index.serial == serial
    assert len(world.calls(only=credential)) == asked
