"""How fast WaveNet trains and generates, in ratios within one run: ``python -m benchmarks.sound speed``."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common import clock, interleave
from fluvial.conditioners import WaveNet
from fluvial.core import Flow
from fluvial.kernels import native
from fluvial.models import wavenet
from fluvial.training import Continuation
from fluvial.transforms import Autoregressive

STEPS = 8000
SIZES = {"stacks": 2, "layers": 9, "channels": 64, "gates": 64, "skips": 128}
TRAINED = (4, 4096)  # windows and samples of a training step
TIMED = 1500  # steps of the walk that are timed; each costs the same
LENGTHS = (500, 2000, 4000, 8000)  # prefixes whose passes are timed; the rest is interpolated


def model() -> tuple[Flow, Autoregressive, WaveNet]:
    torch.manual_seed(0)
    flow = wavenet((None,), **SIZES)
    if not isinstance(flow, Flow) or not isinstance(flow.transform, Autoregressive):
        raise TypeError("a flow of one autoregressive transform was expected")
    net = flow.transform.conditioner
    if not isinstance(net, WaveNet):
        raise TypeError("a WaveNet was expected")
    for p in net.parameters():
        p.data.add_(0.02 * torch.randn_like(p))
    return flow, flow.transform, net


def speed(part: str) -> dict[str, object]:
    """One part of the record: "generation" or "training"."""
    return {"sizes": SIZES, "kernels": native.status(), part: {"generation": generation, "training": training}[part]()}


def generation() -> dict[str, object]:
    """Seconds of one core for 8,000 samples: with queues, in one parallel pass, by reading the prefix again.

    The queues of the compiled kernel are asked for all samples in one call, and, as a stream is, for one after the
    other; those in torch come beside.
    """
    _, transform, net = model()
    result: dict[str, object] = {}
    for batch in (1, 16):
        with torch.no_grad():
            x = torch.randint(0, 256, (batch, STEPS)).float()
            z = torch.rand(batch, TIMED, dtype=torch.float64)
            walk = transform.walk(_noise(batch))
            with native.torch_only():
                slow = transform.walk(_noise(batch))
                next(slow)  # it goes on as it began
            calls: dict[str, Callable[[], object]] = {
                "one call": lambda z=z: transform.inverse(z),
                "queues": lambda w=walk: [next(w) for _ in range(TIMED)],
                "torch queues": lambda w=slow: [next(w) for _ in range(TIMED)],
                "pass": lambda x=x: net(x),
            }
            timings = interleave(calls, "pass", rounds=5, budget=90.0)
            queues, whole = timings["queues"].best * STEPS / TIMED, timings["pass"].best
            found = {"queues": queues, "one parallel pass": whole, "queues / parallel pass": queues / whole}
            for name in ("one call", "torch queues"):
                seconds = timings[name].best * STEPS / TIMED
                found |= {name: seconds, f"{name} / parallel pass": seconds / whole}
            if batch == 1:
                again = _integral([clock(lambda n=n, x=x: net(x[:, :n]), 1) for n in LENGTHS])
                field = clock(lambda x=x: net(x, None, 1), 20) * STEPS
                found |= {
                    "whole prefix again": again,
                    "receptive field again": field,
                    "whole prefix / queues": again / queues,
                    "receptive field / queues": field / queues,
                }
        result[f"batch {batch}"] = found
    return result


def training() -> dict[str, object]:
    """A training step against the same products alone, and against the same dilated convolutions alone."""
    flow, _, net = model()
    density = Continuation(flow)
    optimizer = torch.optim.AdamW(density.parameters(), fused=True)
    batch, samples = TRAINED
    x = torch.stack((torch.randint(0, 256, TRAINED).float(), torch.ones(TRAINED)), 1)

    def step(amp: bool = False) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            loss = -density.log_prob(x).mean() / samples
        loss.backward()
        optimizer.step()

    calls = {
        "step": step,
        "step in bfloat16": lambda: step(True),
        "products": _products(net, batch * samples),
        "convolutions": _convolutions(net, batch, samples),
    }
    timings = interleave(calls, "products", rounds=5, budget=120.0)
    return {
        "samples": batch * samples,
        "seconds": {name: t.best for name, t in timings.items()},
        "samples per second of one core": {n: batch * samples / t.best for n, t in timings.items() if "step" in n},
        "step / products": timings["step"].best / timings["products"].best,
        "step / convolutions": timings["step"].best / timings["convolutions"].best,
        "bfloat16 step / products": timings["step in bfloat16"].best / timings["products"].best,
    }


def memory(minutes: float) -> dict[str, object]:
    """Memory of one stream of 8 kHz sound from a tiny net, at its first second and at its end."""
    torch.manual_seed(0)
    flow = wavenet((None,), levels=4, stacks=1, layers=2, channels=4, gates=4, skips=4)
    walk = flow.transform.walk(_noise(1))  # pyright: ignore
    began, marks = time.process_time(), []
    with torch.no_grad():
        for i in range(round(minutes * 60 * 8000) + 1):
            next(walk)
            if i % (8000 * 30) == 8000:
                gc.collect()
                marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return {
        "minutes of 8 kHz": minutes,
        "most resident kB after 1 s": marks[0],
        "at the end": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "core_seconds": time.process_time() - began,
        "kernels": native.status(),
    }


def _noise(batch: int) -> Iterator[Tensor]:
    while True:
        yield torch.rand(batch, dtype=torch.float64)


def _integral(seconds: list[float]) -> float:
    """Of seconds per pass over all prefixes of 1 to 8,000 samples, linear between the measured ones and below."""
    total, last, at = 0.0, 0.0, 0
    for n, s in zip(LENGTHS, seconds):
        total += (n - at) * (s + last) / 2
        last, at = s, n
    return total


def _products(net: WaveNet, n: int) -> Callable[[], None]:
    """The matrix products of a training step, forward and backward, and nothing else."""
    shapes = [tap.shape for taps in net.taps for tap in taps]
    shapes += [m.shape for m in net.mix] + [layer.weight.t().shape for layer in (net.skip, net.hidden, net.last)]
    work = [(torch.randn(n, a), torch.randn(a, b), torch.randn(n, b)) for a, b in sorted(set(map(tuple, shapes)))]
    by_shape = {(w.shape[0], w.shape[1]): (x, w, d) for x, w, d in work}

    def run() -> None:
        for shape in shapes:
            x, w, d = by_shape[tuple(shape)]
            torch.mm(x, w)
            torch.mm(d, w.t())
            torch.mm(x.t(), d)

    return run


def _convolutions(net: WaveNet, batch: int, samples: int) -> Callable[[], None]:
    """The same dilated and 1x1 convolutions by torch's own conv1d, forward and backward, and nothing else."""
    kernel, channels, wide = net.taps.shape[1:]
    x = torch.randn(batch, channels, samples, requires_grad=True)
    y = torch.randn(batch, wide // 2, samples, requires_grad=True)
    dilated, mix = (torch.randn(s, requires_grad=True) for s in ((wide, channels, kernel), (channels, wide // 2, 1)))
    skip = torch.randn(net.skip.out_features, wide // 2, 1, requires_grad=True)
    head = [torch.randn((*layer.weight.shape, 1), requires_grad=True) for layer in (net.hidden, net.last)]
    s = torch.randn(batch, net.skip.out_features, samples, requires_grad=True)

    def run() -> None:
        for dilation in net.dilations:
            for inputs, weight, d in (
                (F.pad(x, ((kernel - 1) * dilation, 0)), dilated, dilation),
                (y, mix, 1),
                (y, skip, 1),
            ):
                out = F.conv1d(inputs, weight, dilation=d)
                out.backward(torch.ones_like(out))
        for weight in head:
            out = F.conv1d(s, weight)
            out.backward(torch.ones_like(out))

    return run
