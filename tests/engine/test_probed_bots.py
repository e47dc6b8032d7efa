"""What a bot sees of being asked in service: nothing, or one refused nonce if its call was under way."""

import asyncio
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from krakenstate.model.base import format_instant
from krakenstate.model.declarations import Process
from krakenstate.model.vocabulary import NonceUnit
from tests.support.bots import SPOT
from tests.support.world import STATE, HandClock, spot_key

DAYS = 3
A_MOMENT_S = 0.003
"""Two calls within one millisecond would carry the same nonce."""


class Trader:
    """A bot of one library, with a key of its own that may be asked in service."""

    def __init__(self, world, name, opened):
        connect, unit = SPOT[name]
        process = Process(name=name, owner="desk")
        self.world = world
        self.key = spot_key(
            name=name,
            process=process,
            nonce_unit=NonceUnit[unit],
            probe_in_service=True,
            expires=None,
        )
        world.declare(*world.desired.resources.values(), process, self.key, also=())
        self.credential = world.put_in_service(self.key)
        made = world.published(name, self.key.address)
        self._call = opened.enter_context(connect(world.origin, made["api_key"], made["api_secret"]))
        self.errors = []

    def call(self):
        """One call, a moment after whatever was before."""
        time.sleep(A_MOMENT_S)
        try:
            self._call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the bot saw it
            self.errors.append(repr(error))

    @property
    def probes(self):
        """What krakenstate asked this key since it is in service."""
        return self.world.calls("/GetApiKeyInfo", only=self.credential)[1:]


class MachineClock(HandClock):
    """The one that the libraries read."""

    def __call__(self):
        return datetime.now(UTC)


class Days:
    """A world by the machine's clock; days pass in krakenstate's records alone."""

    def __init__(self, world):
        self.world = world
        world.clock.__class__ = MachineClock  # whoever holds the world's clock has the same one
        world.people("budget", on=False)

    def look(self):
        """One observation at this instant."""
        return self.world.observe()

    def pass_(self):
        """Every question becomes one of yesterday."""
        for path in [p for p in self.world.kv.paths if p.startswith(f"{STATE}/probes/")]:
            kept = self.world.kv.read(path)
            yesterday = format_instant(datetime.now(UTC) - timedelta(days=1, minutes=1))
            self.world.kv.write(path, kept.data | {"reserved_at": yesterday}, kept.version)


@pytest.fixture
def days(world):
    """The passing of days."""
    return Days(world)


@pytest.fixture
def opened():
    """Closes clients at the end."""
    with ExitStack() as stack:
        yield stack


def test_bots_see_nothing_of_a_question_between_their_calls(world, days, opened):
    """Three libraries trade for some days, each asked once a day: no error, and each question is answered."""
    traders = [Trader(world, name, opened) for name in SPOT]
    for _ in range(DAYS):
        days.pass_()
        for _ in range(3):
            for trader in traders:
                trader.call()
            time.sleep(A_MOMENT_S)
            days.look()
    for trader in traders:
        trader.call()
        assert trader.errors == []
        assert [p["outcome"] for p in trader.probes] == ["ok"] * DAYS


@pytest.mark.parametrize("name", SPOT)
def test_a_call_under_way_is_refused_once_and_the_next_is_not(world, days, opened, switchboard, name):
    """The question overtakes a call between its making and its arrival: one `Invalid nonce`, then none."""
    trader = Trader(world, name, opened)
    inner, overtaken = switchboard.app, []

    async def app(scope, receive, send):
        if scope["path"].endswith("/Balance") and not overtaken:
            overtaken.append(True)
            await asyncio.sleep(A_MOMENT_S)
            await asyncio.to_thread(days.look)
        await inner(scope, receive, send)

    switchboard.app = app
    for day in range(1, DAYS + 1):
        days.pass_()
        overtaken.clear()
        for _ in range(4):
            trader.call()
        assert [p["outcome"] for p in trader.probes] == ["ok"] * day
        assert len(trader.errors) == day
    assert all("nonce" in error.lower() for error in trader.errors)


def test_bots_in_a_hurry_see_no_more_errors_than_questions(world, days, opened):
    """Calls and questions at the same time, as it happens: at most one error each, and none afterwards."""
    traders = [Trader(world, name, opened) for name in SPOT]
    stop = threading.Event()

    def trade(trader):
        while not stop.is_set():
            trader.call()

    threads = [threading.Thread(target=trade, args=(trader,)) for trader in traders]
    for thread in threads:
        thread.start()
    try:
        for _ in range(DAYS):
            days.pass_()
            days.look()
            time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    for trader in traders:
        assert len(trader.errors) <= len(trader.probes) <= DAYS
        assert all("nonce" in error.lower() for error in trader.errors)
        seen = len(trader.errors)
        for _ in range(3):
            trader.call()
        assert len(trader.errors) == seen
