"""A snapshot: what was observed, how it is known, and what is not."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from krakenstate.model.provenance import Provenance
from krakenstate.model.report import Report
from krakenstate.model.snapshot import Arrival, Observation, Place, Presence, Snapshot
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain, wrap
from krakenstate.views.values import FINGERPRINT_SHOWN
from krakenstate.views.words import age, count, headline, table

_HEAD = ("ADDRESS", "PRESENCE", "PROVENANCE", "AGE", "WHY")
_COLOURS = {Presence.PRESENT: "green", Presence.ABSENT: "yellow", Presence.UNKNOWN: "cyan"}


def render_snapshot(
    snapshot: Snapshot, *, colour: bool = False, width: int = DEFAULT_WIDTH, now: datetime
) -> str:
    """A snapshot as a table by address; details follow below their row.

    Args:
        snapshot: What to show.
        colour: Whether ANSI colours are added.
        width: Columns of the terminal.
        now: The instant from which ages count.
    """
    paint = Paint(colour)
    offset = snapshot.clock_offset_ms
    title = headline(
        f"krakenstate observe: {snapshot.stack}",
        environment=None if snapshot.environment == "production" else snapshot.environment,
        site=snapshot.site,
        observed=age(snapshot.observed_at, now),
        clock=None if offset is None else f"offset {offset} ms",
    )
    arrivals = [
        line for arrival in snapshot.arrivals for line in wrap(_arrival(arrival), width, "  ", "    ")
    ]
    strays = [line for path in snapshot.strays for line in wrap(plain(path), width, "  ", "    ")]
    sections = [
        [paint.bold(title)],
        _rows(snapshot, paint, width, now),
        ["Waiting to be taken in:", *arrivals] if arrivals else [],
        ["In the inbox, for no key of this stack:", *strays] if strays else [],
        [_summary(snapshot)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def snapshot_json(snapshot: Snapshot) -> dict[str, JsonValue]:
    """The snapshot itself, as ``--observed`` reads it back; print it with :func:`values.dump`."""
    return dict(snapshot.model_dump(mode="json"))


def _rows(snapshot: Snapshot, paint: Paint, width: int, now: datetime) -> list[str]:
    observations = sorted(snapshot.observations.values(), key=lambda o: o.address)
    if not observations:
        return []
    head, *lines = table(_HEAD, [_row(o, now) for o in observations])
    shown = [paint.bold(head)]
    for observation, line in zip(observations, lines, strict=True):
        word = observation.presence.value
        at = head.index("PRESENCE")
        coloured = paint.over(_COLOURS[observation.presence], word)
        shown.append(line[:at] + coloured + line[at + len(word) :])
        code = f" ({observation.code})" if observation.code else ""
        if observation.detail or code:
            shown += wrap(f"{observation.detail}{code}", width, "    ")
        if observation.report is not None:
            shown += wrap(_report(observation.report, now), width, "    ")
    return shown


def _row(observation: Observation, now: datetime) -> tuple[str, ...]:
    known = dict.fromkeys(fact.provenance for fact in observation.facts.values() if fact.provenance)
    if observation.missing is not None and observation.provenance is not None:
        known = {observation.provenance: None}  # of what serves instead; its age is shown beside it
    elif observation.description is not None:
        known = {Provenance.OBSERVED: None, **known}
    return (
        observation.address,
        observation.presence.value,
        ", ".join(p.value for p in Provenance if p in known) or "-",
        age(observation.at, now) if observation.at else "-",
        observation.missing.value.replace("_", " ") if observation.missing else "",
    )


def _report(report: Report, now: datetime) -> str:
    """A report in a few words: who asked, from where, and how that went."""
    if report.problem:
        return f"report not used: {report.problem}"
    parts = []
    if answer := report.answer:
        where = f" at {answer.site}" if answer.site else ""
        fp = answer.fingerprint[:FINGERPRINT_SHOWN]
        parts.append(f"fp {fp} answered {answer.who} on {answer.host}{where}, {age(answer.at, now)}")
    if failure := report.failure:
        fp = failure.fingerprint[:FINGERPRINT_SHOWN]
        parts.append(f"fp {fp} was rejected ({failure.code}), {age(failure.at, now)}")
    return f"report: {'; '.join(parts) or 'asked, no answer yet'}"


def _arrival(arrival: Arrival) -> str:
    shown = f", fp {arrival.fingerprint[:FINGERPRINT_SHOWN]}" if arrival.fingerprint else ""
    where = f": {arrival.path}" if arrival.path and arrival.place is Place.INBOX else ""
    return plain(f"{arrival.address} in {arrival.place.value}, version {arrival.version}{shown}{where}")


def _summary(snapshot: Snapshot) -> str:
    present = [o.presence for o in snapshot.observations.values()]
    parts = [f"{present.count(p)} {p.value}" for p in Presence]
    unreadable = len(snapshot.unreadable)
    failed = f", {count(unreadable, 'of them unreadable', 'of them unreadable')}" if unreadable else ""
    return f"Observed {count(len(present), 'address', 'addresses')}: {', '.join(parts)}{failed}."
