"""Breakers, nonces and the snapshot on a real server, shared by several runners."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from krakenstate.errors import StateDamaged, StateTooNew, VaultConflict
from krakenstate.model.network import parse_network
from krakenstate.model.provenance import Missing
from krakenstate.model.run import Breaker, BreakerScope
from krakenstate.model.snapshot import Observation, Presence, Snapshot
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api
from krakenstate.store.vault.ledger import VaultLedger
from krakenstate.store.vault.parts import MAX_DOCUMENT_BYTES
from krakenstate.store.vault.snapshots import VaultSnapshots
from tests.support.memory import MemoryKeyValue

NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
PATH = "krakenstate/prod"


@pytest.fixture
def ledger(kv, mount):
    """A runner's ledger."""
    return VaultLedger(kv, mount, PATH, clock=lambda: NOW)


def breaker(subject="abc", scope=BreakerScope.CREDENTIAL, minutes=15):
    """An open breaker."""
    until = NOW + timedelta(minutes=minutes)
    return Breaker(
        scope=scope,
        subject=subject,
        opened_at=NOW,
        until=until,
        code="KS2101",
        address="spot_key.pnl",
        account="spot_subaccount.mm",
    )


def test_a_breaker_outlives_the_run(ledger, kv, mount):
    """The next run on another machine finds it; a later one of its subject replaces it."""
    ledger.open_breaker(breaker())
    ledger.open_breaker(breaker("spot_subaccount.mm/with odd ? characters", BreakerScope.ACCOUNT))
    ledger.open_breaker(breaker(minutes=30))
    found = VaultLedger(kv, mount, PATH, clock=lambda: NOW).breakers()
    assert found == [
        breaker("spot_subaccount.mm/with odd ? characters", BreakerScope.ACCOUNT),
        breaker(minutes=30),
    ]


def test_a_longer_breaker_is_not_shortened(ledger):
    """A runner that is late with its own does not shorten another's."""
    ledger.open_breaker(breaker(minutes=30))
    ledger.open_breaker(breaker(minutes=15))
    assert ledger.breakers() == [breaker(minutes=30)]


def test_a_closed_breaker_is_gone_but_not_its_successor(ledger):
    """Closing removes the one that was meant, and leaves a longer one that was opened since."""
    ledger.open_breaker(breaker())
    ledger.close_breaker(breaker())
    ledger.close_breaker(breaker())
    assert ledger.breakers() == []
    ledger.open_breaker(breaker(minutes=30))
    ledger.close_breaker(breaker(minutes=15))
    assert ledger.breakers() == [breaker(minutes=30)]


def test_a_damaged_breaker_is_not_passed_over(ledger, kv, mount):
    """What may forbid asking is not taken for nothing."""
    kv.write(f"{PATH}/breakers/egress-x", {"scope": "egress"}, cas=0)
    with pytest.raises(StateDamaged, match=f"{mount}/{PATH}/breakers/egress-x"):
        ledger.breakers()


def test_nonces_only_grow(ledger, kv, mount):
    """A fresh key gets 1, 2, 3; a clock moves the sequence forward and never back; 64 bits fit."""
    other = VaultLedger(kv, mount, PATH, clock=lambda: NOW)
    assert [ledger.next_nonce("f1", 1), other.next_nonce("f1", 1), ledger.next_nonce("f1", 1)] == [1, 2, 3]
    assert ledger.next_nonce("f1", 1_795_368_600_000) == 1_795_368_600_000
    assert other.next_nonce("f1", 5) == 1_795_368_600_001
    assert ledger.next_nonce("f1", 2**64 - 2) == 2**64 - 2
    assert other.next_nonce("f1", 1) == 2**64 - 1
    assert ledger.next_nonce("f2", 1) == 1


