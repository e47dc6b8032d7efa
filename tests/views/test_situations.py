"""Ten realistic plans, as a terminal, a comment and a program get them."""

import re
from functools import cache

import pytest

from krakenstate.model.plan import Action, Reason
from krakenstate.model.task import TaskKind
from krakenstate.views import explain
from krakenstate.views.plan_json import plan_json
from krakenstate.views.plan_markdown import render_plan_markdown
from krakenstate.views.plan_text import render_plan
from krakenstate.views.style import MARKS
from krakenstate.views.values import dump
from tests.support.golden import check_golden
from tests.views import plans
from tests.views.plans import NOW
from tests.views.situations import SITUATIONS

RUN = "https://github.example/desk/keys/actions/runs/7"
LONG = 20
ANOTHER_VIEW = {"first-run", "nothing"}
"""Their golden files are those of test_plan_views."""


@cache
def situation(name):
    """A plan, made once."""
    return SITUATIONS[name]()


def short_text(text):
    """A text with its middle left out, if it is a long one."""
    lines = text.split("\n")
    return text if len(lines) < 200 else "\n".join([*lines[:80], "[...]", *lines[-30:]])


def short_json(value):
    """JSON with all but two elements of long lists left out."""
    if isinstance(value, dict):
        return {name: short_json(leaf) for name, leaf in value.items()}
    if isinstance(value, list):
        kept = value[:2] if len(value) > LONG else value
        more = [f"[{len(value)} in all]"] if len(value) > LONG else []
        return [*(short_json(element) for element in kept), *more]
    return value


@pytest.mark.parametrize("name", sorted(SITUATIONS.keys() - ANOTHER_VIEW))
def test_each_situation_reads_as_reviewed(name):
    """Terminal, comment and JSON of each situation are those that were reviewed."""
    plan = situation(name)
    check_golden(f"views/day-{name}.txt", short_text(render_plan(plan, now=NOW)) + "\n")
    most = 12_000 if name == "three-hundred-keys" else 60_000
    check_golden(f"views/day-{name}.md", render_plan_markdown(plan, now=NOW, run=RUN, most=most))
    check_golden(f"views/day-{name}.json", dump(short_json(plan_json(plan, now=NOW))) + "\n")


@pytest.mark.parametrize("name", SITUATIONS)
def test_risk_comes_before_everything_that_is_done(name):
    """In each format whoever reads from the top meets risk and policy before the first block."""
    plan = situation(name)
    text, comment = render_plan(plan, now=NOW), render_plan_markdown(plan, now=NOW, run=RUN)
    for shown, title, first in (
        (text, "Risk\n", "krakenstate will perform"),
        (comment, "#### Risk", "<details>"),
        (text, "Policy\n", "krakenstate will perform"),
        (comment, "#### Policy", "<details>"),
    ):
        if title in shown and first in shown:
            assert shown.index(title) < shown.index(first)
    assert bool(plan.risks) is ("#### Risk" in comment) is ("Risk\n" in text)


def test_a_wrong_account_is_the_first_thing_said():
    """A key of another account stands above all else, in a terminal and in a comment."""
    plan = situation("wrong-account")
    assert (
        render_plan(plan, now=NOW)
        .split("\n\n")[1]
        .startswith("Wrong account: derivatives_key.hedger: The key")
    )
    comment = render_plan_markdown(plan, now=NOW, run=RUN).split("\n\n")
    assert comment[2].startswith("> **Wrong account:** derivatives\\_key.hedger: The key answers for")


def test_three_hundred_keys_can_be_reviewed():
    """A long plan begins with what it comes to, names what is critical, and loses nothing below."""
    text = render_plan(situation("three-hundred-keys"), now=NOW)
    head = text.split("Actions are indicated")[0].splitlines()
    assert head[2:5] == [
        "Plan: 0 to add, 0 to change, 0 to destroy, 300 manual.",
        "  @ 300 spot_key need a person: create-key",
        "    If secrets leak: 3 can withdraw, 177 can trade, 120 can only read",
    ]
    assert len(head) < 60
    assert [line.split()[1] for line in head if "can move funds" in line] == [
        f"spot_key.s0{number}-p9" for number in range(3)
    ]
    assert len(re.findall(r"^  # if its secret leaks: ", text, re.MULTILINE)) == 300
    assert len(re.findall(r"^  # spot_key\.\S+ needs a manual step$", text, re.MULTILINE)) == 300


def test_what_is_left_out_says_whether_it_is_critical():
    """A list that is cut short counts the critical rows that it does not show."""
    plan = situation("three-hundred-keys")
    worse = plan.model_copy(
        update={"risks": tuple(risk.model_copy(update={"critical": True}) for risk in plan.risks)}
    )
    assert "    ... and 290 more, 290 of them critical" in render_plan(worse, now=NOW).splitlines()


def test_a_plan_is_explained_as_reviewed():
    """With --explain each block says what it means, who acts and why, in words for anybody."""
    check_golden("views/plan-every-block-explained.txt", explained(plans.every_block()) + "\n")
    found = plan_json(plans.edit(), now=NOW, explain=True)["resource_changes"][1]["explanation"]
    assert found == {
        "what": "a person changes the key in Kraken's web page; its secret stays the same, and until then "
        "the key can do what it could before",
        "who": "risk, with a task that opens when this plan is applied",
        "why": "the stack declares something else than was approved before",
    }
    assert "explanation" not in plan_json(plans.edit(), now=NOW)["resource_changes"][1]
    assert "  # what: a person changes the key" in render_plan_markdown(plans.edit(), now=NOW, explain=True)


def explained(plan):
    """The plan's text in plain language."""
    return render_plan(plan, now=NOW, explain=True)


def test_everything_that_can_be_proposed_has_words():
    """No task, action or reason of a step with a block is left to its code name."""
    assert set(explain.WHAT_OF_A_TASK) == set(TaskKind)
    assert set(explain.WHAT) == {action for action in Action if action.step_class}
    without_block = {
        Reason.TASK_OPEN,
        Reason.DEPENDENCY_UNFINISHED,
        Reason.OBSERVE_ONLY,
        Reason.OUTCOME_UNKNOWN,
        Reason.NOT_OBSERVED,
        Reason.IN_SYNC,
    }
    assert set(explain.WHY) == set(Reason) - without_block
    assert set(MARKS) == set(Action)
