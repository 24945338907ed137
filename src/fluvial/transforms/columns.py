"""The head of every tabular density: each column's own way from its units to standardised, whitened numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core import randomness
from fluvial.core.constants import constant
from fluvial.core.errors import DataError
from fluvial.core.portable import log1mexp, log_sigmoid
from fluvial.core.precision import deviation
from fluvial.core.supports import Constraint, constraints, side_by_side
from fluvial.core.transform import EventShape, Transform
from fluvial.transforms.linear import Whiten

_CURVES = (0.03, 0.3, 3.0, 30.0, 300.0)  # of a column's standard deviation; the likelihood chooses
_NEAR = 0.04  # standard deviations; whitening columns that are further apart costs flows likelihood
_ROBUST_CURVES = (0.003, 0.03, 0.3)  # of a column's median distance from its bound
_EDGE = 1e-9  # values on a bound are scored this share of the range inside it


@dataclass(frozen=True)
class ColumnMap:
    r"""How one column is prepared: dequantise by ``step``, unbound, then standardise.

    Unbounding is logit((x - lower) / (upper - lower)) between two bounds, and the inverse of
    ``curve * softplus(. / curve)`` (mirrored for an upper bound alone) above one.

    Args:
        step: distance of the grid that the values lie on, None for continuous ones.
        lower, upper: bounds in units of the column, None where there is none.
        curve: where the one-sided map, or that of heavy tails, bends, units of the column.
        center: of a column without bounds whose tails are heavy: it is mapped by asinh((x - center) / curve). None:
            left as it is.
        location, scale: of the unbounded values.
    """

    step: float | None = None
    lower: float | None = None
    upper: float | None = None
    curve: float = 1.0
    location: float = 0.0
    scale: float = 1.0
    center: float | None = None

    @property
    def kind(self) -> str:
        """ "two_sided" or "one_sided" for its bounds, "heavy" for its tails, or "" where values stay as they are."""
        bounds = (self.lower is not None) + (self.upper is not None)
        return ("heavy" if self.center is not None else "", "one_sided", "two_sided")[bounds]

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        step: float | None = None,
        lower: float | None = None,
        upper: float | None = None,
        heavy: bool = False,
    ) -> ColumnMap:
        """The map whose output has mean 0 and variance 1 on ``values`` (N,).

        Where a column has one bound, ``curve`` is the candidate under which a Gaussian of the unbounded values
        gives the highest likelihood, as in a Box-Cox transform; with ``heavy`` a column without bounds is bent by
        asinh where that does better than leaving it as it is.

        Raises:
            DataError: a value lies outside the bounds, or the values do not vary.
        """
        values = np.asarray(values, dtype=np.float64)
        outside = (values < (-math.inf if lower is None else lower)) | (values > (math.inf if upper is None else upper))
        if outside.any():
            raise DataError(f"{outside.sum()} values, the first {values[outside][0]}, lie outside [{lower}, {upper}]")
        middle = torch.from_numpy(values + (0.5 * step if step else 0.0))
        spread = float(deviation(middle.numpy()))
        if not spread > 0:
            raise DataError(f"all {len(values)} values equal {values[0]}: a constant has no density")
        best, best_score = None, -math.inf
        for curve, center in _bends(middle, spread, lower, upper, heavy):
            raw = cls(step, lower, upper, curve, center=center)
            z, log_det = unbound(middle.unsqueeze(1), Numbers.of([raw]))
            scale = float(deviation(z.squeeze(1).numpy()))
            score = float(log_det.mean()) - math.log(scale) if scale > 0 else -math.inf
            if score > best_score:
                best, best_score = replace(raw, location=float(z.mean()), scale=scale), score
        if best is None:
            raise DataError("the values cannot be standardised: they are not finite")
        return best


@dataclass(frozen=True)
class Numbers:
    """The maps' numbers as float64 rows."""

    step: Tensor
    origin: Tensor
    sign: Tensor
    curve: Tensor
    span: Tensor
    location: Tensor
    scale: Tensor
    gridded: Tensor
    lower: Tensor
    upper: Tensor
    center: Tensor
    kinds: Mapping[str, tuple[Tensor, Numbers]]
    """Of "heavy", "one_sided" and "two_sided", those that there are, with their columns: no other computes them."""

    @classmethod
    def of(cls, maps: Sequence[ColumnMap], device: torch.device | None = None) -> Numbers:
        found: dict[str, tuple[Tensor, Numbers]] = {}
        for kind in ("heavy", "one_sided", "two_sided"):
            own = [i for i, m in enumerate(maps) if m.kind == kind]
            if own:
                found[kind] = torch.tensor(own, device=device), cls._of([maps[i] for i in own], device, {})
        return cls._of(maps, device, found)

    @classmethod
    def _of(
        cls,
        maps: Sequence[ColumnMap],
        device: torch.device | None,
        kinds: dict[str, tuple[Tensor, Numbers]],
    ) -> Numbers:
        def row(values: Sequence[float | bool]) -> Tensor:
            kind = torch.bool if isinstance(values[0], bool) else torch.float64
            return torch.tensor(values, dtype=kind, device=device)

        both = [m.lower is not None and m.upper is not None for m in maps]
        # a grid's last cell, [upper, upper + step), belongs to the values on it
        tops = [None if m.upper is None else m.upper + (m.step or 0.0) for m in maps]
        return cls(
            step=row([m.step or 1.0 for m in maps]),
            origin=row([m.lower if m.lower is not None else t if t is not None else 0.0 for m, t in zip(maps, tops)]),
            sign=row([-1.0 if m.lower is None and m.upper is not None else 1.0 for m in maps]),
            curve=row([m.curve for m in maps]),
            span=row(
                [
                    t - m.lower if b and t is not None and m.lower is not None else 1.0
                    for m, t, b in zip(maps, tops, both)
                ]
            ),
            location=row([m.location for m in maps]),
            scale=row([m.scale for m in maps]),
            gridded=row([m.step is not None for m in maps]),
            lower=row([-math.inf if m.lower is None else m.lower for m in maps]),
            upper=row([math.inf if m.upper is None else m.upper for m in maps]),
            center=row([m.center or 0.0 for m in maps]),
            kinds=kinds,
        )


