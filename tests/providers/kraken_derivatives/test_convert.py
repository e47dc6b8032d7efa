"""v3/check, subaccounts and trading-enabled in our words."""

from datetime import UTC, datetime

import pytest

from krakenstate.errors import AnswerUnreadable
from krakenstate.model.network import parse_network
from krakenstate.providers.base import Link
from krakenstate.providers.kraken_derivatives.convert import (
    read_check,
    read_links,
    read_switch,
)
from krakenstate.providers.pages import write_networks
from tests.support.kraken import CREDENTIAL, PUBLIC

UID = "11111111-2222-3333-4444-555555555555"
CHECK = {
    "apiKey": PUBLIC, "accountUid": UID, "iiban": "AA12 N84G ABCD 3F5K", "createdAt": "2026-09-01T10:00:00Z",
    "permissions": {"general": "READ_ONLY", "transfer": "NO_ACCESS"},
    "allowedCidrBlock": None, "allowedCidrBlocks": ["203.0.113.7/32"],
}  # fmt: skip
LINKS = {
    "result": "success", "serverTime": "2026-10-01T12:00:00.000Z",
    "masterAccountUid": "AAAAAAAA-0000-0000-0000-000000000001",
    "subaccounts": [
        {"accountUid": "bbbbbbbb-0000-0000-0000-000000000003", "email": "b@desk.example", "fullName": None},
        {"accountUid": "bbbbbbbb-0000-0000-0000-000000000002", "email": "Kraken+MM@desk.example"},
    ],
}  # fmt: skip


def check(**changes):
    """The documented answer with some fields changed; a field set to ... is left out."""
    fields = {name: value for name, value in {**CHECK, **changes}.items() if value is not ...}
    return read_check(fields, CREDENTIAL)


def test_the_documented_check_is_read():
    """Every documented field arrives, normalised."""
    described = check()
    assert described.model_dump(exclude_none=True, exclude={"fingerprint"}) == {
        "api": "derivatives", "last_four": "9fQa", "iiban": "AA12 N84G ABCD 3F5K", "account_uid": UID,
        "general": "READ_ONLY", "transfer": "NO_ACCESS", "networks": ("203.0.113.7/32",),
        "created_at": datetime(2026, 9, 1, 10, tzinfo=UTC),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("single", "several", "networks"),
    [
        (None, [], ()),
        (..., ["203.0.113.0/28"], ("203.0.113.0/28",)),
        ("203.0.113.7", ..., ("203.0.113.7/32",)),
        ("203.0.113.7", None, ("203.0.113.7/32",)),
        ("203.0.113.7", [], ("203.0.113.7/32",)),
        ("203.0.113.7", ["2001:db8::/48", "203.0.113.7/32"], ("203.0.113.7/32", "2001:db8::/48")),
    ],
)
def test_both_address_fields_count(single, several, networks):
    """The older single field and the list are read together; only an empty list alone means open."""
    described = check(allowedCidrBlock=single, allowedCidrBlocks=several)
    assert tuple(map(str, described.networks)) == networks


@pytest.mark.parametrize(
    "permissions",
    [
        {"general": "READ_ONLY", "transfer": "NO_ACCESS"},
        {"permissions": {"general": "READ_ONLY", "transfer": "NO_ACCESS"}},
        {"general": {"access": "READ_ONLY"}, "transfer": {"access": "NO_ACCESS"}},
    ],
)
def test_levels_are_found_where_they_were_seen(permissions):
    """A differently nested object means the same."""
    described = check(permissions=permissions)
    assert (described.general, described.transfer) == ("READ_ONLY", "NO_ACCESS")


def test_unknown_levels_are_kept():
    """A word this program does not know is drift to show, not an error."""
    assert check(permissions={"general": "SOME_ACCESS", "transfer": "NO_ACCESS"}).general == "SOME_ACCESS"


@pytest.mark.parametrize("created", [None, "yesterday", 17, "2026-09-01T10:00:00", ...])
def test_what_is_only_shown_may_be_odd(created):
    """A creation time nobody compares cannot make a key unreadable."""
    assert check(createdAt=created).created_at is None


@pytest.mark.parametrize("iiban", [None, ...])
def test_an_account_may_have_no_iiban(iiban):
    """Derivatives documents null for accounts that are no Kraken customer account."""
    assert check(iiban=iiban).iiban is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apiKey", "another"), ("apiKey", ...), ("accountUid", "1"), ("accountUid", None),
        ("accountUid", ...), ("iiban", "AA12"), ("permissions", None), ("permissions", ...),
        ("permissions", {}),
        ("permissions", {"general": "READ_ONLY"}), ("permissions", {"general": "", "transfer": "NO_ACCESS"}),
        ("permissions", {"general": {"a": "x", "b": "y"}, "transfer": "NO_ACCESS"}),
        ("permissions", ["READ_ONLY"]),
        ("allowedCidrBlocks", None), ("allowedCidrBlocks", ...), ("allowedCidrBlocks", "203.0.113.7/32"),
        ("allowedCidrBlocks", ["somewhere"]), ("allowedCidrBlock", "somewhere"), ("allowedCidrBlock", 5),
    ],
)  # fmt: skip
def test_an_odd_or_missing_field_is_named(field, value):
    """What is compared is read exactly or not at all, and the message names the field."""
    with pytest.raises(AnswerUnreadable, match=field):
        check(**{field: value})


def test_the_documented_list_is_read():
    """Links are sorted by uid, and e-mails compare in lower case."""
    found = read_links(LINKS)
    assert found.master_uid == "aaaaaaaa-0000-0000-0000-000000000001"
    assert found.links == (
        Link("bbbbbbbb-0000-0000-0000-000000000002", "kraken+mm@desk.example"),
        Link("bbbbbbbb-0000-0000-0000-000000000003", "b@desk.example"),
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"result": "pending"}, "result"),
        ({"subaccounts": None}, "subaccounts"),
        ({"subaccounts": ["x"]}, "subaccounts"),
        ({"subaccounts": [{"email": "a@b.example"}]}, "accountUid"),
        ({"subaccounts": [{"accountUid": UID}]}, "email"),
        ({"masterAccountUid": None}, "masterAccountUid"),
    ],
)
def test_half_a_list_is_none(changes, field):
    """A list that cannot be read in full is an error: a link that is overlooked would be asked for again."""
    with pytest.raises(AnswerUnreadable, match=field):
        read_links({**LINKS, **changes})


def test_the_switch_is_read():
    """Extra fields do not matter."""
    assert read_switch({"tradingEnabled": True, "result": "success", "subaccountUid": UID}) is True
    assert read_switch({"tradingEnabled": False}) is False


@pytest.mark.parametrize(
    "body", [{}, {"tradingEnabled": "true"}, {"tradingEnabled": None}, {"tradingEnabled": 1}]
)
def test_only_a_boolean_is_a_switch(body):
    """Nothing else is guessed to be on or off."""
    with pytest.raises(AnswerUnreadable, match="tradingEnabled"):
        read_switch(body)


def test_networks_are_written_and_read_back():
    """What the web page is given means what was declared."""
    networks = [parse_network(text) for text in ("203.0.113.7", "198.51.100.0/28", "2001:db8::/64")]
    assert write_networks(networks) == ["203.0.113.7", "198.51.100.0/28", "2001:db8::/64"]
