"""Single fields of an answer, read strictly: what is missing or odd is named, never taken for empty.

A key that is read as open, unlimited or without rights because a field was absent would be a wrong fact, so
everything that is compared goes through these functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from krakenstate.errors import AnswerUnreadable
from krakenstate.model.identity import BadIiban, normalise_iiban
from krakenstate.model.network import IPNetwork, parse_network, sort_networks
from krakenstate.transport.text import clean_text

_NAME_MAX = 200


class FieldReader:
    """One JSON object and how to speak of it.

    Args:
        fields: The object.
        call: The call it answers, for messages.
    """

    def __init__(self, fields: Mapping[str, Any], call: str) -> None:
        self._fields = fields
        self._call = call

    def has(self, name: str) -> bool:
        """Whether the field is there, null included."""
        return name in self._fields

    def value(self, name: str) -> Any:
        """What the field holds, ``None`` included.

        Raises:
            AnswerUnreadable: The field is missing.
        """
        if name not in self._fields:
            raise self.unreadable(name, "is missing")
        return self._fields[name]

    def text(self, name: str) -> str:
        """A text, on one line.

        Raises:
            AnswerUnreadable: It is missing or no text.
        """
        found = self.value(name)
        if not isinstance(found, str):
            raise self.unreadable(name, "is no text")
        return clean_text(found, _NAME_MAX)

    def texts(self, name: str) -> list[str]:
        """A list of texts, as they came.

        Raises:
            AnswerUnreadable: It is missing, null, no list, or holds something else.
        """
        found = self.value(name)
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self.unreadable(name, "is no list of texts")
        return found

    def number(self, name: str) -> int:
        """A whole number that is not negative, as number or text; null is 0.

        Raises:
            AnswerUnreadable: It is missing or something else.
        """
        found = self.value(name)
        if found is None:
            return 0
        if isinstance(found, str) and found.strip().isascii() and found.strip().isdigit():
            found = int(found) if len(found) <= 40 else None
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise self.unreadable(name, "is no whole number")
        return found

    def instant(self, name: str) -> datetime | None:
        """Unix seconds as an instant; 0 and null are ``None``, not set.

        Raises:
            AnswerUnreadable: It is missing or something else.
        """
        seconds = self.number(name)
        try:
            return datetime.fromtimestamp(seconds, UTC) if seconds else None
        except (OverflowError, OSError, ValueError):
            raise self.unreadable(name, "is no instant") from None

    def optional_number(self, name: str) -> int | None:
        """A number that is only shown, never compared: ``None`` when it is absent or odd."""
        try:
            return None if self._fields.get(name) is None else self.number(name)
        except AnswerUnreadable:
            return None

    def optional_instant(self, name: str) -> datetime | None:
        """An instant that is only shown, never compared: ``None`` when it is absent or odd."""
        try:
            return self.instant(name)
        except AnswerUnreadable:
            return None

    def iiban(self, name: str) -> str:
        """The account's IIBAN in Kraken's spelling.

        Raises:
            AnswerUnreadable: It is missing or of another form.
        """
        try:
            return normalise_iiban(self.text(name))
        except BadIiban:
            raise self.unreadable(name, "is no IIBAN") from None

    def uid(self, name: str) -> str:
        """An account's UUID, in lower case.

        Raises:
            AnswerUnreadable: It is missing or of another form.
        """
        try:
            return str(UUID(self.text(name)))
        except ValueError:
            raise self.unreadable(name, "is no account uid") from None

    def networks(self, name: str, texts: Iterable[str]) -> tuple[IPNetwork, ...]:
        """Networks from Kraken's notation.

        Raises:
            AnswerUnreadable: One of them is none; it is quoted, since what it means is for a person to say.
        """
        out = []
        for text in texts:
            try:
                out.append(parse_network(text.replace("%", "?")))  # no zones: an allowlist has none
            except ValueError as problem:
                shown = clean_text(problem)
                raise self.unreadable(name, f"holds a network that cannot be read: {shown}") from None
        return sort_networks(out)

    def expect_public_half(self, name: str, public: str) -> None:
        """Makes sure that the answer describes the key that asked.

        Raises:
            AnswerUnreadable: It describes another one, or none.
        """
        if self.value(name) != public:
            raise self.unreadable(name, "is not the key that asked")

    def unreadable(self, name: str, why: str) -> AnswerUnreadable:
        """The error that names a field."""
        return AnswerUnreadable(f"In the answer to {self._call} the field {name} {why}.")
