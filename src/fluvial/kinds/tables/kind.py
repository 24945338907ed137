"""Tables as a kind of data."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fluvial.kinds.kind import Draw, File, Kind, Opened, Option, no_context
from fluvial.kinds.typed import listed_names, parse_kinds, parse_missing, parse_pairs

if TYPE_CHECKING:
    from fluvial.examine.page import Report
    from fluvial.kinds.ground import Ground
    from fluvial.kinds.job import Job
    from fluvial.kinds.scores import Scores
    from fluvial.kinds.tables.model import Model
    from fluvial.training.saved import Saved

_ROWS = 1000  # drawn where no number is given
_GIVEN = (
    "what is known of any column where mixed was fitted, NAME=VALUE, as in Sex=M; NAME=LOW..HIGH, ends included, "
    "either of which may be left out; NAME=A|B for one of several; and NAME= for a missing cell. A label that holds "
    "such signs is still taken as that label. Can be repeated, or separated by commas."
)


class TablesKind(Kind):
    """Rows of numbers, labels, times and gaps; what nothing else claims."""

    name: ClassVar[str] = "tables"
    give: ClassVar[str] = "a table"
    look: ClassVar[str] = "pairs"
    decisive: ClassVar[tuple[str, ...]] = ("table",)
    fits: ClassVar[tuple[Option, ...]] = (
        Option(
            "kinds",
            list[str],
            "COL=KIND where the table does not show it: real, positive, integer, categorical, time, "
            "bounded:LOW:HIGH, ordinal:LEAST:...:GREATEST, or circular:LOW:HIGH, where HIGH is LOW again, as 24 is 0 "
            "of hours; can be repeated.",
            parse_kinds,
            "kind",
        ),
        Option(
            "units",
            list[str],
            "COL=UNIT, for the report; can be repeated.",
            lambda typed: parse_pairs("unit", typed),
            "unit",
        ),
        Option("drop", list[str], "a column to leave out; can be repeated, or separated by commas."),
        Option("drop_missing", bool, "leave out rows with missing or infinite values."),
        Option("table", bool, "rows are independent of each other, though one column holds regular times."),
        Option(
            "missing",
            list[str],
            "NUMBER or COL=NUMBER that stands for a missing cell, as --missing=-999, beside those that can be nothing "
            "else; none for no number at all. Can be repeated.",
            parse_missing,
        ),
        Option("validation", File, "a file of rows that decide when to stop, in place of rows of the table."),
        Option(
            "unseen",
            str,
            "what labels are that the table does not have: impossible; or other, and some probability is set aside.",
        ),
    )
    scores: ClassVar[tuple[Option, ...]] = (
        Option("drop_missing", bool, "leave out rows with missing or infinite values."),
        Option("no_shares", bool, "leave out the columns' shares."),
    )
    samples: ClassVar[tuple[Option, ...]] = (
        Option("given", list[str], _GIVEN),
        Option(
            "escape_formulas", bool, "put an apostrophe before text and names that a spreadsheet would run as formulas."
        ),
    )

    def claims(self, source: object) -> bool:
        """Always: readers of tables say what is wrong with the rest."""
        return True

    def open(self, source: Any, context: Sequence[str] | None, options: Mapping[str, Any]) -> Opened:
        """A table; None for the bundled one."""
        from dataclasses import replace

        from fluvial.data.abalone import load_abalone
        from fluvial.data.large import read_to_fit
        from fluvial.data.listing import listing
        from fluvial.data.sentinels import marked
        from fluvial.kinds.tables.fit import default_model

        kinds, drop = (
            options.get("kinds"),
            [name for typed in options.get("drop") or () for name in (typed, *typed.split(","))],
        )
        table, units = load_abalone() if source is None else (read_to_fit(source, kinds, drop), dict[str, str]())
        columns = listed_names(context, table.names)
        own: dict[str, Any] = {**options, "drop": listed_names(options.get("drop"), table.names)}
        units = {c: u for c, u in units.items() if c not in (*columns, *own["drop"])} | own.get("units", {})
        if units:
            own["units"] = units
        left = marked(table.without(own["drop"]), own.get("missing")).without_empty_rows()
        about = replace(listing(left, columns, own.get("kinds")), notes=(), problems=())
        return Opened(table, default_model(left, columns, own.get("kinds")), columns, own, str(about))

    def fit(self, data: object, model: Any, job: Job, **arguments: Any) -> Model:
        from fluvial.kinds.tables.fit import fit_table

        arguments.pop("table", None)  # which kind it is has been decided
        return fit_table(data, model, job, **arguments)

    def restore(self, saved: Saved, path: str | os.PathLike[str]) -> Model:
        from fluvial.kinds.tables.model import restore

        return restore(saved, path)

    def summary(self, model: Model) -> list[str]:
        from fluvial.kinds.tables.summary import table_summary

        return table_summary(model)

    def details(self, model: Model) -> list[str]:
        from fluvial.kinds.tables.summary import table_details

        return table_details(model)

    def score(
        self,
        model: Model,
        data: Any,
        context: Mapping[str, object] | None,
        **options: Any,
    ) -> Scores:
        from fluvial.core.errors import UsageError

        no_context(context, "of tables it is a column; NAME=VALUE is for scoring sound and images")
        if isinstance(data, list):
            raise UsageError(f"a table is one file, got {len(data)}")
        return model.score(data, shares=not options.pop("no_shares", False), **options)

    def sample(self, model: Model, wish: Draw, **options: Any) -> Iterable[Path]:
        """New rows, to a file or as CSV to stdout."""
        from fluvial.kinds.tables.asked import parse_given
        from fluvial.kinds.tables.written import escaped, write_parts
        from fluvial.terminal import Pace, note

        number = _ROWS if wish.number is None else wish.number
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if given := options.get("given"):
                known = model.given(parse_given(given, model.schema), wish.context)
                parts: Iterable[dict[str, Any]] = iter([known.sample_columns(number, wish.seed)])
            else:
                drawn = model.sample_blocks(number, wish.context, wish.seed)
                parts = (model.schema.decode(*block) for block in Pace(number, "rows").over(drawn))
            rows = map(escaped, parts) if options.get("escape_formulas") else parts
            affixes = {c.name: c.affix for c in model.schema.every}
            write_parts(rows, wish.out, model.schema.header, affixes, model.schema)
        for warning in caught:
            note(f"note: {warning.message}")
        return ()

    def ground(self, data: object, seed: int) -> Ground:
        from fluvial.kinds.tables.ground import ground

        return ground(data, seed)

    def examine(self, model: Model) -> Report:
        from fluvial.kinds.tables.report import table_report

        return table_report(model)
