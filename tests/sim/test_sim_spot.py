"""What the simulated Spot API enforces."""

import pytest

INFO = "GetApiKeyInfo"
MINUTE = 60


def error_of(answer):
    """The one error string of an answer."""
    assert "result" not in answer
    (error,) = answer["error"]
    return error


def test_time_is_public(kraken):
    """Anybody may ask for Kraken's clock, which is the simulated one."""
    answer = kraken.http.get("/0/public/Time").json()
    assert answer["error"] == []
    assert 0 <= answer["result"]["unixtime"] - 1790856000 < MINUTE
    assert answer["result"]["rfc1123"].startswith("Thu, 01 Oct 26 12:0")


def test_a_key_describes_itself(kraken, desk):
    """GetApiKeyInfo needs no permission and answers every documented field."""
    key = kraken.key(
        "desk", name="pnl-g1", permission=["query-funds,query-ledger"], ip=["192.0.2.10", "2001:db8::/48"],
        expires="2027-06-30", query_from="2026-01-01", nonce_window=0,
    )  # fmt: skip
    answer = kraken.spot(key, INFO)
    assert answer["error"] == []
    created = answer["result"].pop("createdTime")
    assert answer["result"].pop("modifiedTime") == created
    assert answer["result"].pop("lastUsed") >= created
    assert answer["result"] == {
        "apiKeyName": "pnl-g1",
        "apiKey": key["api_key"],
        "nonce": "1",
        "nonceWindow": 0,
        "permissions": ["query-funds", "query-ledger"],
        "iban": "AA12 N84G ABCD 3F5K",
        "validUntil": "1814356800",
        "queryFrom": "1767225600",
        "queryTo": "0",
        "ipAllowlist": ["192.0.2.10", "2001:db8::/48"],
    }


@pytest.mark.parametrize("nonce", [7, "7"], ids=["number", "text"])
def test_json_bodies_and_queries_are_signed_as_sent(kraken, creator, nonce):
    """A JSON body and a query string enter the signature byte for byte."""
    answer = kraken.spot(creator, INFO, nonce=nonce, as_json=True, query="?x=%20y")
    assert answer["result"]["nonce"] == "7"


