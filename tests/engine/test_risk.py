"""Risk: what a change lets a key's holder do, from set arithmetic alone."""

import ipaddress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.engine.diff import compare_terms
from krakenstate.engine.risk import risks_of_changes, risks_of_new_key, sort_risks
from krakenstate.model.address import Address
from krakenstate.model.network import covers, parse_network
from krakenstate.model.plan import AttributeChange, Risk, RiskWord
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import MOVES_FUNDS, Access, Api, Permission

ADDRESS = Address("spot_key.pnl")
WORDS = st.frozensets(st.sampled_from([p.value for p in Permission]))
MOVERS = {"withdraw-funds", "add-withdraw-address", "update-withdraw-address"}


def risks(found, declared):
    """Word and whether it is critical, of each risk of making a key as declared."""
    description = KeyDescription(**{"api": Api.SPOT, "fingerprint": "f" * 12, "last_four": "9fQa", **found})
    changes = compare_terms(KeyTerms(api=Api.SPOT, **declared), description)
    return [(r.word.value, r.critical) for r in risks_of_changes(ADDRESS, changes)]


def networks(*texts):
    """Networks from their texts."""
    return tuple(parse_network(text) for text in texts)


@pytest.mark.parametrize(
    ("found", "declared", "expected"),
    [
        pytest.param(
            {"permissions": ("query-funds",)},
            {"permissions": ("query-funds", "query-ledger")},
            [("GAINS", False)],
            id="gains",
        ),
        pytest.param(
            {"permissions": ("query-funds",)},
            {"permissions": ("query-funds", "withdraw-funds")},
            [("GAINS", True)],
            id="gains-withdrawal",
        ),
        pytest.param(
            {"permissions": ("withdraw-funds",)}, {"permissions": ()}, [("LOSES", False)], id="loses"
        ),
        pytest.param(
            {"permissions": ("withdraw-funds",)},
            {"permissions": ("query-funds",)},
            [("GAINS", False), ("LOSES", False)],
            id="gains-and-loses",
        ),
        pytest.param(
            {"networks": networks("192.0.2.10")},
            {"networks": networks("192.0.2.0/24")},
            [("WIDENS", False)],
            id="widens",
        ),
        pytest.param(
            {"networks": networks("192.0.2.0/24")},
            {"networks": networks("192.0.2.10")},
            [("NARROWS", False)],
            id="narrows",
        ),
        pytest.param(
            {"networks": networks("192.0.2.10")},
            {"networks": networks("192.0.2.11")},
            [("WIDENS", False)],
            id="moves-elsewhere",
        ),
        pytest.param({"networks": networks("192.0.2.10")}, {"networks": ()}, [("WIDENS", True)], id="opens"),
        pytest.param(
            {"networks": ()}, {"networks": networks("0.0.0.0/0")}, [("NARROWS", False)], id="closes"
        ),
        pytest.param(
            {"general": "READ_ONLY"}, {"general": Access.FULL_ACCESS}, [("GAINS", False)], id="level-up"
        ),
        pytest.param(
            {"general": "FULL_ACCESS"}, {"general": Access.NO_ACCESS}, [("LOSES", False)], id="level-down"
        ),
        pytest.param(
            {"transfer": "NO_ACCESS"}, {"transfer": Access.FULL_ACCESS}, [("GAINS", True)], id="transfer"
        ),
        pytest.param(
            {"transfer": "FULL_ACCESS"}, {"transfer": Access.NO_ACCESS}, [("LOSES", False)], id="no-transfer"
        ),
        pytest.param({}, {"expires": date(2027, 6, 30)}, [("SHORTENS", False)], id="gets-an-end"),
        pytest.param(
            {"valid_until": "2027-01-15T12:00:00Z"},
            {"expires": date(2027, 6, 30)},
            [("EXTENDS", False)],
            id="lives-longer",
        ),
        pytest.param(
            {"valid_until": "2027-12-15T12:00:00Z"},
            {"expires": date(2027, 6, 30)},
            [("SHORTENS", False)],
            id="dies-sooner",
        ),
        pytest.param({"nonce_window": 0}, {"nonce_window": 100}, [], id="window-is-no-right"),
    ],
)
def test_a_change_is_called_what_it_does(found, declared, expected):
    """Gains, losses, widenings and expiries by their words; what can move funds or is open is critical."""
    assert risks(found, declared) == expected


@given(WORDS, WORDS)
def test_permissions_are_gained_and_lost_by_set_arithmetic(found, declared):
    """Whatever the sets: gains are what is new, losses what is gone, critical exactly what moves funds."""
    new, gone = declared - found, found - declared
    expected = ([("GAINS", bool(new & MOVERS))] if new else []) + ([("LOSES", False)] if gone else [])
    assert risks({"permissions": tuple(found)}, {"permissions": tuple(declared)}) == expected
    assert {p.value for p in MOVES_FUNDS} == MOVERS


