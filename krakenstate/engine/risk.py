"""Risk: what a change does to what a key's holder can do, from set arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.network import covers, parse_network
from krakenstate.model.plan import AttributeChange, Risk, RiskWord
from krakenstate.model.vocabulary import MOVES_FUNDS, Access

_CRITICAL = {p.value for p in MOVES_FUNDS}
_LEVELS = {level.value: level.rank for level in Access}


def risks_of_new_key(address: Address, account: str, after: Mapping[str, JsonValue]) -> list[Risk]:
    """What a key that does not exist yet will let its holder do."""
    permissions = {str(p) for p in _items(after.get("permissions"))}
    levels = [f"{name} {after[name]}" for name in ("general", "transfer") if _rank(after.get(name)) > 0]
    what = ", ".join([*sorted(permissions), *levels])
    if not what:
        return []
    critical = bool(permissions & _CRITICAL) or _rank(after.get("transfer")) > 1
    networks = after.get("ip_allowlist")
    where = "from anywhere in the world" if networks == [] else ""
    tail = "; can move funds" if critical else ""
    text = f"{what} on {account}{' ' + where if where else ''}{tail}"
    return [Risk(address=address, word=RiskWord.GAINS, text=text, critical=critical or networks == [])]


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
    out: _Judged = []
    if change.added:
        critical = bool(set(change.added) & _CRITICAL)
        tail = "; can move funds" if critical else ""
        out.append((RiskWord.GAINS, ", ".join(change.added) + tail, critical))
    if change.removed:
        out.append((RiskWord.LOSES, ", ".join(change.removed), False))
    return out


def _judge_networks(change: AttributeChange) -> _Judged:
    before = [parse_network(n) for n in _items(change.before)]
    after = [parse_network(n) for n in _items(change.after)]
    text = f"allowlist {change.note}"
    if change.before is not None and not before:
        return [(RiskWord.NARROWS, text, False)]
    if not after:
        return [(RiskWord.WIDENS, f"{text}: open to the world", True)]
    word = RiskWord.NARROWS if covers(before, after) else RiskWord.WIDENS
    return [(word, text, False)]


def _judge_level(change: AttributeChange) -> _Judged:
    before, after = _rank(change.before), _rank(change.after)
    word = RiskWord.GAINS if after > before else RiskWord.LOSES
    critical = change.name == "transfer" and after > before
    return [(word, f"{change.name} {change.before} -> {change.after}", critical)]


def _judge_end(change: AttributeChange) -> _Judged:
    before, after = str(change.before or "9999"), str(change.after or "9999")
    word = RiskWord.EXTENDS if after > before else RiskWord.SHORTENS
    return [(word, f"expiry {change.before or 'never'} -> {change.after or 'never'}", False)]


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


def _rank(level: JsonValue) -> int:
    return _LEVELS.get(str(level), 0)
