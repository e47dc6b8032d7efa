"""Drift, tasks, state, snapshots, and the lines of apply and settle."""

import json
from datetime import timedelta

import pytest

from krakenstate.engine.drift import findings_digest, findings_of
from krakenstate.model.plan import Action, Check, PlanSource, Severity
from krakenstate.model.provenance import Missing
from krakenstate.model.run import Effect
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import State
from krakenstate.model.task import TaskKind
from krakenstate.views import apply_text, drift_text, observe_text, state_text, task_text
from krakenstate.views.drift_issue import render_drift_issue
from krakenstate.views.policy import policy_lines
from krakenstate.views.style import Paint
from krakenstate.views.values import dump
from krakenstate.views.words import age, count_of_addresses
from tests.support.golden import check_golden
from tests.views import samples
from tests.views.plans import DRIFT, NOW, PNL
from tests.views.samples import outcome

FINDINGS = (
    Check(
        code="KS5108",
        address=PNL,
        text="400 days",
        severity=Severity.ERROR,
        rule="maximum-lifetime",
        source=PlanSource(file="stacks/prod.py", line=42),
    ),
)


def issue_of(items, snapshot, checks):
    """The text of the issue, as the command prints it."""
    found = findings_of(checks)
    digest = findings_digest(items, snapshot, found)
    return render_drift_issue(items, snapshot, checks=found, digest=digest)


def calm(snapshot):
    """The same observation, had everything been readable."""
    kept = {a: o for a, o in snapshot.observations.items() if o.missing is not Missing.UNREADABLE}
    return snapshot.model_copy(update={"observations": kept})


TEXTS = {
    "drift": lambda: drift_text.render_drift(DRIFT, samples.snapshot(), now=NOW),
    "drift-none": lambda: drift_text.render_drift((), samples.snapshot(), now=NOW),
    "task-list": lambda: task_text.render_task_list([samples.GRANT, samples.CREATE_PNL], now=NOW),
    "task-show": lambda: task_text.render_task(samples.CREATE_PNL, now=NOW),
    "task-show-closed": lambda: task_text.render_task(samples.GRANT, now=NOW),
    "state-list": lambda: state_text.render_state_list(samples.state()),
    "state-show-key": lambda: state_text.render_record(samples.KEY, tasks=[samples.CREATE_PNL]),
    "state-show-account": lambda: state_text.render_record(samples.ACCOUNT),
    "state-show-grant": lambda: state_text.render_record(samples.POLICY),
    "observe": lambda: observe_text.render_snapshot(samples.snapshot(), now=NOW),
}

ISSUES = {
    "drift-issue": lambda: issue_of(DRIFT, samples.snapshot(), FINDINGS),
    "drift-issue-none": lambda: issue_of((), calm(samples.snapshot()), ()),
}

JSONS = {
    "drift": lambda: drift_text.drift_json(DRIFT, samples.snapshot(), now=NOW),
    "task-list": lambda: task_text.task_list_json([samples.GRANT, samples.CREATE_PNL]),
    "task-show": lambda: task_text.task_json(samples.CREATE_PNL),
    "state-list": lambda: state_text.state_list_json(samples.state()),
    "state-show-key": lambda: state_text.record_json(samples.KEY, tasks=[samples.CREATE_PNL]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_reads_as_reviewed(name):
    """The text of each view is the one that was reviewed."""
    check_golden(f"views/{name}.txt", TEXTS[name]() + "\n")


@pytest.mark.parametrize("name", ISSUES)
def test_each_issue_reads_as_reviewed(name):
    """The text of the issue is the one that was reviewed."""
    check_golden(f"views/{name}.md", ISSUES[name]())


def test_an_issue_changes_only_with_its_findings():
    """Hours later, from another site, with lines moved in the stack, the text is the same, byte for byte."""
    seen = samples.snapshot()
    later = seen.model_copy(
        update={
            "observed_at": seen.observed_at + timedelta(hours=5),
            "site": "office",
            "observations": {
                address: o.model_copy(
                    update={"at": o.at and o.at + timedelta(hours=5), "detail": "no answer within 9 s"}
                )
                for address, o in seen.observations.items()
            },
        }
    )
    [finding] = FINDINGS
    moved = finding.model_copy(
        update={"source": PlanSource(file="stacks/prod.py", line=99), "text": "401 days"}
    )
    assert issue_of(DRIFT, later, (moved,)) == issue_of(DRIFT, seen, FINDINGS)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda seen: (DRIFT[:0], seen, FINDINGS), id="put right"),
        pytest.param(lambda seen: (DRIFT, calm(seen), FINDINGS), id="readable again"),
        pytest.param(lambda seen: (DRIFT, seen, ()), id="rule kept"),
        pytest.param(
            lambda seen: (
                (DRIFT[0].model_copy(update={"changes": DRIFT[0].changes[:2]}),),
                seen,
                FINDINGS,
            ),
            id="one attribute less",
        ),
    ],
)
def test_an_issue_changes_with_each_finding(change):
    """What is found or put right changes the text and the digest in it."""
    before, after = issue_of(DRIFT, samples.snapshot(), FINDINGS), issue_of(*change(samples.snapshot()))
    assert before.splitlines()[0] == after.splitlines()[0] == "<!-- krakenstate:drift:prod:production -->"
    assert before.splitlines()[1].startswith("<!-- findings:")
    assert before.splitlines()[1] != after.splitlines()[1]
    assert before != after


