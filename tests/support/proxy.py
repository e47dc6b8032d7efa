"""A small HTTP proxy between krakenstate and the simulated Kraken or Vault, for answers that never come."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_WAIT_MAX_S = 60.0
_READS = {"GET", "HEAD", "LIST"}


class Way(Enum):
    """What becomes of a call."""

    THROUGH = "it is forwarded and answered"
    ANSWER_LOST = "it takes effect, and the connection breaks before the answer"
    NEVER_ARRIVED = "the connection breaks, and Kraken has seen nothing"
    STALLED = "it takes effect, and the answer waits until `let_go`"
    HELD = "it waits until `let_go`, and never takes effect"


class Proxy:
    """Forwards everything, except what it was told to treat otherwise.

    Attributes:
        origin: Where it listens.
        reached: Set as soon as a call is treated otherwise, after its effect.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._way, self._path, self._method, self._writes_only = Way.THROUGH, "", "", False
        self.reached = threading.Event()
        self._released = threading.Event()
        self.origin = ""

    def treat(self, path: str, way: Way, method: str = "", *, writes_only: bool = False) -> None:
        """From now on, calls whose path contains this go another way; of one method, or writes only."""
        self._path, self._way, self._method, self._writes_only = path, way, method, writes_only
        self.reached.clear()
        self._released.clear()

    def let_go(self) -> None:
        """Everything is forwarded again, and what waits is answered."""
        self._way = Way.THROUGH
        self._released.set()

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        is_spared = self._writes_only and handler.command in _READS
        is_meant = self._path in handler.path and self._method in {"", handler.command} and not is_spared
        way = self._way if is_meant else Way.THROUGH
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if way in {Way.NEVER_ARRIVED, Way.HELD}:
            handler.close_connection = True
            self.reached.set()
            if way is Way.HELD:
                self._released.wait(_WAIT_MAX_S)
            return
        upstream = http.client.HTTPConnection(self._upstream, timeout=10)
        try:
            upstream.request(handler.command, handler.path, body=body, headers=dict(handler.headers))
            answer = upstream.getresponse()
            status, kind, text = answer.status, answer.getheader("Content-Type") or "", answer.read()
        finally:
            upstream.close()
        if way is Way.ANSWER_LOST:
            handler.close_connection = True
            self.reached.set()
            return
        if way is Way.STALLED:
            self.reached.set()
            self._released.wait(_WAIT_MAX_S)
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """The client went away, which is what these tests are about."""


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy that runs for the block's duration."""
    rules = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            rules.pass_on(self)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = do_GET  # noqa: N815 - the library's spelling

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        rules.origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield rules
        finally:
            rules.let_go()
            server.shutdown()
            thread.join()
