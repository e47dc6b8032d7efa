"""Both halves of a key, made ready for a request; what cannot be a key is refused before anything is sent."""

from __future__ import annotations

import base64
from contextlib import suppress

from krakenstate.errors import InvalidKey, InvalidSignature
from krakenstate.model.credential import Credential


def read_halves(credential: Credential) -> tuple[str, bytes]:
    """The public half as it is, and the private half decoded.

    Raises:
        InvalidKey: The public half is empty or holds characters that no header may hold.
        InvalidSignature: The private half is not base64. In both cases nothing was sent.
    """
    public = credential.api_key.get_secret_value()
    if not public or not public.isascii() or not public.isprintable() or " " in public:
        raise InvalidKey(
            "The stored public half is empty or holds characters that no key has, so nothing was sent.",
            next_step="Look at what is stored in Vault for this key, and hand the key in again.",
        )
    secret: bytes | None = None
    with suppress(ValueError):  # ours is raised below, so that its context does not hold the secret
        secret = base64.b64decode(credential.api_secret.get_secret_value(), validate=True)
    if not secret:
        raise InvalidSignature(
            "The stored private half is not base64, so nothing could be signed and nothing was sent.",
            next_step="Look at what is stored in Vault for this key, and hand the key in again.",
        )
    return public, secret
