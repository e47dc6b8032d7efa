"""One connection: a request, its answer, and nothing beside them.

How this works: HTTP/1.1 says by order alone which answer belongs to which request. So a connection carries
the next request only where nothing can be left of the last one: the answer ended as it said it would,
nothing was read behind it, and nothing lies on the socket when the next request is to be sent. All that was
read is handed to h11, which says what of it no answer needed (``trailing_data``). A connection of httpcore
does not pass that on, and reads it as the beginning of the next answer, so only httpcore's sockets are used.

What comes unasked after the next request was sent looks like its answer, and nobody can tell them apart
here. So what changes something goes over a connection that carried nothing before, and a key's description
of itself names the key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import h11
import httpcore

MAX_HEAD_BYTES = 100 * 1024
"""Of an answer's head, or of a line between its chunks."""
_READ_BYTES = 64 * 1024
"""More than a record of TLS holds, so that nothing decrypted waits where ``poll`` does not see it."""


class Connection:
    """An open connection, for one request at a time. Must be closed.

    Args:
        stream: What carries the bytes.
        timeout_s: For each pause while reading or writing.
        total_timeout_s: For an answer as a whole, however steadily it drips, and whatever it begins with.
    """

    def __init__(self, stream: httpcore.NetworkStream, timeout_s: float, total_timeout_s: float) -> None:
        self._stream = stream
        self._timeout_s = timeout_s
        self._total_timeout_s = total_timeout_s
        self._until = 0.0
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    def ask(self, head: h11.Request, content: bytes) -> h11.Response:
        """Sends a request in one piece and reads the head of its answer.

        Raises:
            httpcore.NetworkError, httpcore.TimeoutException, h11.RemoteProtocolError: There was no answer.
        """
        events = (head, h11.Data(content), h11.EndOfMessage()) if content else (head, h11.EndOfMessage())
        self._stream.write(b"".join(self._http.send(event) or b"" for event in events), self._timeout_s)
        self._until = time.monotonic() + self._total_timeout_s
        while not isinstance(event := self._next(), h11.Response):
            pass  # a 1xx, which says that the answer is still to come
        return event

    def body(self) -> Iterator[bytes]:
        """The pieces of the answer's body, to be taken to the last one.

        Raises:
            httpcore.NetworkError, httpcore.TimeoutException, h11.RemoteProtocolError: It did not end.
        """
        while isinstance(event := self._next(), h11.Data):
            yield bytes(event.data)

    def ended_clean(self) -> bool:
        """Whether both sides are done, will stay, and nothing was read beyond the answer."""
        unread, _ = self._http.trailing_data
        if unread or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def is_quiet(self) -> bool:
        """Whether it is open, and the other side has said nothing unasked."""
        return not self._stream.get_extra_info("is_readable")

    def close(self) -> None:
        """Ends it, whatever was under way."""
        self._stream.close()

    def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                raise httpcore.ReadTimeout
            self._http.receive_data(self._stream.read(_READ_BYTES, min(self._timeout_s, left_s)))
        return event
