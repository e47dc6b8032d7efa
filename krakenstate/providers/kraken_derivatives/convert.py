"""``v3/check``, ``subaccounts`` and ``trading-enabled`` ⇄ our words.

Sources: docs.kraken.com/openapi/futures-auth-rest.yaml and futures-rest.yaml (read in August 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from krakenstate.model.credential import Credential
from krakenstate.model.network import IPNetwork
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Access, Api
from krakenstate.providers.base import Link, LinkList
from krakenstate.transport.fields import FieldReader
from krakenstate.transport.text import clean_text

WEB_PAGE: dict[Access, str] = {
    Access.NO_ACCESS: "No access",
    Access.READ_ONLY: "Read only",
    Access.FULL_ACCESS: "Full access",
}
"""The levels as the web page calls them."""


def read_check(body: Mapping[str, Any], credential: Credential) -> KeyDescription:
    """A key's description of itself. Unknown level words are kept.

    Raises:
        AnswerUnreadable: A field that is compared is missing or odd, or it describes another key.
    """
    reader = FieldReader(body, "v3/check")
    reader.expect_public_half("apiKey", credential.api_key.get_secret_value())
    return KeyDescription(
        api=Api.DERIVATIVES,
        fingerprint=credential.fingerprint,
        last_four=credential.last_four,
        iiban=None if body.get("iiban") is None else reader.iiban("iiban"),
        account_uid=reader.uid("accountUid"),
        general=_level(reader, "general"),
        transfer=_level(reader, "transfer"),
        networks=_networks(reader),
        created_at=_instant(body.get("createdAt")),
    )


def _level(reader: FieldReader, name: str) -> str:
    """A level's word: ``permissions.general``, also nested one object deeper, as was seen."""
    permissions = reader.value("permissions")
    if isinstance(permissions, dict) and isinstance(permissions.get("permissions"), dict):
        permissions = permissions["permissions"]
    found = permissions.get(name) if isinstance(permissions, dict) else None
    if isinstance(found, dict):
        words = [word for word in found.values() if isinstance(word, str)]
        found = words[0] if len(words) == 1 else None
    if not isinstance(found, str) or not found.strip():
        raise reader.unreadable(f"permissions.{name}", "is missing or no level")
    return clean_text(found)


def _networks(reader: FieldReader) -> tuple[IPNetwork, ...]:
    """Both address fields together: the widest access they can mean. Only an empty list means open."""
    single = reader.value("allowedCidrBlock") if reader.has("allowedCidrBlock") else None
    if single is None:
        return reader.networks("allowedCidrBlocks", reader.texts("allowedCidrBlocks"))
    older = reader.networks("allowedCidrBlock", [reader.text("allowedCidrBlock")])
    if not reader.has("allowedCidrBlocks") or reader.value("allowedCidrBlocks") is None:
        return older
    return reader.networks(
        "allowedCidrBlocks", [*reader.texts("allowedCidrBlocks"), *(str(network) for network in older)]
    )


def _instant(text: object) -> datetime | None:
    """An instant that is only shown; odd ones are left out."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant and instant.tzinfo else None


def read_links(body: Mapping[str, Any]) -> LinkList:
    """All linked subaccounts, by uid.

    Raises:
        AnswerUnreadable: A field that is matched is missing or odd: half a list is none.
    """
    reader = FieldReader(body, "subaccounts")
    if reader.value("result") != "success":
        raise reader.unreadable("result", 'is not "success"')
    listed = reader.value("subaccounts")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise reader.unreadable("subaccounts", "is no list of objects")
    readers = [FieldReader(item, "subaccounts") for item in listed]
    links = [Link(account_uid=item.uid("accountUid"), email=item.text("email").lower()) for item in readers]
    return LinkList(
        master_uid=reader.uid("masterAccountUid"), links=tuple(sorted(links, key=lambda k: k.account_uid))
    )


def read_switch(body: Mapping[str, Any]) -> bool:
    """Whether trading is enabled.

    Raises:
        AnswerUnreadable: The answer does not say.
    """
    reader = FieldReader(body, "trading-enabled")
    enabled = reader.value("tradingEnabled")
    if not isinstance(enabled, bool):
        raise reader.unreadable("tradingEnabled", "is neither true nor false")
    return enabled
