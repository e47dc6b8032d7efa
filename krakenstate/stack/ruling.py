"""What runs inside the child process of a policy file: its rules, each on data of its own.

A rule is a function that the file defines under a public name and that takes ``plan`` and ``desired``; it
returns or yields ``Violation``. Everything else is as for a stack file (``child.py``).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from krakenstate.errors import DeskRuleFailed, Source
from krakenstate.model.violation import Violation
from krakenstate.stack.child import Reporter
from krakenstate.stack.errand import Errand

TAKES = ("plan", "desired")
_SAYS_MAX = 200


class RulesReporter(Reporter):
    """Reports what the rules of one file found.

    Args:
        errand: What the parent asks for.
        data: A JSON object with what each rule is given.
    """

    def __init__(self, errand: Errand, data: bytes) -> None:
        super().__init__(errand)
        self._data = data
        self._rules: list[dict[str, Any]] = []
        self._violations: list[dict[str, Any]] = []

    def look(self, module: ModuleType) -> None:
        """Calls every rule of the file; each gets data that no other can have changed.

        Raises:
            DeskRuleFailed: A public function is no rule, or what it returned is no violation.
        """
        rules = [f for f in vars(module).values() if _is_of(f, module) and not f.__name__.startswith("_")]
        if not rules:
            raise DeskRuleFailed("It defines no rule.", source=Source(self.errand.display, 1))
        for rule in rules:
            line = rule.__code__.co_firstlineno
            if tuple(inspect.signature(rule).parameters) != TAKES:
                raise DeskRuleFailed(
                    f"{rule.__name__} does not take plan and desired. A rule takes these two; the name of a "
                    "helper begins with an underscore.",
                    source=Source(self.errand.display, line),
                )
            says = (inspect.getdoc(rule) or "").strip().partition("\n")[0]
            self._rules.append({"name": rule.__name__, "says": says[:_SAYS_MAX], "line": line})
            given = json.loads(self._data)
            self._take(rule, rule(given["plan"], given["desired"]), line)

    def _take(self, rule: FunctionType, found: object, line: int) -> None:
        for each in found if isinstance(found, Iterable) else () if found is None else (found,):
            if not isinstance(each, Violation):
                raise DeskRuleFailed(
                    f"{rule.__name__} gave a {type(each).__name__}; a rule returns or yields Violation(...).",
                    source=Source(self.errand.display, line),
                )
            self._violations.append({"rule": rule.__name__, **each.model_dump(mode="json")})

    def _report(self) -> Iterator[str]:
        first = self.problems[0] if self.problems else None
        yield json.dumps(
            {
                "finished": self.finished,
                "rules": self._rules,
                "violations": self._violations,
                "failure": first.message if first else None,
                "failed_at": first.source.line if first and first.source else 1,
            }
        )


def _is_of(value: object, module: ModuleType) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == module.__name__
