"""Reading answers: JSON objects, or an error that never quotes them."""

from __future__ import annotations

import json
from typing import Any

from krakenstate.errors import AnswerUnreadable
from krakenstate.transport.attempt import Answer
from krakenstate.transport.text import clean_text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""One for all: ``json.loads`` would make another for each answer, which takes as long as reading it."""


def parse_json(answer: Answer) -> dict[str, Any]:
    """The answer's JSON object.

    Raises:
        AnswerUnreadable: HTML, truncated or invalid JSON, or another value than an object. Names status and
            content type; the body stays out, since it may quote what was sent.
    """
    found: object = None
    try:
        found = _DECODER.decode(answer.body.decode("utf-8-sig"))
        what = "no JSON object"
    except (ValueError, RecursionError):
        what = "no valid JSON"
    if isinstance(found, dict):
        return found
    kind = clean_text(answer.content_type, 60) or "no content type"
    raise AnswerUnreadable(f"The answer (HTTP {answer.status}, {kind}, {len(answer.body)} bytes) is {what}.")
