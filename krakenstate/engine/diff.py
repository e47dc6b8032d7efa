"""Comparison: normalise, test equality, and describe what is left.

How this works: both sides become flat dictionaries of plain values, sets for what has no order. Where two
values mean the same although they are written differently (networks, expiry on a day), the observed one is
replaced by the declared one, so that equality is ordinary equality. Only what then differs meets deepdiff.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import JsonValue

from krakenstate.model.base import format_instant
from krakenstate.model.network import parse_network, same_addresses, shown_size, sort_networks
from krakenstate.model.plan import AttributeChange
from krakenstate.model.terms import KeyDescription, KeyTerms, falls_on

Values = dict[str, Any]


def terms_values(terms: KeyTerms) -> dict[str, JsonValue]:
    """The managed attributes of a key's terms, as JSON, under the names people see."""
    values: dict[str, JsonValue] = {}
    if terms.permissions is not None:
        values["permissions"] = list(terms.permissions)
    if terms.general is not None:
        values["general"] = terms.general.value
    if terms.transfer is not None:
        values["transfer"] = terms.transfer.value
    if terms.networks is not None:
        values["ip_allowlist"] = [str(n) for n in terms.networks]
    for name, day in _days(terms).items():
        if day is not None:
            values[name] = day.isoformat()
    if terms.nonce_window is not None:
        values["nonce_window"] = terms.nonce_window
    if terms.nonce_unit is not None:
        values["nonce_unit"] = terms.nonce_unit.value
    if terms.controls is not None:
        values["controls"] = terms.controls
    return values


def compare_terms(terms: KeyTerms, description: KeyDescription) -> list[AttributeChange]:
    """What must change on a key so that it becomes as declared; empty when it is.

    Before is what the key says, after what is declared. Attributes that are not managed are not compared.
    """
    if is_plainly_so(terms, description):
        return []
    declared: Values = {}
    found: Values = {}
    if terms.permissions is not None:
        declared["permissions"] = frozenset(terms.permissions)
        found["permissions"] = frozenset(description.permissions or ())
    if terms.general is not None:
        declared["general"], found["general"] = terms.general.value, description.general
    if terms.transfer is not None:
        declared["transfer"], found["transfer"] = terms.transfer.value, description.transfer
    if terms.networks is not None:
        declared["ip_allowlist"] = frozenset(str(n) for n in terms.networks)
        same = same_addresses(terms.networks, description.networks) and bool(terms.networks) == bool(
            description.networks
        )
        found["ip_allowlist"] = (
            declared["ip_allowlist"] if same else frozenset(str(n) for n in description.networks)
        )
    instants = {
        "expires": description.valid_until,
        "query_from": description.query_from,
        "query_to": description.query_to,
    }
    for name, day in _days(terms).items():
        if day is not None:
            declared[name] = day.isoformat()
            found[name] = _same_day(instants[name], day)
    if terms.nonce_window is not None:
        declared["nonce_window"], found["nonce_window"] = terms.nonce_window, description.nonce_window or 0
    return compare_values(found, declared)


def is_plainly_so(terms: KeyTerms, description: KeyDescription) -> bool:
    """Whether every managed attribute is the same as it stands, as it is of nearly every key.

    False says nothing: two lists may differ and mean the same. Nothing is made here, so that the keys that
    nothing is to do about, which are nearly all, cost 2 us each and not 15.
    """
    wanted, found = vars(terms), vars(description)  # an attribute of a model takes three times as long
    return (
        ((held := wanted["permissions"]) is None or held == found["permissions"])
        and ((general := wanted["general"]) is None or general == found["general"])
        and ((transfer := wanted["transfer"]) is None or transfer == found["transfer"])
        and ((networks := wanted["networks"]) is None or networks == found["networks"])
        and ((window := wanted["nonce_window"]) is None or window == found["nonce_window"])
        and ((day := wanted["expires"]) is None or _is_then(day, found["valid_until"]))
        and ((day := wanted["query_from"]) is None or _is_then(day, found["query_from"]))
        and ((day := wanted["query_to"]) is None or _is_then(day, found["query_to"]))
    )


def _is_then(day: date, instant: datetime | None) -> bool:
    return instant is not None and falls_on(instant, day)


def compare_descriptions(recorded: KeyDescription, observed: KeyDescription) -> list[AttributeChange]:
    """What somebody changed since a key was last recorded, managed or not."""
    if recorded is observed or recorded == observed:
        return []
    before, after = _described(recorded), _described(observed)
    if same_addresses(recorded.networks, observed.networks) and bool(recorded.networks) == bool(
        observed.networks
    ):
        after["ip_allowlist"] = before["ip_allowlist"]
    return compare_values(before, after)


def compare_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[AttributeChange]:
    """The differing attributes of two flat dictionaries, by name. Values are scalars or frozen sets."""
    if before == after:
        return []
    from deepdiff import DeepDiff  # noqa: PLC0415 - slow to import, and rarely needed

    difference = DeepDiff(dict(before), dict(after), view="tree", threshold_to_diff_deeper=0)
    names = {str(item.path(output_format="list")[0]) for group in difference.values() for item in group}
    return [_change(name, before.get(name), after.get(name)) for name in sorted(names)]


def _change(name: str, before: object, after: object) -> AttributeChange:
    if isinstance(before, frozenset) or isinstance(after, frozenset):
        old = before if isinstance(before, frozenset) else frozenset()
        new = after if isinstance(after, frozenset) else frozenset()
        return AttributeChange(
            name=name,
            before=None if before is None else _listed(name, old),
            after=None if after is None else _listed(name, new),
            added=tuple(_listed(name, new - old)),
            removed=tuple(_listed(name, old - new)),
            note=_network_note(old, new) if name == "ip_allowlist" else "",
        )
    return AttributeChange(name=name, before=_plain(before), after=_plain(after))


def _listed(name: str, values: frozenset[str]) -> list[Any]:
    if name == "ip_allowlist":
        return [str(n) for n in sort_networks(parse_network(v) for v in values)]
    return sorted(values)


def _network_note(before: frozenset[str], after: frozenset[str]) -> str:
    sizes = (shown_size(map(parse_network, values)) for values in (before, after))
    return f"{' -> '.join(sizes)} addresses"


def _plain(value: object) -> JsonValue:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _days(terms: KeyTerms) -> dict[str, date | None]:
    return {"expires": terms.expires, "query_from": terms.query_from, "query_to": terms.query_to}


def _same_day(instant: datetime | None, day: date) -> str | None:
    if instant is None:
        return None
    return day.isoformat() if falls_on(instant, day) else format_instant(instant)


def _described(description: KeyDescription) -> Values:
    values: Values = {"ip_allowlist": frozenset(str(n) for n in description.networks)}
    if description.permissions is not None:
        values["permissions"] = frozenset(description.permissions)
    for name in ("general", "transfer", "key_name", "nonce_window"):
        if getattr(description, name) is not None:
            values[name] = getattr(description, name)
    for name, instant in (
        ("expires", description.valid_until),
        ("query_from", description.query_from),
        ("query_to", description.query_to),
    ):
        if instant is not None:
            values[name] = format_instant(instant)
    return values
