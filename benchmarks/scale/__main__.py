"""``python -m benchmarks.scale --rows 100000 1000000``: processor seconds and peak memory of whole commands.

Each command is a process of its own on one thread, Parquet in and out: 20 columns of float64, a quarter of them
positive. Beside them stand the seconds that pyarrow alone needs to read the rows and to write as many scores, and those
that the fitted density needs to score them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.feather as feather
import pyarrow.parquet as pq

from benchmarks import common

COLUMNS, PART = 20, 100_000
CHILD = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); \
use = resource.getrusage(resource.RUSAGE_CHILDREN); print(code, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024)"


def make(path: Path, rows: int, seed: int = 0, mixed: int | None = None) -> None:
    """A table of dependent columns, row group by row group; ``mixed`` is the seed of the dependence, if of its own."""
    rng = np.random.default_rng(seed)
    mixing = rng if mixed is None else np.random.default_rng([mixed, COLUMNS])
    mix, writer = mixing.normal(size=(COLUMNS, COLUMNS)) / COLUMNS**0.5, None
    for first in range(0, rows, PART):
        x = rng.normal(size=(min(PART, rows - first), COLUMNS)) @ mix
        x[:, ::4] = np.exp(x[:, ::4])
        table = pa.table({f"x{i}": column for i, column in enumerate(x.T)})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def cost(*command: str) -> dict[str, float]:
    """Processor seconds, wall seconds and peak MiB of one command of fluvial."""
    begin = time.perf_counter()
    call = [sys.executable, "-c", CHILD, sys.executable, "-m", "fluvial", *command]
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    code, seconds, peak = done.stdout.split()[-3:]
    if code != "0":
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {done.stderr[-500:]}")
    wall = time.perf_counter() - begin
    return {"cpu_seconds": round(float(seconds), 2), "wall_seconds": round(wall, 2), "peak_mib": round(float(peak))}


def bare(data: Path, scores: Path) -> float:
    """Processor seconds of pyarrow alone: reading the rows, of a file or a folder, and writing the scores again."""
    spent, again = 0.0, scores.with_suffix(".again")
    for path in sorted(data.iterdir()) if data.is_dir() else [data]:
        begin = time.process_time()
        for batch in pq.ParquetFile(path).iter_batches(1 << 16):
            batch.validate()
        spent += time.process_time() - begin
    with pq.ParquetFile(scores) as source, pq.ParquetWriter(again, source.schema_arrow, use_dictionary=False) as writer:
        for i in range(source.num_row_groups):
            written = source.read_row_group(i)
            begin = time.process_time()
            writer.write_table(written)
            spent += time.process_time() - begin
    return round(spent, 2)


def own(run: Path, data: Path) -> float:
    """Processor seconds of the fitted density alone, on rows that are encoded already."""
    import torch

    import fluvial

    torch.set_num_threads(1)
    model = fluvial.load(run)
    x = np.stack([column.to_numpy() for column in pq.read_table(data).columns], axis=1)
    begin = time.process_time()
    model.log_prob_rows(x)
    return round(time.process_time() - begin, 2)


def _copied(data: Path, copy: Path) -> None:
    """The rows in another format."""
    rows = pq.read_table(data)
    write = {".csv": csv.write_csv, ".feather": feather.write_feather}[copy.suffix]
    write(rows, str(copy))


def measure(model: str, rows: int, folder: Path, fit: bool) -> dict[str, Any]:
    """One model, one size."""
    data, run, scores = folder / f"{rows}.parquet", folder / model, folder / "scores.parquet"
    if not data.exists():
        make(data, rows)
    found: dict[str, Any] = {"model": model, "rows": rows}
    if fit:
        found["fit"] = cost("fit", str(data), "--model", model, "--epochs", "1", "--out", str(run), "--force")
    found["score"] = cost("score", str(run), str(data), "-o", str(scores))
    found["pyarrow_seconds"] = bare(data, scores)
    if rows == 10 * PART and model == "gaussian":
        for name in ("csv", "feather"):
            copy = data.with_suffix(f".{name}")
            _copied(data, copy)
            found[f"score_{name}"] = cost("score", str(run), str(copy), "-o", str(scores))
            copy.unlink()
    if rows <= 10 * PART:
        found["density_seconds"] = own(run, data)
    found["sample"] = cost("sample", str(run), "-n", str(rows), "--seed", "1", "-o", str(folder / "new.parquet"))
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--models", nargs="+", default=["gaussian", "nsf"])
    parser.add_argument("--out", type=Path, default=common.RECORDS)
    parser.add_argument("--name", default="scale")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        # a run is fitted once for a model, to the smallest table
        sizes = sorted(given.rows)
        found = [measure(m, n, Path(name), n == sizes[0]) for m in given.models for n in sizes]
    record = {"commit": common.commit(), "load": os.getloadavg()[0], "columns": COLUMNS, "measured": found}
    common.write_record(given.name, record, given.out)


if __name__ == "__main__":
    main()
