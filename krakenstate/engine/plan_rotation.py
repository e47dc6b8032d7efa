"""Planning rotations: when one is due, and the one thing to do about one that is under way."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from krakenstate.engine.asking import BREAKER_LASTS
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.steps import held_up, settlement, waiting
from krakenstate.model.base import format_instant
from krakenstate.model.declarations import Key, SpotKey
from krakenstate.model.network import IPNetwork, admits
from krakenstate.model.plan import Action, Reason, Step
from krakenstate.model.provenance import Provenance
from krakenstate.model.report import Report
from krakenstate.model.rotation import Rotation, Stage
from krakenstate.model.state import KeyRecord
from krakenstate.model.task import Task, TaskKind, TaskStatus
from krakenstate.model.terms import KeyDescription

ROTATE_BEFORE = timedelta(days=14)
"""How long before its expiry a key is replaced, unless it declares otherwise."""


def lead_of(key: Key) -> timedelta:
    """How long before its expiry a key is replaced."""
    return key.rotate_before or ROTATE_BEFORE


def due_on(key: Key, record: KeyRecord) -> datetime | None:
    """When the age of a key in service alone makes a rotation due.

    Nobody knows the age of an adopted key that did not describe itself: it is due at once.
    """
    every, published, described = key.rotate_every, record.published, record.description
    if every is None or (published is None and not record.is_as_adopted):
        return None
    if described is not None and described.created_at is not None:
        return described.created_at + every
    if record.adopted is not None and record.is_as_adopted:
        return record.adopted.at
    return published.at + every if published else None


def expiry_of(record: KeyRecord, seen: KeyDescription | None) -> date | None:
    """The last day of a key in service, as it said itself, now or else earlier, or else as approved."""
    if seen is None:
        seen = record.description
    if seen is not None and seen.valid_until is not None:
        return seen.valid_until.date()
    return record.terms.expires


def why_rotate(
    key: Key, record: KeyRecord, seen: KeyDescription | None, now: datetime
) -> tuple[Reason, str] | None:
    """Why the generation in service must be replaced, and a sentence about it; ``None`` if it need not be.

    ``seen`` is what it said when it was asked now. Nothing is due while a rotation is under way: the next one
    waits for the last one. An adopted key is let alone until its declaration says more: its expiry counts if
    ``rotate_before`` is declared.
    """
    if record.rotation is not None or not record.is_in_use:
        return None
    last = expiry_of(record, seen)
    if last is not None and (key.rotate_before is not None or not record.is_as_adopted):
        ending = _why_it_ends(key, record, last, now.date())
        if ending is not None:
            return ending
    due = due_on(key, record)
    if due is None or due > now:
        return None
    if due == record.adopted_at:
        return Reason.ROTATION_DUE, "rotate_every is declared, and nobody knows how old the adopted key is"
    return Reason.ROTATION_DUE, f"rotate_every is up since {due.date()}"


def _why_it_ends(key: Key, record: KeyRecord, last: date, today: date) -> tuple[Reason, str] | None:
    """What its last day says of a key in service; ``None`` while that is far enough away."""
    if last < today:
        return Reason.EXPIRED, f"it expired on {last}"
    if last - lead_of(key) > today:
        return None
    again, published = _end_of(key), record.published
    lies_ahead = again is None or again - lead_of(key) > today
    was_made_so = published is not None and published.at.date() >= last - lead_of(key)
    if was_made_so and not lies_ahead:
        return None
    same = "" if lies_ahead else "; the next one will expire then too, unless expires is moved"
    return Reason.EXPIRING, f"it expires on {last}{same}"


def cannot_be_made(key: Key, look: Outlook) -> str:
    """Why no key can be made as declared now, in a sentence; empty if one can."""
    last = _end_of(key)
    if last is not None and last < look.now.date():
        return f"expires={last} lies in the past, so no key can be made as declared: declare a later day"
    return ""


def _end_of(key: Key) -> date | None:
    """The last day that its declaration gives the next generation."""
    return key.expires if isinstance(key, SpotKey) else None


def adoption_told(record: KeyRecord, report: Report | None) -> datetime | None:
    """When the process reported the generation that was published last; ``None`` if it did not."""
    rotation, published = record.rotation, record.published
    if report is None or rotation is None or published is None or rotation.published_at is None:
        return None
    if report.in_use is not None and report.in_use.fingerprint == published.fingerprint:
        return report.in_use.at
    answer = report.answer
    if answer is not None and answer.fingerprint == published.fingerprint:
        return answer.at if answer.at > rotation.published_at else None
    return None


def drained_at(rotation: Rotation, overlap: timedelta | None) -> datetime:
    """When the old generation has lived through the overlap."""
    since = rotation.adopted_at or rotation.at
    return since if rotation.urgent or overlap is None else since + overlap


def deletion_task(record: KeyRecord, tasks: list[Task], rotation: Rotation | None = None) -> Task | None:
    """The newest task about the deletion of a rotation's old generation, open or not; of the record's own."""
    rotation = rotation or record.rotation
    if rotation is None:
        return None
    about = [
        t
        for t in tasks
        if t.address == record.address and t.kind is TaskKind.DELETE_KEY and t.subject == rotation.old.subject
    ]
    return max(about, key=lambda t: (t.is_open, t.opened_at, t.round), default=None)


def is_attested_again(rotation: Rotation, task: Task | None) -> bool:
    """Whether somebody looked, after the deletion was attested, and says that the key is gone."""
    return task is not None and task.status is TaskStatus.ATTESTED and task.id != rotation.revoked_task


def plan_stage(key: Key | None, record: KeyRecord, label: str, look: Outlook) -> tuple[Step, bool]:
    """The one thing to do about a rotation whose new generation is in service, or that replaces nothing.

    Args:
        key: Its declaration; without one nothing is waited for any more.
        record: With a rotation.
        label: Of the key.
        look: Everything planning may know.

    Returns:
        The step, and whether it comes before anything else that is to do about the key.
    """
    rotation = record.rotation
    assert rotation is not None  # noqa: S101 - the caller looked
    old = _named(rotation)
    task = deletion_task(record, look.state.tasks)
    if rotation.stage is Stage.PUBLISHED and key is not None:
        return _adoption(record, label, look)
    if rotation.stage in {Stage.PUBLISHED, Stage.ADOPTED}:
        return _advance(record, label, f"{old} begins to drain"), True
    if rotation.stage is Stage.DRAINING:
        return _draining(key, record, label, task, look)
    if rotation.stage is Stage.PROVEN:
        return _advance(record, label, f"the secret of {old} leaves Vault"), True
    return _proof(record, label, task, look)


def _adoption(record: KeyRecord, label: str, look: Outlook) -> tuple[Step, bool]:
    if adoption_told(record, look.snapshot.of(record.address).report) is not None:
        return _advance(record, label, "its process reports the new generation"), True
    task = look.open_task(record.address, TaskKind.ADOPT_KEY)
    if task is None:
        return _advance(record, label, "its owner is asked whether the process uses it"), True
    return waiting(record.address, task, label, f"rotation: published; {_blocks()}"), False


def _draining(
    key: Key | None, record: KeyRecord, label: str, task: Task | None, look: Outlook
) -> tuple[Step, bool]:
    rotation = record.rotation
    assert rotation is not None  # noqa: S101 - the caller looked
    old = _named(rotation)
    if task is not None and task.is_open:
        return waiting(
            record.address, task, label, task.rejection or f"rotation: {old} is to be deleted"
        ), False
    if task is not None and task.status is TaskStatus.ATTESTED:
        return _advance(record, label, f"{old} is deleted, as attested"), True
    ends = drained_at(rotation, key.overlap if key else None)
    if ends > look.now:
        note = f"rotation: {old} lives beside it until {format_instant(ends)}"
        return held_up(record.address, label, note), False
    return _advance(record, label, f"a task to delete {old} opens"), True


def _proof(record: KeyRecord, label: str, task: Task | None, look: Outlook) -> tuple[Step, bool]:
    rotation = record.rotation
    assert rotation is not None  # noqa: S101 - the caller looked
    old = _named(rotation)
    if is_attested_again(rotation, task):
        return _advance(record, label, f"{old} is gone, as attested once more"), True
    if may_prove(rotation, look.snapshot.site_networks, look.now):
        return _advance(record, label, f"{old} is asked once: it must be rejected"), True
    if task is not None and task.is_open:
        return waiting(record.address, task, label, f"rotation: {old} is not proven dead; {_blocks()}"), False
    if rotation.proof_at is not None and look.now < rotation.proof_at + BREAKER_LASTS:
        again = format_instant(rotation.proof_at + BREAKER_LASTS)
        return held_up(
            record.address, label, f"rotation: {old} gave no answer; asked again after {again}"
        ), False
    return _advance(record, label, f"somebody is asked to see that {old} is gone"), True


def may_prove(rotation: Rotation, site: tuple[IPNetwork, ...], now: datetime) -> bool:
    """Whether the old generation may be asked from a site now: inside its allowlist, and not a moment ago."""
    if not rotation.retired:
        return False
    if rotation.proof_at is not None and now < rotation.proof_at + BREAKER_LASTS:
        return False
    networks, seen = rotation.old.terms.networks, rotation.old.networks
    if networks is None and seen is None:
        return False
    return all(admits(known, site or None) for known in (networks, seen) if known is not None)


def _advance(record: KeyRecord, label: str, what: str) -> Step:
    rotation = record.rotation
    named = "rotation" if rotation is None or rotation.replaces else "revocation"
    return settlement(record.address, Action.ADVANCE, label, f"{named}: {what}")


def _named(rotation: Rotation) -> str:
    return rotation.old.named


def _blocks() -> str:
    return "the next rotation waits for this one"


def reported_by(record: KeyRecord, report: Report | None) -> tuple[datetime, Provenance] | None:
    """When and how a report says that the process uses the new generation."""
    at = adoption_told(record, report)
    return (at, Provenance.REPORTED) if at is not None else None
