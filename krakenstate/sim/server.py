"""A simulator as a process: a loopback socket, a ready file, and a clean end."""

import asyncio
import json
import os
import secrets
import signal
import socket
from datetime import datetime
from pathlib import Path

import uvicorn

from krakenstate.sim.app import build_app
from krakenstate.sim.arrival import AbruptProtocol
from krakenstate.sim.remote import READY_FILE
from krakenstate.sim.simulation import Simulation
from krakenstate.sim.store import WorldStore, write_private

WORLD_FILE = "world.json"
LOOPBACK = "127.0.0.1"
GRACE_S = 2


class _ReadyServer(uvicorn.Server):
    """Says that it is ready only when its socket accepts connections."""

    def __init__(self, config: uvicorn.Config, ready_file: Path, info: dict[str, object]) -> None:
        super().__init__(config)
        self._ready_file = ready_file
        self._info = info

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        write_private(self._ready_file, json.dumps(self._info, indent=1))
        print(f"listening on {self._info['url']}", flush=True)


def listen(port: int = 0) -> socket.socket:
    """A listening loopback socket; its protocol is named, so that asyncio sends answers without delay.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def serve(directory: Path, port: int = 0, now: datetime | None = None) -> None:
    """Serve the world kept in `directory` until SIGTERM or SIGINT.

    Args:
        directory: Holds the world; made if missing. While the server listens, `simulator.json` in it tells
            url, pid and the people's token.
        port: 0 takes a free one.
        now: Where the simulated clock starts; None goes on with the world's own offset.

    Raises:
        DevError: the world cannot be read.
        OSError: the port is taken.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sim = Simulation(WorldStore(directory / WORLD_FILE))
    if now is not None:
        sim.clock.set_to(now)
    sim.save()
    listener = listen(port)
    token = secrets.token_urlsafe(32)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        build_app(sim, token),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        http=AbruptProtocol,
        timeout_graceful_shutdown=GRACE_S,
    )
    ready_file = directory / READY_FILE
    server = _ReadyServer(config, ready_file, {"url": url, "pid": os.getpid(), "admin_token": token})
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: None)  # uvicorn raises the signal again once it has stopped
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        listener.close()
        ready_file.unlink(missing_ok=True)
