"""Ctrl-C and SIGTERM while writing: the first lets the running call finish, the second stops at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from krakenstate.errors import Interrupted, Terminated

_WORDS = {
    signal.SIGINT: (Interrupted, "Stopped by Ctrl-C between two steps; what was done is recorded."),
    signal.SIGTERM: (Terminated, "Stopped by SIGTERM between two steps; what was done is recorded."),
}


@contextmanager
def stopping_between_steps() -> Iterator[Callable[[], None]]:
    """Gives the question to ask between steps; it raises once somebody asked the run to stop.

    Raises:
        Interrupted: From the question, after Ctrl-C; at once at a second Ctrl-C.
        Terminated: Likewise, after SIGTERM.
    """
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        kind, _ = _WORDS[signal.Signals(number)]
        if len(asked) > 2:
            return  # it is stopping already, and the lock has to be given back
        if len(asked) == 2:
            raise kind("Stopped at once, while nothing was being changed at Kraken or among the secrets.")
        print("Stopping after the running call. Again: stop at once.", file=sys.stderr, flush=True)

    def question() -> None:
        if asked:
            kind, words = _WORDS[signal.Signals(asked[0])]
            raise kind(words)

    before: dict[signal.Signals, Any] = {}
    for number in _WORDS:
        try:
            before[number] = signal.signal(number, note)
        except ValueError:  # not the main thread, so somebody else's program
            break
    try:
        yield question
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """While somebody is asked something there is no call to finish: the first signal ends the waiting."""

    def end(number: int, _frame: FrameType | None) -> None:
        kind, _ = _WORDS[signal.Signals(number)]
        raise kind("Stopped at the question; nothing was changed.")

    before = {number: signal.signal(number, end) for number in _WORDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
