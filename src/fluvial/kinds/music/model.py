"""A fitted model of piano rolls: a density of pieces, and the record of its fit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from fluvial.conditioners import Frames
from fluvial.core import Flow, randomness
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.core.numbers import whole
from fluvial.kinds import records
from fluvial.kinds.fitted import Fitted, record_of, unasked
from fluvial.kinds.music.rolls import KIND, Rolls, RollSchema, read_rolls
from fluvial.kinds.records import Kept, check_context, check_kept, check_pieces, check_record
from fluvial.kinds.scores import Scores
from fluvial.training import Continuation, Windows
from fluvial.training.saved import Saved
from fluvial.transforms import Autoregressive, spine

SHIFT = 5  # notes up or down that a training window is moved at most: to about every key
_WINDOW = 128  # moments scored at once, or as many as the model reads back if that is more


@dataclass(frozen=True, repr=False)
class RollModel(Fitted):
    """What ``fit`` and ``load`` return for piano rolls: log p of a piece's notes, exactly, given its length.

    Args:
        density: over bits (None,), moment after moment.
        schema: the notes of a moment, and how long new pieces are.
        record, metrics: see :class:`~fluvial.kinds.fitted.Fitted`.
        rows: "held_out.values" (steps, notes) and "held_out.lengths" of some held-out pieces.
    """

    KIND: ClassVar[str] = KIND
    density: Flow
    schema: RollSchema

    @property
    def notes(self) -> int:
        """Of a moment."""
        return self.schema.notes

    @property
    def transform(self) -> Autoregressive:
        """The transform between bits and uniform noise."""
        found = spine(self.density)
        if found is None or len(found.head) or not isinstance(found.step.conditioner, Frames):
            raise RunError("this is not a model of piano rolls, which is one autoregressive transform of frames")
        return found.step

    @property
    def reads(self) -> int:
        """Moments before it that a moment's distribution depends on."""
        conditioner = self.transform.conditioner
        return conditioner.receptive_field // self.notes if isinstance(conditioner, Frames) else 0

    def score(self, data: object) -> Scores:
        """log p of each piece.

        Raises:
            DataError: the file holds no piano rolls, or rolls of other notes.
        """
        rolls = read_rolls(data)
        if rolls.notes != self.notes:
            raise DataError(f"the model is of {self.notes} notes, the rolls have {rolls.notes}")
        totals = self.windows(rolls).totals(Continuation(self.density))
        return Scores(
            "piece",
            np.array(rolls.names),
            totals.numpy(),
            unit="nats a moment",
            column="log_prob_per_step",
            counts={"steps": rolls.lengths},
            groups=rolls.split if (rolls.split != "").any() else None,
        )

    def log_prob(self, data: object) -> np.ndarray:
        """log p of each piece's notes given its length, (M,) float64, nats.

        Raises:
            DataError: as :meth:`score`.
        """
        return self.score(data).log_prob

    def windows(self, rolls: Rolls) -> Windows:
        """Pieces as windows that train or score the density."""
        values, lengths = torch.from_numpy(rolls.values.ravel()), torch.from_numpy(self.notes * rolls.lengths)
        longest = self.notes * max(_WINDOW, self.reads)
        return Windows(values, lengths, reads=self.notes * self.reads, longest=longest, frame=self.notes)

    @torch.no_grad()
    def sample(
        self, n: int, steps: int | None = None, *, temperature: float = 1.0, seed: int | None = None
    ) -> np.ndarray:
        """n new pieces (n, steps, notes), uint8.

        Args:
            steps: None for the median length of the training pieces.
            temperature: other than 1 it draws from another density, sharper below 1: see ``Autoregressive.tempered``.
            seed: for the same pieces again.
        """
        if steps is None:
            steps = self.schema.steps
            unasked(steps * self.notes, "say how many moments with steps")
        n, steps = whole("n", n, 1, "a number of pieces"), whole("steps", steps, 1)
        try:
            transform = self.transform if temperature == 1.0 else self.transform.tempered(temperature)
        except ValueError as error:
            raise UsageError(str(error)) from None
        walk = transform.walk(randomness.columns(n, seed, next(self.density.parameters()).device))
        bits = torch.stack([x for x, _ in islice(walk, steps * self.notes)], 1)
        return bits.view(n, steps, self.notes).cpu().numpy().astype(np.uint8)


def restore(saved: Saved, path: str | os.PathLike[str]) -> RollModel:
    """The model in a run folder that has been read."""
    schema = RollSchema.from_json(saved.config["schema"])
    damaged = RunError(f"{Path(path)} is damaged: its model is not one of the piano rolls that it names")
    if not isinstance(saved.density, Flow):
        raise damaged
    check_record(saved, path, records.RollSizes, records.RollScores)
    check_context(saved, path, ())
    kept = {"held_out.values": Kept((schema.notes,), 1), "held_out.lengths": Kept()}
    check_kept(saved, path, kept)
    check_pieces(saved, path)
    model = RollModel(saved.density, schema, record_of(saved), saved.metrics, saved.rows)
    if saved.density.event_shape != (None,) or model.transform.conditioner.values != model.notes:  # pyright: ignore
        raise damaged
    return model
