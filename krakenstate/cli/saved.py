"""Plan files: written by ``plan --out``, read by ``show`` and ``apply``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from krakenstate.errors import PlanUnreadable, StackResultInvalid, UsageError

if TYPE_CHECKING:
    import typer

    from krakenstate.model.plan import Plan

SUFFIX = ".json"
_BESIDE_A_PLAN = {"stack", "approved_digest", "desired", "site", "lock_timeout", "stats", "as_json"}


def is_plan_file(argument: str | None) -> bool:
    """Whether the argument of ``apply`` or ``show`` means a plan, and no stack."""
    return argument is not None and argument.endswith(SUFFIX)


def require_plan_name(file: Path) -> None:
    """Makes sure that a file would be taken for a plan.

    Raises:
        UsageError: Its name ends otherwise.
    """
    if not is_plan_file(file.name):
        raise UsageError(
            f"{file} does not end in {SUFFIX}, so it is no plan's file.",
            next_step="Give a file that krakenstate plan --out wrote, or shall write, such as plan.json.",
        )


def save_plan(plan: Plan, file: Path) -> None:
    """Writes a plan's file.

    Raises:
        FileUnusable: It cannot be written.
    """
    from krakenstate.cli.common import write_file
    from krakenstate.model.saved import dump_plan

    write_file(file, dump_plan(plan))


def read_plan(file: Path) -> Plan:
    """A plan from its file, which anybody may have written.

    Raises:
        FileUnusable: It cannot be read, or is too large.
        PlanUnreadable: It is no plan of a format that this version knows.
        PlanAltered: Its digest is not its decision's.
    """
    from krakenstate.stack.load import read_file
    from krakenstate.stack.text import clean

    shown = clean(str(file), 200)
    return parse_plan(read_file(file, shown), shown)


def parse_plan(data: bytes, shown: str) -> Plan:
    """A plan from the bytes of its file; what it means is said anew, from what its digest covers.

    Raises:
        PlanUnreadable, PlanAltered: As ``read_plan``.
    """
    from krakenstate.engine.stakes import restated
    from krakenstate.model.saved import load_plan
    from krakenstate.stack.plain import is_modest, parse_json

    try:
        value = parse_json(data, shown)
    except StackResultInvalid as wrong:
        raise PlanUnreadable(wrong.message) from None
    if not is_modest(value):
        raise PlanUnreadable(f"{shown} holds a number that no plan has.")
    return restated(load_plan(value, shown))


def refuse_options(context: typer.Context) -> None:
    """Makes sure that only those options stand beside a plan file that do not make another plan of it.

    Raises:
        UsageError: Another one was given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        given = source is not None and source.name == "COMMANDLINE"
        if given and parameter.name not in _BESIDE_A_PLAN:
            raise UsageError(
                f"{parameter.opts[0]} cannot be given with a plan file: what is in it is decided.",
                next_step="Leave it out, or plan again with it.",
            )
