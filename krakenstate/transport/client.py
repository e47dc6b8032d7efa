"""The one place that opens connections: one origin, one attempt, a bounded answer.

How this works: an ``HttpOrigin`` is made for scheme, host and port and cannot be made to ask anybody else. It
follows no redirect, uses no proxy or cookie, and never repeats a request: whoever signed it decides what an
unanswered one means. For that a failed connection says whether anything can have reached the other side.
Exceptions of the library below hold the request with its signature, so they end here: ours carry neither
headers nor bodies, and no cause.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Self

import httpx

from krakenstate.errors import (
    AnswerUnreadable,
    KrakenError,
    KrakenUnreachable,
    OriginRefused,
    RedirectRefused,
)
from krakenstate.model.declarations import origin_of
from krakenstate.model.traffic import Meter, uncounted

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
TOTAL_TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 1024 * 1024

log = logging.getLogger("krakenstate.transport")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_QUERY = re.compile(r"[A-Za-z0-9._~%&=+-]*")
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


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
        self._total_timeout_s = total_timeout_s
        self._meter = meter
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._timeouts = httpx.Timeout(read_timeout_s, connect=connect_timeout_s).as_dict()
        self._idle: deque[httpx.HTTPTransport] = deque()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """One request, sent once.

        Args:
            method: The verb, in capitals.
            path: From the first slash on, without query.
            query: Already url-encoded, so that what is sent is what was signed.
            headers: Besides the client's own.
            content: The body.

        Raises:
            ConnectionFailed: No connection, or no complete answer; says whether anything can have been sent.
            RedirectRefused: The answer sends elsewhere.
            AnswerUnreadable: The answer is too long, or compressed although that was declined.
            ValueError: Path or query is not of the form this program uses.
        """
        if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
            raise ValueError("not a path and query of this program's own making")
        url = f"{self.origin}{path}" + (f"?{query}" if query else "")
        failure: KrakenError
        try:
            with (
                self._meter(method, path) as exchange,
                self._borrowed() as transport,
                closing(transport.handle_request(self._made(method, url, headers, content))) as response,
            ):
                log.debug("%s %s%s answered %s", method, self.origin, path, response.status_code)
                answer = self._read(response, f"{method} {path}")
                exchange.sent, exchange.received = len(content or b""), len(answer.body)
                return answer
        except httpx.LocalProtocolError:
            failure = ConnectionFailed(self._say(method, path, "the request has no valid form"), sent=False)
        except httpx.HTTPError as problem:
            sent = not isinstance(problem, _NOTHING_SENT)
            failure = ConnectionFailed(self._say(method, path, _why(problem)), sent=sent)
        raise failure  # outside the handler, so that the library's exception is not even its context

    def close(self) -> None:
        """Closes what connections are open."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _made(
        self, method: str, url: str, headers: Mapping[str, str] | None, content: bytes | None
    ) -> httpx.Request:
        return httpx.Request(
            method,
            _parsed(url),
            headers={**self._headers, **(headers or {})},
            content=content,
            extensions={"timeout": self._timeouts},
        )

    @contextmanager
    def _borrowed(self) -> Iterator[httpx.HTTPTransport]:
        """A transport that nobody uses. There are as many as there were calls at the same time, one per lane.

        A pool that all lanes share looks at all of its connections for each call. A client around it would
        merge settings, cookies, redirects and logins into each request, of which there are none here.
        """
        try:
            transport = self._idle.pop()
        except IndexError:
            is_tls = self.origin.startswith("https:")
            transport = httpx.HTTPTransport(
                verify=_trusted_authorities() if is_tls else _no_authorities(), trust_env=False
            )
        try:
            yield transport
        finally:
            self._idle.append(transport)

    def _say(self, method: str, path: str, why: str) -> str:
        return f"{method} {path} at {self.origin}: {why}."

    def _read(self, response: httpx.Response, what: str) -> Answer:
        if 300 <= response.status_code < 400:
            raise RedirectRefused(
                f"{what} at {self.origin} was answered with a redirect (HTTP {response.status_code})."
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerUnreadable(f"{what} at {self.origin}: the answer is compressed, which was declined.")
        deadline = time.monotonic() + self._total_timeout_s
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise AnswerUnreadable(
                    f"{what} at {self.origin}: the answer is longer than {MAX_ANSWER_BYTES} bytes."
                )
            if time.monotonic() > deadline:
                raise ConnectionFailed(
                    f"{what} at {self.origin}: the answer did not end within {self._total_timeout_s:g} s.",
                    sent=True,
                )
        return Answer(response.status_code, dict(response.headers), bytes(body))


def _why(problem: httpx.HTTPError) -> str:
    """The kind of failure in words; the library's own text may quote the request."""
    for kind, words in (
        (httpx.ConnectTimeout, "no connection within the time allowed"),
        (httpx.ConnectError, "no connection"),
        (httpx.PoolTimeout, "no free connection"),
        (httpx.TimeoutException, "no answer within the time allowed"),
        (httpx.RemoteProtocolError, "the connection ended before the answer was complete"),
        (httpx.NetworkError, "the connection broke"),
    ):
        if isinstance(problem, kind):
            return words
    return "the request could not be completed"


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    """The same few are asked again and again, key after key."""
    return httpx.URL(url)


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """The usual certificate authorities; loading them takes a while, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


@cache
def _no_authorities() -> ssl.SSLContext:
    """Trusts nobody: plain http to loopback needs no certificates, and nothing else gets here."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
