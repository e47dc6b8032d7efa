"""A plan on standard output, in the format that was asked for."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.output import Output
from krakenstate.errors import FileUnusable, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from krakenstate.model.plan import Plan

COMMENT_MIN, COMMENT_MAX = 4_000, 60_000


class PlanFormat(StrEnum):
    """How a plan is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


PlanFormatOpt = Annotated[
    PlanFormat,
    typer.Option(
        "--format",
        help="How to write the plan: for a terminal, a pull request's comment, a browser, or programs.",
    ),
]
CommentLimitOpt = Annotated[
    int,
    typer.Option(
        "--comment-limit",
        metavar="N",
        min=COMMENT_MIN,
        help="Most characters of --format markdown; a longer plan is cut between two blocks.",
    ),
]


ForgeOpt = Annotated[
    bool,
    typer.Option(
        "--forge",
        help="Also write outputs and a job's summary to the files that a forge offers for them.",
    ),
]


ExplainOpt = Annotated[
    bool,
    typer.Option("--explain", help="Say of each step in plain language what it means, who acts, and why."),
]


def chosen_format(form: PlanFormat, as_json: bool) -> PlanFormat:
    """The format that ``--format`` and ``--json`` ask for together.

    Raises:
        UsageError: They contradict each other.
    """
    if as_json and form not in {PlanFormat.TEXT, PlanFormat.JSON}:
        raise UsageError(f"--json and --format {form.value} were both given.", next_step="Give one of them.")
    return PlanFormat.JSON if as_json else form


def write_forge_files(plan: Plan, *, now: datetime) -> None:
    """Outputs and summary, appended to the files that ``GITHUB_OUTPUT`` and ``GITHUB_STEP_SUMMARY`` name.

    Raises:
        FileUnusable: One cannot be written.
    """
    from krakenstate.cli.wiring import run_link
    from krakenstate.engine.stakes import worst_of
    from krakenstate.views.forge import output_lines, outputs
    from krakenstate.views.plan_markdown import SUMMARY_MAX, render_plan_markdown

    if file := os.environ.get("GITHUB_OUTPUT"):
        _append(Path(file), output_lines(outputs(plan, worst_of(plan))))
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        summary = render_plan_markdown(plan, now=now, run=run_link(os.environ), most=SUMMARY_MAX)
        _append(Path(file), summary)


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as problem:
        raise FileUnusable(f"{path} cannot be written: {problem.strerror}.") from problem


def print_plan(
    output: Output,
    plan: Plan,
    *,
    form: PlanFormat,
    now: datetime,
    comment_limit: int = COMMENT_MAX,
    explain: bool = False,
    is_saved: bool = False,
) -> None:
    """The plan as result of a command; of a saved one, how old it is as well."""
    match form:
        case PlanFormat.JSON:
            from krakenstate.views.plan_json import plan_fields
            from krakenstate.views.saved_text import staleness

            age = {"saved": staleness(plan, now)} if is_saved else {}
            output.data({**plan_fields(plan, now=now, explain=explain), **age})
        case PlanFormat.MARKDOWN:
            from krakenstate.cli.wiring import run_link
            from krakenstate.views.plan_markdown import render_plan_markdown

            run = run_link(os.environ)
            text = render_plan_markdown(plan, now=now, run=run, most=comment_limit, explain=explain)
            output.result(text.rstrip("\n"))
        case PlanFormat.HTML:
            from krakenstate.views.plan_html import render_plan_html

            output.result(render_plan_html(plan, now=now, explain=explain))
        case PlanFormat.TEXT:
            from krakenstate.cli.common import shows_hints
            from krakenstate.views.plan_text import render_plan
            from krakenstate.views.saved_text import saved_heading

            if is_saved:
                output.result(saved_heading(plan, now=now, colour=output.colour, width=output.width))
            output.result(
                render_plan(
                    plan,
                    colour=output.colour,
                    width=output.width,
                    now=now,
                    hints=shows_hints(),
                    explain=explain,
                )
            )
