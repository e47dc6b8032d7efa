"""One request to one node of Vault or OpenBao: the only module that knows hvac and what lies below it.

Exceptions of hvac and requests carry headers and bodies, hence tokens and secrets; so none of them is ever a
cause or a context of ours: what they mean is noted inside the ``except`` block, and comes back as a value.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLCertVerificationError
from typing import Any

import requests
from hvac.adapters import RawAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from krakenstate.model.traffic import Exchange, Meter, uncounted
from krakenstate.providers.vault.answers import Answer, Silence
from krakenstate.providers.vault.nodes import INDEX, Request

log = logging.getLogger("krakenstate.vault")
_OTHER_NAME = {62, 64}
"""Source: OpenSSL, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class Sender:
    """One request to one node, sent once. Safe to share between threads.

    A session of requests is not made for several threads, so each request borrows one that is idle; there are
    as many as there were requests at the same time, and each keeps its connections.
    """

    def __init__(
        self, namespace: str | None, cacert: str | None, timeout_s: float, meter: Meter = uncounted
    ) -> None:
        self._namespace = namespace
        self._timeout_s = timeout_s
        self._cacert = cacert
        self._meter = meter
        self._idle: deque[requests.Session] = deque()

    def close(self) -> None:
        """Closes idle connections."""
        while self._idle:
            self._idle.pop().close()

    def send(self, origin: str, request: Request, headers: Mapping[str, str]) -> Answer | Silence:
        """What a node said, redirects not followed, or why it said nothing."""
        with self._session() as session, self._meter(request.method, request.path) as exchange:
            return self._send_by(session, origin, request, headers, exchange)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        try:
            session = self._idle.pop()
        except IndexError:
            session = requests.Session()
            session.trust_env = False
            session.verify = self._cacert or True
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        try:
            yield session
        finally:
            self._idle.append(session)

    def _send_by(
        self,
        session: requests.Session,
        origin: str,
        request: Request,
        headers: Mapping[str, str],
        exchange: Exchange,
    ) -> Answer | Silence:
        adapter = RawAdapter(
            base_uri=origin,
            token=request.token.get_secret_value() or None,
            timeout=self._timeout_s,
            allow_redirects=False,
            session=session,
            namespace=None if request.at_root else self._namespace,
            strict_http=True,
        )
        more: dict[str, Any] = {"params": dict(request.params), "headers": dict(headers)}
        if request.body is not None:
            more["json"] = request.body
        try:
            response = adapter.request(request.method, f"/v1/{request.path}", raise_exception=False, **more)
        except requests.exceptions.ConnectTimeout:
            return Silence(unsent=True, why="no connection in time")
        except requests.exceptions.Timeout:
            return Silence(unsent=False, why=f"no answer within {self._timeout_s:g} s")
        except requests.exceptions.ConnectionError as error:
            return _silence(error)
        except (requests.exceptions.RequestException, OSError, ValueError):
            return Silence(unsent=False, why="no usable answer")
        log.debug("%s %s answered %s", request.method, request.path, response.status_code)
        exchange.sent, exchange.received = len(response.request.body or b""), len(response.content)
        return _read(response)


def _silence(error: requests.exceptions.ConnectionError) -> Silence:
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, NewConnectionError):
        return Silence(unsent=True, why="no connection")
    if isinstance(reason, SSLError):
        cause = reason.args[0] if reason.args else None
        if not isinstance(cause, SSLCertVerificationError):
            return Silence(unsent=False, why="TLS failed")
        if cause.verify_code in _OTHER_NAME:
            return Silence(unsent=True, why="its certificate is for another name than VAULT_ADDR gives it")
        return Silence(unsent=True, why="its certificate is not trusted; VAULT_CACERT names one that is")
    return Silence(unsent=False, why="connection broken")


def _read(response: requests.Response) -> Answer:
    status = response.status_code
    if 300 <= status < 400:
        return Answer(status, None, redirect=response.headers.get("Location", ""))
    try:
        body = response.json()
    except ValueError:
        body = None
    return Answer(
        status,
        body if isinstance(body, dict) else None,
        has_text=bool(response.content),
        index=response.headers.get(INDEX),
    )
