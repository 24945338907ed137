"""Series of frames of numbers: a WaveNet over the steps, column laws inside each, scaled by the past alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners import WaveNet
from fluvial.conditioners.linear import LEAST, Line, ridge
from fluvial.conditioners.ragged import RaggedMLP
from fluvial.conditioners.recent import Outlook, Recent
from fluvial.core import Density, Uniform, randomness
from fluvial.core.constants import constant, on_cpu
from fluvial.core.density import sized
from fluvial.core.transform import EventShape
from fluvial.models.recipe import Decay, Recipe, Training
from fluvial.models.series_walk import Walk, drawn, moved
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Around, Law, Reading
from fluvial.transforms.laws import Laws

_EMBEDDED = 8  # numbers that stand for a series
_FORGOTTEN = 0.1  # share of the training windows whose series is not named, so that new ones can be forecast
_EDGE = 1e-15
_ROWS, _STEPS = 8192, 100  # that the laws' shapes are fitted to, and how long


class SeriesLaws(Density):
    r"""p(path) = \prod_t \prod_i p(x_{t,i} | x_{t,<i}, x_{<t}, context): frames of N values, each with a :class:`Law`.

    Each value is counted from the last one seen, in units of how far it has moved lately (:class:`Recent`), so one
    network serves series of any level and scale, and a linear forecast (:class:`Line`), fitted before the training,
    says where the value lies and how far it strays. Of each value alone a WaveNet reads the moves before, with all that
    is known of the step, and says how the law differs from that: moved, stretched, of another shape. What a value adds
    to the others of its frame, once it is known, a masked network over their standardised errors says (compare Rasul et
    al. 2021, arXiv 2002.06103, and Salinas et al. 2019, arXiv 1910.03002). A law is a mixture of logistics beside
    atoms, so counts, zeros and rounded values have exact probabilities. log p is in units of the data.

    Events are (T N,), frame after frame, NaN where a cell is missing, which is a value like any other where the law
    says so. Context is (C,) for all steps, or (T, C), a row for each; NaN in a row is no knowledge, and rows of NaN
    before a series begins leave everything behind them as it is.

    Args:
        laws: of the N values of a frame.
        recent: what the last steps say.
        outer: a WaveNet of one value a step, whose context is a row for each step.
        inner: over the laws' features and two numbers more than their sizes.
        series: how many series have numbers, 1, 2, ..., in the first column of the context; 0 where none have.
        together: whether what the last steps say of the other values is known of a value too.
        dropout: share of the WaveNet's numbers that a training step leaves out.
    """

    static = False
    gaps = True

    def __init__(
        self,
        laws: Laws,
        recent: Recent,
        outer: WaveNet,
        inner: RaggedMLP,
        event_shape: EventShape,
        context_shape: EventShape | None = None,
        series: int = 0,
        together: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.laws, self.recent, self.outer, self.inner = laws, recent, outer, inner
        self.event_shape, self.context_shape, self.series = event_shape, context_shape, series
        self.together, self.dropout = together, dropout
        self.names = nn.Embedding(series + 1, _EMBEDDED, padding_idx=0) if series else None
        self.which = nn.Embedding(self.values, _EMBEDDED) if self.values > 1 else None
        told = (outer.context_features or 0) - _EMBEDDED * (bool(series) + (self.values > 1))
        self.line = Line(self.values, told)
        self.direct = nn.Parameter(torch.zeros(self.values, told, 2))
        self.head = nn.Linear(outer.size, max(laws.sizes) + 2)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with on_cpu():
            ends = torch.tensor([size + 2 for size in laws.sizes]).cumsum(0)
            places = torch.stack((ends - 2, ends - 1))
            shapes = torch.ones(int(ends[-1]), dtype=torch.bool).index_fill(0, places.flatten(), False)
            own = torch.arange(max(laws.sizes)) < torch.tensor(laws.sizes).unsqueeze(1)
        constant(self, "_places", places)
        constant(self, "_shapes", shapes.nonzero().squeeze(1))
        constant(self, "_own", own.flatten().nonzero().squeeze(1))
        self._places: Tensor
        self._shapes: Tensor
        self._own: Tensor

    @property
    def values(self) -> int:
        """N."""
        return len(self.laws.laws)

    @property
    def reads(self) -> int:
        """Steps before it that a step depends on."""
        return self.outer.receptive_field + self.recent.reads

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.scored(x, context).flatten(1).sum(1)

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.scored(x, context).flatten(1)

    def scored(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """log p of each value of the ``last`` frames, (B, last, N)."""
        reading, theta = self._read(x, context, last)
        return self.laws.log_prob(reading, theta).view(x.shape[0], self._frames(x, last), self.values)

    def encode(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """P(value before x's | all before) and half of P(value), (B, T N): uniform under the model, one by one."""
        return self.below(x, context, last) + self.mass(x, context, last) / 2

    def below(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """P(value before x's | all before) of the values of the ``last`` frames, (B, last N), float64."""
        found = self.laws.below(*self._read(x, context, last))
        return found.view(x.shape[0], self._frames(x, last) * self.values)

    def mass(self, x: Tensor, context: Tensor | None = None, last: int | None = None) -> Tensor:
        """P(value | all before) likewise: 0 for values of a density."""
        found = self.laws.mass(*self._read(x, context, last))
        return found.view(x.shape[0], self._frames(x, last) * self.values)

    def _frames(self, x: Tensor, last: int | None) -> int:
        """How many frames are scored."""
        return x.shape[1] // self.values if last is None else last

    @property
    def noise(self) -> Density:
        """What :meth:`encode` gives if the model is right."""
        return Uniform(self.event_shape)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The events (B, T N), float64, that :meth:`encode` maps to z."""
        noise = z.double().clamp(_EDGE, 1 - _EDGE).view(z.shape[0], -1, self.values)
        walk = self.walk(z.shape[0], context=context)
        steps: list[Tensor] = []
        for t in range(noise.shape[1]):

            def of_noise(law: Laws, theta: Tensor, around: Around, i: int, t: int = t) -> Tensor:
                return law.quantile(theta, noise[:, t, i : i + 1], around)

            steps.append(walk.step(of_noise, _row(context, t)))
        return torch.cat(steps, 1)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        steps = sized(self.event_shape)[0] // self.values
        walk = self.walk(n, context=context)
        return torch.cat([walk.step(drawn, _row(context, t)) for t in range(steps)], 1)

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            x = self.sample(n, context)
        return x, self.log_prob(x, context)

    def of_length(self, length: int) -> SeriesLaws:
        if self.event_shape != (None,) or length % self.values:
            return super().of_length(length)  # pyright: ignore[reportReturnType]  (it raises)
        other = copy.copy(self)
        other.event_shape = (length,)
        return other

    def walk(self, n: int, past: Tensor | None = None, context: Tensor | None = None) -> Walk:
        """One frame after the other behind ``past``, (n, P, N), with its context (n, P, C)."""
        past = self._places.new_zeros(n, 0, self.values, dtype=torch.float64) if past is None else past.double()
        return Walk(self, past, None if context is None or context.dim() < 3 else context[:, : past.shape[1]])

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.start(x, context, torch.ones(x.shape[0], x.shape[1] // self.values, dtype=torch.bool, device=x.device))

    @torch.no_grad()
    def start(self, x: Tensor, context: Tensor | None, counts: Tensor) -> None:
        """Set the typical moves, the linear forecasts, and the laws that the network starts from.

        Args:
            counts: (B, T) bool, the steps to learn from; the others are their past.
        """
        v, x = self.placed(x)
        self.recent.initialize(v)
        outlook = self.recent(v)
        told = self.told(outlook, context)
        smaller = self.line.fit(v, outlook, told, counts)
        near = self.line(outlook, told)
        moving = counts & (outlook.features[..., -1] > 0).all(2) & ~v.isnan().all(2)
        moving = moving if moving.any() else counts
        base = near.location[moving], near.scale[moving] * (1 - smaller)
        placed = self.laws.place(x[moving])
        reading = self.laws.around(placed, *base)
        features = self.laws.describe(reading)
        self._couple(reading, features)
        theta = self.inner(features.to(told.dtype))
        reading = self.laws.around(placed, *moved(theta[:, self._places], *base))
        self.inner.last.bias[self._shapes] = self._shaped(Reading(*(t[:_ROWS] for t in reading.to(told.dtype))))

    @torch.no_grad()
    def relief(self, x: Tensor, context: Tensor | None, counts: Tensor) -> float:
        """By which share the past of the other values lessens errors of linear forecasts, of a model ``together``.

        The first seven in ten of the steps that count are fitted to, the errors are those in the others; NaN where
        there are none.
        """
        v, _ = self.placed(x)
        self.recent.initialize(v)
        outlook = self.recent(v)
        together = self.told(outlook, context)
        own = self.recent.features
        apart = torch.cat((together[..., : -(self.values + 1) * own], together[..., -own:]), 3)
        number = counts.flatten().cumsum(0).view_as(counts)
        first = counts & (number <= 0.7 * counts.sum())
        errors: list[Tensor] = []
        for told in (apart, together):
            line = Line(self.values, told.shape[3]).to(told)
            line.fit(v, outlook, told, first)
            error = ((v - line(outlook, told).location) / outlook.scale).abs()
            errors.append(error[counts & ~first].nanmean(0))
        return 1 - (errors[1] / errors[0]).nanmean().item()

    def _couple(self, reading: Reading, features: Tensor) -> None:
        """Move each value linearly by those before it in the frame."""
        direct, bias = self.inner.direct.weight, self.inner.last.bias
        for i, place in enumerate(self._places[0].tolist()):
            read, rows = self.inner.reads < i, reading.atom[:, i] < 0
            if 0 < int(read.sum()) <= int(rows.sum()) / LEAST:
                found = ridge(features[rows][:, read].double(), reading.value[rows, i].double())[:2]
                direct[place, read], bias[place] = (t.to(bias.dtype) for t in found)

    @torch.enable_grad()
    def _shaped(self, reading: Reading) -> Tensor:
        """theta of laws that nothing else moves, likely for these rows."""
        theta = self.laws.resting(reading).requires_grad_()
        optimizer = torch.optim.Adam([theta], lr=0.05)
        for _ in range(_STEPS):
            optimizer.zero_grad()
            (-self.laws.log_prob(reading, theta.expand(len(reading.x), -1)).sum(1).mean()).backward()
            optimizer.step()
        return theta.detach()

    def placed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Events as standardised values (B, T, N), float64, NaN where missing; and as they are."""
        x = x.double().reshape(x.shape[0], x.shape[1] // self.values, self.values)
        value = self.laws.place(x.reshape(-1, self.values)).value.view(x.shape)
        return torch.where(x.isnan(), x, value), x

    def told(self, outlook: Outlook, context: Tensor | None) -> Tensor:
        """What is known of values, (N, B, T, G), but for which they are: the context, and what has been."""
        features = outlook.features.to(self.direct.dtype)
        parts = [features.movedim(2, 0)]
        if self.together:
            parts.insert(0, features.flatten(2).expand(self.values, -1, -1, -1))
        if context is not None:
            context = context.unsqueeze(1).expand(-1, features.shape[1], -1) if context.dim() == 2 else context
            context = context[:, :, 1:] if self.names is not None else context
            parts.insert(0, context.nan_to_num().to(features.dtype).expand(self.values, -1, -1, -1))
        return torch.cat(parts, 3)

    def known(self, told: Tensor, context: Tensor | None) -> Tensor:
        """All that is known of the values of steps: ``told``, and which they are, of which series; zeros before all."""
        parts, shape = [told], told.shape[:3]
        if self.which is not None:
            parts.append(told[..., -1:] * self.which.weight[:, None, None])
        if self.names is not None and context is not None:
            number = context[..., 0].nan_to_num().long()
            number = number.unsqueeze(1).expand(-1, shape[2]) if context.dim() == 2 else number
            if self.training:
                number = number * (randomness.uniform((len(number), 1), device=number.device) >= _FORGOTTEN)
            parts.append(self.names(number).expand(*shape, -1))
        return torch.cat(parts, 3)

    def moves(self, v: Tensor, outlook: Outlook) -> Tensor:
        """Values as the WaveNet reads them, (N, B, T): in scales from their locations."""
        return ((v - outlook.location) / outlook.scale).clamp(-20, 20).to(self.direct.dtype).movedim(2, 0)

    def alone(self, hidden: Tensor, told: Tensor, near: Outlook) -> tuple[Tensor, Around]:
        """What the past says of values: their theta, (R, sum of sizes), and where they lie, (R, N) each.

        Args:
            hidden: what the WaveNet says, (N, R, its size).
            told: (N, R, G).
            near: the linear forecast, (R, N).
        """
        if self.training:
            hidden = randomness.dropout(hidden, self.dropout)
        theta = self.head(hidden).movedim(0, 1)
        places = theta[..., :2] + torch.einsum("nrg,ngk->rnk", told, self.direct)
        return theta[..., 2:].flatten(1)[:, self._own], moved(places.movedim(2, 1), near.location, near.scale)

    def _read(self, x: Tensor, context: Tensor | None, last: int | None):  # noqa: ANN202
        """The last frames, (B last, N), around what is expected of them, and the theta of their laws."""
        v, x = self.placed(x)
        last = x.shape[1] if last is None else last
        reach = min(x.shape[1], last + self.outer.receptive_field)
        outlook = self.recent(v, reach)
        if context is not None and context.dim() == 3:
            context = context[:, context.shape[1] - reach :]
        told = self.told(outlook, context)
        moves = self.moves(v[:, x.shape[1] - reach :], outlook)
        hidden = self.outer(moves.flatten(0, 1).unsqueeze(2), self.known(told, context).flatten(0, 1), last)
        hidden = hidden.squeeze(3).movedim(1, 2).reshape(self.values, -1, self.outer.size)
        told = told[:, :, reach - last :]
        near = self.line(Outlook(*(t[:, reach - last :] for t in outlook)), told)
        shapes, base = self.alone(hidden, told.flatten(1, 2), Outlook(*(t.flatten(0, 1) for t in near)))
        placed, dtype = self.laws.place(x[:, x.shape[1] - last :].reshape(-1, self.values)), told.dtype
        theta = self.inner(self.laws.describe(self.laws.around(placed, *base).to(dtype)))
        around = moved(theta[:, self._places], *base)
        return self.laws.around(placed, *around).to(dtype), theta[:, self._shapes] + shapes


def _row(context: Tensor | None, step: int) -> Tensor | None:
    return context if context is None or context.dim() == 2 else context[:, step]


def wavenet_mixed(
    event_shape: EventShape,
    *,
    laws: Sequence[Law] = (),
    values: int = 1,
    series: int = 0,
    lags: Sequence[int] = (),
    window: int = 64,
    together: bool = False,
    hidden: Sequence[int] = (48,),
    blocks: int = 1,
    components: int = 6,
    dropout: float = 0.25,
    features: int = 32,
    stacks: int = 1,
    layers: int = 6,
    kernel: int = 2,
    channels: int = 32,
    gates: int = 32,
    skips: int = 64,
    context_shape: EventShape | None = None,
) -> Density:
    """Series of frames of numbers, of any scale: WaveNet over the steps, a law for each value given those before it.

    An event is (T N,), frame after frame; context is (C,), or (None, C), a row for each step.

    Args:
        event_shape: (T N,), or (None,) for any length.
        laws: one for each value of a frame; () for real numbers.
        values: N, numbers of a frame.
        series: how many series have numbers of their own, in the first column of the context.
        lags: steps ago whose values are read too, such as a day and a week.
        window: steps that the scale is taken over.
        together: whether each value is forecast from the past of the others too.
        hidden, blocks: of the network inside a frame, a :class:`RaggedMLP`.
        dropout: share of units that a training step leaves out.
        components: logistics in the mixture of a value.
        features: numbers that the WaveNet gives for a value.
        stacks, layers, kernel, channels, gates, skips: of the WaveNet.
    """
    if len(event_shape) != 1 or values < 1 or (event_shape[0] or 0) % values:
        raise ValueError(f"values: events of shape {tuple(event_shape)} do not divide into frames of {values}")
    if context_shape is not None and (len(context_shape) not in (1, 2) or not context_shape[-1]):
        raise ValueError(f"context_shape: expected (C,), (None, C) or None, got {tuple(context_shape)}")
    given = 0 if context_shape is None else context_shape[-1] or 0
    if series and not given:
        raise ValueError("series: their numbers stand in the first column of the context, and there is none")
    if len(hidden) != 1:
        raise ValueError(f"hidden: this network has one width, got {tuple(hidden)}; blocks makes it deeper")
    laws = laws or [Law(rest=ColumnMap())] * values
    if len(laws) != values:
        raise ValueError(f"laws: expected one for each of the {values} values of a frame, got {len(laws)}")
    frame, recent = Laws(laws, components), Recent(values, lags, window)
    told = given - bool(series) + recent.features * (1 + values * together)
    told += _EMBEDDED * (bool(series) + (values > 1))
    sizes = {"channels": channels, "gates": gates, "skips": skips}
    outer = WaveNet(features, 0, (1,), told, 1, stacks=stacks, layers=layers, kernel=kernel, **sizes)
    nn.init.normal_(outer.last.weight, std=skips**-0.5, generator=randomness.generator())
    inner = RaggedMLP(frame.features, [s + 2 for s in frame.sizes], hidden[0], blocks, dropout=dropout)
    return SeriesLaws(frame, recent, outer, inner, tuple(event_shape), context_shape, series, together, dropout)


RECIPES = (
    Recipe(
        wavenet_mixed,
        kind="series",
        values="any",
        default=True,
        training=Training(decay=Decay(5000.0, 2.0)),  # a step is little to learn from, and series are few
        says="WaveNet over the steps of series, a law for each value of one; scaled by the past alone; exact densities "
        "of paths",
        paper="van den Oord et al. 2016, arXiv 1609.03499, and Rasul et al. 2021, arXiv 2002.06103",
        score="one pass",
        draw="one short step per value, in constant memory",
        steps="WaveNet over frames counted in their own last moves, RaggedMLP and a Law for each value in one",
        base="Uniform",
    ),
)
