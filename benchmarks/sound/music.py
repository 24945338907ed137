"""Polyphonic music: nats of a moment of the published test pieces, beside published rows.

    python -m benchmarks.sound.music JSB_Chorales --budget 60 --device cuda --checkpoints DIR --records DIR
    python -m benchmarks.sound.music page                                          # docs/music.md

Each setting is trained for ``--budget`` seconds, over all its lives; validation pieces choose the one that scores the
test pieces, once. Piano rolls of 88 notes, with the splits of Boulanger-Lewandowski et al. 2012 (arXiv 1206.6392).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

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
TRIED = (
    ({"layers": 5, "channels": 64, "gates": 64, "dropout": 0.3}, {"weight_decay": 0.1}),
    ({"layers": 6, "channels": 128, "gates": 128, "dropout": 0.5, "hidden": [300]}, {"weight_decay": 1.0}),
    ({"layers": 8, "channels": 96, "gates": 96, "dropout": 0.5, "hidden": [300]}, {"weight_decay": 0.3}),
)
"""Options of the model, and what differs in training."""


def run(
    name: str,
    budget: float,
    device: str | None,
    checkpoints: Path,
    records: Path,
    chosen: list[int],
    tiny: bool,
) -> None:
    """Train these settings, score the test pieces with the best one, write the record."""
    path = data_folder() / "polyphonic-music" / f"{name}.mat"
    rolls = read_rolls(path)
    learnt, test = rolls.take(rolls.part("train")), rolls.take(rolls.part("test"))
    tried, models = [], []
    for i in chosen:
        options, training = TRIED[i]
        small = {"channels": 4, "gates": 4, "skips": 4, "hidden": [8], "layers": 3} if tiny else {}
        settings = Settings(budget=budget, batch_size=4, learning_rate=3e-3, ema=0.995, device=device, **training)
        model = fit(
            path, out=checkpoints / f"music-{name}-{i}", resume=True, options=options | small, settings=settings
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
    used = next(models[best].density.parameters()).device
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
        "device": torch.cuda.get_device_name() if used.type == "cuda" else "cpu",
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
            f"| {best['parameters']:,} | {best['reads']} | {best['training']['seconds']:.0f} |"
        )
    head = "| data | pieces, test | independent | test | s.e. | mean over pieces | published | weights | reads | s |"
    text = f"""# Music

Written by `python -m benchmarks.sound.music page`, from `benchmarks/records/music-*.json`.

Log-likelihood of a moment of the test pieces in nats, higher is better: `wavenet_made`, a WaveNet over the moments
before and a MADE over the 88 notes of this one, one exact autoregressive density of the whole piece. Splits as
published; the validation pieces chose the setting, out of those in the record, and when to stop, the test pieces were
scored once. Training windows are transposed at random. `independent`: each note by its frequency in the training
pieces. The test score is a mean over moments; published rows are of Boulanger-Lewandowski et al. 2012 (arXiv 1206.6392)
and of Bai et al. 2018 (arXiv 1803.01271). `reads`: moments before that a moment is predicted from. Seconds are of the
setting that was chosen.

{head}
{"|---" * 10}|
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
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of training for each setting")
    parser.add_argument("--device", default=None)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--settings", type=int, nargs="+", default=list(range(len(TRIED))), help="numbers in TRIED")
    parser.add_argument("--tiny", action="store_true", help="small models, to see that the command works")
    given = parser.parse_args()
    if given.what == "page":
        return page()
    if given.checkpoints is None:
        parser.error("--checkpoints: name a folder for the runs")
    given.checkpoints.mkdir(parents=True, exist_ok=True)
    return run(given.what, given.budget, given.device, given.checkpoints, given.records, given.settings, given.tiny)


if __name__ == "__main__":
    main()
