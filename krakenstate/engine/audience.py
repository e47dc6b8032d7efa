"""Who is told what a run does while it does it."""

from __future__ import annotations

from typing import Protocol

from krakenstate.model.address import Address
from krakenstate.model.plan import Action
from krakenstate.model.run import Outcome
from krakenstate.model.task import Task


class Audience(Protocol):
    """Told of each step as it happens. Decides nothing."""

    def say(self, line: str) -> None:
        """Something worth a line."""

    def begin(self, address: Address, action: Action) -> None:
        """A step has begun."""

    def end(self, outcome: Outcome) -> None:
        """The step of this address has ended. Several may be under way."""

    def opened(self, task: Task) -> None:
        """A task was opened for a person."""


class Nobody:
    """An audience that is not there."""

    def say(self, line: str) -> None:
        """Nothing."""

    def begin(self, address: Address, action: Action) -> None:
        """Nothing."""

    def end(self, outcome: Outcome) -> None:
        """Nothing."""

    def opened(self, task: Task) -> None:
        """Nothing."""
