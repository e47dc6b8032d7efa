"""Comparison: empty exactly when both sides mean the same, however they are written."""

import ipaddress
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from krakenstate.engine import diff
from krakenstate.engine.diff import compare_descriptions, compare_terms, compare_values, terms_values
from krakenstate.model.network import parse_network
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import Access, Api, NonceUnit, Permission

WORDS = [p.value for p in Permission]
DAY = date(2027, 6, 30)


def terms(**fields):
    """What was approved of a Spot key."""
    return KeyTerms(api=Api.SPOT, **fields)


def says(**fields):
    """What a Spot key says of itself."""
    return KeyDescription(**{"api": Api.SPOT, "fingerprint": "3f2a91c07b44", "last_four": "9fQa", **fields})


def networks(*texts):
    """Networks from their texts."""
    return tuple(parse_network(text) for text in texts)


def differing(declared, described):
    """Name, before and after of each difference."""
    return [(c.name, c.before, c.after) for c in compare_terms(declared, described)]


@pytest.mark.parametrize(
    ("declared", "described", "expected"),
    [
        pytest.param(
            terms(), says(permissions=("withdraw-funds",), nonce_window=5), [], id="nothing-managed"
        ),
        pytest.param(terms(permissions=("query-funds",)), says(permissions=("query-funds",)), [], id="same"),
        pytest.param(
            terms(permissions=("query-funds", "query-ledger")),
            says(permissions=("query-ledger", "query-funds")),
            [],
            id="other-order",
        ),
        pytest.param(
            terms(permissions=()),
            says(permissions=("query-funds",)),
            [("permissions", ["query-funds"], [])],
            id="no-rights-declared",
        ),
        pytest.param(
            terms(permissions=("query-funds",)),
            says(permissions=None),
            [("permissions", [], ["query-funds"])],
            id="key-tells-none",
        ),
        pytest.param(
            terms(networks=networks("192.0.2.10")),
            says(networks=networks("192.0.2.10/32")),
            [],
            id="address-as-network",
        ),
        pytest.param(
            terms(networks=networks("192.0.2.0/24")),
            says(networks=networks("192.0.2.0/25", "192.0.2.128/25")),
            [],
            id="two-halves",
        ),
        pytest.param(
            terms(networks=networks("2001:db8:1::/64")),
            says(networks=networks("2001:0db8:0001:0000::/64")),
            [],
            id="long-form",
        ),
        pytest.param(terms(networks=()), says(), [], id="open-as-declared"),
        pytest.param(
            terms(networks=()),
            says(networks=networks("192.0.2.10")),
            [("ip_allowlist", ["192.0.2.10/32"], [])],
            id="declared-open",
        ),
        pytest.param(
            terms(networks=networks("192.0.2.10")),
            says(),
            [("ip_allowlist", [], ["192.0.2.10/32"])],
            id="found-open",
        ),
        pytest.param(terms(expires=DAY), says(), [("expires", None, "2027-06-30")], id="never-expires"),
        pytest.param(
            terms(expires=DAY),
            says(valid_until=datetime(2027, 7, 2, tzinfo=UTC)),
            [("expires", "2027-07-02T00:00:00Z", "2027-06-30")],
            id="two-days-later",
        ),
        pytest.param(
            terms(expires=None), says(valid_until=datetime(2027, 7, 2, tzinfo=UTC)), [], id="expiry-unmanaged"
        ),
        pytest.param(terms(nonce_window=0), says(nonce_window=None), [], id="no-window-is-none"),
        pytest.param(terms(nonce_window=0), says(nonce_window=0), [], id="no-window"),
        pytest.param(
            terms(nonce_window=5), says(nonce_window=None), [("nonce_window", 0, 5)], id="window-missing"
        ),
        pytest.param(terms(nonce_window=None), says(nonce_window=5), [], id="window-unmanaged"),
        pytest.param(
            terms(nonce_unit=NonceUnit.SECONDS, controls="master_account.desk"),
            says(),
            [],
            id="what-kraken-does-not-hold",
        ),
        pytest.param(
            KeyTerms(api=Api.DERIVATIVES, general=Access.READ_ONLY, transfer=Access.NO_ACCESS),
            says(general="FULL_ACCESS", transfer="NO_ACCESS"),
            [("general", "FULL_ACCESS", "READ_ONLY")],
            id="level",
        ),
        pytest.param(
            KeyTerms(api=Api.DERIVATIVES, general=Access.READ_ONLY),
            says(general="SOMETHING_NEW"),
            [("general", "SOMETHING_NEW", "READ_ONLY")],
            id="unknown-level",
        ),
    ],
)
def test_what_must_change_on_a_key(declared, described, expected):
    """Before is what the key says, after what is declared; what means the same is not mentioned."""
    assert differing(declared, described) == expected


