# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false
# (scikit-learn is not typed strictly)
"""What models of one table are judged by when they are compared."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fluvial.data.infer import infer
from fluvial.data.schema import Schema
from fluvial.data.tables import Table, read
from fluvial.examine.rivals import Measured, Rival
from fluvial.examine.two_sample import (
    ClassifierTest,
    Memorisation,
    classifier_tests,
    marginals,
    memorisation,
    spread,
)
from fluvial.kinds.ground import Ground, parts, thousand
from fluvial.kinds.tables.drawn import Drawn
from fluvial.kinds.tables.kernels import kernels
from fluvial.kinds.tables.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TableGround(Ground):
    """Rows of a table: ``lessons`` and ``asked`` are its two parts as they were read."""

    asked: Table
    schema: Schema

    item: ClassVar[str] = "row"
    unit: ClassVar[tuple[str, float]] = ("nats a row", 1.0)
    about: ClassVar[str] = (
        "Log-likelihoods are in the units of the table. Distances are in standard deviations of the columns, labels "
        "one-hot."
    )

    @property
    def models(self) -> tuple[str, ...]:
        """Those that take such a table."""
        mixed = any(c.categorical for c in self.schema.columns) or bool(np.isnan(self.train).any())
        return ("mixed", "vae_iaf", "gan") if mixed else ("nsf", "vae_iaf", "gan", "gaussian")

    @property
    def utility(self) -> str:
        score = "accuracy" if self.schema.columns[-1].categorical else "R²"
        return f"Utility: {score} of trees that learn the last column from draws alone, on test rows."

    def points(self, x: np.ndarray) -> np.ndarray:
        """Labels one-hot, numbers in standard deviations, and which are missing."""
        columns: list[np.ndarray] = []
        for i, column in enumerate(self.schema.columns):
            if column.categorical:
                columns += [(x[:, i] == k).astype(float) for k in range(len(column.categories))]
            else:
                known = np.isfinite(self.train[:, i])
                center, scale = self.train[known, i].mean(), float(spread(self.train[known, i : i + 1])[0])
                columns.append(np.where(np.isfinite(x[:, i]), (x[:, i] - center) / scale, np.nan))
        stacked = np.stack(columns, 1)
        return np.hstack([np.nan_to_num(stacked), np.isnan(stacked).astype(float)])

    def encoded(self, drawn: object) -> np.ndarray:
        return self.schema.encode(read(drawn)).x

    def log_prob(self, model: Model) -> np.ndarray:
        return model.score(self.asked, shares=False).log_prob

    def classified(self, drawn: np.ndarray, test: np.ndarray) -> tuple[ClassifierTest, ...]:
        return classifier_tests(drawn, test, None, self.seed)

    def copied(self, drawn: np.ndarray, test: np.ndarray) -> Memorisation:
        draws, rows, trained = (self.points(x) for x in (drawn, test, self.train))
        return memorisation(draws, rows, trained, self.seed, unit=1.0)

    def useful(self, drawn: np.ndarray) -> float | None:
        """How well trees trained on these rows foretell the last column of the test rows from the others."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        if drawn.shape[1] < 2:
            return None
        labels = self.schema.columns[-1].categorical
        known, asked = np.isfinite(drawn[:, -1]), np.isfinite(self.test[:, -1])
        if len(np.unique(drawn[known, -1])) < 2:
            return 0.0
        kind = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
        trees = kind(max_iter=100, random_state=self.seed).fit(drawn[known, :-1], drawn[known, -1])
        return float(trees.score(self.test[asked, :-1], self.test[asked, -1]))

    def kernels(self, name: str) -> Rival:
        estimate = kernels(self.schema, self.train, self.seed)
        began = time.perf_counter()
        drawn = estimate.sample(len(self.test), self.seed)
        drawing, began = thousand(began, len(drawn)), time.perf_counter()
        log_p = estimate.log_prob(self.test)
        return self.judge(name, drawn, Measured("exact", log_p, (drawing, thousand(began, len(log_p))), None))

    def figures(self, rival: Rival) -> dict[str, Figure]:
        """Columns one by one, and two at a time."""
        from fluvial.kinds.tables import figures

        columns, rows = self.schema.columns, self.test[: len(rival.drawn)]
        labels, numbers = [c.name for c in columns], [i for i, c in enumerate(columns) if not c.categorical]
        d = Drawn(
            False,
            len(numbers) < len(columns),
            rival.classifiers,
            marginals(rival.drawn, rows),
            rival.copies,
            sample_rows=len(rival.drawn),
            bad_samples=0,
            x=rows,
            samples=rival.drawn,
            context=None,
        )
        drawn = {
            "columns": figures.marginals(d, labels, [c.categories for c in columns]),
            "pairs": figures.pairs(d, labels, numbers),
        }
        return {name: figure for name, figure in drawn.items() if figure is not None}


def ground(data: object, seed: int = 0) -> TableGround:
    """A table in two parts, as every rival is judged by them."""
    table = read(data)
    schema, _ = infer(table, cells=True, drop_missing=False)
    train, test = (table.rows(part) for part in parts(len(table), seed))
    return TableGround(train, schema.encode(train).x, schema.encode(test).x, seed, test, schema)