Bend = Callable[[Tensor, Numbers], tuple[Tensor, Tensor]]
"""Columns of one kind -> their values, and the elementwise log-det."""


def _bends(
    values: Tensor, spread: float, lower: float | None, upper: float | None, heavy: bool
) -> list[tuple[float, float | None]]:
    """Candidates for a map's curve and center."""
    if (lower is None) != (upper is None):
        bound = lower if lower is not None else upper
        typical = float((values - (bound or 0.0)).abs().median()) or spread  # what outliers cannot move
        one_sided: list[tuple[float, float | None]] = [(c * spread, None) for c in _CURVES]
        return one_sided + [(c * typical, None) for c in _ROBUST_CURVES]
    plain: list[tuple[float, float | None]] = [(1.0, None)]
    if not heavy or lower is not None:
        return plain
    center = float(values.median())
    typical = float((values - center).abs().median()) or spread
    return plain + [(c * typical, center) for c in (0.3, 1.0, 3.0)]


def unbound(x: Tensor, n: Numbers, edge: float = _EDGE) -> tuple[Tensor, Tensor]:
    """Unbounded values and their elementwise log-det; -inf where x lies outside its bounds, never NaN.

    Values nearer to a bound than ``edge`` of the curve, or of the range, are taken to be that near.
    """
    return _bent(x, n, {"heavy": _unheavy, "one_sided": _open_one(edge), "two_sided": _open_two(edge)})


