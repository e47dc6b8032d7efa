"""Connections to the nodes of Vault, kept open, and what it means when one gave no answer.

How this works: a request borrows a connection that nobody uses, so there are as many as there were requests
at the same time. It is sent once. Whether anything can have been sent when there was no answer is known here
alone, so it is said here. Exceptions of what lies below are never a cause or a context of ours.

What reads certificates is imported when https is first spoken.
"""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from krakenstate.providers.vault.answers import Silence
from krakenstate.providers.vault.wire import Response, Wire

if TYPE_CHECKING:
    import ssl

_OTHER_NAME = {62, 64}
"""Source: OpenSSL, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class NoAnswer(Exception):
    """There was no answer, and why."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(silence.why)
        self.silence = silence


class Connections:
    """Without cookies, proxies or redirects. Safe to share between threads.

    Args:
        cacert: A file; without it the public authorities certify.
        timeout_s: For connecting, and again for each pause while reading or writing.
    """

    def __init__(self, cacert: str | None, timeout_s: float) -> None:
        self._cacert = cacert
        self._timeout_s = timeout_s
        self._idle: defaultdict[str, deque[Wire]] = defaultdict(deque)
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
        wire = _awake(idle) or self._opened(origin)
        try:
            response = wire.ask(method, target, headers, body)
        except BaseException as error:
            wire.close()
            if not isinstance(error, (OSError, ValueError)):
                raise
            raise NoAnswer(Silence(unsent=False, why=self._why(error, origin))) from None
        idle.append(wire)
        return response

    def _opened(self, origin: str) -> Wire:
        parts = urlsplit(origin)
        assert parts.hostname is not None  # noqa: S101 - ``parse_addresses`` lets nothing else through
        is_tls = parts.scheme == "https"
        context = self._trusted() if is_tls else None
        try:
            return Wire(parts.hostname, parts.port or (443 if is_tls else 80), self._timeout_s, context)
        except (OSError, ValueError) as error:
            why = "no connection in time" if isinstance(error, TimeoutError) else "no connection"
            raise NoAnswer(Silence(unsent=True, why=_tls_failure(error, origin) or why)) from None

    def _trusted(self) -> ssl.SSLContext:
        """Certificates are read once."""
        import ssl  # noqa: PLC0415 - a Vault on loopback needs neither

        import certifi  # noqa: PLC0415

        with self._reading:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._cacert or certifi.where())
            return self._context

    def _why(self, error: Exception, origin: str) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, ConnectionError):
            return "connection broken"
        return _tls_failure(error, origin) or "no usable answer"


def _close(idle: Mapping[str, deque[Wire]]) -> None:
    for wires in list(idle.values()):
        while wires:
            wires.pop().close()


def _awake(idle: deque[Wire]) -> Wire | None:
    while True:
        try:
            wire = idle.pop()
        except IndexError:
            return None
        if wire.is_awake:
            return wire
        wire.close()


def _tls_failure(error: Exception, origin: str) -> str:
    """What went wrong with TLS; empty if it was something else."""
    if not origin.startswith("https:"):
        return ""
    import ssl  # noqa: PLC0415 - it was imported to connect

    match error:
        case TimeoutError():
            return ""
        case ssl.SSLCertVerificationError() if error.verify_code in _OTHER_NAME:
            return "its certificate is for another name than VAULT_ADDR gives it"
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted; VAULT_CACERT names one that is"
        case ssl.SSLError():
            return "TLS failed"
        case _:
            return ""
