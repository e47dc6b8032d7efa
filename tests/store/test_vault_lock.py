"""The lock on a real server: one holder, leases that end, takeovers that are noticed."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from krakenstate.errors import (
    Interrupted,
    LockHeld,
    LockLost,
    LockMismatch,
    LockNotHeld,
    StateDamaged,
    VaultUnreachable,
)
from krakenstate.store.vault.lock import VaultLockKeeper

START = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
PATH = "krakenstate/prod"


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    """Held by hand."""
    return Clock()


@pytest.fixture
def keeper(kv, mount, clock):
    """Ann's."""
    return keeper_of("ann", kv, mount, clock)


@pytest.fixture
def other(kv, mount, clock):
    """Bob's."""
    return keeper_of("bob", kv, mount, clock)


def keeper_of(who, kv, mount, clock, **changes):
    """One runner's keeper; waiting moves its clock."""
    usual = {"in_background": False, "sleep": getattr(clock, "forward", time.sleep)}
    return VaultLockKeeper(
        kv,
        mount,
        PATH,
        clock=clock,
        who=f"{who}@desk",
        host=f"{who}-host",
        version="1.2.3",
        run_link=f"https://ci.example/{who}",
        **{**usual, **changes},
    )


def test_a_lock_carries_a_name(keeper, mount):
    """Whoever looks sees who holds it, for what, from where and until when."""
    lease = keeper.acquire("apply", wait_s=0)
    found = keeper.current()
    assert found == lease.lock
    assert (found.who, found.host, found.operation, found.version) == (
        "ann@desk",
        "ann-host",
        "apply",
        "1.2.3",
    )
    assert found.path == f"{mount}/{PATH}/lock"
    assert found.run_link == "https://ci.example/ann"
    assert (found.created, found.expires_at) == (START, START + timedelta(seconds=60))


def test_a_held_lock_names_its_holder(keeper, other):
    """The refusal says who, what, since when, from which run, until when, and what to do."""
    keeper.acquire("apply", wait_s=0)
    with pytest.raises(LockHeld) as caught:
        other.acquire("settle", wait_s=0)
    for part in ("ann@desk", "apply", "2026-11-22T17:30:00Z", "https://ci.example/ann", "17:31:00Z"):
        assert part in caught.value.message
    assert "--lock-timeout" in caught.value.next_step
    assert caught.value.exit_code == 6


def test_a_lock_given_back_can_be_taken(keeper, other):
    """After its release nobody holds it; releasing twice is fine."""
    lease = keeper.acquire("apply", wait_s=0)
    lease.release()
    lease.release()
    assert keeper.current() is None
    assert other.acquire("settle", wait_s=0).lock.who == "bob@desk"


def test_waiting_ends_with_the_lock_or_the_patience(keeper, other, clock):
    """A wait shorter than the lease fails after that time, a longer one takes over."""
    keeper.acquire("apply", wait_s=0)
    with pytest.raises(LockHeld):
        other.acquire("settle", wait_s=10)
    assert clock.now == START + timedelta(seconds=10)
    assert other.acquire("settle", wait_s=55).lock.who == "bob@desk"
    assert clock.now == START + timedelta(seconds=60)


def test_a_takeover_is_logged_and_noticed(keeper, other, clock, caplog):
    """The new holder's log names the old one, who stops before its next write."""
    lease = keeper.acquire("apply", wait_s=0)
    clock.forward(60)
    assert keeper.current() is None
    with caplog.at_level(logging.WARNING, logger="krakenstate.lock"):
        taken = other.acquire("settle", wait_s=0)
    assert "Took over the lock of ann@desk (apply, since 2026-11-22T17:30:00Z" in caplog.text
    for _ in range(2):
        with pytest.raises(LockLost):
            lease.check()
    lease.release()
    assert other.current() == taken.lock


def test_a_check_renews_only_what_is_due(keeper, kv, clock):
    """The lease is renewed once a third of it has passed, and not before."""
    lease = keeper.acquire("apply", wait_s=0)
    clock.forward(19)
    lease.check()
    assert kv.metadata(f"{PATH}/lock").version == 1
    clock.forward(2)
    lease.check()
    assert kv.metadata(f"{PATH}/lock").version == 2
    assert lease.lock.expires_at == clock.now + timedelta(seconds=60)
    assert keeper.current() == lease.lock


def test_a_late_owner_whom_nobody_replaced_goes_on(keeper, clock):
    """A lease that ended but was not taken over is renewed."""
    lease = keeper.acquire("apply", wait_s=0)
    clock.forward(3600)
    lease.check()
    assert keeper.current() == lease.lock


def test_a_lock_given_back_by_force_is_lost(keeper, other, caplog):
    """Breaking a lock needs its id; its owner notices."""
    lease = keeper.acquire("apply", wait_s=0)
    with pytest.raises(LockMismatch, match="ann@desk"):
        other.force_unlock("another-id")
    lease.check()
    assert other.force_unlock(lease.lock.id) == lease.lock
    assert "The lock of ann@desk (apply, since 2026-11-22T17:30:00Z" in caplog.text
    assert "was broken by bob@desk" in caplog.text
    with pytest.raises(LockLost, match="broken by bob@desk at 2026-11-22T17:30:00Z"):
        lease.check()
    with pytest.raises(LockNotHeld):
        other.force_unlock(lease.lock.id)


def test_a_lock_that_is_renewed_meanwhile_is_broken_all_the_same(keeper, kv, mount, clock):
    """Its id is what counts, not the version of its entry."""
    lease = keeper.acquire("apply", wait_s=0)
    clock.forward(30)
    interrupted = Happening(kv, lease.check)
    broken = keeper_of("bob", interrupted, mount, clock).force_unlock(lease.lock.id)
    assert broken.expires_at == START + timedelta(seconds=90)
    assert keeper.last() is None


