"""``--json`` of apply and settle: what happens, one JSON object a line, as the schema says."""

import io
import json
import threading
from dataclasses import replace

import pytest

from krakenstate.cli import app, event_stream
from krakenstate.cli.output import Output
from krakenstate.cli.words import streams_events
from krakenstate.engine import observe, reading, runs
from krakenstate.errors import LockHeld, PolicyError, Source, StackProblems
from krakenstate.model.plan import Action
from krakenstate.model.run import Effect, Outcome
from krakenstate.secret.redactor import register
from tests.support.golden import check_golden
from tests.support.world import World, derivatives_key, grant, spot_key
from tests.views.test_schemas import problems

KEY, PERP = spot_key(), derivatives_key()


def streaming():
    """An output whose streams are kept."""
    return Output(json=True, events=True, stdout=io.StringIO(), stderr=io.StringIO())


def lines_of(output):
    """The events on standard output, each checked against the schema; what differs in each run is masked."""
    found = [json.loads(line) for line in output.stdout.getvalue().splitlines()]
    for event in found:
        assert problems("event", event) == [], event
        event["@timestamp"] = "2026-11-02T09:00:00Z"
        if "plan_digest" in event:
            event["plan_digest"] = "of this run's lineage"
    return found


def watched(world: World, output: Output, operation: str):
    """A run of this world that tells what happens."""
    return runs.writing(
        replace(world.session(), audience=event_stream.EventStream(output)), operation, wait_s=0
    )


def apply(world: World) -> Output:
    """As ``apply --json`` does, apart from the questions."""
    output = streaming()
    event_stream.begin_events(output)
    with watched(world, output, "apply") as run:
        snapshot = observe.take_snapshot(run.session, run.state)
        plan = reading.make_plan(run.session, run.state, snapshot)
        event_stream.tell_plan(output, plan)
        outcomes = runs.apply(run, snapshot, plan)
        event_stream.tell_end(output, "apply", outcomes, run.state.open_tasks(), plan)
    return output


def settle(world: World) -> Output:
    """As ``settle --json`` does."""
    output = streaming()
    event_stream.begin_events(output)
    with watched(world, output, "settle") as run:
        settled = runs.settle(run)
        event_stream.tell_end(output, "settle", settled.outcomes, run.state.open_tasks(), settled.plan)
    return output


@pytest.fixture
def ready(world: World) -> World:
    """A state, and a stack with two keys and a grant."""
    world.initialise()
    world.declare(KEY, PERP, grant())
    return world


def test_an_apply_is_told_from_version_to_summary(ready, monkeypatch):
    """The plan and its numbers, each step and the task it opened, and the result as the last line."""
    monkeypatch.setattr(event_stream, "__version__", "0.1.0")
    events = lines_of(apply(ready))
    assert [e["type"] for e in events] == [
        "version",
        *["planned_change"] * 3,
        "change_summary",
        *["apply_start", "task_opened", "apply_complete"] * 3,
        "change_summary",
    ]
    assert events[-1]["@message"].endswith("0 added, 0 changed, 0 destroyed, 3 manual pending.")
    assert {o["address"]: o["effect"] for o in events[-1]["outcomes"]} == {
        KEY.address: "opened",
        PERP.address: "opened",
        "grant.pnl": "opened",
    }
    check_golden("views/events.jsonl", "".join(f"{json.dumps(e)}\n" for e in events))


def test_a_settle_tells_what_was_verified(ready):
    """A key in the inbox is published, and its task has been verified by that."""
    ready.apply()
    ready.leave_in_inbox("pnl", KEY.address, ready.make_key(KEY))
    events = lines_of(settle(ready))
    assert [e["type"] for e in events if e["type"] != "diagnostic"] == [
        "version",
        "apply_start",
        "apply_complete",
        "task_verified",
        "change_summary",
    ]
    [verified] = [e["task"] for e in events if e["type"] == "task_verified"]
    assert (verified["kind"], verified["address"], verified["status"]) == (
        "create-key",
        KEY.address,
        "verified",
    )
    assert events[-1]["changes"]["published"] == 1
    assert [t["address"] for t in events[-1]["tasks"]] == [PERP.address, "grant.pnl"]


