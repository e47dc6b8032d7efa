"""What the proposals of a plan mean: the risk of each step, and the blast radius of each key it is about.

A pure function of what the digest of a plan covers: actions, and values before and after. So it is said again
of a plan that was saved, and nobody can write a harmless risk list beside a harmful step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from krakenstate.engine.blast import blast_of
from krakenstate.engine.plan_grants import risks_of_grant
from krakenstate.engine.risk import risks_of_changes, risks_of_new_key, risks_of_removed_key, sort_risks
from krakenstate.engine.steps import differences
from krakenstate.model.declarations import DerivativesKey, Grant, SpotKey
from krakenstate.model.plan import Action, Blast, BlastChange, Plan, Reason, Risk, RiskLevel, Step, StepClass
from krakenstate.model.task import TaskKind

_KEYS = {SpotKey.type_name, DerivativesKey.type_name}
_REMOVALS = {TaskKind.STOP_PROCESS, TaskKind.DELETE_KEY}


def risks_of(steps: Iterable[Step]) -> tuple[Risk, ...]:
    """The risk list of the proposals among these steps."""
    return sort_risks(risk for step in _proposals(steps) for risk in _risks(step))


def blast_changes_of(steps: Iterable[Step]) -> tuple[BlastChange, ...]:
    """The blast radius of each key that a proposal is about: critical ones first, then by address."""
    found = [change for step in _proposals(steps) if (change := _blast(step)) is not None]
    return tuple(sorted(found, key=lambda change: (not change.critical, change.address)))


def restated(plan: Plan) -> Plan:
    """A plan with the risks and blast radii that its steps have, whatever it says of them itself."""
    return plan.model_copy(update={"risks": risks_of(plan.steps), "blast": blast_changes_of(plan.steps)})


def worst_of(plan: Plan) -> RiskLevel:
    """The worst risk of a plan; a critical one is also a key that is critical when it leaks."""
    if any(risk.critical for risk in plan.risks) or any(change.critical for change in plan.blast):
        return RiskLevel.CRITICAL
    if any(risk.word.is_gain for risk in plan.risks):
        return RiskLevel.GAIN
    return RiskLevel.LOSS if plan.risks else RiskLevel.NONE


def _proposals(steps: Iterable[Step]) -> Iterable[Step]:
    return (step for step in steps if step.action.step_class is StepClass.PROPOSAL)


def _risks(step: Step) -> list[Risk]:
    if step.address.type == Grant.type_name:
        return risks_of_grant(step)
    if step.task_kind is TaskKind.CREATE_KEY and step.after:
        return risks_of_new_key(step.address, _account(step.after), step.after)
    if _is_removal(step) and step.before:
        return risks_of_removed_key(step.address, _account(step.before), step.before)
    is_change = step.action in {Action.UPDATE, Action.ROTATE} or step.task_kind is TaskKind.EDIT_KEY
    if not is_change or step.is_import:
        return []
    return risks_of_changes(step.address, differences(step.before or {}, step.after or {}))


def _blast(step: Step) -> BlastChange | None:
    """Nothing for what is no key, and for a record that says nothing of what a key can do."""
    before, after = _side(step, step.before), _side(step, step.after)
    if step.task_kind is TaskKind.CREATE_KEY:
        before = None  # an earlier declaration that nobody has made a key of
    elif step.is_import:
        before = after  # it exists, and stays as it is
    elif step.reason is Reason.LET_GO:
        after = before  # nothing is done at Kraken
    elif step.action is Action.FORGET:
        return None  # nobody has handed in a key
    if before is None and after is None:
        return None
    return BlastChange(address=step.address, before=before, after=after)


def _side(step: Step, values: Mapping[str, JsonValue] | None) -> Blast | None:
    if step.address.type not in _KEYS or not values or "account" not in values:
        return None
    return blast_of(step.address.type, _account(values), values)


def _is_removal(step: Step) -> bool:
    return step.task_kind in _REMOVALS and step.reason is Reason.REMOVED_FROM_STACK


def _account(values: Mapping[str, JsonValue]) -> str:
    """The name in the address of an account."""
    return str(values.get("account", "")).partition(".")[2]
