"""One writer at a time, on the real command line and a real Vault server."""

import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from krakenstate.model.base import format_instant
from krakenstate.model.run import Lock
from krakenstate.store.vault.lock import VaultLockKeeper
from tests.support.cli import ROOT
from tests.support.e2e import APPLY, AT_RUNNER, COMMAND_MAX_S, HEADER, PNL, SUBACCOUNT, Desk
from tests.support.proxy import Proxy, Way
from tests.support.terminal import on_a_terminal

CREATE = "CreateSubaccount"
SECOND = SUBACCOUNT.replace("mm", "opts")
RUN = {
    "GITHUB_SERVER_URL": "https://forge.example",
    "GITHUB_REPOSITORY": "desk/accounts",
    "GITHUB_RUN_ID": "4711",
}
LINK = "https://forge.example/desk/accounts/actions/runs/4711"


@pytest.fixture
def busy(controlled: tuple[Desk, Proxy]) -> Any:
    """A desk, its proxy, and an apply that holds the lock while Kraken's answer to a creation is awaited."""
    desk, way = controlled
    desk.stack_file.write_text(desk.stack_file.read_text(encoding="utf-8") + SECOND, encoding="utf-8")
    way.treat(CREATE, Way.STALLED)
    running = desk.start(*APPLY, env=RUN)
    try:
        assert way.reached.wait(COMMAND_MAX_S)
        yield desk, way, running
    finally:
        way.let_go()
        if running.poll() is None:
            running.kill()
        running.communicate()


def usernames(desk: Desk) -> set[str]:
    """The subaccounts that exist at Kraken."""
    return {a["username"] for a in desk.kraken.people("state")["accounts"] if a["kind"] == "sub"}


@pytest.mark.timeout(240)
def test_of_two_applies_one_works_and_the_other_says_who(busy: Any) -> None:
    """The second names the first: who, what, since when, from which run, and until when; then it may work."""
    desk, way, running = busy
    refused = desk.fails("KS6001", *APPLY, code=6)
    told = " ".join(refused.stderr.split())
    lock = desk.data("lock", "info")["lock"]
    for part in (lock["who"], "(apply, since 2026-11-02T09:", f"run {LINK}", lock["id"], lock["expires_at"]):
        assert part in told
    assert desk.events(*APPLY, code=6)[-1]["error"] == "lock_held"
    for words in (["settle", *AT_RUNNER], ["task", "cancel", next(iter(desk.tasks()), "x")]):
        desk.fails("KS6001", *words, code=6)

    way.let_go()
    stdout, stderr = running.communicate(timeout=COMMAND_MAX_S)
    assert running.returncode == 0, stderr
    assert "Resources: 2 added" in stdout
    assert usernames(desk) == {"desk-mm", "desk-opts"}
    desk.run(*APPLY, expect="No changes to propose.")
    assert len(desk.calls(CREATE)) == 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["option", "variable"])
def test_with_patience_the_second_apply_waits(busy: Any, how: str) -> None:
    """--lock-timeout, or its variable, waits for the other run, and says whom it waits for."""
    desk, way, running = busy
    words = ["--lock-timeout", "2m"] if how == "option" else []
    env = {} if how == "option" else {"KRAKENSTATE_LOCK_TIMEOUT": "2m"}
    waiting = desk.start(*APPLY, *words, env=env)
    line = next(line for line in waiting.stderr if "Waiting" in line)
    assert "Waiting up to 120 s for the lock, held by " in line
    assert LINK in line
    way.let_go()
    stdout, stderr = waiting.communicate(timeout=COMMAND_MAX_S)
    assert waiting.returncode == 0, stderr
    assert "No changes to propose." in stdout
    running.communicate(timeout=COMMAND_MAX_S)
    assert running.returncode == 0
    assert len(desk.calls(CREATE)) == 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_waiting_for_the_lock_ends_at_the_first_signal(busy: Any, number: signal.Signals, code: int) -> None:
    """Nothing is under way, so nobody waits for it, and the other run's lock is left alone."""
    desk, _, running = busy
    before = desk.data("lock", "info")["lock"]["id"]
    waiting = desk.start("settle", *AT_RUNNER, "--lock-timeout", "10m")
    assert any("Waiting" in line for line in waiting.stderr)
    waiting.send_signal(number)
    waiting.communicate(timeout=COMMAND_MAX_S)
    assert waiting.returncode == code
    assert desk.data("lock", "info")["lock"]["id"] == before
    assert running.poll() is None


@pytest.mark.timeout(240)
def test_whoever_lost_the_lock_by_force_stops_and_nothing_is_made_twice(busy: Any) -> None:
    """The robbed run writes nothing more; what it had done is found in its journal by the next one."""
    desk, way, running = busy
    lock = desk.data("lock", "info")["lock"]
    broken = desk.run("force-unlock", lock["id"], "--auto-approve", expect="(apply) is broken.")
    assert f"lock {lock['id']}" in broken.stderr
    assert f"was broken by {lock['who']}" in broken.stderr
    assert desk.data("lock", "info") == {"format_version": "1.0", "held": False, "lock": None}
    way.let_go()
    _, stderr = running.communicate(timeout=COMMAND_MAX_S)
    assert running.returncode == 6, stderr
    assert "\n  KS6002\n" in stderr
    assert f"It was broken by {lock['who']} at 2026-11-02T09:" in " ".join(stderr.split())
    assert len(desk.calls(CREATE)) == 1

    done = desk.run(*APPLY, expect="Resources: 1 added")
    assert "was created and is recorded now" in done.stderr
    assert usernames(desk) == {"desk-mm", "desk-opts"}
    assert len(desk.calls(CREATE)) == 2
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=8)


