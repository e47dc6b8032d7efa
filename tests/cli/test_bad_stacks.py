"""Each way a stack file can be wrong: the right code, the right line, exit 1, and never a traceback."""

import json
import os
import re
import time

import pytest

from krakenstate.cli import app
from krakenstate.stack import process
from tests.support.cli import run_cli
from tests.support.stacks import HEADER, write_stack

DESK = """\
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
mm = stack.add(SpotSubaccount(name="mm", master=desk, username="desk-mm", email="mm@desk.example"))
quoter = stack.add(Process(name="quoter", owner="mm"))
other = stack.add(Process(name="other", owner="mm"))
"""
"""Lines 7 to 10; what follows begins on line 11."""

BAD = [
    pytest.param("x = (\n", "KS1001", 7, id="syntax error"),
    pytest.param("x = 1\n  y = 2\n", "KS1001", 8, id="indentation"),
    pytest.param("\n1 / 0\n", "KS1002", 8, id="exception"),
    pytest.param("def f():\n    raise ValueError('x')\n\nf()\n", "KS1002", 8, id="exception in a function"),
    pytest.param("import sys\nsys.exit(0)\n", "KS1005", 8, id="sys.exit"),
    pytest.param("import os\n\nos._exit(0)\n", "KS1005", 9, id="os._exit"),
    pytest.param("import os\nos.abort()\n", "KS1005", 1, id="abort"),
    pytest.param("import os\nos.kill(os.getpid(), 9)\n", "KS1005", 1, id="killed"),
    pytest.param("for _ in range(100000):\n    print('x' * 100)\n", "KS1004", 8, id="megabytes printed"),
    pytest.param(
        "import os\nfor _ in range(10000):\n    os.write(1, b'x' * 1000)\n",
        "KS1004",
        1,
        id="megabytes written",
    ),
    pytest.param(
        "import os\nfor fd in range(3, 64):\n"
        "    try:\n        os.write(fd, b'garbage')\n    except OSError:\n        pass\n",
        "KS1007",
        1,
        id="garbage in the result",
    ),
    pytest.param("open('left-behind', 'w').write('x')\n", "KS1002", 7, id="writes a file"),
    pytest.param("import os\nos.mkdir('left-behind')\n", "KS1002", 8, id="makes a folder"),
    pytest.param("import os\nos.fork()\n", "KS1002", 8, id="forks"),
    pytest.param("import subprocess\nsubprocess.run(['true'])\n", "KS1002", 8, id="runs a program"),
    pytest.param("import socket\nsocket.socket()\n", "KS1002", 8, id="opens a socket"),
    pytest.param("x = bytearray(2**31)\n", "KS1002", 7, id="memory"),
    pytest.param("raise KeyboardInterrupt\n", "KS1002", 7, id="raises an interrupt"),
    pytest.param("Environment(name='uat', spot_url='http://x.example')\n", "KS1101", 7, id="plain http"),
    pytest.param("stack.add(MasterAccount(name='a'))\n", "KS1101", 7, id="missing field"),
    pytest.param("stack.add('desk')\n", "KS1101", 7, id="adds something else"),
    pytest.param("Allowlist(name='a', networks=['192.0.2.1'])\n", "KS1210", 7, id="never added"),
    pytest.param(
        "stack.add(Allowlist(name='a', networks=['192.0.2.1'], note=1))\n", "KS1106", 7, id="unknown field"
    ),
    pytest.param(
        "stack.add(Allowlist(name='a', networks=['192.0.2.1'], cls=1))\n", "KS1106", 7, id="field cls"
    ),
    pytest.param("stack.add(Allowlist(name='a', networks=['192.0.2.5/24']))\n", "KS1103", 7, id="host bits"),
    pytest.param("stack.add(Allowlist(name='A', networks=['192.0.2.1']))\n", "KS1104", 7, id="name"),
    pytest.param(
        "stack.add(MasterAccount(name='a', email='a@b.example', iiban='AB12 N84G'))\n",
        "KS1105",
        7,
        id="iiban",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, permissions=['withdraw']))\n",
        "KS1102",
        11,
        id="permission",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, calls=['AddOrders']))\n",
        "KS1108",
        11,
        id="unknown call",
    ),
    pytest.param(
        DESK + f"stack.add(SpotKey(name='{'k' * 27}', account=mm, process=quoter))\n",
        "KS1104",
        11,
        id="27 characters",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=[quoter, other]))\n",
        "KS1107",
        11,
        id="two processes",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, nonce_window=10**20))\n",
        "KS1101",
        11,
        id="large number",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, nonce_window=10**5000))\n",
        "KS1101",
        11,
        id="huge number",
    ),
    pytest.param(
        DESK + "\nstack.add(Process(name='quoter', owner='again'))\n",
        "KS1201",
        12,
        id="address declared twice",
    ),
    pytest.param(DESK + "stack.add(quoter)\n", "KS1201", 9, id="added twice"),
    pytest.param(
        DESK + "p = Process(name='p', owner='mm')\nstack.add(Grant(name='p', process=p))\n",
        "KS1202",
        12,
        id="never added",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, controls=desk))\n",
        "KS1203",
        11,
        id="controls elsewhere",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, controls=mm))\n",
        "KS1203",
        11,
        id="controls a subaccount",
    ),
    pytest.param(
        DESK
        + "stack.add(SpotKey(name='k', account=mm, process=quoter))\n"
        + "stack.add(SpotKey(name='l', account=mm, process=quoter))\n",
        "KS1204",
        12,
        id="two keys of a process",
    ),
    pytest.param(
        DESK
        + "stack.add(SpotKey(name='k', account=desk, process=quoter, controls=desk))\n"
        + "stack.add(SpotKey(name='l', account=desk, process=other, controls=desk))\n",
        "KS1205",
        12,
        id="two controllers",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, key_name='K' * 33))\n",
        "KS1101",
        11,
        id="key_name",
    ),
    pytest.param(
        DESK
        + "stack.add(SpotKey(name='k', account=mm, process=quoter, vault_path='krakenstate/prod/index'))\n",
        "KS1231",
        11,
        id="vault_path",
    ),
    pytest.param(
        DESK + "stack.add(SpotKey(name='k', account=mm, process=quoter, probe_in_service=True))\n",
        "KS1212",
        11,
        id="asked in service in no unit",
    ),
    pytest.param(
        DESK
        + "stack.add(SpotKey(name='k', account=mm, process=quoter, probe_in_service=True,\n"
        + "    nonce_unit=NonceUnit.COUNTER))\n",
        "KS1212",
        11,
        id="asked in service beside a counter",
    ),
    pytest.param(
        DESK
        + "stack.add(SpotKey(name='k', account=desk, process=quoter, controls=desk, probe_in_service=True,\n"
        + "    nonce_unit=NonceUnit.MILLISECONDS))\n",
        "KS1212",
        11,
        id="controller asked in service",
    ),
    pytest.param(
        DESK + "stack.add(Grant(name='g', process=quoter,\n    auth=JwtRole(bound_audiences='vault')))\n",
        "KS1101",
        12,
        id="role for everybody",
    ),
    pytest.param(DESK + "stack.add(AppRole())\n", "KS1101", 11, id="role by itself"),
    *(
        pytest.param(DESK + f"stack.add(Moved(old='{old}', new='{new}'))\n", "KS1221", 11, id=f"moved: {why}")
        for old, new, why in (
            ("process.a", "process.quoter", "a process"),
            ("allowlist.a", "allowlist.b", "an allowlist"),
            ("spot_subaccount.mm", "master_account.desk", "another type"),
            ("spot_subaccount.mm", "spot_subaccount.b", "both are there"),
            ("spot_subaccount.a", "spot_subaccount.b", "to nothing"),
            ("spot_subaccount.a", "spot_subaccount.a", "to itself"),
            ("robot.a", "spot_key.b", "no type"),
        )
    ),
    pytest.param(
        DESK
        + "stack.add(Moved(old='spot_subaccount.a', new='spot_subaccount.mm'))\n"
        + "stack.add(Moved(old='spot_subaccount.b', new='spot_subaccount.mm'))\n",
        "KS1221",
        12,
        id="moved: two to one",
    ),
    pytest.param("stack.add(Moved(old='a', new='process.b'))\n", "KS1101", 7, id="moved: no address"),
    pytest.param("stack.add(Removed(address='process.a'))\n", "KS1221", 7, id="removed: nothing recorded"),
    pytest.param(
        DESK + "stack.add(Removed(address='spot_subaccount.mm'))\n",
        "KS1221",
        11,
        id="removed: still declared",
    ),
    pytest.param(
        DESK + "stack.add(SpotSubaccount(name='b', master=desk, username='B', email='MM@desk.example'))\n",
        "KS1207",
        11,
        id="same e-mail",
    ),
    pytest.param(
        DESK
        + "stack.add(SpotSubaccount(name='b', master=desk, username='Desk-MM', email='b@desk.example'))\n",
        "KS1207",
        11,
        id="same user name",
    ),
    pytest.param(
        DESK
        + "stack.add(DerivativesSubaccount(name='a', master=desk, email='mm@desk.example', same_as=mm))\n"
        + "stack.add(DerivativesSubaccount(name='b', master=desk, email='b@desk.example', same_as=mm))\n",
        "KS1207",
        12,
        id="same account twice",
    ),
    pytest.param(
        DESK + "stack.add(Grant(name='a', process=quoter))\nstack.add(Grant(name='b', process=quoter))\n",
        "KS1101",
        12,
        id="two grants",
    ),
    pytest.param(
        "Stack(name='other', environment=stack.environment, vault=stack.vault)\n",
        "KS1012",
        7,
        id="two stacks",
    ),
    pytest.param("import os\nos.environ['VAULT_TOKEN']\n", "KS1002", 8, id="reads the environment"),
    pytest.param("import tests\n", "KS1002", 7, id="imports from the project"),
    pytest.param("import helpers\n", "KS1002", 7, id="imports its neighbour"),
    pytest.param("class E(Exception):\n    def __str__(self): 1/0\nraise E\n", "KS1002", 9, id="bad message"),
    pytest.param("raise ValueError('\\x1b[2Jgone')\n", "KS1002", 7, id="escape sequence"),
    pytest.param(
        "import random\nstack.add(Process(name='p', owner=str(random.random())))\n", "KS1006", 8, id="random"
    ),
    pytest.param(
        "stack.add(Process(name='p', owner=''.join(set('abcdefghijkl'))))\n", "KS1006", 7, id="order of a set"
    ),
    pytest.param(
        "import random\nstack.add(Process(name=f'p{random.randrange(10**9)}', owner='x'))\n",
        "KS1006",
        8,
        id="random address",
    ),
]


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch):
    """No colour, and nothing of krakenstate's in the environment."""
    for name in ("NO_COLOR", "FORCE_COLOR", *(n for n in os.environ if n.startswith("KRAKENSTATE_"))):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working folder with modules that a stack must not find, and a secret it must not see."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "helpers.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAULT_TOKEN", "canary-8d1f2c")
    return tmp_path


