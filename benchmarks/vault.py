"""A real OpenBao server on loopback, in development mode, with one KV version 2 mount."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from benchmarks.figures import Unavailable
from krakenstate.providers.vault.kv import VaultClient
from krakenstate.sim import openbao, processes


@dataclass(frozen=True, slots=True)
class LoopbackVault:
    """Where it listens, and its root token."""

    address: str
    token: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to know of it."""
        return {"VAULT_ADDR": self.address, "VAULT_TOKEN": self.token}

    def client(self) -> VaultClient:
        """The mount, as the program itself uses it."""
        return VaultClient(self.address, SecretStr(self.token), openbao.MOUNT)


@contextmanager
def start_vault(folder: Path) -> Iterator[LoopbackVault]:
    """Starts a server and ends it with the block.

    Raises:
        Unavailable: There is no program.
    """
    binary = openbao.find_binary(os.environ)
    if binary is None:
        raise Unavailable("no bao or vault program is installed")
    folder.mkdir(parents=True, exist_ok=True)
    port, token = openbao.free_port(), openbao.new_token()
    mark = openbao.start(binary, folder, port, token, os.environ)
    try:
        address = f"http://127.0.0.1:{port}"
        openbao.wait_until_ready(mark, address, token, folder / openbao.LOG_FILE)
        yield LoopbackVault(address, token)
    finally:
        processes.end([mark])
