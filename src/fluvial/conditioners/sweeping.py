"""A masked network in the form that the compiled sweep reads, and autograd through the sweep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fluvial.conditioners.conditioner import Invert, Pair
from fluvial.conditioners.degrees import take
from fluvial.kernels import gpu, native, sweep

if TYPE_CHECKING:
    from fluvial.conditioners.masked import MaskedMLP


def invert(
    net: MaskedMLP,
    z: Tensor,
    context: Tensor | None,
    univariate: sweep.Map | None,
    walk: Invert,
) -> Pair | None:
    """See ``Conditioner.invert``."""
    if net.reach is None:
        return _swept(net, z, context, univariate, walk)
    if torch.compiler.is_compiling():
        return None
    found = _swept(net, z, context, univariate, walk)
    return None if found is None else _beyond(net.reach, z, context, found, walk)


def _beyond(reach: float, z: Tensor, context: Tensor | None, found: Pair, walk: Invert) -> Pair:
    """What was swept, with the rows walked that have a number beyond the network's reach, of which kernels do not know.

    All others are right: each of their numbers follows from numbers within it.
    """
    x, log_det = found
    if x.numel() == 0 or torch.linalg.vector_norm(x.detach(), math.inf) <= reach:  # one cheap look is the rule
        return found
    far = (~(x.detach().abs() <= reach)).any(1).nonzero()[:, 0]
    x_far, log_det_far = walk(z[far], None if context is None else context[far])
    return x.index_copy(0, far, x_far.to(x.dtype)), log_det.index_copy(0, far, log_det_far.to(log_det.dtype))


def _swept(
    net: MaskedMLP,
    z: Tensor,
    context: Tensor | None,
    univariate: sweep.Map | None,
    walk: Invert,
) -> Pair | None:
    """As :func:`invert`, by kernels."""
    weight = net.last.weight
    if z.device.type == "cuda":
        return _on_cuda(net, z, context, univariate)
    if z.dim() != 2 or univariate is None or not sweep.knows(univariate, net.activation, len(net.layers), weight):
        return None
    needs_gradient = torch.is_grad_enabled() and any(
        t.requires_grad for t in (z, *net.parameters(), *([] if context is None else [context]))
    )
    if z.dtype != weight.dtype and not univariate.staircase:
        return None
    z = _wrapped(net, univariate, z)
    if needs_gradient:
        if torch.compiler.is_compiling():
            return None
        if univariate.staircase or net.classes:
            return None
        return _Sweep.apply(net, univariate, walk, z, context, *net.parameters())  # pyright: ignore
    if torch.compiler.is_compiling():
        return sweep.traced(_prepare(net, context), univariate, z)
    return sweep.invert(_prepare(net, context), univariate, z)[:2]


def _on_cuda(net: MaskedMLP, z: Tensor, context: Tensor | None, univariate: sweep.Map | None) -> Pair | None:
    """The inverse as one kernel, where no gradient is wanted and the kernel knows map and network."""
    applies = (
        univariate is not None
        and z.dim() == 2
        and z.dtype == net.last.weight.dtype
        and z.dtype in (torch.float32, torch.float64)
        and net.activation in sweep.ACTIVATIONS
        and native.eager()
        and not torch.is_grad_enabled()
        and gpu.active()
    )
    if not applies or univariate is None:
        return None
    prepared, z = _prepare(net, context), _wrapped(net, univariate, z)
    return gpu.sweep().invert(prepared, univariate, z) if gpu.sweep().knows(univariate, prepared) else None


def _wrapped(net: MaskedMLP, univariate: sweep.Map, z: Tensor) -> Tensor:
    """z, on a circle where the map is one."""
    if univariate.kind != "spline" or net.size != 3 * univariate.bins:
        return z
    return z - 2 * univariate.a * torch.floor((z + univariate.a) / (2 * univariate.a))


def _prepare(net: MaskedMLP, context: Tensor | None, masked: bool = False) -> sweep.Net:
    """``masked`` weights have right gradients; the sweep itself reads only what the masks keep."""
    order, inputs = net.sorted, net.features * net.numbers

    def weight(layer: Any) -> Tensor:  # noqa: ANN401
        return layer.weight * layer.mask if masked else layer.weight

    weights: list[Tensor] = []
    biases: list[Tensor] = []
    below = order.inputs
    for i, (layer, units) in enumerate(zip(net.layers, order.units)):
        w = take(weight(layer), units, 0)
        b = take(layer.bias, units, 0)  # pyright: ignore
        if i == 0 and net.context:
            read, w = w[:, inputs:], w[:, :inputs]
            b = b if context is None else torch.addmm(b.unsqueeze(1), read, context.to(w.dtype).t())
        biases.append(b)
        weights.append(take(w, below, 1))
        below = units
    size, n = net.size, net.features
    out, out_bias, direct = take(weight(net.last), below, 1).view(size, n, -1), net.last.bias, None
    if net.direct is not None:
        direct = take(weight(net.direct), order.inputs, 1).view(size, n, -1)
        out_bias = out_bias + net.direct.bias
    out_bias = out_bias.view(size, n)
    if net.offset is not None:
        out_bias = out_bias + net.offset
    encoding = "one-hot" if net.numbers > 1 else "signs" if net.classes else "numbers"
    activation = sweep.ACTIVATIONS[net.activation]
    return sweep.Net(
        weights, biases, out, out_bias, direct, order.layout, activation, net.residual, encoding, net.numbers
    )


class _Sweep(torch.autograd.Function):
    """The inverse with gradients at z, the context and the parameters.

    The gradient at z solves a triangular system exactly, in one sweep from the last position to the first; those at
    the weights are products of what that sweep sends and what the inverse kept.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        net: MaskedMLP,
        univariate: sweep.Map,
        walk: Invert,
        z: Tensor,
        context: Tensor | None,
        *parameters: Tensor,
    ) -> Pair:
        x, log_det, kept = sweep.invert(_prepare(net, context), univariate, z, keep=True)
        ctx.net, ctx.univariate, ctx.walk = net, univariate, walk
        ctx.save_for_backward(z, context, x, kept, *parameters)
        return x, log_det

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        z, context, x, kept, *parameters = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        sources = [t for t, n in zip((z, context, *parameters), needed) if n]
        if torch.is_grad_enabled():  # a second derivative is wanted: let autograd differentiate the walk
            grads = iter(
                torch.autograd.grad(ctx.walk(z, context), sources, grad_outputs, create_graph=True, allow_unused=True)
            )
            return (None, None, None, *(next(grads) if n else None for n in needed))
        with torch.enable_grad():
            net = _prepare(ctx.net, context, masked=True)
        g_z, sent = sweep.pull(net, ctx.univariate, z, x, kept, *grad_outputs)
        tensors = [*net.weights, *net.biases, net.out, net.out_bias, *([] if net.direct is None else [net.direct])]
        pairs = [(t, g) for t, g in zip(tensors, sent) if t.requires_grad]
        others = sources[1:] if needed[0] else sources
        roots, seeds = zip(*pairs) if pairs and others else ((), ())
        grads = iter(torch.autograd.grad(roots, others, seeds, allow_unused=True) if roots else ())
        return (None, None, None, g_z if needed[0] else None, *(next(grads) if n else None for n in needed[1:]))
