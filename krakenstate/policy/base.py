"""What a rule is, what it looks at and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from krakenstate.errors import PolicyError, Source
from krakenstate.model.address import Address
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration
from krakenstate.model.plan import Plan, Severity
from krakenstate.model.proof import Promoted


class Case(NamedTuple):
    """What rules look at.

    Args:
        desired: The whole stack.
        today: The day, in UTC, from which ends are counted.
        plan: What would be done, where that is known; ``validate`` has none.
        promotions: The keys that this plan makes or changes and that have to be verified in another stack
            first; ``None`` where nobody looked.
        since: Since when keys have been in service, as far as that is recorded; ``None`` without a state.
    """

    desired: Desired
    today: date
    plan: Plan | None = None
    promotions: tuple[Promoted, ...] | None = None
    since: Mapping[Address, date] | None = None


class Finding(NamedTuple):
    """One declaration that breaks a rule; ``error`` and its remedy are the rule's, unless given."""

    about: Declaration
    text: str
    next_step: str = ""
    error: type[PolicyError] | None = None


class Rule(NamedTuple):
    """A rule that is built in.

    Args:
        name: What a waiver calls it.
        severity: What a break of it is: an error, or a warning.
        error: The leaf of the exception tree that stands for a break, with its code and remedy.
        says: The rule in a sentence.
        find: The declarations that break it.
        needs_promotions: Whether it finds nothing where nobody looked at the other stack.
        needs_state: Whether it finds nothing without a state.
    """

    name: str
    severity: Severity
    error: type[PolicyError]
    says: str
    find: Callable[[Case], Iterable[Finding]]
    needs_promotions: bool = False
    needs_state: bool = False

    def can_judge(self, case: Case) -> bool:
        """Whether the case holds what the rule looks at, so that no finding means that it is kept."""
        without = (self.needs_promotions and case.promotions is None) or (
            self.needs_state and case.since is None
        )
        return not without


class Broken(NamedTuple):
    """A break of any rule, built in or not, before waivers are looked at."""

    rule: str
    severity: Severity
    code: str
    text: str
    remedy: str
    address: Address | None = None
    source: Source | None = None


class Ruling(NamedTuple):
    """What the desk's own rules came to.

    Args:
        rules: Name and first sentence of each that was looked at.
        broken: What they found, and what could not be looked at.
    """

    rules: tuple[tuple[str, str], ...] = ()
    broken: tuple[Broken, ...] = ()


def breaks(rule: Rule, case: Case) -> list[Broken]:
    """What a built-in rule finds, by address."""
    found = [
        Broken(
            rule=rule.name,
            severity=rule.severity,
            code=(finding.error or rule.error).code,
            text=finding.text,
            remedy=finding.next_step or (finding.error or rule.error).remedy,
            address=finding.about.address,
            source=finding.about.source,
        )
        for finding in rule.find(case)
    ]
    return sorted(found, key=lambda b: (b.address or "", b.text))
