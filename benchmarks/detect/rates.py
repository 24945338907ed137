"""False alarms at the rates asked for, on held-out normal rows of ADBench's sets, and the share of false discoveries.

``python -m benchmarks.detect rates [--epochs 1] [--sets 39_vertebral,45_wine]``
"""

from __future__ import annotations

import argparse
import json
import warnings

import numpy as np

from benchmarks.common import RECORDS, commit
from benchmarks.detect.sets import names, split

PATH = RECORDS / "detect-rates.jsonl"
RATES = (0.001, 0.01, 0.05)


def main(argv: list[str]) -> None:
    """Fit the normals of each set that has no record yet."""
    import fluvial
    from fluvial.examine.conformal import discoveries

    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect rates")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--sets", default="")
    given = parser.parse_args(argv)
    done = {json.loads(line)["set"] for line in PATH.read_text().splitlines()} if PATH.exists() else set()
    for name in given.sets.split(",") if given.sets else names():
        if name in done:
            continue
        parts = split(name, 0, True)
        options = {"hidden": [32], "blocks": 1, "components": 4, "classes": 2}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector = fluvial.FlowDetector(epochs=given.epochs, options=options, holdout=0.3, random_state=0).fit(
                parts.train
            )
            p = detector.p_values(parts.test)
        normal, reference = p[parts.labels == 0], len(detector.detector_.reference)
        found = discoveries(p, 0.1)
        record = {
            "set": name,
            "held out": reference,
            "normal rows": len(normal),
            "flagged": {str(rate): int((normal <= rate).sum()) for rate in RATES},
            "discoveries": int(found.sum()),
            "false discoveries": int((found & (parts.labels == 0)).sum()),
            "anomalies": int(parts.labels.sum()),
            "commit": commit(),
        }
        with PATH.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(record, flush=True)
    _tell()


def _tell() -> None:
    """How many sets keep each rate: within two standard errors, of the held-out rows' and of the judged ones."""
    found = [json.loads(line) for line in PATH.read_text().splitlines()]
    for rate in RATES:
        able = [r for r in found if rate >= 1 / (1 + r["held out"])]
        if not able:
            print(f"rate {rate:g}: no set has enough held-out rows")
            continue
        shares = np.array([r["flagged"][str(rate)] / r["normal rows"] for r in able])
        errors = np.array([(rate * (1 - rate) * (1 / r["held out"] + 1 / r["normal rows"])) ** 0.5 for r in able])
        print(
            f"rate {rate:g}: {len(able)} sets with enough held-out rows, mean share {shares.mean():.4f}, "
            f"{int((shares <= rate + 2 * errors).sum())} within two standard errors"
        )
    false = [r["false discoveries"] / max(1, r["discoveries"]) for r in found]
    print(f"false discoveries at 0.1: {np.mean(false):.3f} of the discoveries, over {len(found)} sets")
