"""Reports from where processes run: what an observation makes of them, and what may follow.

How this works: a process may write anything into its evidence, so a report is used only where it can do no
harm. Of a key in quarantine that this site may not ask, it can lead to the publication of that very secret,
told by its fingerprint, or to an acceptance report. Of a key in service it stands beside the record, and the
newer of the two is compared with what is declared. It never drops a secret, never pins an account, and never
makes a key be asked from somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from krakenstate.engine.outlook import Outlook
from krakenstate.engine.session import Session
from krakenstate.errors import (
    AuthenticationFailed,
    ReportUnusable,
    VaultDenied,
    catalogue,
)
from krakenstate.model.address import Address
from krakenstate.model.base import format_instant
from krakenstate.model.declarations import Key, SpotKey
from krakenstate.model.plan import Check
from krakenstate.model.provenance import Provenance
from krakenstate.model.report import Answer, Attempt, Report
from krakenstate.model.snapshot import Arrival, Observation, Place, Snapshot
from krakenstate.model.state import AccountRecord, Candidate, KeyRecord, State, Verdict
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api

REPORT_COUNTS = timedelta(days=7)
"""How long a key in quarantine can be published on a report."""
SKEW = timedelta(minutes=2)
"""Both clocks may be a minute away from Kraken's."""
_SHOWN = 4
_FAILURES = {leaf.code: leaf for leaf in catalogue() if issubclass(leaf, AuthenticationFailed)}


class Known(NamedTuple):
    """The newest that is known of a key in service, and how."""

    description: KeyDescription | None
    provenance: Provenance | None
    at: datetime | None


def known_of(record: KeyRecord, seen: Observation) -> Known:
    """What it said when it was asked now; else the newer of its report and the record."""
    if seen.description is not None:
        return Known(seen.description, Provenance.OBSERVED, seen.at)
    answer, published = seen.report.answer if seen.report else None, record.published
    if (
        answer is not None
        and published is not None
        and answer.fingerprint == published.fingerprint
        and (record.described_at is None or answer.at > record.described_at)
    ):
        return Known(answer.description, Provenance.REPORTED, answer.at)
    return Known(record.description, record.provenance, record.described_at)


def described_by(record: KeyRecord, seen: Observation) -> KeyDescription | None:
    """The newest description of a key in service, as ``known_of`` has it, without making anything."""
    if seen.description is not None:
        return seen.description
    return record.description if seen.report is None else known_of(record, seen).description


def told_of(
    report: Report | None, fingerprint: str | None, candidate: Candidate | None, now: datetime
) -> Answer | Attempt | None:
    """What a report says about the key in quarantine that was not heard before: its answer or its rejection.

    Args:
        report: As observed or read.
        fingerprint: Of the secret in quarantine.
        candidate: What is recorded of it, if anything is.
        now: Answers older than ``REPORT_COUNTS`` no longer count.
    """
    if report is None or fingerprint is None:
        return None
    known = candidate if candidate is not None and candidate.fingerprint == fingerprint else None

    def is_news(at: datetime) -> bool:
        if at > now + SKEW:
            return False
        if known is None:
            return True
        return at >= known.received_at - SKEW and (known.asked_at is None or at > known.asked_at)

    failure, answer = report.failure, report.answer
    if failure is not None and failure.fingerprint == fingerprint:
        return failure if is_news(failure.at) else None
    if answer is None or answer.fingerprint != fingerprint or now - answer.at > REPORT_COUNTS:
        return None
    return answer if is_news(answer.at) else None


def is_reported(key: Key, record: KeyRecord, arrival: Arrival, look: Outlook) -> bool:
    """Whether a key in quarantine can be settled on a report: this site may not ask it, and a host did."""
    candidate = record.candidate
    was_refused = candidate is not None and candidate.verdict is Verdict.REFUSED
    if look.site_admits(key) and not was_refused:
        return False
    report = look.snapshot.of(key.address).report
    return told_of(report, arrival.fingerprint, candidate, look.now) is not None


def hear_of(
    session: Session, key: Key, fingerprint: str, candidate: Candidate | None
) -> Answer | Attempt | None:
    """What a host left about the key in quarantine, as ``told_of`` has it, read from Vault now."""
    return told_of(_read(session, key), fingerprint, candidate, session.clock())


def nonce_reported(session: Session, key: Key, fingerprint: str) -> int:
    """The last small nonce that this key was asked with from its host, or 0."""
    report = _read(session, key)
    last = report.attempt if report else None
    return last.small_nonce if last is not None and last.fingerprint == fingerprint else 0


def failure_of(told: Attempt) -> AuthenticationFailed:
    """A reported rejection as the error that its host met."""
    leaf = _FAILURES[told.code]
    return leaf(f"Said where its process runs, at {format_instant(told.at)}.")


