"""The frame around all commands: help, usage errors, exit codes, streams, colour, logs."""

import fcntl
import gc
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest
import typer

from krakenstate.cli import app, loading, logs, options, wiring
from krakenstate.cli.frame import Group
from krakenstate.cli.output import (
    Output,
    envelope,
    exit_code_of,
    format_error,
    switch_colour_off,
    uses_colour,
    word_of,
    worst_exit_code,
)
from krakenstate.cli.overview import OPTIONS, overview
from krakenstate.cli.words import normalise_arguments
from krakenstate.errors import (
    FileUnusable,
    Interrupted,
    LockHeld,
    PolicyError,
    Source,
    StackNotFound,
    StackProblems,
    Terminated,
    UsageError,
    WrongAccount,
)
from krakenstate.secret.redactor import register
from tests.support.cli import clean_environment, run_cli
from tests.support.stacks import write_stack


def walk(command, path=()):
    """Every command below a group, with its path; groups left out."""
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from walk(child, (*path, name))
        else:
            yield (*path, name)


COMMANDS = sorted(walk(app.build()))


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch, tmp_path):
    """No colour and no settings from outside, and an empty working folder."""
    for name in [n for n in os.environ if n.startswith("KRAKENSTATE_")] + ["NO_COLOR", "FORCE_COLOR", "CI"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    yield
    switch_colour_off(False)
    logs.configure({})


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_help_ends_with_an_example(capsys, command):
    """The last thing a command's help shows is a line to copy."""
    assert app.run([*command, "--help"]) == 0
    last = re.split(r"\n\s*\n", capsys.readouterr().out.strip())[-1]
    assert re.match(r"\s*Example: .*krakenstate", " ".join(last.split()))


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_each_bogus_flag_is_a_usage_error(capsys, command):
    """What the command line does not know ends with exit 1 and our code, not with 2 and typer's words."""
    assert app.run([*command, "--no-such-flag"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: Command line is not understood\n")
    assert err.endswith("  KS8001\n")


@pytest.mark.parametrize("arguments", [[], ["dev"], ["--no-color"]], ids=" ".join)
def test_a_group_alone_shows_its_help(capsys, arguments):
    """Asking for nothing in particular shows what there is, and is no error."""
    assert app.run(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: krakenstate")
    assert err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("plan --refresh=maybe", "--refresh takes true or false."),
        ("plan --chdir desk", "--chdir stands before the command, as in: krakenstate --chdir desk plan."),
        ("plna", "No such command 'plna'. Did you mean 'plan'?"),
        ("plan --format xml", "Invalid value for '--format': 'xml' is not one of 'text', "),
    ],
)
def test_a_slip_of_the_command_line_is_told_in_plain_words(capsys, words, said):
    """What is possible instead, and nothing of the libraries below."""
    assert app.run(words.split()) == 1
    assert said in " ".join(capsys.readouterr().err.split())


def test_usage_errors_name_the_help_that_says_more(capsys):
    """The next step of a usage error is the help of the very command."""
    assert app.run(["validate", "a", "b", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "See: krakenstate validate --help" in err
    assert json.loads(out) | {"message": ""} == {
        "error": "usage_error",
        "code": "KS8001",
        "message": "",
        "retryable": False,
        "next_step": "See: krakenstate validate --help",
    }


def test_version_as_text_and_json(tmp_path):
    """The version is printed on standard output in both forms."""
    text, data = run_cli("version", cwd=tmp_path), run_cli("version", "--json", cwd=tmp_path)
    assert text.code == data.code == 0
    said = json.loads(data.stdout)
    assert sorted(said) == ["krakenstate", "platform", "python"]
    assert (
        text.stdout == f"krakenstate {said['krakenstate']}\nPython {said['python']} on {said['platform']}\n"
    )
    assert run_cli("--version", cwd=tmp_path).stdout == text.stdout
    assert (text.stderr, data.stderr) == ("", "")


def test_the_overall_help_lists_every_option():
    """What it says of the options is what the command line knows."""
    known = {p.opts[0]: p.help for p in app.build().params} | {"--help": OPTIONS["--help"]}
    assert {name.partition(" ")[0]: text for name, text in OPTIONS.items()} == known


def test_the_overall_help_is_the_same_from_both_doors(tmp_path):
    """Asked alone it is answered without typer; asked with anything else, by typer, in the same words."""
    alone, beside = run_cli("--help", cwd=tmp_path), run_cli("--no-color", "--help", cwd=tmp_path)
    assert (alone.code, alone.stdout) == (beside.code, beside.stdout)
    assert max(map(len, overview(50).splitlines())) <= 50


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        pytest.param(["version"], ("typer", "pydantic", "krakenstate.errors", "typing"), id="version"),
        pytest.param(["--help"], ("typer", "pydantic", "krakenstate.errors", "typing"), id="help"),
        pytest.param(["plan", "--help"], ("krakenstate.cli.apply", "krakenstate.model", "rich"), id="plan"),
    ],
)
def test_what_needs_little_imports_little(tmp_path, arguments, unused):
    """What is asked most is answered by few modules: no test of time would hold on every machine."""
    program = (
        f"import sys\nsys.argv[1:] = {arguments!r}\nfrom krakenstate.cli.front import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"found = [name for name in {unused!r} if name in sys.modules]\nassert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["validate"], ["render"]], ids=" ".join)
def test_light_commands_import_nothing_heavy(tmp_path, arguments):
    """Commands that need no network, Vault or comparison do not load the libraries for them."""
    write_stack(tmp_path, "")
    heavy = ("httpx", "hvac", "deepdiff", "starlette", "uvicorn", "krakenstate.engine")
    program = (
        "import sys\nfrom krakenstate.cli.app import run\n"
        f"assert run({arguments!r}) == 0\n"
        f"found = [m for m in sys.modules if m.startswith({heavy!r})]\nassert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


STARTS_THE_STACK = """
import sys
from krakenstate.cli.front import run
from krakenstate.stack import process

def started(*_, **__):
    raise SystemExit(0)

process._start = started
sys.argv[1:] = ["plan", "prod", "--refresh=false"]
run()
"""
IMPORTS_THE_ROOMS = """
from importlib import import_module
from krakenstate.cli import wiring

for name in wiring._ROOMS:
    import_module(name)
"""


@pytest.mark.parametrize(
    ("program", "unused"),
    [
        pytest.param(STARTS_THE_STACK, ("pydantic", "typer", "tempfile", "krakenstate.model"), id="stack"),
        pytest.param(
            IMPORTS_THE_ROOMS,
            (
                *("httpx", "httpcore", "deepdiff", "rich", "hvac", "requests", "urllib3"),
                *("krakenstate.engine.apply", "krakenstate.engine.observe", "krakenstate.engine.handover"),
                *("krakenstate.views.events", "krakenstate.transport", "krakenstate.stack.desk"),
                *(f"krakenstate.providers.kraken_{room}.provider" for room in ("spot", "derivatives")),
            ),
            id="no call",
        ),
    ],
)
def test_a_plan_imports_what_it_needs_when_it_needs_it(tmp_path, program, unused):
    """The stack's processes start before what reads their reports is there, and httpx waits for a call."""
    write_stack(tmp_path, "")
    told = (
        f"import atexit, sys\natexit.register(lambda: print([n for n in {unused!r} if n in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", told + program],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_chdir_changes_the_folder_first(tmp_path):
    """Paths and stacks after --chdir are those of the other folder; a folder that is none is an error."""
    (tmp_path / "desk").mkdir()
    write_stack(tmp_path / "desk", "")
    assert run_cli("--chdir", "desk", "validate", "prod", cwd=tmp_path).code == 0
    missing = run_cli("--chdir", "nowhere", "validate", cwd=tmp_path)
    assert (missing.code, "KS8003" in missing.stderr) == (1, True)


def test_render_gives_the_same_bytes_each_time(tmp_path):
    """The file and standard output hold the same, in an order that does not depend on the stack's."""
    write_stack(tmp_path, "for n in 'bca':\n    stack.add(Process(name=n, owner='x'))\n")
    printed = run_cli("render", cwd=tmp_path)
    written = run_cli("render", "--out", "desired.json", cwd=tmp_path)
    assert (written.stdout, "3 declarations" in written.stderr) == ("", True)
    assert (tmp_path / "desired.json").read_text() == printed.stdout
    assert [r["name"] for r in json.loads(printed.stdout)["resources"]] == ["a", "b", "c"]
    assert "KS8003" in run_cli("render", "--out", "no/such/folder.json", cwd=tmp_path).stderr


def test_completion_knows_commands_and_stacks(tmp_path):
    """The shell completes the names of commands, and of the stacks in the folder."""
    write_stack(tmp_path, "")
    asked = {"_KRAKENSTATE_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    commands = run_cli(cwd=tmp_path, env=asked | {"COMP_WORDS": "krakenstate val"})
    assert commands.stdout.split() == ["validate"]
    asked["COMP_CWORD"] = "2"
    stacks = run_cli(cwd=tmp_path, env=asked | {"COMP_WORDS": "krakenstate validate p"})
    assert stacks.stdout.split() == ["prod"]
    script = run_cli(
        "--show-completion", "bash", cwd=tmp_path, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    )
    assert "_KRAKENSTATE_COMPLETE=complete_bash" in script.stdout


def test_an_error_reads_as_the_convention_says():
    """Headline, line of the stack, what was seen, one next step, code."""
    error = WrongAccount(
        "The key answers for IIBAN ending in 7F2Q; account mm is pinned to one ending in 9K1D.",
        next_step="Create the key while signed in to mm, then run: krakenstate key ingest spot_key.mm-quoter",
        source=Source("stacks/prod.py", 42, 'SpotKey(name="mm-quoter", account=mm, ...)'),
    )
    assert format_error(error, 60) == (
        f"Error: {WrongAccount.headline}\n"
        '  on stacks/prod.py line 42: SpotKey(name="mm-quoter", account=mm, ...)\n'
        "  The key answers for IIBAN ending in 7F2Q; account mm is\n"
        "  pinned to one ending in 9K1D.\n"
        "  Create the key while signed in to mm, then run:\n"
        "      krakenstate key ingest spot_key.mm-quoter\n"
        f"  {WrongAccount.code}"
    )


def test_commands_on_lines_of_their_own_are_never_wrapped():
    """A command that a next step puts on its own line stays in one piece, ready to paste."""
    command = "    krakenstate task settle 3f9c2a --created --note " + "x" * 60
    shown = format_error(UsageError("m", next_step=f"Say what you found:\n\n{command}"), 60)
    assert f"  {command}" in shown.split("\n")


def test_text_from_elsewhere_cannot_steer_the_terminal():
    """Control characters and characters that change the direction of text are taken out of errors."""
    shown = format_error(
        UsageError("a\x1b[2J\u202eb\x07\r\nc", source=Source("f\x1b]0;x", 1, "\x9bt")), colour=False
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


def test_registered_secrets_never_appear_in_errors(capsys):
    """An error that quotes a secret shows a placeholder, on both streams."""
    register("canary-secret-5f0a77")
    Output(json=True).print_error(
        UsageError("It said canary-secret-5f0a77.", next_step="canary-secret-5f0a77")
    )
    out, err = capsys.readouterr()
    assert "canary-secret" not in out + err


def test_the_envelope_of_several_problems():
    """Programs find each problem in a list, and the first one's code where a single error has its own."""
    several = StackProblems([StackNotFound("One."), LockHeld("Two.", address="process.a")])
    said = envelope(several)
    assert (said["error"], said["code"], said["message"]) == ("stack_problems", "KS1009", "One. Two.")
    assert [p["code"] for p in said["problems"]] == ["KS1009", "KS6001"]
    assert said["problems"][1]["retryable"] is True
    assert exit_code_of(several) == 6
    assert word_of(FileUnusable("x")) == "file_unusable"


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ([], 0),
        ([0, 0], 0),
        ([8, 2], 2),
        ([2, 1], 1),
        ([1, 3, 4], 4),
        ([4, 9], 9),
        ([9, 5], 5),
        ([5, 7], 7),
        ([7, 6], 6),
        ([6, 143], 143),
        ([143, 130], 130),
    ],
)
def test_the_first_exit_code_in_the_order_wins(codes, worst):
    """Of several exit codes the one that matters most to a script is given."""
    assert worst_exit_code(codes) == worst


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        pytest.param(Terminal(), {}, True, id="terminal"),
        pytest.param(io.StringIO(), {}, False, id="file"),
        pytest.param(Terminal(), {"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(Terminal(), {"NO_COLOR": ""}, True, id="NO_COLOR empty"),
        pytest.param(Terminal(), {"TERM": "dumb"}, False, id="dumb"),
        pytest.param(io.StringIO(), {"FORCE_COLOR": "1"}, True, id="forced"),
        pytest.param(Terminal(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="NO_COLOR wins"),
    ],
)
def test_colour_follows_the_conventions(stream, environment, coloured):
    """Colour depends on the stream and on the usual variables."""
    assert uses_colour(stream, environment) is coloured


def test_no_color_works_before_and_after_the_command(tmp_path):
    """--no-color wins over FORCE_COLOR wherever it stands."""
    forced = {"FORCE_COLOR": "1"}
    assert "\x1b[" in run_cli("validate", cwd=tmp_path, env=forced).stderr
    assert "\x1b[" not in run_cli("validate", "--no-color", cwd=tmp_path, env=forced).stderr
    assert "\x1b[" not in run_cli("--no-color", "validate", cwd=tmp_path, env=forced).stderr


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (["plan", "--refresh=false"], ["plan", "--no-refresh"]),
        (["plan", "--refresh=true"], ["plan", "--refresh"]),
        (["apply", "--input=FALSE"], ["apply", "--no-input"]),
        (["plan", "--json=true", "--detailed-exitcode=false"], ["plan", "--json"]),
        (["x", "--reason=false"], ["x", "--reason=false"]),
        (["x", "--", "--input=false"], ["x", "--", "--input=false"]),
    ],
)
def test_switches_in_terraforms_spelling(given, seen):
    """``--refresh=false`` and its like are understood; values of other options are left alone."""
    assert normalise_arguments(given) == seen


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("1h", 3600), ("30d", 2592000), ("7", 7)]
)
def test_durations(text, seconds):
    """A duration is a number and a unit; a bare number is seconds."""
    assert options.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "1e9s", "٣s"])
