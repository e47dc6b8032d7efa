"""Which format a plan is printed in, and what each is for."""

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.cli.output import Output
from krakenstate.cli.plan_output import (
    COMMENT_MAX,
    COMMENT_MIN,
    PlanFormat,
    chosen_format,
    print_plan,
    write_forge_files,
)
from krakenstate.engine.stakes import worst_of
from krakenstate.errors import FileUnusable, UsageError
from krakenstate.model.plan import RiskLevel
from krakenstate.views import markdown, plan_markdown
from krakenstate.views.forge import output_lines, outputs
from krakenstate.views.plan_json import plan_fields
from tests.views import plans
from tests.views.plans import NOW


def printed(form, **options):
    """What standard output gets."""
    out = io.StringIO()
    print_plan(Output(stdout=out), plans.edit(), form=form, now=NOW, **options)
    return out.getvalue()


def test_each_format_is_printed():
    """A terminal gets text, a comment begins with its marker, a browser gets a page, a program JSON."""
    assert printed(PlanFormat.TEXT).startswith("krakenstate plan: prod   commit 1f3c9aa")
    assert printed(PlanFormat.MARKDOWN).startswith("<!-- krakenstate:plan:prod:production -->\n")
    assert printed(PlanFormat.HTML).startswith("<!DOCTYPE html>\n")
    assert json.loads(printed(PlanFormat.JSON))["plan_digest"] == plans.DIGEST


_TEXTS = st.text(max_size=8)
_LEAVES = st.none() | st.booleans() | st.integers() | _TEXTS
_VALUES = st.recursive(
    _LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(_TEXTS, below, max_size=3)
)


@given(st.dictionaries(_TEXTS, _VALUES, max_size=4))
def test_json_written_row_by_row_is_that_of_the_encoder(value):
    """The same bytes, and an iterator among the fields is written as the list of what it gives."""
    whole, streamed = io.StringIO(), io.StringIO()
    Output(json=True, stdout=whole).data(value)
    assert whole.getvalue() == json.dumps(value, indent=2) + "\n"
    Output(json=True, stdout=streamed).data(
        {name: iter(field) if isinstance(field, list) else field for name, field in value.items()}
    )
    assert streamed.getvalue() == whole.getvalue()


def test_a_plan_of_any_length_is_written_as_it_is_made():
    """A row stands on standard output before the next one is made, so that memory does not grow with them."""
    out = io.StringIO()
    written = []

    def rows():
        for number in range(3):
            written.append(out.getvalue().count("row"))
            yield {"row": number}

    Output(json=True, stdout=out).data({"all": rows()})
    assert written == [0, 1, 2]
    plan = plan_fields(plans.edit(), now=NOW)
    assert [name for name, field in plan.items() if isinstance(field, Iterator)] == [
        "resource_changes",
        "observations",
    ]


def test_json_is_a_format():
    """``--json`` means ``--format json``, and contradicts another one."""
    assert chosen_format(PlanFormat.TEXT, True) is PlanFormat.JSON
    assert chosen_format(PlanFormat.JSON, True) is PlanFormat.JSON
    assert chosen_format(PlanFormat.HTML, False) is PlanFormat.HTML
    with pytest.raises(UsageError, match="--json and --format markdown were both given"):
        chosen_format(PlanFormat.MARKDOWN, True)


def test_a_comment_names_the_run(monkeypatch):
    """Under a forge the comment links to the run, which holds all of the plan."""
    for name, value in {
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "desk/keys",
        "GITHUB_RUN_ID": "7",
    }.items():
        monkeypatch.setenv(name, value)
    assert "[run](<https://github.example/desk/keys/actions/runs/7>)" in printed(PlanFormat.MARKDOWN)


def test_the_limits_are_those_of_the_view():
    """What the command line promises is what the view keeps."""
    assert (COMMENT_MIN, COMMENT_MAX) == (plan_markdown.COMMENT_MIN, markdown.COMMENT_MAX)


def test_a_forge_is_told_in_single_words(monkeypatch, tmp_path):
    """Later jobs read numbers and words from the file of outputs, people the plan from the job's summary."""
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for name, file in files.items():
        file.write_text("before=1\n", encoding="utf-8")
        monkeypatch.setenv(name, str(file))
    write_forge_files(plans.edit(), now=NOW)
    assert files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines() == [
        "before=1",
        "has_changes=true",
        f"plan_digest={plans.DIGEST}",
        "add=0",
        "change=1",
        "destroy=0",
        "manual=1",
        "risk=gain",
        "complete=true",
    ]
    summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    assert summary.startswith("before=1\n<!-- krakenstate:plan:prod:production -->\n")


def test_without_a_forge_nothing_is_written(monkeypatch, tmp_path):
    """Where no file is offered the flag does nothing; where one cannot be written it fails."""
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    write_forge_files(plans.edit(), now=NOW)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_forge_files(plans.edit(), now=NOW)


@pytest.mark.parametrize("digest", ["x\nrisk=none", "x\rrisk=none", "a b", "<<EOF", "x" * 200])
def test_no_value_becomes_a_second_output(digest):
    """A digest that is none, as a forged plan could have it, is refused and never written."""
    forged = plans.edit().model_copy(update={"digest": digest})
    with pytest.raises(ValueError, match="plan_digest is no single word"):
        output_lines(outputs(forged, RiskLevel.NONE))


@pytest.mark.parametrize(
    ("plan", "level"),
    [
        (plans.first_run(), RiskLevel.CRITICAL),
        (plans.edit(), RiskLevel.GAIN),
        (plans.plan(plans.stop_trading(), risks=(plans.STOPS,)), RiskLevel.LOSS),
        (plans.nothing(), RiskLevel.NONE),
    ],
)
def test_the_risk_of_a_plan_is_its_worst(plan, level):
    """One word says whether somebody gains, and whether that could empty an account."""
    assert worst_of(plan) is level
