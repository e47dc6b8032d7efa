"""Policies and login roles, read and written through the API, for grants with ``manage=True``.

How this works: a policy is its HCL, a role a setting per line, as ``name = JSON``. Vault answers with more
settings than were written, and with its own words for what is not set; so a role is read in the form of the
one it is compared with: those settings, and one way to say "nothing". No secret_id is ever read or made here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from krakenstate.errors import VaultAnswerUnexpected
from krakenstate.providers.vault.kv import VaultClient

POLICIES = "sys/policies/acl/"
_EMPTY: Mapping[str, JsonValue] = {"bound_subject": "", "bound_claims": {}}
"""How Vault is told that a setting shall be none."""
RIGHTS = ("create", "update", "read", "delete")


def role_text(settings: Mapping[str, JsonValue]) -> str:
    """Settings as text, by name."""
    return "".join(f"{name} = {json.dumps(settings[name], sort_keys=True)}\n" for name in sorted(settings))


def role_settings(text: str) -> dict[str, JsonValue]:
    """Settings from a text that ``role_text`` wrote."""
    pairs = (line.split(" = ", 1) for line in text.splitlines() if line)
    return {name: json.loads(value) for name, value in pairs}


def written(text: str) -> dict[str, JsonValue]:
    """The body with which a role is written so that it reads as ``text``."""
    return {name: _EMPTY.get(name) if value is None else value for name, value in role_settings(text).items()}


class VaultAdministration:
    """``providers.base.GrantAdministrator`` for Vault and OpenBao."""

    def __init__(self, client: VaultClient) -> None:
        self._client = client

    def read(self, place: str, like: str) -> str | None:
        """The policy's text, or those settings of the role that ``like`` has."""
        found = self._client.read_system(place)
        if found is None:
            return None
        if not place.startswith(POLICIES):
            return role_text({name: _plain(found.get(name)) for name in role_settings(like)})
        text = found.get("policy")
        if not isinstance(text, str):
            raise VaultAnswerUnexpected(f"The answer for {place} has no policy.")
        return text

    def write(self, place: str, text: str) -> None:
        """Writes all of the policy, or these settings of the role."""
        body: dict[str, Any] = {"policy": text} if place.startswith(POLICIES) else written(text)
        self._client.write_system(place, body)

    def delete(self, place: str) -> None:
        """Removes the policy or the role, with whatever secret_ids were made for it."""
        self._client.delete_system(place)

    def lacking(self, places: Sequence[str]) -> list[str]:
        """Asked of ``sys/capabilities-self``; nothing is tried out."""
        held = self._client.capabilities(places)
        missing = {
            place: [word for word in RIGHTS if word not in words and "root" not in words]
            for place, words in held.items()
        }
        return [f"{', '.join(words)} on {place}" for place, words in sorted(missing.items()) if words]


def _plain(value: Any) -> JsonValue:
    """Vault says "nothing" as null, as an empty text, list or object; here it is null."""
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, dict):
        return {str(name): [each] if isinstance(each, str) else each for name, each in value.items()}
    return value  # type: ignore[no-any-return]  # what a JSON answer holds is JSON
