"""Nonces that overtake nobody: fresh keys for every kind of client, and keys in service by their clock."""

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakenstate.model.state import Verdict
from krakenstate.model.vocabulary import NonceUnit
from tests.sim.conftest import Client
from tests.support.bots import SPOT
from tests.support.world import BEGINS, CREATOR, World, halves, spot_key

KEY = "spot_key.pnl"
CLOCK_UNITS = [unit for unit in NonceUnit if unit is not NonceUnit.COUNTER]
TICKS_BEFORE_1970 = 621_355_968_000_000_000


def epoch_ns(instant):
    """Nanoseconds since 1970, exactly."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def by_clock(divisor, plus=0):
    """A client that sends its clock."""
    return lambda clock: lambda: epoch_ns(clock()) // divisor + plus


def ahead_if_hurried(divisor):
    """A client that sends its clock, or one more than the last nonce: several calls a second run ahead."""

    def client(clock):
        last = 0

        def nonce():
            nonlocal last
            last = max(epoch_ns(clock()) // divisor, last + 1)
            return last

        return nonce

    return client


def from_its_start(clock):
    """A client that counts up from the nanosecond of its first call."""
    start = count(epoch_ns(clock()))
    return lambda: next(start)


def from_a_thousand(_clock):
    """A client that has nothing to do with any clock."""
    start = count(1000)
    return lambda: next(start)


CLIENTS = {
    "seconds": (NonceUnit.SECONDS, by_clock(10**9)),
    "hummingbot": (NonceUnit.SECONDS, ahead_if_hurried(10**9)),
    "milliseconds": (NonceUnit.MILLISECONDS, by_clock(10**6)),
    "ccxt's way": (NonceUnit.MILLISECONDS, ahead_if_hurried(10**6)),
    "microseconds": (NonceUnit.MICROSECONDS, by_clock(10**3)),
    "ten nanoseconds": (NonceUnit.TEN_NANOSECONDS, by_clock(10)),
    "nanoseconds": (NonceUnit.NANOSECONDS, by_clock(1)),
    ".NET ticks": (NonceUnit.DOTNET_TICKS, by_clock(100, TICKS_BEFORE_1970)),
    "gocryptotrader": (NonceUnit.COUNTER, from_its_start),
    "from 1000": (NonceUnit.COUNTER, from_a_thousand),
    "undeclared": (None, from_a_thousand),
}
"""By name: the unit as a stack declares it, and a generator of nonces written down from its description."""


@contextmanager
def trader(world):
    """Signs calls as a process would, with the key that it reads from its path in Vault."""
    client = Client(world.origin)
    made = world.published("pnl", KEY)
    try:
        yield lambda nonce: client.spot(made, "Balance", nonce=nonce)["error"]
    finally:
        client.http.close()


@pytest.mark.parametrize(("unit", "client"), CLIENTS.values(), ids=CLIENTS)
def test_a_verified_key_serves_a_client_of_every_unit(world, unit, client):
    """The key was asked once, with the nonce 1; all calls of the process that takes it over are accepted."""
    credential = world.put_in_service(spot_key(nonce_unit=unit))
    assert [c["nonce"] for c in world.calls(only=credential)] == [1]
    next_nonce = client(world.clock)
    with trader(world) as call:
        for _ in range(5):
            world.clock.advance(seconds=1)
            assert call(next_nonce()) == []


@pytest.mark.parametrize(("unit", "client"), CLIENTS.values(), ids=CLIENTS)
def test_a_key_that_was_asked_three_times_serves_it_too(world, unit, client):
    """Wrong at first and corrected later: still nothing but 1, 2, 3 was sent."""
    key = spot_key(nonce_unit=unit)
    world.declare(key)
    world.apply()
    credential = world.make_key(key, permission=["query-funds"])
    world.hand_in(KEY, credential)
    world.settle()
    world.people("edit-key", account="desk", name="pnl-g1", permission=sorted(key.permissions))
    world.settle()
    assert [c["nonce"] for c in world.calls(only=credential)] == [1, 2, 3]
    next_nonce = client(world.clock)
    with trader(world) as call:
        for _ in range(3):
            world.clock.advance(seconds=1)
            assert call(next_nonce()) == []


@pytest.mark.parametrize(("connect", "unit"), SPOT.values(), ids=SPOT)
def test_a_verified_key_serves_the_libraries(world, connect, unit):
    """krakenex, python-kraken-sdk and ccxt, unmodified, with what lies at the process's path."""
    world.put_in_service(spot_key(nonce_unit=NonceUnit[unit]))
    made = world.published("pnl", KEY)
    with connect(world.origin, made["api_key"], made["api_secret"]) as call:
        for _ in range(3):
            call()
            time.sleep(0.002)  # two calls within one millisecond would carry the same nonce


# -- keys that were used before they were handed in --------------------------------------------------------


def hand_in_used(world, key, nonce):
    """Hands in a key that somebody used with this nonce; it is refused as not fresh, the breaker ends."""
    world.declare(*world.desired.resources.values(), key, also=())
    world.apply()
    credential = world.make_key(key)
    world.simulation.world.find_spot_key(halves(credential)["api_key"])[1].last_nonce = nonce
    assert world.hand_in(key.address, credential).code == "KS2103"
    world.clock.advance(minutes=16)
    return credential


