"""Derivatives REST as Kraken documents it: a key's self-check, subaccounts, their trading switch, history.

Any valid key may check itself. `READ_ONLY` lists subaccounts, `FULL_ACCESS` is needed to read or set
`trading-enabled`. Only a master sees subaccounts; anybody else's key gets its own uid and an empty list.
The families answer errors in their own shapes: `/derivatives` HTTP 200 with `result: error`, or HTTP 400 with
`errors`; `/api/auth` HTTP 401 with `error` and `message`; `/api/history` HTTP 401 with `status` and `reason`.
A `Nonce` header is optional; it must increase, and a value that comes late is taken if it is above everything
that is older than `LATE_S` seconds. An account's units may be used up (see `budgets`). History is empty.

A self-check has two fields for the allowlist, and which one is filled when is not published. A world's
`cidr_fields` chooses: `list` fills `allowedCidrBlocks` alone; `single` puts one block into the older
`allowedCidrBlock` and leaves the list empty; `null` does the same with a list that is null; `both` puts the
first block into the older field and the others into the list. Several blocks do not fit into `single` and
`null`, so they stay in the list there.

Sources: docs.kraken.com `guides/futures/rest`, `futures-api/auth/check-v-3-api-key`,
`openapi/futures-auth-rest.yaml`, `api-reference/subaccounts/get-subaccounts`, `api-reference/account-history`
(read August to October 2026).
"""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from krakenstate.sim.budgets import SUBACCOUNTS_COST, TRADING_SWITCH_COST, admits_derivatives
from krakenstate.sim.networks import is_admitted
from krakenstate.sim.signatures import derivatives_signature, is_same
from krakenstate.sim.simulation import CallNotes, Request, Simulation
from krakenstate.sim.world import Account, CidrFields, DerivativesKey, Level, Link

CHECK_PATH = "/api/auth/v1/api-keys/v3/check"
SUBACCOUNTS_PATH = "/derivatives/api/v3/subaccounts"
SUBACCOUNT_PREFIX = "/derivatives/api/v3/subaccount/"
TRADING_SUFFIX = "/trading-enabled"
HISTORY_PREFIX = "/api/history/"
HISTORY_PATH = re.compile(r"/api/history/v[23]/(executions|orders|triggers)")
LATE_S = 10.0

API_LIMIT_EXCEEDED = "apiLimitExceeded"
AUTHENTICATION_ERROR = "authenticationError"
INSUFFICIENT_PRIVILEGES = "insufficientPrivileges"
NOT_FOUND = "notFound"

