"""One model behind the door: what it says of itself, and the questions that it answers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.responses import Response

from fluvial.core import Sampler
from fluvial.core.errors import UsageError
from fluvial.data.tables import Table
from fluvial.data.words import listed
from fluvial.interfaces.server.bodies import table_of
from fluvial.interfaces.server.desk import Desk
from fluvial.kinds.fitted import Fitted

M = TypeVar("M", bound=Fitted)
Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class Served(ABC, Generic[M]):
    """A run as it was when it was loaded; another one takes its place when the run is replaced."""

    name: str
    model: M
    desk: Desk

    @property
    @abstractmethod
    def answers(self) -> Mapping[str, Answer]:
        """The questions that such a model answers."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """What a client should know of such a model, beside what :meth:`about` says of all."""

    def about(self) -> dict[str, Any]:
        """What a client should know: sizes, how far to trust it, and what can be asked."""
        record = self.model.record
        verdict = record.get("verdict")
        return {
            "name": self.name,
            "kind": self.model.KIND,
            "model": record["model"]["model"],
            "exact": self.model.exact,
            "scores": not isinstance(self.model.density, Sampler),
            "verdict": verdict.get("level") if isinstance(verdict, dict) else None,
            "reasons": list(verdict.get("reasons", ())) if isinstance(verdict, dict) else [],
            "answers": list(self.answers),
            **self.details(),
        }

    async def ask(self, question: str, request: Request) -> Response:
        """UsageError, a sentence, if such a model does not answer it."""
        answer = self.answers.get(question)
        if answer is None:
            raise UsageError(
                f"{self.name!r} is a model of {self.model.KIND}, of which {question} is not asked here; what is: "
                f"{listed(self.answers)}"
            )
        return await answer(request)

    def count(self, question: str, number: int) -> None:
        """So many rows, images, recordings or paths more."""
        self.desk.metrics.rows.labels(self.name, question).inc(number)


async def table_in(request: Request) -> Table:
    """The table in a request's body."""
    kind = request.headers.get("content-type", "")
    return await asyncio.to_thread(table_of, await request.body(), kind)
