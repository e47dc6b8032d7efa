"""What a policy's rules found, beside a plan or alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from krakenstate.model.plan import FORMAT_VERSION, Check, Severity
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain, wrap
from krakenstate.views.words import count

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def policy_lines(checks: Iterable[Check], paint: Paint, width: int, *, most: int | None = None) -> list[str]:
    """The findings of rules, under a title, in the order they come in; nothing where there is none.

    With ``most``, only so many warnings of one rule, and how many more there are. Errors are all told.
    """
    lines: list[str] = []
    told: Counter[str] = Counter()
    for check in checks:
        if not check.rule:
            continue
        told[check.rule] += check.severity is not Severity.ERROR
        if most is None or check.severity is Severity.ERROR or told[check.rule] <= most:
            lines += _finding(check, paint, width)
    for rule, number in told.items():
        if most is not None and number > most:
            more = f"and {number - most} more of rule {plain(rule)}; krakenstate policy check lists all"
            lines += wrap(more, width, "  ", "    ")
    return [paint.bold("Policy"), *lines] if lines else []


def refused(checks: Iterable[Check]) -> str:
    """That nothing of a plan will be done, if something refuses it; else nothing."""
    errors = sum(1 for check in checks if check.severity is Severity.ERROR)
    return f"{count(errors, 'error')}, see Policy. Nothing of this will be applied." if errors else ""


def refused_line(checks: Iterable[Check], paint: Paint) -> list[str]:
    """The same as a line of its own."""
    text = refused(checks)
    return [f"{paint.over('red', 'Refused:')} {text}"] if text else []


def finding_word(check: Check) -> str:
    """What a finding is: an error, a warning, or one that is waived."""
    return "waived" if check.severity is Severity.NOTE else check.severity.value


def place_of(check: Check) -> str:
    """``stacks/prod.py line 12, rule spot-key-end, KS5111``"""
    where = f"{check.source.file} line {check.source.line}, " if check.source else ""
    return f"{where}rule {check.rule}, {check.code}"


def check_rows(checks: Iterable[Check]) -> list[JsonValue]:
    """Checks as objects, in the order they come in."""
    return [
        {
            "code": plain(check.code),
            "address": None if check.address is None else plain(check.address),
            "text": plain(check.text),
            "severity": check.severity.value,
            "rule": plain(check.rule) or None,
            "remedy": plain(check.remedy) or None,
            "waiver": None
            if check.waiver is None
            else {
                "owner": plain(check.waiver.owner),
                "reason": plain(check.waiver.reason),
                "until": check.waiver.until.isoformat(),
            },
            "source": None
            if check.source is None
            else {
                "file": plain(check.source.file),
                "line": check.source.line,
                "text": plain(check.source.text),
            },
        }
        for check in checks
    ]


def _finding(check: Check, paint: Paint, width: int) -> Sequence[str]:
    word = finding_word(check)
    start = f"  {word} "
    about = f"{check.address}: " if check.address and not check.text.startswith(check.address) else ""
    first, *more = wrap(f"{about}{check.text}", width, start, "    ")
    lines = [f"  {paint.over(_COLOURS.get(check.severity, ''), word)}{first[len(start) - 1 :]}", *more]
    if check.severity is Severity.NOTE:
        return lines
    if check.remedy:
        lines += wrap(check.remedy, width, "    ")
    return [*lines, *wrap(place_of(check), width, "    ")]


def policy_report(
    stack: str, rules: int, checks: Sequence[Check], *, colour: bool = False, width: int = DEFAULT_WIDTH
) -> str:
    """The answer of ``policy check`` as text.

    Args:
        stack: Whose rules were looked at.
        rules: How many.
        checks: What they found, errors first.
        colour: Whether ANSI colours are added.
        width: Columns of the terminal.
    """
    paint = Paint(colour)
    errors, warnings, notes = (
        sum(1 for check in checks if check.severity is severity) for severity in Severity
    )
    told = [
        count(errors, "error") if errors else "",
        count(warnings, "warning") if warnings else "",
        count(notes, "waiver") if notes else "",
    ]
    verdict = "refused" if errors else "kept"
    tail = f": {', '.join(filter(None, told))}" if any(told) else ""
    sections = [
        policy_lines(checks, paint, width),
        [paint.bold(f"Policy of {plain(stack)} is {verdict}{tail}."), f"{count(rules, 'rule')} looked at."],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def policy_json(
    stack: str, environment: str, rules: Iterable[tuple[str, str | None, str]], checks: Iterable[Check]
) -> dict[str, JsonValue]:
    """The answer of ``policy check`` as an object that any JSON library can write.

    Args:
        stack: Whose rules were looked at.
        environment: Its environment.
        rules: Name, severity and sentence of each; the desk's own have no severity but that of each finding.
        checks: What they found, errors first.
    """
    found = list(checks)
    return {
        "format_version": FORMAT_VERSION,
        "stack": plain(stack),
        "environment": plain(environment),
        "refused": any(check.severity is Severity.ERROR for check in found),
        "rules": [
            {"name": plain(name), "severity": severity, "says": plain(says)} for name, severity, says in rules
        ],
        "checks": check_rows(found),
    }