def test_a_call_without_user_agent_does_not_arrive(kraken, creator):
    """The network in front of Kraken refuses a nameless client, in HTML."""
    answer = kraken.http.get("/0/public/Time", headers={"User-Agent": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")


def test_a_wrong_secret_gives_an_invalid_signature(kraken, creator):
    """Whoever knows only the public half is turned away."""
    secret = creator["api_secret"][::-1].lstrip("=") + "=="
    assert error_of(kraken.spot(creator, INFO, secret=secret)) == "EAPI:Invalid signature"


def test_a_body_changed_after_signing_gives_an_invalid_signature(kraken, creator):
    """The signature covers the body."""
    headers = {"API-Key": creator["api_key"], "API-Sign": "AAAA"}
    answer = kraken.http.post("/0/private/GetApiKeyInfo", data={"nonce": "1"}, headers=headers)
    assert answer.json() == {"error": ["EAPI:Invalid signature"]}


def test_an_unknown_key_is_invalid(kraken, creator):
    """A public half that never existed is an invalid key."""
    stranger = {"api_key": "A" * 56, "api_secret": creator["api_secret"]}
    assert error_of(kraken.spot(stranger, INFO)) == "EAPI:Invalid key"


def test_a_deleted_key_is_invalid(kraken, creator):
    """After deletion in the web page the key authenticates no more."""
    kraken.people("delete-key", account="desk", name="creator")
    assert error_of(kraken.spot(creator, INFO)) == "EAPI:Invalid key"


def test_an_unasked_otp_makes_the_key_invalid(kraken, creator):
    """Kraken refuses a two-factor code for a key that has two-factor off."""
    assert error_of(kraken.spot(creator, INFO, otp="123456")) == "EAPI:Invalid key"


def test_an_expired_key_is_invalid(kraken, desk, sim):
    """A key expires at noon UTC of its day."""
    key = kraken.key("desk", name="short", expires="2026-10-02")
    assert kraken.spot(key, INFO)["error"] == []
    kraken.people("clock", set="2026-10-02T12:00:01Z")
    assert error_of(kraken.spot(key, INFO)) == "EAPI:Invalid key"


def test_a_call_from_outside_the_allowlist_looks_like_an_invalid_key(kraken, desk):
    """The allowlist is held against the address the call seems to come from."""
    key = kraken.key("desk", name="office", ip=["198.51.100.0/28"])
    assert error_of(kraken.spot(key, INFO)) == "EAPI:Invalid key"
    kraken.people("egress", address="198.51.100.3")
    assert kraken.spot(key, INFO)["error"] == []


def test_nonces_only_go_up_and_each_key_has_its_own(kraken, creator, desk):
    """A nonce must be above the last one of that key; a refused one changes nothing."""
    other = kraken.key("desk", name="other")
    assert kraken.spot(creator, INFO, nonce=1000)["error"] == []
    assert error_of(kraken.spot(creator, INFO, nonce=1000)) == "EAPI:Invalid nonce"
    assert error_of(kraken.spot(creator, INFO, nonce=999)) == "EAPI:Invalid nonce"
    assert kraken.spot(creator, INFO, nonce=1001)["error"] == []
    assert kraken.spot(other, INFO, nonce=1)["error"] == []


@pytest.mark.parametrize("nonce", [0, -1, 2**64, "soon", ""])
def test_a_nonce_is_an_unsigned_64_bit_number_above_zero(kraken, creator, nonce):
    """A fresh key stands at 0, so the smallest nonce it takes is 1."""
    assert error_of(kraken.spot(creator, INFO, nonce=nonce)) == "EAPI:Invalid nonce"


def test_a_denied_call_uses_its_nonce_up(kraken, creator):
    """Who is denied a permission has authenticated, and the nonce has moved."""
    assert error_of(kraken.spot(creator, "Balance", nonce=50)) == "EGeneral:Permission denied"
    assert error_of(kraken.spot(creator, INFO, nonce=50)) == "EAPI:Invalid nonce"


def test_a_nonce_window_tolerates_late_calls_once(kraken, desk):
    """Inside the window a lower nonce is taken, but not twice, and below it none."""
    key = kraken.key("desk", name="window", nonce_window=10)
    assert kraken.spot(key, INFO, nonce=100)["error"] == []
    assert kraken.spot(key, INFO, nonce=95)["result"]["nonce"] == "100"
    assert error_of(kraken.spot(key, INFO, nonce=95)) == "EAPI:Invalid nonce"
    assert error_of(kraken.spot(key, INFO, nonce=89)) == "EAPI:Invalid nonce"


def test_balance_needs_query_funds(kraken, desk):
    """A process's client with the right permission gets its answer."""
    key = kraken.key("desk", name="pnl", permission=["query-funds"])
    assert kraken.spot(key, "Balance") == {"error": [], "result": {}}


@pytest.mark.parametrize("method", ["GetAPIKeyInfo", "ListSubaccounts", "OpenOrders"])
def test_methods_it_does_not_know_are_unknown(kraken, creator, method):
    """Names are case-sensitive, and nothing lists subaccounts."""
    assert error_of(kraken.spot(creator, method)) == "EGeneral:Unknown method"


def test_a_master_creates_a_subaccount_and_learns_nothing_of_it(kraken, creator):
    """The answer is `true`, and a set-up mail waits for the subaccount's owner."""
    answer = kraken.spot(creator, "CreateSubaccount", username="desk-mm", email="kraken+mm@desk.example")
    assert answer == {"error": [], "result": True}
    (mail,) = kraken.people("email-list")["mails"]
    assert (mail["kind"], mail["to"], mail["confirmed"]) == (
        "spot-subaccount-setup", "kraken+mm@desk.example", None,
    )  # fmt: skip


def test_a_subaccount_has_no_keys_before_its_mail_is_confirmed(kraken, creator, desk):
    """Set-up first, then keys, and the first of them tells the subaccount's own IIBAN."""
    kraken.spot(creator, "CreateSubaccount", as_json=True, username="mm", email="mm@desk.example")
    refused = kraken.ask_people("create-key", account="mm", api="spot", name="quoter-g1")
    assert (refused.status_code, "set-up" in refused.json()["error"]) == (400, True)
    kraken.people("email-confirm", email="MM@desk.example")
    info = kraken.spot(kraken.key("mm", name="quoter-g1"), INFO)["result"]
    assert info["iban"] != desk["iiban"]


@pytest.mark.parametrize(
    ("username", "email", "detail"),
    [
        pytest.param("desk-mm", "new@desk.example", "username", id="same-username"),
        pytest.param("new", "MM@desk.example", "email", id="same-email"),
        pytest.param("", "new@desk.example", "username", id="no-username"),
        pytest.param("new", "nobody", "email", id="no-address"),
    ],
)
def test_bad_subaccounts_are_invalid_arguments(kraken, creator, username, email, detail):
    """User name and e-mail are unique, and the error names the field."""
    kraken.spot(creator, "CreateSubaccount", username="desk-mm", email="mm@desk.example")
    answer = kraken.spot(creator, "CreateSubaccount", username=username, email=email)
    assert error_of(answer) == f"EGeneral:Invalid arguments:{detail}"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param("field", {"error": ["EGeneral:Invalid arguments:email"]}, id="field"),
        pytest.param("plain", {"error": ["EGeneral:Invalid arguments"]}, id="plain"),
        pytest.param("false", {"error": [], "result": False}, id="false"),
        pytest.param("true", {"error": [], "result": True}, id="true"),
    ],
)
def test_a_world_chooses_what_a_duplicate_is_answered_with(kraken, creator, chosen, expected):
    """Nothing is created whatever the answer, and what is no duplicate is not affected."""
    assert kraken.people("duplicates") == {"duplicates": "field"}
    assert kraken.people("duplicates", answer=chosen) == {"duplicates": chosen}
    assert kraken.spot(creator, "CreateSubaccount", username="mm", email="mm@desk.example")["result"] is True
    assert kraken.spot(creator, "CreateSubaccount", username="new", email="MM@desk.example") == expected
    assert kraken.spot(creator, "CreateSubaccount", username="", email="x@y")["error"] != []
    state = kraken.people("state")
    assert ([a["name"] for a in state["accounts"]], len(state["mails"])) == (["desk", "mm"], 1)


