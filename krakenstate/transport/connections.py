"""The connections to one origin: what httpx does for a call, and the only module that imports it.

How this works: it is imported for runs that ask Kraken; importing httpx takes time that others can save.
Exceptions of the library hold the request with its signature, so they end here: ours carry neither
headers nor bodies, and no cause.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache, lru_cache

import httpx

from krakenstate.errors import AnswerUnreadable, KrakenError, RedirectRefused
from krakenstate.transport.attempt import MAX_ANSWER_BYTES, Answer, ConnectionFailed

log = logging.getLogger("krakenstate.transport")
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


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
        self._origin = origin
        self._headers = headers
        self._timeouts = httpx.Timeout(read_timeout_s, connect=connect_timeout_s).as_dict()
        self._total_timeout_s = total_timeout_s
        self._idle: deque[httpx.HTTPTransport] = deque()

    def send(
        self, method: str, path: str, *, query: str, headers: Mapping[str, str] | None, content: bytes | None
    ) -> Answer:
        """One request, sent once.

        Raises:
            ConnectionFailed, RedirectRefused, AnswerUnreadable: As ``HttpOrigin.request`` says.
        """
        url = f"{self._origin}{path}" + (f"?{query}" if query else "")
        failure: KrakenError
        try:
            with (
                self._borrowed() as transport,
                closing(transport.handle_request(self._made(method, url, headers, content))) as response,
            ):
                log.debug("%s %s%s answered %s", method, self._origin, path, response.status_code)
                return self._read(response, f"{method} {path}")
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
            is_tls = self._origin.startswith("https:")
            transport = httpx.HTTPTransport(
                verify=_trusted_authorities() if is_tls else _no_authorities(), trust_env=False
            )
        try:
            yield transport
        finally:
            self._idle.append(transport)

    def _say(self, method: str, path: str, why: str) -> str:
        return f"{method} {path} at {self._origin}: {why}."

    def _read(self, response: httpx.Response, what: str) -> Answer:
        if 300 <= response.status_code < 400:
            raise RedirectRefused(
                f"{what} at {self._origin} was answered with a redirect (HTTP {response.status_code})."
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerUnreadable(f"{what} at {self._origin}: the answer is compressed, which was declined.")
        deadline = time.monotonic() + self._total_timeout_s
        body = bytearray()
        for chunk in response.iter_raw():
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
