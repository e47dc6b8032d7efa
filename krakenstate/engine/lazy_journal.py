"""A journal that is opened by the first remote write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.run import Call, CallKind, Intent, Result, Run
from krakenstate.store.base import Journal


class LazyJournal:
    """``store.base.Journal`` that leaves no trace of a run without a remote write.

    ``open_intents`` are the writes under way.
    """

    def __init__(self, inner: Journal, operation: str) -> None:
        self._inner = inner
        self._operation = operation
        self._is_open = False
        self._is_abandoned = False
        self.open_intents: list[Intent] = []

    def begin(self, operation: str) -> Run:
        self._is_open = True
        return self._inner.begin(operation)

    def intend(self, kind: CallKind, address: str, details: Mapping[str, JsonValue]) -> Intent:
        [intent] = self.intend_all([Call(kind=kind, address=Address(address), details=dict(details))])
        return intent

    def conclude(self, intent: Intent, result: Result, detail: str = "") -> None:
        self.conclude_all([intent], [(result, detail)])

    def intend_all(self, calls: Sequence[Call]) -> list[Intent]:
        if not self._is_open:
            self.begin(self._operation)
        self.open_intents = self._inner.intend_all(calls)
        return self.open_intents

    def conclude_all(self, intents: Sequence[Intent], results: Sequence[tuple[Result, str] | None]) -> None:
        self._inner.conclude_all(intents, results)
        self.open_intents = [i for i, result in zip(intents, results, strict=True) if result is None]

    def end(self, conclusion: str) -> None:
        if self._is_open and not self._is_abandoned:
            self._inner.end(conclusion)

    def abandon(self) -> None:
        """The run ends without order: its journal stays open for recovery."""
        self._is_abandoned = True

    def unfinished(self) -> list[tuple[Run, list[Intent]]]:
        return self._inner.unfinished()

    def recovered(self, run: Run, conclusion: str) -> None:
        self._inner.recovered(run, conclusion)
