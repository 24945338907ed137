"""Classes of rows: what a table's cells are given those before them, from a mixture fitted in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.core.constants import constant, on_cpu
from fluvial.core.portable import log_sigmoid
from fluvial.models.clusters import Rows, clusters_of
from fluvial.transforms.heaps import Heaps
from fluvial.transforms.law import Reading, Terms
from fluvial.transforms.laws import Laws

_APART, _SCALE = 0.55856, 0.46373  # two logistics that stand in for a Gaussian: 0.0022 nats between them
_FAR = 8.0  # standard deviations beyond which a number is read as no farther out
_NONE = -1e30  # log-weight of a class that is not needed: finite, as what is saved has to be
_TRUST = 2.0  # logit of the weight that the classes start with beside the network, at most
_JUDGED, _STEPS = 2000, 20  # rows that decide on it, and steps
_CERTAIN = 30.0  # logit beside which the network is nothing


class Classes(nn.Module):
    r"""p(x) = sum_c p(c) p(x | c), each conditional of which stands beside that of a network.

    Given a class, numbers are Gaussian, in the columns' standardised values, and labels, gaps and spikes are
    independent of them and of each other. All conditionals p(x_i | x_{<i}) in any order are then known: a class's
    weight is its probability given the cells before, and a number's mean in it is linear in the numbers before.
    A few hundred rows tell this much reliably, and a network that starts from it has only the rest to learn.

    The network gives each column one number more, the logit of the share that the classes have in it. Two forecasts
    that are each as wide as they should be are too wide when pooled, so the pool is narrowed, in each column by a
    factor that is learnt (the spread-adjusted linear pool: Gneiting and Ranjan 2013, arXiv 1106.1638).

    Args:
        laws: of the columns, as the network sees them.
        most: classes at most.
    """

    weights: Tensor
    shares: Tensor
    means: Tensor
    covariances: Tensor
    _last: Tensor
    _gridded: Tensor
    _absent: Tensor
    _has_rest: Tensor
    _numbers: Tensor
    _starts: Tensor
    _columns: Tensor
    _padded: Tensor
    _gates: Tensor
    _others: Tensor
    _heaped: Tensor
    odds: Tensor

    def __init__(self, laws: Laws, most: int) -> None:
        super().__init__()
        self.own = laws
        self.beside = Laws(laws.laws, laws.components + 2 * most, heaped=False)
        self.sizes: tuple[int, ...] = tuple(size + 1 for size in laws.sizes)
        with on_cpu():
            for name, value in self._places().items():
                constant(self, f"_{name}", value)
        codes, numbers = len(self._columns), len(self._numbers)
        heaps = 0 if laws.heaps is None else len(laws.heaps.places)
        blank = {
            "weights": torch.full((most,), -math.log(most), dtype=torch.float64),
            "shares": torch.zeros(most, codes, dtype=torch.float64),
            "means": torch.zeros(most, numbers, dtype=torch.float64),
            "covariances": torch.eye(numbers, dtype=torch.float64).repeat(most, 1, 1),
            **({"odds": torch.zeros(heaps, dtype=torch.float64)} if heaps else {}),
        }
        for name, value in blank.items():
            self.register_buffer(name, value)
        self.spread: nn.Parameter = nn.Parameter(torch.zeros(numbers))  # logarithms of the factors

    def _places(self) -> dict[str, Tensor]:
        laws = self.own.laws
        counts = torch.tensor([law.masses + (law.rest is not None) for law in laws])
        ends = torch.tensor(self.sizes).cumsum(0)
        starts = counts.cumsum(0) - counts
        within = torch.arange(int(counts.max())).expand(len(laws), -1)
        return {
            "last": torch.tensor([law.masses for law in laws]),
            "gridded": torch.tensor([law.step is not None for law in laws]),
            "absent": torch.tensor([law.masses - 1 if law.missing else -1 for law in laws]),
            "has_rest": torch.tensor([law.rest is not None for law in laws]),
            "numbers": torch.tensor([i for i, law in enumerate(laws) if law.rest is not None], dtype=torch.long),
            "starts": starts,
            "columns": torch.arange(len(laws)).repeat_interleave(counts),
            # a code of each column and place; one past the codes where a column has fewer
            "padded": torch.where(within < counts.unsqueeze(1), starts.unsqueeze(1) + within, int(counts.sum())),
            "gates": ends - 1,
            "heaped": torch.tensor([i for i, law in enumerate(laws) for _ in law.rounded], dtype=torch.long),
            "others": torch.tensor([i for i in range(int(ends[-1])) if i not in set((ends - 1).tolist())]),
        }

    @torch.no_grad()
    def fit(self, reading: Reading) -> None:
        """Set the classes from rows; those that these rows do not need get no weight."""
        hot = reading.value.new_zeros(len(reading.x), len(self._columns) + 1, dtype=torch.float64)
        hot = hot.scatter(1, self._places_of(reading), 1.0)[:, :-1]
        values, present = self._values(reading)
        found = clusters_of(Rows(values, present, hot, self._columns), len(self.weights))
        count = len(found.weights)
        for name, value in found._asdict().items():
            self.get_buffer(name)[:count] = value
        self.weights[count:] = _NONE
        if self.own.heaps is not None:
            self.odds.copy_(self._found_odds(self.own.heaps, reading))

    def _found_odds(self, heaps: Heaps, reading: Reading) -> Tensor:
        """How much likelier than the values around it each rounded value is."""
        some = Reading(*(t[:_JUDGED] for t in reading))
        columns = torch.arange(len(self.sizes), device=some.x.device)
        own = heaps.places // self._padded.shape[1]
        held = some.atom[:, own] == heaps.places % self._padded.shape[1]
        numbers = self._codes(some)[:, own] == self._last[own]
        mixture = self._terms(*self._given(some, columns), columns, None)[1:]
        return heaps.odds(heaps(*mixture), held.double().sum(0), numbers.double())

    def forward(self, theta: Tensor, reading: Reading, order: Tensor | None = None) -> Tensor:
        """theta of :attr:`beside` from the network's, (B, ``sum(sizes)``), under an order, (D,)."""
        gates, net = theta.index_select(1, self._gates), theta.index_select(1, self._others)
        columns = torch.arange(len(self.sizes), device=theta.device)
        given = self._given(reading, columns if order is None else order)
        return _blended(self.own, self.beside, net, gates, self._terms(*given, columns, self.own.heaps), self.spread)

    def alone(self, theta: Tensor, reading: Reading) -> Tensor:
        """log p of each cell, (B, D), under the network without classes; a theta of one row is that of all."""
        return self.own.log_prob(reading, theta.index_select(1, self._others).expand(len(reading.x), -1))

    def steps(self, order: Tensor, rows: int) -> Callable[[int, Mapping[int, Reading], Tensor], Tensor]:
        """As :meth:`forward`, a column at a time: a function of k, the new cells before it by column, and its theta."""
        factor, places = self._factor(order)
        at, numbers, columns = torch.argsort(places).tolist(), self._numbers.tolist(), order.tolist()
        logs = self.weights.unsqueeze(1).repeat(1, rows)
        white = factor.new_zeros(len(factor), rows, len(numbers))

        def mean(j: int) -> Tensor:
            """Of number j in each class, given the numbers before it, (C, B)."""
            p = at[j]
            return self.means[:, j, None] + (white[:, :, :p] @ factor[:, p, :p].unsqueeze(2)).squeeze(2)

        def learn(i: int, reading: Reading) -> None:
            logs.add_(self._evidence(reading, i).squeeze(2))
            if i in numbers:
                j, present = numbers.index(i), self._codes(reading, i).squeeze(1) == self._last[i]
                value = torch.where(present, _clamped(reading.value.squeeze(1)), self.means[:, j, None])
                deviation = factor[:, at[j], at[j], None]
                white[:, :, at[j]] = (value - mean(j)) / deviation
                logs.add_(torch.where(present, _log_normal(white[:, :, at[j]], deviation), 0.0))

        def step(k: int, before: Mapping[int, Reading], theta: Tensor) -> Tensor:
            for i, reading in before.items():
                learn(i, reading)
            i = columns[k]
            js = [numbers.index(i)] if i in numbers else []
            means = torch.stack([mean(j) for j in js], 2) if js else white[:, :, :0]
            deviations = factor.diagonal(dim1=1, dim2=2)[:, [at[j] for j in js]]
            laws = self.own.column(i), self.beside.column(i)
            terms = self._terms(logs.log_softmax(0).unsqueeze(2), means, deviations, order[k : k + 1], laws[0].heaps)
            return _blended(*laws, theta[:, :-1], theta[:, -1:], terms, self.spread[js])

        return step

    def resting(self, reading: Reading) -> Tensor:
        """The network's theta (``sum(sizes)``,) that depends on no column, and how far classes are ahead of that."""
        theta = torch.zeros(sum(self.sizes), dtype=reading.value.dtype, device=reading.value.device)
        theta[self._others] = self.own.resting(reading)
        theta[self._gates] = _CERTAIN
        some = Reading(*(t[:_JUDGED] for t in reading))
        both = theta.expand(len(some.x), -1)
        ahead = self.beside.log_prob(some, self(both, some)) - self.alone(both, some)
        theta[self._gates] = _merited(ahead.nan_to_num(0.0)).to(theta.dtype)
        return theta

    @torch.no_grad()
    def distrust(self, theta: Tensor) -> None:
        """Give the classes hardly a share in the network's theta (``sum(sizes)``,), in place."""
        theta[self._gates] = -2 * _TRUST

    def _codes(self, reading: Reading, column: int | None = None) -> Tensor:
        """Which atom each cell is, the rest behind them, (B, D): on a grid the rest has all numbers."""
        at = slice(None) if column is None else slice(column, column + 1)
        absent = (reading.atom == self._absent[at]) & (reading.atom >= 0)
        of_rest = (reading.atom < 0) | (self._gridded[at] & ~absent)
        return torch.where(of_rest, self._last[at], reading.atom.clamp(min=0))

    def _places_of(self, reading: Reading, column: int | None = None) -> Tensor:
        """Which of the shares each cell's code has, (B, D); one past them where its law knows no such cell."""
        at = slice(None) if column is None else slice(column, column + 1)
        codes = self._codes(reading, column)
        unknown = (codes == self._last[at]) & ~self._has_rest[at]
        return torch.where(unknown, len(self._columns), self._starts[at] + codes)

    def _evidence(self, reading: Reading, column: int | None = None) -> Tensor:
        """Log-probability of each cell's code in each class, (C, B, D); 0 where its law knows no such cell."""
        return F.pad(self.shares, (0, 1))[:, self._places_of(reading, column)]

    def _values(self, reading: Reading) -> tuple[Tensor, Tensor]:
        """The numbers of rows (B, R), and which of them there are."""
        present = (self._codes(reading) == self._last)[:, self._numbers]
        return torch.where(present, _clamped(reading.value[:, self._numbers]), 0.0), present

    def _factor(self, order: Tensor) -> tuple[Tensor, Tensor]:
        """The Cholesky factors (C, R, R) of the numbers as the order has them, and which number stands where."""
        rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        places = torch.argsort(rank[self._numbers])
        return torch.linalg.cholesky(self.covariances[:, places][:, :, places]), places

    @torch.no_grad()
    def _given(self, reading: Reading, order: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each column, given those before it: log-probabilities of the classes (C, B, D), means and deviations."""
        factor, places = self._factor(order)
        back = torch.argsort(places)
        values, present = self._values(reading)
        away = torch.where(present, values - self.means.unsqueeze(1), 0.0)[:, :, places]
        white = torch.linalg.solve_triangular(factor, away.transpose(1, 2), upper=False).transpose(1, 2)
        means = (white @ factor.tril(-1).transpose(1, 2))[:, :, back] + self.means.unsqueeze(1)
        deviations = factor.diagonal(dim1=1, dim2=2)[:, back]
        densities = torch.where(present, _log_normal(white[:, :, back], deviations.unsqueeze(1)), 0.0)
        each = self._evidence(reading).index_add(2, self._numbers, densities)
        before = each[:, :, order].cumsum(2).roll(1, 2)
        before[:, :, 0] = 0.0
        logs = before[:, :, torch.argsort(order)] + self.weights[:, None, None]
        return logs.log_softmax(0), means, deviations

    def _terms(self, logs: Tensor, means: Tensor, deviations: Tensor, columns: Tensor, heaps: Heaps | None) -> Terms:
        """What the classes make of these columns, from their log-probabilities (C, B, D) and of those with a rest."""
        shares, places = F.pad(self.shares, (0, 1), value=-math.inf), self._padded[columns]
        places = places[:, : int((places < self.shares.shape[1]).sum(1).max())]
        rests, last = self._has_rest[columns].nonzero().squeeze(1), self._last[columns]
        of_rests = shares[:, places[rests].gather(1, last[rests].unsqueeze(1)).squeeze(1)]  # (C, R)
        weights = logs[:, :, rests] + of_rests.unsqueeze(1)
        # a class's weight and its shares are probabilities, so their products need no logarithms to be kept in range
        masses = torch.bmm(logs.permute(2, 1, 0).exp(), shares[:, places].transpose(0, 1).exp()).log().transpose(0, 1)
        spread = deviations.unsqueeze(1).expand_as(means)
        halves = (weights, weights), (means + _APART * spread, means - _APART * spread), (spread, spread)
        weights, means, scales = (torch.cat(pair).permute(1, 2, 0) for pair in halves)
        mixture = weights.log_softmax(2), means, (_SCALE * scales).log()
        if heaps is not None:
            masses = heaps.taken(masses, last, self._odds_of(columns), mixture)
        return Terms(masses, *mixture)

    def _odds_of(self, columns: Tensor) -> Tensor:
        """Those of the heaps of these columns."""
        return self.odds if len(columns) == len(self.sizes) else self.odds[self._heaped == columns[0]]


def _blended(own: Laws, beside: Laws, theta: Tensor, gates: Tensor, classes: Terms, spread: Tensor) -> Tensor:
    """theta of the laws in which classes stand beside what a network makes of its columns."""
    net = own.terms(theta)
    classes = Terms(*(t.to(theta.dtype) for t in classes))
    trust, rest = log_sigmoid(gates), log_sigmoid(-gates)
    there = net.masses.isfinite()
    one, other = (torch.where(there, t.masses, 0.0) for t in (classes, net))
    masses = torch.logaddexp(trust.unsqueeze(2) + one, rest.unsqueeze(2) + other)
    weights = (
        trust[:, own.rests].unsqueeze(2) + own.rest_mass(classes.masses).unsqueeze(2) + classes.weights,
        rest[:, own.rests].unsqueeze(2) + own.rest_mass(net.masses).unsqueeze(2) + net.weights,
    )
    means, scales = (torch.cat(pair, 2) for pair in zip(classes[2:], net[2:]))
    scales = scales + spread.to(theta.dtype).unsqueeze(1)
    return beside.theta(Terms(torch.where(there, masses, -math.inf), torch.cat(weights, 2), means, scales))


def _merited(ahead: Tensor) -> Tensor:
    """The logits (D,) of weights under which two forecasts, one so far ahead of the other in each cell (B, D), do best.

    By expectation-maximisation, and never so far from even that the other one learns nothing.
    """
    logit = torch.zeros_like(ahead[0])
    for _ in range(_STEPS):
        logit = torch.logit(torch.sigmoid(ahead + logit).mean(0), 1e-6)
    return logit.clamp(-_TRUST, _TRUST)


def _clamped(values: Tensor) -> Tensor:
    return values.double().clamp(-_FAR, _FAR)


def _log_normal(white: Tensor, deviation: Tensor) -> Tensor:
    return -0.5 * white.square() - deviation.log() - 0.5 * math.log(math.tau)
