"""Tables behind the door: bodies are read beside each other, and computed one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fluvial.core import Sampler
from fluvial.core.errors import UsageError
from fluvial.data.tables import Columns
from fluvial.interfaces.server import answers
from fluvial.interfaces.server.batches import Batches
from fluvial.interfaces.server.bodies import Event, Marginals, Sample, conditions, context_of, parsed
from fluvial.interfaces.server.marginals import marginals
from fluvial.interfaces.server.served import Answer, Served, table_in
from fluvial.kinds.tables.detect import Detector
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.written import escaped
from fluvial.models import AnyOrder


@dataclass
class ServedTable(Served[Model]):
    """A model of a table."""

    judge: Detector | None = None
    batches: Batches = field(init=False)

    def __post_init__(self) -> None:
        self.batches = Batches(self.model, self.desk.run)

    @property
    def answers(self) -> Mapping[str, Answer]:
        drawn = {"sample": self.sample, "marginals": self.marginals}
        if isinstance(self.model.density, Sampler):
            return drawn
        scored = {"score": self.score, "detect": self.detect}
        return {**drawn, **scored, "given": self.sample, "probability": self.probability}

    def details(self) -> dict[str, Any]:
        """Columns with their kinds, bounds and labels; rows; what can be conditioned on."""
        m = self.model
        known = [
            {
                "name": c.name,
                "kind": c.kind,
                "unit": c.unit,
                "role": "context" if c in m.schema.context else "modelled" if c in m.schema.columns else "determined",
                "lower": c.lower,
                "upper": c.upper,
                "categories": list(c.categories),
            }
            for c in m.schema.every
        ]
        return {
            "any_cells": m.schema.gaps,
            "any_given": isinstance(m.density, AnyOrder),
            "rows": m.record["sizes"]["train"],
            "compared_with": len(m.rows.get("held_out.x", ())),
            "columns": known,
        }

    async def score(self, request: Request) -> Response:
        """log p of each row."""
        model, table = self.model, await table_in(request)
        encoded = await asyncio.to_thread(model.schema.encode, table)
        values = await self.batches.log_prob(encoded)
        self.count("score", len(values))
        notes = [*table.notes, *encoded.warnings, *model.about_scores]
        return answers.table({"log_prob": values}, request, {"unit": "nats", "notes": notes})

    async def detect(self, request: Request) -> Response:
        """Which rows are unusual, with p-values, and which cell is why."""
        rate, table = _share(request, "rate"), await table_in(request)
        encoded = await asyncio.to_thread(self.model.schema.encode, table)
        found = await self.desk.run(lambda: self._judging().detect(table, rate))
        self.count("detect", len(found))
        columns = {"row": found.rows, "log_prob": await self.batches.log_prob(encoded), **found.columns}
        if answers.for_a_spreadsheet(request):
            columns = escaped(columns)
        return answers.table(columns, request, {"notes": [*found.warnings, *found.summary]})

    async def sample(self, request: Request) -> Response:
        """New rows, given what is known, as a table that is sent as it is drawn."""
        model, wish = self.model, parsed(await request.body(), Sample)
        answers.check_number("n", wish.n, self.desk.limits.draws if wish.given else self.desk.limits.rows)
        if wish.given:
            rows = await self.desk.run(self._drawn, wish)
            blocks: Iterator[tuple[np.ndarray, np.ndarray | None]] = iter([rows])
        else:
            blocks = model.sample_blocks(wish.n, context_of(wish.context), wish.seed)
        parts: Iterator[Columns] = (model.schema.decode(*block) for block in blocks)
        if answers.for_a_spreadsheet(request):
            parts = map(escaped, parts)
        self.count("sample", wish.n)
        return await answers.stream(parts, request, self.desk.run, wish.n)

    async def probability(self, request: Request) -> Response:
        """P(event | given), with its standard error where it is not exact."""
        model, asked = self.model, parsed(await request.body(), Event)
        answers.check_number("draws", asked.draws, self.desk.limits.draws)
        arguments = (asked.event, conditions(asked.given), context_of(asked.context))
        found = await self.desk.run(lambda: model.probability(*arguments, draws=asked.draws, seed=asked.seed))
        known = {"probability": found.value, "error": found.error, "exact": found.exact, "draws": found.draws}
        return JSONResponse(known)

    async def marginals(self, request: Request) -> Response:
        """How each column is distributed, given what is known, beside the rows of the fit; and two columns together."""
        asked = parsed(await request.body(), Marginals)
        answers.check_number("n", asked.n, self.desk.limits.draws)
        wish = Sample(asked.n, asked.seed, asked.context, asked.given)
        found = await self.desk.run(lambda: marginals(self.model, *self._drawn(wish), asked.pair))
        self.count("marginals", asked.n)
        return JSONResponse(found)

    def _drawn(self, wish: Sample) -> tuple[np.ndarray, np.ndarray | None]:
        """Encoded rows and their context, given what is known."""
        context = context_of(wish.context)
        if not wish.given:
            return self.model.sample_rows(wish.n, context, wish.seed)
        known = self.model.given(conditions(wish.given), context)
        given = None if known.context is None else known.context.expand(wish.n, -1).numpy()
        return known.sample_rows(wish.n, wish.seed), given

    def _judging(self) -> Detector:
        """What rows are compared with, which is computed once for a model."""
        if self.judge is None:
            self.judge = Detector.of(self.model)
        return self.judge


def _share(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    try:
        return None if text is None else float(text)
    except ValueError:
        raise UsageError(f"{name}: expected a number, got {text!r:.100}") from None
