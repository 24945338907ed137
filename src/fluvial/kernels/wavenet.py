"""The compiled generation of WaveNet: all layers of one moment, and perhaps the drawing of its value, in one call.

Described by plain tensors and numbers, as the sweep is, so that this module knows neither networks nor maps.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.kernels import boundary, native
from fluvial.kernels.maps import Map

_DRAWS = ("theta", "categorical", "logistics")
_LINE = 64  # bytes, which the longest vectors fill


@dataclass(frozen=True)
class Net:
    """The weights of a WaveNet; see ``conditioners.WaveNet`` for what they do."""

    inlet: Tensor
    """(inputs * classes, C), or for numbers (2 * inputs, C): their values, and whether they are there."""
    taps: Tensor
    """(layers, kernel, C, 2 G), the oldest moment's first; the filter half is read as tanh(u / 2)."""
    bias: Tensor
    """(layers, 2 G)"""
    given: Tensor | None
    """(context, layers, 2 G)"""
    mix: Tensor
    """(layers - 1, G, C)"""
    head: list[tuple[Tensor, Tensor]]
    """Weight (out, in) and bias of the skip, the hidden and the last layer."""
    dilations: Sequence[int]
    first: int
    numbers: int
    """of one moment"""
    classes: int
    upsample: int
    centre: float
    spread: float


class WaveJob(ctypes.Structure):
    """``WaveJob`` of csrc/jobs.h."""

    _fields_ = [
        *native.fields(ctypes.c_int64, "rows steps step numbers first inputs classes"),
        *native.fields(ctypes.c_int64, "layers kernel channels gates skips size"),
        *native.fields(ctypes.c_int64, "padded_channels padded_gates padded_skips padded_out"),
        *native.fields(ctypes.c_int64, "context upsample context_rows"),
        *native.fields(ctypes.c_int32, "draw components"),
        *native.fields(ctypes.c_double, "centre spread temperature floor levels"),
        *native.fields(ctypes.c_void_p, "inlet taps bias given mix skip skip_bias hidden hidden_bias last last_bias"),
        *native.fields(ctypes.c_void_p, "dilations series values ring gate previous z known theta x log_det"),
    ]


def knows(like: Tensor) -> bool:
    """True where the compiled generation applies: the CPU, float32 or float64, no compiler or torch.func at work."""
    return (
        native.active()
        and like.device.type == "cpu"
        and like.dtype in (torch.float32, torch.float64)
        and native.eager()
        and not torch.is_autocast_enabled("cpu")
    )


def draws(univariate: Map | None) -> bool:
    """True where the kernels know how to draw from the map."""
    return univariate is not None and univariate.kind in _DRAWS


