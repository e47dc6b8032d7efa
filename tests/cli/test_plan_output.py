"""Which format a plan is printed in, and what each is for."""

import io
import json

import pytest

from krakenstate.cli.output import Output
from krakenstate.cli.plan_output import COMMENT_MAX, COMMENT_MIN, PlanFormat, chosen_format, print_plan
from krakenstate.errors import UsageError
from krakenstate.views import plan_markdown
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
    assert (COMMENT_MIN, COMMENT_MAX) == (plan_markdown.COMMENT_MIN, plan_markdown.COMMENT_MAX)
