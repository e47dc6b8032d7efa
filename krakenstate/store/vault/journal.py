"""The journal: what a run was about to do, and what became of it.

How this works: each run has a folder named so that folders sort by time. Its head is the entry ``run``; each
remote write has a numbered entry, or shares the entry of the first of several that are made side by side. The
entry's first version is the intent, written before the call; its second is the outcome. After a crash an
entry with one version is a call whose outcome is not known. A marker
in ``open/`` stands from before a run's first intent until after its end, so that the next run looks only at
runs that did not end.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import JsonValue

from krakenstate.errors import InternalError, JournalUnreadable, KrakenstateError
from krakenstate.model.address import Address
from krakenstate.model.base import Model
from krakenstate.model.run import Batch, Call, CallKind, Intent, Result, Run
from krakenstate.store.base import Entry, KeyValue
from krakenstate.store.vault.records import parse

log = logging.getLogger("krakenstate.journal")
KEEP_RUNS = 50
_OPEN = "open"
M = TypeVar("M", bound=Model)


class VaultJournal:
    """``store.base.Journal`` over a key-value store.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages.
        path: The stack's ``state`` prefix; runs are folders in ``journal`` below it.
        clock: The time, in UTC.
        who: Who runs, as ``user@host``.
        version: Of this krakenstate.
        scrub: Takes secrets out of a text; every text goes through it before it is written.
    """

    def __init__(
        self,
        kv: KeyValue,
        mount: str,
        path: str,
        *,
        clock: Callable[[], datetime],
        who: str,
        version: str,
        scrub: Callable[[str], str],
    ) -> None:
        self._kv = kv
        self._mount = mount
        self._path = f"{path}/journal"
        self._clock = clock
        self._who = who
        self._version = version
        self._scrub = scrub
        self._run: Run | None = None
        self._last_number = 0
        self._mutex = threading.Lock()

    def begin(self, operation: str) -> Run:
        """Opens this run's journal."""
        now = self._clock()
        run = Run(
            id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            operation=self._scrub(operation),
            who=self._who,
            version=self._version,
            started_at=now,
        )
        self._kv.write(self._head(run.id), run.model_dump(mode="json"), cas=0)
        self._kv.write(self._marker(run.id), {"operation": run.operation}, cas=0)
        self._run, self._last_number = run, 0
        return run

    def intend(self, kind: CallKind, address: str, details: Mapping[str, JsonValue]) -> Intent:
        """Writes down a call before it is made. Secrets are taken out of ``details`` all the same."""
        intent = self._intent(kind, address, details)
        self._kv.write(self._entry(intent), intent.model_dump(mode="json"), cas=0)
        return intent

    def conclude(self, intent: Intent, result: Result, detail: str = "") -> None:
        """Writes down what became of a call; an intent is concluded once."""
        self.conclude_all([intent], [(result, detail)])

    def intend_all(self, calls: Sequence[Call]) -> list[Intent]:
        """Writes down calls that are made side by side, in one entry; a single one as ``intend`` does."""
        if len(calls) == 1:
            return [self.intend(calls[0].kind, calls[0].address, calls[0].details)]
        intents = [self._intent(call.kind, call.address, call.details) for call in calls]
        batch = Batch(intents=tuple(intents))
        self._kv.write(self._entry(intents[0]), batch.model_dump(mode="json"), cas=0)
        return intents

    def conclude_all(self, intents: Sequence[Intent], results: Sequence[tuple[Result, str] | None]) -> None:
        """Writes down what became of them, once; without a result an intent stays open."""
        if not any(results):
            return
        concluded = [
            self._concluded(intent, result) if result else intent
            for intent, result in zip(intents, results, strict=True)
        ]
        entry = concluded[0] if len(concluded) == 1 else Batch(intents=tuple(concluded))
        self._kv.write(self._entry(intents[0]), entry.model_dump(mode="json"), cas=1)

    def end(self, conclusion: str) -> None:
        """Closes this run's journal, and lets go of ended runs beyond the last fifty."""
        self._close(self._current(), conclusion)
        self._run = None
        try:
            self._prune()
        except KrakenstateError as error:
            log.debug("Old journals were not removed: %s", error.message)

    def unfinished(self) -> list[tuple[Run, list[Intent]]]:
        """Earlier runs that never ended, with all their intents, oldest first.

        Raises:
            JournalUnreadable: An entry is missing or not what krakenstate wrote.
        """
        mine = self._run.id if self._run else None
        marked = sorted(id_ for id_ in self._kv.list(f"{self._path}/{_OPEN}") if id_ != mine)
        found = [(self._read(Run, self._head(id_)), id_) for id_ in marked]
        return [(run, self._intents(id_)) for run, id_ in found if run.ended_at is None]

    def recovered(self, run: Run, conclusion: str) -> None:
        """Closes an earlier run's journal with what was concluded about it."""
        self._close(run, conclusion)

    def _intent(self, kind: CallKind, address: str, details: Mapping[str, JsonValue]) -> Intent:
        run = self._current()
        with self._mutex:
            self._last_number += 1
            number = self._last_number
        return Intent(
            run=run.id,
            number=number,
            kind=kind,
            address=Address(address),
            details={self._scrub(name): self._clean(value) for name, value in details.items()},
            at=self._clock(),
        )

    def _concluded(self, intent: Intent, result: tuple[Result, str]) -> Intent:
        now, (became, detail) = self._clock(), result
        return intent.model_copy(
            update={"result": became, "result_at": now, "result_detail": self._scrub(detail)}
        )

    def _current(self) -> Run:
        if self._run is None:
            raise InternalError("The journal of this run is not open.")
        return self._run

    def _close(self, run: Run, conclusion: str) -> None:
        ended = run.model_copy(update={"ended_at": self._clock(), "conclusion": self._scrub(conclusion)})
        self._kv.write(self._head(run.id), ended.model_dump(mode="json"), cas=1)
        self._kv.delete(self._marker(run.id))

    def _ids(self) -> list[str]:
        names = (name.rstrip("/") for name in self._kv.list(self._path) if name.endswith("/"))
        return sorted(name for name in names if name != _OPEN)

    def _intents(self, run_id: str) -> list[Intent]:
        names = (name for name in self._kv.list(f"{self._path}/{run_id}") if name != "run")
        found = [intent for name in names for intent in self._read_entry(f"{self._path}/{run_id}/{name}")]
        return sorted(found, key=lambda intent: intent.number)

    def _read_entry(self, path: str) -> Sequence[Intent]:
        entry = self._at(path)
        if "intents" in entry.data:
            return parse(Batch, entry, f"{self._mount}/{path}", JournalUnreadable).intents
        return [parse(Intent, entry, f"{self._mount}/{path}", JournalUnreadable)]

    def _read(self, cls: type[M], path: str) -> M:
        return parse(cls, self._at(path), f"{self._mount}/{path}", JournalUnreadable)

    def _at(self, path: str) -> Entry:
        entry = self._kv.read(path)
        if entry is None:
            raise JournalUnreadable(f"{self._mount}/{path} is missing.")
        return entry

    def _prune(self) -> None:
        ids = self._ids()
        for run_id in ids[: max(0, len(ids) - KEEP_RUNS)]:
            if self._read(Run, self._head(run_id)).ended_at is None:
                continue
            # The head goes last, so that a journal cut off here is still an ended one.
            for name in sorted(self._kv.list(f"{self._path}/{run_id}")):
                if name != "run":
                    self._kv.delete(f"{self._path}/{run_id}/{name}")
            self._kv.delete(self._marker(run_id))  # it may have stopped between its end and its marker
            self._kv.delete(self._head(run_id))

    def _marker(self, run_id: str) -> str:
        return f"{self._path}/{_OPEN}/{run_id}"

    def _head(self, run_id: str) -> str:
        return f"{self._path}/{run_id}/run"

    def _entry(self, intent: Intent) -> str:
        return f"{self._path}/{intent.run}/{intent.number:04d}"

    def _clean(self, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self._scrub(value)
            case list():
                return [self._clean(item) for item in value]
            case dict():
                return {self._scrub(name): self._clean(item) for name, item in value.items()}
            case _:
                return value
