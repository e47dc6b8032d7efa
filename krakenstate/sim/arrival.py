"""A request as it arrived, and connections that can be closed in the middle of one.

uvicorn gives an application no way to close a connection without an answer. `AbruptProtocol` leaves one in
the request's state, where `hang_up` finds it.
"""

import asyncio

from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from krakenstate.sim.simulation import Request

_CLOSE = "krakenstate.sim.close"


class AbruptProtocol(H11Protocol):
    """HTTP/1.1 whose requests carry a way to close their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember how to close it; a copy, since the server shares its state among connections."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _CLOSE: transport.close}


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer, and wait until it is closed."""
    scope["state"][_CLOSE]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_request(http: HttpRequest) -> Request:
    """The request with its path and query exactly as sent, which is what signatures cover."""
    return Request(
        method=http.method,
        path=raw_path(http.scope),
        query=http.scope["query_string"].decode("latin-1"),
        headers=dict(http.headers),
        body=await http.body(),
    )


def raw_path(scope: Scope) -> str:
    """The path as sent, still percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")
