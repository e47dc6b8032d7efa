"""One request to one node of Vault or OpenBao: its headers and verbs, and what an answer is read as.

How this works: what Vault's API asks of a client is three headers, and a GET for its own verb LIST. Here that
is done as hvac does it: to import hvac, with requests below it, took a fifth of what a plan of one key costs
(80 ms of 420). The connections are those of ``connections.py``.

Source: hvac 2.4.0, adapters.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

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
        said = {**headers, "X-Vault-Request": "true"}
        if token := request.token.get_secret_value():
            said["X-Vault-Token"] = token
        if self._namespace and not request.at_root:
            said["X-Vault-Namespace"] = self._namespace
        method, params = request.method.upper(), dict[str, object](request.params)
        if method == "LIST":  # not a method of HTTP's, so not every proxy lets it through
            method, params = "GET", {**params, "list": "true"}
        body = None if request.body is None else json.dumps(request.body).encode()
        try:
            response = self._connections.request(method, f"{origin}/v1/{request.path}", said, params, body)
        except NoAnswer as nothing:
            return nothing.silence
        log.debug("%s %s answered %s", request.method, request.path, response.status)
        exchange.sent, exchange.received = len(body or b""), len(response.content)
        return _read(response)


def _read(response: Response) -> Answer:
    status = response.status
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
