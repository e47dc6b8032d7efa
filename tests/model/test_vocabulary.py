"""Kraken's words, and what a nonce is in each unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate import roles
from krakenstate.model.vocabulary import MOVES_FUNDS, Access, NonceUnit, Permission

AN_INSTANT_NS = 1_793_610_000_123_456_789  # 2026-11-02T09:00:00.123456789Z
NONCES = {
    NonceUnit.SECONDS: 1_793_610_000,
    NonceUnit.MILLISECONDS: 1_793_610_000_123,
    NonceUnit.MICROSECONDS: 1_793_610_000_123_456,
    NonceUnit.TEN_NANOSECONDS: 179_361_000_012_345_678,
    NonceUnit.NANOSECONDS: 1_793_610_000_123_456_789,
    NonceUnit.DOTNET_TICKS: 639_292_068_001_234_567,
}


@pytest.mark.parametrize(("unit", "nonce"), NONCES.items())
def test_a_nonce_is_the_instant_in_the_unit(unit, nonce):
    """Written out for one instant, rounded down; .NET counts from the year one."""
    assert unit.at(AN_INSTANT_NS) == nonce


def test_a_counter_has_no_instant():
    """It is the only unit without one."""
    with pytest.raises(ValueError, match="no relation to the clock"):
        NonceUnit.COUNTER.at(AN_INSTANT_NS)
    assert set(NonceUnit) - set(NONCES) == {NonceUnit.COUNTER}


@given(st.sampled_from(list(NONCES)), st.integers(0, 2**62), st.integers(0, 10**12))
def test_later_instants_never_have_smaller_nonces(unit, instant, later):
    """Monotone, and never ahead of the instant."""
    assert unit.at(instant) <= unit.at(instant + later)
    assert unit.at(instant + 10**9) > unit.at(instant)


@pytest.mark.parametrize("unit", NONCES)
def test_nonces_of_this_century_fit_into_64_bits(unit):
    """Kraken takes unsigned 64-bit nonces."""
    assert unit.at(4_102_444_800 * 10**9) < 2**64


def test_larger_units_overtake_smaller_ones():
    """Each unit's clock is far above the one before it, so one call in a larger unit would stop a client."""
    ordered = ["SECONDS", "MILLISECONDS", "MICROSECONDS", "TEN_NANOSECONDS", "DOTNET_TICKS", "NANOSECONDS"]
    nonces = [NONCES[NonceUnit[name]] for name in ordered]
    assert nonces == sorted(nonces)


def test_levels_are_ordered():
    """Nothing, reading, everything."""
    assert [level.rank for level in Access] == [0, 1, 2]


def test_roles_are_what_the_docs_list():
    """Plain sets of Kraken's words, and none of them can move funds."""
    shown = {
        name: sorted(p.value for p in value)
        for name, value in vars(roles).items()
        if isinstance(value, frozenset)
    }
    trading = ["close-trades", "modify-trades", "query-funds", "query-open-trades"]
    assert shown == {
        "MARKET_MAKER": trading,
        "TRADING": trading,
        "STREAMING": ["close-trades", "create-ws-token", *trading[1:]],
        "RECONCILIATION": ["query-closed-trades", "query-funds", "query-ledger", "query-open-trades"],
        "DASHBOARD": ["query-funds", "query-open-trades"],
        "FLATTEN": ["close-trades", "modify-trades", "query-open-trades"],
        "CANCEL_ALL": ["close-trades"],
    }
    assert not any(set(words) & {p.value for p in MOVES_FUNDS} for words in shown.values())
    assert len(Permission) == 13