def test_no_durations(text):
    """What is no duration is refused as a wrong option."""
    with pytest.raises(typer.BadParameter):
        options.parse_duration(text)


def test_shared_options_reach_a_command(monkeypatch, capsys):
    """Each shared option arrives with its type, from the command line or its variable."""
    seen = {}

    def probe(  # noqa: PLR0917 - typer calls it by keyword
        stack: options.StackArg = None,
        named: options.StackOpt = None,
        site: options.SiteOpt = None,
        refresh: options.RefreshOpt = True,
        ask: options.InputOpt = True,
        lock_timeout_s: options.LockTimeoutOpt = 0.0,
        digest: options.ApprovedDigestOpt = None,
        approve: options.AutoApproveOpt = False,
        detailed: options.DetailedExitcodeOpt = False,
    ) -> None:
        """Try."""
        seen.update(locals())

    def build():
        small = typer.Typer(rich_markup_mode=None)
        small.command()(probe)
        return small

    monkeypatch.setattr(app, "build", build)
    monkeypatch.setenv("KRAKENSTATE_SITE", "runner")
    monkeypatch.setenv("KRAKENSTATE_INPUT", "false")
    monkeypatch.setenv("KRAKENSTATE_LOCK_TIMEOUT", "2m")
    assert app.run(["uat", "--refresh=false", "--approved-digest", "ab", "--detailed-exitcode"]) == 0
    seen.pop("seen")
    assert seen == {
        "stack": "uat",
        "named": None,
        "site": "runner",
        "refresh": False,
        "ask": False,
        "lock_timeout_s": 120.0,
        "digest": "ab",
        "approve": False,
        "detailed": True,
    }
    assert app.run(["--lock-timeout", "30s", "--input=true", "--site", "office"]) == 0
    assert (seen["lock_timeout_s"], seen["ask"], seen["site"]) == (30.0, True, "office")
    assert app.run(["--lock-timeout", "soon"]) == 1
    assert "soon" in capsys.readouterr().err


