"""Spot REST as Kraken documents it: `Time`, `GetApiKeyInfo`, `CreateSubaccount`, `Balance`, and history.

How a private call is judged, in this order: who is locked out stays so; the account's call budget must have
room (see `budgets`); the key must exist, be active and valid today and admit the caller's address (Kraken
does not document its answer outside an allowlist; here it is `EAPI:Invalid key`, which cannot be told from a
revoked key); the signature must fit; a key with two-factor must come with its password as `otp`; the nonce
must be above the key's last one. Whoever passes has authenticated; only then permissions and arguments count.

Failed authentications count per account. After `FAILURES_BEFORE_LOCKOUT` in a row every private call answers
`EGeneral:Temporary lockout` for 15 minutes, and each of these calls starts the 15 minutes anew. Kraken is
also said to hold them against the address; a world whose `lockout` is `egress` does, unknown keys included.

`Ledgers` and `TradesHistory` are empty and cost 2. A key's query range bounds them: asking for a time outside
it gives `EGeneral:Invalid arguments`; not asking for a time is no offence.

What a taken user name or e-mail of a subaccount is answered with is published nowhere. A world's `duplicates`
chooses: `field` is `EGeneral:Invalid arguments:username` (or `:email`), `plain` the same without the field,
`false` is `result: false`, `true` is `result: true`; nothing is created in any of them.

Sources: docs.kraken.com, `guides/rest/authentication`, `api-reference/account-data/get-api-key-info`,
`api-reference/account-data` (ledgers, trades history), `api-reference/subaccounts/create-subaccount`,
`guides/general/errors`; for query ranges support.kraken.com article 360001491786 and github.com/rotki/rotki
issue 1438 (read August to October 2026).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

from krakenstate.sim.budgets import CALL_COST, HISTORY_CALL_COST, admits_spot
from krakenstate.sim.networks import is_admitted
from krakenstate.sim.signatures import is_same, spot_signature
from krakenstate.sim.simulation import CallNotes, Request, Simulation
from krakenstate.sim.subaccounts import open_spot_subaccount
from krakenstate.sim.world import Account, SpotKey, Suspect, World

PRIVATE_PREFIX = "/0/private/"
FAILURES_BEFORE_LOCKOUT = 4
LOCKOUT_S = 15 * 60
MAX_NONCE = 2**64 - 1
WINDOW_NONCES_KEPT = 1000

INVALID_KEY = "EAPI:Invalid key"
INVALID_SIGNATURE = "EAPI:Invalid signature"
INVALID_NONCE = "EAPI:Invalid nonce"
INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
RATE_LIMIT_EXCEEDED = "EAPI:Rate limit exceeded"
PERMISSION_DENIED = "EGeneral:Permission denied"
TEMPORARY_LOCKOUT = "EGeneral:Temporary lockout"
UNKNOWN_METHOD = "EGeneral:Unknown method"


@dataclass(frozen=True)
class Caller:
    """An authenticated call: who makes it, with which key, and the fields of its body."""

    sim: Simulation
    account: Account
    key: SpotKey
    fields: dict[str, str]


class SpotError(Exception):
    """An error string of Kraken's; the answer is HTTP 200 all the same."""


def answer_time(sim: Simulation) -> dict[str, Any]:
    """`GET /0/public/Time`."""
    now = sim.now()
    stamp = format_datetime(now).replace(f" {now.year} ", f" {now:%y} ")
    return {"error": [], "result": {"unixtime": int(now.timestamp()), "rfc1123": stamp}}


def answer_private(sim: Simulation, request: Request) -> dict[str, Any]:
    """`POST /0/private/…`: the answer, after the call has been judged, recorded and saved."""
    notes = CallNotes(public=request.headers.get("api-key") or None)
    try:
        answer: dict[str, Any] = {"error": [], "result": _judge(sim, request, notes)}
        outcome = "ok"
    except SpotError as error:
        outcome = str(error)
        answer = {"error": [outcome]}
    sim.record("spot", request, notes, outcome)
    sim.save()
    return answer


