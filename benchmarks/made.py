"""How good is MADE on rows of bits? Settings are tried on validation rows; the chosen ones score the test rows once.

    python -m benchmarks.made anchors                              # independent columns, beside known figures
    python -m benchmarks.made tune jester --dropout 0.5            # one setting; every one tried is recorded
    python -m benchmarks.made score jester                         # the best of them, and the best mixture of them
    python -m benchmarks.made page                                 # docs/discrete.md

Weights lie in the folder that ``--weights`` names, by default in the user's temporary one.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from cyclopts import App

from benchmarks import contenders, datasets
from benchmarks.fidelity import RECORDS, summary, write_record
from fluvial import models
from fluvial.core import Density
from fluvial.training import Data, Record, Settings, score, train

PAGE = Path(__file__).parents[1] / "docs" / "discrete.md"
WEIGHTS = Path(tempfile.gettempdir()) / "fluvial-benchmarks" / "made"
MEMBERS = 8
"""Networks in a mixture at most."""

ANCHORS = {
    "adult": 25.77,
    "connect4": 35.34,
    "dna": 100.39,
    "nips": 294.80,
    "web": 39.60,
    "nltcs": 9.23,
    "jester": 63.88,
    "baudio": 49.34,
    "bnetflix": 64.56,
    "pumsb_star": 75.86,
    "mnist": 205.79,
}
"""Test score of independent columns with add-one counts, known of these very files; nats."""
PUBLISHED = {
    "adult": "MADE 13.12",
    "connect4": "MADE 11.90",
    "dna": "MADE 83.63, mask sampling 79.66",
    "nips": "MADE 277.28, NADE 273.08",
    "web": "MADE 28.25, EoNADE 27.87 (other split)",
    "nltcs": "ID-SPN 6.02",
    "jester": "ID-SPN 52.86",
    "baudio": "ID-SPN 39.79",
    "bnetflix": "ID-SPN 56.36",
    "pumsb_star": "ID-SPN 22.41",
    "mnist": "MADE 88.40 (1 mask), 86.64 (32 masks, 2 layers)",
}
"""Germain et al. 2015, tables 1 and 2; Rooshenas and Lowd 2014."""

app = App(help="Negative log-likelihoods of rows of bits, nats, beside published ones.")


@app.command
def anchors() -> None:
    """Independent columns, add-one counts, on every set."""
    rows = {}
    for name in datasets.BINARY:
        data = datasets.binary(name)
        rows[name] = nats(-independent(data.train, data.test)) | {"expected": ANCHORS[name]}
        print(f"{name:12} {rows[name]['mean']:8.3f}   known: {ANCHORS[name]:.2f}", flush=True)
    write_record("made-anchors", {"rows": rows})


@app.command
def tune(
    data: str,
    *,
    hidden: tuple[int, ...] = (500,),
    activation: str = "relu",
    residual: bool = False,
    direct: bool = True,
    dropout: float = 0.0,
    shuffled: bool = False,
    orders: int = 1,
    watch: int = 4,
    fresh: bool = False,
    drawn: bool = False,
    seed: int = 0,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.1,
    batch_size: int | None = None,
    epochs: int | None = None,
    budget: float | None = None,
    patience: int | None = None,
    ema: float = 0.99,
    weights: Path = WEIGHTS,
) -> None:
    """Train one setting, and note what it scores on validation rows.

    Args:
        shuffled: read the columns in a random order, by ``seed``.
        watch: orders that judge an epoch of training on fresh ones; ``orders`` judge the result.
    """
    rows = datasets.binary(data)
    features = rows.train.shape[1]
    order = tuple(torch.randperm(features, generator=torch.Generator().manual_seed(seed)).tolist()) if shuffled else ()
    options: dict[str, Any] = {
        "hidden": hidden,
        "activation": activation,
        "residual": residual,
        "direct": direct,
        "dropout": dropout,
        "order": order,
        "drawn": drawn,
        "fresh": fresh,
        "seed": seed,
    }
    settings = Settings(
        epochs=epochs,
        budget=budget,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        patience=patience,
        ema=ema,
        seed=seed,
    )
    torch.manual_seed(seed)
    density = models.made((features,), **options, orders=min(orders, watch) if fresh else orders)
    _try(data, "made", density, {**options, "orders": orders}, settings, weights)


@app.command
def pixels(
    *,
    channels: int = 16,
    layers: int = 4,
    reach: int = 7,
    dropout: float = 0.0,
    seed: int = 0,
    learning_rate: float = 5e-3,
    batch_size: int = 64,
    epochs: int | None = None,
    budget: float | None = None,
    ema: float = 0.99,
    weights: Path = WEIGHTS,
) -> None:
    """Train one PixelCNN on the binarised digits, and note what it scores on validation rows."""
    options: dict[str, Any] = {"height": 28, "channels": channels, "layers": layers, "reach": reach, "dropout": dropout}
    settings = Settings(
        epochs=epochs,
        budget=budget,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=0.01,
        ema=ema,
        seed=seed,
    )
    torch.manual_seed(seed)
    _try("mnist-pixelcnn", "pixelcnn", models.pixelcnn((784,), **options), options, settings, weights)


def _try(data: str, model: str, density: Density, options: dict[str, Any], settings: Settings, weights: Path) -> None:
    """Train, score the validation rows with the density that ``options`` describe, keep the weights, note it all."""
    rows = _rows(data)
    curve: list[Record] = []
    for record in train(density, _data(rows.train), _data(rows.valid), settings, every=60.0):
        if record.ended:
            curve.append(record)
            print(f"  epoch {record.epoch} held out {record.held_out:.3f}, {record.elapsed:.0f} s", flush=True)
    started = time.perf_counter()
    final = build(model, rows.train.shape[1], options, density.state_dict())
    run = {
        "model": model,
        "options": {**options, "order": "shuffled by seed"} if options.get("order") else options,
        "settings": asdict(settings),
        "commit": contenders.commit(),
        "parameters": sum(p.numel() for p in density.parameters()),
        "seconds": round(curve[-1].elapsed, 1),
        "epochs": curve[-1].epoch,
        "best_epoch": curve[-1].best_epoch,
        "valid": round(-float(_scores(final, rows.valid).mean()), 4),
        "seconds_to_score": round(time.perf_counter() - started, 1),
    }
    record = _record(data)
    record["tried"].append(run)
    _keep(weights, data, len(record["tried"]) - 1, density)
    write_record(f"made-{data}", record)
    figures = f"valid {run['valid']:.3f}, {run['seconds']:.0f} s, best of {run['epochs']} epochs {run['best_epoch']}"
    print(f"{data} {len(record['tried']) - 1}: {figures}", flush=True)


@app.command(name="score")
def score_test(data: str, *, weights: Path = WEIGHTS) -> None:
    """Score the test rows by the best network, the best of one order, and the best mixture, all by validation rows."""
    rows, record = _rows(data), _record(data)
    tried = [_load(weights, data, i, run) for i, run in enumerate(record["tried"])]
    valid = np.array([_scores(density, rows.valid) for density in tried])
    members = greedy(valid)
    best = int(valid.mean(1).argmax())
    plain = [i for i, run in enumerate(record["tried"]) if run["options"].get("orders", 1) == 1]
    one = max(plain, key=lambda i: valid[i].mean())
    test = {i: _scores(tried[i], rows.test) for i in {best, one, *members}}
    mixture = np.array([test[i] for i in members])
    record["best"] = {"tried": best, "test": nats(-test[best])}
    record["one_order"] = {"tried": one, "test": nats(-test[one])}
    record["mixture"] = {
        "tried": members,
        "valid": round(-float(_mean(valid[members]).mean()), 4),
        "test": nats(-_mean(mixture)),
    }
    write_record(f"made-{data}", record)
    print(f"{data}: best {record['best']['test']['mean']:.3f}, mixture {record['mixture']['test']['mean']:.3f}")


INTRODUCTION = """# Rows of bits

