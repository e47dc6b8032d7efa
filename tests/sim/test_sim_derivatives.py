"""What the simulated Derivatives API enforces."""

import uuid

import pytest

CHECK = "/api/auth/v1/api-keys/v3/check"
LIST = "/derivatives/api/v3/subaccounts"
HISTORY = "/api/history/v3/executions"


def switch_of(uid):
    """The path of a subaccount's trading switch."""
    return f"/derivatives/api/v3/subaccount/{uid}/trading-enabled"


def is_refused(answer):
    """Whether the answer is a failed authentication of its family."""
    body = answer.json()
    if answer.request.url.path.startswith("/api/auth/"):
        return answer.status_code == 401 and set(body) == {"error", "message", "suberror"}
    return (answer.status_code, body["result"], body["error"]) == (200, "error", "authenticationError")


@pytest.fixture
def carry(kraken, desk):
    """An account linked to the master as its Derivatives subaccount."""
    account = kraken.account("carry", "kraken+carry@desk.example", kind="sub")
    kraken.people("support-process", master="ops@desk.example", subaccount="kraken+carry@desk.example")
    kraken.people("email-confirm", email="kraken+carry@desk.example")
    return account


def test_a_key_checks_itself_whatever_it_may(kraken, desk):
    """v3/check works with no access at all, and single addresses come back as blocks."""
    key = kraken.key("desk", "derivatives", general="NO_ACCESS", ip=["192.0.2.10", "2001:db8::1"])
    answer = kraken.derivatives(key, "GET", CHECK)
    assert answer.status_code == 200
    assert answer.json() == {
        "apiKey": key["api_key"],
        "accountUid": desk["account_uid"],
        "iiban": "AA12 N84G ABCD 3F5K",
        "createdAt": answer.json()["createdAt"],
        "permissions": {"general": "NO_ACCESS", "transfer": "NO_ACCESS"},
        "allowedCidrBlock": None,
        "allowedCidrBlocks": ["192.0.2.10/32", "2001:db8::1/128"],
    }
    assert answer.json()["createdAt"].startswith("2026-10-01T12:0")


@pytest.mark.parametrize("path", [CHECK, LIST])
def test_a_wrong_signature_is_refused_in_the_shape_of_its_family(kraken, controller, path):
    """`/api/auth` answers 401, `/derivatives` 200 with an error inside."""
    secret = controller["api_secret"][::-1]
    assert is_refused(kraken.derivatives(controller, "GET", path, secret=secret))


@pytest.mark.parametrize("path", [CHECK, LIST])
def test_unknown_deleted_and_spot_keys_are_refused(kraken, controller, creator, path):
    """A key of the other platform counts as unknown."""
    assert is_refused(kraken.derivatives(creator, "GET", path))
    assert is_refused(kraken.derivatives(controller | {"api_key": "A" * 56}, "GET", path))
    kraken.people("delete-key", account="desk", key=controller["api_key"])
    assert is_refused(kraken.derivatives(controller, "GET", path))


@pytest.mark.parametrize("path", [CHECK, LIST])
def test_a_call_from_outside_the_allowlist_is_refused(kraken, desk, path):
    """The blocks are held against the address the call seems to come from."""
    key = kraken.key("desk", "derivatives", general="READ_ONLY", ip=["198.51.100.0/28"])
    assert is_refused(kraken.derivatives(key, "GET", path))
    kraken.people("egress", address="198.51.100.3")
    assert kraken.derivatives(key, "GET", path).status_code == 200


def test_history_is_empty_and_has_errors_of_its_own_shape(kraken, desk, controller):
    """`/api/history` answers 401 with status and reason, for a bad key as for a level that is too low."""
    answer = kraken.derivatives(controller, "GET", HISTORY)
    assert answer.json() == {"accountUid": desk["account_uid"], "len": 0, "elements": []}
    forged = kraken.derivatives(controller, "GET", HISTORY, secret=controller["api_secret"][::-1])
    assert forged.status_code == 401
    assert forged.json() == {"status": "unauthorized", "reason": "authenticationError"}
    blind = kraken.derivatives(kraken.key("desk", "derivatives"), "GET", HISTORY)
    assert (blind.status_code, blind.json()["reason"]) == (401, "insufficientPrivileges")
    assert kraken.derivatives(controller, "GET", "/api/history/v3/everything").status_code == 404


ONE, TWO = "192.0.2.10/32", "2001:db8::/64"


@pytest.mark.parametrize(
    ("fields", "blocks", "older", "several"),
    [
        pytest.param("list", [ONE, TWO], None, [ONE, TWO], id="list"),
        pytest.param("single", [ONE], ONE, [], id="single"),
        pytest.param("single", [ONE, TWO], None, [ONE, TWO], id="single-does-not-fit"),
        pytest.param("single", [], None, [], id="single-open"),
        pytest.param("null", [ONE], ONE, None, id="null"),
        pytest.param("null", [ONE, TWO], None, [ONE, TWO], id="null-does-not-fit"),
        pytest.param("null", [], None, None, id="null-open"),
        pytest.param("both", [ONE], ONE, [ONE], id="both-alike"),
        pytest.param("both", [ONE, TWO], ONE, [TWO], id="both-spread"),
        pytest.param("both", [], None, [], id="both-open"),
    ],
)
def test_a_world_chooses_which_field_holds_the_allowlist(*, kraken, desk, fields, blocks, older, several):
    """The older field, the list, or both; the allowlist that is enforced stays the same."""
    assert kraken.people("cidr", fields=fields) == {"cidr_fields": fields}
    key = kraken.key("desk", "derivatives", ip=blocks)
    checked = kraken.derivatives(key, "GET", CHECK).json()
    assert (checked["allowedCidrBlock"], checked["allowedCidrBlocks"]) == (older, several)
    kraken.people("egress", address="198.51.100.1")
    assert kraken.derivatives(key, "GET", CHECK).status_code == (401 if blocks else 200)


