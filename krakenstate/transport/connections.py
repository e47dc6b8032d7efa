"""The connections to one origin: what lies below httpx, and the only module that imports it.

How this works: it is imported for runs that ask Kraken; importing httpx takes time that others can save. Of
httpx itself the trust store is used, of httpcore, which comes with it, the sockets; ``connection.py`` speaks
HTTP over them. The objects of both around that, made and thrown away for each call, took longer than all the
rest: 0.48 ms a call for httpx, 0.31 for httpcore, and a quarter less than that without, measured.

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

import h11
import httpcore
import httpx

from krakenstate.errors import AnswerUnreadable, KrakenError, RedirectRefused
from krakenstate.transport.attempt import MAX_ANSWER_BYTES, Answer, ConnectionFailed
from krakenstate.transport.connection import Connection

log = logging.getLogger("krakenstate.transport")
IDLE_S = 5.0
"""How long a connection is kept that nobody uses."""
_NOTHING_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout)
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
        self._origin = origin
        self._is_tls = parts.scheme == "https"
        self._host = (parts.hostname or "").encode("idna").decode("ascii")
        self._port = parts.port or (443 if self._is_tls else 80)
        self._headers = _wired({"Host": parts.netloc, **headers})
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._total_timeout_s = total_timeout_s
        self._idle: deque[tuple[Connection, float]] = deque()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str,
        headers: Mapping[str, str] | None,
        content: bytes | None,
        afresh: bool,
    ) -> Answer:
        """One request, sent once; afresh means over a connection that carried nothing before.

        Raises:
            ConnectionFailed, RedirectRefused, AnswerUnreadable: As ``HttpOrigin.request`` says.
        """
        failure: KrakenError
        try:
            head = self._made(method, f"{path}?{query}" if query else path, headers or {}, content)
            connection = (None if afresh else self._still_open()) or self._new()
            return self._exchange(connection, head, content or b"", f"{method} {path}")
        except (h11.LocalProtocolError, UnicodeError):
            failure = ConnectionFailed(self._say(method, path, "the request has no valid form"), sent=False)
        except (httpcore.TimeoutException, httpcore.NetworkError, h11.RemoteProtocolError) as problem:
            sent = not isinstance(problem, _NOTHING_SENT)
            failure = ConnectionFailed(self._say(method, path, _why(problem)), sent=sent)
        raise failure  # outside the handler, so that the library's exception is not even its context

    def close(self) -> None:
        """Closes what connections are open."""
        while self._idle:
            self._idle.pop()[0].close()

    def _made(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> h11.Request:
        wired = [*self._headers, *_wired(headers)]
        if content is not None or method not in _WITHOUT_CONTENT:
            wired.append((b"Content-Length", str(len(content or b"")).encode()))
        return h11.Request(method=method, target=target, headers=wired)

    def _exchange(self, connection: Connection, head: h11.Request, content: bytes, what: str) -> Answer:
        """One request and its answer; the connection is kept only if nothing can be left on it."""
        is_kept = False
        try:
            response = connection.ask(head, content)
            log.debug("%s at %s answered %s", what, self._origin, response.status_code)
            answer = self._read(connection, response, what)
            # Who refuses may not have read the content, and then takes it for a request of its own.
            is_kept = connection.ended_clean() and not (content and answer.status >= 400)
        finally:
            if is_kept:
                self._idle.append((connection, time.monotonic()))
            else:
                self._leave(connection)
        return answer

    def _still_open(self) -> Connection | None:
        """A connection that nobody uses; there are as many as were in use at once, one per lane.

        A pool that all lanes share looks at all of its connections for each call.
        """
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since <= IDLE_S and connection.is_quiet():
                return connection
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        log.debug("a connection to %s is not used again", self._origin)
        connection.close()

    def _new(self) -> Connection:
        stream = httpcore.SyncBackend().connect_tcp(self._host, self._port, self._connect_timeout_s)
        if self._is_tls:
            stream = stream.start_tls(_trusted_authorities(), self._host, self._connect_timeout_s)
        return Connection(stream, self._read_timeout_s, self._total_timeout_s)

    def _say(self, method: str, path: str, why: str) -> str:
        return f"{method} {path} at {self._origin}: {why}."

    def _read(self, connection: Connection, response: h11.Response, what: str) -> Answer:
        headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in response.headers}
        status = response.status_code
        if 300 <= status < 400:
            raise RedirectRefused(f"{what} at {self._origin} was answered with a redirect (HTTP {status}).")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerUnreadable(f"{what} at {self._origin}: the answer is compressed, which was declined.")
        body = bytearray()
        for chunk in connection.body():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise AnswerUnreadable(
                    f"{what} at {self._origin}: the answer is longer than {MAX_ANSWER_BYTES} bytes."
                )
        return Answer(status, headers, bytes(body))


def _wired(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), text.encode("ascii")) for name, text in headers.items()]


def _why(problem: Exception) -> str:
    """The kind of failure in words; the library's own text may quote the request."""
    for kind, words in (
        (httpcore.ConnectTimeout, "no connection within the time allowed"),
        (httpcore.ConnectError, "no connection"),
        (httpcore.TimeoutException, "no answer within the time allowed"),
        (h11.RemoteProtocolError, "the connection ended before the answer was complete"),
        (httpcore.NetworkError, "the connection broke"),
    ):
        if isinstance(problem, kind):
            return words
    return "the request could not be completed"


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """The usual certificate authorities; loading them takes a while, so it is done once."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context
