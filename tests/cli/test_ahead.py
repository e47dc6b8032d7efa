"""A stack's processes start before the command line is read, where it is certain that it asks for them."""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.cli import app
from krakenstate.cli.ahead import COMMANDS, stack_asked_for
from krakenstate.cli.words import FLAGS, SWITCHES, VALUED, normalise_arguments, plans_from_what_is_known
from krakenstate.stack import process, running
from krakenstate.stack.find import find_stack
from krakenstate.stack.running import run_stack, running_ahead
from tests.support.cli import clean_environment, run_cli
from tests.support.stacks import write_stack

TREE = app.build()


@pytest.mark.parametrize(
    ("line", "environment", "asked"),
    [
        ("plan", {}, (None, False)),
        ("plan prod --refresh=false --site colo", {}, ("prod", False)),
        ("plan --site=colo stacks/prod.py --no-color", {}, ("stacks/prod.py", False)),
        ("apply prod --auto-approve", {}, ("prod", False)),
        ("validate --require-isolation prod", {}, ("prod", True)),
        ("render prod", {"CI": "true"}, ("prod", False)),
        ("", {}, None),
        ("task list", {}, None),
        ("--chdir desk plan", {}, None),
        ("plan prod uat", {}, None),
        ("plan --desired desired.json", {}, None),
        ("plan --desired=desired.json", {}, None),
        ("plan --help", {}, None),
        ("plan -- prod", {}, None),
        ("apply plan.json", {}, None),
        ("plan prod", {"CI": "true"}, None),
        ("settle prod", {"GITHUB_EVENT_NAME": "pull_request"}, None),
        ("plan", {"_KRAKENSTATE_COMPLETE": "complete_bash"}, None),
    ],
)
def test_only_what_is_certain_is_started(line, environment, asked):
    """A stack file that a command would not run, or may refuse to, is left alone."""
    assert stack_asked_for(line.split(), environment) == asked


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plan --refresh=false", True),
        ("plan prod --no-refresh --json", True),
        ("plan --observed snapshot.json prod", True),
        ("plan --observed=snapshot.json", True),
        ("plan prod", False),
        ("plan --refresh=true", False),
        ("apply --observed snapshot.json", False),
        ("validate", False),
        ("", False),
    ],
)
def test_a_plan_that_asks_nobody_is_known_by_its_words(line, expected):
    """Only there is enough to do with the first run of a stack file while the second waits its turn."""
    assert plans_from_what_is_known(normalise_arguments(line.split())) is expected


def test_each_option_is_known_for_what_it_is():
    """Whether an option takes the next word decides which word is the stack, so the tables are typer's."""
    switched = {*SWITCHES, *(name.replace("--", "--no-", 1) for name in SWITCHES)}
    for name in COMMANDS:
        arguments = [p for p in TREE.commands[name].params if p.param_type_name == "argument"]
        options = [p for p in TREE.commands[name].params if p.param_type_name == "option"]
        assert [argument.nargs for argument in arguments] == [1], name
        for option in options:
            spelled = {*option.opts, *option.secondary_opts}
            assert len(option.opts) == 1, name
            assert spelled <= ({*FLAGS, *switched} if option.is_flag else {*VALUED, "--desired"}), name


WORDS = st.sampled_from(
    [
        *("prod", "uat", "stacks/prod.py", "--", "-x", "--help", "--desired", "--desired=d.json"),
        *("--site=colo", "--json=true", *(f"{name}=false" for name in SWITCHES)),
        *(*FLAGS, *SWITCHES, *VALUED),
    ]
)


@given(command=st.sampled_from(COMMANDS), words=st.lists(WORDS, max_size=4))
def test_what_is_started_is_what_typer_reads(command, words):
    """Of whatever is taken for certain typer finds the same stack and no rendered one, or it refuses."""
    asked = stack_asked_for([command, *words], {})
    if asked is None:
        return
    known = TREE.commands[command]
    try:
        with known.make_context(command, normalise_arguments(words)) as context:
            found = context.params
    except Exception as refused:  # noqa: BLE001 - typer's own kinds have no public root
        assert type(refused).__module__.startswith(("click", "typer"))  # noqa: PT017 - then nothing is run
        return
    isolated = bool(found.get("require_isolation"))
    assert (found["stack"], isolated, found.get("desired")) == (*asked, None)


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A project with one stack as working folder; the process numbers of the children started in it."""
    monkeypatch.chdir(tmp_path)
    write_stack(tmp_path, "")
    numbers, start = [], process._start

    def told(*args, **kwargs):
        child = start(*args, **kwargs)
        numbers.append(child.process.pid)
        return child

    monkeypatch.setattr(process, "_start", told)
    return numbers


def is_gone(number):
    """Whether there is no such process, not even one that waits to be reaped."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_run_takes_over_what_runs(started):
    """The very same stack runs twice, not four times, and is ended as ever."""
    with running_ahead(None), run_stack(find_stack("prod")) as ran:
        assert ran.first.report == ran.second().report != b""
    assert [child.process.pid for child in ran.children] == started
    assert all(map(is_gone, started))


def test_what_nobody_asks_for_is_ended(started):
    """A command line that is refused leaves no process behind, nor one that asks for isolation as well."""
    with running_ahead("prod"):
        assert len(started) == 2
    assert all(map(is_gone, started))
    with running_ahead("prod"), run_stack(find_stack("prod"), require_isolation=True) as ran:
        pass
    assert len(started) == 6
    assert [child.process.pid for child in ran.children] == started[4:]
    assert all(map(is_gone, started))
    assert not running._ahead


def test_a_stack_that_is_not_there_is_left_to_the_command(started):
    """What is wrong is said once, by the command."""
    with running_ahead("uat"):
        assert started == []


def test_a_refused_command_line_says_only_that(tmp_path):
    """Of the stack's processes nothing is seen."""
    write_stack(tmp_path, "print('seen')\n")
    done = run_cli("validate", "prod", "--format", "text", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, "")
    assert "KS8001" in done.stderr
    assert "seen" not in done.stderr


IS_STOPPED_EARLY = """
import os, signal, sys
from krakenstate.cli.front import main
from krakenstate.stack import process

class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            print(*numbers, flush=True)
            signal.raise_signal(signal.Signals[stop])

numbers, start = [], process._start

def told(*args, **kwargs):
    child = start(*args, **kwargs)
    numbers.append(child.process.pid)
    return child

process._start = told
sys.meta_path.insert(0, Stops())
stop, sys.argv[1:] = sys.argv[1], ["validate"]
main()
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("SIGTERM", "", id="sigterm"),
        pytest.param("SIGINT", "Stopped by Ctrl-C.\n", id="ctrl-c"),
    ],
)
def test_a_stop_before_there_is_a_command_line_leaves_nothing(tmp_path, name, said):
    """The processes are there before typer is, and are ended whenever the program is, without a traceback."""
    write_stack(tmp_path, "import time\ntime.sleep(60)\n")
    done = subprocess.run(
        [sys.executable, "-c", IS_STOPPED_EARLY, name],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    numbers = [int(number) for number in done.stdout.split()]
    assert (done.returncode, len(numbers), done.stderr) == (128 + signal.Signals[name], 2, said)
    assert all(map(is_gone, numbers))
