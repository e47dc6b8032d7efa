"""Asking keys: who may be asked, what a failed authentication forbids, and which nonces are used."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.engine.asking import BREAKER_LASTS, Asker, Subject
from krakenstate.errors import BreakerOpen, InvalidKey, KrakenUnreachable, TemporaryLockout
from krakenstate.model.address import Address
from krakenstate.model.network import parse_network
from krakenstate.model.run import BreakerScope
from krakenstate.model.vocabulary import Api, NonceUnit
from krakenstate.store.vault.ledger import VaultLedger
from tests.support.memory import MemoryKeyValue
from tests.support.world import BEGINS, CARRY, DESK, RUNNER, STATE, HandClock, derivatives_key, spot_key

ACCOUNT = Address("master_account.desk")
OTHER_ACCOUNT = Address("spot_subaccount.mm")
NETWORKS = tuple(RUNNER.networks)
CLOCK_UNITS = [unit for unit in NonceUnit if unit is not NonceUnit.COUNTER]


def subject(name="a", account=ACCOUNT, declared=NETWORKS, seen=None):
    """A key of the desk, admitted at the runner."""
    return Subject(Address.of("spot_key", name), account, declared, seen)


def networks(*texts):
    """Networks from their texts."""
    return tuple(parse_network(text) for text in texts)


class Desk:
    """Deleted keys to fail with, and askers that share one ledger."""

    def __init__(self, world):
        self.world = world
        self.inspector = world.providers.keys[Api.SPOT]

    def asker(self, site=NETWORKS):
        """What a new run makes."""
        return Asker(self.world.session().records.ledger, site, self.world.clock)

    def key(self, name, account="desk"):
        """A key that works."""
        return self.world.make_key(spot_key(), name=name, account=account)

    def dead_key(self, name, account="desk"):
        """A key that was deleted."""
        credential = self.key(name, account)
        self.world.people("delete-key", account=account, name=name)
        return credential

    def ask(self, asker, credential, of=None):
        """One question."""
        nonce = asker.fresh_nonce(credential.fingerprint)
        return asker.describe(self.inspector, of or subject(), credential, nonce)

    def open_breakers(self):
        """Scope and minutes left, of all that forbid something now."""
        now = self.world.clock()
        found = self.world.session().records.ledger.breakers()
        return {(b.scope, (b.until - now) / timedelta(minutes=1)) for b in found if b.until > now}


@pytest.fixture
def desk(world):
    """Asking against the simulated Kraken."""
    return Desk(world)


def test_the_first_failure_forbids_asking_that_credential(desk):
    """One rejected key opens its own breaker and no other; it is not asked again, others are."""
    dead, alive = desk.dead_key("dead"), desk.key("alive")
    asker = desk.asker()
    with pytest.raises(InvalidKey):
        desk.ask(asker, dead)
    assert desk.open_breakers() == {(BreakerScope.CREDENTIAL, 15)}
    with pytest.raises(BreakerOpen):
        desk.ask(asker, dead)
    assert desk.ask(asker, alive, subject("b")).key_name == "alive"
    assert len(desk.world.calls(only=dead)) == 1


def test_a_second_failing_key_forbids_asking_the_account(desk):
    """Two different keys failing on one account open the account's breaker: no key of it is asked."""
    one, two, alive = desk.dead_key("one"), desk.dead_key("two"), desk.key("alive")
    asker = desk.asker()
    for name, credential in (("a", one), ("b", two)):
        with pytest.raises(InvalidKey):
            desk.ask(asker, credential, subject(name))
    assert desk.open_breakers() == {(BreakerScope.CREDENTIAL, 15), (BreakerScope.ACCOUNT, 15)}
    with pytest.raises(BreakerOpen):
        desk.ask(asker, alive, subject("c"))
    assert desk.world.calls(only=alive) == []
    assert desk.ask(asker, alive, subject("d", account=OTHER_ACCOUNT)).key_name == "alive"


def test_a_lockout_forbids_asking_anything_private_from_here(desk):
    """Kraken's lockout opens the breaker of this egress: not even another account's key is asked."""
    for number in range(4):
        dead = desk.dead_key(f"dead-{number}")
        with pytest.raises(InvalidKey):  # each from a site with a ledger of its own
            desk.ask(Asker(memory_ledger(desk.world.clock), NETWORKS, desk.world.clock), dead)
    desk.world.people("create-account", name="other", email="other@desk.example")
    locked, elsewhere = desk.key("locked"), desk.key("elsewhere", "other@desk.example")
    asker = desk.asker()
    with pytest.raises(TemporaryLockout):
        desk.ask(asker, locked)
    assert (BreakerScope.EGRESS, 15) in desk.open_breakers()
    with pytest.raises(BreakerOpen):
        desk.ask(asker, elsewhere, subject("b", account=OTHER_ACCOUNT))
    assert desk.world.calls(only=elsewhere) == []


