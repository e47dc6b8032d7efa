"""The register of credentials as a table, as CSV that a spreadsheet cannot execute, and as JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from pydantic import JsonValue

from krakenstate.model.base import format_instant
from krakenstate.model.credential_row import CredentialReport, CredentialRow
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain, wrap
from krakenstate.views.values import FINGERPRINT_SHOWN, clean_json
from krakenstate.views.words import age, count_of_addresses, headline, table

FORMAT_VERSION = "1.0"
NO_KEYS = "No keys are declared or recorded."
_NOTHING = "-"
_FORMULA = re.compile(r"(^|[,;|])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet may begin to read a formula: at the start of a cell, also after what it may take for a
separator; the full-width signs count in some languages.

Source: owasp.org, CSV injection (read in August 2026)."""


class Column(NamedTuple):
    """One column: its heading in CSV, and what stands in it."""

    name: str
    value: Callable[[CredentialRow, CredentialReport], str]


def render_credentials(
    report: CredentialReport, *, colour: bool = False, width: int = DEFAULT_WIDTH, hints: bool = True
) -> str:
    """A line per key, as wide as it must be, and below it what somebody should look at.

    Args:
        report: What to show.
        colour: Whether ANSI colours are added; the text is the same without them.
        width: Columns of the terminal; findings wrap there, the table does not.
        hints: Whether to name the command to type next.
    """
    paint = Paint(colour)
    title = headline(
        f"krakenstate credentials: {report.stack}",
        environment=None if report.environment == "production" else report.environment,
        observed=age(report.observed_at, report.now) if report.observed_at else "never",
        **{"as of": str(report.as_of) if report.as_of else None},
    )
    head = [column.name.upper().replace("_", " ") for column in _TABLE]
    rows = [[column.value(row, report) or _NOTHING for column in _TABLE] for row in report.rows]
    first, *rest = table(head, rows) if rows else [NO_KEYS]
    sections = [
        [paint.bold(title)],
        [paint.bold(first) if rest else first, *rest],
        _found(report, width),
        _unobserved(report, width, hints),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def credentials_csv(report: CredentialReport) -> str:
    """The same rows for a spreadsheet: RFC 4180, one heading line, dates like ``2027-01-31``.

    No cell can be taken for a formula: an apostrophe stands before a sign that would begin one.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in _CSV)
    for row in report.rows:
        writer.writerow(safe_cell(column.value(row, report)) for column in _CSV)
    return text.getvalue().rstrip("\n")


def safe_cell(text: str) -> str:
    """Foreign text on one line, in which no spreadsheet finds a formula."""
    return _FORMULA.sub(r"\1\2'", plain(text))


def credentials_json(report: CredentialReport) -> dict[str, JsonValue]:
    """The report for programs: every field of a row, and ages in days counted from ``today``."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": plain(report.stack),
        "environment": plain(report.environment),
        "serial": report.serial,
        "timestamp": format_instant(report.now),
        "as_of": report.as_of.isoformat() if report.as_of else None,
        "today": report.today.isoformat(),
        "within_days": report.within_days,
        "observed_at": format_instant(report.observed_at) if report.observed_at else None,
        "credentials": [_row_json(row, report) for row in report.rows],
        "summary": {
            "keys": len(report.rows),
            "moves_funds": sum(row.moves_funds is True for row in report.rows),
            "with_findings": sum(bool(row.findings) for row in report.rows),
        },
    }


def _row_json(row: CredentialRow, report: CredentialReport) -> JsonValue:
    body: dict[str, JsonValue] = row.model_dump(mode="json")
    ages: dict[str, JsonValue] = {
        "age_days": _days(row.since.date() if row.since else None, report.today),
        "evidence_age_days": _days(row.evidence_at.date() if row.evidence_at else None, report.today),
        "open_to_the_world": None if row.addresses is None else row.addresses == 0,
    }
    return clean_json({**body, **ages})


def _days(since: date | None, today: date) -> int | None:
    return None if since is None else max(0, (today - since).days)


def _day_count(since: date | None, today: date) -> str:
    days = _days(since, today)
    return "" if days is None else str(days)


def _rights(row: CredentialRow, _: CredentialReport) -> str:
    return "not managed" if row.rights is None else " ".join(row.rights) or "nothing"


