"""Time to a given likelihood: how soon is fluvial as good as zuko's NSF is after its whole budget?

    python -m benchmarks.speed.time_to --data miniboone40 bsds300 --budget 600 --threads 16 --out DIR

zuko's NSF trains for ``--budget`` wall seconds on each data set, once as its README has it and once of fluvial's size
with fluvial's training; fluvial's default gets a third of that, with its default training. It has reached a peer at
the first epoch after which its best validation score is at least the peer's at its end, and the same weights' test
score too. The command takes at most 2.4 budgets a data set, and goes on where it was interrupted. On a machine without
the data beside the project, ``FLUVIAL_DATA`` names their folder.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from benchmarks.tables import datasets
from benchmarks.tables.fidelity import README, build, log_prob, summary
from fluvial.kernels import native
from fluvial.training import Data, Settings, train

RECORD = common.RECORDS / "time-to.json"
PEERS = ("zuko-readme", "zuko")
SHARE = 1 / 3
"""Of a peer's budget, what fluvial gets."""


class Run:
    """One model in training; its state lies in two files, so that it can stop anywhere."""

    def __init__(self, model: str, data: datasets.Dataset, settings: Settings, path: Path) -> None:
        self.model, self.data, self.settings, self.path = model, data, settings, path
        torch.manual_seed(settings.seed)
        self.density = build(model, data.train)
        self.rows, self.valid = (Data(torch.from_numpy(x).double()) for x in (data.train, data.valid))
        self.state: dict[str, Any] = {"model": model, "curve": [], "reached": {}}
        if path.exists():
            self.state = json.loads(path.read_text())

    def to_the_end(self) -> dict[str, Any]:
        """Its scores when its budget is spent or nothing gets better."""
        if "test" not in self.state:
            self._train({})
            self._finish()
        return self.state

    def until(self, goals: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """When it reaches each of the goals, states of other runs; it stops at the last one."""
        while "test" not in self.state:
            left = {name: goal for name, goal in goals.items() if name not in self.state["reached"]}
            ended = self._train(left)
            test = summary(log_prob(self.density, self.data.test))
            now = self.state["curve"][-1]
            for name, goal in left.items():
                if now["valid"] >= goal["valid"] and test["mean"] >= goal["test"]["mean"]:
                    self.state["reached"][name] = {**now, "test": test["mean"]}
            if ended or len(self.state["reached"]) == len(goals):
                self._finish()
        return self.state

    def _train(self, goals: dict[str, dict[str, Any]]) -> bool:
        """Go on until there is a better score that is a goal's at least; True if training ended before."""
        curve = self.state["curve"]
        mark = time.process_time()
        spent = curve[-1]["cpu"] if curve else 0.0
        checkpoint = self.path.with_suffix(".safetensors")
        states = train(self.density, self.rows, self.valid, self.settings, checkpoint, True, 30.0, self.model)
        for record in states:
            if not record.ended or record.epoch < len(curve):
                continue
            valid, before = -(record.best or math.inf), curve[-1]["valid"] if curve else -math.inf
            spent, mark = spent + time.process_time() - mark, time.process_time()
            curve.append({"seconds": record.elapsed, "cpu": spent, "valid": valid, "rows": record.rows_per_second})
            self._save()
            print(f"  {self.model}: {valid:.3f} on validation rows after {record.elapsed:.0f} s", flush=True)
            if valid > before and any(valid >= goal["valid"] for goal in goals.values()):
                states.close()  # the density now holds its best weights
                return False
        return True

    def _finish(self) -> None:
        self.state |= {
            "valid": self.state["curve"][-1]["valid"],
            "test": summary(log_prob(self.density, self.data.test)),
            "parameters": sum(p.numel() for p in self.density.parameters()),
            "batch_size": self.settings.batch_size or self.rows.batch_size,
            "settings": asdict(self.settings),
        }
        self._save()

    def _save(self) -> None:
        self.path.write_text(json.dumps(self.state, indent=1))


def compare(name: str, budget: float, device: str, folder: Path) -> dict[str, Any]:
    """The record of one data set."""
    data, folder = datasets.load(name), folder / name
    folder.mkdir(parents=True, exist_ok=True)
    runs = {}
    for peer in PEERS:
        settings = README if peer.endswith("-readme") else Settings()
        settings = replace(settings, budget=budget, device=device)
        runs[peer] = Run(peer, data, settings, folder / f"{peer}.json").to_the_end()
    ours = replace(Settings(), budget=SHARE * budget, device=device)
    runs["nsf"] = Run("nsf", data, ours, folder / "nsf.json").until({peer: runs[peer] for peer in PEERS})
    return {"data": name, "budget": budget, "device": device, "runs": runs}


def table(rows: list[dict[str, Any]]) -> str:
    """One line for each data set and peer."""
    lines = [
        "| data | peer | its budget, s | its test score | its best epoch after, s "
        "| fluvial is as good after, s | ratio | ratio of CPU seconds | test score then |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        for peer in PEERS:
            theirs, reached = row["runs"][peer], row["runs"]["nsf"]["reached"].get(peer)
            last = theirs["curve"][-1]
            best = next(at for at in theirs["curve"] if at["valid"] >= last["valid"])
            cells = [row["data"], f"`{peer}`", f"{last['seconds']:.0f}", f"{theirs['test']['mean']:.3f}"]
            cells.append(f"{best['seconds']:.0f}")
            if reached is None:
                ours = row["runs"]["nsf"]
                cells += [f"not in {ours['curve'][-1]['seconds']:.0f}", "", "", f"{ours['test']['mean']:.3f}"]
            else:
                ratios = [f"{reached[clock] / last[clock]:.2f}" for clock in ("seconds", "cpu")]
                cells += [f"{reached['seconds']:.0f}", *ratios, f"{reached['test']:.3f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(datasets.DATASETS), default=["miniboone40", "bsds300"])
    parser.add_argument("--budget", type=float, default=600.0, help="wall seconds of training for a peer")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of the record")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measured: list[dict[str, Any]] = []
    for name in options.data:
        measured.append(
            {
                **compare(name, options.budget, options.device, options.out),
                "threads": options.threads,
                "kernels": native.status(),
                "commit": common.commit(),
                "versions": common.versions(),
            }
        )
        (options.out / RECORD.name).write_text(json.dumps({"rows": measured}, indent=1) + "\n")
        print(table(measured), flush=True)


if __name__ == "__main__":
    main()