@pytest.mark.parametrize(("minutes", "is_asked"), [(14.99, False), (15, True)])
def test_a_breaker_lasts_fifteen_minutes_by_the_clock(desk, minutes, is_asked):
    """Just before fifteen minutes have passed nothing is sent; once they have, the key is asked again."""
    dead = desk.dead_key("dead")
    with pytest.raises(InvalidKey):
        desk.ask(desk.asker(), dead)
    desk.world.clock.advance(minutes=minutes)
    with pytest.raises(InvalidKey if is_asked else BreakerOpen):
        desk.ask(desk.asker(), dead)
    assert len(desk.world.calls(only=dead)) == (2 if is_asked else 1)
    assert timedelta(minutes=15) <= BREAKER_LASTS


def test_breakers_outlive_the_run(desk):
    """Another run on the same records refuses to ask, before it has asked anything itself."""
    dead = desk.dead_key("dead")
    with pytest.raises(InvalidKey):
        desk.ask(desk.asker(), dead)
    another = desk.asker()
    assert another.refusal(subject(), dead.fingerprint) == (
        "after a failed authentication (KS2101) its credential is not asked until 2026-11-02T09:15:00Z"
    )
    with pytest.raises(BreakerOpen):
        desk.ask(another, dead)


def test_an_account_counts_failures_of_two_runs_together(desk):
    """The second failing key opens the account's breaker although another run met the first."""
    for name, credential in (("a", desk.dead_key("one")), ("b", desk.dead_key("two"))):
        with pytest.raises(InvalidKey):
            desk.ask(desk.asker(), credential, subject(name))
    assert (BreakerScope.ACCOUNT, 15) in desk.open_breakers()


def test_the_same_key_failing_twice_leaves_the_account_alone(desk):
    """A key that fails again after its breaker does not count as a second key."""
    dead = desk.dead_key("dead")
    for _ in range(2):
        with pytest.raises(InvalidKey):
            desk.ask(desk.asker(), dead)
        desk.world.clock.advance(minutes=16)
    scopes = {b.scope for b in desk.world.session().records.ledger.breakers()}
    assert scopes == {BreakerScope.CREDENTIAL}


def test_no_answer_is_no_failed_authentication(desk):
    """A broken network opens no breaker, and is not retried here either."""
    asker, sent = desk.asker(), []

    def fall_silent():
        sent.append(1)
        raise KrakenUnreachable("no answer")

    with pytest.raises(KrakenUnreachable) as caught:
        asker.call(subject(), desk.key("alive"), fall_silent)
    assert (sent, desk.open_breakers(), caught.value.address) == ([1], set(), "spot_key.a")


@pytest.mark.parametrize(
    ("declared", "seen", "site", "refusal"),
    [
        pytest.param(None, None, NETWORKS, "its allowlist is not declared", id="undeclared"),
        pytest.param(NETWORKS, None, NETWORKS, "", id="admitted"),
        pytest.param(NETWORKS, None, (), "no site was named", id="no-site"),
        pytest.param(
            NETWORKS, None, networks("198.51.100.7"), "this site is not inside its declared", id="elsewhere"
        ),
        pytest.param(networks("192.0.2.0/24"), None, NETWORKS, "", id="inside-a-range"),
        pytest.param(
            NETWORKS, None, networks("192.0.2.0/24"), "this site is not inside its declared", id="partly"
        ),
        pytest.param(
            NETWORKS,
            networks("203.0.113.7"),
            NETWORKS,
            "this site is not inside the allowlist it was last",
            id="seen-elsewhere",
        ),
        pytest.param((), None, (), "", id="open-without-site"),
        pytest.param((), None, NETWORKS, "", id="open-with-site"),
        pytest.param(
            (), NETWORKS, (), "this site is not inside the allowlist it was last", id="open-seen-closed"
        ),
    ],
)
def test_a_key_is_asked_only_from_a_site_that_it_admits(declared, seen, site, refusal):
    """The site must lie in the declared allowlist and in the last one seen; open keys need no site."""
    clock = HandClock()
    found = Asker(memory_ledger(clock), site, clock).refusal(subject(declared=declared, seen=seen), "f" * 12)
    assert found.startswith(refusal)
    assert bool(found) == bool(refusal)


def test_a_fresh_key_is_asked_with_one_two_three(desk):
    """Fresh nonces count from one, also when another run goes on."""
    credential = desk.key("alive")
    for _ in range(3):
        desk.ask(desk.asker(), credential)
    assert [call["nonce"] for call in desk.world.calls(only=credential)] == [1, 2, 3]


