"""A plan as JSON, field by field as scripts rely on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.base import format_instant
from krakenstate.model.plan import (
    Action,
    Actor,
    AttributeChange,
    Blast,
    BlastChange,
    DriftItem,
    ObservationFact,
    OpenTask,
    Plan,
    PlanSource,
    Risk,
    Step,
)
from krakenstate.views.blocks import ordered_risks
from krakenstate.views.explain import explanation
from krakenstate.views.plan_words import is_applyable
from krakenstate.views.policy import check_rows
from krakenstate.views.style import plain, plain_lines, shown_first
from krakenstate.views.values import clean_json, clean_object, sensitive_leaves
from krakenstate.views.words import by_day

Json = dict[str, JsonValue]
Streamed = JsonValue | Iterator[JsonValue]


def plan_json(plan: Plan, *, now: datetime, explain: bool = False) -> Json:
    """A plan as an object that any JSON library can write, as ``plan_fields`` has it, made whole."""
    fields = plan_fields(plan, now=now, explain=explain)
    return {name: [*value] if isinstance(value, Iterator) else value for name, value in fields.items()}


def plan_fields(plan: Plan, *, now: datetime, explain: bool = False) -> dict[str, Streamed]:
    """A plan as the fields of an object; the rows of which it has one for each key are made as they are read.

    Steps stand by address, then in the order of a plan's blocks. Text is clean of control characters; only
    the line breaks of texts of several lines stay.

    Args:
        plan: What to show.
        now: The instant of writing, and from which ages count.
        explain: Whether each step is told in plain language too.
    """
    facts = plan.facts
    steps = sorted(plan.steps, key=lambda s: (s.address, shown_first(s.action), s.task_id or ""))
    proposed = [step for step in steps if step.action is Action.MANUAL]
    tasks = sorted(facts.tasks, key=lambda task: (task.address, task.id))
    return {
        "format_version": plan.format_version,
        "krakenstate_version": plain(plan.krakenstate_version),
        "timestamp": format_instant(now),
        "planned_at": format_instant(facts.planned_at),
        "environment": plain(plan.environment),
        "stack": plain(plan.stack),
        "lineage": plain(plan.lineage),
        "serial": facts.serial,
        "isolation": plain(facts.isolation),
        "site": _text(facts.site),
        "commit": _text(facts.commit),
        "plan_digest": plain(plan.digest),
        "applyable": is_applyable(plan),
        "as_of": facts.as_of.isoformat() if facts.as_of else None,
        "complete": plan.complete,
        "errored": not plan.complete,
        "targets": [str(address) for address in plan.targets],
        "excluded": [str(address) for address in plan.excluded],
        "resource_changes": (_change(step, facts.sources.get(step.address), explain) for step in steps),
        "resource_drift": drift_rows(facts.drift),
        "checks": check_rows(facts.checks),
        "manual_tasks": [*(_proposed_task(step) for step in proposed), *(_open_task(t) for t in tasks)],
        "risks": risk_rows(plan.risks),
        "blast_radius": [_blast_change(change) for change in plan.blast],
        "upcoming": [
            {
                "address": str(item.address),
                "on": item.on.isoformat() if item.on else None,
                "text": plain(item.text),
            }
            for item in by_day(facts.upcoming)
        ],
        "observations": (_observation(o, now) for o in sorted(facts.observations, key=lambda o: o.address)),
        "summary": dict(plan.summary.model_dump(by_alias=True)),
    }


def drift_rows(items: Iterable[DriftItem]) -> list[JsonValue]:
    """Drift in the shape of changes, by address."""
    return [_drift(item) for item in sorted(items, key=lambda item: item.address)]


def risk_rows(risks: Iterable[Risk]) -> list[JsonValue]:
    """Risks as objects, gains first, then by address."""
    return [
        {
            "address": str(risk.address),
            "word": risk.word.value,
            "text": plain(risk.text),
            "critical": risk.critical,
            "gain": risk.word.is_gain,
        }
        for risk in ordered_risks(risks)
    ]


def _blast_change(change: BlastChange) -> JsonValue:
    return {
        "address": str(change.address),
        "before": _blast(change.before),
        "after": _blast(change.after),
        "critical": change.critical,
    }


def _blast(blast: Blast | None) -> JsonValue:
    if blast is None:
        return None
    return {
        "can": None if blast.can is None else [plain(word) for word in blast.can],
        "account": plain(blast.account),
        "reach": plain(blast.reach),
        "until": blast.until.isoformat() if blast.until else None,
        "text": plain(blast.text),
        "critical": blast.critical,
    }


def _change(step: Step, source: PlanSource | None, explain: bool) -> JsonValue:
    plainly = explanation(step)._asdict() if explain and step.step_class else {}
    return {
        **({"explanation": {name: plain(text) for name, text in plainly.items()}} if plainly else {}),
        "address": str(step.address),
        "previous_address": _text(step.previous_address),
        "class": step.step_class.value if step.step_class else None,
        "type": step.address.type,
        "name": step.address.name,
        "label": plain(step.label),
        "action_reason": step.reason.value,
        "would": step.would.value if step.would else None,
        "actor": step.actor.value if step.actor else None,
        "note": plain(step.note),
        "task_kind": step.task_kind.value if step.task_kind else None,
        "task_id": _text(step.task_id),
        "assignee": _text(step.assignee),
        "waits_on": [plain(what) for what in step.waits_on],
        "missing": step.missing.value if step.missing else None,
        "code": plain(step.code),
        "unchanged": step.unchanged,
        "source": None
        if source is None
        else {"file": plain(source.file), "line": source.line, "text": plain(source.text)},
        "attributes": [_attribute(c) for c in sorted(step.changes, key=lambda c: c.name)],
        "change": {
            "actions": [step.action.value],
            "before": clean_object(step.before),
            "after": clean_object(step.after),
            "after_unknown": {plain(name): True for name in sorted(step.after_unknown)},
            "before_sensitive": sensitive_leaves(step.before),
            "after_sensitive": sensitive_leaves(step.after),
            "replace_paths": [],
            "importing": {"id": plain(step.address)} if step.is_import else None,
        },
    }


def _attribute(change: AttributeChange) -> JsonValue:
    return {
        "name": plain(change.name),
        "before": clean_json(change.before, change.name),
        "after": clean_json(change.after, change.name),
        "added": _texts(change.added),
        "removed": _texts(change.removed),
        "note": plain(change.note),
    }


def _drift(item: DriftItem) -> JsonValue:
    before: Json = {change.name: change.before for change in item.changes}
    after: Json = {change.name: change.after for change in item.changes}
    return {
        "address": str(item.address),
        "type": item.address.type,
        "name": item.address.name,
        "label": plain(item.label),
        "class": None,
        "attributes": [_attribute(c) for c in sorted(item.changes, key=lambda c: c.name)],
        "risks": risk_rows(item.risks),
        "change": {
            "actions": [Action.UPDATE.value],
            "before": clean_json(before),
            "after": clean_json(after),
            "after_unknown": {},
            "before_sensitive": sensitive_leaves(before),
            "after_sensitive": sensitive_leaves(after),
        },
    }


def _proposed_task(step: Step) -> JsonValue:
    return {
        "status": "proposed",
        "id": _text(step.task_id),
        "kind": step.task_kind.value if step.task_kind else None,
        "address": str(step.address),
        "actor": Actor.PERSON.value,
        "assignee": _text(step.assignee),
        "title": plain(step.label),
        "rejection": "",
        "waits_on": [plain(what) for what in step.waits_on],
    }


def _open_task(task: OpenTask) -> JsonValue:
    return {
        "status": "open",
        "id": plain(task.id),
        "kind": task.kind.value,
        "address": str(task.address),
        "actor": Actor.PERSON.value,
        "assignee": plain(task.assignee),
        "title": plain(task.title),
        "rejection": "\n".join(plain_lines(task.rejection)),
        "waits_on": [plain(what) for what in task.waits_on],
    }


def _observation(fact: ObservationFact, now: datetime) -> JsonValue:
    return {
        "address": str(fact.address),
        "source": str(fact.address),
        "age": None if fact.at is None else max(0, int((now - fact.at).total_seconds())),
        "at": None if fact.at is None else format_instant(fact.at),
        "provenance": fact.provenance.value if fact.provenance else None,
        "missing": fact.missing.value if fact.missing else None,
        "detail": plain(fact.detail),
    }


def _text(text: str | Address | None) -> str | None:
    return None if text is None else plain(text)


def _texts(texts: tuple[str, ...] | None) -> list[JsonValue] | None:
    return None if texts is None else [plain(text) for text in texts]
