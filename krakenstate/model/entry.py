"""What every declaration has in common: its line, its address, and how a wrong field becomes a message.

How this works: a stack file should be read to its end even when one declaration is wrong, so that all
problems are reported together. While a collector is set (only the process that runs a stack file sets one), a
wrong declaration reports its problems there and a placeholder takes its place, so that what refers to it
still works. Without a collector, as in an interactive session, the first problem is raised.
"""

import difflib
import linecache
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from operator import itemgetter
from types import CodeType, FrameType
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, ValidationError
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from krakenstate.errors import (
    CallsExceedRights,
    CallUnknown,
    DeclarationInvalid,
    FieldUnknown,
    HostBitsSet,
    IibanInvalid,
    KrakenstateError,
    NameInvalid,
    PermissionUnknown,
    ProcessShared,
    Source,
)
from krakenstate.model.address import NAME_MAX, NAME_PATTERN, Address
from krakenstate.model.base import Model
from krakenstate.model.calls import TooLittle, UnknownCall
from krakenstate.model.identity import BadIiban
from krakenstate.model.network import HostBits

KEY_NAME_MAX = 26
"""So that ``<name>-g<generation>`` stays within the 32 characters a key's name may have at Kraken."""

_INSIDE = frozenset({"krakenstate", "pydantic"})
_NAME = re.compile(NAME_PATTERN)
_SHOWN_INPUT_MAX = 60


class BadName(ValueError):
    """A name has a form that works nowhere."""


class SharedProcess(ValueError):
    """More than one process was given."""


def check_name(name: str, longest: int = NAME_MAX) -> str:
    """The name itself.

    Raises:
        BadName: It does not match ``[a-z][a-z0-9_-]*``, or is longer than ``longest``.
    """
    if not _NAME.fullmatch(name):
        raise BadName(f'"{name[:_SHOWN_INPUT_MAX]}" does not match {NAME_PATTERN}')
    if len(name) > longest:
        raise BadName(f'"{name[:_SHOWN_INPUT_MAX]}" has {len(name)} characters; at most {longest} fit')
    return name


Name = Annotated[str, AfterValidator(check_name)]
KeyName = Annotated[str, AfterValidator(lambda name: check_name(name, KEY_NAME_MAX))]


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a field that holds another declaration, or several; as plain data it is their addresses."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_addresses = core_schema.plain_serializer_function_ser_schema(_refer)
        return {**handler(source), "serialization": as_addresses}


def _refer(value: "Declaration | tuple[Declaration, ...] | None") -> str | list[str] | None:
    if isinstance(value, tuple):
        return [reference_to(each) for each in value]
    return reference_to(value) if isinstance(value, Declaration) else None


def reference_to(declaration: "Declaration") -> str:
    """The address as text, without insisting on its form: a placeholder may have any name or none."""
    name = getattr(declaration, "name", None)
    return f"{declaration.type_name}.{name if isinstance(name, str) else '?'}"


class Collector:
    """Takes the problems of wrong declarations, so that the stack file can go on."""

    def __init__(self) -> None:
        self.problems: list[KrakenstateError] = []
        self.placeholders: list[Entry] = []
        self.made: list[Entry] = []


collecting: ContextVar[Collector | None] = ContextVar("collecting", default=None)


def locate(frame: FrameType | None) -> Source | None:
    """The innermost line outside krakenstate and pydantic, seen from a frame."""
    while frame is not None:
        if not _is_inside(str(frame.f_globals.get("__name__", ""))):
            return _source_at(frame.f_code.co_filename, _line_of(frame))
        frame = frame.f_back
    return None


def _line_of(frame: FrameType) -> int:
    """The line that a frame is at; Python counts through the whole of a long file for each one."""
    code = frame.f_code
    if len(code.co_linetable) < _LONG:
        return frame.f_lineno
    if id(code) not in _line_starts:
        starts = [(start, line) for start, _, line in code.co_lines() if line is not None]
        _line_starts[id(code)] = (code, starts)
    starts = _line_starts[id(code)][1]
    return starts[bisect_right(starts, frame.f_lasti, key=itemgetter(0)) - 1][1]


_LONG = 2048
_line_starts: dict[int, tuple[CodeType, list[tuple[int, int]]]] = {}
"""By the ``id`` of a code object, which is kept: where in it each of its lines starts."""


@cache  # thousands of declarations come from a handful of modules and lines
def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE


@cache
def _source_at(file: str, line: int) -> Source:
    return Source(file, line, linecache.getline(file, line).strip()[:120])


class _EntryType(ModelMetaclass):
    """Gives each new declaration its line, and hands its problems to the collector."""

    __instancecheck__ = type.__instancecheck__
    """Without pydantic's search for classes registered elsewhere, which would be made for each reference."""

    def __call__(cls, /, *args: Any, **fields: Any) -> Any:  # noqa: N805 - the methods of a metaclass see classes
        source, collector = locate(sys._getframe(1)), collecting.get()
        try:
            if args:
                raise TypeError(f"{cls.__name__} takes its fields by name, such as name=...")
            entry = cls.model_validate(fields)  # type: ignore[attr-defined]  # twice as fast as its __init__
        except ValidationError as invalid:
            problems = problems_of(cls, fields, invalid, source)
            if collector is None:
                raise problems[0] from None
            collector.problems.extend(problems)
            known = cls.model_fields  # type: ignore[attr-defined]  # cls is a model class
            entry = cls.model_construct(  # type: ignore[attr-defined]
                **{field: value for field, value in fields.items() if field in known}
            )
            collector.placeholders.append(entry)
        if collector is not None:
            collector.made.append(entry)
        vars(entry)[_SOURCE] = source
        return entry


