"""``python -m benchmarks.slow_kraken SECONDS``: answers questions about keys so late; prints its port.

It does nothing else, so that what is measured is the program that asks, and not a simulator. An answer is
made when its question comes, and sent so much later. asyncio waits with ``select`` here: ``epoll`` waits for
whole milliseconds, the next larger number of them.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import sys
from datetime import UTC, datetime

LEVELS = {"general": "READ_ONLY", "transfer": "NO_ACCESS"}
NETWORK = "192.0.2.0/28"
_END = b"\r\n\r\n"


class Late(asyncio.Protocol):
    """One connection: a question, its answer, the next question."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers at once what is public, and later what is signed."""
        self._asked += data
        while _END in self._asked:
            head, _, self._asked = self._asked.partition(_END)
            if b"/0/public/Time" in head:
                self._transport.write(_whole(_time()))
            else:
                asyncio.get_running_loop().call_later(
                    self._delay_s, self._transport.write, _whole(_key(head))
                )


async def main(delay_s: float) -> None:
    """Serves until it is killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Late(delay_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _time() -> dict[str, object]:
    return {"error": [], "result": {"unixtime": int(datetime.now(UTC).timestamp())}}


def _key(head: bytes) -> dict[str, object]:
    lines = head.decode().split("\r\n")
    public = next(line.split(": ", 1)[1] for line in lines if line.lower().startswith("apikey:"))
    return {
        "result": "success",
        "apiKey": public,
        "accountUid": "00000000-0000-4000-8000-000000000000",
        "permissions": LEVELS,
        "allowedCidrBlocks": [NETWORK],
    }


def _whole(answer: dict[str, object]) -> bytes:
    body = json.dumps(answer).encode()
    length = f"content-length: {len(body)}\r\ncontent-type: application/json"
    return f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode() + body


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main(float(sys.argv[1])))
