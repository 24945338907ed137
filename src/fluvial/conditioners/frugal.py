"""Two convolutions whose wide activation in between is not kept for the backward pass, but found again there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core.tracing import functional

_WORTH = 1 << 18  # numbers of the activation in between, below which finding it again takes longer than it is worth
_backward = torch.ops.aten.convolution_backward


def two_convolutions(x: Tensor, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """second(relu(first(x))) of (weight, bias) pairs, each padded to keep the size.

    Where x has few channels and the first layer many, finding the latter again costs a few percent of a training
    step and saves the largest of its activations. Derivatives of any order are those of the plain formula.
    """
    plain = torch.is_autocast_enabled(x.device.type) or torch.compiler.is_compiling() or functional()
    if plain or x.shape[0] * x.shape[2:].numel() * first[0].shape[0] < _WORTH:
        return _convolved(_hidden(x, *first), *second)
    return _TwoConvolutions.apply(x, *first, *second)  # pyright: ignore


class _TwoConvolutions(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x, weight1, bias1, weight2)
        return _convolved(_hidden(x, weight1, bias1), weight2, bias2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401  # pyright: ignore
        x, weight1, bias1, weight2 = ctx.saved_tensors
        h = _hidden(x, weight1, bias1)
        towards_h, *second = _convolution_gradients(gradients[0], h, weight2, True)
        towards_h = _through_relu(towards_h, h)
        return (*_convolution_gradients(towards_h, x, weight1, ctx.needs_input_grad[0]), *second)


def _through_relu(gradient: Tensor, h: Tensor) -> Tensor:
    """The gradient where h is positive; in place where nothing reads it again, for here a step needs most memory."""
    threshold = torch.ops.aten.threshold_backward
    if torch.is_grad_enabled():
        return threshold(gradient, h, 0)
    return threshold.grad_input(gradient, h, 0, grad_input=gradient)


def _hidden(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.relu(_convolved(x, weight, bias), inplace=True)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def _convolution_gradients(gradient: Tensor, x: Tensor, weight: Tensor, towards_x: bool) -> list[Tensor]:
    """With respect to x, weight and bias."""
    padding = [weight.shape[-1] // 2] * 2
    shape, wanted = [weight.shape[0]], [towards_x, True, True]
    return _backward(gradient, x, weight, shape, [1, 1], padding, [1, 1], False, [0, 0], 1, wanted)
