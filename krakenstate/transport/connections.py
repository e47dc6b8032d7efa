"""The connections to one origin: sockets that are kept open, and h11, which writes and reads HTTP.

How this works: a request borrows a connection that nobody uses, so there are as many as there were requests
at the same time, one per lane. It is sent once, in one piece. What its bytes are, what those of the answer
mean, and whether the connection can be used again, is h11's to say. httpx and httpcore rest on it too; what
they make around it for each call, and throw away, took 0.1 ms of the 0.25 that its HTTP took, measured.

Exceptions of what lies below hold the request with its signature, so they end here: ours carry neither
headers nor bodies, and no cause.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

import certifi
import h11

from krakenstate.errors import AnswerUnreadable, KrakenError, RedirectRefused
from krakenstate.transport.attempt import MAX_ANSWER_BYTES, Answer, ConnectionFailed

log = logging.getLogger("krakenstate.transport")
IDLE_S = 5.0
"""How long a connection is kept that nobody uses."""
MAX_HEAD_BYTES = 100 * 1024
"""Of an answer's status and headers together."""
_CHUNK_BYTES = 64 * 1024
_WITHOUT_CONTENT = frozenset({"GET", "DELETE"})
"""What is sent without saying how long its content is."""


class Connections:
    """Connections to one origin, opened as they are needed. May be used from several threads.

    Args:
        origin: Scheme, host and port, checked by ``HttpOrigin``.
        headers: Of every request.
        connect_timeout_s: For the connection, and again for its TLS handshake.
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
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._is_tls else 80)
        self._headers = _wired({"Host": parts.netloc, **headers})
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._total_timeout_s = total_timeout_s
        self._idle: deque[_Connection] = deque()

    def send(
        self, method: str, path: str, *, query: str, headers: Mapping[str, str] | None, content: bytes | None
    ) -> Answer:
        """One request, sent once.

        Raises:
            ConnectionFailed, RedirectRefused, AnswerUnreadable: As ``HttpOrigin.request`` says.
        """
        what, is_sent = f"{method} {path} at {self._origin}", False
        failure: KrakenError
        try:
            request = self._made(method, f"{path}?{query}" if query else path, headers or {}, content)
            connection = self._still_open() or self._opened()
            is_sent = True  # from here on nobody can say that nothing was
            return self._exchange(connection, request, content, what)
        except (h11.LocalProtocolError, UnicodeError):
            failure = ConnectionFailed(f"{what}: the request has no valid form.", sent=is_sent)
        except (OSError, h11.RemoteProtocolError) as problem:
            why = _why_unanswered(problem) if is_sent else _why_unconnected(problem)
            failure = ConnectionFailed(f"{what}: {why}.", sent=is_sent)
        raise failure  # outside the handler, so that the library's exception is not even its context

    def close(self) -> None:
        """Closes what connections are open."""
        while self._idle:
            self._idle.pop().close()

    def _made(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> h11.Request:
        wired = [*self._headers, *_wired(headers)]
        if content is not None or method not in _WITHOUT_CONTENT:
            wired.append((b"Content-Length", str(len(content or b"")).encode()))
        return h11.Request(method=method, target=target, headers=wired)

    def _exchange(
        self, connection: _Connection, request: h11.Request, content: bytes | None, what: str
    ) -> Answer:
        """The answer to a request; the connection is kept if another one can follow."""
        try:
            connection.send(request, content)
            answer = self._read(connection, what)
            log.debug("%s answered %s", what, answer.status)
        except BaseException:
            connection.close()
            raise
        if connection.is_ready_again():
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _still_open(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_awake():
                return connection
            connection.close()

    def _opened(self) -> _Connection:
        opened = socket.create_connection((self._host, self._port), self._connect_timeout_s)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_tls:
                opened = _trusted_authorities().wrap_socket(opened, server_hostname=self._host)
            opened.settimeout(self._read_timeout_s)
        except BaseException:
            opened.close()
            raise
        return _Connection(opened)

    def _read(self, connection: _Connection, what: str) -> Answer:
        """The answer that a connection brings, within the time and the size allowed."""
        deadline = time.monotonic() + self._total_timeout_s
        status, headers, body = 0, dict[str, str](), bytearray()
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in event.headers}
                if 300 <= status < 400:
                    raise RedirectRefused(f"{what} was answered with a redirect (HTTP {status}).")
                if headers.get("content-encoding", "identity").lower() != "identity":
                    raise AnswerUnreadable(f"{what}: the answer is compressed, which was declined.")
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerUnreadable(f"{what}: the answer is longer than {MAX_ANSWER_BYTES} bytes.")
            elif not isinstance(event, h11.Event):  # but a sign that more must come first
                if time.monotonic() > deadline:
                    raise ConnectionFailed(
                        f"{what}: the answer did not end within {self._total_timeout_s:g} s.", sent=True
                    )
                connection.receive()
        return Answer(status, headers, bytes(body))


class _Connection:
    """An open socket, and what h11 knows of the exchange on it."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._unused_since = 0.0

    def send(self, request: h11.Request, content: bytes | None) -> None:
        """Sends head and content in one piece."""
        wire = [self._http.send(request)]
        if content:
            wire.append(self._http.send(h11.Data(content)))
        wire.append(self._http.send(h11.EndOfMessage()))
        self._socket.sendall(b"".join(part for part in wire if part))

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What came next, as far as it came.

        Raises:
            h11.RemoteProtocolError: It is no HTTP, or it ended too early.
        """
        return self._http.next_event()

    def receive(self) -> None:
        """Waits for more.

        Raises:
            OSError: Nothing came in time, or the connection broke.
        """
        self._http.receive_data(self._socket.recv(_CHUNK_BYTES))

    def is_ready_again(self) -> bool:
        """Whether both sides are done with the exchange, and nothing came that belongs to none."""
        http = self._http
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE or http.trailing_data[0]:
            return False
        http.start_next_cycle()
        self._unused_since = time.monotonic()
        return True

    def is_awake(self) -> bool:
        """Whether it can still be used: if the other side closed it, or spoke unasked, it is readable."""
        if time.monotonic() - self._unused_since > IDLE_S:
            return False
        ear = select.poll()
        ear.register(self._socket, select.POLLIN)
        return not ear.poll(0)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


def _wired(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), text.encode("ascii")) for name, text in headers.items()]


def _why_unconnected(problem: Exception) -> str:
    """The kind of failure in words; the library's own text may quote the request."""
    return "no connection within the time allowed" if isinstance(problem, TimeoutError) else "no connection"


def _why_unanswered(problem: Exception) -> str:
    """The same, after the request was sent."""
    match problem:
        case TimeoutError():
            return "no answer within the time allowed"
        case h11.RemoteProtocolError():
            return "the connection ended before the answer was complete"
        case _:
            return "the connection broke"


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """The usual certificate authorities; loading them takes a while, so it is done once."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
