"""What the engine asks of its own records, and what those ask of a key-value store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.index import Index
from krakenstate.model.report import Evidence, Report
from krakenstate.model.run import Breaker, Call, CallKind, Intent, Lock, Probe, Result, Run
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import State
from krakenstate.model.terms import KeyDescription


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a key-value entry; ``written_at`` as in ``Metadata``.

    ``custom`` is the entry's custom metadata; ``None`` where the server does not tell it beside the data.
    """

    data: dict[str, Any]
    version: int
    written_at: str = field(default="", compare=False)
    custom: dict[str, str] | None = field(default=None, compare=False)

    @property
    def head(self) -> Metadata | None:
        """The head of an entry of which this is the newest version, as far as it was told beside the data."""
        if self.custom is None:
            return None
        return Metadata(self.version, self.custom, written_at=self.written_at)


@dataclass(frozen=True, slots=True)
class Metadata:
    """An entry's head: its newest version and custom metadata.

    ``version`` is what the next check-and-set write must name, also when that version's data is ``gone``
    (deleted or destroyed); 0 when none was ever written. ``keeps`` is how many versions the entry itself
    asks to keep; what the mount keeps counts where that is more, and for an entry that asks for nothing (0).
    ``written_at`` is when the server wrote that version, in the server's words: an entry that was removed and
    made anew counts its versions from 1 again.
    """

    version: int
    custom: dict[str, str]
    gone: bool = False
    keeps: int = 0
    written_at: str = field(default="", compare=False)


class KeyValue(Protocol):
    """A versioned key-value store with check-and-set (Vault's KV version 2).

    Paths are relative to the mount. ``None`` is returned only where the server said that there is nothing;
    every other failure raises a leaf of ``VaultError``.
    """

    def read(self, path: str, version: int | None = None) -> Entry | None:
        """The newest or a given version; ``None`` if the server says there is none."""

    def look(self, path: str) -> tuple[Entry | None, int]:
        """What is there, and the version that the next check-and-set write must name; from one answer."""

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        """Writes if the newest version is ``cas`` (0: none yet); returns the new version.

        Raises:
            VaultConflict: It is another one.
        """

    def delete(self, path: str) -> None:
        """Removes all versions and metadata; removing nothing is fine."""

    def list(self, path: str) -> list[str]:
        """Names below a path, folders with a slash at their end; empty if the server says there are none."""

    def metadata(self, path: str) -> Metadata | None:
        """An entry's head; ``None`` if the server says there is none."""

    def heads(self, folder: str) -> dict[str, Metadata] | None:
        """The heads of everything below a folder, by their names there, where one answer can tell them all.

        ``None`` if the server has no such answer, or not for this token: then list, and ask one by one.
        """

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        """Merges into an entry's custom metadata, creating the entry's head if need be.

        Args:
            path: Below the mount.
            custom: What is added or replaced.
            before: What the caller has just read there; without it, it is read now.
        """

    def keep_versions(self, path: str, count: int) -> None:
        """Makes an entry keep at least so many versions, creating its head if need be."""


class StateStore(Protocol):
    """Where the state is kept."""

    @property
    def location(self) -> str:
        """Mount and path, for messages."""

    def create(self, index: Index) -> State:
        """Starts a lineage.

        Raises:
            LineageExists: There is one.
        """

    def replace(self, state: State, now: datetime) -> None:
        """Writes a state made anew over whatever lies at the path, documents before the index.

        Raises:
            StateConflict: Somebody else wrote meanwhile.
        """

    def load(self, *, without_packs: bool = False) -> State:
        """Reads index and pinned documents, checking each.

        Args:
            without_packs: Read each document itself, also where a copy of it would do.

        Raises:
            LineageMissing: There is none; never taken for an empty state.
            StateDamaged: A document is not what the index pinned.
        """

    def save(self, state: State, now: datetime) -> None:
        """Writes changed documents, then the index with the next serial; nothing if nothing changed.

        Raises:
            StateConflict: Somebody else wrote meanwhile.
        """

    def pack(self, state: State) -> None:
        """Copies a large state's documents to few places, so that the next run reads it in few calls.

        It is called when all is saved. Where it fails, the next run takes longer, and no error is raised.
        """

    def own_limits(self, state: State) -> dict[str, int]:
        """How many versions index and documents keep by their own word, by path; 0: as many as the mount."""


class Lease(Protocol):
    """A lock that is held."""

    @property
    def lock(self) -> Lock:
        """Its record."""

    def check(self) -> None:
        """Renews the lease if it is due, and makes sure it is still ours.

        Raises:
            LockLost: It is not; stop before the next write.
        """

    def release(self) -> None:
        """Gives it back; giving back what was lost is fine."""