def fail_with(monkeypatch, error):
    """Makes the whole command line a single command that raises."""

    def build():
        small = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, cls=Group)

        @small.callback()
        def root() -> None:
            """Nothing."""

        @small.command()
        def burst() -> None:
            """Raise."""
            raise error

        return small

    monkeypatch.setattr(app, "build", build)
    return app.run(["burst"])


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        pytest.param(PolicyError("No."), 5, "KS5001", id="ours"),
        pytest.param(KeyboardInterrupt(), 130, "KS9003", id="Ctrl-C"),
        pytest.param(Interrupted("Stopped."), 130, "KS9003", id="ordered stop"),
        pytest.param(Terminated("Stopped."), 143, "KS9004", id="SIGTERM"),
        pytest.param(typer.Abort(), 130, "KS9003", id="question unanswered"),
        pytest.param(typer.Exit(8), 8, "", id="exit"),
        pytest.param(ZeroDivisionError("canary-77ab"), 1, "ZeroDivisionError", id="bug"),
        pytest.param(RecursionError(), 1, "KS9001", id="bug in depth"),
    ],
)
def test_whatever_ends_a_command_becomes_an_exit_code(monkeypatch, capsys, error, code, words):
    """Every ending has its exit code and our form; a bug shows kind and place, and no traceback."""
    assert fail_with(monkeypatch, error) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err
    assert "canary-77ab" not in err


