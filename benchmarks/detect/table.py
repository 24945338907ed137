"""The standing on ADBench's sets, from the records, those left out that scores were chosen on."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from benchmarks.detect.adbench import records
from benchmarks.detect.sets import DEVELOPMENT


def standing(told: str) -> tuple[int, list[tuple[str, float, float, float, float]]]:
    """How many sets there are, and for each detector its mean AUROC, average precision, rank by AUROC, CPU seconds."""
    found = [r for r in records() if r["trained on"] == told and r["set"] not in DEVELOPMENT]
    detectors = sorted({r["detector"] for r in found})
    cells = sorted({(r["set"], r["seed"]) for r in found})
    by = {(r["set"], r["seed"], r["detector"]): r for r in found}
    whole = [cell for cell in cells if all((*cell, d) in by for d in detectors)]
    auroc, ap, seconds = (
        np.array([[by[(*cell, d)][key] for d in detectors] for cell in whole]) for key in ("auroc", "ap", "cpu seconds")
    )
    ranks = rankdata(-auroc, axis=1)
    rows = [
        (d, *(float(v) for v in vs))
        for d, *vs in zip(detectors, auroc.mean(0), ap.mean(0), ranks.mean(0), seconds.mean(0))
    ]
    return len({name for name, _ in whole}), sorted(rows, key=lambda row: -row[1])


def main(argv: list[str]) -> None:
    """Print both standings as Markdown."""
    for told in ("mixture", "normals"):
        sets, rows = standing(told)
        print(
            f"\ntrained on {told}, {sets} sets\n\n| detector | AUROC | average precision | rank | CPU seconds a fit |"
        )
        print("|---|---:|---:|---:|---:|")
        for name, auroc, ap, rank, seconds in rows:
            print(f"| {name} | {auroc:.3f} | {ap:.3f} | {rank:.2f} | {seconds:.1f} |")
