"""A plan in a file: decision and facts apart, and a digest that must be the decision's.

How this works: the digest is computed anew from the decision as it stands in the file, and from the steps
that stand among the facts. Both must give the digest the file says, so that what is approved, what is shown
and what would be compared at apply are one thing. The other facts are told, and decide nothing.
"""

import json
from typing import Any

import rfc8785
from pydantic import Field, JsonValue, ValidationError

from krakenstate.errors import PlanAltered, PlanUnreadable
from krakenstate.model.base import Model
from krakenstate.model.decision import Decision, digest_of
from krakenstate.model.plan import FORMAT_VERSION, BlastChange, Facts, Plan, Risk, Step

_MAJOR = FORMAT_VERSION.partition(".")[0]


class SavedFacts(Facts):
    """What a plan knows beside its decision, its steps and risks as they are shown included."""

    krakenstate_version: str
    complete: bool
    steps: tuple[Step, ...]
    risks: tuple[Risk, ...] = ()
    blast: tuple[BlastChange, ...] = ()


_OF_THE_PLAN = [name for name in SavedFacts.model_fields if name not in Facts.model_fields]


class SavedPlan(Model):
    """What ``krakenstate plan --out`` writes; ``plan_digest`` is the SHA-256 of the decision (RFC 8785)."""

    format_version: str
    plan_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    decision: Decision
    facts: SavedFacts


def dump_plan(plan: Plan) -> str:
    """The text of a plan file."""
    facts = SavedFacts(**dict(plan.facts), **{name: getattr(plan, name) for name in _OF_THE_PLAN})
    decision = Decision.of(plan)
    saved: dict[str, Any] = {
        "format_version": plan.format_version,
        "plan_digest": decision.digest,
        "decision": decision.as_json(),
        "facts": facts.model_dump(mode="json"),
    }
    return json.dumps(saved, indent=2) + "\n"


def load_plan(value: dict[str, JsonValue], shown: str) -> Plan:
    """The plan in a file.

    Args:
        value: The file's JSON object; its numbers have at most 53 bits.
        shown: How messages call the file.

    Raises:
        PlanUnreadable: It is no plan, or one of a format that this version does not know.
        PlanAltered: Its digest is not that of its decision, or its steps make another decision.
    """
    version = value.get("format_version")
    if not isinstance(version, str) or version.partition(".")[0] != _MAJOR or "decision" not in value:
        raise PlanUnreadable(f"{shown} is no plan of a format that this version knows.")
    try:
        saved = SavedPlan.model_validate(value)
        computed = digest_of(value["decision"])
    except ValidationError as wrong:
        [first, *_] = wrong.errors(include_url=False, include_input=False, include_context=False)
        place = ".".join(str(part) for part in first["loc"])[:120]
        raise PlanUnreadable(f"{shown} is no plan that this version can read: {place} is wrong.") from None
    except (rfc8785.CanonicalizationError, ValueError):
        raise PlanUnreadable(f"{shown} holds numbers or text that have no canonical form.") from None
    if computed != saved.plan_digest:
        raise PlanAltered(
            f"{shown} says that its digest is {saved.plan_digest}, and its decision's is {computed}. It was "
            "changed after it was made, or damaged on its way."
        )
    plan = _assembled(saved)
    if Decision.of(plan).digest != computed:
        raise PlanAltered(
            f"{shown} shows other steps than it decides, so what was reviewed may not be what its digest "
            "speaks of."
        )
    for step in plan.steps:
        if not _shows_what_it_decides(step):
            raise PlanAltered(f"{shown} shows another change of {step.address} than it decides.")
    return plan


def _shows_what_it_decides(step: Step) -> bool:
    """Whether the changes that a block shows are those between the values before and after, all of them."""
    before, after = step.before or {}, step.after or {}
    for change in step.changes:
        if (change.before, change.after) != (before.get(change.name), after.get(change.name)):
            return False
        if change.added is not None or change.removed is not None:
            old, new = (value if isinstance(value, list) else [] for value in (change.before, change.after))
            signed = ([e for e in new if e not in old], [e for e in old if e not in new])
            if ([*(change.added or ())], [*(change.removed or ())]) != signed:
                return False
    if not step.changes and (step.before is None or step.after is None):
        return True  # the block shows that side whole
    differing = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return differing - _UNTOLD <= {change.name for change in step.changes}


_UNTOLD = {"reads", "rotate_every", "rotate_before", "overlap"}
"""What blocks leave out: a new policy's text, which its task holds, and what no key knows of itself."""


def _assembled(saved: SavedPlan) -> Plan:
    decision, facts = saved.decision, saved.facts
    return Plan(
        format_version=saved.format_version,
        stack=decision.stack,
        environment=decision.environment,
        lineage=decision.lineage,
        targets=decision.targets,
        excluded=decision.excluded,
        forced=decision.forced,
        digest=saved.plan_digest,
        facts=Facts(**{name: getattr(facts, name) for name in Facts.model_fields}),
        **{name: getattr(facts, name) for name in _OF_THE_PLAN},
    )
