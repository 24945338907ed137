"""Music as a kind of data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fluvial.kinds.kind import TEMPERATURE, Draw, Kind, Opened, Option, no_context
from fluvial.kinds.typed import listed_names

if TYPE_CHECKING:
    from fluvial.examine.page import Report
    from fluvial.kinds.job import Job
    from fluvial.kinds.music.model import RollModel
    from fluvial.kinds.scores import Scores
    from fluvial.training.saved import Saved

_DRAWN = 4  # where no number is given
_UNLABELLED = "piano rolls have no labels"


class MusicKind(Kind):
    """Piano rolls of any length."""

    name: ClassVar[str] = "piano rolls"
    give: ClassVar[str] = "a .mat file, or an .npz archive with rolls and length"
    look: ClassVar[str] = "rolls"
    samples: ClassVar[tuple[Option, ...]] = (TEMPERATURE,)

    def claims(self, source: object) -> bool:
        from fluvial.kinds.music.rolls import is_rolls

        return is_rolls(source)

    def open(self, source: Any, context: Sequence[str] | None, options: Mapping[str, Any]) -> Opened:
        from fluvial.kinds.music.rolls import read_rolls

        return Opened(read_rolls(source), self.default, listed_names(context), dict(options))

    def fit(self, data: object, model: Any, job: Job, **arguments: Any) -> RollModel:
        from fluvial.kinds.music.fit import fit_rolls

        return fit_rolls(data, model, job, **arguments)

    def restore(self, saved: Saved, path: str | os.PathLike[str]) -> RollModel:
        from fluvial.kinds.music.model import restore

        return restore(saved, path)

    def summary(self, model: RollModel) -> list[str]:
        from fluvial.kinds.music.summary import rolls_summary

        return rolls_summary(model)

    def score(
        self,
        model: RollModel,
        data: Any,
        context: Mapping[str, object] | None,
        **options: Any,
    ) -> Scores:
        no_context(context, _UNLABELLED)
        return model.score(data, **options)

    def sample(self, model: RollModel, wish: Draw, **options: Any) -> Iterable[Path]:
        """New pieces as one .npz archive, in the run folder where no other place is given."""
        from fluvial.core.files import own_file
        from fluvial.kinds.music.rolls import write_rolls

        no_context(wish.context, _UNLABELLED)
        pieces = model.sample(_DRAWN if wish.number is None else wish.number, seed=wish.seed, **options)
        out = wish.out or own_file(wish.run / "samples.npz")
        write_rolls(out, pieces)
        return [out]

    def examine(self, model: RollModel) -> Report:
        from fluvial.kinds.music.report import rolls_report

        return rolls_report(model)
