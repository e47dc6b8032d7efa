"""Plain data from elsewhere, read with distrust: a child's report, or a file given as ``--desired``."""

import json
import re
from collections.abc import Sized
from typing import Any, Literal, NoReturn

from pydantic import Field, JsonValue, ValidationError

from krakenstate.errors import (
    DeclarationInvalid,
    FieldUnknown,
    KrakenstateError,
    StackResultInvalid,
)
from krakenstate.model.base import Model
from krakenstate.model.declarations import RESOURCE_TYPES
from krakenstate.model.desired import PlainDeclaration
from krakenstate.stack.text import clean

DEPTH_MAX = 12
VALUES_MAX = 4_000_000
"""Values in one document, so that few bytes of input cannot take all of this process's memory."""
RESOURCES_MAX = 400_000
"""Resources in one stack, so that few bytes of input cannot keep a pipeline busy: 100,000 keys have at most a
process, a grant and an account each."""
ITEMS_MAX = 10_000
"""Entries in one field, so that few declarations cannot keep a pipeline busy."""
INTEGER_MAX = 2**53 - 1
"""The largest integer that every reader of JSON understands alike."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")

_FIELDS = {cls.type_name: frozenset(cls.model_fields) - {"name"} for cls in RESOURCE_TYPES}


class ReportedSource(Model):
    """A line, as the child claims it."""

    file: str = Field(max_length=4096)
    line: int = Field(ge=1, le=10**7)


class ReportedProblem(Model):
    """A problem the child met."""

    code: str = Field(max_length=10)
    message: str = Field(max_length=4000)
    address: str | None = Field(default=None, max_length=200)
    source: ReportedSource | None = None


class ReportedStack(Model):
    """A ``Stack`` the file made; parts that were wrong are missing, and reported as problems."""

    name: str = Field(max_length=200)
    environment: dict[str, JsonValue] | None
    vault: dict[str, JsonValue] | None
    promotes_from: dict[str, JsonValue] | None = None
    limits: dict[str, JsonValue] | None
    thresholds: dict[str, JsonValue] | None
    source: ReportedSource | None


class ReportedExtra(Model):
    """An entry that is no resource."""

    kind: Literal["Moved", "Removed"]
    source: ReportedSource | None
    old: str = Field(default="", max_length=200)
    new: str = Field(default="", max_length=200)
    address: str = Field(default="", max_length=200)


ReportedResource = tuple[str, int, dict[str, Any]]
"""Type, number of the line among the report's lines, and the fields, its name among them."""


class Report(Model):
    """All a child says about the stack file that it ran. The first fault in a list ends the search."""

    finished: bool
    stacks: tuple[ReportedStack, ...] = Field(max_length=100)
    lines: tuple[ReportedSource | None, ...] = Field(max_length=100_000, fail_fast=True)
    resources: tuple[ReportedResource, ...] = Field(max_length=RESOURCES_MAX, fail_fast=True)
    placeholders: tuple[str, ...] = Field(max_length=100_000, fail_fast=True)
    extras: tuple[ReportedExtra, ...] = Field(max_length=10_000, fail_fast=True)
    problems: tuple[ReportedProblem, ...] = Field(max_length=10_000, fail_fast=True)


def parse_json(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object of bounded depth, in which no name stands twice.

    Args:
        data: Untrusted.
        what: How messages call it.

    Raises:
        StackResultInvalid: It is something else.
    """
    _refuse_many(data, what)
    try:
        value = json.loads(
            data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_doubles
        )
        if _HALF.search(data):  # half a character, which no file, terminal or forge can hold
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError, MemoryError):
        raise StackResultInvalid(f"{what} is not JSON of the expected form.") from None
    if not isinstance(value, dict) or not _is_shallow(value):
        raise StackResultInvalid(f"{what} is not a JSON object of the expected form.")
    return value


def parse_report(data: bytes | bytearray, what: str) -> Report:
    """A child's report. Unlike a file, which others read too, it may name a thing twice: the last counts.

    Raises:
        StackResultInvalid: It is not of the form the child writes.
    """
    _refuse_many(data, what)
    try:
        report = Report.model_validate_json(data)
    except ValidationError as invalid:
        if invalid.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise StackResultInvalid(f"{what} is not JSON of the expected form.") from None
        raise StackResultInvalid(f"{what} is wrong at {describe_place(invalid)}.") from None
    for number, (_, _, fields) in enumerate(report.resources):
        if not isinstance(fields.get("name"), str):
            raise StackResultInvalid(f"{what} is wrong at resources.{number} (it has no name).")
    return report


def _refuse_many(data: bytes | bytearray, what: str) -> None:
    if sum(map(data.count, (b",", b"[", b"{"))) > VALUES_MAX:
        raise StackResultInvalid(f"{what} holds more than {VALUES_MAX} values.")


def describe_place(invalid: ValidationError) -> str:
    """Where a model found the first fault, and what it was, without the input."""
    first = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return clean(f"{place or 'the top'} ({first['msg'].removeprefix('Value error, ')})", 200)


def admit(item: PlainDeclaration) -> list[KrakenstateError]:
    """What keeps a declaration out: unknown fields, numbers that are too large. Texts are made harmless."""
    known = _FIELDS.get(item.type, item.attributes.keys())
    problems: list[KrakenstateError] = []
    for field, value in item.attributes.items():
        if field not in known:
            text = f"{clean(item.address, 130)} has no field {clean(field, 60)}."
            problems.append(FieldUnknown(text, source=item.source))
            continue
        try:
            item.attributes[field] = _harmless(value)
        except ValueError as wrong:
            text = f"{clean(item.address, 130)}: field {clean(field, 60)}: {wrong}."
            problems.append(DeclarationInvalid(text, source=item.source))
    return problems


def _harmless(value: JsonValue, layers: int = DEPTH_MAX) -> JsonValue:
    """A value whose texts are safe to show.

    Raises:
        ValueError: It is too deep or too long, or a number in it is not one for all readers of JSON.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        _refuse_large(value, layers)
        return [_harmless(each, layers - 1) for each in value]
    if isinstance(value, dict):
        _refuse_large(value, layers)
        return {clean(key): _harmless(each, layers - 1) for key, each in value.items()}
    if not is_modest(value):
        raise ValueError("the number is too large")
    return value


def _refuse_large(value: Sized, layers: int) -> None:
    if not layers:
        raise ValueError(f"there are more than {DEPTH_MAX} layers")
    if len(value) > ITEMS_MAX:
        raise ValueError(f"{len(value)} entries are more than {ITEMS_MAX}")


def is_modest(value: JsonValue) -> bool:
    """Whether every number in it is one that all readers of JSON understand alike."""
    if isinstance(value, int | float):
        return abs(value) <= INTEGER_MAX
    if isinstance(value, list):
        return all(is_modest(each) for each in value)
    return not isinstance(value, dict) or all(is_modest(each) for each in value.values())


def _is_shallow(value: Any) -> bool:
    layer = [value]
    for _ in range(DEPTH_MAX):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return True
    return False


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: of two values for one, readers differ which they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
