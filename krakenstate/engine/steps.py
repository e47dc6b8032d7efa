"""The kinds of step a plan is made of, one constructor each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.base import alike
from krakenstate.model.plan import Action, Actor, AttributeChange, Reason, Step
from krakenstate.model.provenance import Missing
from krakenstate.model.snapshot import Observation
from krakenstate.model.task import Task, TaskKind

Values = Mapping[str, JsonValue]


def in_sync(address: Address, label: str) -> Step:
    """Nothing to do."""
    return alike(_IN_SYNC, address=address, label=label)


_IN_SYNC = Step(address=Address("a.a"), action=Action.NO_OP, reason=Reason.IN_SYNC, label="")
"""What the steps of nearly all addresses of nearly every plan are like."""


def manual(
    address: Address,
    kind: TaskKind,
    reason: Reason,
    label: str,
    *,
    note: str,
    assignee: str,
    waits_on: tuple[str, ...] = (),
    before: Values | None = None,
    after: Values | None = None,
    changes: Iterable[AttributeChange] = (),
    after_unknown: tuple[str, ...] = (),
) -> Step:
    """A task will be opened."""
    listed = tuple(changes)
    return Step(
        address=address,
        action=Action.MANUAL,
        reason=reason,
        actor=Actor.PERSON,
        label=label,
        note=note,
        task_kind=kind,
        assignee=assignee,
        waits_on=waits_on,
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
        changes=listed,
        unchanged=_unchanged(before, after, listed),
        after_unknown=after_unknown,
    )


def by_api(
    address: Address,
    action: Action,
    reason: Reason,
    label: str,
    *,
    note: str = "",
    before: Values | None = None,
    after: Values | None = None,
    changes: Iterable[AttributeChange] = (),
    after_unknown: tuple[str, ...] = (),
) -> Step:
    """A call will be made, or the state will let go."""
    listed = tuple(changes)
    return Step(
        address=address,
        action=action,
        reason=reason,
        actor=Actor.API,
        label=label,
        note=note,
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
        changes=listed,
        unchanged=_unchanged(before, after, listed),
        after_unknown=after_unknown,
    )


def replacement(
    address: Address,
    reason: Reason,
    label: str,
    *,
    note: str,
    before: Values,
    after: Values,
    changes: Iterable[AttributeChange],
) -> Step:
    """A rotation will begin: a person makes the next generation, and later deletes the old one."""
    step = by_api(
        address, Action.ROTATE, reason, label, note=note, before=before, after=after, changes=changes
    )
    return step.model_copy(update={"actor": Actor.PERSON})


def settlement(address: Address, action: Action, label: str, note: str, *, task: Task | None = None) -> Step:
    """Something that an applied declaration already allows is ready."""
    handed_in = action in {Action.INGEST, Action.VERIFY}
    return Step(
        address=address,
        action=action,
        reason=Reason.HANDED_IN if handed_in else Reason.EVIDENCE_READY,
        actor=Actor.API,
        label=label,
        note=note,
        task_id=task.id if task else None,
    )


def waiting(address: Address, task: Task, label: str, note: str = "") -> Step:
    """A task is open."""
    return Step(
        address=address,
        action=Action.WAIT,
        reason=Reason.TASK_OPEN,
        actor=Actor.PERSON,
        label=label,
        note=note or task.rejection,
        task_kind=task.kind,
        task_id=task.id,
        assignee=task.assignee,
        waits_on=task.waits_on,
    )


def held_up(
    address: Address,
    label: str,
    note: str,
    *,
    waits_on: tuple[str, ...] = (),
    task: Task | None = None,
    after: Values | None = None,
) -> Step:
    """A call waits on something unfinished."""
    return Step(
        address=address,
        action=Action.WAIT,
        reason=Reason.DEPENDENCY_UNFINISHED,
        actor=Actor.API,
        label=label,
        note=note,
        waits_on=waits_on,
        task_kind=task.kind if task else None,
        task_id=task.id if task else None,
        assignee=task.assignee if task else None,
        after=dict(after) if after is not None else None,
    )


def unread(address: Address, observation: Observation, label: str) -> Step:
    """It could not be read; that is never a change."""
    return Step(
        address=address,
        action=Action.UNKNOWN,
        reason=Reason.NOT_OBSERVED,
        label=label,
        note=observation.detail,
        missing=observation.missing or Missing.NOT_ASKED,
        code=observation.code,
    )


def additions(values: Values) -> tuple[AttributeChange, ...]:
    """Every attribute of something that does not exist yet."""
    return tuple(AttributeChange(name=name, after=value) for name, value in values.items())


def differences(before: Values, after: Values) -> tuple[AttributeChange, ...]:
    """The attributes that differ between two sets of plain values, by name."""
    return tuple(
        AttributeChange(name=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _unchanged(before: Values | None, after: Values | None, changes: tuple[AttributeChange, ...]) -> int:
    """How many attributes an existing object keeps."""
    if before is None or after is None:
        return 0
    return len(set(after) - {change.name for change in changes})
