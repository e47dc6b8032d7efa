"""The planner: a pure function of desired, snapshot, state and a clock.

Each address gets exactly one step, the one thing to do about it now. The decision is the proposals and what
they belong to; its digest is the same tomorrow, on another machine, and after a comment was added to the
stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from krakenstate.engine.approval import documents_touched
from krakenstate.engine.drift import find_drift
from krakenstate.engine.explain import explained
from krakenstate.engine.moves import Renames, foreseen, refuse_occupied
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_accounts import plan_account, plan_removed_account
from krakenstate.engine.plan_grants import plan_grant, plan_removed_grant
from krakenstate.engine.plan_keys import plan_key, plan_removed_key
from krakenstate.engine.plan_marks import find_rename_checks, marked, plan_let_go, refuse_protected
from krakenstate.engine.reports import known_of
from krakenstate.engine.scope import EVERYTHING, Scope
from krakenstate.engine.stakes import blast_changes_of, risks_of
from krakenstate.engine.upcoming import find_checks, find_upcoming
from krakenstate.errors import KrakenstateError, StackProblems
from krakenstate.model.address import Address
from krakenstate.model.base import alike, lighten
from krakenstate.model.decision import decide
from krakenstate.model.declarations import RESOURCE_TYPES, Account, Grant, Key
from krakenstate.model.entry import Declaration
from krakenstate.model.plan import (
    Action,
    Facts,
    ObservationFact,
    OpenTask,
    Plan,
    PlanSource,
    Step,
    StepClass,
    place_of,
)
from krakenstate.model.provenance import Provenance
from krakenstate.model.snapshot import Observation
from krakenstate.model.state import AccountRecord, GrantRecord, KeyRecord

HORIZON = timedelta(days=30)

_ORDER = {
    Action.DELETE: 0,
    Action.ROTATE: 1,
    Action.MANUAL: 2,
    Action.UPDATE: 3,
    Action.CREATE: 4,
    Action.FORGET: 5,
    Action.INGEST: 6,
    Action.VERIFY: 6,
    Action.ADVANCE: 6,
    Action.CLOSE: 6,
    Action.WAIT: 7,
    Action.UNKNOWN: 8,
    Action.NO_OP: 9,
}


_PLANNERS: Mapping[type[Declaration], Callable[[Any, Outlook], Step]] = {
    cls: plan
    for family, plan in ((Account, plan_account), (Key, plan_key), (Grant, plan_grant))
    for cls in RESOURCE_TYPES
    if issubclass(cls, family)
}
"""Who says what is to do about a resource. Processes and allowlists have no object of their own."""
_OBSERVED = frozenset(cls for cls in _PLANNERS if cls is not Grant)


def build_plan(
    look: Outlook,
    *,
    version: str,
    commit: str | None = None,
    isolation: str = "process",
    horizon: timedelta = HORIZON,
    as_of: datetime | None = None,
    scope: Scope = EVERYTHING,
) -> Plan:
    """Everything to do now, in the order it is shown.

    With ``as_of`` what is upcoming is told from that later instant. The decision stays today's, and so does
    the digest; the plan is marked, and no run carries it out.

    Raises:
        StackProblems: Declarations that cannot be carried out on what exists, all of them together.
        AddressTaken: A ``Moved`` leads to where something is recorded already.
        AddressUnknown: ``scope`` names what is neither declared nor recorded.
    """
    as_read = look
    state, pending = foreseen(look.desired, look.state)
    look = replace(look, state=state)
    steps = sorted(_steps(look, pending, scope), key=lambda s: (_ORDER[s.action], s.address))
    proposals = [s for s in steps if s.step_class is StepClass.PROPOSAL]
    decision = decide(
        proposals,
        stack=look.desired.head.name,
        environment=look.desired.head.environment.name,
        lineage=state.index.lineage,
        targets=scope.targets,
        excluded=scope.excluded,
    )
    return Plan(
        krakenstate_version=version,
        stack=decision.stack,
        environment=decision.environment,
        lineage=decision.lineage,
        steps=tuple(steps),
        risks=risks_of(proposals),
        blast=blast_changes_of(proposals),
        digest=decision.digest,
        complete=not look.snapshot.unreadable,
        targets=scope.targets,
        excluded=scope.excluded,
        facts=alike(
            Facts(
                planned_at=look.now,
                observed_at=look.snapshot.observed_at,
                site=look.snapshot.site,
                commit=commit,
                serial=look.state.index.serial,
                horizon_days=horizon.days,
                isolation=isolation,
                sources={},
                observations=(),
                tasks=_tasks(look),
                upcoming=find_upcoming(replace(look, now=as_of) if as_of else look, horizon),
                as_of=as_of.date() if as_of else None,
                documents=documents_touched(as_read, proposals),
                checks=(*find_checks(look), *find_rename_checks(look)),
                drift=find_drift(look),
            ),
            sources=_sources(look, steps),  # as made here, and for each address: not looked at once more
            observations=_observations(look),
        ),
    )


def _steps(look: Outlook, pending: Renames, scope: Scope) -> list[Step]:
    steps: list[Step] = []
    problems: list[KrakenstateError] = []
    chosen = scope.chosen(look)
    occupied = {r.kept_as for r in look.state.records if isinstance(r, KeyRecord) and r.kept_as}
    for address, resource in look.desired.resources.items():
        plan = _PLANNERS.get(type(resource))
        if plan is None or address not in chosen:
            continue
        try:
            if isinstance(resource, Key) and address in occupied:
                refuse_occupied(resource, look.state)
            step = plan(resource, look)
        except KrakenstateError as problem:
            problems.append(problem.at(resource.source))
            continue
        if step.changes:
            step = explained(step, resource)
        steps.append(marked(step, resource, look, pending))
    for record in look.state.records:
        if record.address in look.desired.resources or record.address not in chosen:
            continue
        try:
            refuse_protected(record, look)
        except KrakenstateError as problem:
            problems.append(problem)
            continue
        steps.append(_undeclared(record, look))
    if problems:
        raise StackProblems(problems)
    return steps


def _undeclared(record: AccountRecord | KeyRecord | GrantRecord, look: Outlook) -> Step:
    if record.address in look.desired.removed:
        return plan_let_go(record, look)
    match record:
        case KeyRecord():
            return plan_removed_key(record, look)
        case AccountRecord():
            return plan_removed_account(record, look)
        case GrantRecord():
            return plan_removed_grant(record, look)


def _sources(look: Outlook, steps: Iterable[Step]) -> dict[Address, PlanSource]:
    declared = look.desired.resources
    places: dict[Address, PlanSource] = {}
    source, place = None, None
    for step in steps:
        found = declared.get(step.address)
        if found is None:
            continue
        if found.source is not source:  # thousands in a row come from one line
            source = found.source
            place = place_of(source)
        if place is not None:
            places[step.address] = place
    return places


def _observations(look: Outlook) -> tuple[ObservationFact, ...]:
    """How everything declared is known, in order of address."""
    facts: list[ObservationFact] = []
    for address, resource in look.desired.resources.items():
        if type(resource) not in _OBSERVED:
            continue
        seen = look.snapshot.of(address)
        provenance, at = _known(address, seen, look)
        facts.append(
            alike(
                _FACT,
                address=address,
                provenance=provenance,
                at=at,
                missing=seen.missing,
                detail=seen.detail,
            )
        )
    return tuple(facts)


_FACT = lighten(ObservationFact(address=Address("a.a")))


def _known(address: Address, seen: Observation, look: Outlook) -> tuple[Provenance | None, datetime | None]:
    """How and when the newest that is known of something declared came to be."""
    if seen.missing is None or seen.description is not None:
        return Provenance.OBSERVED, seen.at
    record = look.state.find(address)
    if isinstance(record, KeyRecord):
        if not record.is_in_use:
            return seen.provenance, seen.at
        if seen.report is None:
            return record.provenance, record.described_at
        known = known_of(record, seen)
        return known.provenance, known.at
    return (record.provenance, record.existed_at) if isinstance(record, AccountRecord) else (None, None)


def _tasks(look: Outlook) -> tuple[OpenTask, ...]:
    return tuple(
        OpenTask(
            id=task.id,
            kind=task.kind,
            address=task.address,
            assignee=task.assignee,
            title=task.title,
            rejection=task.rejection,
            waits_on=task.waits_on,
        )
        for task in look.state.open_tasks()
    )
