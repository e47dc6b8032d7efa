"""What a stack on trial can hold: accounts, keys of both platforms and a grant, each in some variants."""

from __future__ import annotations

from datetime import date

from krakenstate import Access, DerivativesSubaccount, MasterAccount, NonceUnit, Permission, Process
from krakenstate.model.entry import Declaration
from tests.support.world import (
    CARRY,
    COLO,
    CONTROLLER,
    CREATOR,
    DESK,
    MM,
    RUNNER,
    derivatives_key,
    grant,
    spot_key,
)

QUOTER = Process(name="mm-quoter", owner="market-making")
OTHER = MasterAccount(name="other", email="other@desk.example", iiban="AA12 N84G ABCD 3F6L")
CARRIER = Process(name="carrier", owner="market-making")
CARRY_OFF = DerivativesSubaccount(name="carry", master=DESK, email=CARRY.email, trading_enabled=False)
LISTS = ([RUNNER], [RUNNER, COLO], [COLO])
ITEMS: dict[str, list[Declaration]] = {
    "creator": [CREATOR, CREATOR.model_copy(update={"expires": date(2026, 11, 20)})],
    "controller": [CONTROLLER],
    "mm": [MM, MM.model_copy(update={"protect": True})],
    "carry": [CARRY, CARRY_OFF],
    "pnl": [
        spot_key(),
        spot_key(permissions={Permission.QUERY_FUNDS}),
        spot_key(allowlist=LISTS[1], expires=date(2026, 11, 20)),
        spot_key(allowlist=LISTS[2], nonce_unit=NonceUnit.COUNTER),
        spot_key(nonce_unit=None, expires=None),
        spot_key(protect=True),
    ],
    "quoter": [
        spot_key(name="quoter", account=MM, process=QUOTER),
        spot_key(name="quoter", account=MM, process=QUOTER, permissions=set()),
        spot_key(name="quoter", account=DESK, process=QUOTER),
    ],
    "hedger": [
        derivatives_key(),
        derivatives_key(general=Access.FULL_ACCESS),
        derivatives_key(allowlist=LISTS[1]),
        derivatives_key(allowlist=LISTS[2]),
    ],
    "carrier": [
        derivatives_key(name="carrier", account=CARRY, process=CARRIER),
        derivatives_key(name="carrier", account=CARRY, process=CARRIER, general=None),
    ],
    "grant": [grant(), grant(protect=True)],
}
NEEDS = {"quoter": "mm", "carrier": "carry"}
"""What stands on what: an account is declared as long as its key is."""
