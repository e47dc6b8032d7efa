"""How answers are spelt: oddities that the published contract allows, or that clients of others prepare for.

A world speaks any of these dialects at once, in every answer until it is told otherwise. None changes what is
true; a client has to understand each, or to say that it does not.

    warnings            Spot: a warning beside a result, `WDatabase:No change`
    several-errors      a milder error stands before the real one, in `error` or in `errors`
    extra-fields        every object has a field nobody has heard of
    swapped-types       numbers come as texts, and texts that hold numbers come as numbers
    nulls               lists that are empty and numbers that are 0 come as null, and so does `lastUsed`
    nested-permissions  Derivatives: a key's levels stand one object deeper

Sources: docs.kraken.com `guides/general/errors` (categories W and E; several strings in one array),
`api-reference/account-data/get-api-key-info` (`lastUsed` may be null), the Fast API's `create-key` (numbers
or null); warnings and nesting as clients of others tolerate them (read August to October 2026).
"""

from collections.abc import Callable, Iterable
from typing import Any

from krakenstate.sim.world import Dialect

WARNING = "WDatabase:No change"
MILD_ERROR = "EGeneral:Invalid arguments"
MILD_WORD = "invalidArgument: remark"
UNKNOWN_FIELD = "fieldOfTomorrow"

Fields = dict[str, Any]
Change = Callable[[Fields], Fields]


def speak(dialects: Iterable[Dialect], body: Fields) -> Fields:
    """An answer's body in these dialects; the body given stays as it is."""
    for dialect in dialects:
        body = _SPEAKERS[dialect](body)
    return body


def _with_warning(body: Fields) -> Fields:
    return body | {"error": [WARNING]} if "result" in body and body.get("error") == [] else body


def _with_milder_error(body: Fields) -> Fields:
    if isinstance(body.get("error"), list) and body["error"]:
        return body | {"error": [MILD_ERROR, *body["error"]]}
    if isinstance(body.get("errors"), list):
        return body | {"errors": [{"code": 12, "message": MILD_WORD}, *body["errors"]]}
    return body


def _with_unknown_fields(body: Fields) -> Fields:
    return _in_every_object(body, lambda fields: fields | {UNKNOWN_FIELD: {"is": ["unknown", 1, None]}})


def _with_swapped_types(body: Fields) -> Fields:
    return _in_every_object(body, lambda fields: {name: _swapped(value) for name, value in fields.items()})


def _with_nulls(body: Fields) -> Fields:
    def empty(fields: Fields) -> Fields:
        return {
            name: None if name == "lastUsed" or _is_nothing(name, value) else value
            for name, value in fields.items()
        }

    return _in_every_object(body, empty)


def _with_nested_permissions(body: Fields) -> Fields:
    levels = body.get("permissions")
    return body | {"permissions": {"permissions": levels}} if isinstance(levels, dict) else body


def _swapped(value: Any) -> Any:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_nothing(name: str, value: Any) -> bool:
    """Empty or 0; an answer's own list of errors is its envelope and stays."""
    return name != "error" and not isinstance(value, bool) and value in ([], 0, "0")


def _in_every_object(body: Fields, change: Change) -> Fields:
    """The body with each object in it changed, the inner ones first."""

    def inside(value: Any) -> Any:
        if isinstance(value, list):
            return [inside(item) for item in value]
        return _in_every_object(value, change) if isinstance(value, dict) else value

    return change({name: inside(value) for name, value in body.items()})


_SPEAKERS: dict[Dialect, Change] = {
    "warnings": _with_warning,
    "several-errors": _with_milder_error,
    "extra-fields": _with_unknown_fields,
    "swapped-types": _with_swapped_types,
    "nulls": _with_nulls,
    "nested-permissions": _with_nested_permissions,
}