def bind(y: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    """The values (and elementwise log-det) that unbounded ones stand for: the inverse of :func:`unbound`."""
    return _bent(y, n, {"heavy": _heavy, "one_sided": _close_one, "two_sided": _close_two})


def _bent(x: Tensor, n: Numbers, by: Mapping[str, Bend]) -> tuple[Tensor, Tensor]:
    """Values and elementwise log-det, where the columns of each kind are bent by its function, and others stay."""
    value, log_det = x, torch.zeros_like(x)
    for kind, (columns, own) in n.kinds.items():
        bent, slope = by[kind](x.index_select(-1, columns), own)
        value, log_det = value.index_copy(-1, columns, bent), log_det.index_copy(-1, columns, slope)
    return value, log_det


def _unheavy(x: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    far = (x - n.center) / n.curve
    return torch.asinh(far), -torch.hypot(far, torch.ones_like(far)).log() - n.curve.log()


def _heavy(y: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    log_det = n.curve.log() + y.abs() + F.softplus(-2 * y.abs()) - math.log(2.0)
    return n.center + n.curve * torch.sinh(y), log_det


def _open_one(edge: float) -> Bend:
    def opened(x: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
        distance = (x - n.origin) * n.sign
        u = (distance / n.curve).clamp(min=edge)
        log_share = log1mexp(u)
        return n.curve * (u + log_share) * n.sign, torch.where(distance < 0, -math.inf, -log_share)

    return opened


def _close_one(y: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    scaled = y * n.sign / n.curve
    return n.origin - n.sign * n.curve * log_sigmoid(-scaled), log_sigmoid(scaled)


def _open_two(edge: float) -> Bend:
    def opened(x: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
        distance = (x - n.origin) * n.sign
        logit = torch.logit((distance / n.span).clamp(edge, 1 - max(edge, 1e-16)))
        slope = -log_sigmoid(logit) - log_sigmoid(-logit) - n.span.log()
        return logit, torch.where((distance < 0) | (distance > n.span), -math.inf, slope)

    return opened


def _close_two(y: Tensor, n: Numbers) -> tuple[Tensor, Tensor]:
    return n.origin + n.span * torch.sigmoid(y), n.span.log() + log_sigmoid(y) + log_sigmoid(-y)


class Columns(Transform):
    r"""Each column's :class:`ColumnMap`, side by side: raw rows (B, D) to standardised numbers.

    Raw rows come and go in float64, since the units of real columns leave float32 too little room; the numbers
    behind it are of the model's dtype. log_det is -inf for rows outside their bounds. With a gridded column
    the density becomes a bound, since its cells are filled with uniform noise.

    Args:
        maps: one for each column.
        whiten: behind the columns' own maps, take out of a column what depends linearly on those before it and enlarge
            what is left (:class:`Whiten`), in float64, so that columns may be as near to dependent as float64 can
            resolve. ``initialize`` finds it, for columns of which less than ``_NEAR`` is left alone, and only where it
            makes rows that it was not found from likelier under a Gaussian. It is not trained.
    """

    def __init__(self, maps: Sequence[ColumnMap], whiten: bool = False) -> None:
        super().__init__()
        if not maps:
            raise ValueError("maps: expected one for each column, got none")
        self.maps: tuple[ColumnMap, ...] = tuple(maps)
        self.bijective = self.exact = all(m.step is None for m in maps)
        self.whiten: Whiten | None = Whiten(len(maps)).requires_grad_(False) if whiten and len(maps) > 1 else None
        self._numbers: dict[torch.device, Numbers] = {}  # in float64 whatever the model's dtype, so not buffers
        constant(self, "like", torch.zeros((), device="cpu"))
        self.like: Tensor

    def elements(self, noise: Constraint | None) -> Constraint | None:
        if noise is not constraints.real:
            return None
        return side_by_side([(m.lower, m.upper, None if self.exact else m.step) for m in self.maps])

    @property
    def scale_log_det(self) -> float:
        """Sum of log(scale), nats: data-unit log-densities plus this are those of standardised units."""
        return sum(math.log(m.scale) for m in self.maps)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = self.parts(x)
        return z, log_det.sum(1)

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = self._standardised(x)
        if self.whiten is not None:
            z, more = self.whiten.parts(z)
            log_det = log_det + more
        return z.to(self.like.dtype), log_det.to(self.like.dtype)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if self.whiten is not None:
            _part(self.whiten, self._standardised(x)[0])
        return self(x)[0]

    def filled(self) -> Columns:
        """The same maps for rows whose cells of gridded columns hold values already (see :meth:`fill`).

        Nothing is drawn, nothing snapped back, and the density is exact for such rows.
        """
        other = copy.copy(self)
        other.bijective = other.exact = True
        return other

    def _standardised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each column's own map, in float64."""
        n = self._on(x.device)
        x = x.double()
        if not self.exact:
            x = self.fill(x, randomness.uniform(x.shape, x.dtype, x.device))
        z, log_det = unbound(x, n)
        return (z - n.location) / n.scale, log_det - n.scale.log()

    def _on(self, device: torch.device) -> Numbers:
        """The maps' numbers on this device, copied there once: a copy at each call would wait for the device."""
        if torch.compiler.is_compiling():
            return Numbers.of(self.maps, device)
        if device not in self._numbers:
            self._numbers[device] = Numbers.of(self.maps, device)
        return self._numbers[device]

    def fill(self, x: Tensor, share: Tensor) -> Tensor:
        """Grid values moved into their cells by ``share`` (broadcast over rows, in [0, 1)) of a step."""
        n = self._on(x.device)
        return torch.where(n.gridded, snap(x, n) + n.step * share, x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        n, z, more = self._on(z.device), z.double(), 0.0
        if self.whiten is not None:
            z, more = self.whiten.inverse(z)
        x, log_det = bind(z * n.scale + n.location, n)
        log_det = log_det + n.scale.log()
        if not self.exact:
            x = torch.where(n.gridded, self._inside(snap(x, n, floor=True)), x)
        return x, (log_det.sum(1) + more).to(self.like.dtype)

    def _inside(self, x: Tensor) -> Tensor:
        """Keep grid values on the bounds' side, whatever rounding did at the very edge."""
        n = self._on(x.device)
        return torch.minimum(torch.maximum(x, n.lower), n.upper)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if tuple(event_shape) != (len(self.maps),):
            raise ValueError(f"{len(self.maps)} column maps do not fit an event of shape {tuple(event_shape)}")
        return event_shape


def snap(x: Tensor, n: Numbers, floor: bool = False) -> Tensor:
    """The nearest grid value (or the one below). Steps such as 0.005 divide by 200, which decimals survive exactly."""
    cells = torch.round(x / n.step)
    if floor:  # 0.3 / 0.1 is a little less than 3
        below = torch.floor(x / n.step)
        cells = torch.where((x / n.step - cells).abs() <= 1e-12 * cells.abs(), cells, below)
    per_unit = torch.round(1 / n.step)
    decimal = (n.step < 1) & ((per_unit * n.step - 1).abs() < 1e-12)
    return torch.where(decimal, cells / per_unit.clamp(min=1), cells * n.step)


def _part(whiten: Whiten, z: Tensor) -> None:
    """Set from three quarters of the rows, keep it if the others are likelier for it, and then set it from all."""
    found, shown = z[: len(z) * 3 // 4], z[len(z) * 3 // 4 :]
    if len(found) < 2 or not len(shown):
        return
    _set(whiten, found)
    w, log_det = whiten(shown)
    gain = 0.5 * (shown.square().sum(1) - w.square().sum(1)) + log_det
    _set(whiten, z if bool(gain.mean() > 0) else None)


def _set(whiten: Whiten, z: Tensor | None) -> None:
    """What is left of the columns that nearly depend on those before them; others stay as they are."""
    one = torch.eye(len(whiten.mean), dtype=torch.float64, device=whiten.mean.device)
    factor = one
    if z is not None:
        whiten.initialize(z)
        near = whiten.log_diagonal < math.log(_NEAR)
        apart = torch.linalg.solve_triangular(whiten.factor(), one, upper=False)
        factor = torch.linalg.solve_triangular(torch.where(near[:, None], apart, one), one, upper=False)
    whiten.set(torch.zeros_like(whiten.mean), factor)
