"""One request to one node of Vault or OpenBao: the only module that knows hvac and what lies below it.

How this works: hvac's adapter knows Vault's headers and verbs, and speaks through what it takes for a session
of requests. Ours is a pool of urllib3: requests would take half of the time of a run that writes hundreds
of secrets, and its sessions are not made for several threads.

Exceptions of these libraries carry headers and bodies, hence tokens and secrets; so none of them is ever a
cause or a context of ours: what they mean is noted inside the ``except`` block, and comes back as a value.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import certifi
from hvac.adapters import RawAdapter
from urllib3 import HTTPConnectionPool, Timeout, connection_from_url
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from krakenstate.model.traffic import Exchange, Meter, uncounted
from krakenstate.providers.vault.answers import Answer, Silence
from krakenstate.providers.vault.nodes import INDEX, Request

log = logging.getLogger("krakenstate.vault")
KEPT_OPEN = 32
"""Connections to one node; more than that many threads never speak at the same time."""
_OTHER_NAME = {62, 64}
"""Source: OpenSSL, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


@dataclass(frozen=True, slots=True)
class _Response:
    """What hvac and we look at of an answer."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return self.status_code < 400


class _Pool:
    """Open connections in the place of a session of requests, without cookies, proxies and redirects."""

    verify: bool | str | None = None
    cert: str | None = None
    proxies: Mapping[str, str] | None = None

    def __init__(self, cacert: str | None, timeout_s: float) -> None:
        self._cacert = cacert
        self._timeout = Timeout(connect=timeout_s, read=timeout_s)
        self._by_origin: dict[str, HTTPConnectionPool] = {}
        self._context: ssl.SSLContext | None = None
        self._mutex = threading.Lock()

    def close(self) -> None:
        """Closes idle connections."""
        with self._mutex:
            while self._by_origin:
                self._by_origin.popitem()[1].close()

    def request(
        self,
        *,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, object] | None = None,
        body: bytes | None = None,
        **_of_requests: object,
    ) -> _Response:
        """Sends once; raises what urllib3 does."""
        path_at = url.index("/", len("https://"))
        path = url[path_at:]
        found = self._for(url[:path_at]).urlopen(
            method.upper(),
            f"{path}?{urlencode(params)}" if params else path,
            body=body,
            headers={**headers, "Content-Type": "application/json"} if body is not None else headers,
            retries=False,
            redirect=False,
        )
        return _Response(found.status, found.headers, found.data)

    def _for(self, origin: str) -> HTTPConnectionPool:
        """Of one node. Certificates are read when https is first spoken, and once."""
        with self._mutex:
            if origin not in self._by_origin:
                if origin.startswith("https:") and self._context is None:
                    self._context = ssl.create_default_context(cafile=self._cacert or certifi.where())
                secure = {"ssl_context": self._context} if origin.startswith("https:") else {}
                self._by_origin[origin] = connection_from_url(
                    origin, maxsize=KEPT_OPEN, timeout=self._timeout, **secure
                )
            return self._by_origin[origin]


class Sender:
    """One request to one node, sent once. Safe to share between threads."""

    def __init__(
        self, namespace: str | None, cacert: str | None, timeout_s: float, meter: Meter = uncounted
    ) -> None:
        self._namespace = namespace
        self._timeout_s = timeout_s
        self._meter = meter
        self._pool = _Pool(cacert, timeout_s)

    def close(self) -> None:
        """Closes idle connections."""
        self._pool.close()

    def send(self, origin: str, request: Request, headers: Mapping[str, str]) -> Answer | Silence:
        """What a node said, redirects not followed, or why it said nothing."""
        with self._meter(request.method, request.path) as exchange:
            return self._send(origin, request, headers, exchange)

    def _send(
        self, origin: str, request: Request, headers: Mapping[str, str], exchange: Exchange
    ) -> Answer | Silence:
        adapter = RawAdapter(
            base_uri=origin,
            token=request.token.get_secret_value() or None,
            allow_redirects=False,
            session=self._pool,
            namespace=None if request.at_root else self._namespace,
            strict_http=True,
        )
        more: dict[str, Any] = {"params": dict(request.params), "headers": dict(headers)}
        if request.body is not None:
            more["body"] = json.dumps(request.body).encode()
        try:
            response = adapter.request(request.method, f"/v1/{request.path}", raise_exception=False, **more)
        except NewConnectionError:
            return Silence(unsent=True, why="no connection")
        except ConnectTimeoutError:
            return Silence(unsent=True, why="no connection in time")
        except ReadTimeoutError:
            return Silence(unsent=False, why=f"no answer within {self._timeout_s:g} s")
        except SSLError as error:
            return _tls_failure(error)
        except ProtocolError:
            return Silence(unsent=False, why="connection broken")
        except (HTTPError, OSError, ValueError):
            return Silence(unsent=False, why="no usable answer")
        log.debug("%s %s answered %s", request.method, request.path, response.status_code)
        exchange.sent, exchange.received = len(more.get("body", b"")), len(response.content)
        return _read(response)


def _tls_failure(error: SSLError) -> Silence:
    cause = error.args[0] if error.args else None
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return Silence(unsent=False, why="TLS failed")
    if cause.verify_code in _OTHER_NAME:
        return Silence(unsent=True, why="its certificate is for another name than VAULT_ADDR gives it")
    return Silence(unsent=True, why="its certificate is not trusted; VAULT_CACERT names one that is")


def _read(response: _Response) -> Answer:
    status = response.status_code
    if 300 <= status < 400:
        return Answer(status, None, redirect=response.headers.get("Location", ""))
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    return Answer(
        status,
        body if isinstance(body, dict) else None,
        has_text=bool(response.content),
        index=response.headers.get(INDEX),
    )
