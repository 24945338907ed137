"""Is the planted wrong cell the one that is named? ``python -m benchmarks.detect cells``

A cell of each held-out row gets the value of another row, at least a standard deviation away or another label.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.common import commit, data_folder, write_record


def synthetic(n: int = 4000) -> dict[str, np.ndarray]:
    """Five numbers and a label that two hidden numbers decide."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n, 2))
    columns = {f"a{i}": np.round(hidden @ rng.normal(size=2) + 0.2 * rng.normal(size=n), 3) for i in range(5)}
    return columns | {"g": np.array(["x", "y", "z"], dtype=object)[np.digitize(hidden[:, 0], [-0.5, 0.5])]}


def tables() -> dict[str, Any]:
    """What is tried, by name."""
    from fluvial.data.abalone import load_abalone

    return {
        "synthetic": synthetic(),
        "abalone": load_abalone()[0],
        "adult": str(data_folder() / "mixed" / "adult-train.csv"),
    }


def planted(x: np.ndarray, labels: list[bool], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (N, D) with one wrong cell each, and which it is."""
    rng = np.random.default_rng(seed)
    bad, which = x.copy(), rng.integers(x.shape[1], size=len(x))
    for row, i in enumerate(which):
        pool = x[:, i][~np.isnan(x[:, i])]
        away = np.abs(pool - np.nan_to_num(x[row, i], nan=pool.mean()))
        far = pool[away > 0] if labels[i] else pool[away > pool.std()]
        bad[row, i] = rng.choice(far if len(far) else pool[away.argsort()[-5:]])
    return bad, which


def main(argv: list[str]) -> None:
    """Fit each table, plant, and say how often the planted cell is named."""
    import fluvial
    from fluvial.kinds.tables.detect import Detector
    from fluvial.kinds.tables.reasons import reasons

    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect cells")
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--tables", default="")
    given = parser.parse_args(argv)
    time.monotonic = time.process_time  # budgets are of processor seconds
    for name, table in tables().items():
        if given.tables and name not in given.tables.split(","):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = fluvial.fit(table, "mixed", budget=given.budget, seed=0, progress=False)
            detector = Detector.of(model)
        x = model.rows["held_out.x"][:2000]
        bad, which = planted(x, [c.categorical for c in model.schema.columns], 0)
        flagged = detector.p(detector.unusual.scores(bad, None)) <= 0.01
        told = reasons(model.density, model.schema, detector.usual, bad)
        hit = np.array([reason.column == model.schema.names[i] for reason, i in zip(told, which)])
        content = {
            "rows": len(bad),
            "budget": given.budget,
            "commit": commit(),
            "flagged at 0.01": float(flagged.mean()),
            "named, of flagged": float(hit[flagged].mean()),
            "named, of all": float(hit.mean()),
            "no cell named, of all": float(np.mean([reason.column == "" for reason in told])),
        }
        print(name, content, flush=True)
        write_record(f"detect-cells-{name}", content)
