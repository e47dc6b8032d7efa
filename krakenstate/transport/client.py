"""The one place that opens connections: one origin, one attempt, a bounded answer.

How this works: an ``HttpOrigin`` is made for scheme, host and port and cannot be made to ask anybody else. It
follows no redirect, uses no proxy or cookie, and never repeats a request: whoever signed it decides what an
unanswered one means. For that a failed connection says whether anything can have reached the other side. What
speaks HTTP is ``connections.py``, imported for the first request.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from krakenstate.errors import OriginRefused
from krakenstate.model.declarations import origin_of
from krakenstate.model.traffic import Meter, uncounted

if TYPE_CHECKING:
    from krakenstate.transport.attempt import Answer
    from krakenstate.transport.connections import Connections

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
TOTAL_TIMEOUT_S = 60.0
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_QUERY = re.compile(r"[A-Za-z0-9._~%&=+-]*")


class HttpOrigin:
    """HTTP to one origin. Making one opens no socket; it may be used from several threads.

    Args:
        origin: https, or http to loopback; scheme, host and port alone.
        user_agent: How this program names itself; Kraken's edge turns away who does not.
        connect_timeout_s: For the connection with its TLS handshake.
        read_timeout_s: For each pause while reading or writing.
        total_timeout_s: For the whole answer, however steadily it drips.
        meter: Counts each call, under its method and path.

    Raises:
        OriginRefused: The origin is of another kind.
    """

    def __init__(
        self,
        origin: str,
        *,
        user_agent: str,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        meter: Meter = uncounted,
    ) -> None:
        try:
            self.origin = origin_of(origin)
        except ValueError as problem:
            raise OriginRefused(f"This origin cannot be used: {problem}.") from None
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._total_timeout_s = total_timeout_s
        self._meter = meter
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._opening = threading.Lock()
        self._opened: Connections | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        afresh: bool = False,
    ) -> Answer:
        """One request, sent once.

        Args:
            method: The verb, in capitals.
            path: From the first slash on, without query.
            query: Already url-encoded, so that what is sent is what was signed.
            headers: Besides the client's own.
            content: The body.
            afresh: Over a connection that carried nothing before, so that no answer on it can be another's.

        Raises:
            ConnectionFailed: No connection, or no complete answer; says whether anything can have been sent.
            RedirectRefused: The answer sends elsewhere.
            AnswerUnreadable: The answer is too long, or compressed although that was declined.
            ValueError: Path or query is not of the form this program uses.
        """
        if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
            raise ValueError("not a path and query of this program's own making")
        connections = self._connections()
        with self._meter(method, path) as exchange:
            answer = connections.send(
                method, path, query=query, headers=headers, content=content, afresh=afresh
            )
            exchange.sent, exchange.received = len(content or b""), len(answer.body)
            return answer

    def close(self) -> None:
        """Closes what connections are open."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connections(self) -> Connections:
        with self._opening:
            if self._opened is None:
                from krakenstate.transport.connections import Connections  # noqa: PLC0415 - imports httpx

                self._opened = Connections(
                    self.origin,
                    self._headers,
                    connect_timeout_s=self._connect_timeout_s,
                    read_timeout_s=self._read_timeout_s,
                    total_timeout_s=self._total_timeout_s,
                )
            return self._opened
