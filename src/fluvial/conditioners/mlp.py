"""Plain and residual multi-layer perceptrons: the conditioners of couplings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fluvial.core.doors import Contextual
from fluvial.core.precision import cast
from fluvial.core.transform import Shape

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "elu": nn.functional.elu,
    "silu": nn.functional.silu,
}
"""Activations by the names that a configuration uses."""

_IN_PLACE: dict[Activation, Activation] = {torch.relu: torch.relu_, torch.tanh: torch.tanh_}


def activation_named(name: str) -> Activation:
    """The activation of that name; ValueError, a sentence, if there is none."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation: there is none named {name!r}; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


class MLP(Contextual):
    r"""theta (B, size, \*event) from the kept entries (B, \*shape) and a context (B, C).

    The last layer starts at zero, so that theta = 0 and a flow starts at the identity (where its map does).

    Args:
        in_shape: shape of the kept entries.
        out_shape: (size, \*event) of theta.
        hidden: widths of the hidden layers.
        context: number of context features, 0 for none.
        activation: a key of ``ACTIVATIONS``.
        residual: hidden layers come in pairs around which the input is added (pre-activation blocks); then
            ``hidden`` must repeat one width, once per block.
        reach: entries beyond +-reach are read as +-reach; None for no bound. Networks go on linearly far from all
            data, and a stack of maps steered by them then loses all digits of far rows on the way back.
    """

    def __init__(
        self,
        in_shape: Shape,
        out_shape: Shape,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
        activation: str = "relu",
        residual: bool = False,
        reach: float | None = None,
    ) -> None:
        super().__init__()
        self.reach = reach
        self.out_shape, self.context_features = tuple(out_shape), context
        self.in_features: int = torch.Size(in_shape).numel()
        self.activation, self.residual = activation_named(activation), residual
        sizes = layer_sizes(self.in_features + context, hidden, residual)
        self.layers: nn.ModuleList = nn.ModuleList(nn.Linear(a, b) for a, b in sizes)
        last = sizes[-1][1] if sizes else self.in_features + context
        self.last: nn.Linear = nn.Linear(last, torch.Size(out_shape).numel())
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = within(cast(x.flatten(1), self.last.weight.dtype), self.reach)
        h = x if context is None else torch.cat((x, context.to(x.dtype)), 1)
        h = run_hidden(self.layers, h, self.activation, self.residual)
        return self.last(h).unflatten(1, self.out_shape)


def within(x: Tensor, reach: float | None) -> Tensor:
    """x, in [-reach, reach] where there is a bound."""
    return x if reach is None else x.clamp(-reach, reach)


def layer_sizes(first: int, hidden: Sequence[int], residual: bool) -> list[tuple[int, int]]:
    """(in, out) of the hidden layers; a residual net has one inlet and two layers per block."""
    if not residual:
        return list(zip((first, *hidden[:-1]), hidden))
    if len(set(hidden)) != 1:
        raise ValueError(f"hidden: a residual network needs one width, repeated once per block, got {tuple(hidden)}")
    return [(first, hidden[0])] + [(hidden[0], hidden[0])] * (2 * len(hidden))


def run_hidden(
    layers: Sequence[Callable[[Tensor], Tensor]] | nn.ModuleList, h: Tensor, activation: Activation, residual: bool
) -> Tensor:
    """Hidden features of a plain or of a residual network."""
    if not residual:
        activation = _IN_PLACE.get(activation, activation)  # what a layer returns is nobody else's
        for layer in layers:
            h = activation(layer(h))
        return h
    h = layers[0](h)
    for i in range(1, len(layers), 2):
        h = h + layers[i + 1](activation(layers[i](activation(h))))
    return activation(h)