def _funds(row: CredentialRow, _: CredentialReport) -> str:
    return {True: "YES", False: "no", None: "not known"}[row.moves_funds]


def _from(row: CredentialRow, _: CredentialReport) -> str:
    if row.addresses is None:
        return "not known"
    if not row.addresses:
        return "OPEN TO THE WORLD"
    return count_of_addresses(row.addresses)


def _expires(row: CredentialRow, _: CredentialReport) -> str:
    if row.expires is None:
        return "never" if row.never_expires else ""
    return row.expires.isoformat()


def _last_used(row: CredentialRow, _: CredentialReport) -> str:
    """The day, and by whom it is known; a key's own word is as old as its evidence."""
    if row.last_used_at is None:
        return ""
    return f"{row.last_used_at.date()}{f' {row.evidence.value}' if row.evidence else ''}"


def _evidence(row: CredentialRow, report: CredentialReport) -> str:
    if row.evidence is None:
        return "declared only"
    return f"{row.evidence.value}{f' {age(row.evidence_at, report.now)}' if row.evidence_at else ''}"


def _key(row: CredentialRow, _: CredentialReport) -> str:
    return f"{row.address}{f' ...{row.last_four}' if row.last_four else ''}"


def _account(row: CredentialRow, _: CredentialReport) -> str:
    return f"{row.account_label}{f' (...{row.iiban_end})' if row.iiban_end else ''}"


def _fingerprint(row: CredentialRow, _: CredentialReport) -> str:
    return row.fingerprint[:FINGERPRINT_SHOWN] if row.fingerprint else ""


_TABLE = (
    Column("key", _key),
    Column("account", _account),
    Column("process", lambda row, _: ", ".join(row.used_by)),
    Column("owner", lambda row, _: row.owner or ""),
    Column("funds", _funds),
    Column("from", _from),
    Column("days", lambda row, report: _day_count(row.since.date() if row.since else None, report.today)),
    Column("expires", _expires),
    Column("last_used", _last_used),
    Column("rotation", lambda row, _: str(row.rotation_due or "")),
    Column("stage", lambda row, _: row.stage.value),
    Column("evidence", _evidence),
    Column("can", _rights),
)

_CSV: Sequence[Column] = (
    Column("key", lambda row, _: row.address),
    Column("api", lambda row, _: row.api.value),
    Column("account", lambda row, _: row.account),
    Column("account_label", lambda row, _: row.account_label),
    Column("iiban_end", lambda row, _: row.iiban_end or ""),
    Column("process", lambda row, _: " ".join(row.used_by)),
    Column("owner", lambda row, _: row.owner or ""),
    Column("key_name", lambda row, _: row.key_name or ""),
    Column("fingerprint", _fingerprint),
    Column("last_four", lambda row, _: row.last_four or ""),
    Column("permissions", _rights),
    Column("moves_funds", _funds),
    Column("allowlist", _from),
    Column("since", lambda row, _: str(row.since.date()) if row.since else ""),
    Column("age_days", lambda row, report: _day_count(row.since.date() if row.since else None, report.today)),
    Column("expires", _expires),
    Column("last_used", lambda row, _: str(row.last_used_at.date()) if row.last_used_at else ""),
    Column("rotation_due", lambda row, _: str(row.rotation_due or "")),
    Column("stage", lambda row, _: row.stage.value),
    Column("evidence", lambda row, _: row.evidence.value if row.evidence else "declared"),
    Column("evidence_at", lambda row, _: format_instant(row.evidence_at) if row.evidence_at else ""),
    Column("findings", lambda row, _: ". ".join(found.text for found in row.findings)),
)


def _found(report: CredentialReport, width: int) -> list[str]:
    lines: list[str] = []
    for row in report.rows:
        for found in row.findings:
            lines += wrap(f"{row.address}: {found.text}", width, "  ! ")
    return [f"To look at (within {report.within_days} days):", *lines] if lines else ["Nothing to look at."]


def _unobserved(report: CredentialReport, width: int, hints: bool) -> list[str]:
    if report.observed_at is not None:
        return []
    text = "There is no stored snapshot, so all of this is what was declared and recorded."
    return wrap(f"{text} To ask: krakenstate observe" if hints else text, width, "")
