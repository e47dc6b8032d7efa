"""The connections to one origin: what lies below httpx, and the only module that imports it.

How this works: it is imported for runs that ask Kraken; importing httpx takes time that others can save. Of
httpx itself trust store and time limits are used; each request goes to a connection of httpcore, the part of
httpx that speaks HTTP. Its own objects around that, made and thrown away for each call, took as long as all
the rest: 0.48 ms a call instead of 0.31, measured.

Exceptions of the libraries hold the request with its signature, so they end here: ours carry neither headers
nor bodies, and no cause.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import deque
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

import httpcore
import httpx

from krakenstate.errors import AnswerUnreadable, KrakenError, RedirectRefused
from krakenstate.transport.attempt import MAX_ANSWER_BYTES, Answer, ConnectionFailed

log = logging.getLogger("krakenstate.transport")
IDLE_S = 5.0
"""How long a connection is kept that nobody uses."""
_NOTHING_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.UnsupportedProtocol)
_WITHOUT_CONTENT = frozenset({"GET", "DELETE"})
"""What is sent without saying how long its content is."""


class Connections:
    """Connections to one origin, opened as they are needed. May be used from several threads.

    Args:
        origin: Scheme, host and port, checked by ``HttpOrigin``.
        headers: Of every request.
        connect_timeout_s: For the connection with its TLS handshake.
        read_timeout_s: For each pause while reading or writing.
        total_timeout_s: For the whole answer.
    """

    def __init__(
        self,
        origin: str,
        headers: Mapping[str, str],
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        total_timeout_s: float,
    ) -> None:
        parts = urlsplit(origin)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._origin = origin
        self._address = httpcore.Origin(parts.scheme.encode(), (parts.hostname or "").encode("idna"), port)
        self._headers = _wired({"Host": parts.netloc, **headers})
        timeouts = httpx.Timeout(read_timeout_s, connect=connect_timeout_s).as_dict()
        self._extensions = {"timeout": timeouts}
        self._total_timeout_s = total_timeout_s
        self._idle: deque[httpcore.HTTPConnection] = deque()

    def send(
        self, method: str, path: str, *, query: str, headers: Mapping[str, str] | None, content: bytes | None
    ) -> Answer:
        """One request, sent once.

        Raises:
            ConnectionFailed, RedirectRefused, AnswerUnreadable: As ``HttpOrigin.request`` says.
        """
        failure: KrakenError
        try:
            request = self._made(method, f"{path}?{query}" if query else path, headers or {}, content)
            return self._exchange(request, f"{method} {path}")
        except (httpcore.LocalProtocolError, UnicodeError):
            failure = ConnectionFailed(self._say(method, path, "the request has no valid form"), sent=False)
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
        ) as problem:
            sent = not isinstance(problem, _NOTHING_SENT)
            failure = ConnectionFailed(self._say(method, path, _why(problem)), sent=sent)
        raise failure  # outside the handler, so that the library's exception is not even its context

    def close(self) -> None:
        """Closes what connections are open."""
        while self._idle:
            self._idle.pop().close()

    def _made(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpcore.Request:
        wired = [*self._headers, *_wired(headers)]
        if content is not None or method not in _WITHOUT_CONTENT:
            wired.append((b"Content-Length", str(len(content or b"")).encode()))
        address = self._address
        url = httpcore.URL(
            scheme=address.scheme, host=address.host, port=address.port, target=target.encode("ascii")
        )
        return httpcore.Request(
            method, url, headers=wired, content=content or b"", extensions=self._extensions
        )

    def _exchange(self, request: httpcore.Request, what: str) -> Answer:
        """Over a connection that nobody uses; there are as many as were in use at once, one per lane.

        A pool that all lanes share looks at all of its connections for each call.
        """
        connection = self._still_open() or self._new()
        try:
            response = connection.handle_request(request)
            try:
                log.debug("%s at %s answered %s", what, self._origin, response.status)
                return self._read(response, what)
            finally:
                response.close()
        finally:
            self._idle.append(connection)

    def _still_open(self) -> httpcore.HTTPConnection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_idle() and not connection.has_expired():
                return connection
            connection.close()

    def _new(self) -> httpcore.HTTPConnection:
        is_tls = self._address.scheme == b"https"
        return httpcore.HTTPConnection(
            self._address, _trusted_authorities() if is_tls else None, keepalive_expiry=IDLE_S
        )

    def _say(self, method: str, path: str, why: str) -> str:
        return f"{method} {path} at {self._origin}: {why}."

    def _read(self, response: httpcore.Response, what: str) -> Answer:
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in response.headers}
        if 300 <= response.status < 400:
            raise RedirectRefused(
                f"{what} at {self._origin} was answered with a redirect (HTTP {response.status})."
            )
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerUnreadable(f"{what} at {self._origin}: the answer is compressed, which was declined.")
        deadline = time.monotonic() + self._total_timeout_s
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise AnswerUnreadable(
                    f"{what} at {self._origin}: the answer is longer than {MAX_ANSWER_BYTES} bytes."
                )
            if time.monotonic() > deadline:
                raise ConnectionFailed(
                    f"{what} at {self._origin}: the answer did not end within {self._total_timeout_s:g} s.",
                    sent=True,
                )
        return Answer(response.status, headers, bytes(body))


def _wired(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), text.encode("ascii")) for name, text in headers.items()]


def _why(problem: Exception) -> str:
    """The kind of failure in words; the library's own text may quote the request."""
    for kind, words in (
        (httpcore.ConnectTimeout, "no connection within the time allowed"),
        (httpcore.ConnectError, "no connection"),
        (httpcore.TimeoutException, "no answer within the time allowed"),
        (httpcore.RemoteProtocolError, "the connection ended before the answer was complete"),
        (httpcore.NetworkError, "the connection broke"),
    ):
        if isinstance(problem, kind):
            return words
    return "the request could not be completed"


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """The usual certificate authorities; loading them takes a while, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)