class LockKeeper(Protocol):
    """One writer at a time."""

    def acquire(self, operation: str, *, wait_s: float, stop: Callable[[], None] = ...) -> Lease:
        """Takes the lock, waiting up to ``wait_s`` seconds; takes over one whose lease has ended.

        ``stop`` is asked while waiting; it raises when somebody asked the run to stop.

        Raises:
            LockHeld: Somebody else holds it.
        """

    def current(self) -> Lock | None:
        """Who holds it now."""

    def last(self) -> Lock | None:
        """The lock that was taken and not given back, also one whose lease has ended."""

    def force_unlock(self, lock_id: str) -> Lock:
        """Breaks somebody else's lock and returns it; an owner that is alive stops before its next write.

        Raises:
            LockMismatch: Another one is held.
            LockNotHeld: None is.
        """


class Journal(Protocol):
    """The running account of one run: intent before each remote write, outcome after it."""

    def begin(self, operation: str) -> Run:
        """Opens this run's journal."""

    def intend(self, kind: CallKind, address: str, details: Mapping[str, JsonValue]) -> Intent:
        """Written before the call. ``details`` hold what recovery needs, and never a secret."""

    def conclude(self, intent: Intent, result: Result, detail: str = "") -> None:
        """Written after the call."""

    def intend_all(self, calls: Sequence[Call]) -> list[Intent]:
        """Written before calls that are made side by side, all at once."""

    def conclude_all(self, intents: Sequence[Intent], results: Sequence[tuple[Result, str] | None]) -> None:
        """Written after them, all at once: the result and detail of each, ``None`` for one cut off."""

    def end(self, conclusion: str) -> None:
        """Closes this run's journal."""

    def unfinished(self) -> list[tuple[Run, list[Intent]]]:
        """Earlier runs that never ended, with all their intents, oldest first."""

    def recovered(self, run: Run, conclusion: str) -> None:
        """Closes an earlier run's journal with what was concluded about it."""


class SnapshotStore(Protocol):
    """The last observation, for plans that hold no credentials of Kraken."""

    def load_snapshot(self) -> Snapshot | None:
        """The last one, if any."""

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Replaces it."""


class Ledger(Protocol):
    """What observing owes: breakers and nonces, shared by all runners."""

    def breakers(self) -> list[Breaker]:
        """All that were ever opened and not replaced, open or not."""

    def open_breaker(self, breaker: Breaker) -> None:
        """Keeps a breaker, replacing an older one of its scope and subject."""

    def close_breaker(self, breaker: Breaker) -> None:
        """Removes one whose cause is gone: the credential it was about is replaced."""

    def next_nonce(self, fingerprint: str, at_least: int) -> int:
        """Reserves the next nonce for a key, before it is used: above every one reserved before.

        Args:
            fingerprint: Of the key.
            at_least: The clock in the key's unit, or 1 for a fresh key.
        """

    def probe(self, fingerprint: str) -> Probe | None:
        """The last nonce used with a key, and what came of it."""

    def claim_nonce(
        self, fingerprint: str, nonce: int, at: datetime, *, none_since: datetime | None = None
    ) -> bool:
        """Reserves exactly this nonce, in one attempt.

        Args:
            fingerprint: Of the key.
            nonce: The clock in the key's unit.
            at: The instant it was read from.
            none_since: Refuse if any nonce was reserved after this instant.

        Returns:
            Whether it is reserved: not if an earlier one is as high, and not if another run was faster.
        """

    def note_probe(
        self,
        fingerprint: str,
        nonce: int,
        at: datetime,
        *,
        description: KeyDescription | None = None,
        refusal: str = "",
    ) -> None:
        """Keeps what a claimed question came to: a description, or the code of a failure."""


class EvidenceStore(Protocol):
    """What hosts leave of the keys of their processes: somebody else's writing, never to be trusted."""

    def path_of(self, process: str, address: str) -> str:
        """Mount and path of a key's evidence, as a person types it."""

    def read(self, process: str, address: str) -> tuple[Evidence | None, int]:
        """What was left, and the version that the next write must name.

        Raises:
            ReportUnusable: Something else lies there.
        """

    def write(self, process: str, address: str, evidence: Evidence, version: int) -> int:
        """Replaces exactly that version; the new one comes back.

        Raises:
            VaultConflict: Somebody else wrote meanwhile.
        """

    def reports(self, slots: Iterable[tuple[str, str]]) -> dict[Address, Report]:
        """What was left for these (process, address); what cannot be used says why."""


class Upstream(NamedTuple):
    """What is read, and never written, of the stack from which keys are promoted."""

    state: StateStore
    snapshots: SnapshotStore


class Records(NamedTuple):
    """Everything a run keeps, introduced to the engine by the composition root."""

    state: StateStore
    locks: LockKeeper
    journal: Journal
    snapshots: SnapshotStore
    ledger: Ledger
    evidence: EvidenceStore
    upstream: Upstream | None = None
