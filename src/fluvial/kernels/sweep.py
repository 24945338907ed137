"""The compiled sweep: an autoregressive inverse, and its gradient, in one visit to each hidden unit.

What is swept is described by plain tensors and numbers, so that this module knows neither networks nor maps.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import gt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core.tracing import exporting
from fluvial.kernels import native
from fluvial.kernels.boundary import CPU, check, refuse
from fluvial.kernels.maps import Map

ACTIVATIONS: dict[Callable[[Tensor], Tensor], int] = {torch.relu: 0, torch.tanh: 1, F.elu: 2, F.silu: 3}
"""What the compiled kernels call the activations that they know."""
MAPS = ("shift", "exp", "tanh", "sigmoid", "gate", "spline", "bernoulli", "categorical")
"""Kinds of maps that can be swept, in the order of ``Map`` of csrc/jobs.h."""
Pair = tuple[Tensor, Tensor]
ENCODINGS = ("numbers", "signs", "one-hot")
_MOST_LAYERS = 64


@dataclass(frozen=True, eq=False)
class Layout:
    """Who reads whom; units are sorted by degree. Kernels read and write where it says, so it is proven when made.

    Raises:
        ValueError: the order is not a permutation, or the counts do not grow.
    """

    order: Tensor
    """(n,) int32: the positions as they become known."""
    ends: Tensor
    """(layers, n + 1) int32: how many units of each layer have a degree of at most k."""
    natural: bool
    """The order is 0, 1, ..."""
    most: list[int] = field(init=False)
    """How many units of each layer are counted at most."""

    def __post_init__(self) -> None:
        n, layers = self.order.numel(), self.ends.shape[0]
        check(torch.int32, CPU, [("order", self.order, (n,)), ("ends", self.ends, (layers, n + 1))])
        order, ends = self.order.tolist(), self.ends.tolist()
        if sorted(order) != list(range(n)):
            refuse("order", f"a permutation of 0..{n - 1}", order)
        for end in ends:
            if end[0] < 0 or end != sorted(end):
                refuse("ends", "growing counts from 0 on", end)
        object.__setattr__(self, "most", [end[-1] for end in ends])


class Net(NamedTuple):
    """A masked network with units and inputs in the order in which they become known; only what they read counts."""

    weights: list[Tensor]
    """(units, reads) of each hidden layer."""
    biases: list[Tensor]
    """(units,); the first one perhaps (units, B): with the context's part."""
    out: Tensor
    """(size, n, units); positions in their own order, as in the next one."""
    out_bias: Tensor
    """(size, n)."""
    direct: Tensor | None
    """(size, n, inputs): from inputs straight to outputs."""
    layout: Layout
    activation: int
    residual: bool
    encoding: str
    numbers: int
    """How many inputs one position becomes."""

    @property
    def units(self) -> list[int]:
        return [w.shape[0] for w in self.weights]


class _Layer(ctypes.Structure):
    _fields_ = [
        *native.fields(ctypes.c_void_p, "weight bias ends"),
        *native.fields(ctypes.c_int64, "units ld"),
    ]


class SweepJob(ctypes.Structure):
    """``SweepJob`` of csrc/jobs.h."""

    _fields_ = [
        *native.fields(ctypes.c_int64, "rows positions numbers layers size bins"),
        *native.fields(ctypes.c_int32, "activation residual map encoding bias_rows natural"),
        *native.fields(ctypes.c_double, "a b"),
        *native.fields(ctypes.c_void_p, "layer out out_bias direct order z x log_det kept g_x g_log_det g_z g_kept"),
    ]


def knows(univariate: Map | None, activation: Callable[[Tensor], Tensor], layers: int, like: Tensor) -> bool:
    """True where the compiled sweep applies: the CPU, float32 or float64, no torch.func at work."""
    return (
        univariate is not None
        and univariate.kind in MAPS
        and univariate.temperature == 1
        and native.active()
        and like.device.type == "cpu"
        and like.dtype in (torch.float32, torch.float64)
        and activation in ACTIVATIONS
        and layers <= _MOST_LAYERS
        and (torch.compiler.is_compiling() or native.eager())
        and not exporting()
    )