@pytest.mark.parametrize("unit", CLOCK_UNITS)
@pytest.mark.parametrize("ahead_s", [0, 40])
def test_a_used_key_is_asked_in_its_unit_and_not_ahead_of_kraken_s_clock(world, unit, ahead_s):
    """The clock in the declared unit, without what this machine's clock is ahead of Kraken's."""
    world.simulation.clock.offset_s = -ahead_s
    key = spot_key(nonce_unit=unit)
    credential = hand_in_used(world, key, unit.at(epoch_ns(world.clock() - timedelta(hours=1))))
    world.settle()
    first, second = (c["nonce"] for c in world.calls(only=credential))
    assert first == 1
    allowed = timedelta(seconds=1 if ahead_s else 0)  # Kraken tells whole seconds
    assert second <= unit.at(epoch_ns(world.simulation.now() + allowed))
    assert world.published("pnl", KEY) is not None


@pytest.mark.parametrize("became", [None, NonceUnit.COUNTER])
def test_a_used_key_whose_unit_was_taken_away_is_not_asked(world, became):
    """The unit is removed from the stack, or becomes a counter, while the key waits: none is guessed."""
    credential = hand_in_used(world, spot_key(), 10**12)
    world.desired.resources.clear()
    world.declare(spot_key(nonce_unit=became))
    world.apply()
    world.clock.advance(minutes=16)
    [outcome] = world.settle().outcomes
    assert "no nonce_unit is declared whose clock it could be asked from" in outcome.text
    assert len(world.calls(only=credential)) == 1
    assert world.quarantine("pnl", KEY) is not None
    assert world.state.key(KEY).candidate.verdict is not Verdict.REFUSED


def test_two_questions_within_one_step_of_a_slow_clock_are_one(world):
    """A key that counts in seconds is not asked twice in a second, since that nonce would be ahead."""
    key = spot_key(nonce_unit=NonceUnit.SECONDS)
    credential = hand_in_used(world, key, 10**9)
    world.people("edit-key", account="desk", name="pnl-g1", permission=[])
    world.settle()
    [outcome] = world.settle().outcomes
    assert "the clock is not past the last nonce" in outcome.text
    assert len(world.calls(only=credential)) == 2
    world.clock.advance(seconds=1)
    world.settle()
    assert len(world.calls(only=credential)) == 3


@pytest.mark.parametrize("declared", [None, NonceUnit.NANOSECONDS, NonceUnit.MILLISECONDS])
def test_a_used_controller_is_asked_in_milliseconds_whatever_is_declared(world, declared):
    """It is krakenstate's own key: a larger unit would end its own later calls."""
    credential = hand_in_used(world, CREATOR.model_copy(update={"nonce_unit": declared}), 10**12)
    world.settle()
    second = world.calls(only=credential)[1]["nonce"]
    assert second == epoch_ns(world.clock()) // 10**6


# -- keys in service ---------------------------------------------------------------------------------------

DEEDS = ("plan", "apply", "settle", "observe")


@pytest.fixture(scope="module")
def many_worlds(switchboard):
    """Worlds, one for each example."""

    @contextmanager
    def make():
        world = World(switchboard)
        world.initialise()
        try:
            yield world
        finally:
            world.close()

    return make


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    unit=st.sampled_from(CLOCK_UNITS),
    ahead_ms=st.integers(-58_000, 58_000),
    begins_us=st.integers(0, 10**6),
    steps=st.lists(
        st.tuples(st.sampled_from(DEEDS), st.timedeltas(timedelta(0), timedelta(days=3))),
        min_size=1,
        max_size=6,
    ),
)
def test_no_nonce_of_ours_is_ahead_of_the_clock(many_worlds, unit, ahead_ms, begins_us, steps):
    """Whatever is run when, by whatever clock: a key in service sees no nonce above its unit's clock.

    Above this machine's clock never; above Kraken's only if this machine's is ahead, and then by less than
    the second that Kraken's clock tells. Questions are a day apart.
    """
    with many_worlds() as world:
        world.clock.instant = BEGINS + timedelta(microseconds=begins_us)
        world.simulation.clock.offset_s = -ahead_ms / 1000
        credential = world.put_in_service(spot_key(probe_in_service=True, nonce_unit=unit))
        for deed, span in steps:
            world.clock.advance(seconds=span.total_seconds())
            getattr(world, deed)()
        in_service = world.calls(only=credential)[1:]
    instants = [datetime.fromisoformat(c["at"]) for c in in_service]
    spare = timedelta(seconds=1 if ahead_ms > 0 else 0)
    own = timedelta(milliseconds=ahead_ms)
    for call, at in zip(in_service, instants, strict=True):
        assert call["outcome"] == "ok"
        assert call["nonce"] <= unit.at(epoch_ns(at + min(own, spare) + timedelta(microseconds=1)))
    assert all(b - a > timedelta(days=1) - timedelta(seconds=2) for a, b in pairwise(instants))
