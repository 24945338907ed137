"""Real mixed tables, as the comparisons with other engines see them: one frame, one split, one target each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.common import data_folder

LABELS = 10  # whole numbers of at most so many values are labels to the engines and measures that want to be told
TARGETS = {"adult": "income", "diamonds": "cut", "titanic": "survived", "penguins": "species", "redwine": "quality"}
_TWIN = {"titanic": ("alive",)}  # columns that say the target in other words
_HELD_OUT = {"diamonds": 0.2}  # share of the rows; a third of the small tables, the official test file of adult
_ADULT = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country income"
)
_WINE = (
    "fixed_acidity volatile_acidity citric_acid residual_sugar chlorides free_sulfur_dioxide total_sulfur_dioxide "
    "density pH sulphates alcohol quality"
)


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows that judge.

    Args:
        target: the column that is usually predicted; ``twins`` are others that say the same.
        labels: the columns that are not numbers, or few whole ones.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    twins: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def numbers(self) -> list[str]:
        """The other columns."""
        return [name for name in self.train if name not in self.labels]


def split(name: str, seed: int) -> Split:
    """A table by name. The seed decides which rows judge, except those of adult, which has a file of them."""
    if name == "adult":
        train, test = _adult("adult-train.csv"), _adult("adult-test.csv")
    else:
        frame = _READ[name]()
        order = np.random.default_rng(seed).permutation(len(frame))
        cut = round(len(frame) * _HELD_OUT.get(name, 1 / 3))
        train, test = (frame.iloc[np.sort(rows)].reset_index(drop=True) for rows in (order[cut:], order[:cut]))
    whole = pd.concat((train, test))
    return Split(train, test, TARGETS[name], _TWIN.get(name, ()), tuple(c for c in whole if _labels(whole[c])))


def _labels(column: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return True
    values = column.dropna()
    return values.nunique() <= LABELS and bool((values == values.round()).all())


def _adult(file: str) -> pd.DataFrame:
    path = data_folder() / "mixed" / file
    frame = pd.read_csv(path, header=None, names=_ADULT.split(), skipinitialspace=True, na_values="?")
    return frame.assign(income=frame["income"].str.rstrip("."))


def _named(file: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(data_folder() / "mixed" / file)


def _wine() -> pd.DataFrame:
    """Red wines, with what the tasters said as a label."""
    frame = pd.read_csv(data_folder() / "uci-small" / "winequality-red.csv", header=None, names=_WINE.split())
    return frame.assign(quality=frame["quality"].map("q{}".format))


_READ = {
    "diamonds": _named("diamonds.csv"),
    "titanic": _named("titanic.csv"),
    "penguins": _named("penguins.csv"),
    "redwine": _wine,
}
