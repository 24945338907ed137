"""How much new rows tell of the rows that a model was trained on. None of it is a promise of anonymity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MOST = 2000  # rows of each part that are compared


@dataclass(frozen=True)
class Privacy:
    """What an onlooker could learn.

    Args:
        copies: new rows that equal a row of the training.
        nearer: share of the new rows that lie nearer to a training row than to any of as many held-out rows; a half is
            what rows that were not learnt by heart give.
        membership: AUC of guessing from log p whether a row was trained on: a half is chance, 1 certainty.
        rows: how many of each part were compared.
    """

    copies: int
    nearer: float
    membership: float
    rows: int

    def __str__(self) -> str:
        return (
            f"privacy: {self.copies:,} new rows equal a row of the training; {self.nearer:.0%} lie nearer to a row of "
            f"the training than to any of {self.rows:,} held-out rows (50 % if none was learnt by heart); log p tells "
            f"rows of the training from others with an AUC of {self.membership:.2f} (0.5 is chance). That does not "
            "make new rows anonymous: do not publish them where the table itself may not be"
        )


def privacy(
    new: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    labels: np.ndarray,
    log_prob: tuple[np.ndarray, np.ndarray],
) -> Privacy:
    """From encoded rows (N, D), (M, D), (K, D), and log p of the training rows and the held-out ones.

    Args:
        labels: which columns hold labels, (D,) bool.
    """
    n = min(len(train), len(held_out), _MOST)
    few, known, others = (_comparable(each, train, labels) for each in (new[:_MOST], train[:n], held_out[:n]))
    near, far = _nearest(few, known), _nearest(few, others)
    ties = (near == far).mean() / 2
    kept = {row.tobytes() for row in np.ascontiguousarray(train)}
    copies = sum(row.tobytes() in kept for row in np.ascontiguousarray(new))
    return Privacy(int(copies), float((near < far).mean() + ties), auc(log_prob[0], log_prob[1]), n)


def auc(above: np.ndarray, below: np.ndarray) -> float:
    """P(one of ``above`` is larger than one of ``below``), ties counted by half.

    >>> auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    known = np.sort(below)
    ranks = np.searchsorted(known, above, side="left") + np.searchsorted(known, above, side="right")
    return float(ranks.mean() / 2 / len(known))


def _comparable(x: np.ndarray, train: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows as numbers of one scale: labels one-hot, so that another label is one away; gaps as the mean."""
    spread = np.nanstd(train, axis=0)
    scaled = (x - np.nanmean(train, axis=0)) / np.where(spread > 0, spread, 1.0)
    columns: list[np.ndarray] = [np.nan_to_num(scaled[:, ~labels])]
    for j in np.flatnonzero(labels):
        columns.append((x[:, j : j + 1] == np.unique(train[:, j][~np.isnan(train[:, j])])) / 2**0.5)
    return np.hstack(columns).astype(np.float32)


def _nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distance of each row of a to the nearest of b."""
    square = (b**2).sum(1)
    parts = np.array_split(a, max(1, len(a) // 256))
    return np.concatenate([(square - 2 * part @ b.T).min(1) + (part**2).sum(1) for part in parts])