def test_a_master_lists_its_subaccounts(kraken, desk, carry):
    """READ_ONLY is enough; the answer has every documented field and neither name, IIBAN nor switch."""
    key = kraken.key("desk", "derivatives", general="READ_ONLY")
    answer = kraken.derivatives(key, "GET", LIST).json()
    assert (answer["result"], answer["masterAccountUid"]) == ("success", desk["account_uid"])
    assert answer["serverTime"].startswith("2026-10-01T12:0")
    assert answer["serverTime"].endswith("Z")
    (subaccount,) = answer["subaccounts"]
    assert set(subaccount) == {
        "accountUid", "email", "fullName", "holdingAccounts", "futuresAccounts", "flexAccount",
    }  # fmt: skip
    assert subaccount["accountUid"] == carry["account_uid"]
    assert (subaccount["email"], subaccount["fullName"]) == ("kraken+carry@desk.example", None)


def test_a_subaccounts_own_key_sees_only_itself(kraken, carry):
    """It gets its own uid as master, and nobody below it."""
    key = kraken.key("carry", "derivatives", general="FULL_ACCESS")
    answer = kraken.derivatives(key, "GET", LIST).json()
    assert (answer["masterAccountUid"], answer["subaccounts"]) == (carry["account_uid"], [])
    assert kraken.derivatives(key, "GET", switch_of(carry["account_uid"])).status_code == 404


def test_the_list_needs_read_access(kraken, desk):
    """A key without General access lists nothing."""
    key = kraken.key("desk", "derivatives", general="NO_ACCESS", transfer="FULL_ACCESS")
    assert kraken.derivatives(key, "GET", LIST).json()["error"] == "insufficientPrivileges"


def test_trading_starts_enabled_and_is_switched_by_query(kraken, controller, carry):
    """The switch answers with its new position, and keeps it."""
    path = switch_of(carry["account_uid"])
    assert kraken.derivatives(controller, "GET", path).json() == {"tradingEnabled": True}
    answer = kraken.derivatives(controller, "PUT", path, query="tradingEnabled=false", nonce=5)
    assert (answer.status_code, answer.json()) == (200, {"tradingEnabled": False})
    assert kraken.derivatives(controller, "GET", path).json() == {"tradingEnabled": False}


@pytest.mark.parametrize("verb", ["GET", "PUT"])
def test_the_switch_needs_full_access_even_to_be_read(kraken, carry, verb):
    """READ_ONLY is not enough for either verb."""
    key = kraken.key("desk", "derivatives", general="READ_ONLY")
    path = switch_of(carry["account_uid"])
    answer = kraken.derivatives(key, verb, path, query="tradingEnabled=false")
    assert answer.json()["error"] == "insufficientPrivileges"


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        pytest.param({"body": "tradingEnabled=false"}, "requiredArgumentMissing", id="in-the-body"),
        pytest.param({}, "requiredArgumentMissing", id="missing"),
        pytest.param({"query": "tradingEnabled=no"}, "invalidArgument: tradingEnabled", id="no-boolean"),
    ],
)
def test_the_switch_takes_the_documented_parameter_only(kraken, controller, carry, sent, error):
    """Anything but `?tradingEnabled=true|false` is refused and changes nothing."""
    path = switch_of(carry["account_uid"])
    assert kraken.derivatives(controller, "PUT", path, **sent).json()["error"] == error
    assert kraken.derivatives(controller, "GET", path).json() == {"tradingEnabled": True}


def test_an_account_that_is_not_linked_is_not_found(kraken, controller):
    """A well-formed uid of nobody's subaccount is 404, a malformed one 400."""
    answer = kraken.derivatives(controller, "GET", switch_of(uuid.uuid4()))
    assert (answer.status_code, answer.json()["error"]) == (404, "notFound")
    answer = kraken.derivatives(controller, "GET", switch_of("carry"))
    assert (answer.status_code, answer.json()["status"]) == (400, "BAD_REQUEST")


def test_nonces_go_up_with_a_little_patience(kraken, controller):
    """A late nonce is taken for some seconds, a repeated or an old one is not."""
    assert kraken.derivatives(controller, "GET", LIST, nonce=1000).json()["result"] == "success"
    assert kraken.derivatives(controller, "GET", LIST, nonce=998).json()["result"] == "success"
    assert kraken.derivatives(controller, "GET", LIST, nonce=998).json()["error"] == "nonceDuplicate"
    kraken.people("clock", advance_s=11)
    assert kraken.derivatives(controller, "GET", LIST, nonce=999).json()["error"] == "nonceBelowThreshold"
    assert kraken.derivatives(controller, "GET", LIST, nonce=1001).json()["result"] == "success"
    assert kraken.derivatives(controller, "GET", LIST).json()["result"] == "success"


def test_unknown_endpoints_are_not_found(kraken, controller):
    """There is nothing there but what is documented, and no key is created by API."""
    assert kraken.derivatives(controller, "GET", "/derivatives/api/v3/keys").status_code == 404
    assert kraken.derivatives(controller, "POST", CHECK).status_code == 404