def test_sets_are_compared_as_sets():
    """A difference lists what comes and what goes, and both whole lists."""
    [change] = compare_terms(
        terms(permissions=("query-funds", "query-ledger")),
        says(permissions=("query-funds", "withdraw-funds", "export-data")),
    )
    assert (change.added, change.removed) == (("query-ledger",), ("export-data", "withdraw-funds"))


@pytest.mark.parametrize(
    ("found", "declared", "note"),
    [
        (("192.0.2.10",), ("192.0.2.0/24",), "1 -> 256 addresses"),
        ((), ("192.0.2.10",), "every -> 1 addresses"),
        (("192.0.2.10",), (), "1 -> every addresses"),
        (("192.0.2.0/24", "192.0.2.10"), ("2001:db8::/127",), "256 -> 2 addresses"),
    ],
)
def test_a_network_change_says_how_many_addresses(found, declared, note):
    """Overlaps count once, and an open key admits every address."""
    [change] = compare_terms(terms(networks=networks(*declared)), says(networks=networks(*found)))
    assert change.note == note


@given(st.lists(st.sampled_from(WORDS), unique=True), st.randoms(use_true_random=False))
def test_the_order_of_permissions_means_nothing(words, order):
    """However Kraken lists them, the same permissions are the same."""
    other = order.sample(words, len(words))
    assert compare_terms(terms(permissions=tuple(words)), says(permissions=tuple(other))) == []


@given(st.frozensets(st.sampled_from(WORDS)), st.frozensets(st.sampled_from(WORDS)))
def test_permissions_differ_exactly_where_the_sets_do(declared, found):
    """What is added and removed are the two differences of the sets, sorted."""
    changes = compare_terms(terms(permissions=tuple(declared)), says(permissions=tuple(found)))
    expected = [(tuple(sorted(declared - found)), tuple(sorted(found - declared)))]
    assert [(c.added, c.removed) for c in changes] == ([] if declared == found else expected)


NETWORK = st.builds(
    lambda address, prefix: ipaddress.ip_network((address, prefix), strict=False),
    st.ip_addresses(v=4),
    st.integers(20, 32),
)


@given(st.lists(NETWORK, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_networks_are_what_they_admit(listed, order):
    """Halving, repeating and reordering networks changes nothing."""
    halved = [half for n in listed for half in (n.subnets() if n.prefixlen < 32 else [n])]
    written = order.sample([*halved, *listed], len(halved) + len(listed))
    assert compare_terms(terms(networks=tuple(listed)), says(networks=tuple(written))) == []


@given(st.lists(NETWORK, max_size=3), st.lists(NETWORK, max_size=3))
def test_networks_differ_exactly_when_they_admit_others(one, other):
    """The comparison is empty if and only if the same addresses are admitted."""
    changes = compare_terms(terms(networks=tuple(one)), says(networks=tuple(other)))
    same = list(ipaddress.collapse_addresses(one)) == list(ipaddress.collapse_addresses(other))
    assert (changes == []) is same


@given(
    st.dates(date(2026, 1, 1), date(2100, 1, 1)),
    st.integers(-12 * 60, 14 * 60),
    st.times(),
)
@example(DAY, 14 * 60, time())
@example(DAY, -12 * 60, time(23, 59, 59))
def test_an_expiry_on_that_day_in_any_time_zone_is_met(day, minutes, clock):
    """Wherever on Earth it is that day when the key expires, it expires on that day."""
    local = datetime.combine(day, clock, tzinfo=timezone(timedelta(minutes=minutes)))
    assert compare_terms(terms(expires=day), says(valid_until=local)) == []


@given(st.dates(date(2026, 1, 3), date(2100, 1, 1)), st.integers(1, 10**7))
def test_an_expiry_on_that_day_nowhere_is_not_met(day, seconds):
    """A second before it is that day anywhere, or once it is no longer anywhere, is another day."""
    first = datetime.combine(day, time(), tzinfo=timezone(timedelta(hours=14)))
    after = datetime.combine(day + timedelta(days=1), time(), tzinfo=timezone(timedelta(hours=-12)))
    for instant in (first - timedelta(seconds=seconds), after + timedelta(seconds=seconds - 1)):
        assert [c.name for c in compare_terms(terms(expires=day), says(valid_until=instant))] == ["expires"]


@given(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5))
def test_no_nonce_window_is_a_window_of_nothing(declared, found):
    """Zero and none mean the same at Kraken; none in the stack means not managed."""
    changes = compare_terms(terms(nonce_window=declared), says(nonce_window=found))
    assert (changes == []) is (declared is None or declared == (found or 0))


FLAT = st.dictionaries(
    st.sampled_from(["permissions", "general", "expires", "nonce_window"]),
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]) | st.frozensets(st.sampled_from(["a", "b"])),
)


