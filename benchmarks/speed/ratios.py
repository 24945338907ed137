"""How fast, as ratios to the conditioners' dense products: ``python -m benchmarks.speed``.

Every library builds the same flow (same depth, hidden widths, bins); all are timed interleaved in one process on
one thread, in CPU seconds. Peers that are not installed are left out: ``pip install "fluvial[peers]"``.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.common import DOCS, RECORDS, Timing, interleave
from benchmarks.speed.peers import LIBRARIES, Floor, Size, Subject
from fluvial.kernels import native

RECORD = RECORDS / "speed.json"
PAGE = DOCS / "performance.md"
INTRODUCTION = """# Speed

Written by `python -m benchmarks.speed`, from `benchmarks/records/speed.json`.

Each figure is a ratio to the conditioners' dense matrix products alone, preallocated and without activations: 1.0 is
what no dense implementation can beat; a masked network is half zeros, so that one can be below it. All libraries build
the same flow (two hidden layers of 256 unless a row says otherwise, 8 bins, the order reversed between autoregressive
steps, permuted in flowjax) and are timed interleaved in one process, on one thread, in CPU seconds; the best rounds
are compared. flowjax is jitted, and compiled before the clock runs.
Differences below 15 % mean nothing. A sample, and a gradient through sampling, is compared with *one* forward pass: the
other libraries run their network once for each of the D columns, fluvial computes every hidden unit once.
`fluvial-torch` is fluvial where no C++ compiler was found when it was installed. With D = 784 and 256 hidden units
fluvial also connects inputs to outputs directly, since so few units cannot carry every dependency; the products
that it is compared with leave these connections out, but for one row. With 1,024 units there are none.
"""

EXACTNESS = """
## How exact

In float64 every compiled kernel equals the torch source to 1e-12 (gradients in steep bins: 1e-9). In float32, in units
of the last place, as `tests/kernels/test_ulps.py` holds them to, drawing shapes and inputs:

| kernel | bound |
|---|---|
| spline, inverse spline | exact for an x within 8 ulps of the bound, y as near; log-det 8 ulps of itself or of 1 |
| exp, softplus, tanh in the scales of affine maps | 4 ulps |
| affine map | (6 + 3 abs(s)) ulps of its terms' sizes |
| the sweep's network | n + 3 ulps of the sum of the sizes of a unit's n terms |
| WaveNet's gate tanh(u / 2) sigmoid(v) | 2 ulps of 1 |
| gradients of the spline; theta of a whole WaveNet | 3 times, 2 times the error of the torch source |
"""


class Cell(NamedTuple):
    """One row of the table."""

    operation: str  # "train", "log_prob", "sample" or "gradient": of the inverse, which others do not have
    family: str
    features: int
    rows: int
    transforms: int
    hidden: int = 256
    peers: bool = True  # False: theirs would take minutes
    direct: bool = False  # see peers.Size


DEPTH = {"maf": 5, "nsf": 5, "realnvp": 8, "nsf_coupling": 8}
CELLS = [
    *[Cell("train", family, 63, 512, DEPTH[family]) for family in DEPTH],
    *[Cell("train", family, 43, 512, DEPTH[family], peers=False) for family in ("nsf", "nsf_coupling")],
    *[
        Cell("train", family, d, 4096, DEPTH[family], peers=False)
        for family in ("nsf", "nsf_coupling")
        for d in (6, 63)
    ],
    *[Cell("train", family, 63, 4096, DEPTH[family], peers=False) for family in ("realnvp", "maf")],
    Cell("train", "maf", 63, 4096, 5, hidden=1024, peers=False),
    *[Cell("log_prob", family, 63, 4096, DEPTH[family]) for family in ("maf", "nsf")],
    Cell("log_prob", "nsf_coupling", 63, 4096, 8, peers=False),
    Cell("log_prob", "maf", 63, 4096, 5, hidden=1024, peers=False),
    *[Cell("sample", "maf", d, 1000, 5) for d in (6, 43, 63)],
    Cell("sample", "maf", 256, 1000, 5, peers=False),
    *[Cell("sample", "maf", 784, rows, 1, peers=rows == 100) for rows in (100, 1000)],
    *[Cell("sample", "nsf", d, 1000, 5, peers=d == 6) for d in (6, 43, 63)],
    *[Cell("sample", "nsf", d, rows, 1, peers=False) for d, rows in ((256, 100), (784, 20))],
    Cell("sample", "nsf", 784, 20, 1, peers=False, direct=True),
    Cell("sample", "nsf", 784, 20, 1, hidden=1024, peers=False),
    *[Cell("gradient", family, 63, 1000, 5, peers=False) for family in ("maf", "nsf")],
]
OPERATIONS = ("train", "log_prob", "sample", "gradient")


def subjects(size: Size, names: list[str]) -> dict[str, Subject]:
    found = {}
    for name in names:
        torch.manual_seed(0)
        try:
            found[name] = LIBRARIES[name](size)
        except (ImportError, NotImplementedError) as error:
            print(f"  {name} left out: {error}", file=sys.stderr)
    return found


def calls(operation: str, size: Size, rows: int, names: list[str]) -> dict[str, Callable[[], object]]:
    """One call for each library, and the floor's."""
    x = torch.randn(rows, size.features, generator=torch.Generator().manual_seed(0))
    floor = Floor(size)
    floor.prepare(rows)
    out: dict[str, Callable[[], object]] = {
        "floor": floor.passes_and_gradients if operation == "train" else floor.passes
    }
    for name, subject in subjects(size, names).items():
        out[name] = {"train": train_step, "log_prob": scorer, "sample": sampler, "gradient": through}[operation](
            subject, x
        )
        if subject.train is not None:
            out[name]()  # compiled before the clock runs
    return out


