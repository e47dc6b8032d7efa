"""A task's life: ``open -> claimed -> verified | attested | cancelled``; a rejected one is open again.

Everything here changes the state in memory and calls nobody; whoever holds the lock saves it.
"""

from __future__ import annotations

from datetime import datetime

from krakenstate.errors import TaskNotPossible
from krakenstate.model.address import Address
from krakenstate.model.state import AccountStatus, KeyRecord, State
from krakenstate.model.task import ITS_ID, Attestation, Task, TaskKind, TaskStatus, task_id
from krakenstate.model.vocabulary import Api
from krakenstate.tasks.evidence import Evidence, evidence_for


def open_task(
    state: State,
    kind: TaskKind,
    address: Address,
    *,
    assignee: str,
    title: str,
    instructions: str,
    now: datetime,
    generation: int = 0,
    waits_on: tuple[str, ...] = (),
    subject: str = "",
    can_be_asked: bool = True,
) -> tuple[Task, bool]:
    """The task for this work, and whether it was opened now.

    A task of this kind, address and generation that is open already is that task; one that ended without
    effect makes this the next round. It waits on those of ``waits_on`` that do not exist yet: the plan that
    named them may have created one a moment ago.
    """
    same = [t for t in state.tasks if (t.kind, t.address, t.generation) == (kind, address, generation)]
    for task in same:
        if task.is_open and task.subject == subject:
            return task, False
    number, taken = len(same) + 1, {t.id for t in state.tasks}
    while (id_ := task_id(address, kind, generation, number)) in taken:
        number += 1  # a task that moved away with its record keeps its id
    task = Task(
        id=id_,
        kind=kind,
        address=address,
        assignee=assignee,
        generation=generation,
        round=number,
        opened_at=now,
        title=title,
        instructions=instructions.replace(ITS_ID, id_),
        evidence=evidence_of(state, kind, address, can_be_asked=can_be_asked).text,
        waits_on=tuple(account for account in waits_on if not _exists(state, account)),
        subject=subject,
    )
    state.put_task(task)
    return task, True


def _exists(state: State, account: str) -> bool:
    record = state.account(account)
    return record is not None and record.status is AccountStatus.EXISTS


def evidence_of(state: State, kind: TaskKind, address: str, *, can_be_asked: bool = True) -> Evidence:
    """What closes a task of this kind at this address; whether any site may ask its key decides for some."""
    record = state.key(address)
    api = record.terms.api if isinstance(record, KeyRecord) else Api.SPOT
    return evidence_for(kind, api, can_be_asked=can_be_asked)


def claim(state: State, task: Task, who: str) -> Task:
    """Somebody takes it on. Claiming again by another says who has it.

    Raises:
        TaskNotPossible: It is no longer open, or somebody else has it.
    """
    _must_be_open(task)
    if task.claimed_by and task.claimed_by != who:
        raise TaskNotPossible(f"Task {task.id} is claimed by {task.claimed_by}.", address=task.address)
    return _put(state, task, status=TaskStatus.CLAIMED, claimed_by=who)


def attest(
    state: State, task: Task, who: str, note: str, now: datetime, *, can_be_asked: bool = True
) -> Task:
    """A person's word closes it, where no API can show it; ``can_be_asked`` as for ``evidence_of``.

    Raises:
        TaskNotPossible: It is no longer open, or an API verifies this kind.
    """
    _must_be_open(task)
    evidence = evidence_of(state, task.kind, task.address, can_be_asked=can_be_asked)
    if not evidence.attestable:
        raise TaskNotPossible(
            f"Task {task.id} ({task.kind}) is not closed by anybody's word. What closes it: {evidence.text}.",
            next_step=f"See what to do: krakenstate task show {task.id}",
            address=task.address,
        )
    word = Attestation(by=who, at=now, note=note)
    return _put(
        state,
        task,
        status=TaskStatus.ATTESTED,
        attestation=word,
        rejection="",
        closed_at=now,
        closed_because=f"attested by {who}",
    )


def close(state: State, task: Task, because: str, now: datetime) -> Task:
    """Evidence closes it.

    Raises:
        TaskNotPossible: It is no longer open.
    """
    _must_be_open(task)
    return _put(state, task, status=TaskStatus.VERIFIED, rejection="", closed_at=now, closed_because=because)


def cancel(state: State, task: Task, because: str, now: datetime) -> Task:
    """It is no longer wanted, or another takes its place.

    Raises:
        TaskNotPossible: It is no longer open, or it asks what became of a creation.
    """
    _must_be_open(task)
    if task.kind is TaskKind.SETTLE_UNKNOWN:
        raise TaskNotPossible(
            f"Task {task.id} asks whether something exists; only an answer ends it: {task.evidence}.",
            address=task.address,
        )
    return _put(state, task, status=TaskStatus.CANCELLED, closed_at=now, closed_because=because)


def reject(state: State, task: Task, reason: str, correction: str = "") -> Task:
    """What was handed in was not right; the task is open again, says why, and how to put it right.

    Raises:
        TaskNotPossible: It is no longer open.
    """
    _must_be_open(task)
    return _put(state, task, status=TaskStatus.OPEN, rejection=reason, correction=correction)


def unblock(state: State, address: Address) -> None:
    """What others waited on is there now."""
    for task in state.open_tasks():
        if address in task.waits_on:
            _put(state, task, waits_on=tuple(other for other in task.waits_on if other != address))


def is_deleted(state: State, address: str, fingerprint: str) -> bool:
    """Whether somebody gave their word that a key nobody uses is deleted."""
    return any(
        (task.kind, task.status, task.subject) == (TaskKind.DELETE_KEY, TaskStatus.ATTESTED, fingerprint)
        for task in state.tasks
        if task.address == address
    )


def _must_be_open(task: Task) -> None:
    if not task.is_open:
        raise TaskNotPossible(
            f"Task {task.id} ended already: {task.closed_because or task.status.value}.",
            next_step="See what is open: krakenstate task list",
            address=task.address,
        )


def _put(state: State, task: Task, **changes: object) -> Task:
    changed = task.model_copy(update=changes)
    state.put_task(changed)
    return changed