@pytest.mark.parametrize("unit", CLOCK_UNITS)
def test_clock_nonces_are_the_clock_in_the_unit(unit):
    """A nonce read from the clock is the one a client of that unit would send, or a hair less, never more."""
    clock = HandClock(datetime(2026, 11, 2, 9, 0, 0, 123456, tzinfo=UTC))
    exact_ns = 1793610000123456000
    nonce = Asker(memory_ledger(clock), (), clock).clock_nonce("f" * 12, unit)
    assert unit.at(exact_ns - 1000) <= nonce <= unit.at(exact_ns)


@given(
    unit=st.sampled_from(CLOCK_UNITS),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - given its zone below
    steps=st.lists(st.timedeltas(timedelta(0), timedelta(days=2)), max_size=6),
)
def test_clock_nonces_only_grow_and_are_never_ahead(unit, start, steps):
    """However the clock moves they grow strictly; after a whole second they are not ahead of it either."""
    clock = HandClock(start.replace(tzinfo=UTC))
    asker = Asker(memory_ledger(clock), (), clock)
    nonces = [asker.clock_nonce("f" * 12, unit)]
    for step in steps:
        clock.instant += step
        nonces.append(asker.clock_nonce("f" * 12, unit))
    assert nonces == sorted(set(nonces))
    clock.advance(seconds=len(nonces))
    last = asker.clock_nonce("f" * 12, unit)
    microseconds = (clock() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert nonces[-1] < last <= unit.at(microseconds * 1000)


@given(
    unit=st.sampled_from(CLOCK_UNITS),
    steps=st.lists(st.timedeltas(timedelta(seconds=-2), timedelta(seconds=2)), max_size=8),
)
def test_nonces_of_now_are_the_clock_or_none(unit, steps):
    """However the clock moves, also back, they grow and are not ahead of it; until it has moved on, none."""
    clock = HandClock()
    asker = Asker(memory_ledger(clock), (), clock)
    last = 0
    for step in steps:
        clock.instant += step
        now = unit.at((clock() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000)
        nonce = asker.careful_nonce("f" * 12, unit, timedelta(0))
        assert nonce is None or last < nonce <= now
        last = nonce or last
    clock.instant = BEGINS + timedelta(minutes=1)
    assert asker.careful_nonce("f" * 12, unit, timedelta(0)) is not None


def test_a_counter_has_no_nonce_of_the_clock():
    """A counter cannot be read from the clock, and is never guessed."""
    clock = HandClock()
    asker = Asker(memory_ledger(clock), (), clock)
    for nonce_of in (asker.clock_nonce, lambda *of: asker.careful_nonce(*of, timedelta(0))):
        with pytest.raises(ValueError, match="counter"):
            nonce_of("f" * 12, NonceUnit.COUNTER)


def test_observing_asks_no_spot_key_in_service(world):
    """Two observations with a Spot key in service ask Kraken nothing about it."""
    credential = world.put_in_service(spot_key())
    asked = len(world.calls(only=credential))
    world.plan()
    world.plan()
    assert len(world.calls(only=credential)) == asked == 1


def test_observing_asks_a_derivatives_key_each_time_and_without_a_nonce(world):
    """A Derivatives key in service is asked at each observation, and its nonces are left alone."""
    credential = world.put_in_service(derivatives_key())
    world.plan()
    world.plan()
    assert [call["nonce"] for call in world.calls(only=credential)] == [None, None, None]


def test_observing_from_elsewhere_asks_nothing(world):
    """From a site that a key does not admit, or from none, the key is not asked."""
    credential = world.put_in_service(derivatives_key())
    asked = len(world.calls(only=credential))
    world.plan(site="colo")
    world.plan(site=None)
    assert len(world.calls(only=credential)) == asked


def test_one_failure_while_observing_is_not_repeated_by_the_next_run(world):
    """A revoked key in service is asked once, then left alone for fifteen minutes, and never called
    absent."""
    credential = world.put_in_service(derivatives_key())
    world.people("delete-key", account="desk", key=credential.api_key.get_secret_value())
    asked = len(world.calls(only=credential))
    first, second = world.step("derivatives_key.hedger"), world.step("derivatives_key.hedger")
    assert len(world.calls(only=credential)) == asked + 1
    assert (first.action, first.missing, first.code) == ("unknown", "unreadable", "KS2101")
    assert second.step_class is None


def memory_ledger(clock):
    """A ledger of its own."""
    return VaultLedger(MemoryKeyValue(), "kv", STATE, clock=clock)


def test_the_examples_stand_on_one_account():
    """The accounts named above are those of the keys used."""
    assert (spot_key().account.address, DESK.address) == (ACCOUNT, ACCOUNT)
    assert BEGINS.tzinfo is UTC
    assert CARRY.master is DESK
