"""A loopback server whose first connection goes astray once, and that is honest ever after.

Whoever reads answers by their order alone takes what strays for the answer to the next request.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.support.scripted import Received, read_request

PATIENCE_S = 0.3
"""What the tests let a client wait for an answer."""
OTHER = b'{"of":"/another"}'
"""What nobody here asked for."""
HEAD = "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"


def answer(body: bytes, status: int = 200, extra: str = "", length: object = None) -> bytes:
    """A whole answer; its length may be told wrongly."""
    told = len(body) if length is None else length
    return f"{HEAD.format(status=status)}{extra}Content-Length: {told}\r\n\r\n".encode() + body


def own(request: Received) -> bytes:
    """The body that says which request it answers."""
    return f'{{"of":"{request.target}"}}'.encode()


def chunks(body: bytes, extra: str = "", trailer: str = "") -> bytes:
    """The same in chunks, one for each half."""
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    head = f"{HEAD.format(status=200)}{extra}Transfer-Encoding: chunked\r\n\r\n"
    return head.encode() + parts + f"0\r\n{trailer}\r\n".encode()


Astray = Callable[["Peer", bytes], None]
"""What the server does for the first request, given the body of its own answer."""


class Peer:
    """The server's end of a connection.

    Attributes:
        has_content: Whether the first request has some.
        went_astray: Set when the client may send its next request: when all was sent, unless told before.
    """

    def __init__(
        self,
        connection: socket.socket,
        went_astray: threading.Event,
        is_over: threading.Event,
        *,
        has_content: bool,
    ) -> None:
        self._connection = connection
        self._is_over = is_over
        self.went_astray = went_astray
        self.has_content = has_content

    def say(self, *pieces: bytes) -> None:
        """Sends each piece in a packet of its own."""
        for piece in pieces:
            self._connection.sendall(piece)

    def hear(self) -> None:
        """Waits for the next request."""
        read_request(self._connection)

    def wait(self) -> None:
        """Longer than the client does."""
        self._is_over.wait(2 * PATIENCE_S)

    def pause(self) -> None:
        """Not so long, but long enough for the client's next request."""
        self._is_over.wait(PATIENCE_S / 6)


def _late(peer: Peer, body: bytes) -> None:
    peer.wait()
    peer.say(answer(body))


def _torn(peer: Peer, body: bytes) -> None:
    whole = answer(body)
    peer.say(whole[:-5])
    peer.wait()
    peer.say(whole[-5:], answer(OTHER))


def _unasked(peer: Peer, body: bytes) -> None:
    peer.say(answer(body))
    peer.pause()
    peer.say(answer(OTHER))


def _in_two_steps(peer: Peer, body: bytes) -> None:
    peer.say(answer(body) + b"\r\n")
    peer.went_astray.set()
    peer.pause()
    peer.say(answer(OTHER))


def _hastily(peer: Peer, body: bytes) -> None:
    peer.say(answer(body, status=400))
    peer.went_astray.set()
    peer.pause()
    if peer.has_content:  # which it reads now, as a request
        peer.say(answer(OTHER, status=400))


def _hints_long_before(peer: Peer, body: bytes) -> None:
    peer.say(HINTS)
    peer.went_astray.set()
    peer.pause()
    peer.say(answer(body))


