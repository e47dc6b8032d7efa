"""Who is told what a run does while it does it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from krakenstate.model.address import Address
from krakenstate.model.plan import Action
from krakenstate.model.run import Breaker, Outcome
from krakenstate.model.state import State
from krakenstate.model.task import Task, TaskStatus


class Audience(Protocol):
    """Told of each step as it happens. Decides nothing."""

    def say(self, line: str) -> None:
        """Something worth a line."""

    def work(self, count: int, least_s: float) -> AbstractContextManager[Callable[[], None]]:
        """So many keys are looked at in the block; what it gives is called when one more is done.

        ``least_s`` is how many seconds the remote call budgets alone make that take.
        """

    def begin(self, address: Address, action: Action) -> None:
        """A step has begun."""

    def end(self, outcome: Outcome) -> None:
        """The step of this address has ended. Several may be under way."""

    def opened(self, task: Task) -> None:
        """A task was opened for a person."""

    def verified(self, task: Task) -> None:
        """Evidence has closed a task."""

    def breaker_opened(self, breaker: Breaker) -> None:
        """After a failed authentication nothing more is asked for a while. Told from any lane's thread."""


class Nobody:
    """An audience that is not there."""

    def say(self, line: str) -> None:
        """Nothing."""

    def work(self, count: int, least_s: float) -> AbstractContextManager[Callable[[], None]]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(lambda: None)

    def begin(self, address: Address, action: Action) -> None:
        """Nothing."""

    def end(self, outcome: Outcome) -> None:
        """Nothing."""

    def opened(self, task: Task) -> None:
        """Nothing."""

    def verified(self, task: Task) -> None:
        """Nothing."""

    def breaker_opened(self, breaker: Breaker) -> None:
        """Nothing."""


class Witness:
    """Tells an audience of each task that was open and that evidence has closed since, once.

    Args:
        audience: Who is told.
        state: Whose tasks are looked at; it changes while a run works.
    """

    def __init__(self, audience: Audience, state: State) -> None:
        self._audience = audience
        self._state = state
        self._awaited = {task.id for task in state.open_tasks()}

    def look(self) -> None:
        """Tells of what was closed since the last look."""
        for task in self._state.tasks if self._awaited else ():
            if task.id in self._awaited and not task.is_open:
                self._awaited.discard(task.id)
                if task.status is TaskStatus.VERIFIED:
                    self._audience.verified(task)