def test_debug_shows_the_traceback_without_secrets(monkeypatch, capsys):
    """With KRAKENSTATE_LOG=debug a bug shows its traceback, scrubbed."""
    monkeypatch.setenv("KRAKENSTATE_LOG", "debug")
    register("canary-secret-91be03")
    assert fail_with(monkeypatch, ValueError("It was canary-secret-91be03")) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "canary-secret" not in err


def test_logs_are_scrubbed_and_go_where_told(tmp_path, monkeypatch):
    """Log records go to the named file, without registered secrets."""
    register("canary-secret-c0ffee")
    logs.configure({"KRAKENSTATE_LOG": "info", "KRAKENSTATE_LOG_PATH": str(tmp_path / "log")})
    logger = logging.getLogger("krakenstate.test")
    logger.info("token %s", "canary-secret-c0ffee")
    logger.debug("not asked for")
    text = (tmp_path / "log").read_text()
    assert "token (sensitive value)" in text
    assert "not asked for" not in text


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ({"KRAKENSTATE_LOG": "loud"}, "KS8001"),
        ({"KRAKENSTATE_LOG": "info", "KRAKENSTATE_LOG_PATH": "no/such/log"}, "KS8003"),
    ],
)
def test_wrong_log_settings_are_said(tmp_path, setting, code):
    """A level or file that cannot be used is an error like any other."""
    assert code in run_cli("version", cwd=tmp_path, env=setting).stderr


