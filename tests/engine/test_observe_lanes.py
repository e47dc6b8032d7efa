"""Observing many accounts: side by side, one call at a time on each, and no more calls than the pages say."""

import asyncio
import threading
from collections import Counter, defaultdict

import pytest

from krakenstate import DerivativesSubaccount, MasterAccount, SpotSubaccount
from krakenstate.engine import reading
from krakenstate.engine.asking import Asker, Subject
from krakenstate.engine.observe import take_snapshot
from krakenstate.errors import BreakerOpen, Interrupted, TemporaryLockout
from krakenstate.model.address import Address
from krakenstate.model.provenance import Missing
from krakenstate.model.run import BreakerScope
from krakenstate.model.snapshot import Presence
from krakenstate.providers.base import LinkList
from krakenstate.store.vault.ledger import VaultLedger
from tests.support.memory import MemoryKeyValue
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    DESK,
    MM,
    RUNNER,
    SECRETS,
    STATE,
    HandClock,
    derivatives_key,
    spot_key,
)

CHECK, LIST, SWITCH = "/v3/check", "/subaccounts", "/trading-enabled"
NETWORKS = tuple(RUNNER.networks)
MANY_S = 20.0
SHOPS = [MasterAccount(name=f"shop{n}", email=f"shop{n}@desk.example") for n in range(4)]
READERS = [derivatives_key(name=f"reader{n}-{shop.name}", account=shop) for shop in SHOPS for n in range(3)]


def link(world, email):
    """Support links a subaccount to the desk, and its owner confirms."""
    world.people("create-account", name=email.partition("@")[0], email=email)
    world.people("support-process", master=DESK.email, subaccount=email)
    world.people("email-confirm", email=email)


def observe(world):
    """One observation."""
    session = world.session()
    return take_snapshot(session, reading.load_state(session))


def paths_since(world, before):
    """What Kraken was asked after so many calls, by the end of the path, and how often."""
    ends = (CHECK, LIST, SWITCH)
    asked = world.calls()[before:]
    return Counter(next((e for e in ends if call["path"].endswith(e)), call["path"]) for call in asked)


class Gate:
    """Lets calls with a key through once calls on so many accounts have arrived; counts per account."""

    def __init__(self, inner, accounts, expected):
        self.inner = inner
        self.accounts = accounts
        self.expected = expected
        self.under_way = Counter()
        self.most = Counter()
        self.are_met = asyncio.Event()

    async def __call__(self, scope, receive, send):
        account = self.accounts.get(dict(scope["headers"]).get(b"apikey"))
        if account is None:
            await self.inner(scope, receive, send)
            return
        self.under_way[account] += 1
        self.most[account] = max(self.most[account], self.under_way[account])
        if len(+self.under_way) >= self.expected:
            self.are_met.set()
        try:
            await asyncio.wait_for(self.are_met.wait(), MANY_S)
            await self.inner(scope, receive, send)
        finally:
            self.under_way[account] -= 1


def test_accounts_are_observed_side_by_side_and_keys_of_one_in_turn(world, switchboard):
    """Calls on four accounts are under way together, never two on one, and each key is asked once."""
    for shop in SHOPS:
        world.people("create-account", name=shop.name, email=shop.email)
    world.declare(*SHOPS)
    made = {key: world.put_in_service(key) for key in READERS}
    before = len(world.calls())
    names = {c.api_key.get_secret_value().encode(): str(key.account.address) for key, c in made.items()}
    gate = switchboard.app = Gate(switchboard.app, names, expected=len(SHOPS))

    snapshot = observe(world)

    assert gate.are_met.is_set()
    assert gate.most == {str(shop.address): 1 for shop in SHOPS}
    assert paths_since(world, before) == {CHECK: len(READERS)}
    asked = Counter(call["key_fingerprint"] for call in world.calls()[before:])
    assert asked == {credential.fingerprint: 1 for credential in made.values()}
    seen = [snapshot.of(key.address).presence for key in READERS]
    assert seen == [Presence.PRESENT] * len(READERS)
    assert list(snapshot.observations) == sorted(snapshot.observations)


class ReadsNoted:
    """What was read, and a sign once a certain path was."""

    def __init__(self, inner, awaited):
        self.inner, self.awaited, self.was_read, self.paths = inner, awaited, threading.Event(), []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def read(self, path, version=None):
        self.paths.append(path)
        found = self.inner.read(path, version)
        if path.endswith(self.awaited):
            self.was_read.set()
        return found


