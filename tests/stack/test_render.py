"""Running a stack file: what the child is given, what is believed of its report, what is left behind."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from krakenstate.errors import (
    KrakenstateError,
    StackExited,
    StackNotFound,
    StackOutputTooLarge,
    StackRaised,
    StackResultInvalid,
    StackSyntax,
    StackUnstable,
)
from krakenstate.stack import process
from krakenstate.stack.find import StackFile, find_stack
from krakenstate.stack.load import dump_rendered, load_desired, load_stack, read_first_run
from krakenstate.stack.plain import parse_report
from krakenstate.stack.process import make_undumpable
from krakenstate.stack.render import read_first, render_stack
from krakenstate.stack.running import SEEDS, run_stack
from krakenstate.stack.text import clean
from tests.support.cli import ROOT, clean_environment
from tests.support.stacks import write_stack

FORGE = """
import json, os
def send(value):
    for fd in range(3, 64):
        try:
            os.fstat(fd)
            os.write(fd, value if isinstance(value, bytes) else json.dumps(value).encode())
        except OSError:
            continue
    os.kill(os.getpid(), 9)
report = dict(finished=True, stacks=[], lines=[], resources=[], placeholders=[], extras=[], problems=[])
"""
"""Lines with which a stack sends a report of its own making, and ends."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder, as working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problem_of(project, body):
    """The only problem of a stack."""
    write_stack(project, body)
    with pytest.raises(KrakenstateError) as caught:
        load_stack("prod")
    return caught.value


def test_a_loaded_stack_knows_its_lines(project):
    """Declarations come back with file, line and the line's text, sorted by address."""
    write_stack(
        project, "b = stack.add(Process(name='b', owner='x'))\na = stack.add(Process(name='a', owner='x'))\n"
    )
    loaded = load_stack(None)
    assert list(loaded.desired.resources) == ["process.a", "process.b"]
    source = loaded.desired.source("process.a")
    assert (source.file, source.line, source.text) == (
        "stacks/prod.py",
        8,
        "a = stack.add(Process(name='a', owner='x'))",
    )
    assert loaded.path.name == "prod.py"
    assert [r.name for r in loaded.rendered.resources] == ["a", "b"]


def test_a_rendered_file_loads_to_the_same(project):
    """What render writes is what --desired reads, lines included."""
    write_stack(project, "stack.add(Process(name='b', owner='x'))\n")
    first = load_stack("prod")
    (project / "desired.json").write_text(dump_rendered(first.rendered))
    second = load_desired(project / "desired.json")
    assert second.desired.resources == first.desired.resources
    assert second.desired.source("process.b") == first.desired.source("process.b")
    assert second.rendered == first.rendered


def test_a_later_minor_format_is_read(project):
    """Fields that a later minor version adds are ignored."""
    write_stack(project, "")
    value = json.loads(dump_rendered(load_stack("prod").rendered))
    (project / "desired.json").write_text(json.dumps(value | {"format_version": "1.7", "later": {}}))
    assert load_desired(project / "desired.json").desired.head.name == "prod"


def test_a_path_outside_the_project_keeps_its_name(project, tmp_path_factory):
    """A stack given as a path is shown as it was given, and runs in its own project's folder."""
    other = tmp_path_factory.mktemp("elsewhere")
    file = write_stack(
        other, "import os\nfrom pathlib import Path\nassert Path('stacks/prod.py').exists()\n1 / 0\n"
    )
    with pytest.raises(StackRaised) as caught:
        load_stack(str(file))
    assert (caught.value.source.file, caught.value.source.line) == (str(file), 10)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("# nothing \u202e }", id="direction"),
        pytest.param("access = 'user\u2066 # admin\u2069'", id="isolate"),
        pytest.param("# nothing\r1 / 0", id="a return without a new line"),
        pytest.param("# nothing\x1b[1A", id="escape"),
    ],
)
def test_a_line_that_is_shown_otherwise_than_it_runs_is_refused(project, line):
    """A character that turns, moves or ends a line unseen is told at its line, and nothing runs."""
    file = write_stack(project, "")
    before = file.read_bytes()
    file.write_bytes(before + f"1 / 0\n{line}\n".encode())
    with pytest.raises(StackSyntax, match="shown otherwise than it runs") as caught:
        load_stack("prod")
    assert caught.value.source.line == before.count(b"\n") + 2