def test_exactly_one_nonce_is_claimed_or_none(ledger, kv):
    """A nonce that is not above all earlier ones is refused, and nothing is written."""
    assert ledger.claim_nonce("f1", 7, NOW)
    assert not ledger.claim_nonce("f1", 7, NOW)
    assert not ledger.claim_nonce("f1", 6, NOW)
    assert kv.read(f"{PATH}/probes/f1").version == 1
    assert ledger.next_nonce("f1", 1) == 8


def test_a_nonce_is_reserved_before_it_is_known(ledger, kv):
    """When the caller learns it, it is written already."""
    nonce = ledger.next_nonce("f1", 7)
    assert kv.read(f"{PATH}/probes/f1").data["nonce"] == str(nonce)


def test_two_runners_never_get_the_same_nonce(bao, mount):
    """Ten threads that reserve at once get different nonces."""
    ledgers = [VaultLedger(bao.client(mount), mount, PATH, clock=lambda: NOW) for _ in range(5)]
    start, got = threading.Barrier(len(ledgers)), []

    def reserve(ledger):
        start.wait()
        got.extend(ledger.next_nonce("f1", 1) for _ in range(4))

    threads = [threading.Thread(target=reserve, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 21))


def test_of_runners_that_claim_at_once_one_succeeds(bao, mount):
    """Ten threads, each with the clock's nonce: the day is one runner's, the others do not ask."""
    ledgers = [VaultLedger(bao.client(mount), mount, PATH, clock=lambda: NOW) for _ in range(10)]
    start, got = threading.Barrier(len(ledgers)), []

    def claim(ledger, nonce):
        start.wait()
        got.append(ledger.claim_nonce("f1", nonce, NOW, none_since=NOW - timedelta(days=1)))

    threads = [threading.Thread(target=claim, args=(ledger, 100 + n)) for n, ledger in enumerate(ledgers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 9 + [True]


def test_a_claim_takes_the_nonce_as_it_is_or_not_at_all(ledger, kv):
    """Neither one that was used nor one below it is taken, and none is made one larger."""
    assert ledger.probe("f1") is None
    assert ledger.next_nonce("f1", 50) == 50
    assert [ledger.claim_nonce("f1", n, NOW) for n in (49, 50, 51, 51)] == [False, False, True, False]
    assert ledger.probe("f1").nonce == "51"
    assert ledger.claim_nonce("f1", 2**64 - 1, NOW + timedelta(days=1), none_since=NOW)
    assert not ledger.claim_nonce("f1", 2**64 - 1, NOW + timedelta(days=2))


def test_an_answer_stays_beside_later_claims_and_failures(ledger):
    """What a key said is kept until it says something else; an older run's news come too late."""
    said = KeyDescription(
        api=Api.SPOT,
        fingerprint="f1",
        last_four="9fQa",
        networks=(parse_network("192.0.2.10"),),
        nonce=2**64 - 5,
    )
    ledger.note_probe("f1", 5, NOW, description=said)
    assert ledger.probe("f1") is None  # nothing was claimed
    assert ledger.claim_nonce("f1", 5, NOW)
    ledger.note_probe("f1", 6, NOW, description=said)
    assert ledger.claim_nonce("f1", 7, NOW + timedelta(days=1))
    ledger.note_probe("f1", 8, NOW + timedelta(days=1), refusal="KS2103")
    ledger.note_probe("f1", 6, NOW)
    kept = ledger.probe("f1")
    assert (kept.nonce, kept.refusal, kept.description, kept.described_at) == ("8", "KS2103", said, NOW)
    assert kept.reserved_at == NOW + timedelta(days=1)


def test_a_lost_race_is_run_again_a_bounded_number_of_times(kv, mount):
    """A writer that always loses gives up instead of running for ever."""

    class Losing:
        attempts = 0

        def __getattr__(self, name):
            return getattr(kv, name)

        def write(self, path, data, cas):
            self.attempts += 1
            raise VaultConflict("lost")

    losing = Losing()
    with pytest.raises(VaultConflict):
        VaultLedger(losing, mount, PATH, clock=lambda: NOW).next_nonce("f1", 1)
    assert losing.attempts == 25


@pytest.mark.parametrize("data", [{}, {"nonce": 5}, {"nonce": "-1"}, {"nonce": "x"}])
def test_a_damaged_nonce_record_stops_probing(ledger, kv, data):
    """The next nonce is not guessed."""
    kv.write(f"{PATH}/probes/f1", data, cas=0)
    with pytest.raises(StateDamaged, match="probes/f1"):
        ledger.next_nonce("f1", 1)
    with pytest.raises(StateDamaged, match="probes/f1"):
        ledger.claim_nonce("f1", 1, NOW)


def test_the_snapshot_is_replaced(kv, mount):
    """The last one counts, whoever wrote the one before."""
    one, two = VaultSnapshots(kv, mount, PATH), VaultSnapshots(kv, mount, PATH)
    assert one.load_snapshot() is None
    for n, store in enumerate((one, two, one)):
        store.save_snapshot(
            Snapshot(lineage="l", stack="prod", environment="production", observed_at=NOW, clock_offset_ms=n)
        )
    assert two.load_snapshot().clock_offset_ms == 2
    assert two.load_snapshot().observed_at == NOW


def test_a_snapshot_of_a_large_desk_is_taken(kv, mount):
    """It holds more strings than OpenBao takes in a request, and is one text."""
    store = VaultSnapshots(kv, mount, PATH)
    snapshot = Snapshot(
        lineage="l",
        stack="prod",
        environment="production",
        observed_at=NOW,
        observations={
            f"spot_key.k{n}": Observation(
                address=f"spot_key.k{n}",
                presence=Presence.UNKNOWN,
                missing=Missing.NOT_ASKED,
                detail="no site",
            )
            for n in range(400)
        },
    )
    store.save_snapshot(snapshot)
    assert store.load_snapshot() == snapshot


def test_a_snapshot_as_it_was_stored_before_is_read(kv, mount):
    """Its fields stood in the entry itself; the next observation replaces it."""
    store = VaultSnapshots(kv, mount, PATH)
    old = Snapshot(lineage="l", stack="prod", environment="production", observed_at=NOW)
    kv.write(f"{PATH}/snapshot", old.model_dump(mode="json"), cas=0)
    assert store.load_snapshot() == old


def test_a_snapshot_of_another_form_is_named(kv, mount):
    """Damage and a newer format are told apart."""
    store = VaultSnapshots(kv, mount, PATH)
    kv.write(f"{PATH}/snapshot", {"lineage": "l"}, cas=0)
    with pytest.raises(StateDamaged, match=f"{mount}/{PATH}/snapshot"):
        store.load_snapshot()
    kv.write(f"{PATH}/snapshot", {"format_version": "2.0"}, cas=1)
    with pytest.raises(StateTooNew):
        store.load_snapshot()


def test_a_long_snapshot_is_packed_and_read_again():
    """A desk of thousands of keys fits into an entry; what is no packed snapshot is said to be damaged."""
    kv = MemoryKeyValue()
    snapshots = VaultSnapshots(kv, "kv", PATH)
    seen = {
        f"spot_key.k{n}": Observation(
            address=f"spot_key.k{n}", presence=Presence.UNKNOWN, missing=Missing.NOT_ASKED
        )
        for n in range(4000)
    }
    snapshot = Snapshot(
        lineage="l", stack="prod", environment="production", observed_at=NOW, observations=seen
    )
    snapshots.save_snapshot(snapshot)
    entry = kv.read(f"{PATH}/snapshot")
    assert len(entry.data["packed"]) < MAX_DOCUMENT_BYTES
    assert snapshots.load_snapshot() == snapshot
    for wrong in ("", "AAAA", entry.data["packed"][:4000], 7):
        kv.write(f"{PATH}/snapshot", {**entry.data, "packed": wrong}, kv.metadata(f"{PATH}/snapshot").version)
        with pytest.raises(StateDamaged):
            snapshots.load_snapshot()