class Answerless:
    """Answers a certain key only once ``until`` has happened."""

    def __init__(self, inner, public, until):
        self.inner, self.public, self.until = inner, public.encode(), until

    async def __call__(self, scope, receive, send):
        if dict(scope["headers"]).get(b"apikey") == self.public:
            assert await asyncio.to_thread(self.until.wait, MANY_S)
        await self.inner(scope, receive, send)


def secrets_of(world):
    """Three keys of one account, in service, in the order in which they are asked."""
    keys = [derivatives_key(name=f"reader{n}", account=DESK) for n in range(3)]
    return {key: world.put_in_service(key) for key in keys}


def test_the_next_secret_is_read_until_a_key_has_answered(world, switchboard):
    """The first key's answer waits for the read of the second one's secret, and each is read once."""
    made = secrets_of(world)
    first, second, _ = made
    world.mains.inner = noted = ReadsNoted(world.kv, second.address)
    public = made[first].api_key.get_secret_value()
    switchboard.app = Answerless(switchboard.app, public, noted.was_read)

    snapshot = observe(world)

    assert [snapshot.of(key.address).presence for key in made] == [Presence.PRESENT] * 3
    assert Counter(p for p in noted.paths if p.startswith(SECRETS)) == Counter(
        f"{SECRETS}/{key.process.name}/{key.address}" for key in made
    )


def test_a_secret_that_was_read_ahead_is_not_used_under_an_open_breaker(world, switchboard):
    """Two keys of an account are rejected, so the third is not asked, although its secret is in memory."""
    made = secrets_of(world)
    first, second, third = made
    for key in (first, second):
        public = made[key].api_key.get_secret_value()
        world.people("delete-key", account=DESK.email, key=public)
    world.mains.inner = noted = ReadsNoted(world.kv, third.address)
    switchboard.app = Answerless(switchboard.app, made[second].api_key.get_secret_value(), noted.was_read)
    before = len(world.calls())

    snapshot = observe(world)

    asked = [call["key_fingerprint"] for call in world.calls()[before:]]
    assert asked == [made[first].fingerprint, made[second].fingerprint]
    seen = snapshot.of(third.address)
    assert (seen.missing, noted.was_read.is_set()) == (Missing.NOT_ASKED, True)
    assert "its account is not asked until" in seen.detail
    assert seen.facts["secret"].value == made[third].fingerprint


def test_two_observations_say_the_same_whatever_thread_was_faster(world):
    """With nothing changed between them, two observations by several threads are equal."""
    for shop in SHOPS:
        world.people("create-account", name=shop.name, email=shop.email)
    world.declare(*SHOPS)
    for key in READERS[::2]:
        world.put_in_service(key)
    assert observe(world) == observe(world)


def test_a_controller_makes_one_check_one_list_and_one_read_per_switch(world):
    """Two links, one of them with a managed switch: three calls with the controller's key, no more."""
    idle = DerivativesSubaccount(name="idle", master=DESK, email="kraken+idle@desk.example")
    world.declare(CARRY, idle)
    controller = world.put_in_service(CONTROLLER)
    for account in (CARRY, idle):
        link(world, account.email)
    before = len(world.calls())

    snapshot = observe(world)

    assert paths_since(world, before) == {CHECK: 1, LIST: 1, SWITCH: 1}
    assert len(world.calls(only=controller)) == 3 + 1  # the first was its verification
    assert snapshot.of(CARRY.address).facts["trading_enabled"].value is True
    assert snapshot.of(idle.address).presence is Presence.PRESENT


def test_links_are_not_read_with_a_controller_that_could_not_be_described(world):
    """Nobody could say whose list it is: the links are unreadable for its reason, and never absent."""
    world.declare(CARRY)
    controller = world.put_in_service(CONTROLLER)
    world.loses_answers_to = CHECK
    before = len(world.calls(LIST))
    seen = observe(world).of(CARRY.address)
    assert (seen.presence, seen.missing, seen.code) == (Presence.UNKNOWN, Missing.UNREADABLE, "KS2003")
    assert seen.detail.startswith("its controller: ")
    assert len(world.calls(LIST)) == before == 0
    assert controller.fingerprint not in seen.detail


def test_a_list_of_another_account_makes_the_links_unreadable(world, monkeypatch):
    """A list whose master is not the account that the controller names is nobody's word about the links."""
    world.declare(CARRY)
    world.put_in_service(CONTROLLER)
    monkeypatch.setattr(
        "krakenstate.providers.kraken_derivatives.provider.read_links",
        lambda _body: LinkList(master_uid="00000000-0000-4000-8000-000000000000", links=()),
    )
    seen = observe(world).of(CARRY.address)
    assert (seen.presence, seen.code) == (Presence.UNKNOWN, "KS2013")


