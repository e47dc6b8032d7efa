"""Connections to the nodes of Vault: what http.client does for a request, over sockets that are kept open.

How this works: a request borrows a connection that nobody uses, so there are as many as there were requests
at the same time. It is sent once. HTTP/1.1 says by order alone which answer belongs to which request, so a
connection is used again only where nothing can be left of the last one: nothing was read behind its answer,
and nothing lies on the socket. Whether anything can have been sent when there was no answer is known here
alone, so it is said here. Exceptions of what lies below carry headers and bodies, hence tokens and secrets:
none of them is ever a cause or a context of ours.

A pool of urllib3, which uses http.client too, took twice the time: 0.49 ms a call instead of 0.2, measured.
"""

from __future__ import annotations

import io
import logging
import select
import socket
import ssl
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import certifi

from krakenstate.providers.vault.answers import Silence

log = logging.getLogger("krakenstate.vault")
_OTHER_NAME = {62, 64}
"""Source: OpenSSL, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


@dataclass(frozen=True, slots=True)
class Response:
    """What is looked at of an answer."""

    status: int
    headers: HTTPMessage
    content: bytes = field(repr=False)


class NoAnswer(Exception):
    """There was no answer, and why. Never a cause of an error: what it comes from may hold a token."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(silence.why)
        self.silence = silence


