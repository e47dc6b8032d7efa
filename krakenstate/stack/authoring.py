"""``Stack``: the one object a stack file defines."""

from __future__ import annotations

import sys
from typing import TypeVar

from pydantic import ValidationError

from krakenstate.errors import DeclarationInvalid, KrakenstateError, Source
from krakenstate.model.declarations import Environment, Vault
from krakenstate.model.entry import Declaration, Entry, Part, check_name, collecting, locate
from krakenstate.model.limits import Limits, Thresholds
from krakenstate.model.promotion import Promotion

_PARTS = {"environment": Environment, "vault": Vault, "limits": Limits, "thresholds": Thresholds}
_LIMITS, _THRESHOLDS = Limits(), Thresholds()
E = TypeVar("E", bound=Entry)


class Stack:
    """A desk's accounts, keys and grants in one environment.

    Args:
        name: The name of its file, and what commands call it.
        environment: Which Kraken it speaks of.
        vault: Where its secrets and state live.
        promotes_from: The stack in which its Spot keys are verified first; by its name, or with how long
            that counts and where its records lie.
        limits: How old its keys may grow.
        thresholds: How much of it one plan may change.
    """

    made: list[Stack] = []  # noqa: RUF012 - every stack of this interpreter, for the process that renders
    """Every stack made in this interpreter, in order."""

    def __init__(
        self,
        *,
        name: str,
        environment: Environment,
        vault: Vault,
        promotes_from: Promotion | str | None = None,
        limits: Limits = _LIMITS,
        thresholds: Thresholds = _THRESHOLDS,
    ) -> None:
        self.source: Source | None = locate(sys._getframe(1))
        self.name = name
        self.environment = environment
        self.vault = vault
        self.promotes_from = self._promotion(promotes_from)
        self.limits = limits
        self.thresholds = thresholds
        self.entries: list[Entry] = []
        self._check()
        Stack.made.append(self)

    def add(self, entry: E) -> E:
        """Takes a declaration into the stack and returns it, so that others can refer to it."""
        if _is_taken(entry):
            self.entries.append(entry)
        else:
            self._report(
                DeclarationInvalid(
                    f"stack.add() takes a declaration, not {_kind_of(entry)}.",
                    source=locate(sys._getframe(1)),
                )
            )
        return entry

    @property
    def declarations(self) -> list[Declaration]:
        """The resources added so far, in order."""
        return [entry for entry in self.entries if isinstance(entry, Declaration)]

    def _check(self) -> None:
        try:
            check_name(self.name)
        except (ValueError, TypeError) as wrong:
            self._report(DeclarationInvalid(f"Stack: field name: {wrong}.", source=self.source))
        for field, cls in _PARTS.items():
            if not isinstance(getattr(self, field), cls):
                self._report(
                    DeclarationInvalid(
                        f"Stack: field {field} takes {_with_article(cls.__name__)}.", source=self.source
                    )
                )

    def _promotion(self, given: object) -> Promotion | None:
        """The long form of what was given; ``None`` also for what is wrong, which is reported."""
        if given is None:
            return None
        wrong = "takes the name of a stack, or a Promotion"
        try:
            found = Promotion(stack=given) if isinstance(given, str) else given
        except ValidationError:
            found, wrong = None, f"takes the name of a stack, which {str(given)[:63]!r} cannot be"
        if isinstance(found, Promotion) and found.stack == self.name:
            wrong = "names this stack itself"
        elif isinstance(found, Promotion):
            return found
        self._report(DeclarationInvalid(f"Stack: field promotes_from {wrong}.", source=self.source))
        return None

    @staticmethod
    def _report(problem: KrakenstateError) -> None:
        collector = collecting.get()
        if collector is None:
            raise problem
        collector.problems.append(problem)


def _kind_of(entry: object) -> str:
    if isinstance(entry, type):
        return f"the class {entry.__name__} itself"
    return _with_article(type(entry).__name__)


def _with_article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _is_taken(entry: object) -> bool:
    return isinstance(entry, Entry) and not isinstance(entry, Part)