def invert(net: Net, univariate: Map, z: Tensor, keep: bool = False) -> tuple[Tensor, Tensor, Tensor | None]:
    """x (B, n), its log-det (B,), and, to ``keep``, what the gradient reads."""
    z = (z.double() if univariate.staircase else z).contiguous()
    net = checked(net, univariate, z)
    x = torch.empty(z.shape, dtype=net.out.dtype)
    log_det = torch.empty(z.shape[0], dtype=net.out.dtype)
    kept = torch.empty(_rows(net), z.shape[0], dtype=net.out.dtype) if keep else None
    _run("fluvial_sweep", net, univariate, z, {"x": x, "log_det": log_det, "kept": kept})
    return x, log_det, kept


def traced(net: Net, univariate: Map, z: Tensor) -> Pair:
    """``invert`` as the operator ``fluvial::sweep``, which torch.compile keeps whole."""
    layout, tensors = net.layout, (net.out, net.out_bias, net.direct)
    network = [layout.natural, net.activation, net.residual, ENCODINGS.index(net.encoding), net.numbers]
    settings = [*map(int, network), MAPS.index(univariate.kind), univariate.bins]
    return torch.ops.fluvial.sweep(
        z, net.weights, net.biases, *tensors, layout.order, layout.ends, settings, univariate.a, univariate.b
    )


def _sweep(
    z: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    out: Tensor,
    out_bias: Tensor,
    direct: Tensor | None,
    order: Tensor,
    ends: Tensor,
    settings: list[int],
    a: float,
    b: float,
) -> Pair:
    natural, activation, residual, encoding, numbers, kind, bins = settings
    layout = Layout(order, ends, bool(natural))
    net = Net(weights, biases, out, out_bias, direct, layout, activation, bool(residual), ENCODINGS[encoding], numbers)
    return invert(net, Map(MAPS[kind], a, b, bins), z)[:2]


def _shapes(z: Tensor, weights: list[Tensor], biases: list[Tensor], out: Tensor, *_: object) -> Pair:
    return z.new_empty(z.shape, dtype=out.dtype), z.new_empty(z.shape[0], dtype=out.dtype)


torch.library.define(
    "fluvial::sweep",
    "(Tensor z, Tensor[] weights, Tensor[] biases, Tensor out, Tensor out_bias, Tensor? direct, Tensor order, "
    "Tensor ends, int[] settings, float a, float b) -> (Tensor, Tensor)",
)
torch.library.impl("fluvial::sweep", "cpu", _sweep)
torch.library.register_fake("fluvial::sweep", _shapes)


