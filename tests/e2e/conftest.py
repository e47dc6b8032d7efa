"""Servers for end-to-end tests: a Vault server per worker, a mount and a simulated Kraken for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.bao import Bao, bao  # noqa: F401 - a fixture
from tests.support.e2e import Desk
from tests.support.simulator import simulated_kraken


@pytest.fixture
def new_desk(tmp_path: Path, bao: Bao) -> Iterator[Callable[[str], Desk]]:  # noqa: F811 - the fixture
    """Makes desks; each is ready to be initialised, and its master account exists."""
    with ExitStack() as opened:
        count = iter(range(100))

        def make(stack: str) -> Desk:
            number = next(count)
            world = tmp_path / f"kraken-{number}"
            world.mkdir()
            kraken = opened.enter_context(simulated_kraken(world))
            desk = Desk(tmp_path / f"desk-{number}", kraken, bao, bao.new_mount(), stack)
            desk.sign_up()
            return desk

        yield make
