"""How far the process of a stack file is confined: who says so, what happens without, what claims reach."""

import errno
import json
import os
import re
from pathlib import Path

import pytest

from krakenstate.cli import app
from krakenstate.errors import IsolationUnavailable, StackNotFound, StackResultInvalid
from krakenstate.stack import confine, landlock, process, seccomp
from krakenstate.stack.find import find_stack
from krakenstate.stack.load import dump_rendered, load, load_stack
from krakenstate.stack.render import render_stack
from krakenstate.stack.running import run_stack
from tests.stack.test_render import FORGE
from tests.support.stacks import write_stack

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder, as working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unconfined(monkeypatch):
    """A machine whose kernel holds nobody."""
    monkeypatch.setattr(process, "CONFINED", False)


@pytest.fixture
def confined(project):
    """A machine whose kernel does; skips elsewhere."""
    write_stack(project, "")
    loaded = load_stack("prod")
    if loaded.isolation != "kernel":
        pytest.skip(f"no kernel isolation here: {loaded.isolation_reason}")


@pytest.mark.usefixtures("confined")
def test_required_isolation_is_obtained(project, capsys):
    """Where the kernel has it, --require-isolation passes, and validate, render and the file say kernel."""
    assert app.run(["validate", "prod", "--require-isolation", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["isolation"], said["isolation_reason"]) == ("kernel", None)
    assert app.run(["render", "prod", "--require-isolation", "--out", "desired.json"]) == 0
    assert json.loads((project / "desired.json").read_text())["isolation"] == "kernel"
    assert app.run(["validate", "prod", "--desired", "desired.json", "--require-isolation"]) == 0


@pytest.mark.usefixtures("unconfined")
def test_without_it_the_file_does_not_run(project, capsys):
    """Where the kernel lacks it, --require-isolation ends with KS1008, and not a line of the file has run."""
    write_stack(project, "import os\nos.write(1, b'ran')\nprint('ran')\n")
    assert app.run(["validate", "prod", "--require-isolation"]) == 1
    said = capsys.readouterr().err
    assert "KS1008" in said
    assert "--require-isolation was given, and it was not asked for" in " ".join(said.split())
    assert "printed" not in said


@pytest.mark.usefixtures("unconfined")
def test_a_lesser_isolation_is_said_with_its_reason(project):
    """Without kernel isolation the rendered file says process and why, and does not pass for more later."""
    write_stack(project, "")
    loaded = load_stack("prod")
    assert (loaded.isolation, loaded.isolation_reason) == ("process", "it was not asked for")
    (project / "desired.json").write_text(dump_rendered(loaded.rendered))
    with pytest.raises(IsolationUnavailable, match="rendered without it"):
        load("prod", project / "desired.json", require_isolation=True)


@pytest.mark.usefixtures("unconfined")
def test_a_stack_cannot_claim_isolation(project):
    """What a stack writes about its isolation comes too late: the first line was written before it ran."""
    write_stack(project, FORGE + 'send(b\'{"kind": "kernel", "reason": null}\\n\')\n')
    with run_stack(find_stack("prod")) as ran:
        run = render_stack(ran)
    assert run.isolation.kind == "process"
    assert [type(problem) for problem in run.problems] == [StackResultInvalid]


@pytest.mark.parametrize(
    ("part", "reason"), [("restrict", "gives no Landlock"), ("install", "takes no seccomp filter")]
)
def test_a_kernel_that_lacks_a_part_is_named(tmp_path, monkeypatch, part, reason):
    """If either part is missing the isolation is process, and says which part the kernel refused and how."""

    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(landlock, "restrict", refuse if part == "restrict" else lambda *_: None)
    monkeypatch.setattr(seccomp, "install", refuse)
    monkeypatch.setattr("sys.platform", "linux")
    isolation = confine.confine(tmp_path / "prod.py", tmp_path, [])
    assert isolation.kind == "process"
    assert reason in isolation.reason
    assert "not supported" in isolation.reason


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="asks Linux")
def test_isolation_is_not_said_without_a_trial(tmp_path, monkeypatch):
    """If the kernel takes both parts and still lets something through, the isolation is process."""
    monkeypatch.setattr(landlock, "restrict", lambda *_: None)
    monkeypatch.setattr(seccomp, "install", lambda *_: None)
    isolation = confine.confine(tmp_path / "prod.py", tmp_path, [])
    assert isolation.kind == "process"
    assert "a folder outside can be read although" in isolation.reason


@pytest.mark.parametrize("machine", ["riscv64", "i686", "", "a 32-bit Python"])
def test_another_processor_gets_no_filter(machine):
    """A processor whose call numbers are not known is refused, since other numbers mean other calls."""
    with pytest.raises(OSError, match="none is made for"):
        seccomp.assemble(machine, 1)


@pytest.mark.parametrize(("column", "machine"), list(enumerate(HEADERS)))
def test_the_numbers_are_the_kernels(column, machine):
    """Each call's number is the one in the kernel's header, and a call without one is not in it."""
    if not HEADERS[machine].is_file():
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\n", HEADERS[machine].read_text())
    numbers = {name: int(number) for name, number in found}
    ours = {name: pair[column] for name, pair in seccomp.CALLS.items()}
    assert ours == {
        name: numbers.get("fstatat" if (name, column) == ("newfstatat", 1) else name) for name in ours
    }
    assert all(pair[column] == numbers.get(name) for name, pair in seccomp.CALLS_BY_ARGUMENT.items())