@pytest.mark.timeout(240)
def test_a_dead_runs_lock_is_taken_over_once_its_lease_has_ended(busy: Any) -> None:
    """Before that nobody gets it; then the next run does, and says whose it was."""
    desk, way, running = busy
    lock = desk.data("lock", "info")["lock"]
    running.kill()
    running.communicate()
    way.let_go()
    desk.fails("KS6001", "settle", *AT_RUNNER, code=6)
    desk.advance(61)
    left = desk.run("lock", "info", expect=("Nobody holds the lock.", "has ended", lock["id"], LINK))
    assert "(1 min ago)" in left.stdout
    assert desk.data("lock", "info")["held"] is False
    done = desk.run(*APPLY, "--detailed-exitcode", code=8)
    told = " ".join(done.stderr.split())
    assert f"Took over the lock of {lock['who']} (apply, since {lock['created']}, id {lock['id']})" in told
    assert "may exist; task" in told
    assert desk.lock_is_free()
    assert len(desk.calls(CREATE)) == 2


@pytest.fixture
def idle(new_desk: Callable[[str], Desk]) -> Desk:
    """An initialised desk, on which nobody works."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    return desk


@pytest.fixture
def held(idle: Desk) -> Lock:
    """Somebody else's lock on it."""
    client = idle.bao.client(idle.mount)
    keeper = VaultLockKeeper(
        client,
        idle.mount,
        "krakenstate/prod",
        clock=lambda: idle.now,
        who="ann@desk",
        host="runner-7",
        version="1.2.3",
        run_link=LINK,
        lease_s=3600,
        in_background=False,
    )
    lock = keeper.acquire("settle", wait_s=0).lock
    client.close()
    return lock


def test_lock_info_shows_the_whole_record(idle: Desk, held: Lock) -> None:
    """Who, what, since and until when, from which run, and the id that force-unlock needs; a line each."""
    shown = idle.run("lock", "info").stdout.splitlines()
    assert shown[0] == "ann@desk holds the lock for settle."
    created, until = format_instant(held.created), format_instant(held.expires_at)
    assert shown[1:] == [
        f"  id       {held.id}",
        f"  since    {created} (just now)",
        f"  lease    until {until}, renewed while its owner works",
        "  host     runner-7",
        f"  run      {LINK}",
        "  version  krakenstate 1.2.3",
        f"  path     {idle.mount}/krakenstate/prod/lock",
    ]
    assert idle.data("lock", "info") == {
        "format_version": "1.0",
        "held": True,
        "lock": held.model_dump(mode="json"),
    }


def test_without_a_lock_there_is_nothing_to_show_and_nothing_to_break(idle: Desk) -> None:
    """Nobody holds it; that is no failure to show, and one to break."""
    assert idle.run("lock", "info").stdout == "Nobody holds the lock.\n"
    assert idle.data("lock", "info") == {"format_version": "1.0", "held": False, "lock": None}
    idle.fails("KS6004", "force-unlock", "0b6c2f5e", "--auto-approve", code=1)


def test_breaking_a_lock_needs_its_exact_id_and_a_yes(idle: Desk, held: Lock) -> None:
    """Another id, the beginning of the right one, and nobody to ask: each is refused, and the lock stands."""
    for wrong in ("0b6c2f5e", held.id[:8]):
        refused = idle.fails("KS6003", "force-unlock", wrong, "--auto-approve", code=6)
        assert f"ann@desk (settle, since {format_instant(held.created)}" in " ".join(refused.stderr.split())
    for words in ([], ["--input=false"]):
        asked = idle.run("force-unlock", held.id, *words, code=1, expect=("KS7003", "--auto-approve"))
        assert "ann@desk holds the lock for settle." in asked.stderr
    assert idle.data("lock", "info")["held"]


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("y", 1), ("\x03", 130)])
def test_only_yes_breaks_a_lock(idle: Desk, held: Lock, answer: str, code: int) -> None:
    """The question says whose lock it is and what its run was doing."""
    ended, screen = on_a_terminal(
        ["force-unlock", held.id],
        [("Enter a value:", answer)],
        cwd=idle.folder,
        env=idle.environment({"NO_COLOR": "1"}),
    )
    assert ended == code, screen
    assert "ann@desk holds the lock for settle." in screen
    assert "Do you really want to break this lock?" in screen
    assert idle.data("lock", "info")["held"] is (code != 0)
    assert ("The lock of ann@desk (settle) is broken." in screen) is (code == 0)


def test_a_broken_lock_is_journalled(idle: Desk, held: Lock) -> None:
    """Afterwards the journal holds who broke whose lock, as a run that has ended."""
    broken = idle.data("force-unlock", held.id, "--auto-approve")["broken"]
    assert broken == held.model_dump(mode="json")
    [run] = [v for p, v in idle.vault().items() if p.endswith("/run")]
    written = run[-1]["data"]
    assert written["operation"] == "force-unlock"
    assert written["conclusion"] == f"broke the lock {held.id} of ann@desk (settle)"
    assert written["ended_at"]


def test_every_command_that_takes_the_lock_can_wait_for_it() -> None:
    """Each module of commands that enters a writing run declares --lock-timeout."""
    folder = ROOT / "krakenstate" / "cli"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.py")}
    commands = {name: text for name, text in texts.items() if "JsonOpt" in text}  # others help them
    writers = {name for name, text in commands.items() if re.search(r"runs\.(writing|hand_in)\(", text)}
    assert {"apply.py", "settle.py", "task.py", "key.py"} <= writers
    assert [name for name in writers if "lock_timeout: LockTimeoutOpt" not in texts[name]] == []
