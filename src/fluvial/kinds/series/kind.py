"""Series as a kind of data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fluvial.kinds.kind import Draw, Kind, Opened, Option, no_context
from fluvial.kinds.typed import listed_names

if TYPE_CHECKING:
    from fluvial.examine.page import Report
    from fluvial.kinds.job import Job
    from fluvial.kinds.scores import Scores
    from fluvial.kinds.series.model import SeriesModel
    from fluvial.training.saved import Saved

_DRAWN = 100  # paths where no number is given
_KNOWN = "of series, what is known beforehand is a column (--known at the fit)"


class SeriesKind(Kind):
    """Numbers at regular times, of one series or of many."""

    name: ClassVar[str] = "series"
    give: ClassVar[str] = "a table with one column of regular dates or times"
    look: ClassVar[str] = "fan"
    decisive: ClassVar[tuple[str, ...]] = ("time", "series", "targets", "known")
    fits: ClassVar[tuple[Option, ...]] = (
        Option("time", str, "the column of regular dates or times, or of whole numbers."),
        Option("series", str, "the column that tells series apart, of a table that holds several one below the other."),
        Option(
            "targets",
            list[str],
            "a column to forecast; can be repeated, or separated by commas; by default all numbers.",
        ),
        Option(
            "known",
            list[str],
            "a column that is known ahead, such as holidays; can be repeated, or separated by commas.",
        ),
        Option("drop", list[str], "a column to leave out; can be repeated, or separated by commas."),
    )
    samples: ClassVar[tuple[Option, ...]] = (
        Option("horizon", int, "how many steps ahead, by default as in the report."),
    )

    def claims(self, source: object) -> bool:
        """Tables whose head has one regular column of dates, and numbers beside it."""
        from fluvial.kinds.series.read import recognised

        return recognised(source)

    def open(self, source: Any, context: Sequence[str] | None, options: Mapping[str, Any]) -> Opened:
        from fluvial.data.tables import read

        table = read(source)
        names = {n: listed_names(options.get(n), table.names) for n in ("targets", "known", "drop") if n in options}
        return Opened(table, self.default, listed_names(context, table.names), {**options, **names})

    def fit(self, data: object, model: Any, job: Job, **arguments: Any) -> SeriesModel:
        from fluvial.kinds.series.fit import fit_series

        return fit_series(data, model, job, **arguments)

    def restore(self, saved: Saved, path: str | os.PathLike[str]) -> SeriesModel:
        from fluvial.kinds.series.model import restore

        return restore(saved, path)

    def summary(self, model: SeriesModel) -> list[str]:
        from fluvial.kinds.series.summary import series_summary

        return series_summary(model)

    def details(self, model: SeriesModel) -> list[str]:
        from fluvial.kinds.series.summary import series_details

        return series_details(model)

    def score(self, model: SeriesModel, data: Any, context: Mapping[str, object] | None, **options: Any) -> Scores:
        no_context(context, _KNOWN)
        return model.score(data, **options)

    def sample(self, model: SeriesModel, wish: Draw, **options: Any) -> Iterable[Path]:
        """Paths that go on from the end of the data, to a file or as CSV to stdout."""
        from fluvial.kinds.tables.written import write_columns

        no_context(wish.context, _KNOWN)
        drawn = model.simulate(None, options.get("horizon"), _DRAWN if wish.number is None else wish.number, wish.seed)
        write_columns(drawn.columns(), wish.out)
        return ()

    def examine(self, model: SeriesModel) -> Report:
        from fluvial.kinds.series.report import series_report

        return series_report(model)