def _judge(sim: Simulation, request: Request, notes: CallNotes) -> Any:
    method = METHODS.get(request.path.removeprefix(PRIVATE_PREFIX))
    if method is None or request.method != "POST":
        raise SpotError(UNKNOWN_METHOD)
    found = sim.world.find_spot_key(notes.public or "")
    suspect = _suspect(sim.world, found[0] if found else None)
    _refuse_locked(suspect, sim.now())
    if found is None:
        _count_failure(suspect, sim.now())
        raise SpotError(INVALID_KEY)
    account, key = found
    cost = HISTORY_CALL_COST if method in HISTORY_METHODS else CALL_COST
    if not admits_spot(sim.world, account, cost, sim.now().timestamp()):
        raise SpotError(RATE_LIMIT_EXCEEDED)
    try:
        fields = _authenticate(sim, request, key, notes)
    except SpotError:
        _count_failure(suspect, sim.now())
        raise
    suspect.failed_authentications = 0
    key.last_used = int(sim.now().timestamp())
    return method(Caller(sim, account, key, fields))


def _suspect(world: World, account: Account | None) -> Suspect:
    """Who answers for a failure; an unknown key's failure is forgotten where accounts answer."""
    if world.lockout == "egress":
        return world.addresses.setdefault(world.egress, Suspect())
    return account or Suspect()


def _refuse_locked(suspect: Suspect, now: datetime) -> None:
    if suspect.locked_until > now.timestamp():
        suspect.locked_until = now.timestamp() + LOCKOUT_S
        raise SpotError(TEMPORARY_LOCKOUT)


def _count_failure(suspect: Suspect, now: datetime) -> None:
    suspect.failed_authentications += 1
    if suspect.failed_authentications >= FAILURES_BEFORE_LOCKOUT:
        suspect.failed_authentications = 0
        suspect.locked_until = now.timestamp() + LOCKOUT_S


def _authenticate(sim: Simulation, request: Request, key: SpotKey, notes: CallNotes) -> dict[str, str]:
    """Check the caller and use up the nonce; the fields of the body come back."""
    now = sim.now().timestamp()
    is_inactive = key.deleted or key.active_from > now
    is_expired = key.valid_until and key.valid_until <= now
    if is_inactive or is_expired or not is_admitted(sim.world.egress, key.ip_allowlist):
        raise SpotError(INVALID_KEY)
    fields = _read_fields(request)
    nonce_text = fields.get("nonce", "")
    if not (nonce_text.isascii() and nonce_text.isdigit()):
        raise SpotError(INVALID_NONCE)
    expected = spot_signature(key.secret, request.signed_path, nonce_text, request.body)
    if not is_same(request.headers.get("api-sign", ""), expected):
        raise SpotError(INVALID_SIGNATURE)
    if key.key_2fa is None and "otp" in fields:  # Kraken refuses a code that nobody asked for
        raise SpotError(INVALID_KEY)
    if key.key_2fa is not None and not is_same(fields.get("otp", ""), key.key_2fa):
        raise SpotError(INVALID_SIGNATURE)
    notes.nonce = int(nonce_text)
    _take_nonce(key, notes.nonce)
    return fields


def _read_fields(request: Request) -> dict[str, str]:
    """The body's fields as text; numbers of a JSON body keep their spelling."""
    try:
        text = request.body.decode()
        if "json" in request.headers.get("content-type", ""):
            data = json.loads(text, parse_int=str, parse_float=str)
            return {
                name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()
            }
        pairs = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text))
        return {name: values[-1] for name, values in pairs.items()}
    except (ValueError, AttributeError) as problem:
        raise SpotError(INVALID_ARGUMENTS) from problem


