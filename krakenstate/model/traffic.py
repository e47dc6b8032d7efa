"""What a run asked of the outside, counted while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass


@dataclass
class Exchange:
    """One request and its answer; ``sent`` and ``received`` are the bytes of their bodies."""

    sent: int = 0
    received: int = 0


@dataclass
class Tally:
    """All calls of one endpoint; ``seconds`` is the sum of what each took, also where several ran at once."""

    calls: int = 0
    sent: int = 0
    received: int = 0
    seconds: float = 0.0


Meter = Callable[[str, str], AbstractContextManager[Exchange]]
"""Counts one call, told its method and path; what it gives takes note of the bytes."""


def uncounted(_method: str, _path: str) -> AbstractContextManager[Exchange]:
    """Counts nothing."""
    return nullcontext(Exchange())


class Traffic:
    """Calls by system and endpoint, and for how long the run waited for what. Safe to share between threads.

    Args:
        monotonic: Seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._under_way: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._waited_s: dict[str, float] = {}

    @property
    def tallies(self) -> Mapping[tuple[str, str], Tally]:
        """By system and endpoint, in order of both."""
        with self._mutex:
            return dict(sorted(self._tallies.items()))

    @property
    def waited_s(self) -> Mapping[str, float]:
        """For how many seconds at least one thread was waiting for each of these."""
        with self._mutex:
            return dict(sorted(self._waited_s.items()))

    @contextmanager
    def call(self, system: str, endpoint: str) -> Iterator[Exchange]:
        """One call, from sending to answer or failure."""
        exchange, began = Exchange(), self._monotonic()
        with self.waiting(system):
            try:
                yield exchange
            finally:
                with self._mutex:
                    tally = self._tallies.setdefault((system, endpoint), Tally())
                    tally.calls += 1
                    tally.sent += exchange.sent
                    tally.received += exchange.received
                    tally.seconds += self._monotonic() - began

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A wait; several at the same time count once."""
        with self._mutex:
            if not self._under_way.setdefault(what, 0):
                self._since[what] = self._monotonic()
            self._under_way[what] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._under_way[what] -= 1
                if not self._under_way[what]:
                    span_s = self._monotonic() - self._since[what]
                    self._waited_s[what] = self._waited_s.get(what, 0.0) + span_s
