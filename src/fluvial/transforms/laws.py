"""The laws of a table's columns side by side, and what they make of a network's theta."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core.constants import constant, on_cpu
from fluvial.core.portable import first_not_below, log1mexp, log_sigmoid
from fluvial.core.tracing import functional
from fluvial.kernels import laws as kernel
from fluvial.transforms.columns import ColumnMap, Numbers, bind, snap, unbound
from fluvial.transforms.heaps import Heaps
from fluvial.transforms.law import Around, Law, Reading, Terms

_FAR = 1e5  # where the edge of an outermost cell lies, in standard deviations
_KNOTS, _REACH = 15, 2.2  # the piecewise linear features of a number, and the standard deviations that they span
_EDGE = 1e-300  # how near to a bound values are distinguished: no mass is lost there
_THINNEST, _WIDEST = -9.0, 4.0  # log-scales of a component
_EVENLY, _NARROWEST = 0.55, 0.01  # scales of the first components, of the distance between two; and that at least
_LOOKED_AT = 100_000  # values that they are set from


def features_of(law: Law) -> int:
    """How many numbers a network sees of a cell."""
    return 1 + law.masses + (0 if law.labels else _KNOTS + 1) + 2 * len(law.periods)


class Laws(nn.Module):
    """The laws of D columns side by side, and what they make of a network's theta.

    theta (B, ``sum(sizes)``) holds column by column the logits of the atoms, then, where there is a rest, its logit,
    and the weights, means and log-scales of its K components. A network's features of a row are, column by column,
    a 1 (so that a hidden column, all zeros, is like no value), the atom one-hot, what number it is, and sin and cos of
    where it lies in each of its periods.

    Args:
        laws: one for each column.
        components: K.
        heaped: the logits of rounded values are raised by what is expected around them, not given whole.
    """

    _logits: Tensor
    _rests: Tensor
    _mixtures: Tensor
    _masses: Tensor
    _last: Tensor
    _gridded: Tensor
    _cells: Tensor
    _has_rest: Tensor
    _absent: Tensor
    _others: Tensor
    _known: Tensor
    _places: Tensor
    _numbers_at: Tensor
    _rest_at: Tensor
    _knots: Tensor
    _circles_at: Tensor
    _layout: Tensor

    def __init__(self, laws: Sequence[Law], components: int = 12, heaped: bool = True) -> None:
        super().__init__()
        if not laws:
            raise ValueError("laws: expected one for each column, got none")
        if components < 1:
            raise ValueError(f"components: expected at least 1, got {components}")
        self.laws, self.components = tuple(laws), components
        self.maps: tuple[ColumnMap, ...] = tuple(law.scale() for law in laws)
        self.sizes: tuple[int, ...] = tuple(law.masses + (1 + 3 * components if law.rest else 0) for law in laws)
        self.features: tuple[int, ...] = tuple(map(features_of, laws))
        # float64 whatever the dtype, so not buffers
        self._numbers: dict[torch.device, tuple[Numbers, Tensor, Tensor]] = {}
        with on_cpu():
            places = {**self._places_in_theta(), **self._places_of_features()}
            self.heaps: Heaps | None = self._made_heaps(places["logits"].shape[1]) if heaped else None
            self._table = self._for_kernel()
        for name, value in places.items():
            constant(self, f"_{name}", value)
        self._columns = nn.ModuleList(Laws([law], components, heaped) for law in laws if len(laws) > 1)

    def column(self, i: int) -> Laws:
        """The law of column i alone."""
        return self._columns[i] if len(self._columns) else self  # pyright: ignore

    def _places_in_theta(self) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        rests = [i for i, law in enumerate(self.laws) if law.rest]
        counts = [law.masses + (law.rest is not None) for law in self.laws]
        starts = [0, *torch.tensor(self.sizes).cumsum(0).tolist()]
        logits = torch.full((len(self.laws), max(counts)), starts[-1])  # one past theta: a logit of -inf
        for i, count in enumerate(counts):
            logits[i, :count] = starts[i] + torch.arange(count)
        places = [starts[i] + counts[i] + torch.arange(3 * self.components) for i in rests]
        kept["logits"] = logits
        kept["rests"] = torch.tensor(rests, dtype=torch.long)
        at = [rests.index(i) if i in rests else len(rests) for i in range(len(self.laws))]
        kept["rest_at"] = torch.tensor(at)
        kept["mixtures"] = torch.stack(places) if rests else torch.zeros(0, 3 * self.components, dtype=torch.long)
        kept["layout"] = self._layout_of(logits, kept["mixtures"])
        kept["masses"] = torch.tensor([law.masses for law in self.laws])
        kept["last"] = torch.tensor(counts).unsqueeze(1) - 1
        kept["gridded"] = torch.tensor([law.step is not None for law in self.laws])
        kept["cells"] = torch.tensor([-math.log(law.step or 1.0) for law in self.laws])
        kept["has_rest"] = torch.tensor([law.rest is not None for law in self.laws])
        other = torch.tensor([law.other for law in self.laws], dtype=torch.float64)
        kept["others"], kept["known"] = other.log(), torch.log1p(-other)
        kept["absent"] = torch.tensor([law.masses - 1 if law.missing else -1 for law in self.laws])
        return kept

    def _made_heaps(self, widest: int) -> Heaps | None:
        rests = [i for i, law in enumerate(self.laws) if law.rest]
        found = [(i, law.atoms.index(a), a) for i, law in enumerate(self.laws) for a in law.rounded]
        if not found:
            return None
        places = [i * widest + j for i, j, _ in found]
        return Heaps(places, [rests.index(i) for i, *_ in found], [a for *_, a in found], [self.maps[i] for i in rests])

    def _for_kernel(self) -> kernel.Table:
        """What the compiled kernel reads of the laws."""
        laws = self.laws
        other, steps = (
            torch.tensor(each, dtype=torch.float64)
            for each in ([law.other for law in laws], [law.step or 1.0 for law in laws])
        )
        return kernel.Table(
            F.pad(torch.tensor(self.sizes).cumsum(0), (1, 0)),
            torch.tensor([law.masses for law in laws]),
            torch.tensor([law.masses - 1 if law.missing else -1 for law in laws]),
            torch.tensor([int(law.rest is not None) for law in laws]),
            torch.tensor([int(law.step is not None) for law in laws]),
            -steps.log(),
            torch.log1p(-other),
            other.log(),
            self.components,
        )

    def _layout_of(self, logits: Tensor, mixtures: Tensor) -> Tensor:
        """Where each number of theta stands among masses, weights, means and scales."""
        layout = torch.zeros(sum(self.sizes), dtype=torch.long)
        used = logits < len(layout)
        layout[logits[used]] = torch.arange(logits.numel()).view_as(logits)[used]
        layout[mixtures] = logits.numel() + torch.arange(mixtures.numel()).view_as(mixtures)
        return layout

    def _places_of_features(self) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        columns, self._widest = len(self.laws), max(law.masses for law in self.laws)
        numbers = [i for i, law in enumerate(self.laws) if not law.labels]
        ramps = columns * (1 + self._widest) + torch.arange(len(numbers) * (_KNOTS + 1)).view(len(numbers), _KNOTS + 1)
        circles = [i for i, law in enumerate(self.laws) for _ in law.periods]
        turns = columns * (1 + self._widest) + ramps.numel() + torch.arange(2 * len(circles)).view(-1, 2)
        turns = turns.split([len(law.periods) for law in self.laws])
        places: list[Tensor] = []
        for i, law in enumerate(self.laws):  # among ones, atoms, ramps and circles, as describe lays them
            places += [torch.tensor([i]), columns + i * self._widest + torch.arange(law.masses)]
            places += [] if law.labels else [ramps[numbers.index(i)], turns[i].flatten()]
        kept["places"] = torch.cat(places)
        kept["numbers_at"] = torch.tensor(numbers, dtype=torch.long)
        kept["circles_at"] = torch.tensor(circles, dtype=torch.long)
        kept["knots"] = torch.linspace(-_REACH, _REACH, _KNOTS)
        return kept

    def _on(self, device: torch.device) -> tuple[Numbers, Tensor, Tensor]:
        """The maps' numbers, the atoms (D, A), padded with inf, and all periods, on this device."""
        if torch.compiler.is_compiling() or functional():
            return self._made(device)
        if device not in self._numbers:
            self._numbers[device] = self._made(device)
        return self._numbers[device]

    def _made(self, device: torch.device) -> tuple[Numbers, Tensor, Tensor]:
        widest = max(1, *(len(law.atoms) for law in self.laws))
        padded = [[*law.atoms, *[math.inf] * (widest - len(law.atoms))] for law in self.laws]
        periods = [period for law in self.laws for period in law.periods]
        atoms, turns = (torch.tensor(each, dtype=torch.float64, device=device) for each in (padded, periods))
        return Numbers.of(self.maps, device), atoms, turns

    def read(self, x: Tensor) -> Reading:
        """Rows (B, D) in the units of the table: NaN where a cell is missing, labels as their codes."""
        return self.place(x).to(self._knots.dtype)

    def place(self, x: Tensor) -> Reading:
        """As :meth:`read`, all of it in float64."""
        n, atoms, _ = self._on(x.device)
        missing = x.isnan()
        x = torch.where(missing, n.center, x.double())
        x = torch.where(n.gridded, snap(x, n), x)
        columns = x.t().contiguous()
        nearest = first_not_below(atoms, columns).clamp(max=atoms.shape[1] - 1)
        atom = torch.where((atoms.gather(1, nearest) == columns) & columns.isfinite(), nearest, -1).t()
        atom = torch.where(missing, self._absent, atom)
        step = torch.where(n.gridded, n.step, 0.0)
        warped, log_det = unbound(torch.cat((x + step / 2, x, x + step)), n, _EDGE)
        value, low, high = ((warped - n.location) / n.scale).unflatten(0, (3, -1))
        low = torch.where(n.gridded, torch.where(x <= n.lower, -_FAR, low), value)
        high = torch.where(n.gridded, torch.where(x >= n.upper, _FAR, high), value)
        width = torch.where(n.gridded, high - low, 1.0)
        log_det = log_det.unflatten(0, (3, -1))[0]
        possible = log_det.isfinite() & self._has_rest & ~missing
        log_det = torch.where(n.gridded, -n.step.log(), log_det - n.scale.log())
        log_det = torch.where(possible, log_det, -math.inf)
        value = torch.where(missing, 0.0, value)
        return Reading(x, atom, value, low, high, width, log_det)

    def around(self, reading: Reading, location: Tensor, scale: Tensor) -> Reading:
        """Rows whose standardised values are counted in ``scale`` from ``location``, (B, D) each.

        So a law whose theta stays the same can follow a series that wanders: its density is that of the values as they
        are, since ``log_det`` changes too.
        """
        value, low, high = ((t - location) / scale for t in (reading.value, reading.low, reading.high))
        low = torch.where(reading.low == -_FAR, -_FAR, low)
        high = torch.where(reading.high == _FAR, _FAR, high)
        return reading._replace(
            value=torch.where(self._is_missing(reading), 0.0, value),
            low=low,
            high=high,
            width=torch.where(self._gridded, high - low, 1.0),
            log_det=torch.where(self._gridded, reading.log_det, reading.log_det - scale.log()),
        )

    def describe(self, reading: Reading) -> Tensor:
        """What a network sees of rows, (B, ``sum(features)``)."""
        atom, value = reading.atom.unsqueeze(2), reading.value
        hot = (atom == torch.arange(self._widest, device=atom.device)).to(value.dtype)
        parts = [torch.ones_like(value), hot.flatten(1)]
        if len(self._numbers_at):
            number = value[:, self._numbers_at].unsqueeze(2).clamp(-8, 8)
            ramps = ((number - self._knots) * ((_KNOTS - 1) / (2 * _REACH)) + 0.5).clamp(0, 1)
            missing = self._is_missing(reading)[:, self._numbers_at].unsqueeze(2)
            parts.append(torch.cat((number, ramps), 2).masked_fill(missing, 0.0).flatten(1))
        if len(self._circles_at):
            parts.append(self._circles(reading))
        return torch.cat(parts, 1).index_select(1, self._places)

    def _circles(self, reading: Reading) -> Tensor:
        """sin and cos of where values lie in their periods, (B, 2 * periods), 0 where missing; reckoned in float64."""
        turns = reading.x[:, self._circles_at] / self._on(reading.x.device)[2]
        angle = (turns - turns.floor()) * math.tau
        missing = self._is_missing(reading)[:, self._circles_at].unsqueeze(2)
        circles = torch.stack((angle.sin(), angle.cos()), 2).masked_fill(missing, 0.0)
        return circles.flatten(1).to(reading.value.dtype)

    def log_prob(self, reading: Reading, theta: Tensor) -> Tensor:
        """log p of each cell, (B, D), given theta (B, ``sum(sizes)``)."""
        theta = self._raised(theta)
        numbers = theta.to(torch.promote_types(theta.dtype, reading.low.dtype))
        if not kernel.applies(numbers, reading):
            return self._formula(reading, theta)
        cells = kernel.Cells(reading.atom, reading.x, *(t.to(numbers.dtype) for t in reading[3:]))
        return kernel.log_prob(self._table, cells, numbers, lambda t: self._formula(reading, t))

    def _formula(self, reading: Reading, theta: Tensor) -> Tensor:
        """:meth:`log_prob` by torch's operators, from a theta that is raised already."""
        logits = self._softmax(theta)
        known = logits.gather(2, reading.atom.clamp(min=0).unsqueeze(2)).squeeze(2)
        # a whole cell of the grid stands for the atom on it
        known = known + self._per_unit(reading) + self._known.to(known.dtype)
        known = torch.where(reading.atom >= 0, known, self._log_other(reading).to(known.dtype))
        if not len(self._rests):
            return known
        weight = logits.gather(2, self._last.expand(theta.shape[0], -1, 1)).squeeze(2)
        rest = weight[:, self._rests] + self._log_rest(reading, theta)
        rest = F.pad(rest, (0, 1), value=-math.inf).index_select(1, self._rest_at)
        both = self._gridded & (reading.atom >= 0) & ~self._is_missing(reading)
        sums = torch.logaddexp(*(torch.where(both, part, 0.0) for part in (known, rest)))  # -inf has no derivatives
        return torch.where(both, sums, torch.where((reading.atom >= 0) | ~self._has_rest, known, rest))

    def _log_other(self, reading: Reading) -> Tensor:
        """log p of cells (B, D) that are no atom and lie off any rest: a missing one, which x has as 0, has none."""
        return torch.where((reading.atom < 0) & (reading.x != 0), self._others, -math.inf)

    def _is_missing(self, reading: Reading) -> Tensor:
        return (reading.atom == self._absent) & (reading.atom >= 0)

    def _per_unit(self, reading: Reading) -> Tensor:
        """What makes the log-probability of a cell of a grid one per unit, (B, D)."""
        return torch.where(self._gridded & ~self._is_missing(reading), self._cells, 0.0)

    def _log_masses(self, theta: Tensor) -> Tensor:
        """Log-probabilities of the atoms and, behind them, of the rest: (B, D, the most of a column), -inf beyond."""
        return self._softmax(self._raised(theta))

    def _raised(self, theta: Tensor) -> Tensor:
        """theta, in which the logits of rounded values are raised by what the mixtures expect around them."""
        if self.heaps is None:
            return theta
        one = theta if theta.stride(0) else theta[:1]  # of rows that share it
        more = self.heaps(*self._components(one)).to(theta.dtype).expand(len(theta), -1)
        return theta.index_add(1, self._logits.flatten()[self.heaps.places], more)

    def _softmax(self, theta: Tensor) -> Tensor:
        padded = F.pad(theta, (0, 1), value=-math.inf)
        return padded.index_select(1, self._logits.flatten()).unflatten(1, self._logits.shape).log_softmax(2)

    def _components(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights, means and log-scales of the columns that have a rest, (B, R, K) each."""
        places = self._mixtures
        weights, means, scales = (
            theta.index_select(1, places.flatten()).unflatten(1, places.shape).split(self.components, 2)
        )
        return weights.log_softmax(2), means, scales.clamp(_THINNEST, _WIDEST)

    @property
    def rests(self) -> Tensor:
        """The columns that have a rest, (R,)."""
        return self._rests

    def rest_mass(self, masses: Tensor) -> Tensor:
        """Of masses (B, D, the most of a column), those of the rests, (B, R)."""
        return self._rest_mass(masses)[:, self._rests]

    def terms(self, theta: Tensor) -> Terms:
        """What theta (B, ``sum(sizes)``) says."""
        empty = theta.new_zeros(theta.shape[0], 0, self.components)
        return Terms(self._log_masses(theta), *(self._components(theta) if len(self._rests) else [empty] * 3))

    def theta(self, terms: Terms) -> Tensor:
        """The theta that says so."""
        parts = torch.cat(terms[1:], 2)
        return torch.cat((terms.masses.flatten(1), parts.flatten(1)), 1).index_select(1, self._layout)

    def _log_rest(self, reading: Reading, theta: Tensor) -> Tensor:
        """log f of the columns that have a rest, (B, R).

        With the edges a > b of a cell in units of a component, sigmoid(a) - sigmoid(b) =
        sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which loses no digits in thin tails.
        """
        weights, means, scales = self._components(theta)
        low, high, width, log_det = (t[:, self._rests] for t in reading[3:])
        rate = torch.exp(-scales)
        above, below = (high.unsqueeze(2) - means) * rate, (low.unsqueeze(2) - means) * rate
        share = log1mexp(width.unsqueeze(2) * rate)
        last = torch.where(self._gridded[self._rests].unsqueeze(1), share, -scales)
        return torch.logsumexp(weights + log_sigmoid(above) + log_sigmoid(-below) + last, 2) + log_det

    def resting(self, reading: Reading) -> Tensor:
        """theta (sum(sizes),) of columns that depend on none: shares of their atoms, and components side by side."""
        theta = reading.value.new_zeros(sum(self.sizes))
        rest = (reading.atom < 0).sum(0)
        for i, law in enumerate(self.laws):
            counts = torch.bincount(reading.atom[:, i].clamp(min=0), minlength=max(1, law.masses))[: law.masses]
            counts = counts.to(theta.dtype)
            if law.masses:
                counts[0] -= (reading.atom[:, i] < 0).sum()
            if law.rest is not None:
                counts = torch.cat((counts, rest[i : i + 1].to(theta.dtype)))
            places = self._logits[i, : len(counts)]
            theta[places] = torch.log((counts + 0.5) / (len(reading.x) + 0.5 * len(counts)))
        for i, places in zip(self._rests.tolist(), self._mixtures):
            _, means, scales = places.split(self.components)
            theta[means], theta[scales] = (t.to(theta.dtype) for t in self._side_by_side(reading, i))
        if self.heaps is not None:
            expected = self.heaps(*self._components(theta.unsqueeze(0)))[0]
            theta[self._logits.flatten()[self.heaps.places]] -= expected
        return theta

    def _side_by_side(self, reading: Reading, i: int) -> tuple[Tensor, Tensor]:
        """Means and log-scales of components that share column i's values evenly, each as wide as its share."""
        atom = reading.atom[:, i]
        there = ~self._is_missing(reading)[:, i] & (self._gridded[i] | (atom < 0))
        often = atom.mode().values  # a value that most rows share has a probability of its own
        there = there & (atom != often) if 2 * (atom == often).sum() > len(atom) and often >= 0 else there
        values, widths = reading.value[there, i].double(), reading.width[there, i].double()
        if not len(values):
            values = torch.linspace(-2.0, 2.0, 2, dtype=torch.float64, device=values.device)
        ends = torch.linspace(0.0, 1.0, 2 * self.components + 1, dtype=torch.float64, device=values.device)
        found = torch.quantile(values[:_LOOKED_AT], ends.clamp(0.005, 0.995))
        cell = widths[:_LOOKED_AT].median() if self._gridded[i] else 0.0
        gaps = (found[2::2] - found[:-1:2]).clamp(min=max(_NARROWEST, float(cell)))
        return found[1::2], (_EVENLY * gaps).log()

    def below(self, reading: Reading, theta: Tensor) -> Tensor:
        """P(cell before x), (B, D), float64: missing comes first, then the values in ascending order.

        With :meth:`log_prob` it makes the staircase whose middle of x's step is the noise of x.
        """
        masses = self._log_masses(theta.double()).exp()
        total = self._side(reading, theta, masses, behind=False) + self._absent_mass(masses)
        total = torch.where(self._log_other(reading).isfinite(), 1.0, total) * self._known.exp()
        return torch.where(self._is_missing(reading), 0.0, total)

    def sides(self, reading: Reading, theta: Tensor) -> tuple[Tensor, Tensor]:
        """P(cell is there and less than x) and P(cell is x or more), (B, D) each, float64; both as exact where tiny."""
        masses = self._log_masses(theta.double()).exp()
        before, behind = (self._side(reading, theta, masses, behind) * self._known.exp() for behind in (False, True))
        return before, behind

    def _side(self, reading: Reading, theta: Tensor, masses: Tensor, behind: bool) -> Tensor:
        """The probability of the cells that are less than x, or of x and those ``behind``, (B, D)."""
        atoms = self._on(theta.device)[1]
        less = atoms < reading.x.unsqueeze(2)
        total = (masses[:, :, : atoms.shape[1]] * (~less & atoms.isfinite() if behind else less)).sum(2)
        if len(self._rests):
            weights, means, scales = self._components(theta.double())
            low = reading.low[:, self._rests].double().unsqueeze(2)
            z = (low - means) * torch.exp(-scales)
            share = (weights.exp() * torch.sigmoid(-z if behind else z)).sum(2)
            total[:, self._rests] += self._rest_mass(masses)[:, self._rests] * share
        return total

    def _absent_mass(self, masses: Tensor) -> Tensor:
        mass = masses.gather(2, self._absent.clamp(min=0).expand(masses.shape[0], -1).unsqueeze(2)).squeeze(2)
        return torch.where(self._absent >= 0, mass, 0.0)

    def _rest_mass(self, masses: Tensor) -> Tensor:
        return torch.where(self._has_rest, masses.gather(2, self._last.expand(masses.shape[0], -1, 1)).squeeze(2), 0.0)

    def shares(self, theta: Tensor) -> Tensor:
        """Probabilities of the atoms, and behind them of the rest, given that x is one of these.

        (B, D, the most of a column)
        """
        return self._log_masses(theta).exp()

    def present(self, theta: Tensor) -> Tensor:
        """theta of the same cells, given that none is missing."""
        theta = theta.clone()
        for i, law in enumerate(self.laws):
            if law.missing:
                theta[:, self._logits[i, law.masses - 1]] = -math.inf
        return theta

    def missing_mass(self, theta: Tensor) -> Tensor:
        """P(cell is missing), (B, D), float64."""
        return self._absent_mass(self._log_masses(theta.double()).exp())

    def up_to(self, x: Tensor, theta: Tensor, included: bool) -> Tensor:
        """P(cell is missing or less than x), (B, D), float64, x too where it is ``included``; x on a grid or not."""
        n = self._on(x.device)[0]
        on_grid = torch.where(n.gridded, snap(x, n, floor=True), x)
        whole = included | (on_grid < x) & n.gridded  # between two cells, the one below lies below
        inside = torch.minimum(torch.maximum(on_grid, n.lower), n.upper)
        reading = self.read(inside)
        total = self.below(reading, theta) + torch.where(whole, self.mass(reading, theta), 0.0)
        none = (x < n.lower) & self._has_rest
        total = torch.where(none, self.missing_mass(theta), total)
        return torch.where((x > n.upper) & self._has_rest, 1.0, total)

    def mass(self, reading: Reading, theta: Tensor) -> Tensor:
        """P(cell = x), (B, D), float64: 0 for values of a density, which single values have none of."""
        log_p = self.log_prob(reading, theta.double()) - self._per_unit(reading)
        return torch.where((reading.atom >= 0) | ~self._has_rest | self._gridded, log_p.exp(), 0.0)

    def draw(self, theta: Tensor, u: Tensor, around: Around | None = None) -> Tensor:
        """Cells (B, D) from uniform numbers u (B, D), float64: an atom or a component is chosen, then its value.

        ``around`` is as in :meth:`around`. Faster than :meth:`quantile`, and as good where x need not grow with u.
        """
        chosen, share = _choose(self._log_masses(theta).double().exp(), u)
        x = self._value_of(chosen)
        if not len(self._rests):
            return x
        weights, means, scales = (t.double() for t in self._components(theta))
        which, share = _choose(weights.exp(), share[:, self._rests])
        mean, scale = (t.gather(2, which.unsqueeze(2)).squeeze(2) for t in (means, scales))
        value = x.new_zeros(x.shape)
        value[:, self._rests] = mean + scale.exp() * torch.logit(share, 1e-15)
        return torch.where((chosen == self._masses) & self._has_rest, self._unread(value, around), x)

    def cells(self, atom: Tensor, value: Tensor) -> Tensor:
        """The cells (B, D), float64, that :meth:`read` reads as these atoms, -1 for the rest, and these values."""
        return torch.where(atom < 0, self._unread(value.double()), self._value_of(atom.clamp(min=0)))

    def quantile(self, theta: Tensor, z: Tensor, around: Around | None = None) -> Tensor:
        """The cell x with P(cell before x) <= z < P(cell up to x): (B, D) from z (B, D) in (0, 1), float64."""
        masses = self._log_masses(theta.double()).exp()
        atoms = self._on(theta.device)[1]
        x = torch.full_like(z, math.nan)
        found = z < self._absent_mass(masses)
        spent = self._absent_mass(masses)
        for j in range(atoms.shape[1]):
            at = atoms[:, j].isfinite()
            reading = self.place(torch.where(at, atoms[:, j], math.nan).expand_as(z))
            reading = reading if around is None else self.around(reading, *around)
            start = self.below(reading, theta)
            end = start + self.mass(reading, theta)
            hit = at & ~found & (start <= z) & (z < end)
            x, found = torch.where(hit, atoms[:, j], x), found | hit
            spent = spent + torch.where(at & (end <= z), masses[:, :, j], 0.0)
        if not len(self._rests):
            last = self._value_of(masses.argmax(2))
            return torch.where(found, x, last)
        share = (z - spent) / self._rest_mass(masses).clamp(min=1e-300)
        value = z.new_zeros(z.shape)
        value[:, self._rests] = _search(
            share[:, self._rests].clamp(1e-15, 1 - 1e-15), *self._components(theta.double())
        )
        return torch.where(found, x, self._unread(value, around))

    def _value_of(self, atom: Tensor) -> Tensor:
        """The values of atoms (B, D): NaN for a missing cell."""
        atoms = self._on(atom.device)[1]
        x = atoms.expand(atom.shape[0], -1, -1).gather(2, atom.clamp(max=atoms.shape[1] - 1).unsqueeze(2)).squeeze(2)
        return torch.where((atom == self._absent) & (self._absent >= 0), math.nan, x)

    def _unread(self, value: Tensor, around: Around | None = None) -> Tensor:
        """The cells that standardised values lie in."""
        n = self._on(value.device)[0]
        value = value if around is None else around[0] + around[1] * value
        x = bind(value * n.scale + n.location, n)[0]
        x = torch.where(n.gridded, snap(x, n, floor=True), x)
        return torch.minimum(torch.maximum(x, n.lower), n.upper)


def _choose(shares: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the shares (B, D, W), laid end to end, u (B, D) falls into, and where in it, from 0 to 1."""
    ends = shares.cumsum(2)
    total = ends[..., -1:]
    u = u.unsqueeze(2) * total
    which = (ends <= u).sum(2, keepdim=True).clamp(max=shares.shape[2] - 1)
    start = torch.where(which > 0, ends.gather(2, (which - 1).clamp(min=0)), 0.0)
    inside = (u - start) / shares.gather(2, which).clamp(min=1e-300)
    return which.squeeze(2), inside.clamp(0, 1).squeeze(2)


def _search(share: Tensor, weights: Tensor, means: Tensor, scales: Tensor) -> Tensor:
    """The value below which a mixture of logistics has this share: bisection between its components' own."""
    weights, rate = weights.exp(), torch.exp(-scales)
    each = means + torch.logit(share).unsqueeze(2) / rate
    low, high = each.amin(2), each.amax(2)
    for _ in range(60):
        middle = (low + high) / 2
        too_low = (weights * torch.sigmoid((middle.unsqueeze(2) - means) * rate)).sum(2) < share
        low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
    return (low + high) / 2
