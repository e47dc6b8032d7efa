"""The simulated Kraken on a loopback socket, and its people."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from krakenstate.model.credential import Credential
from krakenstate.sim import admin
from krakenstate.sim.app import build_app
from krakenstate.sim.arrival import AbruptProtocol
from krakenstate.sim.server import listen
from krakenstate.sim.simulation import Simulation
from krakenstate.sim.store import WorldStore
from krakenstate.sim.world import World


class Nowhere(WorldStore):
    """For a world that no later simulator goes on with: most of its time would go into writing it down."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def load(self) -> World:
        """An empty one."""
        return World()

    def save(self, world: World) -> None:
        """Keeps nothing."""


class SimulatedKraken:
    """A running simulator: an origin for programs, and deeds of people."""

    def __init__(self, simulation: Simulation, origin: str) -> None:
        self._simulation = simulation
        self.origin = origin

    def people(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One deed of the simulated people."""
        return json.loads(json.dumps(admin.perform(self._simulation, operation, arguments), default=str))

    def key(self, account: str, api: str = "spot", **more: Any) -> Credential:
        """A new key of an account."""
        made = self.people("create-key", account=account, api=api, **more)
        return Credential(api_key=SecretStr(made["api_key"]), api_secret=SecretStr(made["api_secret"]))

    def calls(self) -> list[dict[str, Any]]:
        """What was asked so far."""
        return self.people("calls")["calls"]


@contextmanager
def simulated_kraken() -> Iterator[SimulatedKraken]:
    """A simulator with an empty world, ended with the block."""
    simulation = Simulation(Nowhere())
    with listen() as listener:
        config = uvicorn.Config(
            build_app(simulation, "the-people"),
            log_level="warning",
            lifespan="off",
            ws="none",
            http=AbruptProtocol,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield SimulatedKraken(simulation, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(10)
