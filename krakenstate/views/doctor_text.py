"""A check-up, a line per check: what is well, what deserves a look, what must be put right."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from krakenstate.model.checkup import Area, Check, Checkup, Level
from krakenstate.views.style import DEFAULT_WIDTH, Paint, wrap
from krakenstate.views.words import count, headline

FORMAT_VERSION = "1.0"
_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red", Level.SKIPPED: "cyan"}
_TITLES = {
    Area.KRAKEN: "Kraken",
    Area.VAULT: "Vault",
    Area.STATE: "State",
    Area.BREAKERS: "Breakers",
    Area.KEYS: "Keys",
}
_COLUMN = max(len(level.value) for level in Level)


def render_checkup(checkup: Checkup, *, colour: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """A check-up by area, with a summary below.

    Args:
        checkup: What to show.
        colour: Whether ANSI colours are added.
        width: Columns of the terminal.
    """
    paint = Paint(colour)
    title = headline(
        f"krakenstate doctor: {checkup.stack}",
        environment=None if checkup.environment == "production" else checkup.environment,
        site=checkup.site,
    )
    sections = [[paint.bold(title)]]
    for area in Area:
        lines = [
            line for check in checkup.checks if check.area is area for line in _lines(check, paint, width)
        ]
        if lines:
            sections.append([f"{_TITLES[area]}:", *lines])
    return "\n\n".join("\n".join(lines) for lines in [*sections, [_summary(checkup)]])


def checkup_json(checkup: Checkup, *, now: datetime) -> dict[str, JsonValue]:
    """A check-up for programs."""
    body = checkup.model_dump(mode="json")
    levels: dict[str, JsonValue] = {level.value: _number(checkup, level) for level in Level}
    return {
        "format_version": FORMAT_VERSION,
        "timestamp": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        **body,
        "summary": levels,
    }


def _lines(check: Check, paint: Paint, width: int) -> list[str]:
    word = check.level.value
    code = f" ({check.code})" if check.code else ""
    named = f"{check.name} " if check.area is Area.KEYS and check.name != check.area else ""
    indent = " " * (_COLUMN + 4)
    first, *rest = wrap(f"{named}{check.text}{code}", width, indent)
    return [f"  {paint.over(_COLOURS[check.level], word)}{first[len(word) + 2 :]}", *rest]


def _summary(checkup: Checkup) -> str:
    problems, warnings = _number(checkup, Level.PROBLEM), _number(checkup, Level.WARNING)
    skipped = _number(checkup, Level.SKIPPED)
    parts = [count(problems, "problem"), count(warnings, "warning")]
    if skipped:
        parts.append(f"{skipped} skipped")
    return f"Checked {count(len(checkup.checks), 'thing')}: {', '.join(parts)}."


def _number(checkup: Checkup, level: Level) -> int:
    return sum(check.level is level for check in checkup.checks)
