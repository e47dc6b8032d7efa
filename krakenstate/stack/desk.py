"""The desk's own rules: ``policies/*.py`` beside ``stacks/``, each looked at in child processes, twice.

They are code of the repository, like stack files, and run as those do: no environment, no credentials, no
network, kernel isolation where there is any. They are given plan and desired state as data. What they send
back is untrusted; a file that fails in any way is reported as such, never as one that found nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from krakenstate.errors import KrakenstateError
from krakenstate.model.base import Model
from krakenstate.model.violation import Violation
from krakenstate.stack import process
from krakenstate.stack.find import RULES_FOLDER, find_rules
from krakenstate.stack.listening import Child, Ending
from krakenstate.stack.plain import describe_place, parse_json
from krakenstate.stack.running import SEEDS
from krakenstate.stack.text import clean


class ReportedRule(Model):
    """A rule, as the child names it."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,49}$")
    says: str = Field(max_length=400)
    line: int = Field(ge=1, le=10**7)


class ReportedViolation(Violation):
    """A violation, and the rule that gave it."""

    rule: str = Field(max_length=50)


class RulesReport(Model):
    """All a child says about the policy file that it ran."""

    finished: bool
    rules: tuple[ReportedRule, ...] = Field(max_length=1000)
    violations: tuple[ReportedViolation, ...] = Field(max_length=10_000)
    failure: str | None = Field(max_length=4000)
    failed_at: int = Field(ge=1, le=10**7)


@dataclass(frozen=True, slots=True)
class Ruled:
    """What one policy file came to.

    Args:
        file: As the user names it, ``policies/desk.py``.
        rules: Those that were looked at.
        violations: What they found.
        failure: Why the file as a whole counts for nothing; empty if it does count.
        line: Where that is.
        unheld: Why it did not run: it was to run under kernel isolation alone.
    """

    file: str
    rules: tuple[ReportedRule, ...] = ()
    violations: tuple[ReportedViolation, ...] = ()
    failure: str = ""
    line: int = 1
    unheld: str = ""

    @property
    def stem(self) -> str:
        """What the names of its rules begin with."""
        return Path(self.file).stem


def look_at_rules(
    project: Path, desired: dict[str, Any], plan: dict[str, Any] | None, *, kernel_only: bool
) -> list[Ruled]:
    """Runs every policy file of a project.

    Args:
        project: The folder that contains ``stacks/`` and ``policies/``.
        desired: What ``krakenstate render`` prints.
        plan: What ``krakenstate plan --json`` prints, if there is a plan.
        kernel_only: Whether a file runs only if the kernel holds it.
    """
    data = json.dumps({"plan": plan, "desired": desired}).encode()
    return [_look(file, project, data, kernel_only=kernel_only) for file in find_rules(project)]


def _look(file: Path, project: Path, data: bytes, *, kernel_only: bool) -> Ruled:
    shown = clean(f"{RULES_FOLDER}/{file.name}", 200)
    real = file.resolve()
    if not real.is_file() or real != project.resolve() / RULES_FOLDER / file.name:
        return Ruled(shown, failure="It is a link or no file, and links could lead to any file.")
    children = process.run_children(
        real, shown, project.resolve(), SEEDS, process.TIME_MAX_S, kernel_only=kernel_only, data=data
    )
    for child in children:
        if kernel_only and child.isolation.kind != "kernel" and child.ending is Ending.BY_ITSELF:
            return Ruled(shown, unheld=child.isolation.reason or "the kernel did not hold it")
    return _same([_read(child, shown) for child in children])


def _read(child: Child, shown: str) -> Ruled:
    if child.ending is not Ending.BY_ITSELF:
        return Ruled(shown, failure=f"Its process was ended: it {_SAID[child.ending]}.")
    if not child.report:
        return Ruled(shown, failure="Its process ended before it had reported.")
    try:
        report = RulesReport.model_validate(parse_json(bytes(child.report), f"What {shown} sent back"))
    except ValidationError as invalid:
        return Ruled(shown, failure=f"What it sent back is wrong at {describe_place(invalid)}.")
    except KrakenstateError as wrong:
        return Ruled(shown, failure=wrong.message)
    if report.failure is not None or not report.finished:
        failure = clean(report.failure or "It did not run to its end.", 1000)
        return Ruled(shown, failure=failure, line=report.failed_at)
    return Ruled(shown, report.rules, tuple(map(_harmless, report.violations)))


_SAID = {
    Ending.OUT_OF_TIME: f"ran longer than {process.TIME_MAX_S:g} seconds",
    Ending.PRINTED_TOO_MUCH: "printed too much",
    Ending.REPORTED_TOO_MUCH: "found more than fits into a report",
}


def _harmless(violation: ReportedViolation) -> ReportedViolation:
    texts = {"message": clean(violation.message, 1000), "remedy": clean(violation.remedy, 500)}
    return violation.model_copy(update=texts)


def _same(ruled: Sequence[Ruled]) -> Ruled:
    """What both runs say; a difference is a failure."""
    first, second = ruled
    if first == second or first.failure:
        return first
    return Ruled(first.file, failure="Two runs of it, with different hash seeds, gave different results.")
