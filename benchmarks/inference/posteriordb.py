"""Posteriors of posteriordb by ``fluvial.infer``, beside the reference draws.

``python -m benchmarks.inference posteriordb [--names ...] [--seeds 0] [--flows iaf]``

A posterior counts as found where each mean and standard deviation is within 0.1 reference standard deviations and
Pareto k is below 0.7. Records are appended one by one, and what has a record is not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

import fluvial
from benchmarks.common import RECORDS, commit
from benchmarks.inference.posteriors import posteriors, reference

PATH = RECORDS / "inference-posteriordb.jsonl"
WITHIN, TRUSTED = 0.1, 0.7


def main(argv: list[str]) -> None:
    """What has no record yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference posteriordb")
    parser.add_argument("--names", default=",".join(posteriors()))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--flows", default="iaf")
    parser.add_argument("--alphas", default="0.5")
    parser.add_argument("--epochs", type=int, default=40)
    given = parser.parse_args(argv)
    done = [json.loads(line) for line in PATH.read_text().splitlines()] if PATH.exists() else []
    for name in given.names.split(","):
        for seed in map(int, given.seeds.split(",")):
            for flow in given.flows.split(","):
                for alpha in map(float, given.alphas.split(",")):
                    cell = {"posterior": name, "seed": seed, "flow": flow, "alpha": alpha, "epochs": given.epochs}
                    if any(old.items() >= cell.items() for old in done):
                        continue
                    record = measured(cell)
                    with PATH.open("a") as file:
                        file.write(json.dumps(record) + "\n")
                    print(record, flush=True)


def measured(cell: dict[str, Any]) -> dict[str, Any]:
    """One fit, and how far its weighted moments are from those of the reference draws."""
    posterior = posteriors()[cell["posterior"]]()
    begin = time.process_time()
    fit = fluvial.infer(
        posterior.log_density,
        posterior.dim,
        constraints=posterior.constraint,
        **{key: cell[key] for key in ("seed", "flow", "alpha", "epochs")},
    )
    seconds = time.process_time() - begin
    draws = reference(cell["posterior"], posterior.names)
    values = fit.x if posterior.compared is None else posterior.compared(fit.x)
    mean = fit.expect(values)
    sd = fit.expect((values - mean).square()).sqrt()
    unit = draws.std(0)
    off_mean, off_sd = np.abs(mean.numpy() - draws.mean(0)) / unit, np.abs(sd.numpy() - unit) / unit
    worst = float(max(off_mean.max(), off_sd.max()))
    return {
        **cell,
        "numbers": len(posterior.names),
        "worst mean": round(float(off_mean.max()), 4),
        "worst sd": round(float(off_sd.max()), 4),
        "pareto k": round(fit.weights.pareto_k, 3),
        "ess": round(fit.weights.ess),
        "log evidence": round(fit.weights.log_evidence, 4),
        "log evidence error": round(fit.weights.log_evidence_error, 4),
        "found": worst < WITHIN and fit.weights.pareto_k < TRUSTED,
        "sentences": list(fit.sentences[1:]),
        "cpu seconds": round(seconds, 1),
        "commit": commit(),
    }
