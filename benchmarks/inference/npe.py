"""Posteriors of simulators by NPE inside sbi: fluvial's flows beside sbi's own, judged by C2ST in the same run.

``python -m benchmarks.inference npe [--tasks ...] [--budgets 1000,10000] [--engines sbi,fluvial] [--observations 3]``

C2ST is the accuracy of a classifier that tells draws from the reference posterior, by sbi's own function with the
networks of the benchmark: 0.5 is perfect, 1 is worst. Nothing is tuned: both engines get the same simulations and
sbi's training as it stands. Records are appended one by one, and what has a record is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import RECORDS, commit
from benchmarks.inference.simulators import read, tasks

PATH = RECORDS / "inference-npe.jsonl"
ENGINES = ("sbi", "sbi-nsf", "fluvial", "fluvial-maf")
DRAWS = 10_000


def main(argv: list[str]) -> None:
    """What has no record yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference npe")
    parser.add_argument("--tasks", default=",".join(tasks()))
    parser.add_argument("--budgets", default="1000,10000")
    parser.add_argument("--engines", default="sbi,fluvial")
    parser.add_argument("--observations", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    for budget in map(int, given.budgets.split(",")):
        for task in given.tasks.split(","):
            for engine in given.engines.split(","):
                cell = {"task": task, "simulations": budget, "engine": engine, "seed": given.seed}
                if all(
                    any(old.items() >= cell.items() for old in records(n)) for n in range(1, given.observations + 1)
                ):
                    continue
                for record in measured(cell, given.observations):
                    with PATH.open("a") as file:
                        file.write(json.dumps(record) + "\n")
                    print(record, flush=True)


def records(observation: int) -> list[dict[str, Any]]:
    """Those there are, of one observation."""
    lines = PATH.read_text().splitlines() if PATH.exists() else []
    return [r for r in map(json.loads, lines) if r["observation"] == observation]


def measured(cell: dict[str, Any], observations: int) -> list[dict[str, Any]]:
    """One training, and the C2ST of each observation."""
    from sbi.utils.metrics import c2st

    task = tasks()[cell["task"]]
    torch.manual_seed(cell["seed"])
    theta = task.prior.sample((cell["simulations"],))
    x = task.simulate(theta)
    begin = time.process_time()
    posterior, epochs, held_out = trained(cell["engine"], task.prior, theta, x)
    seconds = time.process_time() - begin
    found = []
    for number in range(1, observations + 1):
        torch.manual_seed(number)
        drawn = posterior.sample((DRAWS,), x=read(cell["task"], number, "observation"), show_progress_bars=False)
        reference = read(cell["task"], number, "reference_posterior_samples")[:DRAWS]
        accuracy = float(c2st(reference, drawn.detach(), seed=1, classifier="mlp"))
        found.append(
            {
                **cell,
                "observation": number,
                "c2st": round(accuracy, 4),
                "held-out log p": round(held_out, 4),
                "epochs": epochs,
                "cpu seconds": round(seconds, 1),
                "commit": commit(),
            }
        )
    return found


def trained(engine: str, prior: Any, theta: Tensor, x: Tensor) -> tuple[Any, int, float]:
    """The posterior that sbi's training arrives at, its epochs and its best held-out log-likelihood."""
    from sbi.inference import NPE

    from fluvial.interfaces.sbi import posterior_nn

    built = {"sbi": "maf", "sbi-nsf": "nsf"}.get(engine)
    if built is None:
        built = posterior_nn(*engine.split("-")[1:])
    where = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:  # sbi leaves its logs where it runs
        os.chdir(folder)
        try:
            trainer = NPE(prior, density_estimator=built, show_progress_bars=False)
            trainer.append_simulations(theta, x).train()
            posterior = trainer.build_posterior()
        finally:
            os.chdir(where)
    told = trainer.summary
    return posterior, int(told["epochs_trained"][-1]), -float(told["best_validation_loss"][-1])
