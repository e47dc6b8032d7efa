"""Desks for end-to-end tests: a mount of the worker's Vault server and a simulated Kraken for each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.support.bao import Bao
from tests.support.e2e import APPLY, AT_RUNNER, CREATOR, HEADER, HEDGER, MASTER, PNL, RUNNER, SUBACCOUNT, Desk
from tests.support.proxy import Proxy, proxy
from tests.support.simulator import simulated_kraken
from tests.support.warm import WarmStart

__all__ = ["controlled", "new_desk", "standing_desk"]


@contextmanager
def desks(folder: Path, server: Bao, start: WarmStart) -> Iterator[Callable[[str], Desk]]:
    """Makes desks, each with a mount and a Kraken of its own, on which the master account exists."""
    numbers = count()

    def make(stack: str) -> Desk:
        number = next(numbers)
        kraken = opened.enter_context(simulated_kraken())
        desk = Desk(folder / f"desk-{number}", kraken, server, server.new_mount(), stack)
        desk.warm = start
        desk.sign_up()
        return desk

    with ExitStack() as opened:
        yield make


@pytest.fixture
def new_desk(tmp_path: Path, bao: Bao, warm: WarmStart) -> Iterator[Callable[[str], Desk]]:
    """Makes desks, ready to be initialised."""
    with desks(tmp_path, bao, warm) as make:
        yield make


@pytest.fixture(scope="module")
def standing_desk(tmp_path_factory: pytest.TempPathFactory, bao: Bao, warm: WarmStart) -> Iterator[Desk]:
    """One desk for tests that change nothing: initialised, with one key asked for and one only declared."""
    with desks(tmp_path_factory.mktemp("standing"), bao, warm) as make:
        desk = make(HEADER + PNL)
        desk.run("init")
        desk.run("apply", "--site", "runner", "--auto-approve", expect="1 manual pending")
        desk.declare(HEADER + PNL + HEDGER)
        yield desk


@pytest.fixture
def controlled(new_desk: Callable[[str], Desk]) -> Iterator[tuple[Desk, Proxy]]:
    """A desk behind a proxy to Kraken, with a Spot controller in service and a subaccount to make."""
    desk = new_desk(HEADER + CREATOR + SUBACCOUNT)
    with proxy(desk.kraken.origin) as way:
        desk.origin = way.origin
        desk.run("init")
        desk.run(*APPLY, expect="1 manual pending")
        made = desk.make_key(
            MASTER,
            "spot",
            name="spot-creator-g1",
            permission=["withdraw-funds"],
            ip=[RUNNER],
            expires="2026-12-31",
        )
        desk.hand_in("spot_key.spot-creator", made, *AT_RUNNER)
        yield desk, way