def train_step(subject: Subject, x: torch.Tensor) -> Callable[[], object]:
    if subject.train is not None:
        return subject.train(x)
    # every library of torch gets the same fused optimiser
    optimizer = torch.optim.Adam(subject.module.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        (-subject.log_prob(x).mean()).backward()
        optimizer.step()

    return step


def scorer(subject: Subject, x: torch.Tensor) -> Callable[[], object]:
    subject.module.eval()
    return torch.no_grad()(lambda: subject.log_prob(x))


def sampler(subject: Subject, x: torch.Tensor) -> Callable[[], object]:
    subject.module.eval()
    return torch.no_grad()(lambda: subject.decode(x))


def through(subject: Subject, x: torch.Tensor) -> Callable[[], object]:
    subject.module.eval()
    z = x.clone().requires_grad_()
    return lambda: subject.decode(z).square().sum().backward()


def import_cost(tries: int = 5) -> float:
    """CPU milliseconds that ``import fluvial`` adds to ``import torch``, best of ``tries``."""
    code = "import time, torch; s = time.process_time(); import fluvial; print(1e3 * (time.process_time() - s))"
    return min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(tries)
    )


def environment() -> dict[str, object]:
    versions = {}
    for name in ("fluvial", "torch", "zuko", "nflows", "normflows", "pyro-ppl", "flowjax", "jax"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": str(date.today()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": 1,
        "kernels": native.status(),
        **versions,
    }


def table(rows: list[dict]) -> str:
    names = ["floor", *[n for n in LIBRARIES if any(n in r["timings"] for r in rows)]]
    lines = ["| work | " + " | ".join(["floor, ms", *names[1:]]) + " |", "|---" * (len(names) + 1) + "|"]
    for r in rows:
        cells = [f"{1e3 * r['timings']['floor']['best']:.1f}"]
        cells += [f"{r['timings'][n]['ratio']:.2f}" if n in r["timings"] else "" for n in names[1:]]
        what = f"{r['operation']} {r['family']}, D = {r['features']}, {r['rows']} rows, {r['transforms']} transforms"
        what += f", {r['hidden']} units" * (r["hidden"] != 256) + ", direct ones counted" * r.get("direct", False)
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(record: dict) -> str:
    """The documentation's page of a record, and of those that other benchmarks have left beside it."""
    where = ", ".join(f"{k} {v}" for k, v in record["environment"].items())
    cost = f"`import fluvial` adds {record['import_ms']:.1f} ms of CPU to `import torch`."
    text = f"{INTRODUCTION}\n{table(record['rows'])}\n\n{cost}\n\nMeasured with: {where}.\n"
    sections = {"curves": curves_section, "threads": threads_section, "time-to": time_section}
    for name, section in sections.items():
        path = RECORD.with_name(f"{name}.json")
        if path.exists():
            text += f"\n{section(json.loads(path.read_text()))}"
    return text + EXACTNESS


