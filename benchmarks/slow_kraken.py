"""``python -m benchmarks.slow_kraken SECONDS``: answers questions about keys so late; prints its port.

It does nothing else, so that what is measured is the program that asks, and not a simulator.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime

LEVELS = {"general": "READ_ONLY", "transfer": "NO_ACCESS"}
NETWORK = "192.0.2.0/28"


async def main(delay_s: float) -> None:
    """Serves until it is killed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                body = _answer(head)
                if "/0/public/Time" not in head:
                    await asyncio.sleep(delay_s)
                length = f"content-length: {len(body)}\r\ncontent-type: application/json\r\n\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{length}".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _answer(head: str) -> bytes:
    if "/0/public/Time" in head:
        now = datetime.now(UTC)
        return json.dumps({"error": [], "result": {"unixtime": int(now.timestamp())}}).encode()
    public = next(line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("apikey:"))
    answer = {
        "apiKey": public,
        "accountUid": "00000000-0000-4000-8000-000000000000",
        "permissions": LEVELS,
        "allowedCidrBlocks": [NETWORK],
    }
    return json.dumps({"result": "success", **answer}).encode()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
