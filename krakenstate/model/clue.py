"""What somebody knows of a key: how its fingerprint begins, how its public half ends, or all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from krakenstate.model.identity import fingerprint

FINGERPRINT_MAX = 12
_FINGERPRINT = re.compile(rf"[0-9a-fA-F]{{4,{FINGERPRINT_MAX}}}")
_LAST_FOUR = re.compile(r"(?=.{4}$)[A-Za-z0-9+/]{2,4}={0,2}")
_LEAD = re.compile(r"^(?:fp\s*)?(?:\.{3}|\u2026)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Clue:
    """Which keys it fits; four hex digits can be either. ``is_whole`` says that a public half was typed."""

    fingerprint: str | None
    last_four: str | None
    is_whole: bool = False

    @classmethod
    def of(cls, text: str) -> Clue | None:
        """From ``3f2a``, ``fp 3f2a``, ``...9fQa`` or ``9fQa``; ``None`` if it is none of these."""
        bare = _LEAD.sub("", text.strip())
        by_print = bare.lower() if _FINGERPRINT.fullmatch(bare) else None
        by_end = bare if _LAST_FOUR.fullmatch(bare) else None
        return cls(by_print, by_end) if by_print or by_end else None

    @classmethod
    def of_public_key(cls, text: str) -> Clue:
        """From a whole public half, of which only the fingerprint is kept."""
        return cls(fingerprint(text), None, is_whole=True)

    def fits(self, its_fingerprint: str | None, its_last_four: str | None) -> bool:
        """Whether a key with this fingerprint and this end may be meant."""
        by_print = self.fingerprint is not None and (its_fingerprint or "").startswith(self.fingerprint)
        return by_print or (self.last_four is not None and its_last_four == self.last_four)

    def __str__(self) -> str:
        if self.fingerprint and self.last_four:
            return f"fingerprint {self.fingerprint} or last four {self.last_four}"
        if self.last_four:
            return f"last four {self.last_four}"
        if self.is_whole:
            return f"public key that was typed (fp {(self.fingerprint or '')[:4]})"
        return f"fingerprint {self.fingerprint}"
