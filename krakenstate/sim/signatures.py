"""Both of Kraken's signatures, computed from what arrived, independently of the program's own code.

Sources: docs.kraken.com, `exchange/guides/rest/authentication` and `exchange/guides/futures/rest`
(read August to October 2026).
"""

import base64
import hashlib
import hmac


def _hmac_sha512(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(secret), message, "sha512")).decode()


def spot_signature(secret: str, signed_path: str, nonce: str, body: bytes) -> str:
    """`API-Sign` of a private Spot call: HMAC-SHA512 over path and SHA256(nonce + body).

    Args:
        secret: Base64 text of the key's private half.
        signed_path: Path from `/0/private/` on, with the query string.
        nonce: Decimal text of the nonce inside the body.
        body: The bytes of the body as sent.
    """
    return _hmac_sha512(secret, signed_path.encode() + hashlib.sha256(nonce.encode() + body).digest())


def derivatives_signature(secret: str, post_data: bytes, nonce: str, path: str) -> str:
    """`Authent` of a Derivatives call: HMAC-SHA512 over SHA256(postData + Nonce + endpointPath).

    Args:
        secret: Base64 text of the key's private half.
        post_data: Query string or form body, url-encoded as sent.
        nonce: The `Nonce` header, empty if there is none.
        path: The request's path; a leading `/derivatives` is not signed.
    """
    endpoint = path.removeprefix("/derivatives")
    return _hmac_sha512(secret, hashlib.sha256(post_data + nonce.encode() + endpoint.encode()).digest())


def is_same(given: str, expected: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())
