"""A journal that is opened by the first remote write."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from krakenstate.model.run import CallKind, Intent, Result, Run
from krakenstate.store.base import Journal


class LazyJournal:
    """``store.base.Journal`` that leaves no trace of a run without a remote write.

    ``open_intent`` is the write under way, if one is.
    """

    def __init__(self, inner: Journal, operation: str) -> None:
        self._inner = inner
        self._operation = operation
        self._is_open = False
        self._is_abandoned = False
        self.open_intent: Intent | None = None

    def begin(self, operation: str) -> Run:
        self._is_open = True
        return self._inner.begin(operation)

    def intend(self, kind: CallKind, address: str, details: Mapping[str, JsonValue]) -> Intent:
        if not self._is_open:
            self.begin(self._operation)
        self.open_intent = self._inner.intend(kind, address, details)
        return self.open_intent

    def conclude(self, intent: Intent, result: Result, detail: str = "") -> None:
        self._inner.conclude(intent, result, detail)
        self.open_intent = None

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
