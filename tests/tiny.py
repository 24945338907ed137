"""A model of a small table, made without a fit: labels with gaps, whole numbers, and a column that labels entail."""

from __future__ import annotations

import itertools
import math

import torch

from fluvial.core.randomness import drawing_from
from fluvial.data.columns import Column
from fluvial.data.schema import Derived, Schema
from fluvial.kinds.tables.model import Model
from fluvial.models.mixed import AnyOrder, mixed
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law

NAN = math.nan
SEX = Column("Sex", "categorical", "str", categories=("F", "M", "I"))
RINGS = Column("Rings", "integer", "int64", lower=0.0, upper=4.0, step=1.0)
OLD = Column("is old", "categorical", "str", categories=("no", "yes"))
STAGE = Derived(
    Column("stage", "categorical", "str", categories=("adult", "infant")),
    "Sex",
    mapping=((0.0, 0.0), (1.0, 0.0), (2.0, 1.0), (None, None)),
)
PLANET = Derived(Column("planet", "categorical", "str", categories=("Earth",)), mapping=((0.0, 0.0),))
TWICE = Derived(Column("twice", "integer", "int64", lower=0.0, step=1.0), "Rings", slope=2.0)
SCHEMA = Schema((SEX, RINGS, OLD), dropped=(STAGE, PLANET, TWICE), gaps=True)
LAWS = (
    Law((0.0, 1.0, 2.0), missing=True, labels=True),
    Law((1.0,), rest=ColumnMap(step=1.0, lower=0.0, upper=4.0, location=2.0)),
    Law((0.0, 1.0), labels=True),
)
"""A table of 4 x 5 x 2 possible rows."""
LENGTH = Column("Length", "real")
REAL = Law((0.5,), rest=ColumnMap(location=1.0, scale=2.0))


def density(laws: tuple[Law, ...], context: int | None = None) -> AnyOrder:
    """Of random weights, so that every column depends on every other."""
    with drawing_from(3, lend=True):
        found = mixed(
            (len(laws),), laws=laws, hidden=(24,), components=3, context_shape=None if context is None else (context,)
        )
        for parameter in found.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return found.double().eval()  # pyright: ignore[reportReturnType]


def model(schema: Schema = SCHEMA, laws: tuple[Law, ...] = LAWS) -> Model:
    return Model(density(laws, len(schema.context) or None), schema, {"model": {"model": "mixed"}, "table": "dict"})


def cells() -> torch.Tensor:
    """Every possible row, (40, 3)."""
    return torch.tensor(list(itertools.product((0, 1, 2, NAN), range(5), (0, 1))), dtype=torch.float64)


def enumerated(found: AnyOrder, order: tuple[int, ...]) -> torch.Tensor:
    """P(row) of every possible row (40,), its columns read in this order."""
    with torch.no_grad():
        return found.log_prob_in(cells(), torch.tensor(order)).exp()
