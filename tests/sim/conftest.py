"""A simulator on a real socket, with a client that signs by itself, so that no mistake is shared."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn

from krakenstate.sim.app import build_app
from krakenstate.sim.arrival import AbruptProtocol
from krakenstate.sim.server import listen
from krakenstate.sim.simulation import Simulation
from krakenstate.sim.store import WorldStore

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
TOKEN = "the-people"


class Client:
    """Calls the simulator as a program does, and as its people do."""

    def __init__(self, url, token=TOKEN):
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"User-Agent": "test"}, trust_env=False, verify=False)
        self.token = token
        self.nonces = {}

    def spot(self, key, method, *, nonce=None, secret=None, as_json=False, query="", headers=None, **fields):
        """One signed Spot call; the decoded answer comes back."""
        if nonce is None:
            nonce = self.nonces.get(key["api_key"], 0) + 1
            self.nonces[key["api_key"]] = nonce
        path = f"/0/private/{method}{query}"
        data = {"nonce": nonce, **fields}
        body = (json.dumps(data) if as_json else urlencode(data)).encode()
        message = path.encode() + hashlib.sha256(str(nonce).encode() + body).digest()
        sign = hmac.new(base64.b64decode(secret or key["api_secret"]), message, hashlib.sha512).digest()
        answer = self.http.post(path, content=body, headers={
            "API-Key": key["api_key"], "API-Sign": base64.b64encode(sign).decode(),
            "Content-Type": "application/json" if as_json else "application/x-www-form-urlencoded",
        } | (headers or {}))  # fmt: skip
        assert answer.status_code == 200, answer.text
        return answer.json()

    def derivatives(self, key, verb, path, *, query="", body="", nonce="", secret=None):
        """One signed Derivatives call; the whole response comes back."""
        endpoint = path.removeprefix("/derivatives")
        digest = hashlib.sha256((query + body + str(nonce) + endpoint).encode()).digest()
        sign = hmac.new(base64.b64decode(secret or key["api_secret"]), digest, hashlib.sha512).digest()
        headers = {"APIKey": key["api_key"], "Authent": base64.b64encode(sign).decode()}
        if nonce:
            headers["Nonce"] = str(nonce)
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        target = f"{path}?{query}" if query else path
        return self.http.request(verb, target, headers=headers, content=body.encode())

    def people(self, operation, **arguments):
        """One deed of the simulated people, which must succeed."""
        answer = self.ask_people(operation, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask_people(self, operation, **arguments):
        """One deed of the simulated people; the whole response comes back."""
        return self.http.post(f"/_sim/{operation}", json=arguments, headers={"X-Sim-Admin": self.token})

    def account(self, name, email, **more):
        """An account of its own."""
        return self.people("create-account", name=name, email=email, **more)

    def key(self, account, api="spot", **more):
        """A key on an account."""
        return self.people("create-key", account=account, api=api, **more)


@pytest.fixture
def make_client():
    """Clients for simulators that a test starts itself; closed at its end."""
    clients = []

    def make(url, token=TOKEN):
        clients.append(Client(url, token))
        return clients[-1]

    yield make
    for client in clients:
        client.http.close()


@pytest.fixture
def sim(tmp_path):
    """The running world, for a test that needs to look behind the scenes; it starts at START."""
    simulation = Simulation(WorldStore(tmp_path / "world.json"))
    simulation.clock.set_to(START)
    return simulation


@pytest.fixture(scope="session")
def switchboard():
    """One listening server for all tests, as its url and the plug for each test's application."""
    plugged = {}

    async def app(scope, receive, send):
        await plugged["app"](scope, receive, send)

    with listen() as listener:
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", http=AbruptProtocol)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", plugged
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def kraken(sim, make_client, switchboard):
    """A client of `sim`, which listens on a loopback socket."""
    url, plugged = switchboard
    plugged["app"] = build_app(sim, TOKEN)
    return make_client(url)


@pytest.fixture
def desk(kraken):
    """A master account."""
    return kraken.account("desk", "ops@desk.example", iiban="AA12 N84G ABCD 3F5K")


@pytest.fixture
def creator(kraken, desk):
    """A Spot key of the master that may create subaccounts."""
    return kraken.key("desk", name="creator", permission=["withdraw-funds"])


@pytest.fixture
def controller(kraken, desk):
    """A Derivatives key of the master with full access."""
    return kraken.key("desk", "derivatives", general="FULL_ACCESS")
