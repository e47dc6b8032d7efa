"""What each call of Kraken needs, as data: endpoints, WebSocket channels and methods, of both platforms.

How the rights were chosen: the endpoint's own page decides. What the permission table of the REST guide or
of the support pages names besides is added only where it is a read or low-risk right; ``withdraw-funds``,
``modify-trades``, ``earn-funds`` and the address rights are never added on their word. Of alternatives the
one that the guide names too is taken, never a critical one where a read suffices. What is contradictory or
inferred says so in its ``doubt``. Nothing here was tried against a live account, and what is in no row is
not derived: ``update-withdraw-address`` is named by no page at all.

Sources: the endpoints' pages below docs.kraken.com/api-reference, the REST guide's permission table, and
support.kraken.com/hc/en-us/articles/360000919966, /360039849211 (orders over WebSocket),
/articles/360034664311 (private WebSocket feeds), /hc/en-us/articles/360022635852 (Derivatives transfers).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from krakenstate.model.vocabulary import Access, Permission

READ_ON = "17 August 2026"
"""The state of the pages."""


class SpotCall(NamedTuple):
    """One call of a Spot key, under the name a stack gives it.

    ``documented`` is what its page asks for where that is not simply ``needs``; ``doubt`` what is
    contradictory or inferred about it, ``remark`` what else is worth knowing.
    """

    name: str
    needs: frozenset[Permission]
    family: str
    documented: str = ""
    doubt: str = ""
    remark: str = ""


class DerivativesCall(NamedTuple):
    """One call of a Derivatives key: the least level of the General and of the Withdrawal API it needs."""

    name: str
    general: Access
    transfer: Access
    family: str
    doubt: str = ""
    remark: str = ""


_FUNDS, _ADD, _WITHDRAW = Permission.QUERY_FUNDS, Permission.ADD_FUNDS, Permission.WITHDRAW_FUNDS
_OPEN, _CLOSED = Permission.QUERY_OPEN_TRADES, Permission.QUERY_CLOSED_TRADES
_MODIFY, _CLOSE, _LEDGER = Permission.MODIFY_TRADES, Permission.CLOSE_TRADES, Permission.QUERY_LEDGER
_EARN, _EXPORT, _TOKEN = Permission.EARN_FUNDS, Permission.EXPORT_DATA, Permission.CREATE_WS_TOKEN
_ADDRESS = Permission.ADD_WITHDRAW_ADDRESS

_ACCOUNT, _TRADING = "Account data", "Trading"
_FUNDING, _BETA, _EARNING = "Funding", "Funding (Beta)", "Earn"
_SUBACCOUNTS, _SPECIAL, _PUBLIC = "Subaccounts", "OTC, Prime and Pay", "No key needed"
_SOCKET = "WebSocket v2"


def _rows(
    family: str,
    names: Iterable[str],
    *needs: Permission,
    documented: str = "",
    doubt: str = "",
    remark: str = "",
) -> Iterator[SpotCall]:
    for name in names:
        yield SpotCall(name, frozenset(needs), family, documented, doubt, remark)


def _either(first: Permission, second: Permission) -> str:
    return f"{first.value} or {second.value}"


_SDK_WANTS_MORE = "a client's documentation asks for more"
_BY_STATUS = f"{_either(_OPEN, _CLOSED)}, by the order's status"
_FROM_REST = "inferred from the REST call; the channel's page names no permission"
_OVER_SOCKET = "said of version 1; the pages of version 2 name no permission"
_NOT_JUST_CLOSE = "a cancel-only process does with close-trades over REST: CancelAll, CancelAllOrdersAfter"

SPOT: tuple[SpotCall, ...] = (
    *_rows(_ACCOUNT, ["GetApiKeyInfo"]),
    *_rows(_ACCOUNT, ["Balance", "BalanceEx", "CreditLines", "TradeVolume"], _FUNDS),
    *_rows(
        _ACCOUNT,
        ["TradeBalance"],
        _FUNDS,
        _OPEN,
        documented=_OPEN,
        doubt="its page names open trades, the guide funds",
    ),
    *_rows(_ACCOUNT, ["OpenOrders", "OpenPositions"], _OPEN),
    *_rows(_ACCOUNT, ["ClosedOrders"], _CLOSED),
    *_rows(_ACCOUNT, ["QueryOrders", "OrderAmends"], _OPEN, _CLOSED, documented=_BY_STATUS),
    *_rows(_ACCOUNT, ["QueryOrders:open", "OrderAmends:open"], _OPEN, documented=_BY_STATUS),
    *_rows(_ACCOUNT, ["QueryOrders:closed", "OrderAmends:closed"], _CLOSED, documented=_BY_STATUS),
    *_rows(_ACCOUNT, ["TradesHistory"], _CLOSED, remark="the guide lists it under open trades too"),
    *_rows(
        _ACCOUNT,
        ["QueryTrades"],
        _CLOSED,
        remark=f"the guide lists it under open trades too; {_SDK_WANTS_MORE}",
    ),
    *_rows(_ACCOUNT, ["Ledgers", "QueryLedgers"], _LEDGER, remark=_SDK_WANTS_MORE),
    *_rows(
        _ACCOUNT,
        ["AddExport", "ExportStatus", "RetrieveExport", "RemoveExport"],
        _EXPORT,
        doubt="a client's documentation wants the rights of the exported data too",
    ),
    *_rows(_TRADING, ["AddOrder"], _MODIFY),
    *_rows(
        _TRADING,
        ["AddOrderBatch", "EditOrder"],
        _MODIFY,
        _CLOSE,
        remark="the guide names modify-trades alone",
    ),
    *_rows(_TRADING, ["AmendOrder"], _MODIFY, documented=_either(_MODIFY, _CLOSE), remark=_SDK_WANTS_MORE),
    *_rows(
        _TRADING,
        ["CancelOrder", "CancelOrderBatch", "CancelAll", "CancelAllOrdersAfter"],
        _CLOSE,
        documented=_either(_MODIFY, _CLOSE),
        remark="the guide names close-trades alone, so that is granted even beside modify-trades",
    ),
    *_rows(_TRADING, ["Level3"], _OPEN),
    *_rows(_TRADING, ["GetWebSocketsToken"], _TOKEN),
    *_rows(_FUNDING, ["DepositMethods"], _FUNDS, _ADD, remark="the guide names add-funds alone"),
    *_rows(
        _FUNDING,
        ["DepositAddresses", "DepositStatus"],
        _FUNDS,
        _ADD,
        documented=_FUNDS,
        doubt="its page names query-funds, the guide add-funds",
    ),
    *_rows(_FUNDING, ["WithdrawMethods", "WithdrawAddresses", "WithdrawInfo"], _FUNDS, _WITHDRAW),
    *_rows(
        _FUNDING,
        ["WithdrawStatus"],
        _LEDGER,
        documented=_either(_WITHDRAW, _LEDGER),
        remark="the guide names withdraw-funds alone; it is never granted just to read",
    ),
    *_rows(_FUNDING, ["Withdraw"], _WITHDRAW),
    *_rows(
        _FUNDING,
        ["WithdrawCancel"],
        _WITHDRAW,
        documented="withdraw-funds, and nothing where it cancels a WalletTransfer",
    ),
    *_rows(
        _FUNDING,
        ["WalletTransfer"],
        _FUNDS,
        remark="it moves money with a right to read; a client's documentation wants withdraw-funds",
    ),
    *_rows(
        _BETA,
        [
            "GET funding/v1/assets/{direction}",
            "GET funding/v1/methods/{direction}",
            "GET funding/v1/networks",
            "GET funding/v1/fees/{method_id}",
            "GET funding/v1/deposits",
            "GET funding/v1/withdrawals",
            "GET funding/v1/addresses",
            "GET funding/v2/deposit/addresses",
        ],
        _FUNDS,
    ),
    *_rows(_BETA, ["PUT funding/v1/deposit/address"], _ADD),
    *_rows(_BETA, ["POST funding/v1/withdrawals"], _WITHDRAW),
    *_rows(
        _BETA,
        [
            "POST funding/v1/addresses",
            "PUT funding/v1/addresses/{id}",
            "DELETE funding/v1/addresses/{id}",
        ],
        _ADDRESS,
    ),
    *_rows(
        _SUBACCOUNTS,
        ["CreateSubaccount"],
        _WITHDRAW,
        doubt="two guides name other rights",
        remark="on a key of the master",
    ),
    *_rows(_SUBACCOUNTS, ["AccountTransfer"], _WITHDRAW, remark="on a key of the master"),
    *_rows(_EARNING, ["Earn/Strategies"]),
    *_rows(_EARNING, ["Earn/Allocations"], _FUNDS, remark="the command line's own table names other rights"),
    *_rows(
        _EARNING,
        ["Earn/AllocateStatus", "Earn/DeallocateStatus"],
        _FUNDS,
        documented=_either(_EARN, _FUNDS),
    ),
    *_rows(_EARNING, ["Earn/Allocate", "Earn/Deallocate"], _EARN),
    *_rows(_SPECIAL, ["CheckOtcClient", "GetOtcPairs"], _FUNDS, _ADD),
    *_rows(_SPECIAL, ["GetOtcActiveQuotes", "GetOtcHistoricalQuotes", "GetOtcExposures"], _OPEN),
    *_rows(_SPECIAL, ["CreateOtcQuoteRequest", "UpdateOtcQuote"], _MODIFY),
    *_rows(_SPECIAL, ["CreatePrimeSettlementBatch", "SettlePrimeSettlementBatchAsset"], _MODIFY),
    *_rows(_SPECIAL, ["GetPrimeSettlementBatch", "ListPrimeSettlementBatches"], _OPEN),
    *_rows(_SPECIAL, ["Pay/transfer/create", "Pay/paylink/create"], _FUNDS, _WITHDRAW),
    *_rows(_SPECIAL, ["Pay/request/create"], _ADD),
    *_rows(
        _SPECIAL,
        ["Pay/transfer/cancel", "Pay/request/cancel", "Pay/paylink/get", "Pay/paylink/config"],
        _FUNDS,
    ),
    *_rows(_SOCKET, ["executions"], _TOKEN, _OPEN, _CLOSED, doubt=_FROM_REST),
    *_rows(_SOCKET, ["balances"], _TOKEN, _FUNDS, _LEDGER, doubt=_FROM_REST),
    *_rows(_SOCKET, ["level3"], _TOKEN, _OPEN, doubt=_FROM_REST),
    *_rows(_SOCKET, ["add_order"], _TOKEN, _MODIFY, _CLOSE, doubt=_OVER_SOCKET),
    *_rows(_SOCKET, ["amend_order", "edit_order", "batch_add"], _TOKEN, _MODIFY, _CLOSE, doubt=_OVER_SOCKET),
    *_rows(
        _SOCKET,
        ["cancel_order", "cancel_all", "batch_cancel", "cancel_after"],
        _TOKEN,
        _MODIFY,
        _CLOSE,
        doubt=_OVER_SOCKET,
        remark=_NOT_JUST_CLOSE,
    ),
    *_rows(_PUBLIC, ["PreTrade", "PostTrade"]),
    *_rows(_PUBLIC, ["ticker", "book", "trade", "ohlc", "instrument", "status", "ping"]),
)
"""Spot: REST calls by the end of their path, WebSocket channels and methods by their own name."""

_NONE, _READ, _FULL = Access.NO_ACCESS, Access.READ_ONLY, Access.FULL_ACCESS
_GENERAL, _HISTORY, _FEED, _RFQ = "General", "History", "WebSocket v1", "RFQ (pre-production)"
_AS_READ = "its page asks for the right to read, though it changes state; a denial means that it needs full"
_MORE_BY_CLIENT = "a client's documentation wants full access of the Withdrawal API as well"


def _levels(
    family: str, level: Access, names: Iterable[str], *, doubt: str = "", remark: str = ""
) -> Iterator[DerivativesCall]:
    for name in names:
        yield DerivativesCall(name, level, _NONE, family, doubt, remark)


DERIVATIVES: tuple[DerivativesCall, ...] = (
    *_levels(_PUBLIC, _NONE, ["GET api/auth/v1/api-keys/v3/check"]),
    *_levels(
        _PUBLIC,
        _NONE,
        [
            "GET tickers",
            "GET orderbook",
            "GET instruments",
            "GET instruments/status",
            "GET history",
            "GET historical-funding-rates",
            "GET feeschedules",
        ],
        doubt="that it is public was not looked up on its own page",
    ),
    *_levels(
        _GENERAL,
        _READ,
        [
            "GET accounts",
            "GET openpositions",
            "GET openorders",
            "GET fills",
            "GET unwindqueue",
            "GET notifications",
            "GET trading/instruments",
            "GET subaccounts",
            "GET feeschedules/volumes",
            "GET self-trade-strategy",
        ],
    ),
    *_levels(
        _GENERAL,
        _READ,
        ["GET leveragepreferences", "GET pnlpreferences"],
        doubt="by client code; its page was not seen",
    ),
    *_levels(
        _GENERAL,
        _READ,
        ["GET assignmentprogram/current", "GET assignmentprogram/history"],
        doubt="inferred; its page was not seen",
    ),
    *_levels(_GENERAL, _READ, ["POST assignmentprogram/add"], doubt=_AS_READ),
    *_levels(
        _GENERAL,
        _READ,
        ["POST assignmentprogram/delete"],
        doubt="as POST assignmentprogram/add; its own page was not seen",
    ),
    *_levels(
        _HISTORY,
        _READ,
        [
            "GET api/history/v3/executions",
            "GET api/history/v3/orders",
            "GET api/history/v3/triggers",
            "GET api/history/v3/positions",
            "GET api/history/v3/account-log",
            "GET api/history/v3/accountlogcsv",
        ],
    ),
    *_levels(
        _GENERAL,
        _FULL,
        ["POST orders/status"],
        doubt="a client's documentation asks for the right to read alone",
        remark="a monitor does with GET openorders, GET fills and the history",
    ),
    *_levels(
        _GENERAL,
        _FULL,
        [
            "POST sendorder",
            "POST editorder",
            "POST cancelorder",
            "POST batchorder",
            "POST cancelallorders",
            "POST cancelallordersafter",
            "PUT leveragepreferences",
            "PUT self-trade-strategy",
            "GET subaccount/{uid}/trading-enabled",
            "PUT subaccount/{uid}/trading-enabled",
        ],
    ),
    *_levels(_GENERAL, _FULL, ["PUT pnlpreferences"], doubt="by client code; its page was not seen"),
    *_levels(_GENERAL, _FULL, ["POST transfer", "POST transfer/subaccount"], remark=_MORE_BY_CLIENT),
    *(
        call._replace(transfer=_FULL)
        for call in _levels(
            _GENERAL,
            _NONE,
            ["POST withdrawal"],
            remark="a client's documentation wants full access of the General API as well",
        )
    ),
    *_levels(_RFQ, _READ, ["GET open-rfqs"]),
    *_levels(_RFQ, _FULL, ["POST open-rfqs"]),
    *_levels(
        _FEED,
        _READ,
        [
            "open_orders",
            "open_orders_verbose",
            "open_positions",
            "balances",
            "fills",
            "account_log",
            "notifications",
        ],
        doubt="inferred; no level is published for the feeds",
    ),
)
"""Derivatives: REST calls by method and path below ``/derivatives/api/v3/``, others by their whole path."""
