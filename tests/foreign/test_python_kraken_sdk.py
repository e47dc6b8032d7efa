"""python-kraken-sdk, unmodified: words it knows become exceptions of its own.

Source: python-kraken-sdk 3.5.1, `kraken/exceptions/__init__.py` (`EXCEPTION_ASSIGNMENT`) and
`kraken/base_api/__init__.py`. Words that its table lacks come back as data, and any HTTP status but 200 as a
plain `Exception`.
"""

import pytest
from kraken.exceptions import (
    KrakenApiLimitExceededError,
    KrakenAuthenticationError,
    KrakenInvalidAPIKeyError,
    KrakenInvalidNonceError,
    KrakenInvalidSignatureError,
    KrakenPermissionDeniedError,
    KrakenTemporaryLockoutError,
)
from kraken.futures import User as FuturesUser
from kraken.spot import User as SpotUser

CHECK_PATH = "/api/auth/v1/api-keys/v3/check"
TEN_NANOSECONDS = (10**17, 10**18)


@pytest.fixture
def spot(kraken):
    """Spot clients that call the simulator."""
    return lambda key: SpotUser(key["api_key"], key["api_secret"], url=kraken.url)


@pytest.fixture
def futures(kraken):
    """Derivatives clients that call the simulator."""
    return lambda key: FuturesUser(key["api_key"], key["api_secret"], url=kraken.url)


def ask_info(client):
    """GetApiKeyInfo, which the SDK has no name for."""
    return client.request(method="POST", uri="/0/private/GetApiKeyInfo")


def ask_often(client, times):
    """The same, many times; the counter sinks a little meanwhile."""
    for _ in range(times):
        ask_info(client)


def test_it_calls_spot(spot, pnl, last_call):
    """A call by name succeeds, and the nonce counts ticks of ten nanoseconds."""
    assert spot(pnl).get_account_balance() == {}
    low, high = TEN_NANOSECONDS
    assert low < last_call()["nonce"] < high


@pytest.mark.parametrize("as_json", [False, True], ids=["form", "json"])
def test_its_key_describes_itself(spot, pnl, as_json):
    """Form and JSON bodies are understood alike."""
    client = spot(pnl)
    info = client.request(
        method="POST", uri="/0/private/GetApiKeyInfo", params={"remark": "x y"}, do_json=as_json
    )
    assert info["apiKeyName"] == "pnl"


def test_a_wrong_secret_raises(spot, pnl, forged):
    """Somebody else's secret is an invalid signature."""
    with pytest.raises(KrakenInvalidSignatureError):
        ask_info(spot(forged(pnl)))


def test_a_deleted_key_raises(spot, pnl, kraken):
    """A key that was deleted in the web page is an invalid one."""
    kraken.people("delete-key", account="desk", name="pnl")
    with pytest.raises(KrakenInvalidAPIKeyError):
        ask_info(spot(pnl))


def test_a_stale_nonce_raises(spot, pnl, run_ahead):
    """A key that was used in a larger unit is lost to this client."""
    run_ahead(pnl)
    with pytest.raises(KrakenInvalidNonceError):
        ask_info(spot(pnl))


def test_a_missing_permission_raises(spot, blind):
    """A key without `query-funds`."""
    with pytest.raises(KrakenPermissionDeniedError):
        spot(blind).get_account_balance()


def test_a_locked_account_raises(spot, pnl, forged):
    """After four failures in a row even the right secret is turned away."""
    for _ in range(4):
        with pytest.raises(KrakenInvalidSignatureError):
            ask_info(spot(forged(pnl)))
    with pytest.raises(KrakenTemporaryLockoutError):
        ask_info(spot(pnl))


def test_a_full_call_counter_raises(spot, kraken):
    """More calls than the tier allows."""
    kraken.account("shop", "shop@desk.example", tier="starter")
    client = spot(kraken.key("shop", name="pnl"))
    with pytest.raises(KrakenApiLimitExceededError):
        ask_often(client, 30)


def test_it_calls_derivatives(futures, controller, linked, last_call):
    """Subaccounts are listed, a key checks itself, and the nonce counts ticks of ten nanoseconds."""
    client = futures(controller)
    (subaccount,) = client.get_subaccounts()["subaccounts"]
    assert subaccount["accountUid"] == linked["account_uid"]
    assert client.request(method="GET", uri=CHECK_PATH)["permissions"]["general"] == "FULL_ACCESS"
    low, high = TEN_NANOSECONDS
    assert low < last_call()["nonce"] < high


def test_a_wrong_secret_on_derivatives_raises(futures, controller, forged):
    """The two families of paths differ: an exception of its own, and a status that it hands out."""
    with pytest.raises(KrakenAuthenticationError):
        futures(forged(controller)).get_subaccounts()
    with pytest.raises(Exception, match=r"^401 - .*authenticationError"):
        futures(forged(controller)).request(method="GET", uri=CHECK_PATH)


def test_a_stale_nonce_on_derivatives_comes_back_as_data(futures, controller, run_ahead):
    """Its table lacks the word."""
    run_ahead(controller)
    assert futures(controller).get_subaccounts()["error"] == "nonceBelowThreshold"


def test_a_missing_level_on_derivatives_comes_back_as_data(futures, powerless):
    """Its table lacks the word."""
    assert futures(powerless).get_subaccounts()["error"] == "insufficientPrivileges"


def test_a_read_only_key_that_switches_trading_gets_data(futures, kraken, linked):
    """Reading is enough to list, and neither to read nor to set the switch."""
    client = futures(kraken.key("desk", "derivatives", general="READ_ONLY"))
    uid = linked["account_uid"]
    assert len(client.get_subaccounts()["subaccounts"]) == 1
    assert client.check_trading_enabled_on_subaccount(uid)["error"] == "insufficientPrivileges"
    answer = client.set_trading_on_subaccount(uid, trading_enabled=False)
    assert answer["error"] == "insufficientPrivileges"
    assert kraken.people("state")["accounts"][-1]["trading_enabled"] is True


def test_history_on_derivatives_has_a_shape_of_its_own(futures, controller, forged):
    """A page of nothing; a wrong secret is a status that the SDK hands out."""
    assert futures(controller).get_execution_events()["elements"] == []
    with pytest.raises(Exception, match=r"^401 - .*unauthorized"):
        futures(forged(controller)).get_execution_events()
