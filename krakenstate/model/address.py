"""Addresses: ``type.name``, unique in a stack, the sort key everywhere."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from krakenstate.errors import AddressUnknown

NAME_PATTERN = r"[a-z][a-z0-9_-]*"
NAME_MAX = 63
_ADDRESS = re.compile(rf"[a-z][a-z0-9_]*\.{NAME_PATTERN}")


class Address(str):
    """A ``type.name`` text that knows its two halves.

    Raises:
        AddressUnknown: The text has another form.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Address:
        if isinstance(text, Address):
            return text
        try:
            return _known[text]
        except ValueError as problem:
            raise AddressUnknown(f"{problem}.") from None

    @classmethod
    def of(cls, type_: str, name: str) -> Address:
        """The address of a resource of this type and name."""
        return cls(f"{type_}.{name}")

    @property
    def type(self) -> str:
        """The resource type, in snake case."""
        return self.partition(".")[0]

    @property
    def name(self) -> str:
        """The name within the type."""
        return self.partition(".")[2]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(  # straight to what is known: no step of Python's
            _known.__getitem__, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )


class _Known(dict[str, Address]):
    """Addresses by their text: each stands in a dozen places of a run, is looked at once, and kept once.

    An address is its own text, so nothing is kept beside it: functools' takes 3 MiB more at 10,000 keys.
    """

    def __missing__(self, text: str) -> Address:
        if not _ADDRESS.fullmatch(text) or len(text.partition(".")[2]) > NAME_MAX:
            raise ValueError(f'"{text[:100]}" is not of the form type.name')
        if len(self) >= _KNOWN_MAX:
            self.clear()
        made = str.__new__(Address, text)
        self[made] = made
        return made


_KNOWN_MAX = 1_000_000
_known = _Known()
