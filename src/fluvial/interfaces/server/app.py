"""The application: fitted tables over HTTP."""

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

import fluvial
from fluvial.core.errors import FluvialError
from fluvial.interfaces.server import answers
from fluvial.interfaces.server.bodies import (
    Event,
    Sample,
    UnsupportedError,
    conditions,
    context_of,
    parsed,
    table_of,
)
from fluvial.interfaces.server.examples import described
from fluvial.interfaces.server.guard import Guard, Limits, log
from fluvial.interfaces.server.metrics import Metrics
from fluvial.interfaces.server.shelf import Served, Shelf
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.questions import Conditional


class UnknownModelError(LookupError):
    """There is no model of this name."""


class Answering:
    """The questions, as coroutines: bodies are read beside each other, and computed one after the other.

    One thread computes, since the networks of one table are too small to share.
    """

    def __init__(self, paths: list[Path], limits: Limits) -> None:
        self.limits, self.metrics = limits, Metrics()
        self.computing = ThreadPoolExecutor(1, thread_name_prefix="fluvial-computing")
        self.shelf = Shelf.of(paths, self.run)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        """Where computing is done."""
        return await asyncio.get_running_loop().run_in_executor(self.computing, function, *arguments)

    def named(self, name: str) -> Served:
        """UnknownModelError, a sentence, if there is none."""
        if name not in self.shelf.served:
            raise UnknownModelError(f"there is no model {name!r:.100}; there is {', '.join(self.shelf.served)}")
        return self.shelf.served[name]

    async def score(self, name: str, request: Request) -> Response:
        """log p of each row."""
        one = self.named(name)
        batches, model = one.batches, one.model
        table = await self._table(request)
        encoded = await asyncio.to_thread(model.schema.encode, table)
        values = await batches.log_prob(encoded)
        self.metrics.rows.labels(name, "score").inc(len(values))
        notes = [*table.notes, *encoded.warnings, *model.about_scores]
        return answers.table({"log_prob": values}, request, {"unit": "nats", "notes": notes})

    async def detect(self, name: str, request: Request, rate: float | None = None) -> Response:
        """Which rows are unusual, with p-values, and which cell is why."""
        one, table = self.named(name), await self._table(request)
        found = await self.run(one.detect, table, rate)
        self.metrics.rows.labels(name, "detect").inc(len(found))
        return answers.table(found.columns, request, {"notes": [*found.warnings, *found.summary]})

    async def sample(self, name: str, request: Request) -> Response:
        """New rows, given what is known, as a table that is sent as it is drawn."""
        model, wish = self.named(name).model, parsed(await request.body(), Sample)
        answers.check_number("n", wish.n, self.limits.draws if wish.given else self.limits.rows)
        context = context_of(wish.context)
        known = await self.run(model.given, conditions(wish.given), context) if wish.given else None
        drawn = known.sample_columns if isinstance(known, Conditional) else None
        if drawn is not None:
            parts = iter([await self.run(drawn, wish.n, wish.seed)])
        else:
            parts = _decoded(model, wish.n, context, wish.seed)
        self.metrics.rows.labels(name, "sample").inc(wish.n)
        return await answers.stream(parts, request, self.run, wish.n)

    async def probability(self, name: str, request: Request) -> Response:
        """P(event | given), with its standard error where it is not exact."""
        model, asked = self.named(name).model, parsed(await request.body(), Event)
        answers.check_number("draws", asked.draws, self.limits.draws)
        arguments = (asked.event, conditions(asked.given), context_of(asked.context))
        found = await self.run(lambda: model.probability(*arguments, draws=asked.draws, seed=asked.seed))
        known = {"probability": found.value, "error": found.error, "exact": found.exact, "draws": found.draws}
        return JSONResponse(known)

    async def _table(self, request: Request) -> Any:  # noqa: ANN401
        kind = request.headers.get("content-type", "")
        return await asyncio.to_thread(table_of, await request.body(), kind)


def application(paths: list[Path], token: str | None = None, limits: Limits | None = None) -> Guard:
    """The whole of it, as ASGI.

    Args:
        paths: run folders of fits of tables.
        token: that clients must show; None for localhost alone.

    Raises:
        RunError, UsageError: a run cannot be served.
    """
    torch.set_num_threads(1)
    limits = limits or Limits()
    asked = Answering(paths, limits)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None]:
        watching = asyncio.create_task(asked.shelf.watch(asked.run, log))
        log("ready", models=list(asked.shelf.served))
        try:
            yield
        finally:
            watching.cancel()
            asked.computing.shutdown(wait=True, cancel_futures=True)
            log("stopped")

    # the pages of documentation that come with FastAPI load scripts from another host
    app = FastAPI(title="fluvial", version=fluvial.__version__, lifespan=life, docs_url=None, redoc_url=None)
    for kind, status in ((FluvialError, 422), (UnsupportedError, 415), (UnknownModelError, 404)):
        app.add_exception_handler(kind, _sentence(status))
    _add_routes(app, asked)
    return Guard(app, asked.metrics, limits, token)


def _add_routes(app: FastAPI, asked: Answering) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, Any]:
        """Models are loaded."""
        return {"status": "ready", "models": list(asked.shelf.served)}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters as Prometheus reads them."""
        return Response(asked.metrics.text, media_type="text/plain; version=0.0.4")

    @app.get("/models")
    async def models() -> list[dict[str, Any]]:
        """What is served."""
        return [one.about() for one in asked.shelf.served.values()]

    @app.get("/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        """One model: its columns, sizes and verdict."""
        return asked.named(name).about()

    questions = {"score": asked.score, "detect": asked.detect, "sample": asked.sample, "given": asked.sample}
    for question, answer in {**questions, "probability": asked.probability}.items():
        app.post(f"/models/{{name}}/{question}", name=question, **described(question))(answer)


def _sentence(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer


def _decoded(model: Model, n: int, context: object, seed: int | None) -> Any:  # noqa: ANN401
    return (model.schema.decode(*block) for block in model.sample_blocks(n, context, seed))