def test_a_reader_that_goes_away_is_no_crash(tmp_path):
    """Output cut off by the next program in a pipe ends quietly."""
    write_stack(tmp_path, "for n in range(3000):\n    stack.add(Process(name=f'p{n}', owner='x' * 100))\n")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m krakenstate render | head -c 10"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ('{\n  "forma', "")


ANSWERS_AT_LENGTH = """
from krakenstate.cli import app
from krakenstate.cli.output import Output

app._play = lambda words: Output(json=True).data({"rows": (f"row {n}" for n in range(1_000_000))})
app.main(["plan", "--json"])
"""


def wait_until_full(pipe):
    """Waits until whoever writes into a pipe waits for its reader."""
    until = time.monotonic() + 20
    waiting = bytearray(4)
    while time.monotonic() < until:
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
        if int.from_bytes(waiting, sys.byteorder) > 2**16 - 2**13:
            return
        time.sleep(0.01)
    raise AssertionError("nothing filled the pipe")


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_a_stop_waits_for_no_reader(tmp_path, stop, code):
    """Where half of an answer is written and nobody reads on, a stop ends the program and adds nothing."""
    running = subprocess.Popen(
        [sys.executable, "-c", ANSWERS_AT_LENGTH],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until_full(running.stdout)
        running.send_signal(stop)
        assert running.wait(timeout=20) == code
    finally:
        running.kill()
        printed, said = running.communicate()
    assert printed.startswith(b'{\n  "rows": [\n    "row 0",\n')
    assert b'"error"' not in printed
    assert said.count(b"Error: ") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("command", ["version", "--help", "validate", "validate --json", "dev status"])
def test_a_full_disk_is_said_and_is_no_crash(tmp_path, command):
    """Results that cannot be written end a command with 1 and one message, whoever prints them."""
    write_stack(tmp_path, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "krakenstate", *command.split()],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count("Standard output cannot be written: ") == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "KS9001" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [
        ("validate >&-", 1, "", "Standard output cannot be written: Bad file descriptor."),
        ("--help >&-", 1, "", "Standard output cannot be written: "),
        ("validate 2>&-", 0, "Success! The stack prod is valid", ""),
        ("validate nosuch <&- >&- 2>&-", 1, "", ""),
    ],
)
def test_closed_streams_are_no_crash(tmp_path, command, code, out, err):
    """What cannot be printed fails as on a full disk, and no file takes the place of a stream."""
    write_stack(tmp_path, "")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m krakenstate {command}', sys.executable],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout[: len(out)]) == (code, out)
    assert err in done.stderr
    assert "Traceback" not in done.stderr


