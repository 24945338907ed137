"""What models of one set of data are judged by when they are compared; each kind of data brings its own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from fluvial.core import Sampler
from fluvial.core.errors import DataError
from fluvial.examine.rivals import UNKNOWN, Measured, Rival, neighbours, sliced_wasserstein
from fluvial.examine.two_sample import ClassifierTest, Memorisation
from fluvial.kinds.fitted import Fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEST = 0.2
_MOST = 2000  # test data that draws are compared with
_THOUSAND = 1000


@dataclass(frozen=True)
class Ground(ABC):
    """Data in two parts: one that models learn from, and one that no model sees, by which all are judged.

    Args:
        lessons: the part to learn from, as ``fit`` takes it.
        train, test: both parts, (N, ...), encoded the same way.

    Attributes:
        models: those that are compared where nobody names any.
        item: one of the data, in words.
        unit: of likelihoods, in words, and what one nat of log p comes to in it, negative where less is better.
        about: what the measures are of, in sentences; ``utility`` the same of what draws are good for, where they are.
    """

    lessons: Any
    train: np.ndarray
    test: np.ndarray
    seed: int

    item: ClassVar[str]
    about: ClassVar[str]
    utility: ClassVar[str] = ""

    @property
    def holdout(self) -> float:
        """Share of the lessons that a fit keeps aside to judge itself by, which costs time here and changes nothing."""
        return 0.1

    @property
    @abstractmethod
    def models(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def unit(self) -> tuple[str, float]: ...

    @abstractmethod
    def points(self, x: np.ndarray) -> np.ndarray:
        """Encoded data as points (N, P) whose distances mean something."""

    @abstractmethod
    def encoded(self, drawn: object) -> np.ndarray:
        """What a model or any other tool drew, as the test data are encoded.

        Raises:
            DataError: it is not like the data.
        """

    @abstractmethod
    def log_prob(self, model: Any) -> np.ndarray:  # noqa: ANN401
        """log p of the test data, nats, (N,)."""

    @abstractmethod
    def classified(self, drawn: np.ndarray, test: np.ndarray) -> tuple[ClassifierTest, ...]:
        """Classifiers that tell draws from as many test data."""

    @abstractmethod
    def copied(self, drawn: np.ndarray, test: np.ndarray) -> Memorisation:
        """How near draws lie to the training data, beside test data."""

    @abstractmethod
    def figures(self, rival: Rival) -> dict[str, Figure]:
        """Draws beside test data."""

    def useful(self, drawn: np.ndarray) -> float | None:
        """How good a model that is trained on draws is on test data; None where there is nothing to predict."""
        return None

    def kernels(self, name: str) -> Rival:
        """A kernel density estimate, where the kind of data has one; DataError, a sentence, where not."""
        raise DataError(f"a kernel density estimate is made of the rows of a table, not of {self.item}s")

    def judge(self, name: str, drawn: np.ndarray, known: Measured = UNKNOWN) -> Rival:
        """Everything that is measured of encoded draws, beside what is known of the model that made them."""
        test = self.test[:_MOST]
        drawn = drawn[: len(test)]
        draws, points = self.points(drawn), self.points(test)
        return Rival(
            name,
            known.likelihood,
            known.log_p,
            self.classified(drawn, test),
            self.copied(drawn, test),
            *neighbours(draws, points),
            wasserstein=sliced_wasserstein(draws, points, self.seed),
            utility=self.useful(drawn),
            seconds=known.seconds,
            parameters=known.parameters,
            drawn=drawn,
        )

    def tried(self, name: str, model: Fitted) -> Rival:
        """A fitted model: what it draws, what it says of the test data, and how long both take."""
        parameters = sum(p.numel() for p in model.density.parameters())
        n, began = min(_MOST, len(self.test)), time.perf_counter()
        drawn = model.sample(n, seed=self.seed)  # pyright: ignore[reportCallIssue]
        drawing, drawn = thousand(began, n), self.encoded(drawn)
        if isinstance(model.density, Sampler):
            return self.judge(name, drawn, Measured("none", None, (drawing, None), parameters))
        began = time.perf_counter()
        log_p = self.log_prob(model)
        scoring = thousand(began, len(log_p))
        said = "exact" if model.exact else "bound"
        return self.judge(name, drawn, Measured(said, log_p, (drawing, scoring), parameters))

    def yardsticks(self, cheat: str, chance: str) -> dict[str, Rival]:
        """Training data handed out as draws, and test data judged as if one half of them had drawn the other."""
        order = np.random.default_rng(self.seed).permutation(len(self.test))
        half = len(order) // 2
        other: Self = replace(self, test=self.test[order[half:]])
        chosen = np.random.default_rng(self.seed).permutation(len(self.train))[: len(self.test)]
        return {
            cheat: self.judge(cheat, self.train[chosen]),
            chance: other.judge(chance, self.test[order[:half]]),
        }


def thousand(began: float, n: int) -> float:
    """Seconds since then, of n, for a thousand."""
    return (time.perf_counter() - began) * _THOUSAND / n


def parts(n: int, seed: int) -> Sequence[np.ndarray]:
    """Which four fifths of n models learn from, and which fifth judges, at random and in their own order."""
    order = np.random.default_rng(seed).permutation(n)
    cut = round(n * (1 - _TEST))
    return np.sort(order[:cut]), np.sort(order[cut:])
