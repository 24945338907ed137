"""``python -m benchmarks.scale.ray``: rows in many files scored by two workers of Ray, one of which is killed twice.

The scores are held against those of one process, bit for bit, and each row must be there once.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks import common
from benchmarks.scale.__main__ import COLUMNS, cost, make

FILES, WORKERS, KILLED_AT = 64, 2, (3, 9)


def parents() -> dict[int, tuple[int, str]]:
    """The parent and the name of each process, by its number."""
    found: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            name = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        found[int(folder.name)] = (int(status.split("PPid:")[1].split()[0]), name)
    return found


def workers_of(process: int) -> list[int]:
    """The workers of Ray that score blocks, among the descendants of a process."""
    known = parents()

    def descends(each: int) -> bool:
        while each in known and each != process:
            each = known[each][0]
        return each == process

    return [each for each, (_, name) in known.items() if "_Blocks" in name and "ray::" in name and descends(each)]


def measured(run: Path, data: Path, out: Path, killed_at: tuple[int, ...]) -> dict[str, Any]:
    """Wall seconds of a scoring, in which a worker is killed once each of so many blocks is there."""
    options = ["--engine", "ray", "--workers", str(WORKERS), "-o", str(out)]
    command = [sys.executable, "-m", "fluvial", "score", str(run), str(data), *options]
    begin, left, killed = time.perf_counter(), list(killed_at), list[int]()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as scoring:
        while scoring.poll() is None:
            if left and len(list(out.glob("*.parquet"))) >= left[0] and (found := workers_of(scoring.pid)):
                os.kill(found[0], signal.SIGKILL)
                killed.append(left.pop(0))
            time.sleep(0.02)
        said = scoring.stderr.read() if scoring.stderr else ""
    if scoring.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {scoring.returncode}: {said[-1000:]}")
    return {"wall_seconds": round(time.perf_counter() - begin, 1), "killed_after_blocks": killed}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.ray", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=common.RECORDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, run, single = Path(name), Path(name, "run"), Path(name, "single.parquet")
        (folder / "data").mkdir()
        for i in range(FILES):
            make(folder / "data" / f"{i:02d}.parquet", given.rows // FILES, seed=i, mixed=0)
        one = str(folder / "data" / "00.parquet")
        cost("fit", one, "--model", "gaussian", "--epochs", "1", "--out", str(run), "--force")
        alone = cost("score", str(run), str(folder / "data"), "-o", str(single))
        found: dict[str, Any] = {"one_process": alone}
        for word, killed_at in (("undisturbed", ()), ("killed", KILLED_AT)):
            found[word] = measured(run, folder / "data", folder / word, killed_at)
            scores = pq.read_table(folder / word)
            found[word] |= {"rows": len(scores), "equal_bit_for_bit": scores.equals(pq.read_table(single))}
            print(word, found[word], flush=True)
    record = {"commit": common.commit(), "load": os.getloadavg()[0], "columns": COLUMNS, "files": FILES}
    common.write_record("scale-ray", {**record, "workers": WORKERS, "measured": found}, given.out)


if __name__ == "__main__":
    main()