Written by `python -m benchmarks.made page`, from `benchmarks/records/made-*.json`.

Mean negative log-likelihood of the test rows in nats, lower is better. Every setting tried is in the records with its
score on validation rows, which alone choose: `best` is the best single network, `one order` the best that reads in one
order, `mixture` an equally weighted mixture of up to eight of those tried, members added one by one as long as the
validation score improves. All are exact models, and the test rows were scored by these only. The published figures are
of Germain et al. 2015 (MADE, NADE) and of Rooshenas and Lowd 2014 (ID-SPN). The anchor, independent columns with
add-one counts, shows that the files are the published ones. Seconds are wall clock of one thread on a busy machine.
"""


@app.command
def page() -> None:
    """Write the documentation's page from the records."""
    anchor = json.loads((RECORDS / "made-anchors.json").read_text())["rows"]
    lines = [
        "| data | columns, rows | anchor | published | best | s.e. | one order | mixture | of | tried | weights | s |",
        "|---" * 12 + "|",
    ]
    records = {name: _record(name) for name in (*datasets.BINARY, "mnist-pixelcnn")}
    records = {name: record for name, record in records.items() if "best" in record}
    for name, record in records.items():
        best, mixture, data = record["best"], record["mixture"], name.partition("-")[0]
        run = record["tried"][best["tried"]]
        rows, columns = _rows(name).train.shape
        lines.append(
            f"| {name} | {columns}, {rows:,} | {anchor[data]['mean']:.2f} | {PUBLISHED[data]} "
            f"| {best['test']['mean']:.3f} | {best['test']['standard_error']:.3f} "
            f"| {record['one_order']['test']['mean']:.3f} | {mixture['test']['mean']:.3f} "
            f"| {len(set(mixture['tried']))} | {len(record['tried'])} | {run['parameters']:,} | {run['seconds']:.0f} |"
        )
    lines += ["", "The best single networks:", "", "| data | options that differ from the defaults |", "|---|---|"]
    lines += [f"| {name} | {described(r['tried'][r['best']['tried']])} |" for name, r in records.items()]
    PAGE.write_text(INTRODUCTION + "\n" + "\n".join(lines) + "\n")
    print(f"wrote {PAGE.name}")


