"""Where a handed-in key comes from: a text on standard input, a prompt without echo, an answer of Vault.

Each registers what it read with the redactor before anything else looks at it. Whether the halves have the
form of a key of their platform is ``check_form``'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from pydantic import SecretStr

from krakenstate.errors import AddressUnknown, CredentialMalformed
from krakenstate.model.address import Address
from krakenstate.model.credential import Credential
from krakenstate.secret import redactor
from krakenstate.secret.form import check_form
from krakenstate.secret.form import from_fields as _from_fields

__all__ = [
    "check_form",
    "from_fields",
    "parse_addressed",
    "parse_text",
    "parse_token",
    "read_prompt",
    "read_prompt_or_skip",
]


_PUBLIC_PROMPT = "API key (public key): "


def from_fields(fields: Mapping[str, object]) -> Credential:
    """The fields ``api_key`` and ``api_secret``, registered with the redactor; other fields are ignored.

    Raises:
        CredentialMalformed: One is missing, empty or no text.
    """
    for name in ("api_key", "api_secret"):
        value = fields.get(name)
        if isinstance(value, str | SecretStr):
            redactor.register(value)
    return _from_fields(fields)


def parse_text(text: str) -> Credential:
    """A JSON object with ``api_key`` and ``api_secret``, or two lines: the API key, then the private key.

    Raises:
        CredentialMalformed: It is neither.
    """
    cleaned = text.removeprefix("\N{BYTE ORDER MARK}").strip()
    if not cleaned:
        raise CredentialMalformed("Nothing was handed in.")
    if cleaned.startswith(("{", "[")):
        return from_fields(_json_object(cleaned))
    lines = [line.strip() for line in cleaned.splitlines() if line.strip()]
    redactor.register(*lines)
    if len(lines) != 2:
        raise CredentialMalformed(
            f"A JSON object or two lines are expected (API key, private key); {len(lines)} came."
        )
    return from_fields({"api_key": lines[0], "api_secret": lines[1]})


def parse_token(text: str) -> SecretStr:
    """A response-wrapping token on a line of its own, registered with the redactor.

    Raises:
        CredentialMalformed: It is not a single word.
    """
    words = text.split()
    redactor.register(*words)
    if len(words) != 1:
        raise CredentialMalformed(f"A single wrapping token is expected; {len(words)} words came.")
    return SecretStr(words[0])


def read_prompt(ask: Callable[[str], str]) -> Credential:
    """Asks for both halves.

    Args:
        ask: Shows a prompt and reads a line without echo, as ``getpass.getpass`` does.

    Raises:
        CredentialMalformed: One was left empty.
    """
    return _with_private(ask(_PUBLIC_PROMPT), ask)


def read_prompt_or_skip(ask: Callable[[str], str]) -> Credential | None:
    """As ``read_prompt``; ``None`` when nothing was typed for the first half.

    Raises:
        CredentialMalformed: Only the second half was left empty.
    """
    public = ask(_PUBLIC_PROMPT)
    return _with_private(public, ask) if public.strip() else None


def parse_addressed(line: str) -> tuple[Address, Credential]:
    """One of several keys: a JSON object with ``address`` beside ``api_key`` and ``api_secret``.

    An address is repeated in messages, so what has not its form is refused without repeating it.

    Raises:
        CredentialMalformed: It is no such object.
    """
    fields = _json_object(line)
    credential = from_fields(fields)
    try:
        return Address(str(fields["address"])), credential
    except (KeyError, AddressUnknown):
        raise CredentialMalformed("The field address is missing or not of the form type.name.") from None


def _with_private(public: str, ask: Callable[[str], str]) -> Credential:
    redactor.register(public)
    return from_fields({"api_key": public, "api_secret": ask("Private key (API secret): ")})


def _json_object(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CredentialMalformed(f"The {len(text)} characters handed in are not a JSON object.")
    return found
