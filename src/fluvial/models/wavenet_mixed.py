"""Series of frames of numbers: a WaveNet over the steps, column laws inside each, scaled by the past alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners import WaveNet
from fluvial.conditioners.queues import Queues
from fluvial.conditioners.ragged import RaggedMLP
from fluvial.conditioners.recent import Memory, Outlook, Recent
from fluvial.core import Density, Uniform, randomness
from fluvial.core.constants import constant, on_cpu
from fluvial.core.density import sized
from fluvial.core.transform import EventShape
from fluvial.models.recipe import Decay, Recipe, Training
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Around, Law
from fluvial.transforms.laws import Laws

_NUMBERS = 64  # that the WaveNet gives for a step, about, where that is left open
_EMBEDDED = 8  # numbers that stand for a series
_FORGOTTEN = 0.1  # share of the training windows whose series is not named, so that new ones can be forecast
_SPREAD = 3.0  # largest logarithm by which a network can change the scale
_EDGE = 1e-15

Choose = Callable[[Laws, Tensor, Around, int], Tensor]
"""The law of a value, its theta, where it lies, and which value of the frame it is -> the value, (B, 1)."""


class SeriesLaws(Density):
    r"""p(path) = \prod_t \prod_i p(x_{t,i} | x_{t,<i}, x_{<t}, context): frames of N values, each with a :class:`Law`.

    Each value is counted from the last one seen, in units of how far it has moved lately (:class:`Recent`), so one
    network serves series of any level and scale. A WaveNet reads these moves with all that is known of the step, and a
    masked network the values of the frame before each (compare Rasul et al. 2021, arXiv 2002.06103, and Salinas et al.
    2020, arXiv 1704.04110). It moves and stretches the law of each value and gives its shape, a mixture of logistics
    beside atoms, so counts, zeros and rounded values have exact probabilities. log p is in units of the data.

    Events are (T N,), frame after frame, NaN where a cell is missing, which is a value like any other where the law
    says so. Context is (C,) for all steps, or (T, C), a row for each; NaN in a row is no knowledge, and rows of NaN
    before a series begins leave everything behind them as it is.

    Args:
        laws: of the N values of a frame.
        recent: what the last steps say.
        outer: a WaveNet of frames (N,), whose context is a row for each step.
        inner: over the laws' features and two numbers more than their sizes, with all that ``outer`` gives as context.
        series: how many series have numbers, 1, 2, ..., in the first column of the context; 0 where none have.
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
    ) -> None:
        super().__init__()
        self.laws, self.recent, self.outer, self.inner = laws, recent, outer, inner
        self.event_shape, self.context_shape, self.series = event_shape, context_shape, series
        self.names = nn.Embedding(series + 1, _EMBEDDED, padding_idx=0) if series else None
        given = outer.context_features or 0
        self.direct = nn.Linear(given, 2 * self.values)
        nn.init.zeros_(self.direct.weight)
        nn.init.zeros_(self.direct.bias)
        with on_cpu():
            ends = torch.tensor([size + 2 for size in laws.sizes]).cumsum(0)
            places = torch.stack((ends - 2, ends - 1))
            shapes = torch.ones(int(ends[-1]), dtype=torch.bool).index_fill(0, places.flatten(), False)
        constant(self, "_places", places)
        constant(self, "_shapes", shapes.nonzero().squeeze(1))
        self._places: Tensor
        self._shapes: Tensor

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

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Set the typical moves, and the laws that the network starts from."""
        v, _ = self.placed(x)
        self.recent.initialize(v)
        outlook = self.recent(v)
        reading = self.laws.place(x.double().reshape(-1, self.values))
        reading = self.laws.around(reading, *(t.flatten(0, 1) for t in outlook[:2]))
        moving = (outlook.features[..., -1] > 0).all(2).flatten() & ~v.isnan().all(2).flatten()
        some = type(reading)(*(t[moving] for t in reading)) if moving.any() else reading
        self.inner.last.bias[self._shapes] = self.laws.resting(some.to(self.inner.last.bias.dtype))

    def placed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Events as standardised values (B, T, N), float64, NaN where missing; and as they are."""
        x = x.double().reshape(x.shape[0], x.shape[1] // self.values, self.values)
        value = self.laws.place(x.reshape(-1, self.values)).value.view(x.shape)
        return torch.where(x.isnan(), x, value), x

    def known(self, outlook: Outlook, context: Tensor | None) -> Tensor:
        """All that is known of steps, (B, T, G): their context, which series it is, and what the past says."""
        features = outlook.features.flatten(2).to(self.direct.weight.dtype)
        if context is None:
            return features
        context = context.unsqueeze(1).expand(-1, features.shape[1], -1) if context.dim() == 2 else context
        context = context.nan_to_num()
        if self.names is None:
            return torch.cat((context.to(features.dtype), features), 2)
        number = context[:, :, 0].long()
        if self.training:
            number = number * (randomness.uniform((len(number), 1), device=number.device) >= _FORGOTTEN)
        return torch.cat((context[:, :, 1:].to(features.dtype), self.names(number), features), 2)

    def turned(self, theta: Tensor, known: Tensor, outlook: Outlook) -> tuple[Tensor, Around]:
        """theta (R, ...) and what is known (R, G) to the theta of the laws and where they lie, (R, N) each."""
        move, stretch = (theta[:, self._places] + self.direct(known).unflatten(1, (2, -1))).unbind(1)
        return theta[:, self._shapes], _moved(move, stretch, outlook.location, outlook.scale)

    def hidden(self, moves: Tensor, known: Tensor, last: int) -> Tensor:
        """What the WaveNet says of the last steps, (B, last, numbers), from moves (B, T, N)."""
        return self.outer(moves, known, last).movedim(2, 1).flatten(2)

    def moves(self, v: Tensor, outlook: Outlook) -> Tensor:
        """Values as the networks read them: in scales from their locations."""
        return ((v - outlook.location) / outlook.scale).clamp(-20, 20).to(self.direct.weight.dtype)

    def _read(self, x: Tensor, context: Tensor | None, last: int | None):  # noqa: ANN202
        """The last frames, (B last, N), around what is expected of them, and the theta of their laws."""
        v, x = self.placed(x)
        last = x.shape[1] if last is None else last
        reach = min(x.shape[1], last + self.outer.receptive_field)
        outlook = self.recent(v, reach)
        if context is not None and context.dim() == 3:
            context = context[:, context.shape[1] - reach :]
        known = self.known(outlook, context)
        hidden = self.hidden(self.moves(v[:, x.shape[1] - reach :], outlook), known, last).flatten(0, 1)
        if self.training:
            hidden = randomness.dropout(hidden, self.inner.dropout)
        near = Outlook(*(t[:, reach - last :].flatten(0, 1) for t in outlook))
        placed = self.laws.place(x[:, x.shape[1] - last :].reshape(-1, self.values))
        dtype = hidden.dtype
        features = self.laws.describe(self.laws.around(placed, near.location, near.scale).to(dtype))
        theta = self.inner(features, hidden)
        theta, around = self.turned(theta, known[:, reach - last :].flatten(0, 1), near)
        return self.laws.around(placed, *around).to(dtype), theta


def _moved(move: Tensor, stretch: Tensor, location: Tensor, scale: Tensor) -> Around:
    """Where the network puts the laws: ``move`` scales away, its scale larger by exp(stretch), bounded."""
    stretch = _SPREAD * torch.tanh(stretch / _SPREAD)
    return location + scale * move.double(), scale * stretch.double().exp()


def drawn(law: Laws, theta: Tensor, around: Around, i: int) -> Tensor:
    """A value from its law."""
    return law.draw(theta, randomness.uniform((len(theta), 1), torch.float64, theta.device), around)


def _row(context: Tensor | None, step: int) -> Tensor | None:
    return context if context is None or context.dim() == 2 else context[:, step]


class Walk:
    """A density of series one frame at a time, in memory that does not grow with the steps.

    Args:
        model: the density.
        past: (B, P, N), float64, the frames before, of which the last ``model.reads`` are read.
        context: (B, P, C), of these.
    """

    def __init__(self, model: SeriesLaws, past: Tensor, context: Tensor | None) -> None:
        self.model, self.order = model, torch.arange(model.values, device=past.device)
        v, _ = model.placed(past.flatten(1))
        self.memory = Memory(model.recent, v)
        steps = min(past.shape[1], model.outer.receptive_field)
        like = past.new_zeros(len(past), 1, model.values, dtype=model.direct.weight.dtype)
        self.queues, self.move = Queues(model.outer, like, None), None
        self.before: Tensor | None = None
        if steps:
            outlook = model.recent(v, steps)
            known = model.known(outlook, None if context is None else context[:, context.shape[1] - steps :])
            moves = model.moves(v[:, v.shape[1] - steps :], outlook)
            for t in range(steps):
                self.queues(self.before, known[:, t])
                self.before = moves[:, t]

    def spread(self, copies: int) -> None:
        """Go on with so many paths in the place of each one."""
        self.memory.spread(copies)
        self.queues.spread(copies)
        self.before = None if self.before is None else self.before.repeat_interleave(copies, 0)

    def step(self, choose: Choose, given: Tensor | None = None) -> Tensor:
        """The next frame, (B, N), float64, each value as ``choose`` says, given its context (B, C)."""
        model = self.model
        outlook = self.memory.outlook()
        known = model.known(outlook, given if given is None else given.unsqueeze(1))[:, 0]
        hidden = self.queues(self.before, known).flatten(1)
        near = Outlook(*(t[:, 0] for t in outlook))
        move, stretch = model.direct(known).unflatten(1, (2, -1)).unbind(1)
        features = hidden.new_zeros(len(hidden), sum(model.laws.features))
        inner = model.inner.steps(self.order, features, hidden)
        starts = [0, *torch.tensor(model.laws.features).cumsum(0).tolist()]
        chosen: list[Tensor] = []
        for i in range(model.values):
            own, law = slice(i, i + 1), model.laws.column(i)
            theta = inner(i)
            place = near.location[:, own], near.scale[:, own]
            around = _moved(move[:, own] + theta[:, -2:-1], stretch[:, own] + theta[:, -1:], *place)
            x = choose(law, theta[:, :-2], around, i)
            chosen.append(x)
            read = law.around(law.place(x), *place).to(hidden.dtype)
            features[:, starts[i] : starts[i + 1]] = law.describe(read)
        frame = torch.cat(chosen, 1)
        v = model.placed(frame)[0][:, 0]
        self.before = model.moves(v.unsqueeze(1), outlook)[:, 0]
        self.memory.push(v)
        return frame


def wavenet_mixed(
    event_shape: EventShape,
    *,
    laws: Sequence[Law] = (),
    values: int = 1,
    series: int = 0,
    lags: Sequence[int] = (),
    window: int = 64,
    hidden: Sequence[int] = (48,),
    blocks: int = 1,
    components: int = 6,
    dropout: float = 0.25,
    features: int = 0,
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
        hidden, blocks, dropout: of the network inside a frame, a :class:`RaggedMLP`.
        components: logistics in the mixture of a value.
        features: numbers that the WaveNet gives for each value; 0 for about 64 in all.
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
    together, recent = Laws(laws, components), Recent(values, lags, window)
    told = given + (_EMBEDDED - 1 if series else 0) + values * recent.features
    size = features or max(1, round(_NUMBERS / values))
    sizes = {"channels": channels, "gates": gates, "skips": skips}
    outer = WaveNet(size, 0, (values,), told, 1, stacks=stacks, layers=layers, kernel=kernel, **sizes)
    nn.init.normal_(outer.last.weight, std=skips**-0.5, generator=randomness.generator())
    inner = RaggedMLP(together.features, [s + 2 for s in together.sizes], hidden[0], blocks, size * values, dropout)
    return SeriesLaws(together, recent, outer, inner, tuple(event_shape), context_shape, series)


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