_MARGINS = (
    "initialMargin", "initialMarginWithOrders", "maintenanceMargin", "balanceValue", "portfolioValue",
    "collateralValue", "pnl", "unrealizedFunding", "totalUnrealized", "totalUnrealizedAsMargin",
    "availableMargin", "marginEquity",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the JSON beside it."""

    status: int
    body: dict[str, Any]


class DerivativesError(Exception):
    """An error word of Kraken's, and the HTTP status `/derivatives` gives it."""

    def __init__(self, word: str, status: int = 200) -> None:
        super().__init__(word)
        self.word = word
        self.status = status


def answer(sim: Simulation, request: Request) -> Answer:
    """Any call below `/derivatives/`, `/api/auth/` or `/api/history/`, judged, recorded and saved."""
    notes = CallNotes(public=request.headers.get("apikey") or None)
    try:
        answered = Answer(200, _judge(sim, request, notes))
        outcome = "ok"
    except DerivativesError as error:
        outcome = error.word
        answered = _shape_error(sim, request, error)
    sim.record("derivatives", request, notes, outcome)
    sim.save()
    return answered


def _shape_error(sim: Simulation, request: Request, error: DerivativesError) -> Answer:
    if request.path.startswith("/api/auth/"):
        body: dict[str, Any] = {
            "error": error.word,
            "message": "The request could not be authenticated",
            "suberror": None,
        }
        return (
            Answer(404, body | {"message": "No such endpoint"})
            if error.word == NOT_FOUND
            else Answer(401, body)
        )
    if request.path.startswith(HISTORY_PREFIX) and error.status != 404:
        return Answer(401, {"status": "unauthorized", "reason": error.word})
    if error.status == 400:
        return Answer(400, bad_request(error.word))
    return Answer(error.status, {"result": "error", "error": error.word, "serverTime": _millis(sim.now())})


def bad_request(message: str) -> dict[str, Any]:
    """The body of HTTP 400 below `/derivatives`."""
    return {"status": "BAD_REQUEST", "result": "error", "errors": [{"code": 11, "message": message}]}


def _judge(sim: Simulation, request: Request, notes: CallNotes) -> dict[str, Any]:
    is_switch = request.path.startswith(SUBACCOUNT_PREFIX) and request.path.endswith(TRADING_SUFFIX)
    verbs = {"GET", "PUT"} if is_switch else {"GET"}
    is_history = HISTORY_PATH.fullmatch(request.path) is not None
    is_known = is_switch or is_history or request.path in (CHECK_PATH, SUBACCOUNTS_PATH)
    if not is_known or request.method not in verbs:
        raise DerivativesError(NOT_FOUND, 404)
    account, key = _authenticate(sim, request, notes)
    if request.path == CHECK_PATH:
        return _check(account, key, sim.world.cidr_fields)
    if is_history:
        _require(key, Level.READ_ONLY, Level.FULL_ACCESS)
        return {"accountUid": account.account_uid, "len": 0, "elements": []}
    cost = TRADING_SWITCH_COST if is_switch else SUBACCOUNTS_COST
    if not admits_derivatives(sim.world, account, cost, sim.now().timestamp()):
        raise DerivativesError(API_LIMIT_EXCEEDED)
    if request.path == SUBACCOUNTS_PATH:
        _require(key, Level.READ_ONLY, Level.FULL_ACCESS)
        return _subaccounts(sim, account)
    _require(key, Level.FULL_ACCESS)
    uid = request.path.removeprefix(SUBACCOUNT_PREFIX).removesuffix(TRADING_SUFFIX)
    link = _find_link(sim, account, uid)
    if request.method == "PUT":
        link.trading_enabled = _read_switch(request)
    return {"tradingEnabled": link.trading_enabled}


def _authenticate(sim: Simulation, request: Request, notes: CallNotes) -> tuple[Account, DerivativesKey]:
    found = sim.world.find_derivatives_key(notes.public or "")
    if found is None:
        raise DerivativesError(AUTHENTICATION_ERROR)
    account, key = found
    is_inactive = key.deleted or key.active_from > sim.now().timestamp()
    if is_inactive or not is_admitted(sim.world.egress, key.cidr_blocks):
        raise DerivativesError(AUTHENTICATION_ERROR)
    nonce = request.headers.get("nonce", "")
    post_data = request.query.encode() + request.body
    expected = derivatives_signature(key.secret, post_data, nonce, request.path)
    if not is_same(request.headers.get("authent", ""), expected):
        raise DerivativesError(AUTHENTICATION_ERROR)
    if nonce:
        if not (nonce.isascii() and nonce.isdigit()):
            raise DerivativesError("nonceBelowThreshold")
        notes.nonce = int(nonce)
        _take_nonce(key, notes.nonce, sim.now().timestamp())
    return account, key


def _take_nonce(key: DerivativesKey, nonce: int, now: float) -> None:
    settled = [used for used, at in key.recent_nonces if at <= now - LATE_S]
    key.nonce_floor = max([key.nonce_floor, *settled])
    key.recent_nonces = [(used, at) for used, at in key.recent_nonces if at > now - LATE_S]
    if any(used == nonce for used, _ in key.recent_nonces):
        raise DerivativesError("nonceDuplicate")
    if nonce <= key.nonce_floor:
        raise DerivativesError("nonceBelowThreshold")
    key.recent_nonces.append((nonce, now))


def _require(key: DerivativesKey, *levels: Level) -> None:
    if key.general not in levels:
        raise DerivativesError(INSUFFICIENT_PRIVILEGES)


def _check(account: Account, key: DerivativesKey, cidr_fields: CidrFields) -> dict[str, Any]:
    older, several = _spread(key.cidr_blocks, cidr_fields)
    return {
        "apiKey": key.public,
        "accountUid": account.account_uid,
        "iiban": account.iiban,
        "createdAt": key.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "permissions": {"general": key.general, "transfer": key.transfer},
        "allowedCidrBlock": older,
        "allowedCidrBlocks": several,
    }


def _spread(blocks: list[str], cidr_fields: CidrFields) -> tuple[str | None, list[str] | None]:
    """An allowlist in its two fields, the older one first."""
    if cidr_fields == "both" and blocks:
        return blocks[0], blocks[1:] or blocks
    if cidr_fields == "single" and len(blocks) == 1:
        return blocks[0], []
    if cidr_fields == "null" and len(blocks) <= 1:
        return (blocks[0] if blocks else None), None
    return None, blocks


def _subaccounts(sim: Simulation, account: Account) -> dict[str, Any]:
    return {
        "result": "success",
        "serverTime": _millis(sim.now()),
        "masterAccountUid": account.account_uid,
        "subaccounts": [_describe(subaccount) for _, subaccount in sim.world.links_of(account)],
    }


def _describe(subaccount: Account) -> dict[str, Any]:
    currency = {"currency": "xbt", "quantity": 0, "value": 0, "collateral": 0, "available": 0}
    return {
        "accountUid": subaccount.account_uid,
        "email": subaccount.email,
        "fullName": None,
        "holdingAccounts": [{"currency": "usd", "amount": 0}],
        "futuresAccounts": [{"name": "f-xbt:usd", "availableMargin": 0.0}],
        "flexAccount": {"currencies": [currency], **dict.fromkeys(_MARGINS, 0)},
    }


def _find_link(sim: Simulation, master: Account, uid: str) -> Link:
    try:
        uuid.UUID(uid)
    except ValueError as problem:
        raise DerivativesError("invalidArgument: subaccountUid", 400) from problem
    for link, subaccount in sim.world.links_of(master):
        if subaccount.account_uid == uid.lower():
            return link
    raise DerivativesError(NOT_FOUND, 404)


def _read_switch(request: Request) -> bool:
    """The documented query parameter; Kraken's own CLI sends it in the body, which is not documented."""
    values = parse_qs(request.query).get("tradingEnabled")
    if not values:
        raise DerivativesError("requiredArgumentMissing")
    if values not in (["true"], ["false"]):
        raise DerivativesError("invalidArgument: tradingEnabled")
    return values == ["true"]


def _millis(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
