"""One method per Derivatives endpoint. Wire errors become ours here, and nothing is sent twice.

Calls carry no ``Nonce`` header, so asking a key never touches the sequence of the process that uses it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from krakenstate.errors import (
    AnswerUnreadable,
    KrakenUnavailable,
    NotObservable,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    RedirectRefused,
)
from krakenstate.model.credential import Credential
from krakenstate.providers.kraken_derivatives.auth import sign
from krakenstate.providers.kraken_derivatives.errors import find_error
from krakenstate.transport.answers import parse_json
from krakenstate.transport.attempt import Answer, ConnectionFailed
from krakenstate.transport.client import HttpOrigin
from krakenstate.transport.credentials import read_halves

CHECK_PATH = "/api/auth/v1/api-keys/v3/check"
GREETING_PATH = "/derivatives/api/v3/feeschedules"
SUBACCOUNTS_PATH = "/derivatives/api/v3/subaccounts"


class DerivativesClient:
    """Kraken's Derivatives REST.

    Args:
        http: Bound to the Derivatives origin.
    """

    def __init__(self, http: HttpOrigin) -> None:
        self._http = http

    def greet(self) -> None:
        """``GET /derivatives/api/v3/feeschedules``, unsigned: makes sure that somebody answers.

        Any answer but an outage will do, a refusal too: whether Kraken serves it without a key is no matter.

        Raises:
            KrakenUnavailable: The edge answered with an outage.
            KrakenError: There was no answer.
        """
        answer = self._http.request("GET", GREETING_PATH)
        if answer.status >= 500:
            raise KrakenUnavailable(f"Kraken's edge answered HTTP {answer.status}.")

    def check_key(self, credential: Credential) -> dict[str, Any]:
        """``GET /api/auth/v1/api-keys/v3/check``: the key describes itself. Any level may ask.

        Raises:
            AuthenticationFailed: Kraken rejected the credential.
            KrakenError: Any other answer, or none.

        Source: docs.kraken.com/api/docs/futures-api/auth/check-v-3-api-key (read in August 2026).
        """
        try:
            return _read(self._call("GET", CHECK_PATH, credential))
        except ObjectNotFound as problem:
            raise NotObservable(f"Kraken does not offer a key's self-check here. {problem.message}") from None

    def subaccounts(self, credential: Credential) -> dict[str, Any]:
        """``GET /derivatives/api/v3/subaccounts``: the key's account's links. General read-only suffices.

        Raises:
            KrakenError: The list could not be read.

        Source: docs.kraken.com/api-reference/subaccounts/get-subaccounts (read in August 2026).
        """
        return _read(self._call("GET", SUBACCOUNTS_PATH, credential))

    def read_trading(self, credential: Credential, account_uid: str) -> dict[str, Any]:
        """``GET .../subaccount/{uid}/trading-enabled``: needs General full access, even to read.

        Raises:
            ObjectNotFound: The account is not linked to the key's.
            KrakenError: Any other answer, or none.
            ValueError: It is no account uid. Nothing was sent.

        Source: docs.kraken.com/openapi/futures-rest.yaml (read in August 2026).
        """
        return _read(self._call("GET", _trading_path(account_uid), credential))

    def write_trading(self, credential: Credential, account_uid: str, enabled: bool) -> dict[str, Any]:
        """``PUT .../subaccount/{uid}/trading-enabled?tradingEnabled=``: the documented query parameter.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell; reading shows what became of it.
            ObjectNotFound: The account is not linked to the key's.
            KrakenError: It was refused and took no effect, or it was never sent.
            ValueError: It is no account uid. Nothing was sent.

        Source: docs.kraken.com/openapi/futures-rest.yaml (read in August 2026).
        """
        query = f"tradingEnabled={'true' if enabled else 'false'}"
        try:
            return _read(self._call("PUT", _trading_path(account_uid), credential, query, afresh=True))
        except ConnectionFailed as problem:
            if not problem.sent:
                raise
            reason = problem.message
        except (KrakenUnavailable, AnswerUnreadable, RedirectRefused) as problem:
            reason = problem.message
        raise unknown_switch(account_uid, enabled, reason)

    def _call(
        self, method: str, path: str, credential: Credential, query: str = "", *, afresh: bool = False
    ) -> Answer:
        public, secret = read_halves(credential)
        headers = {"APIKey": public, "Authent": sign(path, query.encode(), secret)}
        return self._http.request(method, path, query=query, headers=headers, afresh=afresh)


def unknown_switch(account_uid: str, enabled: bool, reason: str) -> OutcomeUnknown:
    """The error for a switch of which nobody can say whether it took effect."""
    return OutcomeUnknown(
        f"Kraken was asked to switch trading {'on' if enabled else 'off'} for the account {account_uid}, "
        f"and it is not known whether it did. {reason}",
        next_step="Reading shows what became of it: krakenstate plan",
    )


def _trading_path(account_uid: str) -> str:
    return f"/derivatives/api/v3/subaccount/{UUID(account_uid)}/trading-enabled"


def _read(answer: Answer) -> dict[str, Any]:
    """The answer's object, if it speaks of no error.

    Raises:
        KrakenError: Its error, or what the HTTP status says when there is no JSON.
    """
    try:
        body = parse_json(answer)
    except AnswerUnreadable:
        if answer.status == 429:
            raise RateLimited("Kraken's edge throttles this address (HTTP 429).") from None
        if answer.status >= 500:
            raise KrakenUnavailable(f"Kraken's edge answered HTTP {answer.status}.") from None
        raise
    error = find_error(answer.status, body)
    if error:
        raise error
    return body
