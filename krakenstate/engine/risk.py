"""Risk: what a change does to what a key's holder can do, from set arithmetic alone.

How this works: what is not managed could be anything, so it counts as everything: to stop managing an
attribute is a gain, to begin with it a loss. An allowlist that is empty admits every address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.network import covers, parse_network, same_addresses, shown_size
from krakenstate.model.plan import AttributeChange, Risk, RiskWord
from krakenstate.model.vocabulary import MOVES_FUNDS, Access

_CRITICAL = {p.value for p in MOVES_FUNDS}
_LEVELS = {level.value: level.rank for level in Access}
_RIGHTS = ("permissions", "general", "transfer")
_MOVES = "; can move funds"


def risks_of_new_key(address: Address, account: str, after: Mapping[str, JsonValue]) -> list[Risk]:
    """What a key that does not exist yet will let its holder do."""
    is_managed = any(name in after for name in _RIGHTS)
    what = rights_of(after) if is_managed else "anything: its rights are not managed,"
    if not what:
        return []
    critical = can_move_funds(after) or not is_managed
    is_open = after.get("ip_allowlist") == []
    where = " from anywhere in the world" if is_open else ""
    text = f"{what} on {account}{where}{_MOVES if critical else ''}"
    return [Risk(address=address, word=RiskWord.GAINS, text=text, critical=critical or is_open)]


def risks_of_removed_key(address: Address, account: str, before: Mapping[str, JsonValue]) -> list[Risk]:
    """What nobody will be able to do with a key once it is deleted."""
    what = rights_of(before)
    text = f"{what} on {account}, once its key is deleted"
    return [Risk(address=address, word=RiskWord.LOSES, text=text)] if what else []


def rights_of(values: Mapping[str, JsonValue]) -> str:
    """A key's permissions or levels in Kraken's words; empty for none, or where they are not managed."""
    permissions = sorted(_texts(values.get("permissions")) or ())
    levels = [f"{name} {values[name]}" for name in ("general", "transfer") if _rank(values.get(name)) > 0]
    return ", ".join([*permissions, *levels])


def can_move_funds(values: Mapping[str, JsonValue]) -> bool:
    """Whether a key with these attributes can move funds out, or prepare it."""
    held = _texts(values.get("permissions")) or frozenset()
    return bool(held & _CRITICAL) or _rank(values.get("transfer")) > 1


def risks_of_changes(address: Address, changes: Iterable[AttributeChange]) -> list[Risk]:
    """What a set of attribute changes means, from before to after."""
    found: list[Risk] = []
    for change in changes:
        judge = _JUDGES.get(change.name)
        if judge:
            found.extend(
                Risk(address=address, word=word, text=text, critical=critical)
                for word, text, critical in judge(change)
            )
    return found


def sort_risks(risks: Iterable[Risk]) -> tuple[Risk, ...]:
    """Critical ones first, then gains and widenings, then by address."""
    return tuple(sorted(risks, key=lambda r: (not r.critical, not r.word.is_gain, r.address, r.word, r.text)))


_Judged = list[tuple[RiskWord, str, bool]]


def _judge_permissions(change: AttributeChange) -> _Judged:
    before, after = _texts(change.before), _texts(change.after)
    if after is None:
        return [(RiskWord.GAINS, "any permission: they are no longer managed", True)]
    if before is None:
        return [(RiskWord.LOSES, "any permission but those that are now managed", False)]
    out: _Judged = []
    if gained := after - before:
        critical = bool(gained & _CRITICAL)
        out.append((RiskWord.GAINS, f"{', '.join(sorted(gained))}{_MOVES if critical else ''}", critical))
    if lost := before - after:
        out.append((RiskWord.LOSES, ", ".join(sorted(lost)), False))
    return out


def _judge_networks(change: AttributeChange) -> _Judged:
    if change.after is None:
        return [(RiskWord.WIDENS, "allowlist: it is no longer managed", True)]
    after = [parse_network(n) for n in _items(change.after)]
    if change.before is None:
        return [(RiskWord.NARROWS, f"allowlist to {shown_size(after)} addresses: it is now managed", False)]
    before = [parse_network(n) for n in _items(change.before)]
    text = f"allowlist {shown_size(before)} -> {shown_size(after)} addresses"
    if not before and not after:
        return []
    if not before:
        return [(RiskWord.NARROWS, text, False)]
    if after and same_addresses(before, after):
        return []
    if not after:
        return [(RiskWord.WIDENS, f"{text}: open to the world", True)]
    return [(RiskWord.NARROWS if covers(before, after) else RiskWord.WIDENS, text, False)]


def _judge_level(change: AttributeChange) -> _Judged:
    top = len(_LEVELS)
    before = top if change.before is None else _rank(change.before)
    after = top if change.after is None else _rank(change.after)
    word = RiskWord.GAINS if after > before else RiskWord.LOSES
    shown = [value or "not managed" for value in (change.before, change.after)]
    critical = change.name == "transfer" and after > before
    return [(word, f"{change.name} {shown[0]} -> {shown[1]}", critical)]


def _judge_end(change: AttributeChange) -> _Judged:
    before, after = str(change.before or "9999"), str(change.after or "9999")
    word = RiskWord.EXTENDS if after > before else RiskWord.SHORTENS
    days = (str(end)[:10] if end else "never" for end in (change.before, change.after))
    return [(word, f"expiry {' -> '.join(days)}", False)]


def _judge_trading(change: AttributeChange) -> _Judged:
    word = RiskWord.GAINS if change.after else RiskWord.LOSES
    return [(word, "trading on this account", False)]


_JUDGES: Mapping[str, Callable[[AttributeChange], _Judged]] = {
    "permissions": _judge_permissions,
    "ip_allowlist": _judge_networks,
    "general": _judge_level,
    "transfer": _judge_level,
    "expires": _judge_end,
    "trading_enabled": _judge_trading,
}


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _texts(value: JsonValue) -> frozenset[str] | None:
    """A set of words; ``None`` where it is not managed."""
    return frozenset(str(item) for item in value) if isinstance(value, list) else None


def _rank(level: JsonValue) -> int:
    return _LEVELS.get(str(level), 0)
