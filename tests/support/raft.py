"""A cluster of three real OpenBao servers on loopback, with integrated storage and leaders that can die.

Every server is a process with a configuration of its own. The first is initialised with one unseal key; the
others join it. Addresses, the unseal key and the root token are this test session's alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from krakenstate.sim.openbao import find_binary, free_port
from tests.support.bao import Bao, wait_for

SIZE = 3
_CONFIGURATION = """\
disable_mlock = true
ui = false
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
raw_storage_endpoint = false
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}
storage "raft" {{
  path = "{data}"
  node_id = "node-{number}"
  performance_multiplier = 1
  autopilot_reconcile_interval = "200ms"
  autopilot_update_interval = "200ms"
{joins}}}
"""
_JOIN = '  retry_join {{ leader_api_addr = "http://127.0.0.1:{port}" }}\n'


@dataclass
class Node:
    """One server of the cluster; ``bao`` is set while it runs."""

    number: int
    port: int
    home: Path
    bao: Bao | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.port}"


class Cluster:
    """Three servers, one of which leads.

    Attributes:
        address: What goes into ``VAULT_ADDR``: all nodes, the first leader last, so that every client meets
            a standby first.
    """

    def __init__(self, home: Path, binary: Path) -> None:
        self._binary = binary
        self.nodes = [Node(number, free_port(), home / f"node-{number}") for number in range(SIZE)]
        self._unseal_key = self.root_token = ""
        for node in self.nodes:
            (node.home / "data").mkdir(parents=True)

    def form(self) -> None:
        """Starts all of them; the first leads, the others join it."""
        for node in self.nodes:
            self._start(node)
        first = self.bao(self.nodes[0])
        wait_for(lambda: health(first) is not None)
        made = first.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="none")
        self._unseal_key, self.root_token = made["keys"][0], made["root_token"]
        for node in self.nodes:
            self.bao(node).root_token = self.root_token
            self.unseal(node)
            if node is self.nodes[0]:  # a node that joins is a voter after ten seconds otherwise
                self.request(
                    "POST", "sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "0s"}
                )
        wait_for(lambda: len(self._voters()) == SIZE)

    @property
    def address(self) -> str:
        """All nodes, as ``VAULT_ADDR`` lists them."""
        return ",".join(node.address for node in reversed(self.nodes))

    @property
    def leader(self) -> Node | None:
        """Who leads now, if anybody does."""
        for node in self.nodes:
            state = health(node.bao) if node.bao else None
            if state and not state["sealed"] and not state["standby"]:
                return node
        return None

    def request(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One call, asked of whoever leads."""
        wait_for(lambda: self.leader is not None)
        leader = self.leader
        assert leader is not None
        return self.bao(leader).request(method, path, body, token=token)

    @property
    def whole(self) -> Bao:
        """The cluster as if it were one server, for what asks for a ``Bao``."""
        return _Whole(self)

    def kill(self, node: Node) -> None:
        """SIGKILL, as when a machine dies."""
        server = self.bao(node)
        server.process.kill()
        server.process.wait()
        node.bao = None

    def start(self, node: Node) -> None:
        """Starts a dead node again and unseals it."""
        self._start(node)
        server = self.bao(node)
        server.root_token = self.root_token
        wait_for(lambda: health(server) is not None)
        self.unseal(node)

    def seal(self, node: Node) -> None:
        """An operator seals it."""
        self.bao(node).request("PUT", "sys/seal", {})

    def unseal(self, node: Node) -> None:
        """An operator unseals it; waits until it is, since a joining node needs a moment."""
        server = self.bao(node)

        def is_open() -> bool:
            with suppress(urllib.error.HTTPError):
                server.request("PUT", "sys/unseal", {"key": self._unseal_key}, token="none")
            state = health(server)
            return bool(state) and not state["sealed"]

        wait_for(is_open)

    def stop(self) -> None:
        """Ends every node."""
        for node in self.nodes:
            if node.bao is not None:
                node.bao.process.kill()
                node.bao.process.wait()

    def _voters(self) -> list[Any]:
        told = self.request("GET", "sys/storage/raft/configuration")
        return [server for server in told["data"]["config"]["servers"] if server["voter"]]

    def bao(self, node: Node) -> Bao:
        """A running node."""
        assert node.bao is not None, f"node {node.number} is down"
        return node.bao

    def _start(self, node: Node) -> None:
        joins = "".join(_JOIN.format(port=other.port) for other in self.nodes if other is not node)
        configuration = node.home / "server.hcl"
        configuration.write_text(
            _CONFIGURATION.format(
                port=node.port,
                cluster_port=node.port + 1,
                data=node.home / "data",
                number=node.number,
                joins=joins,
            )
        )
        with (node.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(self._binary), "server", f"-config={configuration}"],
                env={"PATH": os.defpath, "HOME": str(node.home)},
                cwd=node.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        node.bao = Bao(node.address, self.root_token, process)


class _Whole(Bao):
    """All nodes: their addresses in ``VAULT_ADDR``, and an administrator who asks whoever leads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        process = cluster.bao(cluster.nodes[0]).process
        super().__init__(cluster.address, cluster.root_token, process)

    def request(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One call, asked of the leader."""
        return self._cluster.request(method, path, body, token=token)


def health(server: Bao) -> dict[str, Any] | None:
    """What a node says of itself, whatever its status code; ``None`` while it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{server.address}/v1/sys/health", timeout=5) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))
    except OSError:
        return None


@contextmanager
def raft_cluster(home: Path) -> Iterator[Cluster]:
    """Three servers in one cluster, ended with the block."""
    binary = find_binary(os.environ)
    if binary is None:
        pytest.skip("no bao or vault program is installed")
    cluster = Cluster(home, binary)
    try:
        cluster.form()
        yield cluster
    finally:
        cluster.stop()
