"""Named sets of Spot permissions for common kinds of process. Plain frozen sets: combine them with ``|``.

Each is what the calls of such a process need; ``CALLS`` names those calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from krakenstate.model.calls import permissions_of

_TRADES = (
    "Balance",
    "OpenOrders",
    "AddOrder",
    "AmendOrder",
    "CancelOrder",
    "CancelAll",
    "CancelAllOrdersAfter",
)

CALLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "MARKET_MAKER": _TRADES,
        "TRADING": _TRADES,
        "STREAMING": (*_TRADES, "GetWebSocketsToken", "add_order", "amend_order", "cancel_order"),
        "RECONCILIATION": (
            "Balance",
            "TradeBalance",
            "OpenOrders",
            "ClosedOrders",
            "TradesHistory",
            "Ledgers",
        ),
        "DASHBOARD": ("Balance", "TradeBalance", "OpenOrders", "OpenPositions"),
        "FLATTEN": ("OpenOrders", "OpenPositions", "AddOrder", "CancelAll"),
        "CANCEL_ALL": ("CancelAll", "CancelAllOrdersAfter"),
    }
)
"""The calls of each role, by its name."""

MARKET_MAKER = permissions_of(CALLS["MARKET_MAKER"])
TRADING = permissions_of(CALLS["TRADING"])
STREAMING = permissions_of(CALLS["STREAMING"])
RECONCILIATION = permissions_of(CALLS["RECONCILIATION"])
DASHBOARD = permissions_of(CALLS["DASHBOARD"])
FLATTEN = permissions_of(CALLS["FLATTEN"])
CANCEL_ALL = permissions_of(CALLS["CANCEL_ALL"])
