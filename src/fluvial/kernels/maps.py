"""One-dimensional maps as the compiled kernels call them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Map:
    """A one-dimensional map that the kernels know.

    Args:
        kind: shift, exp, tanh and sigmoid (the scale rules of an affine map), gate, spline, bernoulli, categorical, or
            logistics (discretised ones).
        a: bound of the tanh scale or of the spline; bias of the gate; levels of the logistics.
        b: floor of the gate, or of the logistics' log-scales.
        bins: K of the spline; components of the logistics.
        temperature: of a staircase.
    """

    kind: str
    a: float = 1.0
    b: float = 0.0
    bins: int = 0
    temperature: float = 1.0

    @property
    def staircase(self) -> bool:
        return self.kind in ("bernoulli", "categorical", "logistics")
