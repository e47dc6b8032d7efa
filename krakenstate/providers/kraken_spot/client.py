"""One method per Spot endpoint. Wire errors become ours here, and nothing is sent twice.

How an answer is judged: Kraken's own error strings first, whatever the HTTP status, since an overlooked
failed authentication would be repeated; then the status (429 throttled, 5xx not available); then the form
of the result. HTTP 200 alone means nothing.
"""

from __future__ import annotations

from typing import Any

from krakenstate.errors import (
    AnswerUnreadable,
    AuthenticationFailed,
    KrakenUnavailable,
    MayExist,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RedirectRefused,
    RequestRefused,
)
from krakenstate.model.credential import Credential
from krakenstate.providers.kraken_spot.auth import CONTENT_TYPE, PRIVATE_PREFIX, form_body, sign
from krakenstate.providers.kraken_spot.errors import SpotError, read_errors
from krakenstate.transport.answers import parse_json
from krakenstate.transport.attempt import Answer, ConnectionFailed
from krakenstate.transport.client import HttpOrigin
from krakenstate.transport.credentials import read_halves

_MAY_EXIST = (
    "Kraken documents no way to list subaccounts and no error for a name or e-mail that is taken, so the "
    "subaccount may already exist"
)
_NEEDS_WITHDRAW = (
    "CreateSubaccount needs a key of the master account with Funds permissions - Withdraw: so say "
    "Kraken's API reference and blog. Its subaccount guide names Create & modify orders instead, its "
    "key guide Query funds with Create & modify and Cancel & close orders. The account itself must be "
    "entitled too: subaccounts by API are for institutional clients."
)


class SpotClient:
    """Kraken's Spot REST.

    Args:
        http: Bound to the Spot origin.
    """

    def __init__(self, http: HttpOrigin) -> None:
        self._http = http

    def server_time(self) -> dict[str, Any]:
        """``GET /0/public/Time``: ``unixtime`` in seconds.

        Raises:
            KrakenError: It could not be read.

        Source: docs.kraken.com, market data reference (read in August 2026).
        """
        return _object(_result(self._http.request("GET", "/0/public/Time")), "Time")

    def get_api_key_info(self, credential: Credential, nonce: int) -> dict[str, Any]:
        """``POST /0/private/GetApiKeyInfo``: the key describes itself. Needs no permission.

        Raises:
            AuthenticationFailed: Kraken rejected the credential.
            KrakenError: Any other answer, or none.

        Source: docs.kraken.com/api-reference/account-data/get-api-key-info (read in August 2026).
        """
        return _object(_result(self._call("GetApiKeyInfo", credential, nonce)), "GetApiKeyInfo")

    def create_subaccount(self, credential: Credential, nonce: int, username: str, email: str) -> None:
        """``POST /0/private/CreateSubaccount``: returns only when it was answered with success.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell whether it took effect.
            MayExist: It was refused as Kraken may refuse what exists already.
            KrakenError: It was refused and took no effect, or it was never sent.

        Source: docs.kraken.com/api-reference/subaccounts/create-subaccount (read in August 2026).
        """
        fields = {"username": username, "email": email}
        reason: str
        try:
            answer = self._call("CreateSubaccount", credential, nonce, fields, afresh=True)
            body = _read_body(answer)
            errors = _errors(body)
            outcome = body.get("result")
        except ConnectionFailed as problem:
            if not problem.sent:
                raise
            reason = problem.message
        except (KrakenUnavailable, AnswerUnreadable, RedirectRefused) as problem:
            reason = problem.message
        else:
            worst = errors[0].to_error() if errors else None
            if isinstance(worst, AuthenticationFailed):
                raise worst
            if isinstance(worst, PermissionDenied):
                raise PermissionDenied(f"{worst.message} {_NEEDS_WITHDRAW}")
            if worst and outcome is not True and not any(e.leaves_outcome_open for e in errors):
                if isinstance(worst, RequestRefused):
                    raise _perhaps_taken(worst.message, username)
                raise worst
            if worst is None and answer.status == 200 and outcome is True:
                return
            if worst is None and answer.status == 200 and outcome is False:
                raise _perhaps_taken('Kraken answered "false".', username)
            reason = worst.message if worst else "The answer says neither yes nor no."
        raise OutcomeUnknown(
            f'Kraken was asked to create the subaccount "{username}", and it is not known whether it did. '
            f"{reason} Kraken lists no subaccounts, and asking again could create a second one."
        )

    def _call(
        self,
        method: str,
        credential: Credential,
        nonce: int,
        fields: dict[str, str] | None = None,
        *,
        afresh: bool = False,
    ) -> Answer:
        public, secret = read_halves(credential)
        path = PRIVATE_PREFIX + method
        body = form_body(nonce, fields or {})
        headers = {
            "API-Key": public,
            "API-Sign": sign(path, nonce, body, secret),
            "Content-Type": CONTENT_TYPE,
        }
        return self._http.request("POST", path, headers=headers, content=body, afresh=afresh)


def _perhaps_taken(why: str, username: str) -> MayExist:
    return MayExist(f'{why} {_MAY_EXIST}: "{username}".')


def _read_body(answer: Answer) -> dict[str, Any]:
    """The answer's object, once the HTTP status has had its say.

    Raises:
        RateLimited, KrakenUnavailable: The status says so, and the body holds no error of Kraken's own.
        AnswerUnreadable: It is no JSON object.
    """
    try:
        body = parse_json(answer)
        if isinstance(body.get("error"), list) and body["error"]:
            return body
    except AnswerUnreadable:
        if answer.status != 429 and answer.status < 500:
            raise
        body = {}
    if answer.status == 429:
        raise RateLimited("Kraken's edge throttles this address (HTTP 429).")
    if answer.status >= 500:
        raise KrakenUnavailable(f"Kraken's edge answered HTTP {answer.status}.")
    return body


def _errors(body: dict[str, Any]) -> list[SpotError]:
    wire = body.get("error")
    if not isinstance(wire, list) or not all(isinstance(text, str) for text in wire):
        raise AnswerUnreadable("The answer has no list of errors, so it is none of Kraken's Spot REST.")
    return read_errors(wire)


def _result(answer: Answer) -> object:
    """What a read asked for.

    Raises:
        KrakenError: The most severe error of the answer, or there is no result.
    """
    body = _read_body(answer)
    errors = _errors(body)
    if errors:
        raise errors[0].to_error()
    if answer.status != 200:
        raise AnswerUnreadable(f"HTTP {answer.status} came without an error of Kraken's own.")
    return body.get("result")


def _object(result: object, call: str) -> dict[str, Any]:
    if not isinstance(result, dict):
        raise AnswerUnreadable(f"The answer to {call} holds no result.")
    return result
