"""``python -m benchmarks.scale.large``: an epoch over rows that no memory would hold, their scores, and as many new.

Ten Parquet files of 20 columns; processor seconds and peak memory of each command, in a process of its own on one
thread. What is trained is a small MAF, so that an epoch takes minutes; scores and draws are those of ``gaussian``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.scale.__main__ import COLUMNS, bare, cost, make

FILES = 10
OPTIONS = ("--set", "transforms=2", "--set", "hidden=[32]", "--set", "batch_size=4096")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.large", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, default=common.RECORDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data, maf, gaussian = (Path(name, part) for part in ("data", "maf", "gaussian"))
        scores, found = Path(name, "scores.parquet"), dict[str, Any]()
        data.mkdir()
        for i in range(FILES):
            make(data / f"{i}.parquet", given.rows // FILES, mixed=0, seed=i)

        def told(what: str, *command: str) -> None:
            found[what] = {**cost(*command), "load": os.getloadavg()[0]}
            print(what, found[what], flush=True)

        told("fit gaussian", "fit", str(data / "0.parquet"), "--model", "gaussian", "--out", str(gaussian))
        told("score gaussian", "score", str(gaussian), str(data), "-o", str(scores))
        found["pyarrow_seconds"] = bare(data, scores)
        told("sample gaussian", "sample", str(gaussian), "-n", str(given.rows), "--seed", "1", "-o", str(scores))
        told("fit maf", "fit", str(data), "--model", "maf", "--epochs", "1", *OPTIONS, "--out", str(maf))
    record = {"commit": common.commit(), "columns": COLUMNS, "rows": given.rows, "files": FILES, "maf": OPTIONS}
    common.write_record("scale-large", {**record, "measured": found}, given.out)


if __name__ == "__main__":
    main()
