"""The simulator on a socket, as in tests/sim, for clients that others wrote."""

import pytest

from tests.e2e.conftest import new_desk
from tests.sim.conftest import desk, kraken, make_client, sim, switchboard

__all__ = ["desk", "kraken", "make_client", "new_desk", "sim", "switchboard"]

ALL_ONES = 2**64 - 1


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Whatever proxy the machine has, loopback is called directly."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def pnl(kraken, desk):
    """A Spot key that may see balances."""
    return kraken.key("desk", name="pnl", permission=["query-funds"])


@pytest.fixture
def blind(kraken, desk):
    """A Spot key without any permission."""
    return kraken.key("desk", name="blind")


@pytest.fixture
def controller(kraken, desk):
    """A Derivatives key of the master with full access."""
    return kraken.key("desk", "derivatives", general="FULL_ACCESS")


@pytest.fixture
def powerless(kraken, desk):
    """A Derivatives key that may only check itself."""
    return kraken.key("desk", "derivatives")


@pytest.fixture
def linked(kraken, desk):
    """An account that is a Derivatives subaccount of the desk."""
    account = kraken.account("desk-mm", "mm@desk.example")
    kraken.people("support-process", master="ops@desk.example", subaccount="mm@desk.example")
    kraken.people("email-confirm", email="mm@desk.example")
    return account


@pytest.fixture
def run_ahead(kraken):
    """Use a key's highest nonce up, so that every clock is behind it from now on."""

    def run(key):
        if key["api"] == "spot":
            assert kraken.spot(key, "GetApiKeyInfo", nonce=ALL_ONES)["error"] == []
            return
        answer = kraken.derivatives(key, "GET", "/api/auth/v1/api-keys/v3/check", nonce=ALL_ONES)
        assert answer.status_code == 200
        kraken.people("clock", advance_s=11)  # until then a late nonce may still be taken

    return run


@pytest.fixture
def last_call(kraken):
    """The latest call in Kraken's own log."""
    return lambda: kraken.people("calls")["calls"][-1]


@pytest.fixture
def forged():
    """The same key with a secret that is not its own."""
    return lambda key: key | {"api_secret": "A" * 86 + "=="}
