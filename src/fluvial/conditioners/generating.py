"""WaveNet one moment at a time: by the compiled kernel where it applies, else by queues in torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fluvial.conditioners.conditioner import Draw, Pair, Step
from fluvial.conditioners.queues import Queues
from fluvial.kernels import wavenet
from fluvial.kernels.maps import Map

if TYPE_CHECKING:
    from fluvial.conditioners.wavenet import WaveNet


def stepper(net: WaveNet, like: Tensor, context: Tensor | None) -> Step:
    """See ``Conditioner.stepper``."""
    if not _applies(net, context):
        return Queues(net, like, context)
    batch, streams = like.shape[0], _generator(net, like, context)

    def step(previous: Tensor | None) -> Tensor:
        theta = streams.theta(None if previous is None else previous.reshape(batch, math.prod(net.rest)))
        return theta.view(batch, net.size, *net.rest)

    return step


def drawer(net: WaveNet, like: Tensor, context: Tensor | None, univariate: Map | None) -> Draw | None:
    """See ``Conditioner.drawer``."""
    if univariate is None or not wavenet.draws(univariate) or not _applies(net, context):
        return None
    numbers, streams = math.prod(net.rest), _generator(net, like, context)

    def draw(z: Tensor, known: Tensor | None) -> Pair:
        rows = (*z.shape[:2], numbers)
        x, log_det = streams.draw(univariate, z.reshape(rows), None if known is None else known.reshape(rows))
        return x.view(z.shape), log_det

    return draw


def _applies(net: WaveNet, context: Tensor | None) -> bool:
    tensors = [*net.parameters(), *([] if context is None else [context])]
    needs_gradient = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return not needs_gradient and wavenet.knows(net.inlet)


def _generator(net: WaveNet, like: Tensor, context: Tensor | None) -> wavenet.Generator:
    described = wavenet.Net(
        net.inlet,
        net.taps,
        net.bias,
        net.given,
        net.mix,
        [(layer.weight, layer.bias) for layer in (net.skip, net.hidden, net.last)],
        net.dilations,
        net.first,
        math.prod(net.rest),
        net.classes,
        net.upsample,
        net.centre,
        net.spread,
    )
    return wavenet.Generator(described, net.resting(context), like.shape[0], context)
