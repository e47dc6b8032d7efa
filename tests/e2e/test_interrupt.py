"""Signals during a writing run: it ends in order, gives the lock back, and forgets nothing."""

import signal
from collections.abc import Callable
from contextlib import suppress

import pytest

from krakenstate.model.task import TaskKind
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    COMMAND_MAX_S,
    HEADER,
    HEDGER,
    MASTER,
    RUNNER,
    SUBACCOUNT,
    Desk,
)
from tests.support.proxy import Proxy, Way, proxy

CREATE = "CreateSubaccount"
SECOND = SUBACCOUNT.replace("mm", "opts")
OTHER_MASTER = """
stack.add(MasterAccount(name="shop", email="shop@desk.example"))
"""
SIGNALS = [
    pytest.param(signal.SIGTERM, 143, "KS9004", id="SIGTERM"),
    pytest.param(signal.SIGINT, 130, "KS9003", id="SIGINT"),
]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("number", "code", "ks"), SIGNALS)
def test_the_first_signal_lets_the_running_call_finish(
    controlled: tuple[Desk, Proxy], number: signal.Signals, code: int, ks: str
) -> None:
    """What was under way is finished and recorded, the rest is left, and the next apply goes on at once."""
    desk, way = controlled
    desk.stack_file.write_text(desk.stack_file.read_text(encoding="utf-8") + SECOND, encoding="utf-8")
    way.treat(CREATE, Way.STALLED)
    running = desk.start(*APPLY)
    assert way.reached.wait(COMMAND_MAX_S)
    running.send_signal(number)
    assert "Stopping after the running call" in next(line for line in running.stderr if "Stopping" in line)
    way.let_go()
    _, stderr = running.communicate(timeout=COMMAND_MAX_S)

    assert running.returncode == code, stderr
    assert f"\n  {ks}\n" in stderr
    assert "Traceback" not in stderr
    assert desk.lock_is_free()
    assert len(desk.calls(CREATE)) == 1
    desk.run(*APPLY, expect="Resources: 1 added")
    made = {a["username"] for a in desk.kraken.people("state")["accounts"] if a["kind"] == "sub"}
    assert made == {"desk-mm", "desk-opts"}
    assert len(desk.calls(CREATE)) == 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("number", "code", "ks"), SIGNALS)
def test_the_second_signal_stops_at_once_and_leaves_the_question(
    controlled: tuple[Desk, Proxy], number: signal.Signals, code: int, ks: str
) -> None:
    """A call that was cut off is unknown, not undone: the lock is free, and nothing is sent again."""
    desk, way = controlled
    way.treat(CREATE, Way.STALLED)
    running = desk.start(*APPLY)
    assert way.reached.wait(COMMAND_MAX_S)
    running.send_signal(number)
    assert any("Again: stop at once" in line for line in running.stderr)
    running.send_signal(number)
    with suppress(ProcessLookupError):
        running.send_signal(number)  # impatience while the lock is given back does not keep it
    _, stderr = running.communicate(timeout=COMMAND_MAX_S)
    way.let_go()

    assert running.returncode == code, stderr
    assert f"\n  {ks}\n" in stderr
    told = " ".join(stderr.split())
    assert "create-subaccount for spot_subaccount.mm was under way, and may or may not have taken" in told
    assert "Traceback" not in stderr
    assert desk.lock_is_free()
    desk.run(*APPLY, "--detailed-exitcode", code=8)
    assert desk.task(TaskKind.SETTLE_UNKNOWN, "spot_subaccount.mm") in desk.tasks()
    assert len(desk.calls(CREATE)) == 1


@pytest.mark.timeout(240)
def test_the_second_signal_while_observing_leaves_nothing_unknown(controlled: tuple[Desk, Proxy]) -> None:
    """Where nothing is being changed, stopping at once says so, and leaves no question behind."""
    desk, way = controlled
    before = desk.lasting()
    way.treat("/0/public/Time", Way.STALLED)
    running = desk.start("settle", *AT_RUNNER)
    assert way.reached.wait(COMMAND_MAX_S)
    running.send_signal(signal.SIGINT)
    assert any("Stopping" in line for line in running.stderr)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=COMMAND_MAX_S)
    way.let_go()
    assert running.returncode == 130, stderr
    assert "while nothing was being changed" in " ".join(stderr.split())
    assert desk.lasting() == before
    assert desk.lock_is_free()


@pytest.mark.timeout(240)
def test_a_signal_while_observing_writes_nothing(controlled: tuple[Desk, Proxy]) -> None:
    """Stopped before the first step, a run has changed nothing, and its lock is free."""
    desk, way = controlled
    before = desk.lasting()
    way.treat("/0/public/Time", Way.STALLED)
    running = desk.start(*APPLY)
    assert way.reached.wait(COMMAND_MAX_S)
    running.send_signal(signal.SIGTERM)
    assert any("Stopping" in line for line in running.stderr)
    way.let_go()
    running.communicate(timeout=COMMAND_MAX_S)
    assert running.returncode == 143
    assert desk.calls(CREATE) == []
    assert desk.lasting() == before
    assert desk.lock_is_free()
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=2)


@pytest.mark.timeout(240)
def test_ctrl_c_while_accounts_are_asked_side_by_side_ends_at_once(new_desk: Callable[[str], Desk]) -> None:
    """Nobody waits for an answer that does not come: the command ends while the call still hangs."""
    desk = new_desk(HEADER + HEDGER + OTHER_MASTER)
    with proxy(desk.kraken.origin) as way:
        desk.origin = way.origin
        desk.run("init")
        desk.run(*APPLY, expect="1 manual pending")
        made = desk.make_key(MASTER, "derivatives", general="READ_ONLY", transfer="NO_ACCESS", ip=[RUNNER])
        desk.hand_in("derivatives_key.hedger", made, *AT_RUNNER)
        way.treat("/v3/check", Way.STALLED)
        running = desk.start("observe", *AT_RUNNER)
        assert way.reached.wait(COMMAND_MAX_S)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=COMMAND_MAX_S / 2)  # the proxy holds the answer for longer
        way.let_go()

    assert running.returncode == 130, stderr
    assert "\n  KS9003\n" in stderr
    assert "Traceback" not in stderr