_SOURCE = "_source"
"""Where an entry keeps its line: beside its fields, and no part of what it equals.

A private attribute of pydantic's would be a dictionary for each entry, and two calls to make it.
"""


class Entry(Model, metaclass=_EntryType):
    """Anything ``stack.add()`` takes. The line it was declared on is no trait of it."""

    @property
    def source(self) -> Source | None:
        """The line it was declared on, or ``None`` for one that was read from a file."""
        return vars(self).get(_SOURCE)

    def with_source(self, source: Source | None) -> Self:
        """Itself, with the line a rendered stack gives for it."""
        vars(self)[_SOURCE] = source
        return self


class Part(Entry):
    """A value inside a declaration, checked like one, never added by itself."""

    def __hash__(self) -> int:
        return hash(type(self))


class Waiver(Model):
    """A rule of the policy that a declaration need not keep, up to and including a day.

    ``owner`` is whoever answers for it.
    """

    rule: str = Field(min_length=1, max_length=120)
    owner: str = Field(min_length=1, max_length=100)
    reason: str = Field(min_length=1, max_length=500)
    until: date


class Declaration(Entry):
    """One resource of a stack."""

    type_name: ClassVar[str] = ""
    later: ClassVar[tuple[str, ...]] = ()
    """Fields that are part of the language but not honoured by this version: refused when set."""

    name: Name
    protect: bool = False
    observe_only: bool = False
    waivers: tuple[Waiver, ...] = ()

    @cached_property
    def address(self) -> Address:
        """``type.name``."""
        return Address.of(self.type_name, self.name)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, unchecked; what was derived from them is made anew."""
        copied = super().model_copy(update=update, deep=deep)
        fields = type(self).model_fields
        for derived in [name for name in vars(copied) if name not in fields and name != _SOURCE]:
            del vars(copied)[derived]
        return copied


def problems_of(
    cls: type, fields: Mapping[str, Any], invalid: ValidationError, source: Source | None
) -> list[KrakenstateError]:
    """What is wrong with the fields given for a declaration, each in the words of whoever wrote them."""
    return [_explain(cls, fields, error, source) for error in invalid.errors(include_url=False)]


def _explain(
    cls: type, fields: Mapping[str, Any], error: ErrorDetails, source: Source | None
) -> KrakenstateError:
    """One validation error as a problem with a code, without repeating more of the input than it must."""
    where = [str(part) for part in error["loc"] if not str(part).startswith("function-")]
    field = where[0] if where else ""
    name = fields.get("name")
    label = f'{cls.__name__}(name="{name}")' if isinstance(name, str) else cls.__name__
    cause = error.get("ctx", {}).get("error")
    shown = error["input"] if isinstance(error["input"], str) else None
    known: list[str]
    match cause:
        case HostBits():
            return HostBitsSet(f"{label}: {cause}.", source=source)
        case BadIiban():
            return IibanInvalid(f"{label}: the field {field} is no IIBAN; {cause}.", source=source)
        case BadName():
            return NameInvalid(f"{label}: {cause}.", source=source)
        case UnknownCall():
            text = str(cause)
            return CallUnknown(f"{label}: {text}{'' if text.endswith('?') else '.'}", source=source)
        case TooLittle():
            return CallsExceedRights(f"{label}: {cause}.", source=source)
        case SharedProcess():
            return ProcessShared(
                f"{label}: {cause}. Each process has its own nonce sequence; on a shared key one stops the "
                "other.",
                source=source,
            )
        case ValueError():
            return DeclarationInvalid(f"{label}: field {field}: {cause}.", source=source)
        case _:
            pass
    if error["type"] == "extra_forbidden":
        known = list(cls.model_fields)  # type: ignore[attr-defined]  # cls is a model class
        return FieldUnknown(f"{label} has no field {field}.{suggest(field, known)}", source=source)
    if error["type"] == "enum" and field == "permissions":
        known = [word.strip(" '") for word in re.split(r",| or ", error["ctx"]["expected"])]
        word = f'"{shown[:_SHOWN_INPUT_MAX]}"' if shown else "a value given"
        return PermissionUnknown(
            f"{label}: {word} is not one of Kraken's permissions.{suggest(shown or '', known)}",
            source=source,
        )
    if error["type"] == "missing":
        return DeclarationInvalid(f"{label}: field {field} is missing.", source=source)
    told = _TAKES.get(error["type"])
    reason = f"takes {told}" if told else error["msg"][0].lower() + error["msg"][1:]
    return DeclarationInvalid(f"{label}: field {field}: {reason}.", source=source)


_SEVERAL = "several values, in brackets: [...]"
_DAY = "a day, such as date(2027, 6, 30)"
_SPAN = "a time span, such as timedelta(days=90)"
_TAKES = {
    "tuple_type": _SEVERAL,
    "list_type": _SEVERAL,
    "set_type": _SEVERAL,
    "frozen_set_type": _SEVERAL,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "time_delta_type": _SPAN,
    "time_delta_parsing": _SPAN,
    "string_type": "a text, in quotation marks",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "True or False",
    "bool_parsing": "True or False",
}
"""What a field takes, by pydantic's word for what it was not given."""


def suggest(word: str, known: Iterable[str]) -> str:
    """A question at the end of a message, if one of the known words is near; else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