@pytest.mark.parametrize(("body", "code", "line"), BAD)
def test_a_bad_stack_is_refused_with_its_line(project, capsys, body, code, line):
    """Every fault ends validate with its own code, the file and line at fault, and exit code 1."""
    write_stack(project, body)
    assert app.run(["validate", "prod"]) == 1
    out, err = capsys.readouterr()
    assert f"  on stacks/prod.py line {line}" in err
    assert f"  {code}\n" in err
    assert re.findall("^Error: ", err, re.MULTILINE) == ["Error: "], err
    assert out == ""
    assert "Traceback" not in err
    assert "canary-8d1f2c" not in err
    assert "\x1b" not in err
    assert not (project / "left-behind").exists()


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        pytest.param("x = 1\n", "KS1011", 1, id="no stack"),
        pytest.param("", "KS1011", 1, id="empty"),
        pytest.param("import krakenstate\n\nx = krakenstate.Stack()\n", "KS1002", 3, id="arguments missing"),
        pytest.param(HEADER.replace('"prod"', '"uat"'), "KS1013", 4, id="named unlike its file"),
        pytest.param(HEADER.replace('"prod"', '"Prod!"'), "KS1101", 4, id="name"),
        pytest.param(HEADER.replace('"kv"', '"/kv"'), "KS1101", 6, id="vault path"),
        pytest.param(HEADER.replace("Environment.production()", "None"), "KS1101", 4, id="environment"),
        pytest.param("x = '\0'\n", "KS1001", 1, id="null byte"),
        pytest.param("(" * 5000 + ")" * 5000, "KS1001", 1, id="deep source"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path, text, code, line):
    """What is wrong with the file itself, or with its Stack, is said in the same form."""
    write_stack(tmp_path, "", header=text)
    done = run_cli("validate", cwd=tmp_path)
    assert done.code == 1
    assert f"  on stacks/prod.py line {line}" in done.stderr
    assert f"  {code}\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_several_faults_are_reported_together(tmp_path):
    """One run shows all faults in the order of their lines; what depends on a faulty one is not blamed."""
    write_stack(
        tmp_path,
        "runner = stack.add(Allowlist(name='runner', networks=['192.0.2.10/24']))\n"
        + DESK.replace("email='ops@desk.example'", "email='nobody'")
        + "stack.add(SpotKey(name='k', account=mm, process=quoter, permissions=['fly']))\n"
        + "stack.add(SpotKey(name='l', account=mm, process=other, allowlist=[runner]))\n"
        + "stack.add(Grant(name='g', process=Process(name='ghost', owner='x')))\n"
        + "stack.add(Process(name='quoter', owner='again'))\n",
    )
    done = run_cli("validate", "--json", cwd=tmp_path)
    assert done.code == 1
    said = json.loads(done.stdout)
    assert [(p["code"], p["line"]) for p in said["problems"]] == [
        ("KS1103", 7),
        ("KS1102", 12),
        ("KS1202", 14),
        ("KS1201", 15),
    ]
    assert said["error"] == "stack_problems"
    assert said["code"] == "KS1103"
    assert said["retryable"] is False
    assert len(re.findall("^Error: ", done.stderr, re.MULTILINE)) == 4