def test_a_file_is_utf_8_whatever_it_says(project):
    """With another encoding's name on top a comment stays a comment, and windows' line ends are fine."""
    file = write_stack(project, "")
    text = "# coding: utf-7\n" + file.read_text() + "# as agreed +AAo-1/0+AAo-\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_stack("prod").desired.head.name == "prod"
    file.write_bytes(text.replace("utf-7", "latin-1").encode() + b"# caf\xe9\n")
    with pytest.raises(StackSyntax, match="A stack file is UTF-8, and the byte 0xe9 is not") as caught:
        load_stack("prod")
    assert caught.value.source.line == text.count("\n") + 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "import helpers\n",
            (
                "ModuleNotFoundError: No module named 'helpers'. "
                "A stack file imports krakenstate and what is installed beside it, and no file of its folder."
            ),
        ),
        (
            "Permission.QUERY_FUND\n",
            "AttributeError: Permission has no QUERY_FUND. Did you mean QUERY_FUNDS?",
        ),
        ("stack.add(Process)\n", "stack.add() takes a declaration, not the class Process itself."),
    ],
)
def test_a_common_slip_is_told_with_its_reason(project, body, said):
    """Where Python alone would name half of it."""
    write_stack(project, body)
    with pytest.raises(KrakenstateError) as caught:
        load_stack("prod")
    assert caught.value.message == said


def test_a_path_that_is_no_file_is_not_said_to_be_missing(project):
    """A folder, a link to nothing and a saved plan are each told as what they are."""
    (project / "stacks" / "folder.py").mkdir(parents=True)
    (project / "stacks" / "link.py").symlink_to("nowhere.py")
    for name, said in (
        ("folder", "stacks/folder.py is no file."),
        ("link", "stacks/link.py is a link that leads to no file."),
        ("plan.json", "plan.json is no stack's name. Where a stack is meant, a saved plan is none."),
        ("gone", "stacks/gone.py does not exist."),
    ):
        with pytest.raises(StackNotFound) as caught:
            find_stack(name)
        assert caught.value.message == said


