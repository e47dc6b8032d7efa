"""Text that a stack brought along, made safe to show."""

from __future__ import annotations

import unicodedata

_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: str, longest: int | None = None) -> str:
    """One line without control, direction-changing or unassigned characters, at most ``longest`` long."""
    if longest is not None:
        text = text[: longest * 4]
    spaced = text
    if not (text.isascii() and text.isprintable()):
        spaced = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
        spaced = "".join(c for c in spaced if unicodedata.category(c) not in _DROPPED)
    return spaced if longest is None or len(spaced) <= longest else spaced[: longest - 1] + "…"
