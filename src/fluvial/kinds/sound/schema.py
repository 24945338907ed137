"""What a model of sound knows about recordings: their rate, their coding, and the labels it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fluvial.core.errors import RunError, UsageError
from fluvial.core.typed import typed
from fluvial.data.labels import check_known
from fluvial.kinds.labelled import LabelledSchema
from fluvial.kinds.sound.coding import CODINGS, Coding
from fluvial.kinds.sound.read import RATES, Sound

KIND = "sound"
_WHAT = "the schema of the recordings"


@dataclass(frozen=True)
class SoundSchema(LabelledSchema):
    """Recordings like those that a model was fitted to.

    Args:
        rate: samples per second.
        levels: of the coding, a key of ``CODINGS``.
        context: the labels that the model is given, in order, each with its values.
        pattern: how file names tell labels, None for folders.
        seconds: median length of the recordings.
    """

    rate: int
    levels: int
    context: dict[str, tuple[str, ...]]
    pattern: str | None = None
    seconds: float = 1.0

    @classmethod
    def of(cls, sound: Sound, levels: int, context: Sequence[str], pattern: str | None) -> SoundSchema:
        """The schema of these recordings.

        Raises:
            UsageError: a label that the recordings do not have, or no coding of so many levels.
        """
        for name in context:
            if name not in sound.labels:
                known = ", ".join(sound.labels) or "none: name folders after them, or give a pattern of file names"
                raise UsageError(f"context: the recordings have no label {name!r}; they have {known}")
        if len(set(context)) != len(context):
            raise UsageError(f"context: {', '.join(context)} names a label twice")
        if levels not in CODINGS:
            raise UsageError(f"levels: sound is coded with {' or '.join(map(str, CODINGS))} levels, not {levels}")
        values = {name: tuple(sorted(set(sound.labels[name].tolist()))) for name in context}
        return cls(sound.rate, levels, values, pattern, float(np.median(sound.lengths)) / sound.rate)

    @property
    def coding(self) -> Coding:
        """Between amplitudes and integers."""
        return CODINGS[self.levels]

    def encode(self, sound: Sound) -> np.ndarray:
        """The codes of all recordings end to end, int32."""
        return self.coding.encode(sound.samples).astype(np.int32)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SoundSchema:
        """The schema again.

        Raises:
            RunError: ``data`` is not what :meth:`to_json` writes.
        """
        plain = {name: value for name, value in data.items() if name != "kind"}
        schema = typed(plain, cls, _WHAT, exact=True)
        if not RATES[0] <= schema.rate <= RATES[1] or schema.levels not in CODINGS or not 0 < schema.seconds < 1e6:
            raise RunError(f"{_WHAT} is damaged: its rate, levels or length make no sense")
        check_known(schema.context, _WHAT)
        return schema
