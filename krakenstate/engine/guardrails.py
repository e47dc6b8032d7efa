"""Guardrails: what refuses a plan, found out after the plan is made and told within it.

A plan with an error among its checks is shown like any other, since its reviewer needs both, and no run
carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass

from krakenstate.engine.outlook import Outlook
from krakenstate.model.plan import Plan
from krakenstate.model.promotion import Promoted
from krakenstate.policy.base import Case
from krakenstate.policy.judge import in_order, judge, refuse


@dataclass(frozen=True, slots=True)
class Guard:
    """How strictly a run looks.

    Args:
        strict: Whether warnings of the policy are errors.
    """

    strict: bool = False


def guarded(
    plan: Plan, look: Outlook, guard: Guard, *, promotions: tuple[Promoted, ...] | None = None
) -> Plan:
    """The plan, with what the policy finds among its checks; ``promotions`` are those of its proposals."""
    case = Case(look.desired, look.now.date(), plan, promotions)
    checks = in_order([*plan.facts.checks, *judge(case, strict=guard.strict)])
    return plan.model_copy(update={"facts": plan.facts.model_copy(update={"checks": checks})})


def refuse_guarded(plan: Plan) -> None:
    """Makes sure that nothing refuses a plan.

    Raises:
        PolicyError: A rule does.
        StackProblems: Several things do.
    """
    refuse(plan.facts.checks)
