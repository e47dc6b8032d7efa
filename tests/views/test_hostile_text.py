"""Foreign text, whatever it holds, neither steers a terminal nor passes for a line of ours."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.model.address import Address
from krakenstate.model.plan import (
    Action,
    AttributeChange,
    Blast,
    BlastChange,
    Check,
    DriftItem,
    OpenTask,
    Reason,
    Risk,
    RiskWord,
    Step,
    Upcoming,
)
from krakenstate.model.provenance import Missing
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from krakenstate.views import apply_text, drift_text, observe_text, state_text, task_text
from krakenstate.views.plan_html import render_plan_html
from krakenstate.views.plan_json import plan_json
from krakenstate.views.plan_text import render_plan
from krakenstate.views.plan_words import summary_line
from krakenstate.views.style import plain, wrap
from krakenstate.views.values import dump
from tests.views import plans, samples
from tests.views.plans import NOW, PLANS, PNL

SGR = re.compile(r"\x1b\[[0-9]+m")
HOSTILE = [
    pytest.param("\x1b[31mred\x1b]0;title\x07", id="escape sequences"),
    pytest.param("\u202egnp.exe\u2066\u200f", id="direction overrides"),
    pytest.param("x\nPlan: 0 to add, 0 to change, 0 to destroy.", id="a line of ours"),
    pytest.param("x\r\n\x85\u2028Apply complete!\u2029", id="every kind of line break"),
    pytest.param("**bold** `code` | <!-- x --> @everyone", id="Markdown"),
    pytest.param('"] }\n  # spot_key.pnl will be destroyed\n  - spot_key "pnl" {', id="a block of ours"),
    pytest.param("\x9b2J\x7f\x00\b\b", id="eight-bit controls"),
]
FOREIGN = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from("\n\r\t\x1b\x07\x85\x9b\u2028\u2029\u202e\u2066\u200f\ufeff "),
    ),
    max_size=60,
)


def hostile_plan(text):
    """A plan with foreign text in every place that takes any."""
    change = AttributeChange(name=text, before=text, after=[text], note=text)
    elements = AttributeChange(name="set", before=[], after=[text], added=(text,), removed=(text,), note=text)
    common = {
        "label": text,
        "note": text,
        "assignee": text,
        "waits_on": (text,),
        "code": text,
        "task_id": text,
    }
    body = {"before": {text: text}, "after": {text: [text], "deep": {text: text}}}
    steps = [
        Step(
            address=Address(f"spot_key.a{number}"),
            action=action,
            reason=Reason.TASK_OPEN,
            changes=(change, elements) if number % 2 else (),
            after_unknown=(text,),
            missing=Missing.UNREADABLE if action is Action.UNKNOWN else None,
            **common,
            **(body if number % 3 else {"after": {text: text, "two": f"{text}\n{text}"}}),
        )
        for number, action in enumerate(Action)
    ]
    risk = Risk(address=PNL, word=RiskWord.GAINS, text=text, critical=True)
    task = OpenTask(
        id=text,
        kind=TaskKind.EDIT_KEY,
        address=PNL,
        assignee=text,
        title=text,
        rejection=text,
        waits_on=(text,),
    )
    blast = Blast(can=(text,), account=text, reach=text, until=None, text=text, critical=True)
    told = BlastChange(address=PNL, before=blast.model_copy(update={"text": f"{text}."}), after=blast)
    made = plans.plan(
        *steps,
        risks=(risk,),
        complete=False,
        site=text,
        commit=text,
        tasks=(task,),
        upcoming=(Upcoming(address=PNL, on=None, text=text),),
        checks=(Check(code=text, address=PNL, text=text),),
        drift=(DriftItem(address=PNL, label=text, changes=(change, elements), risks=(risk,)),),
    )
    return made.model_copy(update={"blast": (told,)})


def texts_of(text, colour):
    """Every view of foreign text."""
    plan = hostile_plan(text)
    task = samples.CREATE_PNL.model_copy(
        update=dict.fromkeys(("id", "title", "assignee", "instructions", "evidence", "rejection"), text)
    )
    seen = samples.snapshot()
    junk = samples.REPORT.model_copy(update={"path": text, "problem": text})
    answer = samples.REPORT.answer.model_copy(update=dict.fromkeys(("who", "host", "site"), text))
    reported = samples.REPORT.model_copy(update={"answer": answer})
    noted = {
        a: o.model_copy(update={"detail": text, "code": text, "report": reported if o.at else junk})
        for a, o in seen.observations.items()
    }
    snapshot = seen.model_copy(update={"observations": noted, "site": text, "stack": text})
    record = samples.ACCOUNT.model_copy(update={"email": text, "username": text})
    told = samples.outcome(Effect.FAILED, text, code=text, report=text)
    return [
        render_plan(plan, now=NOW, colour=colour, explain=True),
        render_plan(plan, now=NOW, colour=colour, width=30, hints=False),
        render_plan_html(plan, now=NOW, explain=True),
        drift_text.render_drift(plan.facts.drift, snapshot, now=NOW, colour=colour),
        observe_text.render_snapshot(snapshot, now=NOW, colour=colour),
        task_text.render_task_list([task], now=NOW, colour=colour),
        task_text.render_task(task, now=NOW, colour=colour),
        state_text.render_record(record, tasks=[task], colour=colour),
        apply_text.finished(told, elapsed_s=1, colour=colour),
        apply_text.report_of(told),
        dump(plan_json(plan, now=NOW, explain=True)),
        dump(task_text.task_json(task)),
        dump(state_text.record_json(record, tasks=[task])),
        dump(observe_text.snapshot_json(snapshot)),
    ]


def controls_in(text):
    """The characters of a text that do more than stand there; line breaks are the views' own."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and c != "\n"}


