"""Options that several commands share, declared once.

A command takes them as annotations: ``def plan(stack: StackArg = None, as_json: JsonOpt = False)``.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DAY_S = _UNITS_S["d"]
WITHIN_MAX_DAYS = 3650
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)")


def parse_duration(text: str | float) -> float:
    """Seconds in ``30s``, ``2m``, ``1h`` or ``30d``; a bare number is seconds.

    Raises:
        typer.BadParameter: It is none of these.
    """
    if isinstance(text, int | float):
        return float(text)
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f'"{text[:40]}" is no duration; write 30s, 2m, 1h or 30d.')
    return float(match[1]) * _UNITS_S[match[2]]


def parse_horizon(text: str | float) -> float:
    """Seconds of a span that is counted in days: from a day to ten years.

    Raises:
        typer.BadParameter: It is no duration, or none of that size; a bare number would be seconds.
    """
    seconds = parse_duration(text)
    if not _DAY_S <= seconds <= WITHIN_MAX_DAYS * _DAY_S:
        raise typer.BadParameter(
            f"what is upcoming is looked for by the day: write 1d to {WITHIN_MAX_DAYS}d, such as 30d."
        )
    return seconds


def parse_day(text: str | date) -> date:
    """A day written like ``2027-01-31``.

    Raises:
        typer.BadParameter: It has another form, or there is no such day.
    """
    if isinstance(text, date):
        return text
    try:
        if _DATE.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise typer.BadParameter(f'"{text[:40]}" is no date; write it like 2027-01-31.')


def complete_stack(incomplete: str) -> list[str]:
    """Names of the stacks below the current folder, for the shell."""
    return sorted(file.stem for file in Path("stacks").glob("*.py") if file.stem.startswith(incomplete))


StackArg = Annotated[
    str | None,
    typer.Argument(
        metavar="STACK",
        help="Stack: prod means stacks/prod.py; may be a path, or left out where there is one file.",
        show_default=False,
        autocompletion=complete_stack,
    ),
]
StackOrPlanArg = Annotated[
    str | None,
    typer.Argument(
        metavar="STACK|PLAN",
        help="Stack, as for plan; or a plan's file, whose name ends in .json.",
        show_default=False,
        autocompletion=complete_stack,
    ),
]
StackOpt = Annotated[
    str | None,
    typer.Option(
        "--stack",
        metavar="NAME",
        envvar="KRAKENSTATE_STACK",
        help="Stack that the address or id belongs to; may be left out where there is one file.",
        show_default=False,
        autocompletion=complete_stack,
    ),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
StatsOpt = Annotated[
    bool,
    typer.Option("--stats", help="Tell calls by endpoint, bytes and seconds at the end, on standard error."),
]
SiteOpt = Annotated[
    str | None,
    typer.Option(
        "--site",
        metavar="NAME",
        envvar="KRAKENSTATE_SITE",
        help="Declared allowlist from which this run speaks; without one only open keys are asked.",
        show_default=False,
    ),
]
DesiredOpt = Annotated[
    Path | None,
    typer.Option(
        "--desired",
        metavar="FILE",
        help="Rendered stack, instead of running the stack file.",
        show_default=False,
    ),
]
DetailedExitcodeOpt = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode", help="Exit 2 with something to propose or settle, 8 with open tasks."
    ),
]
RefreshOpt = Annotated[
    bool,
    typer.Option("--refresh/--no-refresh", help="Observe first; --refresh=false uses the stored snapshot."),
]
InputOpt = Annotated[
    bool,
    typer.Option(
        "--input/--no-input",
        envvar="KRAKENSTATE_INPUT",
        help="Ask where an answer is needed; --input=false fails instead.",
    ),
]
AutoApproveOpt = Annotated[
    bool, typer.Option("--auto-approve", help="Do not ask before the plan is applied.")
]
LockTimeoutOpt = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="DURATION",
        envvar="KRAKENSTATE_LOCK_TIMEOUT",
        parser=parse_duration,
        help="How long to wait for the lock, such as 30s or 2m.",
        show_default="0s",
    ),
]
OutOpt = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the result to a file.", show_default=False)
]
ApprovedDigestOpt = Annotated[
    str | None,
    typer.Option(
        "--approved-digest",
        metavar="SHA256",
        help="Digest of the plan that was approved; another plan is refused.",
        show_default=False,
    ),
]
StrictOpt = Annotated[bool, typer.Option("--strict", help="Warnings of the policy are errors.")]
ForceThresholdOpt = Annotated[
    bool,
    typer.Option("--force-threshold", help="Bulk-change thresholds only warn, in this run; no rule does."),
]
RequireIsolationOpt = Annotated[
    bool, typer.Option("--require-isolation", help="Fail without kernel isolation of the stack file.")
]
WithinOpt = Annotated[
    float,
    typer.Option(
        "--within",
        metavar="DURATION",
        parser=parse_horizon,
        help="How far ahead to list what is upcoming, such as 30d.",
        show_default="30d",
    ),
]
AsOfOpt = Annotated[
    date | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        parser=parse_day,
        help="What will be due on that day, such as 2027-01-31: a look ahead, never applied.",
        show_default=False,
    ),
]
TargetOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="ADDR",
        help="Only this address and what it depends on; may be given several times.",
        show_default=False,
    ),
]
ExcludeOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="ADDR",
        help="Not this address nor what depends on it; may be given several times.",
        show_default=False,
    ),
]
