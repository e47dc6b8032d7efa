"""Call budgets: how much an account may ask before it is told to slow down.

Spot counts calls per account. Each call adds 1, one for ledgers or trades 2; the tier says how high the
counter may stand and how fast it sinks; a refused call adds nothing. Kraken's guides name the key in one
place and the account in another; the stricter reading is built here. Derivatives gives every account 500 cost
units in 10 seconds; only `/derivatives` is counted: no cost is published for `/api/auth`, and the pool of
`/api/history` is not built.

Sources: docs.kraken.com `guides/general/rate-limits`, `guides/futures/rate-limits` (read August to October
2026). The cost of `GET /subaccounts` is not published; 10 is assumed.
"""

from typing import NamedTuple

from krakenstate.sim.world import Account, Tier, World

CALL_COST = 1.0
HISTORY_CALL_COST = 2.0
DERIVATIVES_UNITS = 500
DERIVATIVES_PERIOD_S = 10.0
SUBACCOUNTS_COST = 10
TRADING_SWITCH_COST = 2


class Budget(NamedTuple):
    """How high a Spot counter may stand, and how far it sinks in a second."""

    maximum: float
    decay: float


BUDGETS: dict[Tier, Budget] = {
    "starter": Budget(15, 0.33),
    "intermediate": Budget(20, 0.5),
    "pro": Budget(20, 1),
}


def admits_spot(world: World, account: Account, cost: float, now: float) -> bool:
    """Count one Spot call of `cost` at `now`; False, and nothing counted, if it is too much."""
    budget = BUDGETS.get(account.tier)
    if budget is None or not world.budgets:
        return True
    sunk = max(0.0, now - account.counted_at) * budget.decay
    account.call_counter = max(0.0, account.call_counter - sunk)
    account.counted_at = now
    if account.call_counter + cost > budget.maximum:
        return False
    account.call_counter += cost
    return True


def admits_derivatives(world: World, account: Account, cost: int, now: float) -> bool:
    """Take `cost` units from the account's present 10 seconds; False, and none taken, if they are short."""
    if account.tier not in BUDGETS or not world.budgets:
        return True
    if not account.period_start <= now < account.period_start + DERIVATIVES_PERIOD_S:
        account.period_start, account.units_spent = now, 0
    if account.units_spent + cost > DERIVATIVES_UNITS:
        return False
    account.units_spent += cost
    return True