def pull(
    net: Net,
    univariate: Map,
    z: Tensor,
    x: Tensor,
    kept: Tensor,
    g_x: Tensor,
    g_log_det: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    """Gradients at z and at the network's tensors: weights, biases, out, out_bias and direct, if there is one."""
    z = z.contiguous()
    net = checked(net, univariate, z)
    if net.encoding != "numbers" or univariate.staircase:
        refuse("network", "numbers, along which there is a gradient", f"{net.encoding} and {univariate.kind}")
    (batch, n), units, size = z.shape, net.units, net.out.shape[0]
    g_z = torch.empty_like(z)
    g_kept = torch.empty(sum(units) + size * n, batch, dtype=net.out.dtype)
    tensors = {"x": x, "kept": kept, "g_x": g_x.contiguous(), "g_log_det": g_log_det.contiguous()}
    shapes = ((batch, n), (_rows(net), batch), (batch, n), (batch,))
    check(net.out.dtype, CPU, [(name, t, shape) for (name, t), shape in zip(tensors.items(), shapes)])
    _run("fluvial_sweep_vjp", net, univariate, z, {**tensors, "g_z": g_z, "g_kept": g_kept})
    inputs = x.t() if net.layout.natural else x.t()[net.layout.order]
    read = [inputs, *kept[: sum(units)].split(units)]
    *sent, g_theta = g_kept.split([*units, size * n])
    weights = [g @ h.t() for g, h in zip(sent, read)]
    biases = [g if bias.dim() > 1 else g.sum(1) for g, bias in zip(sent, net.biases)]
    last = [(g_theta @ read[-1].t()).view_as(net.out), g_theta.sum(1).view_as(net.out_bias)]
    if net.direct is not None:
        last.append((g_theta @ inputs.t()).view_as(net.direct))
    return g_z, [*weights, *biases, *last]


def checked(net: Net, univariate: Map, z: Tensor) -> Net:
    """The network packed, if it, map and noise (B, n) fit each other; else ValueError, a sentence.

    Kernels follow all of them blindly.
    """
    net = _packed(net)
    dtype, device, (size, n) = net.out.dtype, z.device, net.out.shape[:2]
    rows, inputs, units, layers = z.shape[:1].numel(), n * net.numbers, net.units, len(net.weights)
    if dtype not in native.DTYPES:
        refuse("network", "float32 or float64", dtype)
    if not (0 < layers <= _MOST_LAYERS and layers == len(net.biases)):
        refuse("network", f"1 to {_MOST_LAYERS} layers, each with a bias", f"{layers} and {len(net.biases)}")
    if net.residual and (layers % 2 == 0 or len(set(units)) > 1):
        refuse("network", "an inlet and pairs of one width", units)
    if n < 1 or net.numbers < 1 or (net.numbers > 1 and net.encoding != "one-hot"):
        refuse("network", "positions of one input, or one-hot classes", (n, net.numbers, net.encoding))
    first = net.biases[0]
    check(torch.float64 if univariate.staircase else dtype, device, [("z", z, (rows, n))])
    tensors = [
        ("out", net.out, (size, n, units[-1])),
        ("out_bias", net.out_bias, (size, n)),
        ("direct", net.direct, (size, n, inputs)),
        ("first bias", first, (units[0], rows) if first.dim() > 1 else (units[0],)),
        *[("bias", bias, (width,)) for bias, width in zip(net.biases[1:], units[1:])],
    ]
    check(dtype, device, tensors)
    reads = inputs
    for w, width in zip(net.weights, units):
        if w.dim() != 2 or w.shape[1] != reads or w.dtype is not dtype or w.device != device:
            refuse("weight", f"{dtype} over {reads} inputs on {device}", f"{w.dtype} {tuple(w.shape)} on {w.device}")
        reads = width
    _check_size(univariate, size)
    layout = net.layout
    if layout.order.shape != (n,) or len(layout.most) != layers or any(map(gt, layout.most, units)):
        refuse("ends", f"counts for {n} positions up to {units}", f"{len(layout.order)} and {layout.most}")
    return net


def _packed(net: Net) -> Net:
    """What the kernels walk through lies contiguous; weights, row by row."""
    weights = [w if w.stride(-1) == 1 else w.contiguous() for w in net.weights]
    direct = None if net.direct is None else net.direct.contiguous()
    biases, out, out_bias = [b.contiguous() for b in net.biases], net.out.contiguous(), net.out_bias.contiguous()
    return Net(weights, biases, out, out_bias, direct, *net[5:])


def _check_size(univariate: Map, size: int) -> None:
    kind, bins = univariate.kind, univariate.bins
    if kind == "spline":
        fits = 2 <= bins <= native.MOST_BINS and size in (3 * bins - 1, 3 * bins)
    elif kind == "categorical":
        fits = size >= 1
    else:
        fits = kind in MAPS and size == (1 if kind in ("shift", "bernoulli") else 2)
    if not fits:
        refuse("theta", "as many numbers a position as the map reads", f"{size} for {univariate}")


def _rows(net: Net) -> int:
    hidden = sum(net.units) * (2 if net.activation == ACTIVATIONS[F.silu] else 1)
    size, n, _ = net.out.shape
    return hidden + size * n + n


def _run(function: str, net: Net, univariate: Map, z: Tensor, tensors: dict[str, Tensor | None]) -> None:
    size, n, _ = net.out.shape
    if z.shape[0] == 0:
        return
    # everything that is pointed at stays referenced until the call returns
    ends, apart = net.layout.ends.data_ptr(), 4 * (n + 1)  # int32, contiguous
    layers = (_Layer * len(net.weights))(
        *[
            _Layer(w.data_ptr(), b.data_ptr(), ends + i * apart, w.shape[0], w.stride(0))
            for i, (w, b) in enumerate(zip(net.weights, net.biases))
        ]
    )
    job = SweepJob(
        z.shape[0],
        n,
        net.numbers,
        len(net.weights),
        size,
        univariate.bins,
        net.activation,
        net.residual,
        MAPS.index(univariate.kind),
        ENCODINGS.index(net.encoding),
        net.biases[0].dim() > 1,
        net.layout.natural,
        univariate.a,
        univariate.b,
        ctypes.addressof(layers),
        net.out.data_ptr(),
        net.out_bias.data_ptr(),
        native.address(net.direct),
        net.layout.order.data_ptr(),
        z.data_ptr(),
        **{name: native.address(tensor) for name, tensor in tensors.items()},
    )
    run = getattr(native.library(), function)
    run(ctypes.byref(job), net.out.dtype == torch.float64, torch.get_num_threads())