@pytest.mark.parametrize(
    ("method", "permission"), [("Ledgers", "query-ledger"), ("TradesHistory", "query-closed-trades")]
)
def test_history_stays_within_the_keys_query_range(kraken, desk, method, permission):
    """A key shows its range, a time outside it is an invalid argument, and an edit moves it."""
    key = kraken.key(
        "desk", name="tax", permission=[permission], query_from="2026-01-01", query_to="2026-07-01"
    )
    info = kraken.spot(key, "GetApiKeyInfo")["result"]
    begins, ends = int(info["queryFrom"]), int(info["queryTo"])
    assert (begins, ends) == (1767225600, 1782864000)
    assert kraken.spot(key, method, start=begins, end=ends)["result"]["count"] == 0
    assert kraken.spot(key, method)["error"] == []
    assert error_of(kraken.spot(key, method, start=begins - 1)) == "EGeneral:Invalid arguments"
    assert error_of(kraken.spot(key, method, end=ends + 1)) == "EGeneral:Invalid arguments"
    kraken.people("edit-key", account="desk", name="tax", query_from="none", query_to="none")
    assert kraken.spot(key, method, start=begins - 1, end=ends + 1)["error"] == []
    assert kraken.spot(key, "GetApiKeyInfo")["result"]["queryTo"] == "0"


def test_history_needs_its_permission(kraken, creator):
    """A key without it is denied before its range is looked at."""
    assert error_of(kraken.spot(creator, "Ledgers", start=1)) == "EGeneral:Permission denied"


@pytest.mark.parametrize(
    ("account", "permission"),
    [
        pytest.param({}, ["modify-trades", "query-funds"], id="permission-missing"),
        pytest.param({"institutional": False}, ["withdraw-funds"], id="not-institutional"),
        pytest.param({"kind": "sub"}, ["withdraw-funds"], id="not-a-master"),
    ],
)
def test_only_entitled_masters_create_subaccounts(kraken, account, permission):
    """The right permission on the right kind of account, or `Permission denied`."""
    kraken.account("shop", "shop@desk.example", **account)
    key = kraken.key("shop", name="creator", permission=permission)
    answer = kraken.spot(key, "CreateSubaccount", username="x", email="x@desk.example")
    assert error_of(answer) == "EGeneral:Permission denied"


