"""Named sets of Spot permissions for common kinds of process. Plain frozen sets: combine them with ``|``."""

from __future__ import annotations

from krakenstate.model.vocabulary import Permission

MARKET_MAKER = frozenset(
    {
        Permission.QUERY_FUNDS,
        Permission.QUERY_OPEN_TRADES,
        Permission.MODIFY_TRADES,
        Permission.CLOSE_TRADES,
    }
)
TRADING = MARKET_MAKER
STREAMING = TRADING | {Permission.CREATE_WS_TOKEN}
RECONCILIATION = frozenset(
    {
        Permission.QUERY_FUNDS,
        Permission.QUERY_OPEN_TRADES,
        Permission.QUERY_CLOSED_TRADES,
        Permission.QUERY_LEDGER,
    }
)
DASHBOARD = frozenset({Permission.QUERY_FUNDS, Permission.QUERY_OPEN_TRADES})
FLATTEN = frozenset({Permission.QUERY_OPEN_TRADES, Permission.MODIFY_TRADES, Permission.CLOSE_TRADES})
CANCEL_ALL = frozenset({Permission.CLOSE_TRADES})
