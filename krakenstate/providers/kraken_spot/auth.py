"""The signature of a private Spot REST call, as pure functions."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlencode

PRIVATE_PREFIX = "/0/private/"
MAX_NONCE = 2**64 - 1
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"


def sign(path: str, nonce: int, body: bytes, secret: bytes) -> str:
    """Sign one private Spot REST call.

    Args:
        path: URL path starting at ``/0/private/``, with the query string if there is one.
        nonce: Unsigned 64-bit, the one inside ``body``, larger than any used before with this key.
        body: The bytes that will be sent, nonce included.
        secret: API secret after base64 decoding, in bytes.

    Returns:
        Base64 text for the ``API-Sign`` header.

    Raises:
        ValueError: ``path`` is not a private path, so there is nothing to sign; or no nonce is that large.

    Source: docs.kraken.com, exchange/guides/rest/authentication (read in August 2026).
    """
    if not path.startswith(PRIVATE_PREFIX):
        raise ValueError(f"only paths below {PRIVATE_PREFIX} are signed")
    if not 0 <= nonce <= MAX_NONCE:
        raise ValueError("a nonce is an unsigned 64-bit number")
    message = path.encode() + hashlib.sha256(str(nonce).encode() + body).digest()
    return base64.b64encode(hmac.digest(secret, message, "sha512")).decode()


def form_body(nonce: int, fields: dict[str, str]) -> bytes:
    """The url-encoded body of a call, nonce first; the very bytes to sign and to send."""
    return urlencode({"nonce": str(nonce), **fields}).encode()
