"""Small words: ages, counts, shortened hashes, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from krakenstate.model.network import shown_number
from krakenstate.model.plan import Upcoming
from krakenstate.views.style import plain

_UNITS = ((86_400, "days"), (3_600, "h"), (60, "min"))


def age(at: datetime, now: datetime) -> str:
    """How long ago: ``just now``, ``2 min ago``, ``3 h ago``, ``1 day ago``, ``5 days ago``."""
    seconds = int((now - at).total_seconds())
    for size, unit in _UNITS:
        count = seconds // size
        if count > 0:
            return f"{count} {'day' if unit == 'days' and count == 1 else unit} ago"
    return "just now"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def count_of_addresses(number: int) -> str:
    """``1 address``, ``17 addresses``, ``about 2^64 addresses``."""
    return "1 address" if number == 1 else f"{shown_number(number)} addresses"


def short_commit(commit: str) -> str:
    """The first seven digits of a commit's hash; other names of a commit stay whole."""
    name = plain(commit)
    is_hash = len(name) == 40 and all(digit in "0123456789abcdef" for digit in name)
    return name[:7] if is_hash else name


def short_digest(digest: str) -> str:
    """The first six digits, enough to compare by eye."""
    return f"{plain(digest)[:6]}..."


def headline(title: str, **parts: str | None) -> str:
    """``krakenstate plan: prod   commit 1f3c9aa   site runner``, leaving out what is absent."""
    named = (f"{name} {plain(value)}" for name, value in parts.items() if value)
    return "   ".join((plain(title), *named))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under their names, two spaces apart; cells are cleaned here."""
    cells = [list(head), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def by_day(items: Iterable[Upcoming]) -> list[Upcoming]:
    """What is coming, the nearest first and what has no known day last, then by address."""
    return sorted(items, key=lambda item: (item.on or date.max, item.address, item.text))