def test_an_exception_does_not_hide_earlier_faults(tmp_path):
    """Faults found before the file broke off are reported beside the exception."""
    write_stack(tmp_path, "stack.add(Process(name='P', owner='x'))\nraise RuntimeError('stop')\n")
    done = run_cli("validate", cwd=tmp_path)
    assert "KS1104" in done.stderr
    assert "RuntimeError: stop." in done.stderr


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param("x = 0\nwhile True:\n    x += 1\n", (8, 9), id="loop"),
        pytest.param("import time\ntime.sleep(600)\n", (8, 8), id="sleep"),
        pytest.param(
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n",
            (7, 10),
            id="stubborn",
        ),
        pytest.param("import signal\nsignal.signal(14, 1)\nwhile True: pass\n", (1, 1), id="deaf"),
    ],
)
def test_an_endless_stack_is_stopped(tmp_path, monkeypatch, capsys, body, line):
    """A stack that does not end is stopped at the limit, and the line that ran is named where it is known."""
    monkeypatch.setattr(process, "TIME_MAX_S", 3.0)
    monkeypatch.chdir(tmp_path)
    write_stack(tmp_path, body)
    before = time.monotonic()
    assert app.run(["validate"]) == 1
    assert time.monotonic() - before < 20
    said = capsys.readouterr().err
    assert any(f"  on stacks/prod.py line {n}" in said for n in range(line[0], line[1] + 1))
    assert "KS1003" in said


