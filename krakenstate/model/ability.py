"""What a described key can do, against what somebody requires or forbids."""

from __future__ import annotations

from collections.abc import Iterable

from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import MOVES_FUNDS, Access, Api, Permission

LEVELS = ("general", "transfer")


def check_word(word: str, api: Api) -> str:
    """A permission as Kraken writes it: ``query-funds``; of a Derivatives key ``general=READ_ONLY``.

    Raises:
        ValueError: The platform has no such permission, so nothing would be checked.
    """
    if api is Api.SPOT:
        if word in set(Permission):
            return word
        raise ValueError(f'"{word[:60]}" is no permission of a Spot key; there are {", ".join(Permission)}.')
    name, _, level = word.partition("=")
    if name in LEVELS and level in set(Access):
        return word
    raise ValueError(
        f'"{word[:60]}" is no permission of a Derivatives key: write general or transfer, an equals sign, '
        f"and {', '.join(Access)}, such as transfer=FULL_ACCESS."
    )


def violations(description: KeyDescription, require: Iterable[str], forbid: Iterable[str]) -> list[str]:
    """What is required and missing, or forbidden and there; a level that is not known counts as both."""
    missing = [word for word in require if _has(description, word) is not True]
    present = [word for word in forbid if _has(description, word) is not False]
    return [
        *(f"{word} is required, and the key does not have it." for word in missing),
        *(f"{word} is forbidden, and the key has it." for word in present),
    ]


def moves_funds(description: KeyDescription | KeyTerms) -> bool | None:
    """Whether the key can move funds out, or prepare it; ``None`` when that is not declared or not known."""
    if description.api is Api.SPOT:
        if description.permissions is None and isinstance(description, KeyTerms):
            return None
        held = set(description.permissions or ())
        if held & MOVES_FUNDS:
            return True
        return None if held - set(Permission) else False
    return _has(description, f"transfer={Access.FULL_ACCESS}")


def _has(description: KeyDescription | KeyTerms, word: str) -> bool | None:
    """Whether a key has a permission, or at least a level; ``None`` when its level's word is not known."""
    if description.api is Api.SPOT:
        return word in (description.permissions or ())
    name, _, level = word.partition("=")
    held = description.general if name == "general" else description.transfer
    return Access(held).rank >= Access(level).rank if held in set(Access) else None
