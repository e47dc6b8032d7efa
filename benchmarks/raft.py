"""A real OpenBao server with integrated storage on disk: what it answers has been written there."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Unavailable
from benchmarks.vault import LoopbackVault
from krakenstate.sim import openbao

READY_TIMEOUT_S = 60.0
_CONFIGURATION = """\
disable_mlock = true
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}
storage "raft" {{
  path = "{data}"
  node_id = "bench"
  performance_multiplier = 1
}}
"""


class RaftVault:
    """A running server, and the few administrator's calls that the benchmarks make."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._token = ""

    @property
    def vault(self) -> LoopbackVault:
        """Where it listens, and its root token."""
        return LoopbackVault(self._address, self._token)

    def unseal(self) -> None:
        """Initialises it with one key, and opens it."""
        made = self._until(lambda: self._ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}))
        self._token = made["root_token"]
        self._ask("PUT", "sys/unseal", {"key": made["keys"][0]})
        self.new_mount("ready")

    def new_mount(self, name: str) -> str:
        """An empty KV version 2 mount."""
        body = {"type": "kv", "options": {"version": "2"}}
        self._until(lambda: self._ask("POST", f"sys/mounts/{name}", body))
        self._until(lambda: self._ask("GET", f"{name}/config"))
        return name

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self._address}/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"X-Vault-Token": self._token},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None

    def _until(self, ask: Any) -> Any:
        """The first answer that is one; until then it is starting or elects itself."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                return ask()
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


@contextmanager
def start_raft(folder: Path) -> Iterator[RaftVault]:
    """Starts a server on an empty folder and ends it with the block.

    Raises:
        Unavailable: There is no program.
    """
    binary = openbao.find_binary(os.environ)
    if binary is None:
        raise Unavailable("no bao or vault program is installed")
    data = folder / f"data-{os.getpid()}"
    data.mkdir(parents=True)
    port, cluster_port = openbao.free_port(), openbao.free_port()
    text = _CONFIGURATION.format(port=port, cluster_port=cluster_port, data=data)
    (folder / "raft.hcl").write_text(text, encoding="utf-8")
    with (folder / "raft.log").open("w", encoding="utf-8") as log:
        command = [str(binary), "server", f"-config={folder / 'raft.hcl'}"]
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        found = RaftVault(f"http://127.0.0.1:{port}")
        found.unseal()
        yield found
    finally:
        server.terminate()
        server.wait(30)
