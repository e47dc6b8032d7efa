"""The built-in rules. A rule is a function over the desired state that returns what it refuses.

A declaration that need not keep a rule for a while says so with a ``Waiver``: up to its last day the rule
does not refuse it; from the next day on it does, and says whose waiver ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from krakenstate.errors import PolicyError, WaiverEnded, WaiverIdle
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration, Waiver

Rule = Callable[[Desired], list[PolicyError]]

PRODUCTION_ALLOWLIST = "production-allowlist"


def keys_of_production_have_an_allowlist(desired: Desired) -> list[PolicyError]:
    """A production key that is open to the whole world is refused."""
    if not desired.head.environment.is_production:
        return []
    return [
        PolicyError(
            f"{key.address} declares allowlist=[], so it works from anywhere in the world. Whoever gets hold "
            "of its secret can use it.",
            next_step="Name the networks its process calls from: allowlist=[...]",
            address=key.address,
            source=key.source,
        )
        for key in desired.of(Key)
        if key.networks == ()
    ]


RULES: Mapping[str, Rule] = {PRODUCTION_ALLOWLIST: keys_of_production_have_an_allowlist}
"""By the name that a waiver gives."""


def violations(desired: Desired, today: date | None = None) -> list[PolicyError]:
    """Everything the rules refuse and no waiver covers, by address.

    Args:
        desired: The whole stack.
        today: The day on which waivers must not have ended; this machine's, in UTC, unless given.
    """
    day = today or datetime.now(UTC).date()
    found: list[PolicyError] = []
    for name, rule in RULES.items():
        for refused in rule(desired):
            waiver = _waiver(desired.resources.get(Address(refused.address or "")), name)
            if waiver is None:
                found.append(refused)
            elif waiver.until < day:
                found.append(_ended(refused, waiver))
    found += [_idle(d, w) for d in desired.resources.values() for w in d.waivers if w.rule not in RULES]
    return sorted(found, key=lambda v: v.address or "")


def broken(desired: Desired) -> list[tuple[str, Address]]:
    """Which rules which declarations break, whether waived or not."""
    return [(name, Address(v.address)) for name, rule in RULES.items() for v in rule(desired) if v.address]


def _waiver(declaration: Declaration | None, rule: str) -> Waiver | None:
    """The one that lasts longest, if the declaration has any for the rule."""
    given = [w for w in declaration.waivers if w.rule == rule] if declaration else []
    return max(given, key=lambda w: w.until, default=None)


def _ended(refused: PolicyError, waiver: Waiver) -> PolicyError:
    return WaiverEnded(
        f"{refused.message} Its waiver, which {waiver.owner} answers for, ended on {waiver.until}.",
        next_step=refused.next_step,
        address=refused.address,
        source=refused.source,
    )


def _idle(declaration: Declaration, waiver: Waiver) -> PolicyError:
    return WaiverIdle(
        f'{declaration.address} has a waiver of "{waiver.rule}"; the rules are {", ".join(sorted(RULES))}.',
        address=declaration.address,
        source=declaration.source,
    )
