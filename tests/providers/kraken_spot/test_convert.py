"""GetApiKeyInfo in our words."""

from datetime import UTC, datetime

import pytest

from krakenstate.errors import AnswerUnreadable
from krakenstate.model.network import parse_network
from krakenstate.model.vocabulary import Permission
from krakenstate.providers.kraken_spot.convert import WEB_PAGE, read_key_info, read_time
from krakenstate.providers.pages import write_networks
from tests.support.kraken import CREDENTIAL, PUBLIC

ANSWER = {
    "apiKeyName": "mm-bot-prod", "apiKey": PUBLIC, "nonce": "1791000000123", "nonceWindow": 0,
    "permissions": ["query-open-trades", "query-funds", "close-trades", "modify-trades"],
    "iban": "AA12 N84G ABCD 3F5K", "validUntil": "0", "queryFrom": "0", "queryTo": "0",
    "createdTime": "1790000000", "modifiedTime": "1790000900",
    "ipAllowlist": ["203.0.113.7", "2001:db8::/48"], "lastUsed": "1791000000",
}  # fmt: skip


def read(**changes):
    """The documented answer with some fields changed."""
    return read_key_info({**ANSWER, **changes}, CREDENTIAL)


def test_the_documented_answer_is_read():
    """Every documented field arrives, normalised."""
    assert read().model_dump(exclude={"fingerprint"}) == {
        "api": "spot", "last_four": "9fQa", "iiban": "AA12 N84G ABCD 3F5K", "account_uid": None,
        "key_name": "mm-bot-prod", "general": None, "transfer": None,
        "permissions": ("close-trades", "modify-trades", "query-funds", "query-open-trades"),
        "networks": ("203.0.113.7/32", "2001:db8::/48"),
        "valid_until": None, "query_from": None, "query_to": None, "nonce_window": 0,
        "nonce": 1791000000123,
        "created_at": datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
        "modified_at": datetime(2026, 9, 21, 14, 28, 20, tzinfo=UTC),
        "last_used_at": datetime(2026, 10, 3, 4, 0, tzinfo=UTC),
    }  # fmt: skip


@pytest.mark.parametrize("value", ["1791000000", 1791000000, 1791000000.0])
def test_numbers_are_taken_as_text_or_number(value):
    """Kraken's spelling of a number does not matter."""
    assert read(validUntil=value).valid_until == datetime(2026, 10, 3, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", ["0", 0, None])
def test_zero_is_not_set(value):
    """A key without expiry has no expiry, however that is written."""
    assert read(validUntil=value).valid_until is None


def test_unknown_permissions_are_kept():
    """A word this program does not know is drift to show, not an error; repeats and order do not count."""
    read_back = read(permissions=["zzz-new", "query-funds", "query-funds"])
    assert read_back.permissions == ("query-funds", "zzz-new")


def test_an_empty_allowlist_is_open():
    """Only an explicit empty list says that the key is open to the world."""
    assert read(ipAllowlist=[]).networks == ()


def test_an_iiban_is_normalised():
    """Spacing and case of an IIBAN do not count."""
    assert read(iban="aa12N84GABCD3F5K").iiban == "AA12 N84G ABCD 3F5K"


@pytest.mark.parametrize("field", ["nonce", "createdTime", "modifiedTime", "lastUsed"])
@pytest.mark.parametrize("value", [None, "never", [], "9" * 30])
def test_what_is_only_shown_may_be_odd(field, value):
    """A field nobody compares cannot make a key unreadable."""
    assert read(**{field: value}).key_name == "mm-bot-prod"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apiKey", "another"), ("apiKey", None), ("apiKeyName", None), ("iban", None), ("iban", "AA12"),
        ("permissions", None), ("permissions", "query-funds"), ("permissions", [1]), ("permissions", {}),
        ("ipAllowlist", None), ("ipAllowlist", ""), ("ipAllowlist", [None]), ("ipAllowlist", [""]),
        ("ipAllowlist", ["203.0.113.7", "unknown"]), ("ipAllowlist", ["203.0.113.7/24"]),
        ("ipAllowlist", ["fe80::1%eth0"]), ("ipAllowlist", ["0.0.0.256"]),
        ("validUntil", "soon"), ("validUntil", -1), ("validUntil", True), ("validUntil", "9" * 30),
        ("queryFrom", {}), ("queryTo", 1.5), ("nonceWindow", "wide"),
    ],
)  # fmt: skip
def test_an_odd_field_is_named(field, value):
    """What is compared is read exactly or not at all, and the message names the field."""
    with pytest.raises(AnswerUnreadable, match=field):
        read(**{field: value})


@pytest.mark.parametrize(
    "field",
    [
        "apiKey",
        "apiKeyName",
        "permissions",
        "iban",
        "validUntil",
        "queryFrom",
        "queryTo",
        "ipAllowlist",
        "nonceWindow",
    ],
)
def test_a_missing_field_is_named(field):
    """A missing field is never taken for an empty one; a key without an allowlist field is not open."""
    answer = {name: value for name, value in ANSWER.items() if name != field}
    with pytest.raises(AnswerUnreadable, match=f"{field} is missing"):
        read_key_info(answer, CREDENTIAL)


def test_the_clock_is_read():
    """Kraken's time is UTC, to the second."""
    assert read_time({"unixtime": 1791000000, "rfc1123": "…"}) == datetime(2026, 10, 3, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("result", [{}, {"unixtime": None}, {"unixtime": 0}, {"unixtime": "now"}])
def test_an_odd_clock_is_an_error(result):
    """No time is better than a wrong one."""
    with pytest.raises(AnswerUnreadable, match="unixtime"):
        read_time(result)


def test_the_web_page_has_a_place_for_every_permission():
    """Each permission a stack can declare can be ticked; the WebSocket right is a switch of its own."""
    assert set(WEB_PAGE) == set(Permission) - {Permission.CREATE_WS_TOKEN}


def test_networks_are_written_and_read_back():
    """What the web page is given means what was declared."""
    networks = [
        parse_network(text) for text in ("203.0.113.7", "198.51.100.0/28", "2001:db8::1", "2001:db8::/64")
    ]
    written = write_networks(networks)
    assert written == ["203.0.113.7", "198.51.100.0/28", "2001:db8::1", "2001:db8::/64"]
    assert [parse_network(text) for text in written] == networks
