"""What names an account: IIBAN, e-mail, and the fingerprint of a key's public half."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator

IIBAN_PATTERN = re.compile(r"AA[A-Z0-9]{2} [A-Z0-9]{4} [A-Z0-9]{4} [A-Z0-9]{4}")
"""Source: docs.kraken.com/openapi/futures-auth-rest.yaml (read in August 2026)."""

_EMAIL = re.compile(r"[^@\s<>\"',;:]+@[^@\s<>\"',;:]+\.[^@\s<>\"',;:]+")


class BadIiban(ValueError):
    """The text is not of Kraken's form."""


def normalise_iiban(text: str) -> str:
    """Upper case, single spaces, four groups of four.

    Raises:
        BadIiban: It has another form.
    """
    compact = "".join(text.split()).upper()
    spaced = " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))
    if not IIBAN_PATTERN.fullmatch(spaced):
        raise BadIiban("an IIBAN looks like AA12 N84G ABCD 3F5K")
    return spaced


def normalise_email(text: str) -> str:
    """Without surrounding space, lower case.

    Raises:
        ValueError: It is no e-mail address, or has letters that a reviewer could take for others.
    """
    cleaned = text.strip().lower()
    if not _EMAIL.fullmatch(cleaned):
        raise ValueError("this is not an e-mail address")
    if not cleaned.isascii():
        raise ValueError(
            "an e-mail address has plain Latin letters alone, since others look like them; "
            "write a domain in its xn-- form"
        )
    return cleaned


def mask_tail(text: str) -> str:
    """The last four characters, for messages: enough to compare, not enough to use."""
    return text.replace(" ", "")[-4:]


def fingerprint(public_key: str) -> str:
    """Twelve hex digits of the public half's SHA-256; four are shown."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:12]


Iiban = Annotated[str, AfterValidator(normalise_iiban)]
Email = Annotated[str, AfterValidator(normalise_email)]
