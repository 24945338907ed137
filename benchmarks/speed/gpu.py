"""What a GPU gives, beside zuko on the same one: ``python -m benchmarks.speed.gpu --out FOLDER``.

    python -m benchmarks.speed.gpu --out FOLDER                          # everything, about two minutes on an H100
    python -m benchmarks.speed.gpu --out FOLDER --only train sample      # some parts
    python -m benchmarks.speed.gpu --out FOLDER --tiny                   # small sizes, on the CPU too: does it run?
    python -m pytest -q -p no:cacheprovider tests/test_cuda.py tests/kernels/test_triton.py    # the laws, on that GPU

Each result is one line of FOLDER/gpu.jsonl, written at once; a part that fails writes its traceback and the next one
runs. Times are wall seconds, the device waited for; the subjects of a comparison take turns and their best rounds are
compared. A training step of fluvial is that of ``fit``: rows picked by index, AdamW, clipping, the average, the
learning rate's schedule. The others get theirs: loss, gradients, fused Adam, nothing read back.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import common
from benchmarks.speed import peers
from fluvial.core import Flow
from fluvial.kernels import gpu, native, spline
from fluvial.training import Data, Settings, device
from fluvial.training.loop import Loop

Steps = Callable[[int], None]
ZOO = common.ROOT / "tests"


@dataclass(frozen=True)
class Run:
    """Where to measure and where to write."""

    device: torch.device
    out: Path
    tiny: bool
    until: float

    @property
    def left(self) -> float:
        return self.until - time.monotonic()

    def note(self, part: str, **content: Any) -> None:
        line = json.dumps({"part": part, **content})
        print(line[:2000], flush=True)
        with self.out.open("a") as file:
            file.write(line + "\n")

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def environment(run: Run) -> None:
    """What it runs on, and which kernels."""
    triton = None
    try:
        import triton as module

        triton = module.__version__
    except ImportError:
        pass
    cuda = run.device.type == "cuda"
    run.note(
        "environment",
        device=torch.cuda.get_device_name() if cuda else platform.processor(),
        memory=torch.cuda.mem_get_info()[1] if cuda else None,
        cuda=torch.version.cuda,
        triton=triton,
        compiler=shutil.which("gcc") or shutil.which("cc") or shutil.which("clang"),
        headers=(Path(sysconfig.get_paths()["include"]) / "Python.h").exists(),
        kernels=gpu.status(),
        cpu_kernels=native.status(),
        precision=torch.get_float32_matmul_precision(),
        python=platform.python_version(),
        commit=common.commit(),
        **common.versions(),
    )


def kernels(run: Run) -> None:
    """The spline's kernels beside the torch source, exactness in float64 and time in float32."""
    rows, events = (64, 5) if run.tiny else (4096, 63)
    for dtype in (torch.float64, torch.float32):
        g = torch.Generator().manual_seed(0)
        x = 3 * torch.randn(rows, events, generator=g, dtype=torch.float64)
        theta = 2 * torch.randn(rows, 23, events, generator=g, dtype=torch.float64)
        x, theta = (t.to(run.device, dtype).requires_grad_() for t in (x, theta))
        for name in ("forward", "inverse"):

            def call(name: str = name, x: Tensor = x, theta: Tensor = theta) -> tuple[Tensor, ...]:
                y, log_det = getattr(spline, name)(x, theta, 8, 5.0)
                return y, log_det, *torch.autograd.grad((y + log_det).sum(), (x, theta))

            got, kernel_seconds = call(), _best(run, call)
            with native.torch_only():
                want, torch_seconds = call(), _best(run, call)
            errors = [float(((a - b) / (1 + b.abs())).detach().abs().max()) for a, b in zip(got, want)]
            run.note(
                "kernels",
                map=name,
                dtype=str(dtype),
                relative_errors=dict(zip(("y", "log_det", "g_x", "g_theta"), errors)),
                kernel_ms=1e3 * kernel_seconds,
                torch_ms=1e3 * torch_seconds,
            )


def contract(run: Run) -> None:
    """Each recipe of the zoo: the device's numbers beside the CPU's, round trips, gradients, samples."""
    sys.path.insert(0, str(ZOO))
    import zoo

    for name in [*zoo.SMALL][: 3 if run.tiny else None]:
        discrete = name in {recipe for recipe, _, _ in zoo.DISCRETE.values()}
        for dtype in (torch.float64, torch.float32):
            try:
                here = (zoo.discrete(name, 3) if discrete else zoo.recipe(name, 5, 3)).to(dtype=dtype)
                there = copy.deepcopy(here).to(run.device)
                g = torch.Generator().manual_seed(0)
                x = zoo.outcomes(name)[:12] if discrete else torch.randn(12, 5, generator=g, dtype=torch.float64)
                x, context = x.to(dtype), torch.randn(len(x), 3, generator=g, dtype=torch.float64).to(dtype)
                far, far_context = x.to(run.device), context.to(run.device)
                a, b = here.log_prob(x, context), there.log_prob(far, far_context)
                grads = [torch.autograd.grad(v.sum(), list(d.parameters())) for v, d in ((a, here), (b, there))]
                result = {
                    "log_prob": float((a - b.cpu()).detach().abs().max()),
                    "gradient": max(float((p - q.cpu()).abs().max() / (1 + p.abs().max())) for p, q in zip(*grads)),
                }
                with torch.no_grad():
                    drawn, log_p = there.sample_and_log_prob(12, far_context)
                    result["sample"] = float((there.log_prob(drawn, far_context) - log_p).abs().max())
                    if isinstance(there, Flow) and not discrete:
                        z = there.encode(far, far_context)
                        result["round_trip"] = float((there.decode(z, far_context) - far).abs().max())
                run.note("contract", model=name, dtype=str(dtype), **result)
            except Exception:
                run.note("contract", model=name, dtype=str(dtype), error=traceback.format_exc()[-1500:])