@pytest.mark.parametrize("linked", ["file", "folder", "sideways"])
def test_a_stack_that_is_a_link_is_refused(project, tmp_path_factory, linked):
    """A link in place of a stack file cannot have lines of another file shown in messages."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in (elsewhere / "prod.py", project / ".env"):
        name.write_text("token = planted 3fa9\n")
    if linked == "folder":
        (project / "stacks").symlink_to(elsewhere)
    else:
        (project / "stacks").mkdir()
        target = elsewhere / "prod.py" if linked == "file" else project / ".env"
        (project / "stacks" / "prod.py").symlink_to(target)
    for named in (None, "prod", "stacks/prod.py", str(project / "stacks" / "prod.py")):
        with pytest.raises(StackNotFound, match="is a link or lies behind one") as caught:
            load_stack(named)
        assert "3fa9" not in str(caught.value)


@pytest.mark.parametrize("out", ["desired.json", "build/desired.json", "./stacks/../build/desired.json"])
def test_a_result_is_not_written_through_a_link(project, tmp_path_factory, capsys, out):
    """A link in a stranger's project, in the place of the result or of its folder, leads nowhere."""
    write_stack(project, "")
    home = tmp_path_factory.mktemp("home")
    (home / "desired.json").write_text("precious")
    (project / "build").symlink_to(home)
    (project / "desired.json").symlink_to(home / "desired.json")
    assert app.run(["render", "prod", "--out", out]) == 1
    assert "is a link or lies behind one" in " ".join(capsys.readouterr().err.split())
    assert (home / "desired.json").read_text() == "precious"
    assert app.run(["render", "prod", "--out", str(home / "desired.json")]) == 0
    assert json.loads((home / "desired.json").read_text())["stack"]["name"] == "prod"


def test_what_cannot_be_written_whole_leaves_what_was_there(tmp_path, monkeypatch, capsys):
    """A disk that is full is no reason to lose the plan of before, nor to leave half of the next one."""
    write_stack(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "desired.json"
    out.write_text("of before")
    out.chmod(0o600)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        assert app.run(["render", "prod", "--out", "desired.json"]) == 1
    assert "desired.json cannot be written: No space left on device." in capsys.readouterr().err
    assert out.read_text() == "of before"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["desired.json", "stacks"]
    assert app.run(["render", "prod", "--out", "desired.json"]) == 0
    assert json.loads(out.read_text())["stack"]["name"] == "prod"
    assert out.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("claimed", [".env", "data.csv", ".git/hook.py", "link.py", "../outside.py"])
def test_a_claimed_line_quotes_no_other_file(project, claimed):
    """A result cannot have a message quote what is hidden in the project, no Python, or outside of it."""
    (project / ".git").mkdir()
    for name in (".env", "data.csv", ".git/hook.py", "../outside.py"):
        (project / name).write_text("planted-3fa9\n")
    (project / "link.py").symlink_to(project / ".env")
    source = {"file": claimed, "line": 1}
    problem = {"code": "KS1002", "message": "m", "source": source}
    write_stack(project, FORGE + f"send(report | {{'finished': False, 'problems': [{problem!r}]}})\n")
    with run_stack(find_stack("prod")) as ran:
        (told,) = render_stack(ran).problems
    assert (told.source.file, told.source.line) == ("stacks/prod.py", 1)
    assert "3fa9" not in told.source.text


@pytest.mark.usefixtures("confined")
def test_a_confined_stack_may_use_python(project):
    """Libraries that are imported late, time zones, random numbers and files of the project still work."""
    (project / "desks.csv").write_text("mm,carry\n")
    write_stack(
        project,
        "import csv, decimal, hashlib, json, random, sqlite3, ssl, uuid, zoneinfo, concurrent.futures\n"
        "from pathlib import Path\n"
        "assert ssl.OPENSSL_VERSION and decimal.Decimal('1') and uuid.uuid4() and random.random() < 1\n"
        "assert list(csv.reader(open('desks.csv'))) == [['mm', 'carry']]\n"
        "assert Path('stacks/prod.py').read_text() and Path(__file__).exists()\n"
        "assert Path('desks.csv').stat().st_size and [p.name for p in Path().iterdir()]\n",
    )
    assert load_stack("prod").isolation == "kernel"


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="asks Linux's loader")
@pytest.mark.parametrize("told", [":/usr/lib", ".", "PROJECT", "PROJECT/stacks/../lib"])
def test_a_library_of_the_project_is_not_loaded(project, monkeypatch, told):
    """Where the system looks for libraries, a stranger's project is not, so none of theirs runs unheld."""
    write_stack(project, "")
    (project / "lib").mkdir()
    for place in (project, project / "lib"):
        for name in ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libutil.so.1"):
            (place / name).write_text("would end the interpreter, were it loaded")
    monkeypatch.setenv("LD_LIBRARY_PATH", told.replace("PROJECT", str(project)))
    assert load_stack("prod").desired.head.name == "prod"
