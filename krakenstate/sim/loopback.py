"""One JSON request to a server on this machine. No proxy, no redirect, no retry."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


def ask(url: str, method: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
    """Send one request; the status and the decoded JSON come back (None where there is no body).

    Raises:
        OSError: nobody answers there.
        ValueError: the answer is not JSON.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, parts.path, content, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    except http.client.HTTPException as problem:
        raise ConnectionError(f"no proper answer: {type(problem).__name__}") from problem
    finally:
        connection.close()
