"""Guardrails: what refuses a plan, found out after the plan is made and told within it.

A plan with an error among its checks is shown like any other, since its reviewer needs both, and no run
carries it out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from krakenstate.engine.guard import Guard
from krakenstate.engine.moves import foreseen
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.thresholds import find_loose, find_stops, forced
from krakenstate.model.decision import Decision
from krakenstate.model.plan import Plan
from krakenstate.model.proof import Promoted
from krakenstate.model.state import AccountRecord, GrantRecord, KeyRecord
from krakenstate.policy.base import Case, Ruling
from krakenstate.policy.judge import in_order, judge, refuse


def guarded(
    plan: Plan, look: Outlook, guard: Guard, *, promotions: tuple[Promoted, ...] | None = None
) -> Plan:
    """The plan, with what the policy and the thresholds say of it among its checks.

    ``promotions`` are those of its proposals. That thresholds were forced is part of the decision, so it is
    approved with it.
    """
    renamed = replace(look, state=foreseen(look.desired, look.state)[0])
    since = {r.address: day for r in renamed.state.records if (day := _in_service_since(r)) is not None}
    case = Case(look.desired, look.now.date(), plan, promotions, since)
    stops = find_stops(plan, renamed)
    checks = in_order(
        [
            *plan.facts.checks,
            *judge(case, desk=guard.desk(plan) if guard.desk else Ruling(), strict=guard.strict),
            *(map(forced, stops) if guard.force_threshold else stops),
            *find_loose(look.desired.head.thresholds),
        ]
    )
    plan = plan.model_copy(update={"facts": plan.facts.model_copy(update={"checks": checks})})
    if not (stops and guard.force_threshold):
        return plan
    plan = plan.model_copy(update={"forced": True})
    return plan.model_copy(update={"digest": Decision.of(plan).digest})


def _in_service_since(record: AccountRecord | KeyRecord | GrantRecord) -> date | None:
    """The day a key was made, or else published here; of an adopted one only it itself could tell."""
    if not isinstance(record, KeyRecord):
        return None
    if record.description is not None and record.description.created_at is not None:
        return record.description.created_at.date()
    return record.published.at.date() if record.published and record.adopted is None else None


def refuse_guarded(plan: Plan) -> None:
    """Makes sure that nothing refuses a plan.

    Raises:
        PolicyError: A rule does.
        ThresholdError: It would change too much.
        StackProblems: Several things do.
    """
    refuse(plan.facts.checks)
