"""Progress on standard error: a line when a call begins, while it lasts, and when it has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from krakenstate.cli.output import Output
from krakenstate.model.address import Address
from krakenstate.model.plan import Action
from krakenstate.model.run import Breaker, Effect, Outcome
from krakenstate.model.task import Task
from krakenstate.views import apply_text
from krakenstate.views.style import plain

STILL_EVERY_S = 10.0
BAR_EVERY_S = 0.5
TELL_FROM_S = 5.0
"""What takes less is not announced."""
_TOLD_AT_ONCE = {Action.MANUAL, Action.FORGET, Action.CLOSE, Action.ADVANCE}
"""Steps that make no call to Kraken, so that one line says it all."""


class Progress:
    """``engine.audience.Audience`` on a terminal or in a pipeline's log."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._running: dict[Address, tuple[float, threading.Event]] = {}

    def say(self, line: str) -> None:
        """A line, without control characters."""
        self._output.progress(plain(line))

    @contextmanager
    def work(self, count: int, least_s: float) -> Iterator[Callable[[], None]]:
        """A bar on a terminal; in a log a line before what takes long, and one every ten seconds."""
        began, over = time.monotonic(), threading.Event()
        done: list[None] = []  # threads append to it
        if least_s >= TELL_FROM_S:
            self._output.progress(apply_text.work_ahead(count, least_s))

        def tell() -> None:
            while not over.wait(BAR_EVERY_S if self._output.has_bar else STILL_EVERY_S):
                left_s = max(0.0, least_s - (time.monotonic() - began))
                if self._output.has_bar:
                    self._output.bar(apply_text.work_bar(len(done), count, left_s))
                else:
                    self._output.progress(apply_text.work_going_on(len(done), count, left_s))

        teller = threading.Thread(target=tell, daemon=True)
        if count > 1:
            teller.start()
        try:
            yield lambda: done.append(None)
        finally:
            over.set()
            if count > 1:
                teller.join()
            if self._output.has_bar:
                self._output.bar("")

    def begin(self, address: Address, action: Action) -> None:
        """``addr: Creating...``, and every ten seconds that it still is."""
        ended = threading.Event()
        self._running[address] = (time.monotonic(), ended)
        if action in _TOLD_AT_ONCE:
            return
        self._output.progress(apply_text.started(address, action))
        threading.Thread(target=self._repeat, args=(address, action, ended), daemon=True).start()

    def end(self, outcome: Outcome) -> None:
        """``addr: Creation complete after 3s``; a task that was opened has been told already."""
        began, ended = self._running.pop(outcome.address)
        ended.set()
        if outcome.effect is Effect.OPENED:
            return
        elapsed_s = time.monotonic() - began
        self._output.progress(apply_text.finished(outcome, elapsed_s=elapsed_s))

    def opened(self, task: Task) -> None:
        """``addr: task 3f9c2a01 opened for risk: create-key``"""
        self._output.progress(apply_text.task_opened(task.address, task.id, task.assignee, task.kind))

    def verified(self, task: Task) -> None:
        """Nothing: the step that saw it says so."""

    def breaker_opened(self, breaker: Breaker) -> None:
        """Nothing: the step that met it says so."""

    def _repeat(self, address: Address, action: Action, ended: threading.Event) -> None:
        began = time.monotonic()
        while not ended.wait(STILL_EVERY_S):
            self._still(address, action, time.monotonic() - began)

    def _still(self, address: Address, action: Action, elapsed_s: float) -> None:
        self._output.progress(apply_text.still_running(address, action, elapsed_s))