NETWORKS = st.lists(
    st.builds(
        lambda a, p: ipaddress.ip_network((a, p), strict=False), st.ip_addresses(v=4), st.integers(24, 32)
    ),
    min_size=1,
    max_size=3,
)


@given(NETWORKS, NETWORKS)
def test_an_allowlist_narrows_only_when_nothing_new_is_admitted(found, declared):
    """If one address is admitted that was not before, it widens."""
    words = [word for word, _ in risks({"networks": tuple(found)}, {"networks": tuple(declared)})]
    same = covers(found, declared) and covers(declared, found)
    assert words == ([] if same else ["NARROWS"] if covers(found, declared) else ["WIDENS"])


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            {"permissions": ["query-funds"], "ip_allowlist": ["192.0.2.10/32"]},
            [("query-funds on desk", False)],
        ),
        (
            {"permissions": ["query-funds"], "ip_allowlist": []},
            [("query-funds on desk from anywhere in the world", True)],
        ),
        ({"permissions": ["query-funds"]}, [("query-funds on desk", False)]),
        (
            {"permissions": ["withdraw-funds", "query-funds"], "ip_allowlist": ["192.0.2.10/32"]},
            [("query-funds, withdraw-funds on desk; can move funds", True)],
        ),
        ({"general": "FULL_ACCESS", "transfer": "NO_ACCESS"}, [("general FULL_ACCESS on desk", False)]),
        (
            {"general": "NO_ACCESS", "transfer": "FULL_ACCESS"},
            [("transfer FULL_ACCESS on desk; can move funds", True)],
        ),
        ({"permissions": []}, []),
        ({}, [("anything: its rights are not managed, on desk; can move funds", True)]),
    ],
)
def test_a_new_key_gains_what_it_may_do(after, expected):
    """Its rights, its account, and whether it is open or can move funds; nothing for a key without rights."""
    assert [(r.text, r.critical) for r in risks_of_new_key(ADDRESS, "desk", after)] == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"name": "permissions", "before": ["query-funds"]},
            ("GAINS", "any permission: they are no longer managed", True),
        ),
        (
            {"name": "permissions", "after": ["query-funds"]},
            ("LOSES", "any permission but those that are now managed", False),
        ),
        (
            {"name": "ip_allowlist", "before": ["192.0.2.10/32"]},
            ("WIDENS", "allowlist: it is no longer managed", True),
        ),
        (
            {"name": "ip_allowlist", "after": ["192.0.2.10/32"]},
            ("NARROWS", "allowlist to 1 addresses: it is now managed", False),
        ),
        ({"name": "transfer", "before": "NO_ACCESS"}, ("GAINS", "transfer NO_ACCESS -> not managed", True)),
        (
            {"name": "general", "after": "FULL_ACCESS"},
            ("LOSES", "general not managed -> FULL_ACCESS", False),
        ),
        ({"name": "expires", "before": "2027-06-30"}, ("EXTENDS", "expiry 2027-06-30 -> never", False)),
    ],
)
def test_what_is_not_managed_could_be_anything(change, expected):
    """To stop managing an attribute is a gain, to begin with it a loss: nothing guards it till then."""
    [risk] = risks_of_changes(ADDRESS, [AttributeChange(**change)])
    assert (risk.word.value, risk.text, risk.critical) == expected


def test_large_networks_are_told_in_digits_that_can_be_read():
    """An IPv6 network has more addresses than anybody reads."""
    change = AttributeChange(name="ip_allowlist", before=["192.0.2.10/32"], after=["2001:db8::/32"])
    assert [r.text for r in risks_of_changes(ADDRESS, [change])] == ["allowlist 1 -> about 2^96 addresses"]


def test_trading_is_a_right_of_an_account():
    """Switching trading on is a gain, off a loss."""
    found = [
        risks_of_changes(ADDRESS, [AttributeChange(name="trading_enabled", before=not on, after=on)])[0].word
        for on in (True, False)
    ]
    assert found == [RiskWord.GAINS, RiskWord.LOSES]


def test_the_list_begins_with_what_matters():
    """Critical ones first, then gains and widenings, then by address."""
    listed = [
        Risk(address=Address(f"spot_key.{name}"), word=word, text="x", critical=critical)
        for name, word, critical in (
            ("a", RiskWord.LOSES, False),
            ("c", RiskWord.WIDENS, False),
            ("b", RiskWord.EXTENDS, False),
            ("z", RiskWord.GAINS, True),
        )
    ]
    assert [r.address.name for r in sort_risks(listed)] == ["z", "b", "c", "a"]
