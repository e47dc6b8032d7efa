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
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def register(self, *values: SecretStr | str) -> None:
        """From now on these appear in no scrubbed text."""
        texts = (v if isinstance(v, str) else v.get_secret_value() for v in values)
        found = {form for text in texts for form in _forms(text.strip()) if len(form) >= MIN_CHARACTERS}
        with self._mutex:
            if found <= self._forms:
                return
            self._forms |= found
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(map(_pattern_of, longest_first)))

    def scrub(self, text: str) -> str:
        """The text with every registered value replaced by ``(sensitive value)``."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(PLACEHOLDER, text)


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


def _pattern_of(form: str) -> str:
    """Matches the form; hex digits of percent-encoding in either case."""

    def either_case(match: re.Match[str]) -> str:
        return "%" + "".join(f"[{c}{c.lower()}]" if c.isalpha() else c for c in match[1])

    return re.sub(r"%([0-9A-F]{2})", either_case, re.escape(form))


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
