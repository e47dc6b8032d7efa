"""How much an account may ask of the simulated Kraken."""

import pytest

from krakenstate.sim.clock import SimClock
from tests.sim.conftest import START

INFO = "GetApiKeyInfo"
LIMITED = {"error": ["EAPI:Rate limit exceeded"]}
SUBACCOUNTS = "/derivatives/api/v3/subaccounts"


@pytest.fixture(autouse=True)
def frozen(sim):
    """A clock that moves only when it is told to, so that counters sink by known amounts."""
    sim.clock = SimClock(real=lambda: START)


@pytest.mark.parametrize(
    ("tier", "maximum", "next_after_s"), [("starter", 15, 4), ("intermediate", 20, 2), ("pro", 20, 1)]
)
def test_a_tier_has_a_maximum_that_comes_back_with_time(kraken, tier, maximum, next_after_s):
    """As many calls as the tier allows, then none, then one more when the counter has sunk by one."""
    kraken.account("desk", "ops@desk.example", tier=tier)
    key = kraken.key("desk", name="pnl")
    for _ in range(maximum):
        assert kraken.spot(key, INFO)["error"] == []
    kraken.people("clock", advance_s=next_after_s - 1)
    assert kraken.spot(key, INFO) == LIMITED
    kraken.people("clock", advance_s=1)
    assert kraken.spot(key, INFO)["error"] == []
    assert kraken.spot(key, INFO) == LIMITED


def test_history_costs_two(kraken):
    """A ledger call fits only where two single calls would."""
    kraken.account("desk", "ops@desk.example", tier="starter")
    key = kraken.key("desk", name="tax", permission=["query-ledger"])
    for _ in range(7):
        assert kraken.spot(key, "Ledgers")["error"] == []
    assert kraken.spot(key, "Ledgers") == LIMITED
    assert kraken.spot(key, INFO)["error"] == []
    assert kraken.spot(key, INFO) == LIMITED


def test_the_counter_belongs_to_the_account_and_spares_the_nonce(kraken, desk):
    """Keys of one account share its budget, others have their own, and a refused call uses no nonce up."""
    first, second = kraken.key("desk", name="first"), kraken.key("desk", name="second")
    kraken.account("shop", "shop@desk.example")
    elsewhere = kraken.key("shop", name="pnl")
    for _ in range(20):
        kraken.spot(first, INFO)
    assert kraken.spot(second, INFO, nonce=7) == LIMITED
    assert kraken.spot(elsewhere, INFO)["error"] == []
    kraken.people("clock", advance_s=1)
    assert kraken.spot(second, INFO, nonce=7)["error"] == []


@pytest.mark.parametrize("how", ["tier", "world"])
def test_counting_can_be_switched_off(kraken, how):
    """The tier `none`, or the switch for the whole world, lets a client call as it likes."""
    kraken.account("desk", "ops@desk.example", tier="none" if how == "tier" else "starter")
    if how == "world":
        assert kraken.people("budget", on=False) == {"budgets": False}
    key = kraken.key("desk", name="pnl")
    assert all(kraken.spot(key, INFO)["error"] == [] for _ in range(30))


def test_derivatives_units_are_given_anew_every_ten_seconds(kraken, controller):
    """Fifty lists of subaccounts use 500 units; a key's self-check costs none."""
    for _ in range(50):
        assert kraken.derivatives(controller, "GET", SUBACCOUNTS).json()["result"] == "success"
    limited = kraken.derivatives(controller, "GET", SUBACCOUNTS)
    assert (limited.status_code, limited.json()["error"]) == (200, "apiLimitExceeded")
    assert kraken.derivatives(controller, "GET", "/api/auth/v1/api-keys/v3/check").status_code == 200
    kraken.people("clock", advance_s=10)
    assert kraken.derivatives(controller, "GET", SUBACCOUNTS).json()["result"] == "success"
