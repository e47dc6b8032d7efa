"""What one attempt at a call came to: an answer, or a connection that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from krakenstate.errors import KrakenUnreachable

MAX_ANSWER_BYTES = 1024 * 1024


class ConnectionFailed(KrakenUnreachable):
    """No connection, or none that lasted until the answer was complete.

    Args:
        message: What happened.
        sent: Whether the request can have reached the other side. ``False`` is certain, ``True`` is not.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: never a redirect, never longer than ``MAX_ANSWER_BYTES``."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The declared media type without parameters, or an empty text."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()