@pytest.mark.parametrize("name", JSONS)
def test_each_json_is_the_reviewed_one(name):
    """The JSON of each view is the one that was reviewed, and any JSON library reads it back."""
    found = JSONS[name]()
    assert json.loads(dump(found)) == found
    check_golden(f"views/{name}.json", dump(found) + "\n")


def test_a_printed_snapshot_can_be_read_back():
    """What observe prints as JSON is what --observed takes."""
    printed = dump(observe_text.snapshot_json(samples.snapshot()))
    assert Snapshot.model_validate_json(printed) == samples.snapshot()


def test_no_drift_is_said_in_one_sentence():
    """Without differences the report says so, and still lists what was not seen."""
    text = drift_text.render_drift((), samples.snapshot(), now=NOW)
    assert text.splitlines()[-1] == "No drift. What was observed matches what was recorded."
    assert "derivatives_key.hedger could not be observed" in text


@pytest.mark.parametrize(
    ("effects", "line"),
    [
        pytest.param([], "Apply complete! Resources: 0 added, 0 changed, 0 destroyed.", id="nothing"),
        pytest.param(
            [Effect.CREATED, Effect.UPDATED, Effect.UPDATED],
            "Apply complete! Resources: 1 added, 2 changed, 0 destroyed.",
            id="the three",
        ),
        pytest.param(
            [Effect.DESTROYED, Effect.FORGOTTEN, Effect.OPENED, Effect.PUBLISHED],
            "Apply complete! Resources: 0 added, 0 changed, 1 destroyed, 1 forgotten, 1 manual pending.",
            id="all",
        ),
        pytest.param(
            [Effect.CREATED, Effect.FAILED],
            "Apply stopped part-way. Resources: 1 added, 0 changed, 0 destroyed, 1 failed. What was done is "
            "recorded.",
            id="a failure",
        ),
    ],
)
def test_apply_ends_with_the_exact_line(effects, line):
    """The closing line counts what was done, and says complete only if nothing failed."""
    assert apply_text.apply_complete([outcome(effect) for effect in effects]) == line


@pytest.mark.parametrize(
    ("effects", "line"),
    [
        pytest.param([], "Nothing to settle.", id="nothing"),
        pytest.param(
            [Effect.PUBLISHED] * 2 + [Effect.CLOSED] * 3 + [Effect.REJECTED],
            "Settle complete! 2 published, 3 closed, 1 rejected.",
            id="all",
        ),
        pytest.param([Effect.CLOSED], "Settle complete! 1 closed.", id="zero parts are left out"),
        pytest.param([Effect.ADVANCED, Effect.WAITING], "Settle complete! 1 advanced.", id="others"),
        pytest.param([Effect.WAITING], "Nothing to settle.", id="waiting is no change"),
        pytest.param(
            [Effect.CLOSED, Effect.FAILED],
            "Settle stopped part-way. 1 closed, 1 failed. What was done is recorded.",
            id="a failure",
        ),
    ],
)
def test_settle_ends_with_the_exact_line(effects, line):
    """The closing line of a settle counts what it settled."""
    assert apply_text.settle_complete([outcome(effect) for effect in effects]) == line


