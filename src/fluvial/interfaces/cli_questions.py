"""Commands that put questions to a fitted table: probability, impute and predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fluvial.interfaces.streams import check_out, seekable
from fluvial.interfaces.whole import Whole
from fluvial.terminal import note, say

if TYPE_CHECKING:
    import numpy as np

    from fluvial.data.tables import Table
    from fluvial.kinds.tables.model import Model

_Each = Annotated[list[str] | None, Parameter(negative=())]
_Data = Annotated[str, Parameter(allow_leading_hyphen=True)]
_Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]


def probability(
    run: Path,
    event: str,
    /,
    *,
    given: _Each = None,
    context: _Each = None,
    draws: Whole = 10_000,
    seed: Whole = 0,
) -> None:
    """How probable an event is: exactly where it limits one column, else by draws, with its standard error.

    Parameters
    ----------
    run
        Run folder of a fit of a table.
    event
        Comparisons of columns, values and each other, in quotes: "Rings > 12 and Sex == 'M'", "Rings in [8, 9]",
        "Height is None"; joined by and, or, not. Names with blanks stand in `backquotes`.
    given
        What is known of any column, NAME=VALUE, as in Sex=M; NAME=LOW..HIGH, ends included, either of which may be left
        out; NAME=A|B for one of several; and NAME= for a missing cell. A label that holds such signs is still taken as
        that label. Can be repeated, or separated by commas.
    context
        After a fit with --context, what to condition on: NAME=VALUE; can be repeated, or separated by commas.
    draws
        How many rows to draw where there is no closed form.
    seed
        Seed of the draws.
    """
    from fluvial.kinds.tables.asked import parse_given
    from fluvial.kinds.typed import parse_context

    model = of_table(run)
    known = parse_given(given, model.schema)
    found = model.probability(event, known, parse_context(context, model.context_names), draws=draws, seed=seed)
    say(found)


def impute(run: Path, data: _Data, /, *, out: _Out = None, draws: Whole | None = None, seed: Whole = 0) -> None:
    """Fill in the missing cells of a table from the rest of their rows; other cells stay as they are.

    Parameters
    ----------
    run
        Run folder of a fit of a table by mixed.
    data
        A table with the columns that the model was fitted to. A dash for standard input. Parquet, CSV and
        Feather, also a folder or a pattern of such files, may be larger than memory; best guesses are then drawn block
        by block.
    out
        File for the table: .csv, .parquet, .feather, .npy or .npz; by default CSV on stdout.
    draws
        So many tables, one below the other with their number in a column "draw", each filled in by draws, for what
        depends on how uncertain the missing cells are. By default one, with the best guess for each cell.
    seed
        Seed of the draws.
    """
    import numpy as np

    from fluvial.core.errors import UsageError
    from fluvial.tasks.large import impute_large

    check_out(out, data)
    model = of_table(run)
    with seekable([data]) as (name,):
        if draws is None and (said := impute_large(model, name, out, seed)) is not None:
            for sentence in said:
                note(sentence)
            return
        table = _table(name)
    found = model.impute(table, draws, seed)
    if draws is None:
        _write(found, out, table, model)
        return
    if "draw" in table.names:
        raise UsageError('the table has a column "draw", where the number of each draw would stand: rename it')
    number = np.repeat(np.arange(1, draws + 1), len(table))
    columns = {name: np.concatenate([each[name] for each in found]) for name in table.names}
    _write({"draw": number, **columns}, out, table, model)


def predict(run: Path, data: _Data, /, *, target: str, out: _Out = None) -> None:
    """Predict one column of each row from all the others, missing ones included.

    Of labels, the likeliest one and the probability of each; of numbers, the mean and the 5, 50 and 95 % quantiles.

    Parameters
    ----------
    run
        Run folder of a fit of a table by mixed.
    data
        A table with the columns that the model was fitted to; that of the target may be left out, and is not looked
        at. A dash for standard input.
    target
        The column to predict.
    out
        File for the predictions: .csv, .parquet, .feather, .npy or .npz; by default CSV on stdout.
    """
    import numpy as np

    from fluvial.kinds.tables.written import write_columns

    check_out(out, data)
    model = of_table(run)
    table = _table(data)
    columns = {"row": np.arange(len(table)), target: model.predict(table, target)}
    labels = next((c.categories for c in model.schema.columns if c.name == target), None)
    if labels is None:
        pass  # it follows from the others, so there is nothing to say of how likely it is
    elif labels:
        shares = model.predict_proba(table, target)
        columns |= {f"P({target}={label})": share for label, share in zip(labels, shares.T)}
    else:
        quantiles = model.predict_quantiles(table, target)
        columns |= {f"{target} {share} %": values for share, values in zip((5, 50, 95), quantiles.T)}
    write_columns(columns, out)


def of_table(run: Path) -> Model:
    """The model of a run that is of a table."""
    from fluvial.core.errors import UsageError
    from fluvial.kinds.tables.model import Model
    from fluvial.tasks.fit import load_model

    model = load_model(run)
    if not isinstance(model, Model):
        raise UsageError(f"{run} is not a run of a table, and there are no such questions to others")
    return model


def _table(data: str) -> Table:
    """The table in a file, as named columns whatever it came as."""
    from fluvial.data.tables import read

    with seekable([data]) as (name,):
        return replace(read(name), kind="dict")


def _write(columns: Mapping[str, np.ndarray], out: Path | None, table: Table, model: Model) -> None:
    """As the table that they answer for is written: with its header, if any, and its units."""
    from fluvial.kinds.tables.written import write_columns

    affixes = {name: table.reading(name).affix for name in table.names}
    write_columns(columns, out, table.header, affixes, model.schema)
