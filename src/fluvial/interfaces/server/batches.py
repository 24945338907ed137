"""Requests that wait for each other: while a batch is scored, the next one gathers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from fluvial.data.schema import Encoded
from fluvial.kinds.tables.model import Model

_ROWS = 8192  # that are scored at once, unless one request has more
Run = Callable[..., Awaitable[Any]]
"""Calls a function with arguments where computing is done, one after the other."""


class Batches:
    """Scores of the rows of many requests to one model, computed together, each request's own given back to it."""

    def __init__(self, model: Model, run: Run, rows: int = _ROWS) -> None:
        self.model, self.run, self.most = model, run, rows
        self.waiting: deque[tuple[Encoded, asyncio.Future[np.ndarray]]] = deque()
        self.rows = 0
        self.sizes = list[int]()
        self._task: asyncio.Task[None] | None = None

    async def log_prob(self, encoded: Encoded) -> np.ndarray:
        """log p of each row, (N,), nats."""
        answer: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        self.waiting.append((encoded, answer))
        self.rows += len(encoded.x)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self.waiting:
            batch = self._next()
            try:
                values = await self.run(_scored, self.model, [encoded for encoded, _ in batch])
            except Exception as error:  # whatever it is, those who wait are told
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            first = 0
            for encoded, answer in batch:
                last = first + len(encoded.x)
                if not answer.done():  # the client may have gone
                    answer.set_result(values[first:last])
                first = last

    def _next(self) -> list[tuple[Encoded, asyncio.Future[np.ndarray]]]:
        """Requests that are scored together; whoever has gone is left out."""
        batch, rows = list[tuple[Encoded, "asyncio.Future[np.ndarray]"]](), 0
        while self.waiting and (not batch or rows + len(self.waiting[0][0].x) <= self.most):
            encoded, answer = self.waiting.popleft()
            self.rows -= len(encoded.x)
            if not answer.done():
                batch.append((encoded, answer))
                rows += len(encoded.x)
        return batch


def _scored(model: Model, parts: list[Encoded]) -> np.ndarray:
    if not parts:
        return np.empty(0)
    context = [p.context for p in parts if p.context is not None]
    values = model.log_prob_rows(np.concatenate([p.x for p in parts]), np.concatenate(context) if context else None)
    values[np.concatenate([p.impossible for p in parts])] = -np.inf
    return values
