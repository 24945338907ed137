"""What the records come to, as Markdown; of ADBench the sets are left out that scores were chosen on."""

from __future__ import annotations

import json

import numpy as np
from scipy.stats import rankdata, t

from benchmarks.common import RECORDS
from benchmarks.detect import balance
from benchmarks.detect.adbench import records
from benchmarks.detect.sets import DEVELOPMENT

Row = tuple[str, float, float, float, float]


def standing(told: str) -> tuple[int, list[Row]]:
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
    means = [each.mean(0).tolist() for each in (auroc, ap, ranks, seconds)]
    return len({name for name, _ in whole}), sorted(zip(detectors, *means), key=lambda row: -row[1])


def balanced(maker: str, against: str) -> tuple[int, float, float, float, float]:
    """In how many folds both were measured; the maker's mean balanced accuracy, and the mean difference of pairs.

    Its last two numbers are where 95 of 100 means of so many pairs lie, by Student's t.
    """
    by = {(r["table"], r["fold"], r["maker"]): r["balanced accuracy"] for r in balance.records(balance.PATH)}
    pairs = [
        (by[(*k, maker)], by[(*k, against)])
        for k in sorted({k[:2] for k in by})
        if {(*k, maker), (*k, against)} <= set(by)
    ]
    one, other = np.array(pairs).T
    away = one - other
    half = float(t.ppf(0.975, len(away) - 1) * away.std(ddof=1) / len(away) ** 0.5)
    return len(pairs), float(one.mean()), float(away.mean()), float(away.mean()) - half, float(away.mean()) + half


def main(argv: list[str]) -> None:
    """Print all that has been measured."""
    for told in ("mixture", "normals"):
        sets, rows = standing(told)
        head = "| detector | AUROC | average precision | rank | CPU seconds a fit |"
        print(f"\ntrained on {told}, {sets} sets\n\n{head}\n|---|---:|---:|---:|---:|")
        for name, auroc, ap, rank, seconds in rows:
            print(f"| {name} | {auroc:.3f} | {ap:.3f} | {rank:.2f} | {seconds:.1f} |")
    makers = sorted({r["maker"] for r in balance.records()} - {"none"})
    print("\n| new rows by | folds | balanced accuracy | more than without | 95 % |\n|---|---:|---:|---:|---|")
    for maker in makers:
        folds, mean, more, low, high = balanced(maker, "none")
        print(f"| {maker} | {folds} | {mean:.3f} | {more:+.3f} | {low:+.3f} to {high:+.3f} |")
    for other in [m for m in makers if m != "fluvial"]:
        folds, _, more, low, high = balanced("fluvial", other)
        print(f"fluvial less {other}, {folds} folds: {more:+.3f} ({low:+.3f} to {high:+.3f})")
    path = RECORDS / "detect-nab.json"
    for name, scores in json.loads(path.read_text())["scores"].items() if path.exists() else ():
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in scores.values()) + " |")