def step(run: Run) -> None:
    """A recorded step beside the same one unrecorded: the very same bits?"""
    for family in ("nsf", "nsf_coupling", "maf"):
        for amp in (False, True):
            weights = {}
            for after in (device.WARM, 10**9):
                device.WARM, before = after, device.WARM
                try:
                    loop, parts = _loop(run, family, 9, 256, amp=amp)
                    for part in (parts * 20)[:20]:
                        loop._step(part)
                    weights[after] = [p.detach().clone() for p in loop.update.parameters]
                    graphs = len(getattr(loop.update, "graphs", {}))
                    skipped = loop.progress.skipped
                finally:
                    device.WARM = before
                if after != 10**9:
                    recorded = graphs
            pairs = list(zip(*weights.values()))
            run.note(
                "step",
                model=family,
                amp=amp,
                graphs=recorded,
                skipped=skipped,
                same_bits=all(torch.equal(a, b) for a, b in pairs),
                difference=max(float((a - b).abs().max()) for a, b in pairs),
            )


SIZES = {"nsf": 5, "nsf_coupling": 8, "maf": 5}


def train(run: Run) -> None:
    """Rows per second at BSDS300's shape, batch 4096, two hidden layers of 256; and peak memory."""
    for family in SIZES:
        for precision in ("highest", "high"):
            torch.set_float32_matmul_precision(precision)
            subjects = {"fluvial": partial(_ours, run, family), "zuko": partial(_theirs, run, family)}
            if precision == "high":
                subjects["fluvial-bf16"] = partial(_ours, run, family, amp=True)
            elif family == "nsf":
                subjects["fluvial-eager"] = partial(_ours, run, family, recorded=False)
            _compare(run, "train", family, precision, subjects)
    torch.set_float32_matmul_precision("highest")


def compiled(run: Run) -> None:
    """zuko's loss under torch.compile, which takes long to compile: in a process of its own that is stopped in time."""
    call = [sys.executable, "-m", "benchmarks.speed.gpu", "--out", str(run.out.parent), "--only", "compiled-here"]
    call += ["--device", str(run.device), *["--tiny"] * run.tiny]
    given = max(1.0, run.left)
    try:
        subprocess.run(call, timeout=given, check=True)
    except subprocess.TimeoutExpired:
        run.note("compiled", error=f"zuko's loss was not compiled and timed within {given:.0f} s")


def compiled_here(run: Run) -> None:
    theirs = partial(_theirs, run, "nsf", compiles=True)
    _compare(run, "compiled", "nsf", "highest", {"fluvial": partial(_ours, run, "nsf"), "zuko-compiled": theirs})


def sample(run: Run) -> None:
    """1,000 rows of an MAF of 784 columns, weights at random, beside zuko's; and of spline flows."""
    cases = [("maf", 784, 5, 256), ("maf", 784, 5, 1024), ("maf", 63, 5, 256), ("nsf", 63, 5, 256)]
    for family, d, depth, hidden in [("maf", 12, 2, 16)] if run.tiny else cases:
        size = peers.Size(family, d, depth, (hidden, hidden))
        ours, theirs = _randomized(peers.fluvial(size), run), _randomized(peers.zuko(size), run)
        z = torch.randn(1000, d, device=run.device)
        with torch.no_grad():
            x = ours.decode(z)
            back = ours.module.encode(x)
            seconds = _best(run, partial(ours.decode, z))
            moved = float((x - z).abs().mean())
            run.note("sample", model=family, columns=d, hidden=hidden, seconds=seconds, moved=moved,
                     round_trip=float((back - z).abs().max()))  # fmt: skip
            peer = _best(run, partial(theirs.decode, z), rounds=2)
            run.note("sample", model=family, columns=d, hidden=hidden, ratio=peer / seconds, zuko_seconds=peer)


def _settings(batch: int, amp: bool = False) -> Settings:
    return Settings(epochs=1000, batch_size=batch, learning_rate=1e-3, amp=amp)