@settings(max_examples=60, deadline=None)
@given(FLAT, FLAT)
def test_comparing_values_names_exactly_what_differs(before, after):
    """By name, sorted, and empty only for equal values."""
    expected = sorted(
        n for n in {*before, *after} if n not in before or n not in after or before[n] != after[n]
    )
    assert [c.name for c in compare_values(before, after)] == expected


def test_a_description_is_compared_with_an_earlier_one_wholly():
    """Somebody's change of what the stack does not manage is found as well."""
    earlier = says(permissions=("query-funds",), key_name="pnl-g1", networks=networks("192.0.2.0/24"))
    later = says(
        permissions=("query-funds", "withdraw-funds"),
        key_name="renamed",
        networks=networks("192.0.2.0/25", "192.0.2.128/25"),
        valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        nonce=17,
        last_used_at=datetime(2026, 11, 2, tzinfo=UTC),
    )
    assert [(c.name, c.before, c.after) for c in compare_descriptions(earlier, later)] == [
        ("expires", None, "2027-01-01T00:00:00Z"),
        ("key_name", "pnl-g1", "renamed"),
        ("permissions", ["query-funds"], ["query-funds", "withdraw-funds"]),
    ]


def test_descriptions_that_share_little_are_compared_attribute_by_attribute():
    """A key that now says much more than was recorded of it is described like any other."""
    more = {"permissions": ("query-funds",), "key_name": "pnl-g1", "nonce_window": 0}
    days = {"valid_until": datetime(2027, 1, 1, tzinfo=UTC), "query_from": datetime(2026, 1, 1, tzinfo=UTC)}
    changes = compare_descriptions(says(), says(**more, **days))
    assert [c.name for c in changes] == ["expires", "key_name", "nonce_window", "permissions", "query_from"]


def test_terms_show_what_is_managed_under_the_names_people_see():
    """Nothing that is not managed appears."""
    shown = terms_values(
        terms(permissions=("query-funds",), networks=networks("192.0.2.10"), expires=DAY, nonce_window=0)
    )
    assert shown == {
        "permissions": ["query-funds"],
        "ip_allowlist": ["192.0.2.10/32"],
        "expires": "2027-06-30",
        "nonce_window": 0,
    }


_DAYS = st.sampled_from([None, DAY, DAY + timedelta(days=1)])
_INSTANTS = st.sampled_from([None, *(datetime.combine(DAY, time(h), tzinfo=UTC) for h in (0, 12, 23))])
_RIGHTS = st.sampled_from([None, (), ("query-funds",), ("close-trades", "query-funds")])
_LISTS = st.sampled_from([(), networks("192.0.2.0/25", "192.0.2.128/25"), networks("192.0.2.0/24")])
_WINDOWS = st.sampled_from([None, 0, 5])


@given(
    st.builds(terms, permissions=_RIGHTS, networks=st.none() | _LISTS, expires=_DAYS, nonce_window=_WINDOWS),
    st.builds(says, permissions=_RIGHTS, networks=_LISTS, valid_until=_INSTANTS, nonce_window=_WINDOWS),
)
def test_what_is_equal_at_a_glance_is_equal_when_looked_at(declared, described):
    """The short cut for a key that is plainly as declared finds no key alike that differs."""
    at_a_glance = compare_terms(declared, described)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "is_plainly_so", lambda *_: False)
        assert compare_terms(declared, described) == at_a_glance
