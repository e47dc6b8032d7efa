"""``--json`` of a run that writes: each thing that happens as one JSON object a line on standard output."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from krakenstate import __version__
from krakenstate.cli.output import Output
from krakenstate.cli.progress import Progress
from krakenstate.model.address import Address
from krakenstate.model.plan import Action, Plan
from krakenstate.model.run import Breaker, Outcome
from krakenstate.model.task import Task
from krakenstate.views import events


class EventStream(Progress):
    """``engine.audience.Audience`` for programs; people read the same on standard error."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._actions: dict[Address, Action] = {}

    def say(self, line: str) -> None:
        """A diagnostic of no consequence."""
        super().say(line)
        self._output.event(events.said(line, _now()))

    def begin(self, address: Address, action: Action) -> None:
        """``apply_start``, and every ten seconds ``apply_progress``."""
        self._actions[address] = action
        self._output.event(events.started(address, action, _now()))
        super().begin(address, action)

    def end(self, outcome: Outcome) -> None:
        """``apply_complete`` or ``apply_errored``."""
        began, _ = self._running[outcome.address]
        action = self._actions.pop(outcome.address)
        super().end(outcome)
        self._output.event(events.ended(outcome, action, time.monotonic() - began, _now()))

    def opened(self, task: Task) -> None:
        """``task_opened``"""
        super().opened(task)
        self._output.event(events.task_opened(task, _now()))

    def verified(self, task: Task) -> None:
        """``task_verified``"""
        self._output.event(events.task_verified(task, _now()))

    def breaker_opened(self, breaker: Breaker) -> None:
        """``breaker_open``"""
        self._output.event(events.breaker_open(breaker, _now()))

    def _still(self, address: Address, action: Action, elapsed_s: float) -> None:
        super()._still(address, action, elapsed_s)
        self._output.event(events.going_on(address, action, elapsed_s, _now()))


def begin_events(output: Output) -> None:
    """The first line, where events are wanted."""
    if output.events:
        output.event(events.version(__version__, _now()))


def tell_plan(output: Output, plan: Plan) -> None:
    """What a plan proposes and has ready, and its numbers."""
    for event in events.planned(plan, _now()):
        output.event(event)


def tell_end(
    output: Output,
    operation: Literal["apply", "settle"],
    outcomes: Sequence[Outcome],
    tasks: Iterable[Task],
    plan: Plan,
) -> None:
    """The last line: what was done, and what is left to people."""
    output.event(events.finished(operation, outcomes, tasks, _now(), digest=plan.digest))


def _now() -> datetime:
    return datetime.now(UTC)
