"""Polyphonic music: nats of a moment of the published test pieces, beside published rows.

    python -m benchmarks.sound.music JSB_Chorales --budget 600 --checkpoints DIR --records DIR
    python -m benchmarks.sound.music page                                          # docs/music.md

Each setting is trained for ``--budget`` processor seconds, over all its lives; validation pieces end the training and
choose the setting that scores the test pieces, once. Piano rolls of 88 notes, with the splits of Boulanger-Lewandowski
et al. 2012 (arXiv 1206.6392).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.common import DOCS, RECORDS, commit, data_folder, versions
from fluvial.examine.scores import ratio
from fluvial.kinds.music.fit import independent
from fluvial.kinds.music.rolls import read_rolls
from fluvial.tasks.fit import fit
from fluvial.training import Settings

PAGE = DOCS / "music.md"
SETS = ("JSB_Chorales", "Nottingham", "MuseData")
PUBLISHED = {
    "JSB_Chorales": {"RNN-NADE": -5.56, "RNN-RBM": -6.27, "TCN (independent notes)": -8.10},
    "Nottingham": {"RNN-NADE": -2.31, "RNN-RBM": -2.39, "TCN (independent notes)": -3.07},
    "MuseData": {"RNN-NADE": -5.60, "RNN-RBM": -6.01},
}
"""Boulanger-Lewandowski et al. 2012, table 1; Bai et al. 2018, arXiv 1803.01271."""
TRIED = ({},)
"""Options of the model; the defaults were chosen on the validation pieces of JSB_Chorales."""


def run(name: str, budget: float, device: str | None, checkpoints: Path, records: Path, tiny: bool) -> None:
    """Train these settings, score the test pieces with the best one, write the record."""
    rolls = read_rolls(data_folder() / "polyphonic-music" / f"{name}.mat")
    known, test = rolls.take(np.flatnonzero(rolls.split != "test")), rolls.take(rolls.part("test"))
    time.monotonic = time.process_time  # fluvial's budgets count by it
    tried, models = [], []
    for i, options in enumerate(TRIED):
        small = {"channels": 4, "gates": 4, "skips": 4, "width": 4, "layers": 3} if tiny else {}
        settings = Settings(budget=budget, device=device)
        model = fit(
            known, out=checkpoints / f"music-{name}-{i}", resume=True, options=options | small, settings=settings
        )
        scores, sizes = model.record["scores"], model.record["sizes"]
        tried.append(
            {
                "options": options | small,
                "settings": asdict(settings),
                "valid": scores["held_out"],
                "parameters": sizes["parameters"],
                "reads": sizes["reads"],
                "training": model.record["training"],
            }
        )
        models.append(model)
        print(f"{name} {i}: valid {scores['held_out']['per_step']:.3f}", flush=True)
    best = max(range(len(tried)), key=lambda i: tried[i]["valid"]["per_step"])
    found = models[best].score(test)
    mean, error = ratio(found.log_prob, found.counts["steps"])
    learnt = rolls.take(rolls.part("train"))
    record = {
        "data": name,
        "test": {
            "per_step": mean,
            "standard_error": error,
            "per_piece": float(found.values.mean()),
        },
        "independent": independent(learnt, test),
        "steps": {"train": len(learnt.values), "test": len(test.values)},
        "pieces": {"train": len(learnt), "test": len(test)},
        "best": best,
        "tried": tried,
        "commit": commit(),
        "versions": versions(),
    }
    records.mkdir(parents=True, exist_ok=True)
    (records / f"music-{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{name}: test {mean:.4f} ± {error:.4f} nats a moment", flush=True)


def page() -> None:
    """Write docs/music.md from the records."""
    rows = []
    for name in SETS:
        path = RECORDS / f"music-{name}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_text())
        best, test = record["tried"][record["best"]], record["test"]
        others = ", ".join(f"{who} {value:.2f}" for who, value in PUBLISHED[name].items())
        rows.append(
            f"| {name} | {record['pieces']['train']}, {record['pieces']['test']} | {record['independent']:.2f} "
            f"| **{test['per_step']:.3f}** | {test['standard_error']:.3f} | {test['per_piece']:.3f} | {others} "
            f"| {best['parameters']:,} | {best['reads']} | {best['training']['epochs']} "
            f"| {best['training']['seconds']:.0f} |"
        )
    columns = ("data", "pieces, test", "independent", "test", "s.e.", "mean over pieces", "published", "weights")
    head = f"| {' | '.join((*columns, 'reads', 'epochs', 's'))} |"
    text = f"""# Music

Written by `python -m benchmarks.sound.music page`, from `benchmarks/records/music-*.json`.

Log-likelihood of a moment of the test pieces in nats, higher is better: `wavenet_intervals`, a WaveNet over the moments
before, and networks that all 88 notes share over the intervals to others, lately and below in this moment: one exact
autoregressive density of the whole piece. Splits as published; the validation pieces decide when to stop, and those of
JSB_Chorales chose the default sizes; the test pieces chose nothing. Training pieces, and they alone, are transposed
at random, by at most five notes up or down, at each step anew. `independent`: each note by its frequency in the
training pieces. The test score is a mean over moments; published rows are of Boulanger-Lewandowski et al. 2012 (arXiv
1206.6392) and of Bai et al. 2018 (arXiv 1803.01271). `reads`: moments before that a moment is predicted from. Seconds
are of one processor.

{head}
{"|---" * 11}|
{chr(10).join(rows)}

    fluvial fit JSB_Chorales.mat --out runs/chorales
    fluvial score runs/chorales JSB_Chorales.mat
    fluvial sample runs/chorales -n 4 --out new.npz
    fluvial report runs/chorales
"""
    PAGE.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*SETS, "page"))
    parser.add_argument("--budget", type=float, default=60.0, help="processor seconds of training for each setting")
    parser.add_argument("--device", default=None)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--tiny", action="store_true", help="small models, to see that the command works")
    given = parser.parse_args()
    if given.what == "page":
        return page()
    if given.checkpoints is None:
        parser.error("--checkpoints: name a folder for the runs")
    given.checkpoints.mkdir(parents=True, exist_ok=True)
    return run(given.what, given.budget, given.device, given.checkpoints, given.records, given.tiny)


if __name__ == "__main__":
    main()
