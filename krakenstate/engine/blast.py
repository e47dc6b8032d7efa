"""Blast radius: what somebody could do who had a key's secret, in words for people who do not know Kraken's.

Sources: the permission map of ``GetApiKeyInfo`` and the levels of ``api-keys/v3/check`` (docs/kraken.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from pydantic import JsonValue

from krakenstate.engine.risk import can_move_funds
from krakenstate.model.declarations import SpotKey
from krakenstate.model.network import parse_network, shown_size
from krakenstate.model.plan import Blast
from krakenstate.model.vocabulary import Access, Permission

_ABILITIES = {
    Permission.WITHDRAW_FUNDS: "withdraw",
    Permission.ADD_WITHDRAW_ADDRESS: "add withdrawal addresses",
    Permission.UPDATE_WITHDRAW_ADDRESS: "change withdrawal addresses",
    Permission.MODIFY_TRADES: "trade",
    Permission.CLOSE_TRADES: "cancel",
    Permission.EARN_FUNDS: "move funds into Earn",
    Permission.ADD_FUNDS: "make deposit addresses",
    Permission.CREATE_WS_TOKEN: "",
}
"""By permission, in order of harm; what is not among them only reads, and a WebSocket token adds no right."""
_READS = "read"
_HARM = tuple(dict.fromkeys(word for word in _ABILITIES.values() if word))
_LEVELS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("transfer", Access.FULL_ACCESS): ("withdraw",),
    ("transfer", Access.READ_ONLY): (_READS,),
    ("general", Access.FULL_ACCESS): ("trade", "cancel", "transfer between its own accounts"),
    ("general", Access.READ_ONLY): (_READS,),
}
_DENIED = ("trade", "withdraw")
"""What is said not to be possible, where it is not."""


def blast_of(type_name: str, account: str, values: Mapping[str, JsonValue]) -> Blast:
    """The blast radius of a key with these attributes.

    Args:
        type_name: Of the key.
        account: The name of its account.
        values: As a plan shows them; what is missing is not managed.
    """
    can = _spot(values) if type_name == SpotKey.type_name else _derivatives(values)
    networks = values.get("ip_allowlist")
    reach = _reach(networks)
    end = values.get("expires")
    until = date.fromisoformat(str(end)[:10]) if end else None
    lasts = f"until {until}" if until else "without an end"
    return Blast(
        can=can,
        account=account,
        reach=reach,
        until=until,
        text=f"{_sentence(can, account)}, {reach}, {lasts}{_denied(can)}",
        critical=can is None or not networks or can_move_funds(values),
    )


def _spot(values: Mapping[str, JsonValue]) -> tuple[str, ...] | None:
    held = values.get("permissions")
    if not isinstance(held, list):
        return None
    known = [_ABILITIES.get(Permission(p), _READS) if p in set(Permission) else f"use {p}" for p in held]
    return _by_harm(known)


def _derivatives(values: Mapping[str, JsonValue]) -> tuple[str, ...] | None:
    if values.get("general") is None or values.get("transfer") is None:
        return None
    return _by_harm(w for name in ("transfer", "general") for w in _LEVELS.get((name, str(values[name])), ()))


def _by_harm(words: Iterable[str]) -> tuple[str, ...]:
    """Without repeats, the worst first; unknown ones count as worst, reading as least."""
    found = {word for word in words if word}
    rank = {word: index for index, word in enumerate(("", *_HARM))} | {_READS: len(_HARM) + 2}
    return tuple(sorted(found, key=lambda word: (rank.get(word, 0 if word.startswith("use ") else 99), word)))


def _sentence(can: tuple[str, ...] | None, account: str) -> str:
    if can is None:
        return f"can do on {account} what is not declared"
    acts = [word for word in can if word != _READS]
    if not acts:
        return f"can only read {account}" if can else f"can do nothing on {account}"
    return f"can {_joined(acts, 'and')} on {account}"


def _denied(can: tuple[str, ...] | None) -> str:
    denied = [word for word in _DENIED if can is not None and word not in can]
    return f"; cannot {_joined(denied, 'or')}" if denied and can else ""


def _reach(networks: JsonValue) -> str:
    if networks is None:
        return "from where is not declared"
    listed = [parse_network(n) for n in networks] if isinstance(networks, list) else []
    size = shown_size(listed)
    if not listed:
        return "from anywhere in the world"
    return f"from {size} address{'' if size == '1' else 'es'}"


def _joined(words: list[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]
