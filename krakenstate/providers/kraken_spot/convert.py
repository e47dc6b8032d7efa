"""``GetApiKeyInfo`` and ``Time`` ⇄ our words.

Sources: docs.kraken.com/api-reference/account-data/get-api-key-info and the market data reference (read in
August 2026). Kraken's web page has its own names for permissions; they stand here beside the API's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from krakenstate.model.credential import Credential
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api, Permission
from krakenstate.transport.fields import FieldReader
from krakenstate.transport.text import clean_text


@dataclass(frozen=True, slots=True)
class Tick:
    """Where a permission stands in the web page: its column and its words there."""

    column: str
    words: str


WEB_PAGE: dict[Permission, Tick] = {
    Permission.QUERY_FUNDS: Tick("Funds permissions", "Query"),
    Permission.ADD_FUNDS: Tick("Funds permissions", "Deposit"),
    Permission.WITHDRAW_FUNDS: Tick("Funds permissions", "Withdraw"),
    Permission.EARN_FUNDS: Tick("Funds permissions", "Earn"),
    Permission.QUERY_OPEN_TRADES: Tick("Orders and trades", "Query open orders & trades"),
    Permission.QUERY_CLOSED_TRADES: Tick("Orders and trades", "Query closed orders & trades"),
    Permission.MODIFY_TRADES: Tick("Orders and trades", "Create & modify orders"),
    Permission.CLOSE_TRADES: Tick("Orders and trades", "Cancel & close orders"),
    Permission.QUERY_LEDGER: Tick("Data", "Query ledger entries"),
    Permission.EXPORT_DATA: Tick("Data", "Export data"),
    Permission.ADD_WITHDRAW_ADDRESS: Tick("Withdrawal addresses", "Add withdrawal addresses"),
    Permission.UPDATE_WITHDRAW_ADDRESS: Tick("Withdrawal addresses", "Update withdrawal addresses"),
}
"""In the order of the page. ``create-ws-token`` is a switch of its own there, "WebSocket interface"."""


def read_time(result: Mapping[str, Any]) -> datetime:
    """The server's time, to the second.

    Raises:
        AnswerUnreadable: There is none.
    """
    reader = FieldReader(result, "Time")
    instant = reader.instant("unixtime")
    if instant is None:
        raise reader.unreadable("unixtime", "is 0")
    return instant


def read_key_info(result: Mapping[str, Any], credential: Credential) -> KeyDescription:
    """A key's description of itself. Unknown permission words are kept; ``"0"`` dates are not set.

    Raises:
        AnswerUnreadable: A field that is compared is missing or odd, or it describes another key.
    """
    reader = FieldReader(result, "GetApiKeyInfo")
    reader.expect_public_half("apiKey", credential.api_key.get_secret_value())
    return KeyDescription(
        api=Api.SPOT,
        fingerprint=credential.fingerprint,
        last_four=credential.last_four,
        iiban=reader.iiban("iban"),
        key_name=reader.text("apiKeyName"),
        permissions=tuple(sorted({clean_text(word) for word in reader.texts("permissions")})),
        networks=reader.networks("ipAllowlist", reader.texts("ipAllowlist")),
        valid_until=reader.instant("validUntil"),
        query_from=reader.instant("queryFrom"),
        query_to=reader.instant("queryTo"),
        nonce_window=reader.number("nonceWindow"),
        nonce=reader.optional_number("nonce"),
        created_at=reader.optional_instant("createdTime"),
        modified_at=reader.optional_instant("modifiedTime"),
        last_used_at=reader.optional_instant("lastUsed"),
    )
