"""Text that came from elsewhere, made safe for one line of a message or of instructions."""

from __future__ import annotations

import unicodedata

ERROR_TEXT_MAX = 120
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean_text(text: object, longest: int = ERROR_TEXT_MAX) -> str:
    """One line without control, direction or private characters, cut to ``longest`` characters."""
    visible = str(text)
    if not (visible.isascii() and visible.isprintable()):  # else, as nearly always, no letter needs a look
        visible = "".join(" " if unicodedata.category(c) in _INVISIBLE else c for c in visible)
    flat = " ".join(visible.split())
    return flat if len(flat) <= longest else flat[: longest - 3].rstrip() + "..."
