"""The sets of ADBench (Han et al. 2022, arXiv 2206.09426), and how they are split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.common import data_folder

DEVELOPMENT = (
    "2_annthyroid",
    "6_cardio",
    "14_glass",
    "18_Ionosphere",
    "20_letter",
    "27_PageBlocks",
    "28_pendigits",
    "32_shuttle",
    "39_vertebral",
    "43_WDBC",
)
"""The sets on which scores were chosen; results are reported on the others."""
_MOST = 10_000  # rows, as in ADBench; larger sets are thinned by the seed


class Split(NamedTuple):
    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    """1 for anomalies, of the test rows."""


def names() -> list[str]:
    """The sets that are there, the smallest first."""
    files = sorted(data_folder().glob("adbench/*.npz"), key=lambda path: path.stat().st_size)
    return [path.stem for path in files]


def split(name: str, seed: int, normal: bool) -> Split:
    """70 % of the rows to train on, 30 % to test, as many anomalies in each as their share.

    Args:
        normal: leave the anomalies out of the training rows.
    """
    with np.load(data_folder() / "adbench" / f"{name}.npz") as file:
        x, y = file["X"].astype(np.float64), file["y"].astype(int)
    if len(x) > _MOST:
        kept = np.random.default_rng(seed).permutation(len(x))
        kept = (
            np.concatenate((kept[:_MOST], kept[_MOST:][y[kept[_MOST:]] == 1][:2]))
            if y[kept[:_MOST]].sum() < 2
            else kept[:_MOST]
        )
        x, y = x[kept], y[kept]
    train, test, known, labels = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    return Split(train[known == 0] if normal else train, test, labels)
