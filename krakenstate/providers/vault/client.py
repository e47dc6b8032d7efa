"""One request to one node of Vault or OpenBao: the only module that knows hvac.

How this works: hvac's adapter knows Vault's headers and verbs, and speaks through what it takes for a session
of requests. Ours is ``connections.py``: requests would take half of the time of a run that writes hundreds of
secrets, and its sessions are not made for several threads.

Exceptions of the libraries below carry headers and bodies, hence tokens and secrets; so none of them is ever
a cause or a context of ours: what they mean comes back as a value.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from hvac.adapters import RawAdapter

from krakenstate.model.traffic import Exchange, Meter, uncounted
from krakenstate.providers.vault.answers import Answer, Silence
from krakenstate.providers.vault.connections import Connections, NoAnswer, Response
from krakenstate.providers.vault.nodes import INDEX, Request

log = logging.getLogger("krakenstate.vault")


class Sender:
    """One request to one node, sent once. Safe to share between threads."""

    def __init__(
        self, namespace: str | None, cacert: str | None, timeout_s: float, meter: Meter = uncounted
    ) -> None:
        self._namespace = namespace
        self._meter = meter
        self._connections = Connections(cacert, timeout_s)

    def close(self) -> None:
        """Closes idle connections."""
        self._connections.close()

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
            session=self._connections,
            namespace=None if request.at_root else self._namespace,
            strict_http=True,
        )
        more: dict[str, Any] = {"params": dict(request.params), "headers": dict(headers)}
        if request.body is not None:
            more["body"] = json.dumps(request.body).encode()
        try:
            response = adapter.request(request.method, f"/v1/{request.path}", raise_exception=False, **more)
        except NoAnswer as nothing:
            return nothing.silence
        log.debug("%s %s answered %s", request.method, request.path, response.status_code)
        exchange.sent, exchange.received = len(more.get("body", b"")), len(response.content)
        return _read(response)


def _read(response: Response) -> Answer:
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