def test_a_lock_whose_lease_ended_can_still_be_seen(keeper, clock):
    """It is held by nobody, and it says who left it."""
    lease = keeper.acquire("apply", wait_s=0)
    clock.forward(61)
    assert keeper.current() is None
    assert keeper.last() == lease.lock
    lease.release()
    assert keeper.last() is None


def test_whoever_waits_is_told_once_and_can_be_stopped(keeper, kv, mount, clock):
    """Waiting names the holder, and a request to stop ends it, with nothing taken."""
    keeper.acquire("apply", wait_s=0)
    told, asked = [], []

    def stop():
        asked.append(clock.now)
        if len(asked) == 3:
            raise Interrupted("enough")

    waiting = keeper_of("bob", kv, mount, clock, tell=told.append)
    with pytest.raises(Interrupted):
        waiting.acquire("settle", wait_s=30, stop=stop)
    [line] = told
    assert line.startswith("Waiting up to 30 s for the lock, held by ann@desk (apply, since ")
    assert clock.now == START + timedelta(seconds=2)
    assert keeper.current().who == "ann@desk"


def test_deleting_the_entry_loses_the_lock(keeper, other, kv, bao, mount):
    """A lock whose entry somebody deleted is lost, and can be taken again."""
    lease = keeper.acquire("apply", wait_s=0)
    bao.request("DELETE", f"{mount}/data/{PATH}/lock")
    with pytest.raises(LockLost):
        lease.check()
    kv_version = kv.metadata(f"{PATH}/lock").version
    assert other.acquire("settle", wait_s=0).lock.who == "bob@desk"
    assert kv.metadata(f"{PATH}/lock").version == kv_version + 1


def test_a_damaged_lock_is_not_taken_for_a_free_one(keeper, kv, mount):
    """What cannot be read as a lock is not overwritten."""
    kv.write(f"{PATH}/lock", {"id": "x"}, cas=0)
    with pytest.raises(StateDamaged, match=f"{mount}/{PATH}/lock"):
        keeper.acquire("apply", wait_s=0)


@pytest.mark.parametrize("before", ["never", "released", "expired"])
def test_of_many_racing_keepers_exactly_one_wins(bao, mount, kv, clock, before):
    """Check-and-set lets one of them through, whatever the lock's last state."""
    if before != "never":
        lease = keeper_of("old", kv, mount, clock).acquire("apply", wait_s=0)
        if before == "released":
            lease.release()
        else:
            clock.forward(61)
    keepers = [keeper_of(f"k{n}", bao.client(mount), mount, clock) for n in range(8)]
    start, won, held = threading.Barrier(len(keepers)), [], []

    def race(keeper):
        start.wait()
        try:
            won.append(keeper.acquire("apply", wait_s=0))
        except LockHeld as error:
            held.append(error)

    threads = [threading.Thread(target=race, args=(keeper,)) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(held)) == (1, 7)
    won[0].check()
    assert all(won[0].lock.who in error.message for error in held)


def test_a_thread_keeps_a_lease_alive(kv, mount):
    """Through a call that takes longer than a lease, nobody else gets the lock."""
    lease_s = 1.5
    keeper = keeper_of("ann", kv, mount, lambda: datetime.now(UTC), in_background=True, lease_s=lease_s)
    other = keeper_of("bob", kv, mount, lambda: datetime.now(UTC), lease_s=lease_s)
    lease = keeper.acquire("apply", wait_s=0)
    time.sleep(lease_s + 1.2)
    with pytest.raises(LockHeld):
        other.acquire("settle", wait_s=0)
    lease.check()
    lease.release()
    assert keeper.current() is None
    names = {thread.name for thread in threading.enumerate()}
    deadline = time.monotonic() + 5
    while any(n.startswith("krakenstate-lease") for n in names) and time.monotonic() < deadline:
        time.sleep(0.01)
        names = {thread.name for thread in threading.enumerate()}
    assert not any(n.startswith("krakenstate-lease") for n in names)


class Failing:
    """A key-value store that stops answering."""

    def __init__(self, inner):
        self._inner = inner
        self.fails = False

    def __getattr__(self, name):
        if self.fails:
            raise VaultUnreachable("gone")
        return getattr(self._inner, name)


def test_without_vault_a_lease_is_not_certain_and_its_release_does_not_mask_the_cause(
    kv, mount, clock, caplog
):
    """A check that cannot read the lock stops the run; giving it back then only says so."""
    failing = Failing(kv)
    keeper = keeper_of("ann", failing, mount, clock)
    lease = keeper.acquire("apply", wait_s=0)
    failing.fails = True
    with pytest.raises(VaultUnreachable):
        lease.check()
    lease.release()
    assert "could not be given back, its lease ends at 2026-11-22T17:31:00Z" in caplog.text


class Happening:
    """A key-value store in which something happens right after the first look."""

    def __init__(self, inner, happening):
        self._inner = inner
        self._happening = happening

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def look(self, path):
        found = self._inner.look(path)
        happening, self._happening = self._happening, None
        if happening:
            happening()
        return found


def test_a_lock_taken_between_two_looks_is_not_overwritten(keeper, kv, mount, clock):
    """Where there was no lock at the first look, and one when this run wrote its own, that one counts."""
    won = []
    interrupted = Happening(kv, lambda: won.append(keeper.acquire("apply", wait_s=0)))
    with pytest.raises(LockHeld):
        keeper_of("bob", interrupted, mount, clock).acquire("settle", wait_s=0)
    won[0].check()
    assert kv.metadata(f"{PATH}/lock").version == 1
