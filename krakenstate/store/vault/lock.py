"""The lock: one writer at a time, with a name on it and a lease that ends.

How this works: the lock is one entry, written only with check-and-set on the version that was read. Giving it
back writes a version that says so rather than deleting the entry: version numbers then only grow, and a write
based on an old reading can never succeed by accident. A lease whose end has passed may be taken over; its
owner finds out at its next ``check``, which every remote write is preceded by. Leases are judged by each
runner's own clock, so clocks that are a minute apart cost a run, but not the safety of the state: the state's
index is written with check-and-set as well.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from krakenstate.errors import (
    LockError,
    LockHeld,
    LockLost,
    LockMismatch,
    LockNotHeld,
    VaultConflict,
    VaultError,
)
from krakenstate.model.base import format_instant
from krakenstate.model.run import Lock
from krakenstate.store.base import Entry, KeyValue
from krakenstate.store.vault.records import ATTEMPTS, parse

log = logging.getLogger("krakenstate.lock")
LEASE_S = 60.0
POLL_S = 1.0


class VaultLease:
    """``store.base.Lease``: a lock that is held. Made by ``VaultLockKeeper.acquire``."""

    def __init__(self, keeper: VaultLockKeeper, lock: Lock, *, in_background: bool) -> None:
        self._keeper = keeper
        self._lock = lock
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._is_lost = False
        if in_background:
            name = f"krakenstate-lease-{lock.id[:8]}"
            threading.Thread(target=self._keep_renewing, name=name, daemon=True).start()

    @property
    def lock(self) -> Lock:
        """Its record."""
        return self._lock

    def check(self) -> None:
        """Makes sure that the lock is still ours, and renews the lease once a third of it has passed."""
        with self._mutex:
            if self._is_lost:
                raise LockLost("The lock was lost earlier in this run.")
            try:
                self._lock = self._keeper.confirm(self._lock)
            except LockLost:
                self._is_lost = True
                raise

    def release(self) -> None:
        """Gives it back. What was lost stays lost; without Vault the lease ends by itself."""
        self._ended.set()
        with self._mutex:
            try:
                self._keeper.give_back(self._lock)
            except VaultError as error:
                log.warning(
                    "The lock %s could not be given back, its lease ends at %s: %s",
                    self._lock.id,
                    format_instant(self._lock.expires_at),
                    error.message,
                )

    def _keep_renewing(self) -> None:
        """Keeps the lease alive through long calls; what it cannot do now, the next ``check`` reports."""
        while not self._ended.wait(self._keeper.lease_s / 6):
            try:
                if self._keeper.is_due(self._lock):
                    self.check()
            except LockError:
                return
            except VaultError as error:
                log.debug("The lease was not renewed: %s", error.message)


class VaultLockKeeper:
    """``store.base.LockKeeper`` over a key-value store.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages.
        path: The stack's ``state`` prefix; the lock is the entry ``lock`` below it.
        clock: The time, in UTC.
        who: Who takes it, as ``user@host``.
        host: On which machine.
        version: Of this krakenstate.
        run_link: Where the run can be watched, under CI.
        lease_s: How long it is held without renewal.
        in_background: Whether a thread renews it too, for calls that take longer than a lease.
        sleep: How to wait for another's lock.
        tell: Told, once, whom this run waits for.
    """

    def __init__(
        self,
        kv: KeyValue,
        mount: str,
        path: str,
        *,
        clock: Callable[[], datetime],
        who: str,
        host: str,
        version: str,
        run_link: str | None = None,
        lease_s: float = LEASE_S,
        in_background: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = log.info,
    ) -> None:
        self._kv = kv
        self._path = f"{path}/lock"
        self._shown = f"{mount}/{path}/lock"
        self._clock = clock
        self._who, self._host, self._version, self._run_link = who, host, version, run_link
        self.lease_s = lease_s
        self._in_background = in_background
        self._sleep = sleep
        self._tell = tell

    def acquire(
        self, operation: str, *, wait_s: float, stop: Callable[[], None] = lambda: None
    ) -> VaultLease:
        """Takes the lock, waiting up to ``wait_s`` seconds; takes over one whose lease has ended."""
        waited_s = 0.0
        while True:
            taken = self._take(operation)
            if isinstance(taken, VaultLease):
                return taken
            if waited_s >= wait_s:
                raise _held(taken)
            stop()
            if not waited_s:
                self._tell(f"Waiting up to {wait_s:g} s for the lock, held by {_describe(taken)}.")
            pause_s = min(POLL_S, wait_s - waited_s)
            self._sleep(pause_s)
            waited_s += pause_s

    def current(self) -> Lock | None:
        """Who holds it now; nobody once the lease has ended."""
        found = self.last()
        return found if found and found.expires_at > self._clock() else None

    def last(self) -> Lock | None:
        """The lock that was taken and not given back, also one whose lease has ended."""
        entry = self._kv.read(self._path)
        return self._lock_in(entry) if entry else None

    def force_unlock(self, lock_id: str) -> Lock:
        """Gives back somebody else's lock, whose id was named; an owner that is alive notices."""
        for _ in range(ATTEMPTS):
            found, version = self._read()
            if found is None:
                raise LockNotHeld(f"Nobody holds {self._shown}.")
            if found.id != lock_id:
                raise LockMismatch(f"The lock is held by {_describe(found)}, not by {lock_id[:40]}.")
            try:
                self._kv.write(self._path, self._released(found) | {"broken": True}, version)
            except VaultConflict:  # its owner renewed it meanwhile, or gave it back
                continue
            log.warning("The lock of %s was broken by %s.", _describe(found), self._who)
            return found
        raise VaultConflict(f"{self._shown} changes too fast to be broken.")

    def is_due(self, lock: Lock) -> bool:
        """Whether more than a third of a lease has passed since it was last renewed."""
        return lock.expires_at - self._clock() < timedelta(seconds=self.lease_s * 2 / 3)

    def confirm(self, lock: Lock) -> Lock:
        """The lock, renewed if that was due.

        Raises:
            LockLost: It is no longer ours.
        """
        found, version = self._read()
        if found is None or found.id != lock.id:
            raise self._lost(found, lock)
        if not self.is_due(found):
            return found
        renewed = found.model_copy(update={"expires_at": self._lease_end()})
        try:
            self._kv.write(self._path, _data(renewed), version)
        except VaultConflict:
            pass
        else:
            return renewed
        raise self._lost(self._read()[0], lock)

    def give_back(self, lock: Lock) -> None:
        """Notes that the lock is free, if it is still ours."""
        found, version = self._read()
        if found is None or found.id != lock.id:
            return
        try:
            self._kv.write(self._path, self._released(lock), version)
        except VaultConflict:
            log.warning("The lock %s was taken over before it was given back.", lock.id)

    def _take(self, operation: str) -> VaultLease | Lock:
        """The lease, or whoever holds the lock."""
        for attempt in range(ATTEMPTS):
            found, version = self._read()
            if found is not None and found.expires_at > self._clock():
                return found
            mine = self._new(operation)
            try:
                self._kv.write(self._path, _data(mine), version)
            except VaultConflict:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            if found is not None:
                log.warning(
                    "Took over the lock of %s (%s, since %s, id %s): its lease ended at %s.",
                    found.who,
                    found.operation,
                    format_instant(found.created),
                    found.id,
                    format_instant(found.expires_at),
                )
            return VaultLease(self, mine, in_background=self._in_background)
        raise AssertionError("the last attempt returns or raises")

    def _read(self) -> tuple[Lock | None, int]:
        """Who holds it, ended leases included, and the version to base a write on."""
        entry, version = self._kv.look(self._path)
        return self._lock_in(entry) if entry else None, version

    def _lock_in(self, entry: Entry) -> Lock | None:
        if entry.data.get("released") is True:
            return None
        data = {k: v for k, v in entry.data.items() if k != "released"}
        return parse(Lock, Entry(data, entry.version), self._shown)

    def _lost(self, now: Lock | None, mine: Lock) -> LockLost:
        """Why ``mine`` is not ours any more, as far as the entry tells."""
        if now is not None:
            return LockLost(f"It is now held by {_describe(now)}.")
        left = self._kv.read(self._path)
        if left is not None and left.data.get("broken") is True and left.data.get("id") == mine.id:
            return LockLost(f"It was broken by {left.data.get('by')} at {left.data.get('at')}.")
        return LockLost("It was given back or broken meanwhile.")

    def _new(self, operation: str) -> Lock:
        return Lock(
            id=str(uuid.uuid4()),
            operation=operation,
            who=self._who,
            host=self._host,
            version=self._version,
            created=self._clock(),
            path=self._shown,
            run_link=self._run_link,
            expires_at=self._lease_end(),
        )

    def _lease_end(self) -> datetime:
        return self._clock() + timedelta(seconds=self.lease_s)

    def _released(self, lock: Lock) -> dict[str, Any]:
        return {"released": True, "id": lock.id, "by": self._who, "at": format_instant(self._clock())}


def _data(lock: Lock) -> dict[str, Any]:
    return {"released": False, **lock.model_dump(mode="json")}


def _describe(lock: Lock) -> str:
    run = f", run {lock.run_link}" if lock.run_link else ""
    return (
        f"{lock.who} ({lock.operation}, since {format_instant(lock.created)}{run}), "
        f"lock {lock.id}, lease until {format_instant(lock.expires_at)}"
    )


def _held(lock: Lock) -> LockHeld:
    return LockHeld(
        f"The lock is held by {_describe(lock)}.",
        next_step=(
            "Wait for the other run, or give it time: --lock-timeout 60s\n"
            "If that run is dead, its lease ends by itself, and the next run takes over. Sooner only if you "
            f"are sure of it:\n    krakenstate force-unlock {lock.id}"
        ),
    )
