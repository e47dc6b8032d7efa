"""The verdict: what rules found, after waivers, as the checks that a plan carries.

A declaration that need not keep a rule for a while says so with a ``Waiver``: up to its last day what the
rule finds is a note, in its last fortnight a warning; from the next day on the rule refuses, and says whose
waiver ended. A waiver of a rule that the declaration keeps, or that there is not, is told too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from krakenstate.errors import (
    KrakenstateError,
    PolicyError,
    Source,
    StackProblems,
    WaiverEnded,
    WaiverIdle,
    WaiverUnknown,
    catalogue,
)
from krakenstate.model.address import Address
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration, Waiver
from krakenstate.model.plan import Check, Severity, place_of
from krakenstate.policy.base import Broken, Case, Ruling, breaks
from krakenstate.policy.rules import RULES

WARNED_BEFORE = timedelta(days=14)
_WEIGHT = tuple(Severity)


def judge(case: Case, *, desk: Ruling | None = None, strict: bool = False) -> tuple[Check, ...]:
    """What all rules find and what waivers make of it: errors first, then by address.

    Args:
        case: What the built-in rules look at.
        desk: What the desk's own rules came to; ``None`` where nobody has looked at them yet.
        strict: Whether warnings are errors.
    """
    found = [broken for rule in RULES.values() for broken in breaks(rule, case)] + list(
        desk.broken if desk else ()
    )
    checks = [_after_waivers(broken, case) for broken in found]
    checks += _needless(found, case, desk)
    if strict:
        checks = [_strictly(check) for check in checks]
    return in_order(checks)


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Errors first, then by address, rule and text."""
    return tuple(
        sorted(checks, key=lambda c: (_WEIGHT.index(c.severity), c.address or "", c.rule, c.code, c.text))
    )


def refusals(checks: Iterable[Check]) -> list[KrakenstateError]:
    """The errors among checks, as errors of the catalogue."""
    by_code = {leaf.code: leaf for leaf in catalogue()}
    return [
        by_code.get(check.code, PolicyError)(
            check.text,
            next_step=check.remedy,
            address=check.address,
            source=Source(check.source.file, check.source.line, check.source.text) if check.source else None,
        )
        for check in checks
        if check.severity is Severity.ERROR
    ]


def refuse(checks: Iterable[Check]) -> None:
    """Ends with what the checks refuse.

    Raises:
        PolicyError: The one error there is.
        StackProblems: Several.
    """
    found = refusals(checks)
    if len(found) == 1:
        raise found[0]
    if found:
        raise StackProblems(found)


def broken(desired: Desired, today: date) -> list[tuple[str, Address]]:
    """Which rules refuse which declarations, whether waived or not."""
    found = [b for rule in RULES.values() for b in breaks(rule, Case(desired, today))]
    return [(b.rule, b.address) for b in found if b.severity is Severity.ERROR and b.address]


def _after_waivers(broken: Broken, case: Case) -> Check:
    waiver = _waiver(case.desired.resources.get(broken.address or Address("a.a")), broken.rule)
    check = Check(
        code=broken.code,
        address=broken.address,
        text=broken.text,
        severity=broken.severity,
        rule=broken.rule,
        remedy=broken.remedy,
        source=place_of(broken.source),
        waiver=waiver,
    )
    if waiver is None:
        return check
    if waiver.until < case.today:
        ended = f" Its waiver, which {waiver.owner} answers for, ended on {waiver.until}."
        return check.model_copy(
            update={"code": WaiverEnded.code, "severity": Severity.ERROR, "text": broken.text + ended}
        )
    text = f"need not keep {waiver.rule} until {waiver.until}, as {waiver.owner} answers for: {waiver.reason}"
    if waiver.until - case.today > WARNED_BEFORE:
        return check.model_copy(update={"severity": Severity.NOTE, "text": text, "remedy": ""})
    return check.model_copy(
        update={
            "severity": Severity.WARNING,
            "text": f"{text}. From the next day on the rule refuses it.",
        }
    )


def _waiver(declaration: Declaration | None, rule: str) -> Waiver | None:
    """The one that lasts longest, if the declaration has any for the rule."""
    given = [w for w in declaration.waivers if w.rule == rule] if declaration else []
    return max(given, key=lambda w: w.until, default=None)


def _needless(found: Iterable[Broken], case: Case, desk: Ruling | None) -> list[Check]:
    """Waivers that excuse nothing: of what the declaration keeps, or of no rule at all.

    Whether a desk's rule is kept is not judged here: it may look at a plan that there is not. Nor is one that
    looks at another stack or at the state, where nobody did. Whether there is a desk's rule of a name, which
    has a dot in it, is known once its file was looked at.
    """
    known = {*RULES, *(name for name, _ in desk.rules)} if desk else set(RULES)
    unread = {broken.rule for broken in found}
    needed = {(b.rule, b.address) for b in found}
    seen = {name for name, rule in RULES.items() if rule.can_judge(case)}
    checks: list[Check] = []
    for declared in case.desired.resources.values():
        for waiver in declared.waivers:
            file, dot, _ = waiver.rule.partition(".")
            if dot and (desk is None or file in unread):
                continue
            if waiver.rule not in known:
                leaf: type[PolicyError] = WaiverUnknown
                severity = Severity.ERROR
                text = (
                    f'{declared.address} has a waiver of "{waiver.rule}"; the rules are '
                    f"{', '.join(sorted(known))}."
                )
            elif waiver.rule in seen and (waiver.rule, declared.address) not in needed:
                leaf, severity = WaiverIdle, Severity.WARNING
                text = f"{declared.address} has a waiver of {waiver.rule}, and keeps the rule."
            else:
                continue
            checks.append(
                Check(
                    code=leaf.code,
                    address=declared.address,
                    text=text,
                    severity=severity,
                    rule=waiver.rule,
                    remedy=leaf.remedy,
                    waiver=waiver,
                    source=place_of(declared.source),
                )
            )
    return checks


def _strictly(check: Check) -> Check:
    if check.severity is not Severity.WARNING:
        return check
    return check.model_copy(update={"severity": Severity.ERROR})