def test_a_rejected_key_tells_of_its_breaker(ready):
    """Kraken does not know the key: who is left alone, and until when."""
    ready.apply()
    credential = ready.make_key(KEY)
    ready.leave_in_inbox("pnl", KEY.address, credential)
    ready.people("delete-key", account="desk", name="pnl-g1")
    events = lines_of(settle(ready))
    [opened] = [e for e in events if e["type"] == "breaker_open"]
    assert (opened["@level"], opened["breaker"]["scope"]) == ("warn", "credential")
    assert opened["breaker"]["address"] == KEY.address
    assert opened["breaker"]["until"] == "2026-11-02T09:15:00Z"


def test_a_step_that_fails_is_an_error_and_counted(ready, monkeypatch):
    """The others are told as ever."""
    ready.declare(KEY, grant(manage=True))
    monkeypatch.setattr(ready.administration, "lacking", list)
    events = lines_of(apply(ready))
    [failed] = [e for e in events if e["type"] == "apply_errored"]
    assert (failed["@level"], failed["hook"]["resource"]["addr"]) == ("error", "grant.pnl")
    assert failed["hook"]["result"]["code"] == "KS7023"
    assert events[-1]["changes"] | {"operation": "apply"} == events[-1]["changes"]
    assert (events[-1]["changes"]["failed"], events[-1]["changes"]["manual"]) == (1, 1)


def test_a_long_call_is_told_while_it_lasts(monkeypatch):
    """As Terraform does, so that nobody takes silence for death."""
    monkeypatch.setattr("krakenstate.cli.progress.STILL_EVERY_S", 0.01)
    output = streaming()
    stream = event_stream.EventStream(output)
    went_on = threading.Event()
    still = stream._still
    monkeypatch.setattr(stream, "_still", lambda *told: (still(*told), went_on.set()))
    stream.begin(KEY.address, Action.VERIFY)
    assert went_on.wait(10)
    stream.end(Outcome(address=KEY.address, effect=Effect.PUBLISHED, text="Verification complete"))
    types = [e["type"] for e in lines_of(output)]
    assert (types[0], types[-1]) == ("apply_start", "apply_complete")
    assert set(types[1:-1]) == {"apply_progress"}


def test_no_line_holds_a_registered_secret():
    """Whatever a text came from."""
    output = streaming()
    register("a-canary-that-must-not-appear")
    event_stream.EventStream(output).say("it was a-canary-that-must-not-appear")
    assert "canary" not in output.stdout.getvalue()


def test_a_failure_is_the_last_line_with_the_fields_of_its_envelope():
    """One may route on error and code, as without events."""
    output = streaming()
    source = Source("stacks/prod.py", 7, "SpotKey(")
    output.print_error(LockHeld("Ann holds it.", address="spot_key.pnl", source=source))
    [event] = lines_of(output)
    assert (event["type"], event["@level"], event["@message"]) == (
        "diagnostic",
        "error",
        "Error: State is locked",
    )
    assert (event["error"], event["code"], event["retryable"]) == ("lock_held", "KS6001", True)
    assert event["diagnostic"] == {
        "severity": "error",
        "summary": "State is locked",
        "detail": "Ann holds it.",
        "next_step": "Wait for the other run, or give it time: --lock-timeout 60s",
        "address": "spot_key.pnl",
        "file": "stacks/prod.py",
        "line": 7,
    }


def test_several_problems_stand_in_one_line():
    """Each with its own code."""
    output = streaming()
    output.print_error(StackProblems([PolicyError("One."), PolicyError("Two.")]))
    [event] = lines_of(output)
    assert event["error"] == "stack_problems"
    assert [p["message"] for p in event["problems"]] == ["One.", "Two."]


@pytest.mark.parametrize(
    ("words", "streams"),
    [
        (["apply", "prod", "--json"], True),
        (["--chdir", "x", "settle", "--json"], True),
        (["apply", "plan.json"], False),
        (["plan", "--json"], False),
        (["task", "settle", "1", "--json"], False),
        (["--chdir", "apply", "plan", "--json"], False),
    ],
    ids=str,
)
def test_apply_and_settle_alone_print_events(words, streams):
    """Others print one document."""
    assert streams_events(words) is streams


def test_a_usage_error_of_apply_is_an_event_too(capsys):
    """Everything on standard output is."""
    assert app.run(["apply", "--json", "--no-such-flag"]) == 1
    event = json.loads(capsys.readouterr().out)
    assert problems("event", event) == []
    assert event["code"] == "KS8001"
