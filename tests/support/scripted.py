"""A loopback server that answers exactly the bytes it is told to, for answers no honest server gives."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

Play = bytes | Callable[[socket.socket], None]


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def http(status: int, body: str | bytes, content_type: str = "application/json", extra: str = "") -> bytes:
    """A whole HTTP answer."""
    raw = body.encode() if isinstance(body, str) else body
    head = (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\nContent-Length: {len(raw)}\r\n{extra}"
    )
    return head.encode() + b"Connection: close\r\n\r\n" + raw


class ScriptedServer:
    """Plays its script, one answer per connection; the last one is repeated."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        scheme = "https" if isinstance(listener, ssl.SSLSocket) else "http"
        self.origin = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        self.script: list[Play] = [http(200, "{}")]
        self.received: list[Received] = []
        self.connections = 0

    def plays(self, *script: Play) -> None:
        """Sets what is answered from now on."""
        self.script = list(script)

    def serve(self) -> None:
        """Answers until the listener is closed."""
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with peer, suppress(OSError):
                peer.settimeout(5)
                self.received.append(read_request(peer))
                play = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if callable(play):
                    play(peer)
                else:
                    peer.sendall(play)


def read_request(peer: socket.socket) -> Received:
    """The next request on a connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = peer.recv(65536)
        if not chunk:
            raise OSError("the client left")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += peer.recv(65536)
    return Received(method, target, headers, body)


@contextmanager
def scripted_server(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """A listening server, ended with the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    if tls is not None:
        listener = tls.wrap_socket(listener, server_side=True)
    server = ScriptedServer(listener)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)