def test_four_failures_in_a_row_lock_the_account_and_each_try_prolongs_it(kraken, creator, desk):
    """The lockout holds for all keys of the account, lasts 15 minutes, and restarts with each call."""
    other = kraken.key("desk", name="other")
    for _ in range(4):
        assert error_of(kraken.spot(creator, INFO, nonce=0)) == "EAPI:Invalid nonce"
    assert error_of(kraken.spot(other, INFO)) == "EGeneral:Temporary lockout"
    kraken.people("clock", advance_s=14 * MINUTE)
    assert error_of(kraken.spot(other, INFO)) == "EGeneral:Temporary lockout"
    kraken.people("clock", advance_s=14 * MINUTE)
    assert error_of(kraken.spot(other, INFO)) == "EGeneral:Temporary lockout"
    assert kraken.http.get("/0/public/Time").status_code == 200
    kraken.people("clock", advance_s=15 * MINUTE + 1)
    assert kraken.spot(other, INFO)["error"] == []


def test_a_good_call_ends_the_row_of_failures(kraken, creator):
    """Failures count only in a row."""
    for nonce in (10, 20, 30):
        for _ in range(3):
            kraken.spot(creator, INFO, nonce=0)
        assert kraken.spot(creator, INFO, nonce=nonce)["error"] == []


def test_a_lockout_stays_on_its_account(kraken, creator):
    """Another account goes on as before."""
    kraken.account("shop", "shop@desk.example")
    other = kraken.key("shop", name="other")
    for _ in range(5):
        kraken.spot(creator, INFO, nonce=0)
    assert kraken.spot(other, INFO)["error"] == []


def test_failures_can_be_held_against_the_address(kraken, creator, sim):
    """With the lockout on the address every account is shut out from there, and none from elsewhere."""
    kraken.account("shop", "shop@desk.example")
    other = kraken.key("shop", name="other")
    assert kraken.people("lockout", scope="egress") == {"lockout": "egress"}
    stranger = {"api_key": "A" * 56, "api_secret": creator["api_secret"]}
    for _ in range(4):
        assert error_of(kraken.spot(stranger, INFO)) == "EAPI:Invalid key"
    assert error_of(kraken.spot(other, INFO)) == "EGeneral:Temporary lockout"
    assert kraken.people("state")["addresses"]["192.0.2.10"]["locked_until"] > "2026-10-01T12:15"
    kraken.people("egress", address="198.51.100.3")
    assert kraken.spot(other, INFO)["error"] == []


def test_a_key_with_two_factor_wants_its_password_with_each_call(kraken, desk):
    """Without `otp`, or with a wrong one, the signature is invalid; switched off, a code is too much."""
    key = kraken.key("desk", name="guarded", key_2fa="open sesame")
    assert error_of(kraken.spot(key, INFO)) == "EAPI:Invalid signature"
    assert error_of(kraken.spot(key, INFO, otp="guess")) == "EAPI:Invalid signature"
    assert kraken.spot(key, INFO, otp="open sesame")["error"] == []
    (shown,) = kraken.people("list-keys", account="desk")["keys"]
    assert shown["key_2fa"] is True
    kraken.people("edit-key", account="desk", name="guarded", key_2fa="none")
    assert error_of(kraken.spot(key, INFO, otp="open sesame")) == "EAPI:Invalid key"
    assert kraken.spot(key, INFO)["error"] == []


def test_a_fresh_key_may_need_time_to_become_active(kraken, desk):
    """Until then the key is an invalid one on Spot, and no authentication on Derivatives."""
    spot = kraken.key("desk", name="fresh", active_after_s=5 * MINUTE)
    futures = kraken.key("desk", "derivatives", active_after_s=5 * MINUTE)
    check = "/api/auth/v1/api-keys/v3/check"
    assert error_of(kraken.spot(spot, INFO)) == "EAPI:Invalid key"
    assert kraken.derivatives(futures, "GET", check).status_code == 401
    kraken.people("clock", advance_s=5 * MINUTE + 1)
    assert kraken.spot(spot, INFO)["error"] == []
    assert kraken.derivatives(futures, "GET", check).status_code == 200