def described(run: dict[str, Any]) -> str:
    """Options of the recipe and settings of the training that are not the defaults."""
    defaults = {**models.resolve(run.get("model", "made"), {}), **asdict(Settings())}
    given = {**run["options"], **run["settings"]}
    return ", ".join(f"{key} {value}" for key, value in given.items() if _plain(value) != _plain(defaults[key]))


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value  # pyright: ignore


def independent(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Log-probability of each test row, (N,), by add-one counts of each column."""
    p = (train.sum(0, dtype=np.float64) + 1) / (len(train) + 2)
    return np.where(test == 1, np.log(p), np.log1p(-p)).sum(1)


def nats(losses: np.ndarray) -> dict[str, float]:
    """Mean, its standard error, median and trimmed mean of negative log-likelihoods."""
    return {key: value for key, value in summary(losses).items() if key != "worst"}


def greedy(scores: np.ndarray, most: int = MEMBERS) -> list[int]:
    """Members of an equally weighted mixture, the one that helps most added as long as one helps.

    Args:
        scores: (models, rows), log-densities of validation rows; a model may be taken more than once.
    """
    members: list[int] = []
    best = -np.inf
    while len(members) < most:
        values = [_mean(scores[[*members, i]]).mean() for i in range(len(scores))]
        if max(values) <= best:
            break
        best = max(values)
        members.append(int(np.argmax(values)))
    return members


def build(model: str, features: int, options: dict[str, Any], state: dict[str, torch.Tensor]) -> Density:
    """The density with these weights."""
    density = models.RECIPES[model]((features,), **options)
    density.load_state_dict(state)
    return density.eval()


def _mean(scores: np.ndarray) -> np.ndarray:
    """Log of the mean density, over models (models, rows)."""
    return np.logaddexp.reduce(scores, 0) - np.log(len(scores))


def _scores(density: Density, x: np.ndarray) -> np.ndarray:
    return score(density, _data(x).x).double().numpy()


def _rows(data: str) -> datasets.Dataset:
    """The rows of a record, which is named after its data and perhaps after the model."""
    return datasets.binary(data.partition("-")[0])


def _data(x: np.ndarray) -> Data:
    return Data(torch.from_numpy(x).float())


def _record(data: str) -> dict[str, Any]:
    path = RECORDS / f"made-{data}.json"
    if not path.exists():
        return {"data": data, "tried": []}
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in ("versions", "threads")}


def _keep(weights: Path, data: str, index: int, density: Density) -> None:
    weights.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(density.state_dict(), weights / f"{data}-{index}.safetensors")


def _load(weights: Path, data: str, index: int, run: dict[str, Any]) -> Density:
    state = safetensors.torch.load_file(weights / f"{data}-{index}.safetensors")
    options = dict(run["options"])
    features = _rows(data).train.shape[1]
    if options.get("order"):
        options["order"] = torch.randperm(features, generator=torch.Generator().manual_seed(options["seed"])).tolist()
    return build(run.get("model", "made"), features, options, state)


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
