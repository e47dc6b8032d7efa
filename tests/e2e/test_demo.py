"""`krakenstate demo`: it ends well, and however it ends, it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cli import clean_environment

DEMO_MAX_S = 300
READY_MAX_S = 60


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to run in, with a home and a folder for temporary files beside it."""
    for name in ("work", "home", "tmp"):
        (tmp_path / name).mkdir()
    yield tmp_path
    for pid in processes_of(tmp_path):  # a failed test must not leave servers to the next
        os.kill(pid, signal.SIGKILL)


def start(place: Path, **variables: str) -> subprocess.Popen[str]:
    """The demo, in a session of its own."""
    env = clean_environment({
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        **variables,
    })  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "krakenstate", "demo"],
        cwd=place / "work",
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of(place: Path) -> list[int]:
    """Processes that work in this folder or name it; zombies and this one do not count."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            where = str((process / "cwd").readlink()).encode()
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(place).encode() in where + told:
            found.append(int(process.name))
    return found


def files_in(place: Path) -> list[str]:
    """Every file that is left, except what keeps the demo's folder out of version control."""
    files = [str(file.relative_to(place)) for file in place.rglob("*") if not file.is_dir()]
    return [file for file in files if file != "work/.krakenstate/.gitignore"]


def leaves_nothing(place: Path) -> None:
    """No process, and no file."""
    deadline = time.monotonic() + 5
    while processes_of(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(pid, Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in processes_of(place)] == []
    assert files_in(place) == []


def fails_with(running: subprocess.Popen[str], ks: str, code: int) -> None:
    """It ended with this code, said so, and showed no traceback."""
    stdout, stderr = running.communicate(timeout=READY_MAX_S)
    assert running.returncode == code, stdout + stderr
    assert f"\n  {ks}\n" in stderr
    assert "Traceback" not in stdout + stderr


def read_until(running: subprocess.Popen[str], text: str) -> None:
    """Follows the story up to a line."""
    assert any(text in line for line in running.stdout), "the demo ended early"


@pytest.mark.timeout(DEMO_MAX_S)
def test_the_demo_tells_its_story_to_the_end_even_under_ci(place: Path) -> None:
    """It exits with 0 in a pipeline's surroundings, and nothing of it is left."""
    running = start(
        place, CI="true", GITHUB_ACTIONS="true", VAULT_ADDR="http://127.0.0.1:9", VAULT_TOKEN="wrong"
    )
    stdout, stderr = running.communicate(timeout=DEMO_MAX_S)
    assert running.returncode == 0, stdout[-3000:] + stderr
    assert "No changes. Your accounts match the configuration." in stdout
    assert stderr == ""
    assert "Traceback" not in stdout
    leaves_nothing(place)


def test_a_vault_program_that_does_not_work_ends_the_demo(place: Path) -> None:
    """When the servers cannot be started, that is said, and the one that was started is ended."""
    fails_with(start(place, KRAKENSTATE_BAO="/bin/false"), "KS9002", 1)
    leaves_nothing(place)


def test_a_simulator_that_dies_ends_the_demo(place: Path) -> None:
    """When a server is lost in the middle, the demo says which command failed and clears everything away."""
    running = start(place)
    read_until(running, "$ krakenstate init")
    servers = json.loads((place / "work/.krakenstate/demo/servers/dev.json").read_text())["servers"]
    os.kill(next(s["process"]["pid"] for s in servers if s["role"] == "simulator"), signal.SIGKILL)
    fails_with(running, "KS9002", 1)
    leaves_nothing(place)


def in_the_story(running: subprocess.Popen[str], place: Path) -> None:
    """A command of the story is running."""
    del place
    read_until(running, "$ krakenstate plan")


def while_servers_start(running: subprocess.Popen[str], place: Path) -> None:
    """One server runs, the other does not yet."""
    record = place / "work/.krakenstate/demo/servers/dev.json"
    deadline = time.monotonic() + READY_MAX_S
    while time.monotonic() < deadline and running.poll() is None:
        if record.exists() and json.loads(record.read_text())["servers"]:
            return
        time.sleep(0.005)
    raise AssertionError("no server was started")


@pytest.mark.parametrize(
    ("number", "ks", "code", "moment"),
    [
        pytest.param(signal.SIGTERM, "KS9004", 143, in_the_story, id="SIGTERM-in-the-story"),
        pytest.param(signal.SIGTERM, "KS9004", 143, while_servers_start, id="SIGTERM-while-servers-start"),
        pytest.param(signal.SIGINT, "KS9003", 130, in_the_story, id="Ctrl-C-in-the-story"),
    ],
)
def test_a_signal_ends_the_demo_and_its_servers(
    place: Path,
    number: signal.Signals,
    ks: str,
    code: int,
    moment: Callable[[subprocess.Popen[str], Path], None],
) -> None:
    """SIGTERM goes to the demo alone, Ctrl-C to all it started; either way nothing is left running."""
    running = start(place)
    moment(running, place)
    if number is signal.SIGINT:
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    fails_with(running, ks, code)
    leaves_nothing(place)