def test_progress_reads_like_terraform():
    """Each line names the address, what happens to it, and how long it took."""
    address = "spot_subaccount.mm"
    done = outcome(Effect.CREATED, "Creation complete [username=desk-mm]", address)
    assert apply_text.started(address, Action.CREATE) == "spot_subaccount.mm: Creating..."
    assert apply_text.still_running(address, Action.CREATE, 10.2) == (
        "spot_subaccount.mm: Still creating... [10s elapsed]"
    )
    assert apply_text.finished(done, elapsed_s=3.4) == (
        "spot_subaccount.mm: Creation complete after 3s [username=desk-mm]"
    )
    assert apply_text.finished(outcome(Effect.FAILED, "no answer", code="KS2001")) == (
        "spot_key.pnl: no answer (KS2001)"
    )
    assert apply_text.task_opened("spot_key.pnl", "3f9c2a01", "risk", TaskKind.CREATE_KEY) == (
        "spot_key.pnl: task 3f9c2a01 opened for risk: create-key"
    )


def test_a_report_stands_apart_from_the_lines():
    """A ticket keeps its lines, indented so that none of them passes for ours."""
    told = outcome(Effect.OPENED, "task", report="To: support\n\nApply complete! Resources: 9 added\n")
    assert apply_text.report_of(told) == "    To: support\n\n    Apply complete! Resources: 9 added"
    assert apply_text.report_of(outcome(Effect.OPENED)) == ""


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        pytest.param(timedelta(seconds=-5), "just now", id="a clock ahead"),
        pytest.param(timedelta(seconds=59), "just now", id="seconds"),
        pytest.param(timedelta(minutes=2), "2 min ago", id="minutes"),
        pytest.param(timedelta(hours=3, minutes=59), "3 h ago", id="hours"),
        pytest.param(timedelta(days=1), "1 day ago", id="one day"),
        pytest.param(timedelta(days=5), "5 days ago", id="days"),
    ],
)
def test_ages_are_rounded_down(ago, text):
    """An age names its largest whole unit."""
    assert age(NOW - ago, NOW) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1 address"), (17, "17 addresses"), (2**64 + 2, "about 2^64 addresses")],
)
def test_a_number_of_addresses_can_be_read(number, text):
    """In a register and of a single key as in a plan."""
    assert count_of_addresses(number) == text


def test_what_to_correct_comes_before_what_was_asked_for():
    """A key that was handed in is corrected; the click list of the task would make a second one."""
    task = samples.CREATE_PNL.model_copy(
        update={"correction": "Tick Query.", "instructions": "Create a key."}
    )
    shown = task_text.render_task(task, now=NOW)
    first, second = "What to correct:\n    Tick Query.\n", "What was asked for at first:\n    Create a key.\n"
    assert f"{first}\n{second}" in shown
    assert "What to do:" not in shown


def test_a_here_document_can_be_pasted():
    """Its lines, its last word above all, begin at the edge, where a shell looks for them."""
    text = (
        "1. Install it.\n\nbao policy write p - <<'EOF'\n# a path\npath \"x\" {\n}\nEOF\n\n2. Say so:\n\ndone"
    )
    task = samples.GRANT.model_copy(update={"instructions": text})
    shown = task_text.render_task(task, now=NOW)
    assert "    1. Install it.\n\nbao policy write p - <<'EOF'\n# a path\npath" in shown
    assert '\npath "x" {\n}\nEOF\n\n    2. Say so:\n\n    done\n' in shown


def test_an_empty_list_says_so():
    """No tasks and no records are sentences, not silence."""
    empty = State(samples.state().index, {})
    assert task_text.render_task_list([], now=NOW) == "No tasks."
    assert state_text.render_state_list(empty) == "The state records nothing yet."


def test_many_warnings_of_one_rule_are_counted_beside_a_plan():
    """Ten of them are told and the rest counted; errors are told one by one, and alone a policy tells all."""
    warned = Check(code="KS5111", address=PNL, text="works for ever", severity=Severity.WARNING, rule="end")
    checks = [*FINDINGS * 12, *[warned] * 25]
    beside = policy_lines(checks, Paint(False), 80, most=10)
    assert sum("400 days" in line for line in beside) == 12
    assert sum("works for ever" in line for line in beside) == 10
    assert beside[-1] == "  and 15 more of rule end; krakenstate policy check lists all"
    assert sum("works for ever" in line for line in policy_lines(checks, Paint(False), 80)) == 25
