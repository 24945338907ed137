"""A fitted model of sound: a density of recordings' samples, the schema of the recordings, the record of its fit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fluvial.conditioners import WaveNet
from fluvial.core import Flow, randomness
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.core.files import make_folder, own_file
from fluvial.core.numbers import between, whole
from fluvial.kinds import records
from fluvial.kinds.fitted import record_of, unasked
from fluvial.kinds.labelled import Labelled
from fluvial.kinds.records import Kept, check_context, check_kept, check_pieces, check_record
from fluvial.kinds.scores import Scores
from fluvial.kinds.sound.read import Sound, read_sound, write_sound
from fluvial.kinds.sound.schema import KIND, SoundSchema
from fluvial.training import Continuation, Windows
from fluvial.training.saved import Saved
from fluvial.transforms import Autoregressive, spine

_WINDOW = 2048  # samples scored at once, or as many as the model reads back if that is more


@dataclass(frozen=True, repr=False)
class SoundModel(Labelled):
    """What ``fit`` and ``load`` return for sound: a density over recordings like those it was fitted to.

    log p is that of the integer codes of a recording's samples, exactly, given its length and its labels.

    Args:
        density: over codes (None,).
        schema: rate, coding and labels.
        record, metrics: see :class:`~fluvial.kinds.fitted.Fitted`.
        rows: "held_out.values", "held_out.lengths", "held_out.context" of some held-out recordings, and "contexts",
            which :meth:`sample` draws from if no context is given.
    """

    KIND: ClassVar[str] = KIND
    density: Flow
    schema: SoundSchema

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self.schema.rate

    @property
    def transform(self) -> Autoregressive:
        """The transform between codes and uniform noise."""
        found = spine(self.density)
        if found is not None and not len(found.head):
            return found.step
        raise RunError("this is not a model of sound, which is one autoregressive transform of codes")

    @property
    def receptive_field(self) -> int:
        """Samples before it that a sample's distribution depends on."""
        conditioner = self.transform.conditioner
        if not isinstance(conditioner, WaveNet):
            raise RunError("this is not a model of sound: its conditioner is not a WaveNet")
        return conditioner.receptive_field

    def log_prob(self, data: object, context: Mapping[str, Any] | None = None) -> np.ndarray:
        """log p of each recording's codes, (M,) float64, nats: see :meth:`score`."""
        return self.score(data, context).log_prob

    def score(self, data: object, context: Mapping[str, Any] | None = None) -> Scores:
        """log p of each recording.

        Args:
            data: what ``fit`` takes; resampled and mixed down as at the fit.
            context: labels by name, one value for all recordings or one each; else they are read as at the fit.

        Raises:
            DataError: a file is not sound, or a label is missing or new.
        """
        sound = read_sound(data, self.rate, None if context else self.schema.pattern)
        totals = self.windows(sound, context).totals(Continuation(self.density))
        return Scores(
            "recording",
            np.array(sound.names),
            totals.numpy(),
            unit="bits per sample",
            column="bits_per_sample",
            nats=math.log(2),
            counts={"samples": sound.lengths},
            warnings=sound.notes,
        )

    def windows(self, sound: Sound, context: Mapping[str, Any] | None = None) -> Windows:
        """Recordings of this model's rate as windows that train or score it."""
        labels, reads = self.schema.encode_labels(sound, context), self.receptive_field
        codes, lengths = torch.from_numpy(self.schema.encode(sound)), torch.from_numpy(sound.lengths)
        given = None if labels is None else torch.from_numpy(labels)
        return Windows(codes, lengths, given, reads, max(_WINDOW, reads))

    def sample(
        self,
        n: int,
        seconds: float | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        prompt: object = None,
        temperature: float = 1.0,
        seed: int | None = None,
    ) -> np.ndarray:
        """n new recordings (n, T), amplitudes in [-1, 1], float32, ``rate`` samples a second.

        Args:
            seconds: length of what is new; None for the median length of the training recordings.
            context: labels by name, one value for all or n of them; None to draw them from the training recordings.
            prompt: a recording to go on with, which the result then begins with: a file, or amplitudes (P,).
            temperature: other than 1 it draws from another density, sharper below 1: see ``Autoregressive.tempered``.
            seed: for the same recordings again.
        """
        if seconds is None:
            seconds = self.schema.seconds
            unasked(round(seconds * self.rate), "say how long with seconds, on the command line --seconds")
        n = whole("n", n, 1, "a number of recordings")
        seconds = between("seconds", seconds, 0, math.inf, "a positive time")
        start = self._prompt(prompt)
        steps = len(start) + max(1, round(seconds * self.rate))
        stream = self.stream(n, context=context, prompt=start, temperature=temperature, seed=seed)
        return np.stack(list(islice(stream, steps)), 1)

    def stream(
        self,
        n: int = 1,
        *,
        context: Mapping[str, Any] | None = None,
        prompt: object = None,
        temperature: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[np.ndarray]:
        """As :meth:`sample`, but moment by moment, (n,) each, without end and in memory that does not grow."""
        start = self._prompt(prompt)
        given, transform = self.draw_context(n, context, seed), self.transform
        if temperature != 1.0:
            try:
                transform = transform.tempered(temperature)
            except ValueError as error:
                raise UsageError(str(error)) from None
        coding, device = self.schema.coding, next(self.density.parameters()).device
        known = torch.from_numpy(coding.encode(start).astype(np.float32)).expand(n, -1).to(device)
        embedded = None if given is None else self._embedded(given.to(device))
        with torch.no_grad():
            walk = transform.walk(randomness.columns(n, seed, device), embedded, known if len(start) else None)
        while True:
            with torch.no_grad():  # entered anew: the caller's own code runs in between
                x, _ = next(walk)
            yield coding.decode(x.cpu().numpy())

    def _embedded(self, context: Tensor) -> Tensor:
        return context if self.density.embed is None else self.density.embed(context)

    def _prompt(self, prompt: object) -> np.ndarray:
        if prompt is None:
            return np.empty(0, dtype=np.float32)
        if isinstance(prompt, np.ndarray):
            if prompt.ndim != 1 or not np.isfinite(prompt).all():
                raise DataError(f"prompt: expected finite amplitudes (P,), got shape {prompt.shape}")
            return prompt
        sound = read_sound(prompt, self.rate)
        if len(sound) != 1:
            raise DataError(f"prompt: expected one recording, got {len(sound)}")
        return sound.samples

    def write_samples(self, folder: Path, samples: np.ndarray, context: Tensor | None = None) -> list[Path]:
        """Each recording as a WAV file, named by its number and labels; returns the paths."""
        make_folder(folder)
        paths: list[Path] = []
        for i, wave in enumerate(samples):
            words = [] if context is None else [_safe(v) for v in self.schema.words(context[i].numpy()).values()]
            paths.append(folder / ("-".join([f"sample-{i:03d}", *words]) + ".wav"))
            write_sound(own_file(paths[-1]), wave, self.rate)
        return paths


def restore(saved: Saved, path: str | os.PathLike[str]) -> SoundModel:
    """The model in a run folder that has been read."""
    schema = SoundSchema.from_json(saved.config["schema"])
    if not isinstance(saved.density, Flow):
        raise RunError(f"{path} is damaged: its model is not a flow")
    model = SoundModel(saved.density, schema, record_of(saved), saved.metrics, saved.rows)
    check_record(saved, path, records.SoundSizes, records.SoundScores)
    check_context(saved, path, [len(words) for words in schema.context.values()])
    labels = Kept((len(schema.context),), [len(words) - 1 for words in schema.context.values()])
    kept = {"held_out.values": Kept(most=schema.levels - 1), "held_out.lengths": Kept()}
    check_kept(saved, path, {**kept, "held_out.context": labels, "contexts": labels})
    check_pieces(saved, path)
    if saved.density.event_shape != (None,) or saved.config["model"]["options"].get("levels") != schema.levels:
        raise RunError(f"{path} is damaged: its model is not one of the recordings in its schema")
    if model.transform.univariate.size < 2 or model.receptive_field < 1:
        raise RunError(f"{path} is damaged: its model is not one of codes")
    return model


def _safe(word: str) -> str:
    return "".join(c if c.isalnum() or c in "._" else "_" for c in word)[:40]