def test_a_stack_sees_no_environment(tmp_path):
    """Inside a stack the environment is the same whatever the caller's holds: no plugins of pydantic's."""
    write_stack(tmp_path, "import os\nassert dict(os.environ) == {'PYDANTIC_DISABLE_PLUGINS': '__all__'}\n")
    done = run_cli("validate", cwd=tmp_path, env={"VAULT_TOKEN": "canary-8d1f2c"})
    assert (done.code, done.stdout) == (0, "Success! The stack prod is valid: 0 declarations.\n")


def test_what_a_stack_prints_is_shown_harmlessly(tmp_path):
    """A few printed lines appear once, on standard error, without control characters."""
    write_stack(tmp_path, "print('hello \\x1b[31mred')\n")
    done = run_cli("render", cwd=tmp_path)
    assert done.code == 0
    assert done.stderr == "stacks/prod.py printed: hello [31mred\n"
    assert json.loads(done.stdout)["resources"] == []


@pytest.mark.parametrize(
    ("files", "args", "code", "words"),
    [
        pytest.param([], ["validate"], "KS1009", "no .py file", id="none"),
        pytest.param(["prod"], ["validate", "uat"], "KS1009", "stacks/uat.py does not exist", id="other"),
        pytest.param(["prod", "uat"], ["validate"], "KS1010", "prod, uat", id="several"),
        pytest.param(["prod", "uat"], ["task", "list"], "KS1010", "takes it as: --stack prod", id="an id"),
        pytest.param(["prod"], ["validate", "stacks/x.py"], "KS1009", "stacks/x.py", id="path"),
        pytest.param(["prod"], ["validate", "../prod"], "KS1009", "neither", id="neither"),
    ],
)
def test_a_stack_that_cannot_be_chosen(tmp_path, files, args, code, words):
    """A missing or ambiguous stack is said before anything runs."""
    for name in files:
        write_stack(tmp_path, "", name=name, header=HEADER.replace("prod", name))
    done = run_cli(*args, cwd=tmp_path)
    assert done.code == 1
    assert code in done.stderr
    assert words in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"rubbish", "KS1007", id="no json"),
        pytest.param(b"\xff\xfe\x00", "KS1007", id="no text"),
        pytest.param(b"[]", "KS1007", id="a list"),
        pytest.param(b"{}", "KS1007", id="empty"),
        pytest.param(b"[" * 100_000, "KS1007", id="deep"),
        pytest.param(
            b'{"format_version": "1.0", "stack": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "KS1007", id="nested"
        ),
        pytest.param(b'{"format_version": "2.0"}', "KS1007", id="later format"),
        pytest.param(b'{"format_version": ' + b"9" * 10_000 + b"}", "KS1007", id="huge number"),
        pytest.param(b'{"format_version": NaN}', "KS1007", id="not a number"),
        pytest.param(None, "KS8003", id="no file"),
    ],
)
def test_rubbish_is_no_rendered_stack(tmp_path, data, code):
    """A file given as --desired is read with the same distrust as a child's report."""
    file = tmp_path / "desired.json"
    if data is not None:
        file.write_bytes(data)
    done = run_cli("validate", "--desired", str(file), cwd=tmp_path)
    assert done.code == 1
    assert code in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rendered_stack_is_checked_like_a_stack_file(tmp_path):
    """Editing a rendered file brings the same problems, with the lines it gives."""
    office = "office = stack.add(Allowlist(name='office', networks=['192.0.2.10']))\n"
    key = "stack.add(SpotKey(name='k', account=mm, process=quoter, allowlist=[office], nonce_window=0))\n"
    write_stack(tmp_path, DESK + office + key)
    desired = tmp_path / "desired.json"
    assert run_cli("render", "prod", "--out", str(desired), cwd=tmp_path).code == 0
    ok = run_cli("validate", "prod", "--desired", str(desired), "--json", cwd=tmp_path)
    [check] = (said := json.loads(ok.stdout)).pop("checks")
    assert (check["code"], check["severity"], check["source"]["line"]) == ("KS5111", "warning", 12)
    assert said == {
        "valid": True,
        "stack": "prod",
        "declarations": 6,
        "isolation": json.loads(desired.read_text())["isolation"],
        "isolation_reason": json.loads(desired.read_text())["isolation_reason"],
    }
    other = run_cli("validate", "uat", "--desired", str(desired), cwd=tmp_path)
    assert "KS1007" in other.stderr

    value = json.loads(desired.read_text())
    key = next(r for r in value["resources"] if r["type"] == "spot_key")
    key["attributes"] |= {"permissions": ["fly"], "cls": 1, "nonce_window": 2**60}
    value["resources"].append({"type": "rocket", "name": "x", "attributes": {}})
    value["resources"].append(
        {"type": "process", "name": "quoter", "attributes": {"owner": "a\u202e\u001bb"}}
    )
    desired.write_text(json.dumps(value))
    bad = run_cli("validate", "--desired", str(desired), "--json", cwd=tmp_path)
    assert bad.code == 1
    assert {p["code"] for p in json.loads(bad.stdout)["problems"]} == {"KS1209", "KS1106", "KS1101", "KS1201"}
