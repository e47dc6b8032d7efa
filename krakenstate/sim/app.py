"""The ASGI application: which address answers for whom."""

import json

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from krakenstate.sim import admin, derivatives, spot
from krakenstate.sim.arrival import read_request
from krakenstate.sim.dialect import speak
from krakenstate.sim.errors import DevError
from krakenstate.sim.faults import FaultyApp
from krakenstate.sim.simulation import CallNotes, Platform, Request, Simulation

_ANY = ["GET", "POST", "PUT", "DELETE", "PATCH"]
_BLOCKED = "<html><head><title>Access denied</title></head><body>Access denied</body></html>"


def build_app(sim: Simulation, admin_token: str) -> FaultyApp:
    """An application that serves `sim`; `admin_token` opens the people's side door."""

    async def serve_time(http: HttpRequest) -> Response:
        request = await read_request(http)
        if not _names_itself(request):
            return _block(sim, "spot", request)
        answer = spot.answer_time(sim)
        sim.record("spot", request, CallNotes(), "ok")
        sim.save()
        return JSONResponse(speak(sim.world.dialects, answer))

    async def serve_spot(http: HttpRequest) -> Response:
        request = await read_request(http)
        if not _names_itself(request):
            return _block(sim, "spot", request)
        return JSONResponse(speak(sim.world.dialects, spot.answer_private(sim, request)))

    async def serve_derivatives(http: HttpRequest) -> Response:
        request = await read_request(http)
        if not _names_itself(request):
            return _block(sim, "derivatives", request)
        answered = derivatives.answer(sim, request)
        return JSONResponse(speak(sim.world.dialects, answered.body), answered.status)

    async def serve_people(http: HttpRequest) -> Response:
        if not admin.is_admitted(dict(http.headers), admin_token):
            return JSONResponse(
                {"error": "Wrong or missing token", "next_step": "Use `krakenstate dev`."}, 403
            )
        try:
            arguments = json.loads(await http.body() or b"{}")
            return JSONResponse(admin.perform(sim, http.path_params["operation"], arguments))
        except ValueError:
            return JSONResponse({"error": "The request is no JSON", "next_step": "Send a JSON object."}, 400)
        except DevError as error:
            return JSONResponse({"error": error.message, "next_step": error.next_step}, 400)

    api = Starlette(routes=[
        Route("/0/public/Time", serve_time, methods=["GET", "POST"]),
        Route("/0/{rest:path}", serve_spot, methods=_ANY),
        Route("/derivatives/{rest:path}", serve_derivatives, methods=_ANY),
        Route("/api/auth/{rest:path}", serve_derivatives, methods=_ANY),
        Route("/api/history/{rest:path}", serve_derivatives, methods=_ANY),
        Route(admin.ADMIN_PREFIX + "{operation}", serve_people, methods=["POST"]),
    ])  # fmt: skip
    return FaultyApp(sim, api, spared=admin.ADMIN_PREFIX)


def _names_itself(request: Request) -> bool:
    return bool(request.headers.get("user-agent", "").strip())


def _block(sim: Simulation, platform: Platform, request: Request) -> Response:
    """Calls without `User-Agent` do not reach Kraken: the network in front of it answers, in HTML."""
    sim.record(platform, request, CallNotes(), "blocked: no User-Agent")
    sim.save()
    return HTMLResponse(_BLOCKED, 403)