def _loop(run: Run, family: str, features: int, batch: int, amp: bool = False) -> tuple[Loop, list[Tensor]]:
    torch.manual_seed(0)
    hidden = (32, 32) if run.tiny or features < 20 else (256, 256)
    flow = peers.fluvial(peers.Size(family, features, 2 if run.tiny else SIZES[family], hidden)).module
    data = Data(torch.randn(4 * batch, features, generator=torch.Generator().manual_seed(1)))
    settings = replace(_settings(batch, amp), device=str(run.device))
    loop = Loop(flow, data, None, settings, None, "")  # pyright: ignore
    loop.start()
    loop.density.train()
    return loop, loop.data.batches(torch.arange(len(data)), batch)


def _ours(run: Run, family: str, amp: bool = False, recorded: bool = True) -> Steps:
    loop, parts = _loop(run, family, 8 if run.tiny else 63, 64 if run.tiny else 4096, amp)
    if not recorded:
        loop.update.records = False  # pyright: ignore

    def steps(n: int) -> None:
        for i in range(n):
            loop._step(parts[i % len(parts)])

    return steps


def _theirs(run: Run, family: str, compiles: bool = False) -> Steps:
    torch.manual_seed(0)
    features, batch = (8, 64) if run.tiny else (63, 4096)
    size = peers.Size(family, features, 2 if run.tiny else SIZES[family], (32, 32) if run.tiny else (256, 256))
    subject = peers.zuko(size)
    subject.module.to(run.device)
    optimizer = torch.optim.Adam(subject.module.parameters(), lr=1e-3, fused=True)
    data = torch.randn(4 * batch, features, generator=torch.Generator().manual_seed(1)).to(run.device)
    parts = torch.arange(len(data), device=run.device).split(batch)

    def loss(x: Tensor) -> Tensor:
        return -subject.log_prob(x).mean()

    if compiles:
        loss = torch.compile(loss, dynamic=False)

    def steps(n: int) -> None:
        for i in range(n):
            optimizer.zero_grad()
            loss(data[parts[i % len(parts)]]).backward()
            optimizer.step()

    return steps


def _compare(run: Run, part: str, family: str, precision: str, makers: dict[str, Callable[[], Steps]]) -> None:
    """Rounds in turn; rows per second of the best round, and the most memory that each took for itself."""
    batch, steps, rounds = (64, 3, 2) if run.tiny else (4096, 20, 5)
    seconds, subjects = dict.fromkeys(makers, float("inf")), dict[str, Steps]()
    memory, first = dict[str, float](), dict[str, float]()
    for name, make in makers.items():
        before = _memory(run)
        subjects[name], began = make(), time.perf_counter()
        call = subjects[name]
        call(6)  # everything is compiled and recorded
        run.wait()
        first[name] = time.perf_counter() - began
        if run.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        call(2)
        peak = torch.cuda.max_memory_allocated() - before[0] if run.device.type == "cuda" else 0
        # what a recording uses counts as reserved, not as allocated
        memory[name] = max(peak, _memory(run)[1] - before[1]) / 2**20
    for _ in range(rounds):
        for name, call in subjects.items():
            run.wait()
            began = time.perf_counter()
            call(steps)
            run.wait()
            seconds[name] = min(seconds[name], (time.perf_counter() - began) / steps)
    run.note(
        part,
        model=family,
        precision=precision,
        rows_per_second={name: round(batch / s) for name, s in seconds.items()},
        milliseconds={name: 1e3 * s for name, s in seconds.items()},
        ratio={name: s / seconds["fluvial"] for name, s in seconds.items()},
        mebibytes=memory,
        seconds_of_the_first_six_steps=first,
    )


def _memory(run: Run) -> tuple[int, int]:
    """Bytes that tensors hold, and that are kept from the device once the cache is empty."""
    run.wait()
    if run.device.type != "cuda":
        return 0, 0
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()


def _randomized(subject: peers.Subject, run: Run) -> peers.Subject:
    """Weights that depend on each other: a fresh flow is the identity, which is no task."""
    g = torch.Generator().manual_seed(0)
    for p in subject.module.parameters():
        width = p.shape[-1] if p.dim() > 1 else 1
        p.data.add_((0.3 if width > 1 else 0.1) * torch.randn(p.shape, generator=g) / width**0.5)
    subject.module.to(run.device).eval()
    return subject


def _best(run: Run, call: Callable[[], object], rounds: int = 5) -> float:
    call()
    best = float("inf")
    for _ in range(rounds):
        run.wait()
        began = time.perf_counter()
        call()
        run.wait()
        best = min(best, time.perf_counter() - began)
    return best


PARTS: dict[str, Callable[[Run], None]] = {
    "environment": environment,
    "kernels": kernels,
    "step": step,
    "train": train,
    "sample": sample,
    "contract": contract,
    "compiled": compiled,
    "compiled-here": compiled_here,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.jsonl")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=[p for p in PARTS if p != "compiled-here"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--budget", type=float, default=150.0, help="seconds; no part begins later")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see whether it runs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    run = Run(torch.device(options.device), options.out / "gpu.jsonl", options.tiny, began + options.budget)
    for name in options.only:
        if run.left <= 0:
            run.note(name, error="no time left")
            continue
        started = time.monotonic()
        try:
            PARTS[name](run)
        except Exception:
            run.note(name, error=traceback.format_exc()[-3000:])
        run.note("took", what=name, seconds=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