def curves_section(record: dict) -> str:
    base = record["base"]
    return f"""## What the cost depends on

`python -m benchmarks.speed.curves`: a spline flow of {base["features"]} columns, {base["transforms"]} transforms and
{base["hidden"]} hidden units, {base["rows"]:,} rows at once, one of these varied at a time; one thread. Below, the
memory that one call needs at its peak, above what was there before. zuko is dashed; it samples by D passes and is left
out there.

![CPU time a row, and memory of a call, over columns, depth, width and rows](images/cost.svg)
"""


def threads_section(record: dict) -> str:
    counts = record["threads"][1:]
    rows = [
        f"| {row['operation']} {row['family']} | "
        + " | ".join(f"{f:.2f} ({p:.2f})" for f, p in zip(row["faster"]["fluvial"], row["faster"]["products"]))
        + " |"
        for row in record["rows"]
    ]
    lines = ["| work | " + " | ".join(f"{n} threads" for n in counts) + " |", "|---" * (len(counts) + 1) + "|", *rows]
    return f"""## More threads

How many times as fast as on one thread, in wall seconds, best rounds, D = 63 and 4,096 rows; in brackets, the dense
products alone. `python -m benchmarks.speed.threads`, {record["cores"]} cores, load {record["load"]:.1f}.

{chr(10).join(lines)}
"""


def time_section(record: dict) -> str:
    from benchmarks.speed import time_to

    threads = " and ".join(sorted({str(row["threads"]) for row in record["rows"]}))
    return f"""## Time to a given likelihood

zuko's NSF trains for its whole budget, as its README has it (`zuko-readme`) or with fluvial's training (`zuko`);
fluvial's default is stopped when its validation score, and the same weights' test score, are at least the peer's at
the end. `python -m benchmarks.speed.time_to`, up to {threads} threads; wall seconds, scores in nats.

{time_to.table(record["rows"])}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=OPERATIONS, default=OPERATIONS)
    parser.add_argument("--libraries", nargs="+", choices=list(LIBRARIES), default=list(LIBRARIES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget", type=float, default=20.0, help="seconds for one row of the table")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--page", action="store_true", help="write the page of the records and measure nothing")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(page(json.loads(RECORD.read_text())))
        return
    torch.set_num_threads(1)
    rows = json.loads(options.out.read_text())["rows"] if options.out.exists() else []  # of operations not measured now
    record, measured = {"environment": environment(), "import_ms": import_cost()}, list[dict]()
    for cell in CELLS:
        if cell.operation not in options.only:
            continue
        size = Size(cell.family, cell.features, cell.transforms, (cell.hidden, cell.hidden), direct=cell.direct)
        names = [n for n in options.libraries if cell.peers or n.startswith("fluvial")]
        timings: dict[str, Timing] = interleave(
            calls(cell.operation, size, cell.rows, names), "floor", options.rounds, options.budget
        )
        measured.append({**cell._asdict(), "timings": {name: asdict(t) for name, t in timings.items()}})
        print(table(measured[-1:]).splitlines()[-1], flush=True)
        record["rows"] = [*[r for r in rows if r["operation"] not in options.only], *measured]
        options.out.write_text(json.dumps(record, indent=1) + "\n")
    if options.out == RECORD:
        PAGE.write_text(page(record))
    print(f"\n{table(measured)}\n\nimport fluvial: {record['import_ms']:.1f} ms of CPU over import torch")
