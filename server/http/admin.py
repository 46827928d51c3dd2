"""Endpoints about the server itself: health, status, metrics, configuration."""

from __future__ import annotations

import platform

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from engine import jit
from server.http.auth import authenticate
from server.http.context import context_of
from server.metrics import CONTENT_TYPE


async def health(request: Request) -> Response:
    """Answers as long as the event loop turns."""
    del request
    return JSONResponse({})


async def ready(request: Request) -> Response:
    """200 while statements are taken, 503 before and after."""
    is_ready = context_of(request).is_ready()
    return JSONResponse({} if is_ready else {"error": "not ready"}, 200 if is_ready else 503)


async def status(request: Request) -> Response:
    """What runs here. Needs no password, so it tells nothing about data."""
    return JSONResponse(
        {
            "name": "gnomon",
            "version": context_of(request).version,
            "hostname": platform.node(),
            "python_version": platform.python_version(),
            "kernels_ready": jit.is_warm(),  # before that, nothing is as quick as it will be
        }
    )


async def metrics(request: Request) -> Response:
    """The Prometheus exposition."""
    context = context_of(request)
    text = await context.workers.run(context.metrics.text)
    return Response(text, headers={"content-type": CONTENT_TYPE})


async def configuration(request: Request) -> Response:
    """The effective configuration as TOML, with the origin of each value."""
    await authenticate(request)
    toml = context_of(request).configuration.to_toml()
    return PlainTextResponse(toml, media_type="application/toml")
