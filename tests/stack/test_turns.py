"""Two runs of a stack file that take turns, as they do where there are few processors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from krakenstate.errors import StackTimeout, StackUnstable
from krakenstate.stack import process
from krakenstate.stack.find import find_stack
from krakenstate.stack.listening import Ending
from krakenstate.stack.load import read_first_run
from krakenstate.stack.running import SEEDS, run_stack
from tests.support.stacks import write_stack

TELLS_WHEN = "import time\nprint(time.monotonic())\ntime.sleep(0.2)\nprint(time.monotonic())\n"

BEGINS = "import os, signal\nprint('begun', flush=True)\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project as working folder, on a machine with few processors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "FEW_PROCESSORS", True)
    return tmp_path


def run(project, *, in_turn=True, time_max_s=20.0):
    """Both children of the project's stack, once they have ended."""
    file = project / "stacks" / "prod.py"
    return process.run_children(file, "stacks/prod.py", project, SEEDS, time_max_s, in_turn=in_turn)


def test_the_second_run_begins_when_the_first_has_ended(project):
    """In turn means one after the other, both to the end and with the same report."""
    write_stack(project, TELLS_WHEN)
    first, second = run(project)
    (_, ended), (began, _) = [tuple(map(float, child.printed.split())) for child in (first, second)]
    assert began > ended
    assert first.report == second.report != b""


@pytest.mark.parametrize(("few", "in_turn"), [(True, False), (False, True)])
def test_with_processors_or_nothing_else_to_do_both_run_at_once(project, monkeypatch, few, in_turn):
    """Nobody waits where there are processors for all, or where the caller could only wait too."""
    monkeypatch.setattr(process, "FEW_PROCESSORS", few)
    write_stack(project, "")
    file = project / "stacks" / "prod.py"
    children = process.start_children(file, "stacks/prod.py", project, SEEDS, 20.0, in_turn=in_turn)
    assert [child.gate for child in children] == [None, None]
    process.end_children(children)


def test_after_a_run_that_was_stopped_there_is_no_second(project):
    """The next in turn never begins, and counts as stopped like the one before."""
    write_stack(project, BEGINS + "signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass\n")
    first, second = run(project, time_max_s=1.0)
    assert (first.ending, second.ending) == (Ending.OUT_OF_TIME, Ending.OUT_OF_TIME)
    assert (bytes(first.printed), bytes(second.printed)) == (b"begun\n", b"")
    assert (first.is_over, second.is_over) == (True, True)


def test_what_is_wrong_in_the_first_run_is_said_without_the_second(project):
    """A stack file that does not end costs its time once, not twice."""
    write_stack(project, "while True: pass\n")
    with run_stack(find_stack("prod"), time_max_s=1.0, in_turn=True) as ran:
        with pytest.raises(StackTimeout):
            read_first_run(ran)
        assert not ran.children[1].is_over


def test_a_run_that_was_killed_is_followed_by_the_next(project):
    """How the first ended by itself says nothing about the second, which has its turn."""
    write_stack(project, BEGINS + "os.kill(os.getpid(), signal.SIGKILL)\n")
    first, second = run(project)
    assert bytes(first.printed) == bytes(second.printed) == b"begun\n"
    assert (first.ending, second.ending) == (Ending.BY_ITSELF, Ending.BY_ITSELF)


def test_that_the_runs_differ_is_found_in_turn_too(project):
    """The second run is compared with the first whenever it ran."""
    write_stack(project, "stack.add(Process(name='p', owner=str(hash('x'))))\n")
    with run_stack(find_stack("prod"), in_turn=True) as ran:
        _, confirmed = read_first_run(ran)
        with pytest.raises(StackUnstable, match=r"first of process\.p"):
            confirmed()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_who_waits_for_a_turn_ends_with_its_parent(project):
    """A run at its gate never begins when the program that would open it is gone."""
    write_stack(project, "while True: pass\n")
    program = (
        "import json, os, signal\nfrom pathlib import Path\nfrom krakenstate.stack import process\n"
        "process.FEW_PROCESSORS = True\nhere = Path.cwd()\n"
        "children = process.start_children(\n"
        "    here / 'stacks' / 'prod.py', 'stacks/prod.py', here, (0, 1), 20.0, in_turn=True)\n"
        "print(json.dumps([child.process.pid for child in children]), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False)
    first, second = json.loads(told.stdout)
    until = time.monotonic() + 8  # well before an endless stack file would be told to stop
    while is_running(second) and time.monotonic() < until:
        time.sleep(0.02)
    left = [number for number in (first, second) if is_running(number)]
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert second not in left


def is_running(number):
    """Whether there is such a process that has not ended, reaped or not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
