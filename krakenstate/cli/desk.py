"""The desk's own rules, as commands look at them: run in child processes, told like the built-in ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krakenstate.errors import (
    DeskRuleBroken,
    DeskRuleFailed,
    DeskRulesAbsent,
    DeskRulesNotRun,
    PolicyError,
    Source,
)

if TYPE_CHECKING:
    from krakenstate.model.plan import Plan, Severity
    from krakenstate.policy.base import Broken, Ruling
    from krakenstate.stack.desk import ReportedViolation, Ruled
    from krakenstate.stack.load import LoadedStack


def desk_of(
    loaded: LoadedStack, *, from_file: bool, credentials: bool
) -> Callable[[Plan | None], Ruling] | None:
    """What looks at the desk's rules for a stack; ``None`` where there are none.

    Args:
        loaded: The stack.
        from_file: Whether it was rendered elsewhere; then the rules are those of the working folder.
        credentials: Whether this command holds any. Under CI such a one lets no code of the repository run
            that the kernel does not hold.
    """
    from krakenstate.cli.pipelines import is_ci
    from krakenstate.stack.find import StackFile, find_rules

    project = Path() if from_file else StackFile(loaded.path, "").project
    here = {file.name for file in find_rules(project)}
    absent = [name for name in loaded.policies if name not in here]
    if not here and not absent:
        return None

    def look(plan: Plan | None) -> Ruling:
        from krakenstate.policy.base import Ruling
        from krakenstate.stack.desk import look_at_rules

        kernel_only = credentials and is_ci(os.environ)
        desired = loaded.rendered.model_dump(mode="json")
        found = look_at_rules(project, desired, _plain(plan), kernel_only=kernel_only)
        return Ruling(
            rules=tuple((f"{r.stem}.{rule.name}", rule.says) for r in found for rule in r.rules),
            broken=(
                *(broken for ruled in found for broken in _broken(ruled, loaded)),
                *(_absent(name) for name in absent),
            ),
        )

    return look


def _plain(plan: Plan | None) -> dict[str, Any] | None:
    from krakenstate.views.plan_json import plan_json

    return None if plan is None else dict(plan_json(plan, now=plan.facts.planned_at))


def _broken(ruled: Ruled, loaded: LoadedStack) -> list[Broken]:
    if ruled.unheld:
        text = (
            f"The rules of {ruled.file} were not looked at: CI is set, this command holds credentials, and "
            f"{ruled.unheld}."
        )
        return [_whole(ruled, DeskRulesNotRun, text)]
    if ruled.failure:
        text = f"{ruled.file} could not be looked at. {ruled.failure} No rule in it is taken for kept."
        return [_whole(ruled, DeskRuleFailed, text)]
    return [_one(ruled, violation, loaded) for violation in ruled.violations]


def _whole(ruled: Ruled, error: type[PolicyError], text: str) -> Broken:
    from krakenstate.model.plan import Severity
    from krakenstate.policy.base import Broken

    place = Source(ruled.file, ruled.line)
    return Broken(ruled.stem, Severity.ERROR, error.code, text, error.remedy, source=place)


def _one(ruled: Ruled, violation: ReportedViolation, loaded: LoadedStack) -> Broken:
    from krakenstate.policy.base import Broken

    line = next((r.line for r in ruled.rules if r.name == violation.rule), 1)
    declared = loaded.desired.source(violation.address) if violation.address else None
    return Broken(
        rule=f"{ruled.stem}.{violation.rule}",
        severity=_severity(violation.severity),
        code=DeskRuleBroken.code,
        text=violation.message,
        remedy=violation.remedy or DeskRuleBroken.remedy,
        address=violation.address,
        source=declared or Source(ruled.file, line),
    )


def _severity(word: str) -> Severity:
    from krakenstate.model.plan import Severity

    return Severity(word)


def _absent(name: str) -> Broken:
    from krakenstate.model.plan import Severity
    from krakenstate.policy.base import Broken

    text = f"policies/{name} lay beside the stack when it was rendered, and does not here: not looked at."
    return Broken(Path(name).stem, Severity.WARNING, DeskRulesAbsent.code, text, DeskRulesAbsent.remedy)
