"""ccxt, unmodified: its unified exceptions.

Source: ccxt 4.5, `ccxt/kraken.py` and `ccxt/krakenfutures.py`, `exceptions` and `handle_errors`. What its
tables lack is an `ExchangeError`. It knows no address below `/api/auth`.
"""

import pytest

ccxt = pytest.importorskip("ccxt", reason="what ccxt needs has no wheel for this Python yet")

MILLISECONDS = (10**12, 10**13)
KRAKEN = "https://api.kraken.com"
FUTURES = "https://futures.kraken.com"


@pytest.fixture
def connect(kraken):
    """Clients of either platform that call the simulator, at their own speed limit."""
    clients = []

    def make(kind, origin, key):
        client = kind({"apiKey": key["api_key"], "secret": key["api_secret"], "enableRateLimit": False})
        client.urls["api"] = {
            name: url.replace(origin, kraken.url) for name, url in client.urls["api"].items()
        }
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.session.close()


@pytest.fixture
def spot(connect):
    """Spot clients."""
    return lambda key: connect(ccxt.kraken, KRAKEN, key)


@pytest.fixture
def futures(connect):
    """Derivatives clients."""
    return lambda key: connect(ccxt.krakenfutures, FUTURES, key)


def subaccounts(client):
    """GET /subaccounts, by the way ccxt offers for any address."""
    return client.request("subaccounts", "private", "GET")


def test_it_calls_spot(spot, pnl, last_call):
    """Public and signed calls succeed, and the nonce is the clock in milliseconds."""
    client = spot(pnl)
    assert client.publicGetTime()["error"] == []
    assert client.privatePostBalance() == {"error": [], "result": {}}
    low, high = MILLISECONDS
    assert low < last_call()["nonce"] < high


def test_its_key_describes_itself(spot, pnl):
    """Arguments are signed along."""
    answer = spot(pnl).request("GetApiKeyInfo", "private", "POST", {"remark": "x y&z"})
    assert answer["result"]["apiKeyName"] == "pnl"


def test_a_wrong_secret_raises(spot, pnl, forged):
    """An invalid signature is in no table of ccxt's."""
    with pytest.raises(ccxt.ExchangeError, match="EAPI:Invalid signature") as caught:
        spot(forged(pnl)).privatePostBalance()
    assert type(caught.value) is ccxt.ExchangeError


def test_a_deleted_key_raises(spot, pnl, kraken):
    """A key that was deleted in the web page is an invalid one."""
    kraken.people("delete-key", account="desk", name="pnl")
    with pytest.raises(ccxt.AuthenticationError):
        spot(pnl).privatePostBalance()


def test_a_stale_nonce_raises(spot, pnl, run_ahead):
    """A key that was used in a larger unit is lost to this client."""
    run_ahead(pnl)
    with pytest.raises(ccxt.InvalidNonce):
        spot(pnl).privatePostBalance()


def test_a_missing_permission_raises(spot, blind):
    """A key without `query-funds`."""
    with pytest.raises(ccxt.PermissionDenied):
        spot(blind).privatePostBalance()


def test_a_locked_account_raises(spot, pnl, forged):
    """A lockout counts as protection against floods."""
    for _ in range(4):
        with pytest.raises(ccxt.ExchangeError, match="EAPI:Invalid signature"):
            spot(forged(pnl)).privatePostBalance()
    with pytest.raises(ccxt.DDoSProtection, match="EGeneral:Temporary lockout"):
        spot(pnl).privatePostBalance()


def test_it_calls_derivatives_without_a_nonce(futures, controller, linked, last_call):
    """Subaccounts are listed."""
    (subaccount,) = subaccounts(futures(controller))["subaccounts"]
    assert subaccount["email"] == "mm@desk.example"
    assert last_call()["nonce"] is None


def test_it_switches_trading_off(futures, controller, linked):
    """The value travels in the query and is signed as sent."""
    path = f"subaccount/{linked['account_uid']}/trading-enabled"
    answer = futures(controller).request(path, "private", "PUT", {"tradingEnabled": "false"})
    assert answer["tradingEnabled"] is False


def test_a_wrong_secret_on_derivatives_raises(futures, controller, forged):
    """Somebody else's secret."""
    with pytest.raises(ccxt.AuthenticationError):
        subaccounts(futures(forged(controller)))


def test_a_missing_level_on_derivatives_raises(futures, powerless):
    """Its table lacks the word."""
    with pytest.raises(ccxt.ExchangeError, match="insufficientPrivileges") as caught:
        subaccounts(futures(powerless))
    assert type(caught.value) is ccxt.ExchangeError


def test_a_read_only_key_that_switches_trading_raises(futures, kraken, linked):
    """Reading is enough to list, and not to switch."""
    client = futures(kraken.key("desk", "derivatives", general="READ_ONLY"))
    assert len(subaccounts(client)["subaccounts"]) == 1
    path = f"subaccount/{linked['account_uid']}/trading-enabled"
    with pytest.raises(ccxt.ExchangeError, match="insufficientPrivileges"):
        client.request(path, "private", "PUT", {"tradingEnabled": "false"})
    assert kraken.people("state")["accounts"][-1]["trading_enabled"] is True


def test_nonces_of_others_do_not_disturb_it_on_derivatives(futures, controller, run_ahead):
    """It sends none, so there is none that could be stale."""
    run_ahead(controller)
    assert subaccounts(futures(controller))["result"] == "success"


def test_a_malformed_call_on_derivatives_raises(futures, controller):
    """HTTP 400 with a list of errors; the first of them decides."""
    with pytest.raises(ccxt.BadRequest, match="invalidArgument: subaccountUid"):
        futures(controller).request("subaccount/nobody/trading-enabled", "private", "GET")


@pytest.mark.parametrize("platform", ["spot", "futures"])
def test_throttling_in_front_of_kraken_raises(request, kraken, pnl, controller, platform):
    """HTTP 429 and a page."""
    connected = request.getfixturevalue(platform)(pnl if platform == "spot" else controller)
    kraken.people("fault", kind="http-429")
    with pytest.raises(ccxt.NetworkError):
        connected.privatePostBalance() if platform == "spot" else subaccounts(connected)


def test_used_up_units_on_derivatives_raise(futures, controller):
    """Fifty lists use the ten seconds' units up."""
    client = futures(controller)
    for _ in range(50):
        subaccounts(client)
    with pytest.raises(ccxt.RateLimitExceeded):
        subaccounts(client)
