"""The signature of a Derivatives REST call, as a pure function."""

from __future__ import annotations

import base64
import hashlib
import hmac


def sign(path: str, post_data: bytes, secret: bytes, nonce: str = "") -> str:
    """Sign one Derivatives REST call.

    Args:
        path: URL path as requested; a leading ``/derivatives`` is not signed, everything else is.
        post_data: Query string or form body exactly as sent, url-encoded; empty if there is none.
        secret: API secret after base64 decoding, in bytes.
        nonce: The ``Nonce`` header, empty without one.

    Returns:
        Base64 text for the ``Authent`` header.

    Raises:
        ValueError: ``path`` does not start with a slash, or carries the query that belongs to ``post_data``.

    Source: docs.kraken.com, exchange/guides/futures/rest (read in August 2026). Until 20 February 2024 the
    decoded data was hashed; that way has ended.
    """
    if not path.startswith("/") or "?" in path:
        raise ValueError("a path starts with a slash and has no query")
    endpoint = path.removeprefix("/derivatives")
    digest = hashlib.sha256(post_data + nonce.encode() + endpoint.encode()).digest()
    return base64.b64encode(hmac.digest(secret, digest, "sha512")).decode()