def meant_for_another(first: bytes, other: bytes) -> Astray:
    """After the first request's answer it answers the next one with what somebody else asked for."""

    def play(peer: Peer, _body: bytes) -> None:
        peer.say(answer(first))
        peer.hear()
        peer.say(answer(other))

    return play


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
WAYS: dict[str, Astray] = {
    "two answers in one packet": lambda peer, body: peer.say(answer(body) + answer(OTHER)),
    "two answers, two packets": lambda peer, body: peer.say(answer(body), answer(OTHER)),
    "another while nobody asks": _unasked,
    "many answers": lambda peer, body: peer.say(answer(body) + 2000 * answer(OTHER)),
    "the beginning of another head": lambda peer, body: peer.say(
        answer(body) + b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nX-Held: "
    ),
    "the head of another, without body": lambda peer, body: peer.say(answer(body) + answer(b"", length=17)),
    "the other's head without its first half": lambda peer, body: peer.say(answer(body) + answer(OTHER)[40:]),
    "an empty line": lambda peer, body: peer.say(answer(body) + b"\r\n"),
    "an empty line, and another after a while": _in_two_steps,
    "an answer in an answer, shorter than told": lambda peer, body: peer.say(
        answer(body + answer(OTHER), length=len(body))
    ),
    "a body longer than told": lambda peer, body: peer.say(answer(body, length=5)),
    "a body shorter than told": lambda peer, body: peer.say(answer(body, length=len(body) + 5)),
    "a negative length": lambda peer, body: peer.say(answer(body, length=-1) + answer(OTHER)),
    "two lengths, the shorter first": lambda peer, body: peer.say(
        answer(body + answer(OTHER), extra=f"Content-Length: {len(body)}\r\n", length=1000)
    ),
    "two lengths, the longer first": lambda peer, body: peer.say(
        answer(body + answer(OTHER), extra="Content-Length: 1000\r\n", length=len(body))
    ),
    "hints before it": lambda peer, body: peer.say(HINTS + answer(body)),
    "hints long before it": _hints_long_before,
    "hints behind it": lambda peer, body: peer.say(answer(body) + HINTS),
    "continue before it": lambda peer, body: peer.say(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(body)),
    "another protocol": lambda peer, body: peer.say(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + answer(body)
    ),
    "no content, and yet content": lambda peer, body: peer.say(answer(answer(OTHER), status=204)),
    "not modified, and yet content": lambda peer, body: peer.say(answer(answer(OTHER), status=304)),
    "a redirect, and another": lambda peer, body: peer.say(
        answer(b"{}", status=302, extra="Location: /elsewhere\r\n") + answer(OTHER)
    ),
    "in chunks with a trailer": lambda peer, body: peer.say(chunks(body, trailer="X-Sum: 1\r\n")),
    "in chunks, and another": lambda peer, body: peer.say(chunks(body) + answer(OTHER)),
    "in chunks, and yet with a length": lambda peer, body: peer.say(
        chunks(body, extra="Content-Length: 3\r\n") + answer(OTHER)
    ),
    "in chunks without an end": lambda peer, body: peer.say(chunks(body)[:-5]),
    "a coding nobody knows": lambda peer, body: peer.say(
        answer(body, extra="Transfer-Encoding: x, chunked\r\n") + answer(OTHER)
    ),
    "an older HTTP that stays": lambda peer, body: peer.say(
        (answer(body, extra="Connection: keep-alive\r\n") + answer(OTHER)).replace(b"HTTP/1.1", b"HTTP/1.0")
    ),
    "says that it closes, and does not": lambda peer, body: peer.say(
        answer(body, extra="Connection: close\r\n") + answer(OTHER)
    ),
    "too late": _late,
    "half of it too late": _torn,
    "before the content was read": _hastily,
}
"""By what goes astray."""
each_way = pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])


@dataclass
class StrayServer:
    """The server, and what it did.

    Attributes:
        went_astray: Set when the client may send its next request.
        connections: How many there were.
    """

    origin: str
    astray: Astray
    went_astray: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    taken: list[socket.socket] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Takes connections until the listener is closed."""
        threads = []
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            self.connections += 1
            self.taken.append(connection)
            threads.append(threading.Thread(target=self._answer, args=(connection, self.connections)))
            threads[-1].start()
        for connection in self.taken:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)

    def _answer(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            if number == 1:
                request = read_request(connection)
                try:
                    has_content = bool(request.body)
                    peer = Peer(connection, self.went_astray, self.is_over, has_content=has_content)
                    self.astray(peer, own(request))
                finally:
                    self.went_astray.set()
            while True:
                connection.sendall(answer(own(read_request(connection))))


@contextmanager
def stray_server(astray: Astray, tls: ssl.SSLContext | None = None) -> Iterator[StrayServer]:
    """A listening server, ended with the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    scheme, port = "http", listener.getsockname()[1]
    if tls is not None:
        scheme, listener = "https", tls.wrap_socket(listener, server_side=True)
    server = StrayServer(f"{scheme}://127.0.0.1:{port}", astray)
    thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def expect_own_answers(astray: Astray, ask: Callable[[str, str], bytes | None]) -> None:
    """Three calls, ``ask(origin, path)``: each body is that call's own, or there is none."""
    with stray_server(astray) as server:
        first = ask(server.origin, "/first")
        assert OTHER not in (first or b""), first
        assert server.went_astray.wait(5)
        second = ask(server.origin, "/second")
        assert second in {b'{"of":"/second"}', None}, second
        third = ask(server.origin, "/third")
        assert third == b'{"of":"/third"}', third
