"""What keeps secrets out of every text: each is registered before its first use, each text scrubbed.

A value is found as it is, and as it looks percent-encoded, in base64, and inside JSON or Python text. What is
shorter than eight characters is not looked for: it would tear holes into innocent words.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from pydantic import SecretStr  # at run time every command would pay for importing pydantic

PLACEHOLDER = "(sensitive value)"
MIN_CHARACTERS = 8


class Redactor:
    """Knows secrets, and takes them out of texts. Safe to share between threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._by_head: dict[str, tuple[str, ...]] = {}
        self._registered: set[str] = set()

    def register(self, *values: SecretStr | str) -> None:
        """From now on these appear in no scrubbed text."""
        texts = {(v if isinstance(v, str) else v.get_secret_value()).strip() for v in values}
        new = texts - self._registered
        if not new:
            return
        found = {form for text in new for form in _forms(text) if len(form) >= MIN_CHARACTERS}
        found |= {_escapes_in_capitals(form) for form in found if "%" in form}
        with self._mutex:
            for form in found:
                head = form[:MIN_CHARACTERS]
                known = self._by_head.get(head, ())
                if form not in known:
                    self._by_head[head] = tuple(sorted({*known, form}, key=len, reverse=True))
            self._registered |= new

    def scrub(self, text: str) -> str:
        """The text with every registered value replaced by ``(sensitive value)``.

        Hex digits of percent-encoding are found in either case. What it costs grows with the text, and not
        with the number of values.
        """
        if not self._by_head:
            return text
        views = [text, _escapes_in_capitals(text)] if "%" in text else [text]
        kept: list[str] = []
        at = begin = 0
        while at <= len(text) - MIN_CHARACTERS:
            length = max(self._length_at(view, at) for view in views)
            if length:
                kept += [text[begin:at], PLACEHOLDER]
                begin = at + length
            at += length or 1
        return "".join([*kept, text[begin:]]) if kept else text

    def _length_at(self, text: str, at: int) -> int:
        """How long the registered value is that begins there; 0 if none does."""
        for form in self._by_head.get(text[at : at + MIN_CHARACTERS], ()):
            if text.startswith(form, at):
                return len(form)
        return 0


def _forms(text: str) -> Iterator[str]:
    """How a value can look in a text."""
    if len(text) < MIN_CHARACTERS:
        return
    yield text
    yield text.rstrip("=")
    yield from (quote(text), quote(text, safe=""), quote_plus(text))
    raw = text.encode("utf-8", "surrogatepass")
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    for ensure_ascii in (True, False):
        in_json = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield in_json
        yield in_json.replace("/", r"\/")
    yield repr(text)[1:-1]


def _escapes_in_capitals(text: str) -> str:
    """The same text, as long as before, with the hex digits of percent-encoding in capitals."""
    return re.sub(r"%[0-9A-Fa-f]{2}", lambda escape: escape[0].upper(), text)


class ScrubbingFormatter(logging.Formatter):
    """A log formatter whose output, tracebacks included, went through a redactor."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One line or more, without secrets."""
        return self._redactor.scrub(self._inner.format(record))


REDACTOR = Redactor()
"""The one of this process."""

register = REDACTOR.register
scrub = REDACTOR.scrub