class Generator:
    """Streams of one network. What they remember has a fixed size, and lies here.

    Args:
        net: the network.
        rest: for each layer, the state of its input before the start, (B or 1, C).
        batch: B, the number of streams.
        context: (B, context), or with ``net.upsample`` (B, rows, context).
    """

    def __init__(self, net: Net, rest: list[Tensor], batch: int, context: Tensor | None) -> None:
        with torch.no_grad():
            _check(net, rest, batch, context)
            self.net, self.batch, self.dtype, self.step = net, batch, net.inlet.dtype, 0
            self._outputs = net.head[-1][0].shape[0]
            self._weights = self._pack()
            self.ring: Tensor = torch.cat(
                [_padded(r).expand(s, batch, -1) for r, s in zip(rest, (d * self._older for d in net.dilations))]
            ).contiguous()
            self.values: Tensor = torch.full((batch, net.first * net.numbers), math.nan, dtype=self.dtype)
            gate, self.series = _halves(net.bias).unsqueeze(1).expand(-1, batch, -1), None
            if context is not None and net.given is not None:
                context = context.to(self.dtype)
                if net.upsample:
                    self.series: Tensor | None = context.contiguous()
                else:
                    gate = gate + torch.einsum("bc,clg->lbg", context, _halves(net.given))
            self.gate: Tensor = gate.contiguous()
            self.job: WaveJob = self._job()

    def theta(self, previous: Tensor | None) -> Tensor:
        """theta (B, size * numbers) of the next moment, given the value (B, numbers) of the last one."""
        theta = torch.empty(self.batch, self._outputs, dtype=self.dtype)
        if previous is not None:
            previous = previous.to(self.dtype).contiguous()
        boundary.check(self.dtype, boundary.CPU, [("previous", previous, (self.batch, self.net.numbers))])
        self.job.draw, self.job.previous, self.job.theta = 0, native.address(previous), theta.data_ptr()
        self._run(1)
        return theta

    def draw(self, univariate: Map, z: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, n, numbers) and its log-det (B, n) of the next n moments; not NaN in ``known``: what x is."""
        z = z.double().contiguous()
        boundary.require(z.dim() == 3, "z", "shape (B, steps, numbers)", tuple(z.shape))
        boundary.check(torch.float64, boundary.CPU, [("z", z, (self.batch, z.shape[1], self.net.numbers))])
        size, kind = self._outputs // self.net.numbers, univariate.kind
        boundary.require(kind in _DRAWS[1:], "univariate", f"one of {', '.join(_DRAWS[1:])}", kind)
        thirds = kind != "logistics" or 0 < size == 3 * univariate.bins
        boundary.require(thirds, "theta", f"3 numbers for each of {univariate.bins} components", size)
        x, log_det = torch.empty(z.shape, dtype=self.dtype), torch.empty(z.shape[:2], dtype=self.dtype)
        if known is not None:
            known = known.to(self.dtype).contiguous()
        boundary.check(self.dtype, boundary.CPU, [("known", known, z.shape)])
        job = self.job
        job.draw, job.components = _DRAWS.index(univariate.kind), univariate.bins
        job.levels, job.floor, job.temperature = univariate.a, univariate.b, univariate.temperature
        job.previous, job.z, job.known = None, z.data_ptr(), native.address(known)
        job.x, job.log_det = x.data_ptr(), log_det.data_ptr()
        self._run(z.shape[1])
        return x, log_det

    @property
    def _older(self) -> int:
        return self.net.taps.shape[1] - 1

    def _pack(self) -> dict[str, Tensor]:
        """Every matrix (in, out), its rows padded to whole lines."""
        net, gates = self.net, self.net.mix.shape[1]
        (skip, skip_bias), (hidden, hidden_bias), (last, last_bias) = net.head
        packed = {
            **{"inlet": _padded(net.inlet), "taps": _halves(net.taps), "bias": _halves(net.bias)},
            **{"mix": _padded(net.mix), "skip": _padded(skip.t().unflatten(0, (-1, gates)))},
            **{"skip_bias": _padded(skip_bias), "hidden": _padded(hidden.t()), "hidden_bias": _padded(hidden_bias)},
            **{"last": _padded(last.t()), "last_bias": _padded(last_bias)},
        }
        if net.given is not None:
            packed["given"] = _halves(net.given).transpose(0, 1)
        return {**{name: t.contiguous() for name, t in packed.items()}, "dilations": torch.tensor(net.dilations)}

    def _job(self) -> WaveJob:
        """What is the same in all calls. Everything that is pointed at is referenced by this object."""
        net, weights, series = self.net, self._weights, self.series
        constant = {**weights, "series": series, "values": self.values, "ring": self.ring, "gate": self.gate}
        return WaveJob(
            rows=self.batch,
            numbers=net.numbers,
            first=net.first,
            inputs=net.first * net.numbers,
            classes=net.classes,
            layers=len(net.dilations),
            kernel=net.taps.shape[1],
            channels=net.taps.shape[2],
            gates=net.mix.shape[1],
            skips=net.head[0][0].shape[0],
            size=self._outputs // net.numbers,
            padded_channels=self.ring.shape[2],
            padded_gates=self.gate.shape[2] // 2,
            padded_skips=weights["skip_bias"].shape[0],
            padded_out=weights["last_bias"].shape[0],
            context=0 if series is None else series.shape[2],
            upsample=net.upsample,
            context_rows=0 if series is None else series.shape[1],
            centre=net.centre,
            spread=net.spread,
            **{name: tensor.data_ptr() for name, tensor in constant.items() if tensor is not None},
        )

    def _run(self, steps: int) -> None:
        self._check_series(steps)
        if self.batch and steps:
            self.job.step, self.job.steps = self.step, steps
            double = self.dtype == torch.float64
            native.library().fluvial_wave(ctypes.byref(self.job), double, torch.get_num_threads())
        self.step += steps

    def _check_series(self, steps: int) -> None:
        if self.series is None:
            return
        row = (self.step + steps - 1) // self.net.upsample
        if row >= self.series.shape[1]:
            raise ValueError(
                f"context: step {self.step + steps - 1} needs row {row} of the series, {self.net.upsample} steps each, "
                f"but it has {self.series.shape[1]} rows"
            )


def _check(net: Net, rest: list[Tensor], batch: int, context: Tensor | None) -> None:
    """ValueError, a sentence, unless weights, states and context fit each other."""
    taps, head = net.taps, net.head
    boundary.require(net.inlet.dtype in native.DTYPES, "network", "float32 or float64", net.inlet.dtype)
    boundary.require(taps.dim() == 4 and taps.shape[1] >= 2, "taps", "(layers, kernel, C, 2 G)", tuple(taps.shape))
    layers, _, channels, gates = taps.shape
    boundary.require(layers == len(net.dilations) == len(rest), "layers", f"{layers} dilations and states", len(rest))
    boundary.require(min(net.dilations) >= 1, "dilations", "at least 1", net.dilations)
    boundary.require(net.first >= 1 and net.numbers >= 1, "numbers", "at least one", (net.first, net.numbers))
    skips, outputs = head[0][0].shape[0], head[-1][0].shape[0]
    boundary.require(outputs > 0 and outputs % net.numbers == 0, "last", f"a multiple of {net.numbers}", outputs)
    widths = [(skips, layers * gates // 2), (skips, skips), (outputs, skips)]
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "inlet": (net.inlet, (net.first * net.numbers * (net.classes or 2), channels)),
        "taps": (taps, (layers, taps.shape[1], channels, 2 * (gates // 2))),
        "bias": (net.bias, (layers, gates)),
        "mix": (net.mix, (layers - 1, gates // 2, channels)),
        **{f"weight {i} of the head": (w, shape) for i, ((w, _), shape) in enumerate(zip(head, widths))},
        **{f"bias {i} of the head": (b, shape[:1]) for i, ((_, b), shape) in enumerate(zip(head, widths))},
        **{f"state {i}": (r, (r.shape[0] if r.shape[0] == 1 else batch, channels)) for i, r in enumerate(rest)},
    }
    boundary.require((context is None) == (net.given is None), "context", "one where the network reads one", context)
    if context is not None and net.given is not None:
        features, rows = net.given.shape[0], context.shape[1:2] if net.upsample else ()
        shapes["given"] = (net.given, (features, layers, gates))
        shapes["context"] = (context.to(net.inlet.dtype), (batch, *rows, features))
    packed = [(name, t.contiguous(), shape) for name, (t, shape) in shapes.items()]
    boundary.check(net.inlet.dtype, boundary.CPU, packed)


def _padded(tensor: Tensor) -> Tensor:
    """Zeros behind the last axis, up to whole lines."""
    return F.pad(tensor, (0, -tensor.shape[-1] % (_LINE // tensor.element_size())))


def _halves(tensor: Tensor) -> Tensor:
    """The same for filters and gates, which stand side by side in the last axis."""
    return _padded(tensor.unflatten(-1, (2, -1))).flatten(-2)
