"""The simulator as a process: it keeps its world, says when it is ready, and ends when asked to."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from krakenstate.sim.clock import SimClock
from krakenstate.sim.errors import DevError
from krakenstate.sim.store import WorldStore
from krakenstate.sim.world import Account, World

PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
PATIENCE_S = 20


@pytest.fixture
def start():
    """Start `python -m krakenstate.sim` and wait for its ready file; whatever still runs is ended."""
    processes = []

    def run(directory, *arguments):
        command = [sys.executable, "-m", "krakenstate.sim", "--dir", str(directory), *arguments]
        environment = os.environ | {"PYTHONPATH": PACKAGE_PARENT}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        return process, json.loads((directory / "simulator.json").read_text())

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def mode(path):
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_restart_finds_the_same_world(start, make_client, tmp_path):
    """Accounts, keys, nonces, clock and call log outlive the process, even one that was killed."""
    directory = tmp_path / "dev"
    process, ready = start(directory, "--now", "2030-05-01T00:00:00Z")
    client = make_client(ready["url"], ready["admin_token"])
    client.account("desk", "ops@desk.example")
    key = client.key("desk", name="pnl")
    assert client.spot(key, "GetApiKeyInfo", nonce=500)["error"] == []
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)

    _, ready = start(directory)
    client = make_client(ready["url"], ready["admin_token"])
    assert client.spot(key, "GetApiKeyInfo", nonce=500) == {"error": ["EAPI:Invalid nonce"]}
    assert client.spot(key, "GetApiKeyInfo", nonce=501)["result"]["nonce"] == "501"
    assert client.people("state")["now"].startswith("2030-05-01T00:0")
    assert [call["outcome"] for call in client.people("calls")["calls"]] == ["ok", "EAPI:Invalid nonce", "ok"]


def test_the_files_are_private(start, tmp_path):
    """World and token are readable by their owner only."""
    start(tmp_path)
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
        "world.json": 0o600,
        "simulator.json": 0o600,
    }


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_with_a_client_still_connected(start, make_client, tmp_path, signum):
    """An idle connection does not hold it up; the ready file goes with it, and the exit code is 0."""
    process, ready = start(tmp_path)
    assert make_client(ready["url"]).http.get("/0/public/Time").status_code == 200
    began = time.monotonic()
    process.send_signal(signum)
    assert process.wait(PATIENCE_S) == 0
    assert time.monotonic() - began < 5
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


def test_a_taken_port_is_an_error_in_words(start, tmp_path):
    """No traceback where a sentence does."""
    _, ready = start(tmp_path / "a")
    port = ready["url"].rpartition(":")[2]
    second = subprocess.run(
        [sys.executable, "-m", "krakenstate.sim", "--dir", str(tmp_path / "b"), "--port", port],
        env=os.environ | {"PYTHONPATH": PACKAGE_PARENT}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (second.returncode, second.stderr) == (
        1, f"Error: Cannot listen on port {port}: Address already in use\n",
    )  # fmt: skip


def test_a_world_of_another_kind_is_refused(tmp_path):
    """A file that cannot be understood is never overwritten with an empty world."""
    path = tmp_path / "world.json"
    path.write_text('{"format_version": 99}')
    with pytest.raises(DevError, match="does not hold a world"):
        WorldStore(path).load()
    assert path.read_text() == '{"format_version": 99}'


def test_a_saved_world_is_the_same_again(tmp_path):
    """Writing and reading change nothing, and leave no other file."""
    world = World(
        accounts=[Account(kind="master", name="a", email="a@desk.example", iiban="AA12 N84G ABCD 3F5K")]
    )
    store = WorldStore(tmp_path / "world.json")
    store.save(world)
    assert store.load() == world
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


def test_the_clock_ticks_on_from_where_it_was_set():
    """The simulated clock runs at the speed of the real one."""
    real = datetime(2026, 1, 1, tzinfo=UTC)
    clock = SimClock(real=lambda: real)
    clock.set_to(datetime(2030, 1, 1, tzinfo=UTC))
    real += timedelta(hours=1)
    assert clock.now() == datetime(2030, 1, 1, 1, tzinfo=UTC)
    clock.advance(-60)
    assert clock.now() == datetime(2030, 1, 1, 0, 59, tzinfo=UTC)