def test_a_key_made_for_another_environment_is_not_sent(world):
    """What lies at a key's place is for another environment's servers: reported, and Kraken hears nothing."""
    key = derivatives_key()
    credential = world.put_in_service(key)
    path = f"{SECRETS}/hedger/{key.address}"
    entry = world.kv.read(path)
    world.kv.write(path, {**entry.data, "environment": "uat"}, cas=entry.version)
    head = world.kv.metadata(path)
    world.kv.write_metadata(path, {"fingerprint-version": str(head.version)})
    asked = len(world.calls(only=credential))

    seen = observe(world).of(key.address)

    assert (seen.presence, seen.missing, seen.code) == (Presence.UNKNOWN, Missing.UNREADABLE, "KS2007")
    assert len(world.calls(only=credential)) == asked


class Midway:
    """Lanes on which something happens while a call waits for its turn."""

    def __init__(self, happens):
        self.happens = happens

    def run(self, account, api, call, send):
        self.happens()
        return send()


@pytest.fixture
def clock():
    """A clock that stands still."""
    return HandClock()


def asker_over(clock, lanes):
    """An asker whose ledger nobody else uses, and that ledger."""
    ledger = VaultLedger(MemoryKeyValue(), "kv", STATE, clock=clock)
    return Asker(ledger, NETWORKS, clock, lanes), ledger


def test_a_lockout_met_by_one_lane_stops_what_waits_in_another(clock, world):
    """A call that was let into its lane before the lockout is not sent after it."""
    here = Subject(Address("spot_key.a"), Address("master_account.a"), NETWORKS)
    there = Subject(Address("derivatives_key.b"), Address("master_account.b"), NETWORKS)
    one, other = world.make_key(spot_key(), name="one"), world.make_key(derivatives_key())
    sent = []

    def locks_out():
        raise TemporaryLockout("locked")

    def meanwhile():
        lanes.happens = lambda: None
        with pytest.raises(TemporaryLockout):
            asker.call(here, one, locks_out)

    lanes = Midway(meanwhile)
    asker, ledger = asker_over(clock, lanes)
    with pytest.raises(BreakerOpen) as caught:
        asker.call(there, other, lambda: sent.append(1))
    assert (sent, caught.value.address) == ([], "derivatives_key.b")
    assert BreakerScope.EGRESS in {b.scope for b in ledger.breakers()}


def test_a_nonce_is_taken_when_the_turn_has_come(clock, world):
    """A key that its process uses meanwhile is asked with the nonce of now, not of when it began to wait."""
    subject = Subject(Address("spot_key.a"), DESK.address, NETWORKS)
    asker, _ = asker_over(clock, Midway(lambda: clock.advance(seconds=30)))
    began = clock()
    used = []

    class Inspector:
        def describe_key(self, _credential, nonce):
            used.append(nonce)

    asker.describe(Inspector(), subject, world.make_key(spot_key()), lambda: round(clock().timestamp()))
    assert used == [round(began.timestamp()) + 30]


def test_what_a_run_left_waiting_is_not_sent_after_its_end(clock, world):
    """Once the run has ended, a thread that still waits for its turn sends nothing."""
    lanes = Midway(lambda: None)
    asker, _ = asker_over(clock, lanes)
    lanes.happens = asker.stop
    subject = Subject(Address("derivatives_key.a"), DESK.address, NETWORKS)
    sent = []
    with pytest.raises(Interrupted):
        asker.call(subject, world.make_key(derivatives_key()), lambda: sent.append(1))
    assert sent == []


def test_two_declarations_of_one_account_share_a_lane(world):
    """A linked subaccount that is also a Spot subaccount is one account at Kraken, hence one lane."""
    twin = DerivativesSubaccount(name="mm", master=DESK, email=MM.email, same_as=MM)
    world.declare(MM, twin, also=BASIS)
    lanes = defaultdict(list)

    class Noting:
        def run(self, account, api, call, send):
            lanes[str(account)].append(str(api))

    session = world.session()
    object.__setattr__(session, "lanes", Noting())
    for key in (spot_key(account=MM), derivatives_key(account=twin)):
        subject = Subject(key.address, key.account.address, NETWORKS)
        session.asker.call(subject, world.make_key(key, account=DESK.email), lambda: None)
    assert lanes == {"spot_subaccount.mm": ["spot", "derivatives"]}
    assert isinstance(MM, SpotSubaccount)
