"""Somebody who signs JSON web tokens, as a forge does for its jobs and a platform for its processes."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def part(data):
    """Base64 as tokens have it."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """Somebody whose signed word a JWT method trusts."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def token(self, **claims):
        """A JWT of this issuer that is good for a minute."""
        about = {"aud": "vault", "exp": int(time.time()) + 60, "iat": int(time.time()) - 5, **claims}
        said = f"{part({'alg': 'ES256', 'typ': 'JWT'})}.{part(about)}"
        r, s = decode_dss_signature(self._key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{said}.{part(r.to_bytes(32) + s.to_bytes(32))}"