def test_the_child_has_nothing_of_the_caller(project, monkeypatch):
    """No variables, arguments or open files of the caller, and the project cannot be imported from."""
    monkeypatch.setenv("VAULT_TOKEN", "canary-8d1f2c")
    monkeypatch.setattr(process, "CONFINED", False)  # so that the child can look into /proc
    with (project / "secret").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        write_stack(
            project,
            "import os, sys, json\n"
            "fds = sorted(int(fd) for fd in os.listdir('/proc/self/fd'))\n"
            "fds = [f'/proc/self/fd/{fd}' for fd in fds]\n"
            "links = [os.readlink(fd) for fd in fds if os.path.exists(fd)]\n"
            "environ = open('/proc/self/environ').read()\n"
            "print(json.dumps([dict(os.environ), sys.argv, links, environ, os.getcwd(), sys.path,\n"
            "                  os.getsid(0) == os.getpid()]))\n",
        )
        printed = []
        with run_stack(find_stack("prod")) as ran:
            render_stack(ran, show=printed.append)
    # a printed line is shown in part only, so it is read where the child left it
    assert len(printed) == 1
    children = process.run_children(
        project / "stacks" / "prod.py", "stacks/prod.py", project, [0], process.TIME_MAX_S
    )
    environment, arguments, links, initial, folder, path, leads = json.loads(children[0].printed)
    assert environment == {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
    assert arguments == ["stacks/prod.py"]
    assert not [link for link in links if "secret" in link]
    assert "canary" not in initial
    assert Path(folder) == project
    assert str(project) not in path
    assert "" not in path
    assert leads


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_parent_cannot_be_read_from():
    """After make_undumpable the kernel no longer lets children of the same user look into this process."""
    program = (
        "import ctypes\nfrom krakenstate.stack.process import make_undumpable\n"
        "make_undumpable()\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
    make_undumpable()
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0


def test_krakenstate_is_found_by_path_alone(tmp_path):
    """It runs from a checkout that is on PYTHONPATH only, and the checkout is not importable in a stack."""
    write_stack(tmp_path, f"import sys\nassert {str(ROOT)!r} not in sys.path\n")
    done = subprocess.run(
        [sys.executable, "-m", "krakenstate", "validate"],
        cwd=tmp_path,
        env=clean_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param("send(b'{')", StackResultInvalid, id="half"),
        pytest.param("send([])", StackResultInvalid, id="list"),
        pytest.param("send({})", StackResultInvalid, id="empty"),
        pytest.param("send(report | {'more': 1})", StackResultInvalid, id="more"),
        pytest.param(
            "send(report | {'problems': [{'code': 'KS1001'}]})", StackResultInvalid, id="short problem"
        ),
        pytest.param("send(b'[' * 200000)", StackResultInvalid, id="deep"),
        pytest.param("send(b'{\"finished\": ' + b'9' * 10000 + b'}')", StackResultInvalid, id="huge number"),
        pytest.param("send(report | {'finished': False})", StackExited, id="unfinished"),
        pytest.param("send(b' ' * (process_max := 65 * 2**20))", StackOutputTooLarge, id="too much"),
        pytest.param("os.kill(os.getpid(), 9)", StackExited, id="nothing"),
    ],
)
def test_a_forged_report_is_refused(project, body, error):
    """Whatever arrives instead of a report is an error about the stack, never a crash."""
    problem = problem_of(project, FORGE + body + "\n")
    assert type(problem) is error
    assert problem.source.file == "stacks/prod.py"


def test_a_forged_problem_is_defused(project):
    """Foreign codes, far-off lines and control characters in a report become what can be true."""
    forged = (
        "send(report | {'finished': False, 'problems': [{\n"
        "    'code': 'KS9001', 'message': 'a\\x1b[2Jb', 'address': 'x\\u202ey',\n"
        "    'source': {'file': '/etc/passwd', 'line': 1}}]})\n"
    )
    problem = problem_of(project, FORGE + forged)
    assert type(problem) is StackRaised
    assert (problem.message, problem.address) == ("a[2Jb", "xy")
    assert (problem.source.file, problem.source.line) == ("stacks/prod.py", 1)
    assert problem.source.text == "from datetime import date, timedelta"


def test_a_difference_is_named_by_address(project):
    """When two runs differ, the first differing address is named with its line."""
    problem = problem_of(
        project,
        "stack.add(Process(name='a', owner='same'))\n"
        "for n in 'bc':\n    stack.add(Process(name=n, owner=str(hash('x'))))\n",
    )
    assert type(problem) is StackUnstable
    assert (problem.address, problem.source.line) == ("process.b", 9)


def test_the_first_run_is_read_while_the_second_runs(project):
    """What waits for the first run goes on without the second, whose word it still waits for in the end."""
    write_stack(project, "import time\nif hash('x') != FIRST:\n    time.sleep(1)\n")
    seed = "import sys; print(hash('x'))"
    told = subprocess.run(
        [sys.executable, "-c", seed],
        env={"PYTHONHASHSEED": str(SEEDS[0])},
        capture_output=True,
        text=True,
        check=True,
    )
    file = project / "stacks" / "prod.py"
    file.write_text(file.read_text().replace("FIRST", told.stdout.strip()))
    with run_stack(find_stack("prod")) as ran:
        first, later = ran.children
        assert (first.is_over, later.is_over) == (True, False)
        assert read_first(ran).resources == []
        assert ran.second().report == first.report
        assert later.is_over


def test_a_stack_counts_once_both_runs_agree(project):
    """The first run alone gives the declarations; the second confirms them, or says where it differs."""
    write_stack(project, "stack.add(Process(name='p', owner='x'))\n")
    with run_stack(find_stack("prod")) as ran:
        loaded, confirmed = read_first_run(ran)
        assert list(loaded.desired.resources) == ["process.p"]
        assert confirmed().desired is loaded.desired
        assert confirmed() is confirmed()
    write_stack(project, "stack.add(Process(name='p', owner=str(hash('x'))))\n")
    with run_stack(find_stack("prod")) as ran:
        _, confirmed = read_first_run(ran)
        with pytest.raises(StackUnstable, match=r"first of process\.p"):
            confirmed()


def test_what_is_left_early_is_ended(project):
    """Whoever stops reading leaves no process that still runs."""
    write_stack(project, "")
    with pytest.raises(KeyboardInterrupt), run_stack(find_stack("prod")) as ran:
        raise KeyboardInterrupt
    for child in ran.children:
        assert child.is_over
        with pytest.raises(ProcessLookupError):
            os.killpg(child.process.pid, 0)


def test_no_process_is_left_behind(project):
    """Every child is gone when rendering returns, also one that would have run on."""
    write_stack(project, "while True: pass\n")
    children = process.run_children(project / "stacks" / "prod.py", "stacks/prod.py", project, [0, 1], 1.0)
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.killpg(child.process.pid, 0)


def test_nothing_is_written_beside_the_stack(project):
    """Rendering leaves no byte code and no other file in the project."""
    write_stack(project, "")
    load_stack("prod")
    assert [str(p.relative_to(project)) for p in sorted(project.rglob("*"))] == ["stacks", "stacks/prod.py"]


@pytest.mark.parametrize(
    ("path", "project_name", "name"),
    [("desk/stacks/prod.py", "desk", "prod"), ("desk/one.py", "desk", "one")],
)
def test_a_stack_file_knows_its_project(path, project_name, name):
    """The project is the folder above stacks/, or the file's own."""
    stack = StackFile(Path("/x") / path, path)
    assert (stack.project.name, stack.name) == (project_name, name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\tb\nc", "a b c"), ("\x1b[31m", "[31m"), ("ü\u200bé", "üé"), ("\ud800x", "x")],
)
def test_clean_keeps_what_can_be_read(text, shown):
    """Letters of any script stay; control and invisible characters go."""
    assert clean(text) == shown
    assert clean("x" * 50, 10) == "x" * 9 + "…"


def test_a_line_is_found_in_a_long_file(project):
    """Each declaration of a long file has its own line, a call over several lines that of its first."""
    body = "".join(
        f"stack.add(Process(name='p{n}', owner='x'))\nstack.add(\n    Process(\n        name='q{n}',\n"
        f"        owner='y'))\n"
        for n in range(300)
    )
    file = write_stack(project, body)
    assert len(compile(file.read_text(), "prod.py", "exec").co_linetable) > 2048
    desired = load_stack("prod").desired
    first = file.read_text().splitlines().index("stack.add(Process(name='p0', owner='x'))") + 1
    assert [desired.source(f"process.p{n}").line for n in range(300)] == [first + 5 * n for n in range(300)]
    assert [desired.source(f"process.q{n}").line for n in range(300)] == [
        first + 5 * n + 2 for n in range(300)
    ]


def test_a_report_is_checked_field_by_field():
    """A line number that is none, or a list that is too long, is refused with its place."""
    value = {"finished": True, "stacks": [], "lines": [], "resources": [], "extras": [], "placeholders": []}
    value["problems"] = [{"code": "KS1001", "message": "m", "source": {"file": "f", "line": 0}}]
    with pytest.raises(StackResultInvalid, match=r"problems\.0\.source\.line"):
        parse_report(json.dumps(value).encode(), "The report")
