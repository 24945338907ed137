"""The masked network of MADE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fluvial.conditioners import sweeping
from fluvial.conditioners.conditioner import Conditioner, Invert, Pair, Step
from fluvial.conditioners.degrees import Order, Plan, make_plan
from fluvial.conditioners.mlp import activation_named, layer_sizes, run_hidden, within
from fluvial.conditioners.stepping import MaskedStepper
from fluvial.core import randomness
from fluvial.core.constants import constant, on_cpu
from fluvial.core.precision import cast
from fluvial.kernels import blocks
from fluvial.kernels.maps import Map


class MaskedLinear(nn.Linear):
    """A linear layer whose weights are zero where ``mask`` (out, in) is, or another one given for this call."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        constant(self, "mask", mask.float())
        self.mask: Tensor
        self.blocks = blocks.blocks_of(mask)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  (torch's name)
        if mask is None:
            return blocks.linear(input, self.weight, self.bias, self.mask, self.blocks)
        return F.linear(input, torch.where(mask, self.weight, 0.0), self.bias)


class MaskedMLP(Conditioner):
    r"""MADE's network (Germain et al. 2015, arXiv 1502.03509, section 3): theta (B, size, D) from x (B, D).

    Input i carries the degree r(i) = 1..D, its rank in ``order``; a hidden unit carries a degree d and reads
    units of degree <= d; the outputs of position i read units of degree < r(i). The stepper computes every hidden
    unit once, as soon as the inputs that it reads are known, and inverting costs about one forward pass of
    arithmetic. Context enters the first layer unmasked, and units of degree 0, which read nothing else, carry it to
    every output, the first one too.

    The same weights can be read under any other :class:`Plan` of orders and degrees (:meth:`plan`, :meth:`read`):
    that is order- and connectivity-agnostic training.

    Args:
        features: D.
        size: numbers of theta per position.
        hidden: widths of the hidden layers.
        context: number of context features, 0 for none.
        order: the positions in the order in which they become known; natural by default.
        activation: a key of ``ACTIVATIONS``.
        residual: residual blocks of two masked layers (ResMADE, arXiv 1906.04032); ``hidden`` repeats one width.
        direct: also connect inputs to outputs directly. By default only where a layer is too narrow to hold
            every degree, since dependencies would be lost otherwise.
        classes: K, if x holds classes 0..K-1: with K > 2 they enter one-hot, K numbers a position, else as -1 and
            1. 0: x holds numbers.
        dropout: share of the hidden units that a training step leaves out.
        drawn: seed of hidden degrees drawn at random; None spreads them evenly.
        offset: (size, D), fixed numbers added to theta; -inf bars a class that a position does not have.
        reach: numbers beyond +-reach are read as +-reach; None for no bound. See :class:`~fluvial.conditioners.MLP`.
    """

    def __init__(
        self,
        features: int,
        size: int,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
        order: Sequence[int] | None = None,
        activation: str = "relu",
        residual: bool = False,
        direct: bool | None = None,
        classes: int = 0,
        dropout: float = 0.0,
        drawn: int | None = None,
        offset: Tensor | None = None,
        reach: float | None = None,
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden: a masked network needs hidden layers of at least one unit, got {tuple(hidden)}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share of at least 0 and less than 1, got {dropout}")
        order = list(range(features)) if order is None else list(order)
        if sorted(order) != list(range(features)):
            raise ValueError(f"order: expected a permutation of 0..{features - 1}, got {order}")
        self.features, self.size, self.context, self.reach = features, size, context, reach
        self.event_shape, self.context_features = (features,), context
        self.activation, self.residual, self.dropout = activation_named(activation), residual, dropout
        self.classes, self.numbers = classes, classes if classes > 2 else 1
        constant(self, "order", torch.tensor(order, device="cpu"))
        constant(self, "offset", offset)
        self.offset: Tensor | None
        self.widths: list[int] = [out for _, out in layer_sizes(features * self.numbers + context, hidden, residual)]
        self.lowest = 0 if context or features == 1 else 1
        with on_cpu(), randomness.drawing_from(drawn):
            self.natural: Plan = self.plan(torch.tensor(order), drawn is not None)
            self.sorted: Order = Order(self.natural, self.numbers)  # a network's own plan never changes
            *inner, last, across = self.masks(self.natural)
        self.layers: nn.ModuleList = nn.ModuleList(MaskedLinear(mask) for mask in inner)
        self.last: MaskedLinear = MaskedLinear(last)
        if direct is None:
            direct = min(hidden) < features - self.lowest
        self.direct: MaskedLinear | None = MaskedLinear(across) if direct else None
        for layer in filter(None, (self.last, self.direct)):  # theta = 0: a flow starts at the identity
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def places(self) -> list[int]:
        return self.sorted.places

    def plan(self, order: Tensor, drawn: bool = True) -> Plan:
        """Another order to read the same weights in, with degrees drawn at random or spread evenly."""
        return make_plan(order, self.widths, self.lowest, self.residual, drawn)

    def masks(self, plan: Plan) -> list[Tensor]:
        """Which weights ``plan`` keeps, (out, in), of the hidden layers, the last and the direct one."""
        inputs = plan.rank.repeat_interleave(self.numbers)
        # context features have degree 0, so that everything may read them
        below, masks = F.pad(inputs, (0, self.context)), []
        for degrees in plan.hidden:
            masks.append(degrees[:, None] >= below)
            below = degrees
        return [*masks, *((plan.rank[:, None] > reads).repeat(self.size, 1) for reads in (below, inputs))]

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.read(x, context)

    def read(self, x: Tensor, context: Tensor | None = None, plan: Plan | None = None) -> Tensor:
        """theta (B, size, D) under ``plan``, or in the network's own order."""
        layers, last, across = self.layers, None, None
        if plan is not None:
            *inner, last, across = self.masks(plan)
            layers = [partial(layer, mask=mask) for layer, mask in zip(self.layers, inner)]
        x = self.encode(x)
        h = x if context is None else torch.cat((x, context.to(x.dtype)), 1)
        theta = self.last(run_hidden(layers, h, self._activation(), self.residual), last)
        if self.direct is not None:
            theta = theta + self.direct(x, across)
        theta = theta.unflatten(1, (self.size, self.features))
        return theta if self.offset is None else theta + self.offset

    def encode(self, x: Tensor) -> Tensor:
        """What the first layer reads, (B, D * ``numbers``): numbers as they are, classes one-hot, or as -1 and 1.

        So a class is never confused with an input that a mask hides, which counts as 0: the papers' 0 and 1 did
        worse wherever orders vary (2 nats on dna).
        """
        dtype = self.last.weight.dtype
        if not self.classes:
            return within(cast(x, dtype), self.reach)
        if self.numbers == 1:
            return 2 * x.to(dtype).clamp(0.0, 1.0) - 1
        return (x.unsqueeze(-1) == torch.arange(self.numbers, device=x.device)).flatten(1).to(dtype)

    def stepper(self, like: Tensor, context: Tensor | None = None, plan: Plan | None = None) -> Step:
        order = self.sorted if plan is None else Order(plan, self.numbers)
        return MaskedStepper(self, order, like, context)

    def invert(self, z: Tensor, context: Tensor | None, univariate: Map | None, walk: Invert) -> Pair | None:
        return sweeping.invert(self, z, context, univariate, walk)

    def _activation(self) -> Callable[[Tensor], Tensor]:
        if not (self.dropout and self.training):
            return self.activation
        return lambda h: randomness.dropout(self.activation(h), self.dropout)
