"""What is made when it is first used: nothing before, and once whoever asks first."""

import time
from concurrent.futures import ThreadPoolExecutor

from krakenstate.cli.late import late


def test_it_is_made_once_and_only_when_it_is_asked():
    """Lanes that two threads made each for itself would keep no order between them."""
    made = []

    def make():
        time.sleep(0.01)
        made.append("x")
        return made[0]

    stands = late(make)
    assert made == []
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: stands.upper(), range(4)))
    assert (found, made) == (["X"] * 4, ["x"])
