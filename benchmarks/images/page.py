"""The documentation's page of images, from the records of likelihood.py and peers.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.common import DOCS, RECORDS

PAGE = DOCS / "images-benchmarks.md"
PAIRS = {
    "MNIST": ("glow_mnist", "default_mnist"),
    "CIFAR-10, 16 x 16 crops": ("plain_glow_cifar10_16", "default_cifar10_16"),
    "CIFAR-10": ("plain_glow_cifar10", "default_cifar10"),
}
"""Compared at equal compute: glow with its defaults, and the default model of images with its."""
POINTS = 6
"""Of a curve, in the page; the record has all."""

INTRODUCTION = """# Images, measured

Written by `python -m benchmarks.images page` from `benchmarks/records/images-*.json`; one command per row, such as
`python -m benchmarks.images maf --budget 3600 --checkpoints DIR --test`.

Settings are chosen by validation images; test images are scored once, by the weights that training ended with, in full
precision. Bits per dimension count 8-bit pixels, lower is better. Models with uniform noise give an upper bound of
them; `multiscale` gives the exact number. Every run tried is in the records.
"""
PUBLISHED = """
## Published models

MNIST in logit space (nats of the logit of pixels with noise, alpha 1e-6, 50,000 / 10,000 / 10,000 images, fresh noise
in every step; Papamakarios et al. 2017, table 2), NICE in nats of pixels in [0, 1) (Dinh et al. 2014), RealNVP and Glow
with the published sizes in bits per dimension (Dinh et al. 2016; Kingma and Dhariwal 2018). Each row is the
best of its runs by validation. Rows that shared a GPU have fewer steps than it gives alone; the authors of NICE,
RealNVP and Glow trained for days.
"""
EQUAL = """
## The default model at equal compute

`multiscale` against `glow`, both with their default options, as many steps as fit in the budget: CPU seconds of one
thread, or seconds of a GPU. Bits per dimension of 2,000 or more validation images, their standard errors, and in
brackets those of as many test images.
"""
PEERS = """
## Glow beside normflows'

The same levels, steps, widths, batches and number of steps (batch 32, Adam), no ActNorm inside the networks, as in
normflows' blocks; one thread.
"""


def write() -> None:
    """Write the page."""
    records = {path.stem.removeprefix("images-"): json.loads(path.read_text()) for path in _paths()}
    peers = records.pop("normflows", None)
    paired = {name for pair in PAIRS.values() for name in pair}
    published = [r for name, r in records.items() if name not in paired]
    parts = [
        INTRODUCTION,
        PUBLISHED,
        _published(published),
        EQUAL,
        _equal(records),
        *([PEERS, _peers(peers)] if peers else []),
    ]
    PAGE.write_text("\n".join(parts).rstrip() + "\n")
    print(f"wrote {PAGE.name}")


def _paths() -> list[Path]:
    return sorted(p for p in RECORDS.glob("images-*.json"))


def _published(records: list[dict[str, Any]]) -> str:
    columns = (
        "row | published | test | bits per dim | validation | parameters | device | seconds | steps | images/s | runs"
    )
    lines = [f"| {columns} |", "|---" * 11 + "|"]
    curves = ["", "Validation bits per dimension along the way:", "", "| row | images: bits |", "|---|---|"]
    for record in records:
        runs = [run for run in record["runs"] if run["valid"]["bits"] is not None]
        best = min(runs, key=lambda run: run["valid"]["bits"])
        test, unit = best.get("test"), record["unit"]
        own = "" if test is None else f"{test[unit]:.3f} ± {test[f'{unit}_standard_error']:.3f}"
        bits = "" if test is None else f"{test['bits']:.3f}"
        lines.append(
            f"| `{record['row']}` | {record['published'] or ''} {unit} | {own} | {bits} | {best['valid']['bits']:.3f} "
            f"| {best['parameters']:,} | {best['device']} | {best['seconds']:.0f} | {best['steps']:,} "
            f"| {best['images_per_second']:.0f} | {len(record['runs'])} |"
        )
        curve = best["curve"]
        chosen = (
            [curve[round(i * (len(curve) - 1) / (POINTS - 1))] for i in range(POINTS)] if len(curve) > POINTS else curve
        )
        points = ", ".join(f"{p['images']:,}: {p['valid_bits']}" for p in chosen)
        curves.append(f"| `{record['row']}` | {points} |")
    return "\n".join([*lines, *curves])


def _equal(records: dict[str, dict[str, Any]]) -> str:
    lines = ["| images | device | budget, s | glow | multiscale | steps | better by |", "|---" * 7 + "|"]
    for name, pair in PAIRS.items():
        runs = [_by_budget(records.get(row)) for row in pair]
        for key in sorted(runs[0].keys() & runs[1].keys()):
            device, budget = key
            glow, default = (found[key] for found in runs)
            scores = [_score(run) for run in (glow, default)]
            gain = glow["valid"]["bits"] - default["valid"]["bits"]
            steps = f"{glow['steps']:,} / {default['steps']:,}"
            lines.append(f"| {name} | {device} | {budget:.0f} | {scores[0]} | {scores[1]} | {steps} | {gain:.3f} |")
    return "\n".join(lines)


def _score(run: dict[str, Any]) -> str:
    valid, test = run["valid"], run.get("test")
    return f"{valid['bits']:.3f} ± {valid['bits_standard_error']:.3f}" + (f" ({test['bits']:.3f})" if test else "")


def _by_budget(record: dict[str, Any] | None) -> dict[tuple[str, float], dict[str, Any]]:
    """The best run by validation for each device and budget."""
    found: dict[tuple[str, float], dict[str, Any]] = {}
    for run in record["runs"] if record else []:
        key = run["device"], run["budget"]
        if key not in found or run["valid"]["bits"] < found[key]["valid"]["bits"]:
            found[key] = run
    return found


def _peers(record: dict[str, Any]) -> str:
    lines: list[str] = []
    if "bits" in record:
        lines += ["| images | steps | fluvial, bits | normflows, bits | ahead by | s.e. over seeds |", "|---" * 6 + "|"]
        for data, r in record["bits"].items():
            ours, theirs = (", ".join(f"{b:.3f}" for b in r[name]) for name in ("fluvial", "normflows"))
            lines.append(
                f"| {data} | {r['count']} | {ours} | {theirs} | {r['ahead']:.3f} | {r['standard_error']:.3f} |"
            )
    if "step" in record:
        lines += [
            "",
            "Time of a training step as a ratio to normflows':",
            "",
            "| images | fluvial | with `reversible` | which is, of the plain step |",
        ]
        lines += ["|---" * 4 + "|"]
        for data, r in record["step"].items():
            plain, rebuilt = r["ratios"]["fluvial"], r["ratios"]["fluvial-reversible"]
            lines.append(f"| {data} | {plain:.2f} | {rebuilt:.2f} | {rebuilt / plain:.2f} |")
    for data, r in record.get("memory", {}).items():
        lines += ["", f"Activations held for the backward pass, MiB, {data}:", "", *_by_depth(r["held_mib"])]
        lines += ["", f"Peak memory of a step beyond weights and optimiser, MiB, {data}:", "", *_by_depth(r["mib"])]
    return "\n".join(lines)


def _by_depth(mib: dict[str, dict[str, int]]) -> list[str]:
    depths = list(mib["normflows"])
    lines = ["| steps a level | " + " | ".join(depths) + " |", "|---" * (1 + len(depths)) + "|"]
    return lines + [f"| {name} | " + " | ".join(str(found[d]) for d in depths) + " |" for name, found in mib.items()]
