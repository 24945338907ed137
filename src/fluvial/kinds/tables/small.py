"""Which tables are small, and what models of them start from."""

from __future__ import annotations

_ROWS, _COLUMNS = 5000, 128
_PER_COLUMN = 200

SMALL_CLASSES = 8
"""Classes at most that a model of any cells of a small table starts from."""


def is_small(rows: int, columns: int, conditional: bool) -> bool:
    """Whether a mixture in closed form learns something from so many rows that a network does not soon learn.

    Measured by ``benchmarks/tables/small.py``. Classes do not depend on a context, so a conditional model has none.
    """
    return rows <= _ROWS and columns <= _COLUMNS and not conditional


def is_scarce(rows: int, columns: int, conditional: bool) -> bool:
    """Whether the rows are so few for their columns that such a model suits numbers alone better than a flow."""
    return is_small(rows, columns, conditional) and rows <= _PER_COLUMN * columns
