"""Sound as a kind of data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fluvial.kinds.kind import TEMPERATURE, Draw, Kind, Option

if TYPE_CHECKING:
    from fluvial.examine.page import Report
    from fluvial.kinds.job import Job
    from fluvial.kinds.sound.model import SoundModel
    from fluvial.training.saved import Saved

_DRAWN = 4  # where no number is given


class SoundKind(Kind):
    """Recordings of any length."""

    name: ClassVar[str] = "sound"
    give: ClassVar[str] = "a sound file, a folder of them, or an .npz of recordings"
    look: ClassVar[str] = "spectrograms"
    fits: ClassVar[tuple[Option, ...]] = (
        Option("rate", int, "samples per second to bring all files to, by default that of most files."),
        Option(
            "labels",
            str,
            "how file names give labels, such as {digit}_{speaker}_{take}; by default by the names of sub-folders.",
        ),
    )
    samples: ClassVar[tuple[Option, ...]] = (
        Option("seconds", float, "how long, by default as long as the recordings were."),
        Option("prompt", Path, "a file to go on with."),
        TEMPERATURE,
    )

    def claims(self, source: object) -> bool:
        from fluvial.kinds.sound.read import is_sound

        return is_sound(source)

    def fit(self, data: object, model: Any, job: Job, **arguments: Any) -> SoundModel:
        from fluvial.kinds.sound.fit import fit_sound

        return fit_sound(data, model, job, **arguments)

    def by_folder(self, source: Any) -> tuple[Any, dict[str, Any]]:
        from fluvial.kinds.sound.read import read_sound

        sound = read_sound(source)
        return sound, {"context": tuple(sound.labels)}

    def restore(self, saved: Saved, path: str | os.PathLike[str]) -> SoundModel:
        from fluvial.kinds.sound.model import restore

        return restore(saved, path)

    def summary(self, model: SoundModel) -> list[str]:
        from fluvial.kinds.sound.summary import sound_summary

        return sound_summary(model)

    def details(self, model: SoundModel) -> list[str]:
        from fluvial.kinds.summary import labels

        return labels(model.schema.context)

    def sample(self, model: SoundModel, wish: Draw, **options: Any) -> Iterable[Path]:
        """New recordings as WAV files, in the run folder where no other is given."""
        from fluvial.core.files import own_folder

        number = _DRAWN if wish.number is None else wish.number
        samples = model.sample(number, context=wish.context, seed=wish.seed, **options)
        given = model.draw_context(number, wish.context, wish.seed)
        return model.write_samples(wish.out or own_folder(wish.run / "samples"), samples, given)

    def examine(self, model: SoundModel) -> Report:
        from fluvial.kinds.sound.report import sound_report

        return sound_report(model)
