"""The rational-quadratic spline: one dispatch between the compiled kernel and the torch source (spline_torch.py).

On the CPU the compiled kernel, on CUDA the Triton one run behind two operators, ``fluvial::spline`` and
``fluvial::spline_vjp``, known to torch.compile, torch.func and autograd; exported programs, forward derivatives and
second ones go through the torch source.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fluvial.core.tracing import exporting, forward_mode
from fluvial.kernels import boundary, gpu, native, spline_torch

Pair = tuple[Tensor, Tensor]


def forward(x: Tensor, theta: Tensor, bins: int, bound: float) -> Pair:
    """z and log_det of the spline; theta is read in float32 at least, also under autocast."""
    return _dispatch(x, theta, bins, bound, False)


def inverse(z: Tensor, theta: Tensor, bins: int, bound: float) -> Pair:
    """x and log_det of the inverse spline."""
    return _dispatch(z, theta, bins, bound, True)


def _dispatch(x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool) -> Pair:
    if theta.dtype in (torch.float16, torch.bfloat16):
        theta = theta.float()
    if x.dtype != theta.dtype:
        dtype = torch.promote_types(x.dtype, theta.dtype)
        x, theta = x.to(dtype), theta.to(dtype)
    if forward_mode() or exporting():  # torch's own operators, which either knows
        return _evaluate(x, theta, bins, bound, inverse)
    if _fuses(theta, bins) and theta.shape == (x.shape[0], theta.shape[1], *x.shape[1:]):
        eager = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        run = _Fused.apply if eager else torch.ops.fluvial.spline
        return run(x, theta, bins, bound, inverse)  # pyright: ignore
    return (spline_torch.inverse if inverse else spline_torch.forward)(x, theta, bins, bound)


def _fuses(theta: Tensor, bins: int) -> bool:
    """Whether there is a kernel for tensors like this one."""
    if theta.device.type == "cuda":
        return gpu.active() and bins <= gpu.MOST_BINS and theta.dtype in (torch.float32, torch.float64)
    return theta.device.type == "cpu" and native.active()


def _call(
    x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool, out: Pair, grads: Pair | None = None
) -> Pair:
    """Run the compiled kernel; with ``grads`` at the results ``out``, return those at x and theta."""
    g_y, g_slope = (None, None) if grads is None else grads
    others = () if grads is None else (*out, *grads)  # without, the results are new
    theta = _checked(x, theta, bins, native.MOST_BINS, others)
    result = out if grads is None else (torch.empty_like(x), torch.empty(theta.shape, dtype=x.dtype))
    if x.numel() == 0:
        return result
    g_x, g_theta = (None, None) if grads is None else result
    job = native.SplineJob(
        x.shape[0],
        x.numel() // x.shape[0],
        bins,
        theta.stride(0),
        theta.shape[1] == 3 * bins,
        inverse,
        grads is not None,
        bound,
        *map(native.address, (x, theta, *out, g_y, g_slope, g_x, g_theta)),
    )
    native.library().fluvial_spline(ctypes.byref(job), x.dtype == torch.float64, torch.get_num_threads())
    return result


def _spline(x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool) -> Pair:
    if not native.active():  # a program exported elsewhere
        return _evaluate(x, theta, bins, bound, inverse)
    x = x.contiguous()
    return _call(x, theta, bins, bound, inverse, (torch.empty_like(x), torch.empty_like(x)))


def _spline_vjp(
    x: Tensor,
    theta: Tensor,
    y: Tensor,
    log_det: Tensor,
    g_y: Tensor,
    g_l: Tensor,
    bins: int,
    bound: float,
    inverse: bool,
) -> Pair:
    """Gradients at x and theta, given the results y and log_det and the gradients there."""
    if not native.active():
        return _vjp_torch(x, theta, g_y, g_l, bins, bound, inverse)
    out, grads = (y.contiguous(), log_det.contiguous()), (g_y.contiguous(), g_l.contiguous())
    return _call(x.contiguous(), theta, bins, bound, inverse, out, grads)


def _spline_cuda(x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool) -> Pair:
    if not _fuses(theta, bins):
        return _evaluate(x, theta, bins, bound, inverse)
    x = x.contiguous()
    return gpu.spline().run(x, _checked(x, theta, bins, gpu.MOST_BINS), bins, bound, inverse)


def _spline_vjp_cuda(
    x: Tensor,
    theta: Tensor,
    y: Tensor,
    log_det: Tensor,
    g_y: Tensor,
    g_l: Tensor,
    bins: int,
    bound: float,
    inverse: bool,
) -> Pair:
    if not _fuses(theta, bins):
        return _vjp_torch(x, theta, g_y, g_l, bins, bound, inverse)
    x, rows = x.contiguous(), [t.contiguous() for t in (y, log_det, g_y, g_l)]
    theta = _checked(x, theta, bins, gpu.MOST_BINS, rows)
    return gpu.spline().vjp(x, theta, *rows, bins, bound, inverse)


def _checked(x: Tensor, theta: Tensor, bins: int, most: int, others: Sequence[Tensor] = ()) -> Tensor:
    """theta with each row contiguous, however far apart they are; ValueError for what a kernel may not be given.

    ``x`` is contiguous already; ``others`` must be like it.
    """
    if not 2 <= bins <= most:
        boundary.refuse("bins", f"2 to {most}", bins)
    shape, size = x.shape, theta.shape[1:2].numel()
    if size not in (3 * bins - 1, 3 * bins) or theta.shape != (shape[0], size, *shape[1:]):
        raise ValueError(f"theta: shape {tuple(theta.shape)} does not fit {bins} bins and x of shape {tuple(shape)}")
    dtype, device = x.dtype, x.device
    if dtype not in native.DTYPES or theta.dtype is not dtype or theta.device != device:
        boundary.refuse("theta and x", "float32 or float64 on one device", f"{theta.dtype} and {dtype}")
    for other in others:
        boundary.check(dtype, device, [("results and gradients", other, shape)])
    if theta.is_contiguous() or (shape[0] and theta[0].is_contiguous()):
        return theta
    return theta.contiguous()


def _evaluate(x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool) -> Pair:
    return (spline_torch.InverseSpline if inverse else spline_torch.Spline).evaluate(x, theta, bins, bound)[:2]


def _vjp_torch(x: Tensor, theta: Tensor, g_y: Tensor, g_l: Tensor, bins: int, bound: float, inverse: bool) -> Pair:
    return torch.func.vjp(lambda a, b: _evaluate(a, b, bins, bound, inverse), x, theta)[1]((g_y, g_l))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Pair) -> None:  # noqa: ANN401
    x, theta, *ctx.settings = inputs
    ctx.save_for_backward(x, theta, *output)
    ctx.save_for_forward(x, theta, *output)


def _backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    if forward_mode():
        x, theta, *_ = ctx.saved_tensors
        return (*_vjp_torch(x, theta, *grad_outputs, *ctx.settings), None, None, None)  # pyright: ignore
    grads: Any = _FusedVjp.apply(*ctx.saved_tensors, *grad_outputs, *ctx.settings)
    return (*grads, None, None, None)


def _remember_vjp(ctx: Any, inputs: tuple[Any, ...], output: Pair) -> None:  # noqa: ANN401
    x, theta, _, _, g_y, g_l, *ctx.settings = inputs
    ctx.save_for_backward(x, theta, g_y, g_l)


def _backward_vjp(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    pull = torch.func.vjp(lambda *args: _vjp_torch(*args, *ctx.settings), *ctx.saved_tensors)[1]
    of_x, of_theta, of_g_y, of_g_l = pull(tuple(grad_outputs))
    return of_x, of_theta, None, None, of_g_y, of_g_l, None, None, None


def _fake(x: Tensor, *_: object) -> Pair:
    return torch.empty_like(x), torch.empty_like(x)


def _fake_vjp(x: Tensor, theta: Tensor, *_: object) -> Pair:
    return torch.empty_like(x), torch.empty(theta.shape, dtype=theta.dtype, device=theta.device)


def _over_models(operator: Any, info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:  # noqa: ANN401
    """vmap: the models' axis joins the rows'."""

    def rows(value: Tensor, dim: int | None) -> Tensor:
        moved = value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)
        return moved.flatten(0, 1)

    flat = [rows(a, d) if isinstance(a, Tensor) else a for a, d in zip(args, in_dims)]
    return tuple(t.unflatten(0, (info.batch_size, -1)) for t in operator(*flat)), (0, 0)


class _Fused(torch.autograd.Function):
    """The operator for torch.func too, which takes autograd of functions with a ``vmap`` only."""

    @staticmethod
    def forward(x: Tensor, theta: Tensor, bins: int, bound: float, inverse: bool) -> Pair:
        return torch.ops.fluvial.spline(x, theta, bins, bound, inverse)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:  # noqa: ANN401
        return _over_models(_Fused.apply, info, in_dims, *args)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Pair:  # noqa: ANN401
        values = ctx.saved_tensors[:2]
        moved = tuple(torch.zeros_like(v) if t is None else t for v, t in zip(values, tangents))
        return torch.func.jvp(lambda x, theta: _evaluate(x, theta, *ctx.settings), values, moved)[1]

    setup_context = staticmethod(_remember)
    backward = staticmethod(_backward)


class _FusedVjp(torch.autograd.Function):
    @staticmethod
    def forward(*args: Any) -> Pair:  # noqa: ANN401
        return torch.ops.fluvial.spline_vjp(*args)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:  # noqa: ANN401
        return _over_models(_FusedVjp.apply, info, in_dims, *args)

    setup_context = staticmethod(_remember_vjp)
    backward = staticmethod(_backward_vjp)


_DEFINITIONS = {
    "spline": ("Tensor x, Tensor theta", _spline, _spline_cuda, _fake, _backward, _remember),
    "spline_vjp": (
        "Tensor x, Tensor theta, Tensor y, Tensor log_det, Tensor g_y, Tensor g_l",
        _spline_vjp,
        _spline_vjp_cuda,
        _fake_vjp,
        _backward_vjp,
        _remember_vjp,
    ),
}
for _name, (_tensors, _run, _run_cuda, _shapes, _pull, _keep) in _DEFINITIONS.items():
    _full = f"fluvial::{_name}"
    torch.library.define(_full, f"({_tensors}, int bins, float bound, bool inverse) -> (Tensor, Tensor)")
    torch.library.impl(_full, "cpu", _run)
    torch.library.impl(_full, "cuda", _run_cuda)
    torch.library.register_fake(_full, _shapes)
    torch.library.register_autograd(_full, _pull, setup_context=_keep)  # of exported programs
    torch.library.register_vmap(_full, partial(_over_models, getattr(torch.ops.fluvial, _name)))
