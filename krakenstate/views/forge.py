"""What a pipeline's later jobs are told of a plan: single words, numbers and a digest."""

from __future__ import annotations

import re

from krakenstate.model.plan import Plan, RiskLevel

_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,128}")


def outputs(plan: Plan, risk: RiskLevel) -> dict[str, str]:
    """The outputs of a plan's step, by name.

    Args:
        plan: What they are about.
        risk: The worst there is in it.
    """
    summary = plan.summary
    return {
        "has_changes": _truth(bool(plan.proposals or plan.settlements)),
        "plan_digest": plan.digest,
        "add": str(summary.add),
        "change": str(summary.change),
        "destroy": str(summary.remove),
        "manual": str(summary.manual),
        "risk": risk.value,
        "complete": _truth(plan.complete),
    }


def output_lines(values: dict[str, str]) -> str:
    """Outputs as GitHub and its kin read them from a file, a line each.

    Raises:
        ValueError: A value is no single word, so it could be read as another output.
    """
    for name, value in values.items():
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the output {name} is no single word")
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _truth(value: bool) -> str:
    return "true" if value else "false"