class _Ear(io.RawIOBase):
    """The bytes of a socket, for as long as somebody listens."""

    is_listening = True

    def __init__(self, sock: socket.socket) -> None:
        self._bytes = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Nothing else is it for."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """The next bytes, or none."""
        return self._bytes.readinto(buffer) if self.is_listening else 0

    def close(self) -> None:
        """Lets go of the socket."""
        self._bytes.close()
        super().close()


class _Reader(io.BufferedReader):
    """Reads all answers of a connection, so that what was read beyond one of them is still there.

    ``http.client`` would make one for each answer, which costs more, and lose those bytes with it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._ear = _Ear(sock)
        super().__init__(self._ear)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What an answer asks its socket for."""
        return self

    def has_more(self) -> bool:
        """Whether it holds bytes that nobody took; nothing is read for that."""
        self._ear.is_listening = False
        more = self.peek()
        self._ear.is_listening = True
        return bool(more)

    def close(self) -> None:
        """Nothing: an answer closes what it was read from."""

    def end(self) -> None:
        """Lets go of the socket."""
        super().close()


class _Connection(HTTPConnection):
    """Sends head and body of a request in one piece; in two they would wake the server twice.

    A write costs OpenBao a seventh less of its processor then, measured.
    """

    _held: bytearray | None = None
    _reader: _Reader | None = None
    may_stay = False
    """Whether nothing can be left of the last answer."""

    def connect(self) -> None:
        """As ``http.client`` does it."""
        super().connect()
        self._reader = _Reader(self.sock)

    def response_class(self, _sock: object, method: str | None = None) -> HTTPResponse:  # type: ignore[override]
        """The answer that is about to be read; it asks for ``makefile`` alone."""
        return HTTPResponse(self._reader, method=method)  # type: ignore[arg-type]

    def ask(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        """One request and its answer."""
        self.may_stay = False
        self._held = bytearray()
        self.request(method, target, body, headers)
        whole, self._held = self._held, None
        self.send(whole)
        found = self.getresponse()
        if found.status < HTTPStatus.OK:  # ``http.client`` takes hints for the answer, which is still to come
            raise HTTPException("no final answer")
        content = found.read()
        # Who refuses may not have read the body, and then takes it for a request of its own.
        is_refused = body is not None and found.status >= HTTPStatus.BAD_REQUEST
        self.may_stay = not (is_refused or self.sock is None or self._has_more())
        return Response(found.status, found.headers, content)

    def _has_more(self) -> bool:
        """Whether more was received than read: here, or by TLS, which ``poll`` does not see."""
        assert self._reader is not None  # noqa: S101 - it was just read from
        return self._reader.has_more() or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def end(self) -> None:
        """Closes it whole; ``http.client`` calls ``close`` before it reads an answer that is the last."""
        self.close()
        if self._reader is not None:
            self._reader.end()

    def send(self, data: Any) -> None:
        """As ``http.client`` sends a piece, or kept until the request is whole."""
        if self._held is None:
            super().send(data)
        else:
            self._held += data


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class Connections:
    """Without cookies, proxies or redirects. Safe to share between threads.

    Args:
        cacert: A file; without it the public authorities certify.
        timeout_s: For connecting, and again for each pause while reading or writing.
    """

    def __init__(self, cacert: str | None, timeout_s: float) -> None:
        self._cacert = cacert
        self._timeout_s = timeout_s
        self._idle: defaultdict[str, deque[_Connection]] = defaultdict(deque)
        self._context: ssl.SSLContext | None = None
        self._reading = threading.Lock()
        weakref.finalize(self, _close, self._idle)  # also where nobody calls ``close``

    def close(self) -> None:
        """Closes idle connections."""
        _close(self._idle)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, object],
        body: bytes | None,
    ) -> Response:
        """Sends once.

        Raises:
            NoAnswer: It says whether anything can have been sent.
        """
        path_at = url.index("/", len("https://"))
        origin, path = url[:path_at], url[path_at:]
        target = f"{path}?{urlencode(params)}" if params else path
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        idle = self._idle[origin]
        connection = _awake(idle) or self._opened(origin)
        try:
            response = connection.ask(method, target, body, headers)
        except BaseException as error:
            connection.end()
            if not isinstance(error, (OSError, ValueError, HTTPException)):
                raise
            raise NoAnswer(Silence(unsent=False, why=self._why(error))) from None
        if connection.may_stay:
            idle.append(connection)
        else:
            log.debug("a connection to %s is not used again", origin)
            connection.end()
        return response

    def _opened(self, origin: str) -> _Connection:
        parts = urlsplit(origin)
        assert parts.hostname is not None  # noqa: S101 - ``parse_addresses`` lets nothing else through
        if parts.scheme == "https":
            connection: _Connection = _SecureConnection(
                parts.hostname, parts.port or 443, timeout=self._timeout_s, context=self._trusted()
            )
        else:
            connection = _Connection(parts.hostname, parts.port or 80, timeout=self._timeout_s)
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            connection.end()
            raise NoAnswer(_unconnected(error)) from None
        return connection

    def _trusted(self) -> ssl.SSLContext:
        """Certificates are read when https is first spoken, and once."""
        with self._reading:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._cacert or certifi.where())
            return self._context

    def _why(self, error: Exception) -> str:
        match error:
            case TimeoutError():
                return f"no answer within {self._timeout_s:g} s"
            case ssl.SSLError():
                return "TLS failed"
            case HTTPException() | ConnectionError():
                return "connection broken"
            case _:
                return "no usable answer"


def _close(idle: Mapping[str, deque[_Connection]]) -> None:
    for connections in list(idle.values()):
        while connections:
            connections.pop().end()


def _awake(idle: deque[_Connection]) -> _Connection | None:
    """One that is still open: a node that closed it, or spoke unasked, makes its socket readable."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        if connection.sock is not None:
            ear = select.poll()
            ear.register(connection.sock, select.POLLIN)
            if not ear.poll(0):
                return connection
        connection.end()


def _unconnected(error: Exception) -> Silence:
    match error:
        case TimeoutError():
            return Silence(unsent=True, why="no connection in time")
        case ssl.SSLCertVerificationError() if error.verify_code in _OTHER_NAME:
            return Silence(unsent=True, why="its certificate is for another name than VAULT_ADDR gives it")
        case ssl.SSLCertVerificationError():
            return Silence(unsent=True, why="its certificate is not trusted; VAULT_CACERT names one that is")
        case ssl.SSLError():
            return Silence(unsent=True, why="TLS failed")
        case _:
            return Silence(unsent=True, why="no connection")
