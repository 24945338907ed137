"""A mixture over orders: one masked network, read in many ways."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fluvial.conditioners import Conditioner, MaskedMLP, Plan
from fluvial.conditioners.conditioner import Step
from fluvial.core import Density, Flow, Uniform, randomness, sum_event
from fluvial.core.constants import constant, on_cpu
from fluvial.core.supports import Constraint
from fluvial.core.transform import Shape
from fluvial.transforms import Autoregressive
from fluvial.univariate import Staircase
from fluvial.univariate.discrete import elements_of


class OrderMixture(Density):
    r"""M orders of one network, all equally likely: :math:`p(x) = \tfrac1M \sum_m p_m(x)`, x discrete.

    In training mode ``log_prob`` is log p_m(x) under a single order that each call draws from torch's generator,
    one of the M or any other: order- and connectivity-agnostic training. In evaluation mode it is the mixture's,
    exactly: probabilities of the whole x are averaged, since averaged logits are not a density. Samples are drawn
    with an order for each row.

    Germain et al. 2015, arXiv 1502.03509, sections 4.2 and 4.3; Uria et al. 2014, arXiv 1310.1757.

    Args:
        net: its own order is not used.
        univariate: the map of each position.
        orders: M.
        drawn: every order comes with hidden degrees of its own, at random; else they are spread evenly.
        fresh: training draws new orders (and degrees) without end; else one of the M.
        seed: of the M orders. They are not saved, since they follow from it.
    """

    static = False

    def __init__(
        self,
        net: MaskedMLP,
        univariate: Staircase,
        event_shape: Shape,
        context_shape: Shape | None = None,
        orders: int = 1,
        drawn: bool = True,
        fresh: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if orders < 1:
            raise ValueError(f"orders: expected at least 1, got {orders}")
        self.net, self.univariate, self.orders, self.drawn, self.fresh = net, univariate, orders, drawn, fresh
        self.event_shape, self.context_shape = tuple(event_shape), context_shape
        self.base: Uniform = Uniform(event_shape)
        with on_cpu(), randomness.drawing_from(seed):
            ranks, *degrees = zip(*((p.rank, *p.hidden) for p in (self._draw() for _ in range(orders))))
        constant(self, "ranks", torch.stack(ranks))
        self.ranks: Tensor
        for layer, each in enumerate(degrees):
            constant(self, f"degrees{layer}", torch.stack(each))

    @property
    def elements(self) -> Constraint | None:
        return elements_of(self.univariate, self.base.elements)

    def plan(self, order: int) -> Plan:
        """The ranks and degrees of the order of this number, 0..M-1."""
        return Plan(
            self.ranks[order], tuple(self.get_buffer(f"degrees{i}")[order] for i in range(len(self.net.widths)))
        )

    def component(self, order: int) -> Flow:
        """The density p_m of one order; it shares this one's weights."""
        transform = Autoregressive(_Ordered(self.net, self.plan(order)), self.univariate)
        return Flow(transform, self.base, self.event_shape, self.context_shape)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if self.training:
            return self._log_prob(x, context, self._next(x.device))
        each = torch.stack([self._log_prob(x, context, self.plan(m)) for m in range(self.orders)])
        return each.logsumexp(0) - math.log(self.orders)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        z = self.base.sample(n)
        x = torch.empty_like(z, dtype=self.net.last.weight.dtype)
        which = randomness.integers(self.orders, (n,), z.device)
        for order in which.unique().tolist():
            rows = which == order
            x[rows] = self.component(order).decode(z[rows], None if context is None else context[rows])
        return x

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.sample(n, context)
        return x, self.log_prob(x, context)

    def _log_prob(self, x: Tensor, context: Tensor | None, plan: Plan) -> Tensor:
        return sum_event(self.univariate.log_prob(x, self.net.read(x, context, plan)))

    def _next(self, device: torch.device) -> Plan:
        """The plan of one training step."""
        if not self.fresh:
            return self.plan(int(randomness.integers(self.orders, ())))
        plan = self._draw()
        return Plan(plan.rank.to(device), tuple(degrees.to(device) for degrees in plan.hidden))

    def _draw(self) -> Plan:
        return self.net.plan(randomness.permutation(self.net.features), self.drawn)


class _Ordered(Conditioner):
    """A masked network under one plan."""

    def __init__(self, net: MaskedMLP, plan: Plan) -> None:
        super().__init__()
        self.net, self.plan = net, plan
        self.order = plan.rank.argsort()
        self.event_shape, self.context_features = net.event_shape, net.context_features

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.net.read(x, context, self.plan)

    def stepper(self, like: Tensor, context: Tensor | None = None) -> Step:
        return self.net.stepper(like, context, self.plan)