PRINTS_ITS_CHILDREN = """
from krakenstate.cli.app import main
from krakenstate.stack import process

listen = process.listen

def told(children, *how):
    print(*(child.process.pid for child in children), flush=True)
    listen(children, *how)

process.listen = told
main(["validate"])
"""


def test_sigterm_ends_in_order(tmp_path):
    """A terminated run says so, exits 143 and leaves no child behind."""
    write_stack(tmp_path, "import time\ntime.sleep(60)\n")
    running = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-c",
            PRINTS_ITS_CHILDREN,
        ],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    children = [int(pid) for pid in running.stdout.readline().split()]
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 143
    assert "KS9004" in err
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_main_thread_renders_while_another_imports(monkeypatch):
    """Ctrl-C is raised in the main thread, so the one that waits for the stack's processes can end them."""
    seen = []

    def run_stack(stack, *, in_turn, meanwhile):
        seen.append((stack, threading.current_thread() is threading.main_thread(), gc.isenabled()))
        raise FileUnusable("Enough.")

    monkeypatch.setattr(loading, "find_stack", lambda name: name)
    monkeypatch.setattr(loading, "run_stack", run_stack)
    with pytest.raises(FileUnusable):
        wiring.wire("prod", output=Output(), environment={})
    assert seen == [("prod", True, False)]
    assert gc.isenabled()


def test_two_runs_that_differ_are_said_before_what_comes_of_them(tmp_path):
    """A plan reads Vault while the second run of a stack runs; that the runs differ is all that is said."""
    write_stack(tmp_path, "stack.add(Process(name='p', owner=str(hash('x'))))\n")
    nobody = {"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "t"}
    done = run_cli("plan", "prod", "--refresh=false", cwd=tmp_path, env=nobody)
    assert (done.code, done.stdout) == (1, "")
    assert re.findall(r"KS\d{4}", done.stderr) == ["KS1006"]


def test_json_is_written_as_it_is_made():
    """Of a large answer the beginning is out before the end is made, in the same bytes as at once."""
    written, out = [], io.StringIO()

    class Rows(list):
        def __iter__(self):
            for number in range(3):
                written.append(out.getvalue().count("row "))
                yield f"row {number}"

    Output(json=True, stdout=out).data({"rows": Rows([None])})
    assert out.getvalue() == json.dumps({"rows": ["row 0", "row 1", "row 2"]}, indent=2) + "\n"
    assert written == [0, 1, 2]
