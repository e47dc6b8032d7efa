"""Lanes: calls on one account in order and within Kraken's budget, different accounts side by side."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.errors import KrakenUnreachable, RateLimited
from krakenstate.model.address import Address
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.providers.kraken_derivatives.provider import TARIFF as DERIVATIVES
from krakenstate.providers.kraken_spot.errors import SpotError
from krakenstate.providers.kraken_spot.provider import TARIFF as SPOT
from krakenstate.sim import budgets as kraken
from krakenstate.sim.world import Account, World
from krakenstate.transport.budgets import Counter, Window
from krakenstate.transport.lanes import MAX_PAUSE_S, Lanes, Tariff

DESK, SHOP = Address("master_account.desk"), Address("master_account.shop")
ASK, LIST, SWITCH = SignedCall.DESCRIBE_KEY, SignedCall.LIST_LINKS, SignedCall.WRITE_TRADING
EPOCH_S = 1_793_610_000.0
MANY_S = 20.0
"""How long a test waits for threads that have nothing to wait for."""
TIERS = sorted(kraken.BUDGETS)
trips = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 3))
pauses = st.one_of(st.just(0.0), st.just(0.0), st.floats(0, 30))


class Time:
    """Seconds that pass when somebody sleeps or a call is under way."""

    def __init__(self) -> None:
        self.now = EPOCH_S
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept += seconds
        self.now += seconds

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@dataclass
class Line:
    """Lanes to a Kraken with a budget, over a network that takes its time."""

    lanes: Lanes
    time: Time
    tier: str = "starter"

    def __post_init__(self) -> None:
        self.world = World()
        self.account = Account(
            kind="master", name="desk", email="ops@desk.example", iiban="AA12N84GABCD3F5K", tier=self.tier
        )
        self.sent: list[float] = []
        self.admitted: list[bool] = []

    def call(self, there: float, back: float, api: Api = Api.SPOT, kind: SignedCall = ASK, cost: int = 0):
        """One call: on its way, counted by Kraken, on its way back."""

        def send() -> None:
            self.sent.append(self.time())
            self.time.now += there
            if api is Api.SPOT:
                self.admitted.append(kraken.admits_spot(self.world, self.account, 1, self.time()))
            else:
                self.admitted.append(kraken.admits_derivatives(self.world, self.account, cost, self.time()))
            self.time.now += back

        self.lanes.run(DESK, api, kind, send)


def line(tier="starter", derivatives=DERIVATIVES):
    """A fresh one, whose lanes believe in the tier that Kraken applies."""
    time = Time()
    maximum, decay = kraken.BUDGETS[tier]
    spot = Tariff(lambda: Counter(maximum, decay), SPOT.costs, SPOT.pause_s)
    lanes = Lanes(
        {Api.SPOT: spot, Api.DERIVATIVES: derivatives}, clock=time.utc, monotonic=time, sleep=time.sleep
    )
    return Line(lanes, time, tier)


@settings(deadline=None, max_examples=80)
@given(tier=st.sampled_from(TIERS), calls=st.lists(st.tuples(pauses, trips, trips), min_size=25, max_size=80))
def test_spot_is_never_asked_too_much(tier, calls):
    """However calls come and however long they travel, the counter of the same tier refuses none."""
    there = line(tier)
    for idle, out, back in calls:
        there.time.now += idle
        there.call(out, back)
    assert all(there.admitted)


@settings(deadline=None, max_examples=150)
@given(calls=st.lists(st.tuples(pauses, trips, trips, st.integers(1, 500)), max_size=60))
def test_derivatives_is_never_asked_too_much(calls):
    """Whatever calls cost and wherever Kraken begins its ten seconds, no unit too many is spent."""
    costs = {ASK: 0}
    there = line(derivatives=Tariff(lambda: Window(500, 10), costs, 10))
    for idle, out, back, cost in calls:
        there.time.now += idle
        costs[ASK] = cost
        there.call(out, back, Api.DERIVATIVES, cost=cost)
    assert all(there.admitted)


@settings(deadline=None, max_examples=100)
@given(calls=st.lists(st.tuples(pauses, st.integers(1, 200)), max_size=60))
def test_what_is_spent_is_what_was_spent_within_the_span(calls):
    """The sum that a window keeps is that of its calls, however many there were before them."""
    window, now, spent = Window(500, 10), EPOCH_S, []
    for idle, cost in calls:
        now += idle
        within = sum(units for at, units in spent if at + 10 >= now)
        assert (window.wait_s(cost, now) > 0) is (within + cost > 500)
        window.charge(cost, now)
        spent.append((now, cost))


def test_units_come_back_after_the_whole_span():
    """All units spent at once are not there again just before ten seconds have passed."""
    there = line(derivatives=Tariff(lambda: Window(500, 10), {ASK: 500}, 10))
    there.call(0, 0, Api.DERIVATIVES, cost=500)
    there.time.now += 9.9
    there.call(0, 0, Api.DERIVATIVES, cost=500)
    assert there.admitted == [True, True]
    assert there.sent[1] - there.sent[0] == pytest.approx(10, abs=0.01)


def test_a_call_that_travelled_long_does_not_make_room_early():
    """What Kraken counted late sinks late: a first call with a slow connection lets nobody go too early."""
    there = line()
    there.call(3, 0)
    for _ in range(30):
        there.call(0, 0.01)
    assert all(there.admitted)


@settings(deadline=None, max_examples=150)
@given(tier=st.sampled_from(TIERS), number=st.integers(1, 120), rtt=st.floats(0, 5), share=st.floats(0, 1))
def test_no_more_is_waited_than_the_budget_asks_for(tier, number, rtt, share):
    """A row of calls takes what the slower of network and budget needs, and at most a round trip more; over a
    usual network that is within five per cent."""
    there = line(tier)
    for _ in range(number):
        there.call(rtt * share, rtt * (1 - share))
    maximum, decay = kraken.BUDGETS[tier]
    needed = max((number - 1) * rtt, (number - maximum) / decay)
    took = there.sent[-1] - there.sent[0]
    assert all(there.admitted)
    assert took <= needed + rtt + 0.01
    if rtt <= 0.05 / decay:
        assert took <= needed * 1.05 + 0.01


def test_the_default_budget_is_the_smallest_tier():
    """No API tells an account's tier, so the smallest is kept, and Kraken's Starter never refuses."""
    time = Time()
    lanes = Lanes({Api.SPOT: SPOT, Api.DERIVATIVES: DERIVATIVES}, monotonic=time, sleep=time.sleep)
    there = Line(lanes, time)
    for _ in range(40):
        there.call(0.05, 0.05)
    assert all(there.admitted)
    assert there.sent[14] - there.sent[0] == pytest.approx(1.4, abs=0.01)
    assert there.sent[39] - there.sent[0] == pytest.approx(25 / 0.33, rel=0.01)


def test_the_platforms_of_one_account_have_budgets_of_their_own():
    """A used-up Spot counter holds no Derivatives call up."""
    there = line()
    for _ in range(15):
        there.call(0, 0)
    before = there.time()
    there.call(0, 0, Api.DERIVATIVES, LIST, cost=10)
    assert there.time() == before


def test_every_signed_call_has_a_price():
    """Each call that krakenstate makes is counted on its platform."""
    assert set(SPOT.costs) | set(DERIVATIVES.costs) == set(SignedCall)


@pytest.mark.parametrize("budget", [Counter(15, 0.33), Window(500, 10)])
def test_what_never_fits_is_a_mistake(budget):
    """A call that costs more than the whole budget is refused rather than waited for without end."""
    with pytest.raises(ValueError, match="never fits"):
        budget.wait_s(501, 0)


def test_a_call_counts_although_it_failed():
    """Nobody knows whether Kraken counted a call without an answer, so it counts here."""
    there = line()

    def fall_silent():
        raise KrakenUnreachable("no answer")

    for _ in range(15):
        with pytest.raises(KrakenUnreachable):
            there.lanes.run(DESK, Api.SPOT, ASK, fall_silent)
    there.call(0, 0)
    assert there.time.slept == pytest.approx(1 / 0.33, rel=0.01)


def refuse(instant=None):
    """A call that Kraken refuses for its budget, perhaps naming an instant."""

    def send():
        error = RateLimited("used up")
        error.again_at = instant
        raise error

    return send


@pytest.mark.parametrize(("api", "pause_s"), [(Api.SPOT, 15), (Api.DERIVATIVES, 10)])
def test_after_a_refusal_the_next_call_waits(api, pause_s):
    """The refused call is not repeated; the next one of the account waits, other accounts do not."""
    there = line()
    with pytest.raises(RateLimited):
        there.lanes.run(DESK, api, ASK, refuse())
    there.lanes.run(SHOP, api, ASK, lambda: None)
    assert there.time.slept == 0
    there.call(0, 0)
    assert there.time.slept == pytest.approx(pause_s, abs=0.01)


def test_a_throttled_lane_waits_until_the_instant_that_kraken_names():
    """``EService: Throttled: <unix time>`` says from when on the account may be asked again."""
    there = line()
    wire = f"EService: Throttled: {int(EPOCH_S) + 40}"

    def throttled():
        raise SpotError.parse(wire).to_error()

    with pytest.raises(RateLimited) as caught:
        there.lanes.run(DESK, Api.SPOT, ASK, throttled)
    assert caught.value.again_at == datetime.fromtimestamp(EPOCH_S + 40, UTC)
    there.call(0, 0)
    assert there.sent == [EPOCH_S + 40]


def test_what_would_wait_too_long_is_not_sent():
    """Beyond a minute the later calls of the account are not made, and say so; others go on."""
    there = line()
    with pytest.raises(RateLimited):
        there.lanes.run(DESK, Api.SPOT, ASK, refuse(there.time.utc() + timedelta(seconds=MAX_PAUSE_S + 1)))
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"Not asked: .* on master_account\.desk"):
            there.call(0, 0)
    assert (there.sent, there.time.slept) == ([], 0)
    there.lanes.run(SHOP, Api.SPOT, ASK, lambda: None)
    there.time.now += 10
    there.call(0, 0)
    assert there.time.slept == pytest.approx(MAX_PAUSE_S - 9)


def test_a_lane_waits_a_minute_at_most_in_all():
    """An account that goes on refusing is left alone, instead of a quarter of a minute per key."""
    there = line()
    outcomes = []
    for _ in range(10):
        with pytest.raises(RateLimited) as caught:
            there.lanes.run(DESK, Api.SPOT, ASK, refuse())
        outcomes.append(caught.value.message.startswith("Not asked"))
    assert outcomes == [False] * 5 + [True] * 5
    assert there.time.slept == pytest.approx(MAX_PAUSE_S)


def test_lanes_do_not_wait_for_each_other():
    """Calls on three accounts are under way at the same time."""
    lanes = Lanes({Api.SPOT: SPOT, Api.DERIVATIVES: DERIVATIVES})
    meeting = threading.Barrier(3, timeout=MANY_S)
    met = in_threads(
        lambda name=name: lanes.run(Address(f"master_account.{name}"), Api.SPOT, ASK, meeting.wait)
        for name in "abc"
    )
    assert sorted(met) == [0, 1, 2]


def test_one_lane_has_one_call_under_way():
    """Many threads that ask on one account, on both platforms, are let through one by one."""
    lanes = Lanes({Api.SPOT: SPOT, Api.DERIVATIVES: DERIVATIVES})
    under_way = threading.Semaphore(1)
    overlaps = []

    def send():
        alone = under_way.acquire(blocking=False)
        overlaps.append(not alone)
        threading.Event().wait(0.002)
        if alone:
            under_way.release()

    in_threads(lambda api=api: lanes.run(DESK, api, ASK, send) for api in [Api.SPOT, Api.DERIVATIVES] * 7)
    assert overlaps == [False] * 14


def in_threads(jobs):
    """The results of jobs that all run at the same time, in the order in which they ended."""
    done = []
    threads = [threading.Thread(target=lambda job=job: done.append(job())) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MANY_S)
    assert not any(thread.is_alive() for thread in threads)
    return done


def test_what_calls_take_at_least_is_known_before_they_are_sent():
    """The slowest lane counts, with what was sent in it already; asking changes nothing."""
    time = Time()
    lanes = Lanes(
        {Api.SPOT: SPOT, Api.DERIVATIVES: DERIVATIVES}, clock=time.utc, monotonic=time, sleep=time.sleep
    )
    calls = [(DESK, Api.SPOT, ASK)] * 18 + [(SHOP, Api.SPOT, ASK)] * 3 + [(SHOP, Api.DERIVATIVES, ASK)] * 5
    assert lanes.least_s([]) == 0
    for _ in range(2):
        assert lanes.least_s(calls) == pytest.approx((18 - 15) / 0.33, abs=0.01)
    for _ in range(3):
        lanes.run(DESK, Api.SPOT, ASK, lambda: None)
    assert lanes.least_s(calls) == pytest.approx((21 - 15) / 0.33, abs=0.01)
    assert time.slept == 0
