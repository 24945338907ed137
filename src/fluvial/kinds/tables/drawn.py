"""Draws of a model beside held-out rows: what every model of a table can be judged by, a likelihood or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fluvial.core import DataError, Density, UsageError, batched
from fluvial.examine.two_sample import (
    ClassifierTest,
    Marginals,
    Memorisation,
    classifier_tests,
    marginals,
    memorisation,
    without_gaps,
)
from fluvial.kinds.tables.baseline import is_discrete
from fluvial.models import laws_within
from fluvial.training import Data


@dataclass(frozen=True)
class Drawn:
    """Samples and held-out rows, and how far apart they are.

    Args:
        discrete: True where the rows are of labels and whole numbers alone, which have probabilities.
        mixed: True where labels, gaps and spikes have probabilities, and numbers densities.
        x, samples: (M, D), held-out rows and samples drawn with the same contexts, (M, C). Of ``sample_rows``
            draws, the ``bad_samples`` that were not finite are left out.
    """

    discrete: bool
    mixed: bool
    classifiers: tuple[ClassifierTest, ...]
    marginals: Marginals
    memorisation: Memorisation
    sample_rows: int
    bad_samples: int
    x: np.ndarray
    samples: np.ndarray
    context: np.ndarray | None


def compare(density: Density, train: Data, held_out: Data, *, rows: int = 2500, seed: int = 0) -> Drawn:
    """Draw as many samples as there are held-out rows, ``rows`` at most, with their contexts, and compare.

    Raises:
        DataError: fewer than ten held-out rows.
        UsageError: scikit-learn, whose classifiers judge the samples, is not installed.
    """
    if len(held_out) < 10:
        raise DataError(f"a diagnosis needs at least 10 held-out rows, got {len(held_out)}: hold out more rows")
    _need_sklearn()
    chosen = some(held_out, rows, seed)
    samples = batched.draw(density, len(chosen), chosen.context, seed)
    finite = (samples.isfinite() | (samples.isnan() & density.gaps)).all(1)
    x, drawn = array(chosen.x[finite]), array(samples[finite])
    context = None if chosen.context is None else array(chosen.context[finite])
    return Drawn(
        discrete=is_discrete(density),
        mixed=laws_within(density) is not None,
        classifiers=classifier_tests(drawn, x, context, seed),
        marginals=marginals(drawn, x),
        memorisation=memorisation(*points(density, drawn, x, array(train.x)), seed=seed),
        sample_rows=len(chosen),
        bad_samples=int((~finite).sum()),
        x=x,
        samples=drawn,
        context=context,
    )


def points(density: Density, *tables: np.ndarray) -> list[np.ndarray]:
    """Tables (N, D) as points of one space whose distances mean something: labels one-hot, gaps as numbers."""
    laws = laws_within(density)
    if laws is None:
        return list(tables)
    x = np.concatenate(tables)
    columns: list[np.ndarray] = []
    for law, values in zip(laws.laws, x.T):
        if law.labels:
            columns += [np.where(values == label, 1.0, 0.0) for label in law.atoms]
        else:
            columns.append(values)
    return np.split(without_gaps(np.stack(columns, 1)), np.cumsum([len(t) for t in tables])[:-1])


def some(data: Data, rows: int, seed: int) -> Data:
    """At most ``rows`` of them, chosen at random."""
    if len(data) <= rows:
        return data
    index = np.random.default_rng(seed).permutation(len(data))[:rows]
    return Data(data.x[index], None if data.context is None else data.context[index])


def array(x: Tensor) -> np.ndarray:
    """The tensor as float64 on the CPU."""
    return x.double().cpu().numpy()


def _need_sklearn() -> None:
    try:
        import sklearn  # noqa: F401  # pyright: ignore
    except ImportError:
        raise UsageError(
            'the diagnosis of a model needs scikit-learn, which is not installed: pip install "fluvial[report]"'
        ) from None
