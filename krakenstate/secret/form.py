"""What a Kraken key looks like, checked offline. No message repeats any of it: lengths only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from pydantic import SecretStr

from krakenstate.errors import CredentialMalformed
from krakenstate.model.credential import Credential
from krakenstate.model.vocabulary import Api

SECRET_BYTES = {Api.SPOT: range(64, 65), Api.DERIVATIVES: range(64, 73)}
"""What a private key decodes to. Of Derivatives keys no length is published: the documentation's own example
has 66 bytes, so some room is left above the 64 that are usual.

Sources: docs.kraken.com, Spot and Futures REST authentication guides (read in August 2026).
"""
SPOT_SECRET_CHARACTERS = 88
PUBLIC_CHARACTERS = range(40, 81)
"""56 in practice; no length is published, so some room is left."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def from_fields(fields: Mapping[str, object]) -> Credential:
    """The fields ``api_key`` and ``api_secret``, without surrounding white space; other fields are ignored.

    Raises:
        CredentialMalformed: One is missing, empty or no text.
    """
    return Credential(api_key=_text(fields, "api_key"), api_secret=_text(fields, "api_secret"))


def check_form(credential: Credential, api: Api) -> None:
    """Makes sure that both halves can be a key of that platform.

    Raises:
        CredentialMalformed: They cannot; says why, also when the two were swapped.
    """
    public = credential.api_key.get_secret_value()
    secret = credential.api_secret.get_secret_value()
    public_problem, secret_problem = _public_problem(public), _secret_problem(secret, api)
    if public_problem is None and secret_problem is None:
        return
    if _secret_problem(public, api) is None and _public_problem(secret) is None:
        raise CredentialMalformed(
            "The two halves are swapped: what was given as API key is a private key, and vice versa.",
            next_step="Hand them in again, the API key (public key) first.",
        )
    raise CredentialMalformed(" ".join(filter(None, (public_problem, secret_problem))))


def looks_secret(text: str) -> bool:
    """Whether text has the form of a private key of either platform."""
    return any(_secret_problem(text, api) is None for api in Api) or len(text) == SPOT_SECRET_CHARACTERS


def looks_public(text: str) -> bool:
    """Whether text has the form of a key's public half."""
    return _public_problem(text) is None


def _text(fields: Mapping[str, object], name: str) -> SecretStr:
    value = fields.get(name)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None:
        raise CredentialMalformed(f"The field {name} is missing.")
    if not isinstance(value, str):
        raise CredentialMalformed(f"The field {name} is not a text.")
    if not value.strip():
        raise CredentialMalformed(f"The field {name} is empty.")
    return SecretStr(value.strip())


def _decoded_bytes(text: str) -> int | None:
    """How many bytes base64 text stands for; ``None`` if it is not base64."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        return len(base64.b64decode(text, validate=True))
    except binascii.Error:
        return None


def _public_problem(text: str) -> str | None:
    if len(text) not in PUBLIC_CHARACTERS:
        return (
            f"The API key has {len(text)} characters; "
            f"{PUBLIC_CHARACTERS.start} to {PUBLIC_CHARACTERS.stop - 1} are expected, 56 as a rule."
        )
    if not _BASE64.fullmatch(text):
        return f"The API key has {len(text)} characters, not all of them base64."
    return None


def _secret_problem(text: str, api: Api) -> str | None:
    if api is Api.SPOT and len(text) != SPOT_SECRET_CHARACTERS:
        return f"The private key has {len(text)} characters; {SPOT_SECRET_CHARACTERS} are expected."
    found = _decoded_bytes(text)
    if found is None:
        return f"The private key has {len(text)} characters, but is not base64."
    expected = SECRET_BYTES[api]
    if found not in expected:
        return f"The private key decodes to {found} bytes; {expected.start} are expected."
    return None
