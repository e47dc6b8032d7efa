"""Faults on request: what a network, a proxy or a busy Kraken does to a call.

Each fault waits for a call whose path begins with its `path`, and is used up after `left` of them. The oldest
that fits takes effect, one per call. Some calls never reach the API; the log tells them by the outcome
`fault: KIND`. The others have their effect, and the log names the fault beside their outcome.

    drop-before   the connection closes before the call is looked at
    drop-after    the call has its effect, then the connection closes without an answer
    html-5xx      a proxy in front answers 502 with a page
    truncated     the call has its effect; half of the JSON comes back
    slow          the answer begins `delay_s` real seconds late
    redirect      307 to `location`
    throttle      Kraken is busy until `delay_s` seconds from now: `EService: Throttled: <unix time>`, or
                  `apiLimitExceeded` on Derivatives
    unknown-word  a key's description of itself holds a permission that nobody has heard of
    http-429      the network in front throttles: HTTP 429 with a page
    bad-request   Kraken finds the call malformed: `EAPI:Bad request`; HTTP 400 with `errors` on Derivatives

Sources: docs.kraken.com `guides/rest/introduction`, `guides/rest/ratelimits`, `guides/futures/rest` (read
August to October 2026). Third-party catalogues disagree whether Kraken ever answers HTTP 429.
"""

import asyncio
import json
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from krakenstate.sim.arrival import hang_up, raw_path, read_request
from krakenstate.sim.derivatives import API_LIMIT_EXCEEDED, CHECK_PATH, bad_request
from krakenstate.sim.simulation import FAULT_IN_EFFECT, CallNotes, Simulation
from krakenstate.sim.world import Fault

INFO_PATH = "/0/private/GetApiKeyInfo"
UNKNOWN_PERMISSION = "teleport-funds"
UNKNOWN_LEVEL = "TELEPORT_ACCESS"
_REFUSING = {"drop-before", "html-5xx", "redirect", "throttle", "http-429", "bad-request"}
_PAGE = "<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"


class FaultyApp:
    """The API, with faults in front of it; addresses below `spared` never meet one."""

    def __init__(self, sim: Simulation, api: ASGIApp, spared: str) -> None:
        self._sim = sim
        self._api = api
        self._spared = spared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = raw_path(scope)
        fault = None if path.startswith(self._spared) else take(self._sim, path)
        if fault is None:
            await self._api(scope, receive, send)
        elif fault.kind in _REFUSING:
            await self._refuse(fault, scope, receive, send)
        else:
            await self._spoil(fault, scope, receive, send)

    async def _refuse(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The call does not reach the API."""
        request = await read_request(HttpRequest(scope, receive))
        platform = _platform(request.path)
        public = request.headers.get("api-key" if platform == "spot" else "apikey")
        self._sim.record(platform, request, CallNotes(public=public), f"fault: {fault.kind}")
        self._sim.save()
        if fault.kind == "drop-before":
            await hang_up(scope, receive)
            return
        await self._answer(fault, request.path)(scope, receive, send)

    def _answer(self, fault: Fault, path: str) -> Response:
        if fault.kind == "html-5xx":
            return HTMLResponse(_PAGE.format(title="502 Bad Gateway"), 502)
        if fault.kind == "http-429":
            return HTMLResponse(_PAGE.format(title="429 Too Many Requests"), 429)
        if fault.kind == "redirect":
            return RedirectResponse(fault.location, 307)
        is_spot = _platform(path) == "spot"
        if fault.kind == "bad-request":
            if is_spot:
                return JSONResponse({"error": ["EAPI:Bad request"]})
            return JSONResponse(bad_request("Json Parse Error"), 400)
        until = int(self._sim.now().timestamp() + fault.delay_s)
        if is_spot:
            return JSONResponse({"error": [f"EService: Throttled: {until}"]})
        return JSONResponse({"result": "error", "error": API_LIMIT_EXCEEDED})

    async def _spoil(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The call has its effect, and something happens to its answer."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        FAULT_IN_EFFECT.set(fault.kind)  # ends with this request's task
        await self._api(scope, receive, keep)
        if fault.kind == "drop-after":
            await hang_up(scope, receive)
            return
        body = b"".join(message.get("body", b"") for message in kept[1:])
        if fault.kind == "truncated":
            body = body[: len(body) // 2]
        elif fault.kind == "unknown-word":
            body = _with_unknown_word(body)
        headers = [pair for pair in kept[0]["headers"] if pair[0] != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await send({**kept[0], "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})


def take(sim: Simulation, path: str) -> Fault | None:
    """The oldest fault that fits a call to `path`, counted as used once."""
    for fault in sim.world.faults:
        describes_a_key = path in {INFO_PATH, CHECK_PATH}
        if path.startswith(fault.path) and (fault.kind != "unknown-word" or describes_a_key):
            fault.left -= 1
            sim.world.faults = [waiting for waiting in sim.world.faults if waiting.left > 0]
            sim.save()
            return fault
    return None


def _platform(path: str) -> Any:
    return "spot" if path.startswith("/0/") else "derivatives"


def _with_unknown_word(body: bytes) -> bytes:
    """The key's description with a permission, or a level, of tomorrow; an error stays as it is."""
    answer = json.loads(body)
    if isinstance(answer.get("result"), dict):
        answer["result"]["permissions"] = [*(answer["result"]["permissions"] or []), UNKNOWN_PERMISSION]
    elif "permissions" in answer:
        answer["permissions"]["general"] = UNKNOWN_LEVEL
    return json.dumps(answer).encode()
