"""The decision of a plan: what would be proposed and for which state, and nothing that merely is so.

How this works: a plan is decision and facts. The decision is what people approve, and what its digest speaks
of: the same on two machines, tomorrow, after a squash merge, and after a comment was added to the stack.
Everything else a plan tells (ages, lines, tasks, settlements, notes) are facts, and may differ.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import rfc8785
from pydantic import ConfigDict, Field, JsonValue

from krakenstate.model.address import NAME_MAX, NAME_PATTERN, Address
from krakenstate.model.base import Model
from krakenstate.model.plan import Action, Plan, Reason, Step, StepClass
from krakenstate.model.task import TaskKind

_LEFT_OUT = ConfigDict(json_schema_serialization_defaults_required=False)


class Proposal(Model):
    """What is decided about one address.

    A rename with nothing else to approve holds address and previous address alone; every other proposal has
    all of the fields but the previous address. What is not set is left out of the JSON, and so of the digest.
    """

    model_config = _LEFT_OUT

    address: Address
    action: Action | None = None
    reason: Reason | None = None
    task: TaskKind | None = None
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None
    previous_address: Address | None = None

    @classmethod
    def of(cls, step: Step) -> "Proposal":
        """What a step that needs approval adds to the decision."""
        renamed: dict[str, Any] = {"previous_address": step.previous_address} if step.previous_address else {}
        if step.action.step_class is not StepClass.PROPOSAL:
            return cls(address=step.address, **renamed)
        return cls(
            address=step.address,
            action=step.action,
            reason=step.reason,
            task=step.task_kind,
            before=step.before,
            after=step.after,
            **renamed,
        )


class Decision(Model):
    """Everything a plan decides, by address, and the part of the stack it was limited to, if any.

    ``forced`` says that thresholds would have stopped it.
    """

    model_config = _LEFT_OUT

    stack: str = Field(pattern=f"^{NAME_PATTERN}$", max_length=NAME_MAX)
    environment: str
    lineage: str
    proposals: tuple[Proposal, ...]
    targets: tuple[Address, ...] = ()
    excluded: tuple[Address, ...] = ()
    forced: bool = False

    @classmethod
    def of(cls, plan: Plan) -> "Decision":
        """The decision that a plan's steps make."""
        return decide(
            plan.proposals,
            stack=plan.stack,
            environment=plan.environment,
            lineage=plan.lineage,
            targets=plan.targets,
            excluded=plan.excluded,
            forced=plan.forced,
        )

    def as_json(self) -> dict[str, JsonValue]:
        """What the digest speaks of: fields that were never set are left out."""
        return self.model_dump(mode="json", exclude_unset=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_of(self.as_json())


def decide(
    proposals: Iterable[Step],
    *,
    stack: str,
    environment: str,
    lineage: str,
    targets: Iterable[Address] = (),
    excluded: Iterable[Address] = (),
    forced: bool = False,
) -> Decision:
    """The decision made by steps that need approval; ``forced`` is that thresholds shall not stop it."""
    parts: dict[str, Any] = {
        "targets": tuple(sorted(set(targets))),
        "excluded": tuple(sorted(set(excluded))),
        "forced": forced,
    }
    return Decision(
        stack=stack,
        environment=environment,
        lineage=lineage,
        proposals=tuple(Proposal.of(step) for step in sorted(proposals, key=lambda s: s.address)),
        **{name: value for name, value in parts.items() if value},
    )


def digest_of(decision: JsonValue) -> str:
    """SHA-256 of canonical JSON (RFC 8785), in hexadecimal.

    Raises:
        rfc8785.CanonicalizationError: There is no canonical form, as of a number beyond 53 bits.
    """
    return hashlib.sha256(rfc8785.dumps(decision)).hexdigest()
