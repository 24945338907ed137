"""The record of a model: how it is made, what it is of, and how it is trained where nobody says otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fluvial.core import Density
from fluvial.core.errors import UsageError
from fluvial.core.transform import EventShape

Make = Callable[..., Density]
Values = Literal["real", "whole", "any"]
Aim = Literal["likelihood", "bound", "adversarial"]

_OF_THE_DATA = ("context_shape", "laws")  # arguments of recipes that no user gives


@dataclass(frozen=True)
class Decay:
    """A weight decay: ``factor`` D / N for N rows of D numbers each, ``most`` at most."""

    factor: float
    most: float

    def __call__(self, rows: int, numbers: int) -> float:
        """The decay for so many rows of so many numbers.

        >>> Decay(4.0, 5.0)(1000, 20)
        0.08
        """
        return min(self.most, self.factor * numbers / rows)


OF_LABELS = Decay(4.0, 5.0)
"""For models of labels and whole numbers; chosen on validation rows (docs/discrete.md)."""


@dataclass(frozen=True)
class Training:
    """How a model is trained where the user says nothing.

    Args:
        learning_rate: its largest value.
        decay: the rule of the weight decay; None for the one of :class:`fluvial.training.Settings`.
        batch: images a step, on a CPU and on a GPU; of other data as many as suit the number of rows.
        objective: the name of what it learns by, see :mod:`fluvial.training.objectives`.
    """

    learning_rate: float = 3e-3
    decay: Decay | None = None
    batch: tuple[int, int] = (32, 256)  # small steps learn more in the same time, where a small step takes less of it
    objective: Aim = "likelihood"


@dataclass(frozen=True, eq=False)
class Recipe:
    """A model by name: what ``fit``, the command line, run folders and the tables of the documentation know of it.

    Args:
        make: (event_shape, \\*, context_shape=None, **options) -> Density; the defaults of its keywords are its
            options: numbers, words, or tuples of whole numbers. Without ``context_shape`` it takes no context.
        name: the one that users give and run folders hold; "" for that of ``make``.
        kind: of the data: "tables", "images", "sound" or "piano rolls".
        values: that it gives a density of: "real" numbers, "whole" ones (classes, codes, grey levels: probabilities),
            or "any" cells of a table, labels and missing ones too. One of real numbers is given rows standardised, one
            of whole numbers says with its option ``classes`` how many each column has, one of any cells is given the
            ``laws`` of the columns.
        default: whether ``fit`` takes it where no model is named, for this kind of data and of values.
        closed_form: whether ``initialize`` with all training rows fits it completely.
        training: where the user says nothing.
        defaults: options that stand otherwise in this model than in ``make``, which several models may share.
        presets: options by name, as the paper or its released code has them.
        says: what it is, in one sentence.
        paper: that it is from.
        score, draw: what it takes to score and to draw one row.
        steps, base: what it is composed of, from data to noise.

    Raises:
        UsageError: ``make`` is not such a function.
    """

    make: Make
    name: str = ""
    kind: str = "tables"
    values: Values = "real"
    default: bool = False
    closed_form: bool = False
    training: Training = Training()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    says: str = ""
    paper: str = ""
    score: str = ""
    draw: str = ""
    steps: str = ""
    base: str = ""

    def __post_init__(self) -> None:
        if not callable(self.make):  # pyright: ignore[reportUnnecessaryComparison]  (somebody's own)
            raise UsageError(f"recipe: expected a function (event_shape, *, ...) -> Density, got {self.make!r}")
        object.__setattr__(self, "name", self.name or self.make.__name__)
        if inspect.Parameter.empty in self._keywords.values():
            raise UsageError(
                f"recipe {self.name}: expected a function (event_shape, *, context_shape=None, ...) with a default for "
                f"every option, got {self.make!r}"
            )

    @property
    def _keywords(self) -> dict[str, Any]:
        parameters = inspect.signature(self.make).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def options(self) -> dict[str, Any]:
        """What a user can set, with its defaults."""
        own = {name: value for name, value in self._keywords.items() if name not in _OF_THE_DATA}
        return {**own, **self.defaults}

    @property
    def takes_context(self) -> bool:
        """Whether its density can be conditioned."""
        return "context_shape" in self._keywords

    def fits(self, event_shape: EventShape) -> bool:
        """Whether events of this shape can be of its kind: images are (C, H, W), and nothing else has three sizes."""
        return (self.kind == "images") == (len(event_shape) == 3)

    def build(self, event_shape: EventShape, *, context_shape: EventShape | None = None, **options: Any) -> Density:  # noqa: ANN401
        """The density with these options, the others as they stand.

        Raises:
            ValueError: a size or an option that does not fit, as a sentence.
        """
        options = {**self.defaults, **options}
        if self.takes_context:
            return self.make(event_shape, context_shape=context_shape, **options)
        if context_shape is not None:
            raise ValueError("it takes no context; leave the context out, or choose another model")
        return self.make(event_shape, **options)
