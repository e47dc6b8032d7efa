"""A creation whose answer never came: it is said, asked of a person, and never sent again by itself."""

import signal

import pytest

from krakenstate.model.task import TaskKind
from tests.support.e2e import APPLY, AT_RUNNER, COMMAND_MAX_S, Desk
from tests.support.proxy import Proxy, Way

ADDRESS = "spot_subaccount.mm"
CREATE = "CreateSubaccount"
LEASE_S = 61


def usernames(desk: Desk) -> list[str]:
    """The accounts Kraken has that carry the declared user name."""
    return [a["username"] for a in desk.kraken.people("state")["accounts"] if a["username"] == "desk-mm"]


def nothing_is_sent_again(desk: Desk) -> None:
    """Plan, apply and settle all wait for the answer of a person."""
    sent = len(desk.calls(CREATE))
    plan = desk.data("plan", *AT_RUNNER)
    change = next(c for c in plan["resource_changes"] if c["address"] == ADDRESS)
    assert change["change"]["actions"] in (["wait"], ["unknown"])
    assert plan["summary"]["add"] == 0
    desk.run(*APPLY, "--detailed-exitcode", code=8, expect="No changes to propose. 1 manual task open.")
    desk.run("settle", *AT_RUNNER, expect="Nothing to settle.")
    assert len(desk.calls(CREATE)) == sent


@pytest.mark.timeout(240)
def test_a_creation_that_happened_unseen_goes_on_after_a_persons_word(controlled: tuple[Desk, Proxy]) -> None:
    """The answer was lost: a task asks, nobody sends again, and --created goes on from there."""
    desk, way = controlled
    way.treat(CREATE, Way.ANSWER_LOST)
    done = desk.run(*APPLY, code=4, expect="outcome unknown")
    task = desk.task(TaskKind.SETTLE_UNKNOWN, ADDRESS)
    assert task in done.stdout + done.stderr
    assert usernames(desk) == ["desk-mm"]
    way.let_go()

    assert desk.tasks()[task]["kind"] == "settle-unknown"
    nothing_is_sent_again(desk)
    desk.run("task", "settle", task, "--created")
    assert {t["kind"] for t in desk.tasks().values()} == {"finish-email-setup"}
    desk.run(*APPLY, "--detailed-exitcode", code=8, expect="No changes to propose. 1 manual task open.")
    assert len(desk.calls(CREATE)) == 1


@pytest.mark.timeout(240)
def test_a_creation_that_never_arrived_is_proposed_again_after_a_persons_word(
    controlled: tuple[Desk, Proxy],
) -> None:
    """From here both look alike; --absent makes it a proposal again, and the next apply sends it, once."""
    desk, way = controlled
    way.treat(CREATE, Way.NEVER_ARRIVED)
    desk.run(*APPLY, code=4, expect="outcome unknown")
    way.let_go()
    assert usernames(desk) == []

    task = desk.task(TaskKind.SETTLE_UNKNOWN, ADDRESS)
    desk.run("task", "settle", task, "--absent")
    desk.run("task", "settle", task, "--created", code=1)  # it was answered, once and for all
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=2, expect="Plan: 1 to add")
    assert desk.calls(CREATE) == []
    desk.run(*APPLY, expect="Resources: 1 added")
    assert [c["outcome"] for c in desk.calls(CREATE)] == ["ok"]


@pytest.mark.timeout(240)
def test_a_run_killed_after_sending_leaves_the_question_to_the_next(controlled: tuple[Desk, Proxy]) -> None:
    """SIGKILL right after the request left: the next run says so, opens the task, and sends nothing."""
    desk, way = controlled
    way.treat(CREATE, Way.STALLED)
    running = desk.start(*APPLY)
    assert way.reached.wait(COMMAND_MAX_S)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    way.let_go()
    assert usernames(desk) == ["desk-mm"]

    desk.run(*APPLY, code=6, expect="KS6001")  # its lease still runs
    desk.advance(LEASE_S)
    task = desk.task(TaskKind.SETTLE_UNKNOWN, ADDRESS)
    done = desk.run(*APPLY, "--detailed-exitcode", code=8, expect="An earlier apply")
    assert task in done.stdout + done.stderr
    nothing_is_sent_again(desk)
    desk.run("task", "settle", task, "--created")
    assert len(desk.calls(CREATE)) == 1
    assert usernames(desk) == ["desk-mm"]


@pytest.mark.timeout(240)
def test_a_plan_after_a_killed_run_does_not_propose_what_may_have_happened(
    controlled: tuple[Desk, Proxy],
) -> None:
    """A reader too sees the open intent of a run that never ended: nothing is shown as still to come."""
    desk, way = controlled
    way.treat(CREATE, Way.STALLED)
    running = desk.start(*APPLY)
    assert way.reached.wait(COMMAND_MAX_S)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    way.let_go()
    desk.advance(LEASE_S)

    plan = desk.data("plan", *AT_RUNNER)
    change = next(c for c in plan["resource_changes"] if c["address"] == ADDRESS)
    assert change["change"]["actions"] != ["create"]
