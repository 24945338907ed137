"""What run folders say about their models beyond what all have in common: the record's numbers, and the kept rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from fluvial.core.errors import RunError
from fluvial.core.typed import typed
from fluvial.training.saved import Saved


class Score(TypedDict):
    """The score of the rows of a table, nats."""

    rows: int
    log_likelihood: float | None
    standard_error: float | None
    median: float | None
    standardised: float | None
    bits_per_dimension: float | None
    exact: bool


class NamedScore(Score):
    """The score of a simple model."""

    name: str


class TableScores(TypedDict):
    """``scores`` of a table's record."""

    held_out: Score | None
    baseline: NamedScore | None
    train: Score | None


class TableSizes(TypedDict):
    """``sizes`` of a table's record."""

    train: int
    held_out: int
    columns: int
    parameters: int


class HeldOutSound(TypedDict):
    """Bits per sample."""

    recordings: int
    samples: int
    bits_per_sample: float
    standard_error: float | None
    log_likelihood: float
    exact: bool


class Prediction(TypedDict):
    """The score of a linear predictor."""

    bits_per_sample: float
    order: int


class SoundScores(TypedDict):
    """``scores`` of a record of sound."""

    held_out: HeldOutSound | None
    histogram: float | None
    linear_prediction: Prediction | None


class SoundSizes(TypedDict):
    """``sizes`` of a record of sound."""

    train: int
    train_samples: int
    held_out: int
    held_out_samples: int
    parameters: int
    receptive_field: int


class HeldOutImages(TypedDict):
    """Bits per dimension."""

    images: int
    log_likelihood: float
    bits_per_dimension: float
    standard_error: float | None
    exact: bool


class ImageScores(TypedDict):
    """``scores`` of a record of images."""

    held_out: HeldOutImages | None
    histogram: float | None


class ImageSizes(TypedDict):
    """``sizes`` of a record of images."""

    train: int
    held_out: int
    parameters: int


class HeldOutRolls(TypedDict):
    """Nats per moment."""

    per_step: float
    standard_error: float | None
    exact: bool


class RollScores(TypedDict):
    """``scores`` of a record of piano rolls."""

    held_out: HeldOutRolls | None
    independent: float | None


class RollSizes(TypedDict):
    """``sizes`` of a record of piano rolls."""

    train: int
    train_steps: int
    held_out: int
    held_out_steps: int
    parameters: int
    reads: int


class HeldOutSeries(TypedDict):
    """Nats per step."""

    per_step: float
    standard_error: float | None
    exact: bool


class SeriesScores(TypedDict):
    """``scores`` of a record of series; ``naive`` is of Gaussian moves from the last value, or from a season ago."""

    held_out: HeldOutSeries | None
    naive: float | None


class SeriesSizes(TypedDict):
    """``sizes`` of a record of series."""

    series: int
    train: int
    validation: int
    held_out: int
    parameters: int
    reads: int


@dataclass(frozen=True)
class Kept:
    """An array that a run may keep.

    Args:
        shape: of one row.
        most: largest number, or one for each column, where the smallest is 0; None or infinite where any number may be.
        whole: whether it holds whole numbers.
        gaps: NaN stands for a missing cell.
    """

    shape: tuple[int, ...] = ()
    most: Sequence[float] | float | None = None
    whole: bool = True
    gaps: bool = False

    def fault(self, value: np.ndarray) -> str:
        """What is wrong with an array of it, empty if nothing is."""
        if value.shape[1:] != self.shape or value.ndim != 1 + len(self.shape):
            return f"should have shape {('N', *self.shape)}, got {value.shape}"
        if value.dtype.kind not in ("iuf" if self.whole else "f"):
            return f"should hold numbers, got {value.dtype}"
        if value.dtype.kind == "f" and np.isnan(value).any():
            if not self.gaps:
                return "is not a number in places"
            value = np.nan_to_num(value)
        most = np.asarray(np.inf if self.most is None else self.most)
        if not ((value <= most) & ((value >= 0) | np.isinf(most))).all():
            return f"should lie between 0 and {self.most!s:.80}"
        if self.whole and value.dtype.kind == "f" and (value != np.rint(value)).any():
            return "should hold whole numbers"
        return ""


def check_record(saved: Saved, path: str | os.PathLike[str], sizes: type[Any], scores: type[Any]) -> None:
    """RunError, a sentence, unless the record's sizes and scores are of these types."""
    where = f"the record in {path}"
    typed(saved.config["sizes"], sizes, where)
    typed(saved.config["scores"], scores, where)


def check_kept(saved: Saved, path: str | os.PathLike[str], known: Mapping[str, Kept]) -> None:
    """RunError, a sentence, unless each array that the run has kept is ``known`` and as it should be.

    Arrays whose names share what stands before the dot have a row for each of the same events.
    """
    for name, value in saved.rows.items():
        kept = known.get(name)
        fault = "is none that such a run keeps" if kept is None else kept.fault(value)
        if fault:
            raise RunError(f"{path} is damaged: {name!r:.80} of its data {fault}")


def check_pieces(saved: Saved, path: str | os.PathLike[str]) -> None:
    """RunError, a sentence, unless the pieces that lie end to end in "held_out.values" have the lengths stated."""
    values, lengths = (saved.rows.get(f"held_out.{name}") for name in ("values", "lengths"))
    context = saved.rows.get("held_out.context")
    fits = (values is None) == (lengths is None)
    if values is not None and lengths is not None:
        fits = len(lengths) > 0 and lengths.min() >= 1 and lengths.max() <= len(values) and lengths.sum() == len(values)
    if not fits or (context is not None and len(context) != len(() if lengths is None else lengths)):
        raise RunError(f"{path} is damaged: the lengths of its held-out pieces do not add up")


def check_alike(saved: Saved, path: str | os.PathLike[str], first: str, second: str) -> None:
    """RunError, a sentence, unless two arrays that the run has kept have as many rows."""
    a, b = saved.rows.get(first), saved.rows.get(second)
    if a is not None and b is not None and len(a) != len(b):
        raise RunError(f"{path} is damaged: {first} has {len(a)} rows and {second} {len(b)}")


def check_context(saved: Saved, path: str | os.PathLike[str], categories: Sequence[int]) -> None:
    """RunError, a sentence, unless the model's context has these columns: so many categories each, 0 for numbers."""
    maps = saved.config["model"].get("context") or []
    given = saved.density.context_shape
    expected = (len(categories),) if categories else None
    if given != expected or (categories and [m["categories"] for m in maps] != list(categories)):
        raise RunError(f"{path} is damaged: its model is given other labels than its schema names")