@given(FOREIGN)
@settings(max_examples=50)
def test_no_control_character_survives_in_any_view(text):
    """Whatever a name or note holds, no view lets it steer the terminal; colours are the views' own."""
    for uncoloured, coloured in zip(texts_of(text, False), texts_of(text, True), strict=True):
        assert controls_in(uncoloured) == set()
        assert SGR.sub("", coloured) == uncoloured


@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_of_ours_can_be_forged(text):
    """Foreign text never adds a line that starts where ours do: it changes words, not the set of lines."""
    honest, forged = render_plan(hostile_plan("x"), now=NOW), render_plan(hostile_plan(text), now=NOW)

    def starts(rendered):
        return [line.split(" ")[0] for line in rendered.splitlines() if line and not line.startswith(" ")]

    assert starts(forged) == starts(honest)
    assert "  - spot_key" not in [line[:12] for line in forged.splitlines() if '"pnl"' in line]
    assert summary_line(hostile_plan(text).summary) in forged.splitlines()


@pytest.mark.parametrize("text", HOSTILE)
def test_json_values_are_clean(text):
    """JSON holds no control characters either, so that printing a decoded value is harmless."""

    def leaves(value):
        if isinstance(value, dict):
            for key, leaf in value.items():
                yield key
                yield from leaves(leaf)
        elif isinstance(value, list):
            for leaf in value:
                yield from leaves(leaf)
        elif isinstance(value, str):
            yield value

    found = plan_json(hostile_plan(text), now=NOW)
    assert set().union(*(controls_in(leaf) for leaf in leaves(found))) == set()


def test_half_a_surrogate_pair_can_be_printed():
    """Text that UTF-8 cannot carry is replaced, so that writing it never fails."""
    assert plain("a\ud800b") == "a\ufffdb"


def test_commands_and_links_are_never_broken():
    """A wrapped sentence keeps a command and a URL on one line each."""
    text = (
        "look at https://docs.example/a-very-long-page-name-with-hyphens?and=query and then run: "
        "krakenstate task settle 3f9c2a01 --created"
    )
    lines = wrap(text, 30, "  ")
    assert any("https://docs.example/a-very-long-page-name-with-hyphens?and=query" in line for line in lines)
    assert any("krakenstate task settle 3f9c2a01 --created" in line for line in lines)


@given(st.lists(st.tuples(st.sampled_from(Action), st.sampled_from(Reason)), max_size=12))
def test_summary_counts_agree_with_the_steps(rows):
    """The numbers a reader sees are those of the blocks above them, in text and in JSON."""
    steps = [
        Step(address=Address(f"spot_key.a{number}"), action=action, reason=reason)
        for number, (action, reason) in enumerate(rows)
    ]
    plan = plans.plan(*steps)
    text = render_plan(plan, now=NOW)
    actions = [action for action, _ in rows]
    rotated = actions.count(Action.ROTATE)
    assert plan_json(plan, now=NOW)["summary"] == {
        "import": rows.count((Action.UPDATE, Reason.ADOPTED)),
        "add": actions.count(Action.CREATE) + rotated,
        "change": actions.count(Action.UPDATE) - rows.count((Action.UPDATE, Reason.ADOPTED)),
        "remove": actions.count(Action.DELETE) + rotated,
        "forget": actions.count(Action.FORGET),
        "manual": actions.count(Action.MANUAL),
    }
    blocks = [line for line in text.splitlines() if line.startswith("  # spot_key.a")]
    assert len(blocks) == len(plan.proposals) + len(plan.settlements)
    assert text.count(" needs a manual step") == plan.summary.manual
    assert (summary_line(plan.summary) in text) is bool(plan.proposals)


@pytest.mark.parametrize("name", PLANS)
def test_colour_changes_nothing_but_colour(name):
    """Meaning never rests on colour: without it the text is the same."""
    plan = PLANS[name]()
    assert SGR.sub("", render_plan(plan, now=NOW, colour=True)) == render_plan(plan, now=NOW)
