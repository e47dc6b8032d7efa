"""A real OpenBao server for tests: one per test session, a fresh KV mount for each test.

``tests/conftest.py`` imports the fixtures, so any test may ask for ``bao``, ``mount`` or ``kv``. A test that
seals or stops a server starts its own with ``start_bao``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from krakenstate.providers.vault.kv import VaultClient
from krakenstate.sim.openbao import find_binary, free_port

READY_TIMEOUT_S = 30.0
_ATTEMPTS = 3


@cache
def _opener() -> urllib.request.OpenerDirector:
    """Without a proxy; made once, since each making reads all certificates from Python 3.12 on."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Bao:
    """A running server, its root token, and the few administrator's calls that tests need."""

    address: str
    root_token: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def request(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One call of the HTTP API with the root token or another; the decoded answer, if there is one."""
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"X-Vault-Token": token or self.root_token},
        )
        with _opener().open(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None

    def new_mount(self, *, version: int = 2) -> str:
        """A KV mount of its own, empty and ready."""
        name = f"kv-{secrets.token_hex(4)}"
        self.request("POST", f"sys/mounts/{name}", {"type": "kv", "options": {"version": str(version)}})
        if version == 2:
            wait_for(lambda: self.request("GET", f"{name}/config") is not None)
        return name

    def token_with(self, policy: str) -> str:
        """A token that carries this policy (HCL) and no other."""
        name = f"policy-{secrets.token_hex(4)}"
        self.request("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        made = self.request("POST", "auth/token/create", {"policies": [name], "no_default_policy": True})
        return str(made["auth"]["client_token"])

    def wrap(self, fields: dict[str, Any]) -> str:
        """A response-wrapping token around these fields."""
        request = urllib.request.Request(
            f"{self.address}/v1/sys/wrapping/wrap",
            data=json.dumps(fields).encode(),
            method="POST",
            headers={"X-Vault-Token": self.root_token, "X-Vault-Wrap-TTL": "60s"},
        )
        with _opener().open(request, timeout=10) as response:
            return str(json.load(response)["wrap_info"]["token"])

    def client(self, mount: str, *, token: str | None = None, **more: Any) -> VaultClient:
        """A client for a mount, with the root token or another."""
        return VaultClient(self.address, SecretStr(token or self.root_token), mount, **more)

    def walk(self, mount: str, folder: str = "") -> Iterator[tuple[str, Any]]:
        """Everything a mount holds: path and answer of each entry's head and of each version's data."""
        try:
            listed = self.request("LIST", f"{mount}/metadata/{folder}")["data"]["keys"]
        except urllib.error.HTTPError as error:
            error.close()
            return
        for name in listed:
            path = f"{folder}{name}"
            if name.endswith("/"):
                yield from self.walk(mount, path)
                continue
            head = self.request("GET", f"{mount}/metadata/{path}")
            yield path, head
            for version, about in head["data"]["versions"].items():
                if not about["deletion_time"] and not about["destroyed"]:
                    yield path, self.request("GET", f"{mount}/data/{path}?version={version}")

    def is_ready(self) -> bool:
        """Whether it is unsealed and takes its root token."""
        is_open = self.request("GET", "sys/health")["sealed"] is False
        return is_open and self.request("GET", "auth/token/lookup-self") is not None

    def stop(self) -> None:
        """Ends the server and waits for it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_for(condition: Any, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Polls until a condition holds; one that fails to connect does not hold yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError("the server did not get ready in time")
        time.sleep(0.02)


def everything_about(error: BaseException) -> str:
    """What a log could show of an exception, its causes and contexts included."""
    shown = "".join(traceback.format_exception(error))
    seen = [error]
    while (below := seen[-1].__cause__ or seen[-1].__context__) is not None:
        seen.append(below)
    return shown + "".join(f"{e!r} {vars(e)}" for e in seen)


def start_bao(tmp: Path, *options: str) -> Bao:
    """Starts a server in development mode on free loopback ports; ``tmp`` is its home.

    One that has ended at once is started again elsewhere: somebody may have been faster to take its port.
    """
    binary = find_binary(os.environ)
    if binary is None:
        pytest.skip("no bao or vault program is installed")
    for _ in range(_ATTEMPTS):
        server = _launch(binary, tmp, options)
        try:
            wait_for(lambda asked=server: asked.process.poll() is not None or asked.is_ready())
        except BaseException:
            server.stop()
            raise
        if server.process.poll() is None:
            return server
    raise AssertionError(f"the server ended at once, {_ATTEMPTS} times; it said:\n{_log_in(tmp)}")


def _log_in(tmp: Path) -> str:
    return (tmp / "bao.log").read_text(errors="replace")[-2000:]


def _launch(binary: Path, tmp: Path, options: tuple[str, ...]) -> Bao:
    root_token = f"root-{secrets.token_hex(8)}"
    port = free_port()
    with (tmp / "bao.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(str(binary), "server", "-dev", "-dev-no-store-token"),
                *(f"-dev-listen-address=127.0.0.1:{port}", *options),
            ],
            env={
                "PATH": os.defpath,
                "HOME": str(tmp),
                "BAO_DEV_ROOT_TOKEN_ID": root_token,
                "VAULT_DEV_ROOT_TOKEN_ID": root_token,
            },
            cwd=tmp,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    return Bao(f"http://127.0.0.1:{port}", root_token, process)


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """The server of this session."""
    server = start_bao(tmp_path_factory.mktemp("bao"))
    yield server
    server.stop()


@pytest.fixture
def mount(bao: Bao) -> str:
    """A fresh KV version 2 mount."""
    return bao.new_mount()


@pytest.fixture
def kv(bao: Bao, mount: str) -> Iterator[VaultClient]:
    """A client for the fresh mount, with the root token."""
    client = bao.client(mount)
    yield client
    client.close()
