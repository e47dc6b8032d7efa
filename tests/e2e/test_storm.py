"""Two runners on one state, killed and stopped at random: real processes, Vault and sockets."""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.e2e import HEADER, Desk
from tests.support.storm import Storm
from tests.support.warm import WarmStart, warm_start

SOAK_S = float(os.environ.get("KRAKENSTATE_SOAK_S", "60"))
SEED = os.environ.get("KRAKENSTATE_STORM_SEED")


@pytest.fixture
def warms() -> Iterator[tuple[WarmStart, WarmStart]]:
    """One for each runner."""
    with warm_start() as first, warm_start() as second:
        yield first, second


@pytest.mark.timeout(240)
def test_two_runners_in_a_short_storm(
    new_desk: Callable[[str], Desk], warms: tuple[WarmStart, WarmStart]
) -> None:
    """A few rounds of applies, settles and hand-ins under kills: all that a minute of it must hold."""
    survives(new_desk(HEADER), warms, rounds=5)


@pytest.mark.soak
def test_two_runners_in_a_storm(new_desk: Callable[[str], Desk], warms: tuple[WarmStart, WarmStart]) -> None:
    """A minute: nothing lost or created twice, no serial left out, never two holders of the lock."""
    survives(new_desk(HEADER), warms, seconds=SOAK_S)


def survives(desk: Desk, warms: tuple[WarmStart, WarmStart], **how_long: Any) -> None:
    """What must hold after a storm; KRAKENSTATE_STORM_SEED plays the same chances again."""
    seed = int(SEED) if SEED else random.randrange(1 << 32)
    print(f"KRAKENSTATE_STORM_SEED={seed}")  # noqa: T201 - shown when the test fails
    storm = Storm(desk, warms, seed)
    storm.rage(**how_long)
    storm.calm_down()
    storm.everybody_works()
    storm.fleet.is_settled()
    storm.no_subaccount_was_created_twice()
    serials, taken = storm.the_serials_have_no_gap(), storm.the_lock_was_held_once()
    print(f"{storm.rounds} rounds, {serials} serials, the lock taken {taken} times: {dict(storm.told)}")  # noqa: T201
