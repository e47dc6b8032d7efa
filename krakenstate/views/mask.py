"""Names of accounts, masked where many people and a forge's search read along."""

from __future__ import annotations

import re
from typing import TypeVar

from krakenstate.model.base import Model
from krakenstate.model.identity import mask_tail

_IIBAN = re.compile(r"\bAA[A-Z0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4} ?[A-Z0-9]{4}\b", re.IGNORECASE)
_IN_EMAIL = r"[^@\s<>\"',;:()]"
_EMAIL = re.compile(rf"(?<!{_IN_EMAIL})({_IN_EMAIL}){_IN_EMAIL}*+@(?={_IN_EMAIL}+\.)")
"""Begins only where a word does, so that a long text is read once."""

Kept = TypeVar("Kept")


def mask_names(text: str) -> str:
    """IIBANs by their last four characters, of e-mails the first one and the domain."""
    text = _IIBAN.sub(lambda match: f"(IIBAN ...{mask_tail(match[0])})", text)
    return _EMAIL.sub(r"\1***@", text)


def masked(value: Kept) -> Kept:
    """A model, or plain data, with :func:`mask_names` over every text in it; names of fields stay."""
    found: object = value
    if isinstance(value, str) and type(value) is str:
        found = mask_names(value)
    elif isinstance(value, Model):
        fields = type(value).model_fields
        found = value.model_copy(update={name: masked(getattr(value, name)) for name in fields})
    elif isinstance(value, tuple):
        found = tuple(masked(item) for item in value)
    elif isinstance(value, list):
        found = [masked(item) for item in value]
    elif isinstance(value, dict):
        found = {masked(key): masked(leaf) for key, leaf in value.items()}
    return found  # type: ignore[return-value]  # of the kind that was given
