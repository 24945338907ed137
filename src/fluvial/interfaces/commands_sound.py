"""What ``score`` and ``sample`` do with a model of sound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fluvial.core.files import own_folder
from fluvial.interfaces.scored import Scored
from fluvial.interfaces.words import Draw
from fluvial.tasks.sound import SoundModel
from fluvial.terminal import say

_RECORDINGS = 4  # drawn where no number is given


def score(fitted: SoundModel, data: str | list[str], context: Mapping[str, object] | None) -> Scored:
    """Bits per sample of each recording."""
    sound = fitted.score(data, context)
    columns = {
        "recording": np.array(sound.names),
        "samples": sound.samples,
        "log_prob": sound.log_prob,
        "bits_per_sample": sound.bits,
    }
    notes = [f"note: {warning}" for warning in sound.warnings]
    return Scored(columns, notes, "bits per sample", -sound.log_prob / math.log(2), sound.samples)


def sample(
    fitted: SoundModel,
    wish: Draw,
    *,
    seconds: float | None = None,
    prompt: Path | None = None,
    temperature: float = 1.0,
) -> None:
    """New recordings as WAV files, in the run folder where no other is given."""
    number = _RECORDINGS if wish.number is None else wish.number
    samples = fitted.sample(
        number, seconds, context=wish.context, prompt=prompt, temperature=temperature, seed=wish.seed
    )
    given = fitted.draw_context(number, wish.context, wish.seed)
    for path in fitted.write_samples(wish.out or own_folder(wish.run / "samples"), samples, given):
        say(path)