def _take_nonce(key: SpotKey, nonce: int) -> None:
    """Accept a nonce above the last one, or one inside the key's window that was not used yet."""
    is_above = key.last_nonce < nonce <= MAX_NONCE
    lowest = key.last_nonce - key.nonce_window
    is_late = key.nonce_window > 0 and lowest <= nonce < key.last_nonce and nonce not in key.window_nonces
    if not (is_above or is_late):
        raise SpotError(INVALID_NONCE)
    key.last_nonce = max(key.last_nonce, nonce)
    if key.nonce_window:
        kept = [used for used in [*key.window_nonces, nonce] if used >= key.last_nonce - key.nonce_window]
        key.window_nonces = kept[-WINDOW_NONCES_KEPT:]


def _get_api_key_info(caller: Caller) -> Any:
    key = caller.key
    return {
        "apiKeyName": key.name,
        "apiKey": key.public,
        "nonce": str(key.last_nonce),
        "nonceWindow": key.nonce_window,
        "permissions": key.permissions,
        "iban": caller.account.iiban,
        "validUntil": str(key.valid_until),
        "queryFrom": str(key.query_from),
        "queryTo": str(key.query_to),
        "createdTime": str(key.created),
        "modifiedTime": str(key.modified),
        "ipAllowlist": key.ip_allowlist,
        "lastUsed": None if key.last_used is None else str(key.last_used),
    }


def _balance(caller: Caller) -> Any:
    _require(caller.key, "query-funds")
    return {}


def _create_subaccount(caller: Caller) -> Any:
    _require(caller.key, "withdraw-funds")
    sim, account, fields = caller.sim, caller.account, caller.fields
    if account.kind != "master" or not account.institutional:
        raise SpotError(PERMISSION_DENIED)
    for name in ("username", "email"):
        if not fields.get(name, "").strip():
            raise SpotError(f"{INVALID_ARGUMENTS}:{name}")
    if "@" not in fields["email"]:
        raise SpotError(f"{INVALID_ARGUMENTS}:email")
    for name in ("username", "email"):
        if _is_taken(sim.world, name, fields[name]):
            return _answer_duplicate(sim.world, name)
    open_spot_subaccount(sim.world, account, fields["username"], fields["email"], sim.now())
    return True


def _answer_duplicate(world: World, field: str) -> bool:
    """What this world says to a second subaccount of the same user name or e-mail."""
    if world.duplicates == "field":
        raise SpotError(f"{INVALID_ARGUMENTS}:{field}")
    if world.duplicates == "plain":
        raise SpotError(INVALID_ARGUMENTS)
    return world.duplicates == "true"


def _ledgers(caller: Caller) -> Any:
    _require(caller.key, "query-ledger")
    _require_within_range(caller)
    return {"ledger": {}, "count": 0}


def _trades_history(caller: Caller) -> Any:
    _require(caller.key, "query-closed-trades")
    _require_within_range(caller)
    return {"trades": {}, "count": 0}


def _require_within_range(caller: Caller) -> None:
    """The times asked for, `start` and `end` in Unix seconds, lie in the key's query range."""
    latest = caller.key.query_to or float("inf")
    for name in ("start", "end"):
        asked = caller.fields.get(name)
        if asked is None:
            continue
        try:
            is_within = caller.key.query_from <= float(asked) <= latest
        except ValueError:  # an entry's id, which has no time here
            continue
        if not is_within:
            raise SpotError(INVALID_ARGUMENTS)


def _require(key: SpotKey, permission: str) -> None:
    if permission not in key.permissions:
        raise SpotError(PERMISSION_DENIED)


def _is_taken(world: World, attribute: str, value: str) -> bool:
    taken = (getattr(account, attribute) for account in world.accounts)
    return value.strip().lower() in {text.lower() for text in taken if text}


METHODS: dict[str, Callable[[Caller], Any]] = {
    "GetApiKeyInfo": _get_api_key_info,
    "CreateSubaccount": _create_subaccount,
    "Balance": _balance,
    "Ledgers": _ledgers,
    "TradesHistory": _trades_history,
}
HISTORY_METHODS = (_ledgers, _trades_history)
