"""The application: fitted models over HTTP, and the page that shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import fluvial
from fluvial.core.errors import FluvialError
from fluvial.interfaces.server.bodies import UnsupportedError
from fluvial.interfaces.server.desk import Desk
from fluvial.interfaces.server.examples import QUESTIONS, described
from fluvial.interfaces.server.guard import Guard, Limits, log
from fluvial.interfaces.server.page import add_page
from fluvial.interfaces.server.shelf import Shelf, UnknownModelError


def application(paths: list[Path], token: str | None = None, limits: Limits | None = None) -> Guard:
    """The runs in these folders, as an ASGI application.

    One thread computes, since the networks of one table are too small to share.

    Raises:
        UsageError, RunError: a run cannot be served.
    """
    torch.set_num_threads(1)
    computing = ThreadPoolExecutor(1, thread_name_prefix="fluvial-computing")

    async def run(function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        return await asyncio.get_running_loop().run_in_executor(computing, function, *arguments)

    desk = Desk(run, limits or Limits())
    shelf = Shelf.of(paths, desk)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None]:
        watching = asyncio.create_task(shelf.watch(log))
        log("ready", models=list(shelf.served))
        try:
            yield
        finally:
            watching.cancel()
            computing.shutdown(wait=True, cancel_futures=True)
            log("stopped")

    # the pages of documentation that come with FastAPI load scripts from another host
    app = FastAPI(title="fluvial", version=fluvial.__version__, lifespan=life, docs_url=None, redoc_url=None)
    for kind, status in ((FluvialError, 422), (UnsupportedError, 415), (UnknownModelError, 404)):
        app.add_exception_handler(kind, _sentence(status))
    app.add_exception_handler(HTTPException, _nowhere)  # pyright: ignore[reportArgumentType]
    _add_routes(app, shelf)
    add_page(app)
    return Guard(app, desk.metrics, desk.limits, token)


def _add_routes(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, Any]:
        """Models are loaded."""
        return {"status": "ready", "models": list(shelf.served)}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters as Prometheus reads them."""
        return Response(shelf.desk.metrics.text, media_type="text/plain; version=0.0.4")

    @app.get("/models")
    async def models() -> list[dict[str, Any]]:
        """What is served."""
        return [one.about() for one in shelf.served.values()]

    @app.get("/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        """One model: what it is of, its sizes and verdict, and what can be asked."""
        return shelf.named(name).about()

    for question in QUESTIONS:
        app.post(f"/models/{{name}}/{question}", name=question, **described(question))(_asking(shelf, question))


def _asking(shelf: Shelf, question: str) -> Callable[..., Awaitable[Response]]:
    async def answer(name: str, request: Request) -> Response:
        return await shelf.named(name).ask(question, request)

    return answer


def _sentence(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer


async def _nowhere(request: Request, error: HTTPException) -> Response:
    """What has another method, or no such path."""
    allowed = (error.headers or {}).get("Allow")
    said = "nothing is answered here: /models says what is served, and /openapi.json what can be asked of it"
    if allowed:
        said = f"this is asked with {allowed}, not with {request.method}"
    return JSONResponse({"error": said}, error.status_code, error.headers)