def with_reports(
    session: Session,
    state: State,
    found: dict[Address, Observation],
    arrivals: Iterable[Arrival],
    now: datetime,
) -> dict[Address, Observation]:
    """The same observations with the reports of keys that were not asked, and how each thing is known."""
    slots = {}
    for key in session.desired.of(Key):
        record = state.key(key.address)
        is_awaited = record is not None and record.rotation is not None
        if key.address in found and (found[key.address].description is None or is_awaited):
            process = record.process if record else key.process.address
            slots[key.address] = session.slot(process, key.address)
    reports: dict[Address, Report] = {}
    if slots:
        try:
            reports = session.records.evidence.reports((s.process, s.address) for s in slots.values())
        except VaultDenied as error:
            session.audience.say(f"Reports from where processes run are not looked at: {error.message}")
    waiting = {a.address: a.fingerprint for a in arrivals if a.place is Place.QUARANTINE}
    out = {}
    for address, observation in found.items():
        report = reports.get(address)
        if report is not None:
            problem = report.problem or _problem(report, address, now)
            report = Report(path=report.path, problem=problem) if problem else report
        seen = observation if report is None else observation.model_copy(update={"report": report})
        provenance, at = _newest(seen, state, waiting.get(address))
        out[address] = seen.model_copy(update={"provenance": provenance, "at": at})
    return out


def find_report_checks(snapshot: Snapshot, state: State) -> list[Check]:
    """Reports from which nothing follows, and rejections that hosts met: findings, never changes."""
    reports = {a: seen.report for a, seen in snapshot.observations.items() if seen.report is not None}
    found: list[Check] = []
    quarantined = {a.address: a for a in reversed(snapshot.arrivals) if a.place is Place.QUARANTINE}
    for address in sorted(reports):
        record = state.key(address)
        published = record.published if record else None
        waiting = quarantined.get(address)
        expected = {fp for fp in (published and published.fingerprint, waiting and waiting.fingerprint) if fp}
        found += _checks(address, reports[address], expected, snapshot.observed_at)
    return found


def _checks(address: Address, report: Report, expected: set[str], now: datetime) -> list[Check]:
    code = ReportUnusable.code
    if report.problem:
        return [Check(code=code, address=address, text=f"its report is not used: {report.problem}")]
    found = []
    failure, answer = report.failure, report.answer
    if failure is not None and failure.fingerprint in expected:
        text = f"rejected where its process runs, at {format_instant(failure.at)}"
        found.append(Check(code=failure.code, address=address, text=text))
    if answer is not None and expected and answer.fingerprint not in expected:
        shown = answer.fingerprint[:_SHOWN]
        text = f"the report at {report.path} is of another key (fp {shown}); nothing follows from it"
        found.append(Check(code=code, address=address, text=text))
    elif answer is not None and expected and now - answer.at > REPORT_COUNTS:
        text = f"the report at {report.path} is older than {REPORT_COUNTS.days} days"
        found.append(Check(code=code, address=address, text=text))
    return found


def _read(session: Session, key: Key) -> Report | None:
    """What was left of one key; ``None`` as well when it cannot be used."""
    store, process = session.records.evidence, key.process.name
    try:
        evidence, _ = store.read(process, key.address)
    except (ReportUnusable, VaultDenied):
        return None
    if evidence is None:
        return None
    found = Report(path=store.path_of(process, key.address), attempt=evidence.attempt, answer=evidence.answer)
    return None if _problem(found, key.address, session.clock()) else found


def _problem(report: Report, address: Address, now: datetime) -> str:
    """Why a report that has the form of one cannot be this key's; empty if it can."""
    attempt, answer = report.attempt, report.answer
    instants = [part.at for part in (attempt, answer, report.in_use) if part is not None]
    if any(at > now + SKEW for at in instants):
        return f"{report.path} is dated in the future."
    if attempt is not None and attempt.code and attempt.code not in _FAILURES:
        return f"{report.path} tells of a rejection that there is not."
    api = Api.SPOT if address.type == SpotKey.type_name else Api.DERIVATIVES
    if answer is not None and answer.description.api is not api:
        return f"{report.path} describes a key of another platform."
    return ""


def _newest(
    seen: Observation, state: State, waiting: str | None
) -> tuple[Provenance | None, datetime | None]:
    if seen.missing is None:
        return Provenance.OBSERVED, seen.at
    record = state.account(seen.address) or state.key(seen.address)
    if isinstance(record, AccountRecord):
        return (record.provenance, record.existed_at) if record.existed_at else (None, None)
    if isinstance(record, KeyRecord) and record.is_in_use:
        known = known_of(record, seen)
        return known.provenance, known.at
    answer = seen.report.answer if seen.report else None
    if answer is not None and answer.fingerprint == waiting:
        return Provenance.REPORTED, answer.at
    return None, None
