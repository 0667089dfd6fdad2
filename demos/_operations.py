"""What machines ask beside the page: is it alive, may it get visitors, and its figures."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from llm_core.engine import Engine
from llm_core.operations.warm_up import WarmUp

Exposition = Callable[[str], tuple[bytes, str]]
"""See `Metrics.exposition`."""


def operation_routes(engine: Engine, warm_up: WarmUp, exposition: Exposition | None = None) -> list[Route]:
    """Routes for the page's own server.

    ``/healthz``: 200 while the process serves at all. ``/readyz``: 200 once the models are loaded and while the queue
    has room, else 503; the reason is in the answer. ``/metrics``: only with an `exposition`.
    """

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        reason = _reason(engine, warm_up)
        return JSONResponse({"ready": not reason, "reason": reason}, 503 if reason else 200)

    async def metrics(request: Request) -> Response:
        assert exposition is not None
        content, media_type = exposition(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type})

    routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
    return [*routes, Route("/metrics", metrics)] if exposition else routes


def _reason(engine: Engine, warm_up: WarmUp) -> str:
    """Why no further visitors should be sent here; empty if they should."""
    if not warm_up.complete:
        return "models are being loaded"
    _, waiting = engine.load
    return "the queue is full" if waiting >= engine.settings.max_waiting else ""
