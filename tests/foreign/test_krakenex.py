"""krakenex, unmodified: it hands out Kraken's answers as they are, so its callers read `error` themselves.

Source: krakenex 2.2.2, `krakenex/api.py`; it knows Spot alone.
"""

import krakenex
import pytest

MILLISECONDS = (10**12, 10**13)


@pytest.fixture
def connect(kraken):
    """Clients that call the simulator."""
    clients = []

    def make(key):
        client = krakenex.API(key["api_key"], key["api_secret"])
        client.uri = kraken.url
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def test_it_calls_spot(connect, pnl, last_call):
    """Public and signed calls succeed, and the nonce is the clock in milliseconds."""
    client = connect(pnl)
    assert client.query_public("Time")["error"] == []
    assert client.query_private("Balance") == {"error": [], "result": {}}
    low, high = MILLISECONDS
    assert low < last_call()["nonce"] < high


def test_its_key_describes_itself(connect, pnl):
    """Arbitrary methods can be called, and arguments are signed along."""
    answer = connect(pnl).query_private("GetApiKeyInfo", {"remark": "ä &="})
    assert answer["result"]["permissions"] == ["query-funds"]


def test_a_wrong_secret_is_handed_out_as_kraken_said_it(connect, pnl, forged):
    """Somebody else's secret."""
    assert connect(forged(pnl)).query_private("Balance") == {"error": ["EAPI:Invalid signature"]}


def test_a_stale_nonce_is_handed_out_as_kraken_said_it(connect, pnl, run_ahead):
    """A key that was used in a larger unit is lost to this client."""
    run_ahead(pnl)
    assert connect(pnl).query_private("Balance") == {"error": ["EAPI:Invalid nonce"]}


def test_a_missing_permission_is_handed_out_as_kraken_said_it(connect, blind):
    """A key without `query-funds`."""
    assert connect(blind).query_private("Balance") == {"error": ["EGeneral:Permission denied"]}


def test_key_2fa_is_answered_with_otp(connect, kraken, desk):
    """The password of a protected key travels in the body."""
    client = connect(kraken.key("desk", name="guarded", key_2fa="open sesame"))
    assert client.query_private("GetApiKeyInfo") == {"error": ["EAPI:Invalid signature"]}
    assert client.query_private("GetApiKeyInfo", {"otp": "open sesame"})["error"] == []
