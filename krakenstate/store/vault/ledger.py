"""What observing owes: breakers and nonces, shared by all runners through check-and-set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from krakenstate.errors import InternalError, StateDamaged, VaultConflict
from krakenstate.model.base import format_instant
from krakenstate.model.run import Breaker, BreakerScope, Probe
from krakenstate.model.terms import KeyDescription
from krakenstate.store.base import Entry, KeyValue
from krakenstate.store.vault.records import parse, update


class VaultLedger:
    """``store.base.Ledger`` over a key-value store.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages.
        path: The stack's ``state`` prefix; uses ``breakers`` and ``probes`` below it.
        clock: The time, in UTC.
    """

    def __init__(self, kv: KeyValue, mount: str, path: str, *, clock: Callable[[], datetime]) -> None:
        self._kv = kv
        self._mount = mount
        self._path = path
        self._clock = clock

    def breakers(self) -> list[Breaker]:
        """All that were ever opened and not replaced, open or not."""
        folder = f"{self._path}/breakers"
        entries = ((f"{folder}/{name}", self._kv.read(f"{folder}/{name}")) for name in self._kv.list(folder))
        found = [self._parse(path, entry) for path, entry in entries if entry is not None]
        return sorted(found, key=lambda b: (b.scope, b.subject))

    def open_breaker(self, breaker: Breaker) -> None:
        """Keeps a breaker, replacing an older one of its scope and subject; one open for longer stays."""
        path = self._breaker_path(breaker.scope, breaker.subject)

        def change(entry: Entry | None) -> dict[str, Any] | None:
            if entry is not None and self._parse(path, entry).until > breaker.until:
                return None
            return breaker.model_dump(mode="json")

        update(self._kv, path, change)

    def close_breaker(self, breaker: Breaker) -> None:
        """Removes one whose cause is gone; one that another runner opened since then stays."""
        path = self._breaker_path(breaker.scope, breaker.subject)
        entry = self._kv.read(path)
        if entry is None or self._parse(path, entry).until <= breaker.until:
            self._kv.delete(path)

    def next_nonce(self, fingerprint: str, at_least: int) -> int:
        """Reserves the next nonce for a key, before it is used: above every one reserved before."""
        path = self._probe_path(fingerprint)
        reserved: list[int] = []

        def change(entry: Entry | None) -> dict[str, Any]:
            nonce = max(self._last(path, entry) + 1, at_least)
            reserved.append(nonce)
            # As text: nonces have up to 64 bits, more than JSON's readers agree on.
            return {"nonce": str(nonce), "reserved_at": format_instant(self._clock())}

        update(self._kv, path, change)
        if not reserved:
            raise InternalError("No nonce was reserved.")
        return reserved[-1]

    def probe(self, fingerprint: str) -> Probe | None:
        """The last nonce used with a key, and what came of it."""
        path = self._probe_path(fingerprint)
        entry = self._kv.read(path)
        return parse(Probe, entry, f"{self._mount}/{path}") if entry else None

    def claim_nonce(
        self, fingerprint: str, nonce: int, at: datetime, *, none_since: datetime | None = None
    ) -> bool:
        """Reserves exactly this nonce, in one attempt; whoever loses it to another run does not ask."""
        path = self._probe_path(fingerprint)
        entry, version = self._kv.look(path)
        last = parse(Probe, entry, f"{self._mount}/{path}") if entry else None
        if last and (int(last.nonce) >= nonce or (none_since and last.reserved_at > none_since)):
            return False
        claimed = Probe(
            nonce=str(nonce),
            reserved_at=at,
            description=last.description if last else None,
            described_at=last.described_at if last else None,
        )
        try:
            self._kv.write(path, claimed.model_dump(mode="json"), version)
        except VaultConflict:
            return False
        return True

    def note_probe(
        self,
        fingerprint: str,
        nonce: int,
        at: datetime,
        *,
        description: KeyDescription | None = None,
        refusal: str = "",
    ) -> None:
        """Keeps what a claimed question came to, unless a later one was claimed since."""
        path = self._probe_path(fingerprint)

        def change(entry: Entry | None) -> dict[str, Any] | None:
            if entry is None or self._last(path, entry) > nonce:
                return None
            last = parse(Probe, entry, f"{self._mount}/{path}")
            news: dict[str, object] = {"nonce": str(nonce), "refusal": refusal}
            if description is not None:
                news |= {"description": description, "described_at": at}
            return last.model_copy(update=news).model_dump(mode="json")

        update(self._kv, path, change)

    def _probe_path(self, fingerprint: str) -> str:
        return f"{self._path}/probes/{fingerprint}"

    def _last(self, path: str, entry: Entry | None) -> int:
        if entry is None:
            return 0
        found = entry.data.get("nonce")
        if not isinstance(found, str) or not found.isascii() or not found.isdigit():
            raise StateDamaged(f"{self._mount}/{path} holds no nonce, so the next one is not known.")
        return int(found)

    def _breaker_path(self, scope: BreakerScope, subject: str) -> str:
        return f"{self._path}/breakers/{scope}-{hashlib.sha256(subject.encode()).hexdigest()[:16]}"

    def _parse(self, path: str, entry: Entry) -> Breaker:
        return parse(Breaker, entry, f"{self._mount}/{path}")
