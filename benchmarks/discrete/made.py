"""How good is MADE on rows of bits? Settings are tried on validation rows; the chosen ones score the test rows once.

    python -m benchmarks.discrete anchors                              # independent columns, beside known figures
    python -m benchmarks.discrete tune jester --dropout 0.5            # one setting; every one tried is recorded
    python -m benchmarks.discrete score jester                         # the best of them, and the best mixture of them
    python -m benchmarks.discrete page                                 # docs/discrete.md

Weights lie in the folder that ``--weights`` names, by default in the user's temporary one.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App

from benchmarks.common import DOCS, RECORDS
from benchmarks.discrete import bits, large
from benchmarks.tables import datasets
from fluvial import models
from fluvial.core import Density
from fluvial.training import Settings, train

PAGE = DOCS / "discrete.md"
WEIGHTS = Path(tempfile.gettempdir()) / "fluvial-benchmarks" / "made"
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
        rows[name] = bits.nats(-bits.independent(data.train, data.test)) | {"expected": ANCHORS[name]}
        print(f"{name:12} {rows[name]['mean']:8.3f}   known: {ANCHORS[name]:.2f}", flush=True)
    bits.write("anchors", {"rows": rows})


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
    grouped: bool = False,
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
        grouped: read one-hot columns together (``bits.GROUPS``).
        watch: orders that judge an epoch of training on fresh ones; ``orders`` judge the result.
    """
    rows = datasets.binary(data)
    groups = bits.GROUPS[data] if grouped else ()
    features = rows.train.shape[1]
    positions = len(groups) or features
    order = tuple(torch.randperm(positions, generator=torch.Generator().manual_seed(seed)).tolist()) if shuffled else ()
    options: dict[str, Any] = {
        **({"groups": groups} if groups else {}),
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
def decay(*names: str) -> None:
    """Validation scores of the default model by two rules of weight decay, 30 epochs each."""
    record = bits.read("decay")
    record.setdefault("rows", {})
    for name in names:
        rows = datasets.binary(name)
        n, d = rows.train.shape
        scores = record["rows"].setdefault(name, {})
        for rule, value in (("4 D / N", min(5.0, 4 * d / n)), ("200 D / N, 1 at most", min(1.0, 200 * d / n))):
            torch.manual_seed(0)
            density = models.made((d,))
            for _ in train(
                density, bits.tensors(rows.train), bits.tensors(rows.valid), Settings(epochs=30, weight_decay=value)
            ):
                pass
            scores[rule] = round(-float(bits.scores(density.eval(), rows.valid).mean()), 4)
            print(f"{name} {rule}: {scores[rule]:.4f}", flush=True)
            bits.write("decay", record)


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
    """Train one setting, keep its weights, note what it scores on validation rows."""
    run, _ = bits.attempt(data, model, density, options, settings)
    record = bits.read(data)
    record["tried"].append(run)
    bits.keep(weights, data, len(record["tried"]) - 1, density)
    bits.write(data, record)


@app.command(name="score")
def score_test(data: str, *, weights: Path = WEIGHTS) -> None:
    """Score the test rows by the best network, the best of one order, and the best mixture, all by validation rows."""
    rows, record = bits.rows(data), bits.read(data)
    tried = [bits.load(weights, data, i, run) for i, run in enumerate(record["tried"])]
    valid = np.array([bits.scores(density, rows.valid) for density in tried])
    members = bits.greedy(valid)
    best = int(valid.mean(1).argmax())
    plain = [i for i, run in enumerate(record["tried"]) if run["options"].get("orders", 1) == 1]
    one = max(plain, key=lambda i: valid[i].mean())
    test = {i: bits.scores(tried[i], rows.test) for i in {best, one, *members}}
    mixture = np.array([test[i] for i in members])
    record["best"] = {"tried": best, "test": bits.nats(-test[best])}
    record["one_order"] = {"tried": one, "test": bits.nats(-test[one])}
    record["mixture"] = {
        "tried": members,
        "valid": round(-float(bits.mean(valid[members]).mean()), 4),
        "test": bits.nats(-bits.mean(mixture)),
    }
    bits.write(data, record)
    print(f"{data}: best {record['best']['test']['mean']:.3f}, mixture {record['mixture']['test']['mean']:.3f}")


INTRODUCTION = """# Rows of bits

Written by `python -m benchmarks.discrete page`, from `benchmarks/records/made-*.json`.

Mean negative log-likelihood of the test rows in nats, lower is better. Every setting tried is in the records with its
score on validation rows, which alone choose: `best` is the best single network, `one order` the best that reads in one
order, `mixture` an equally weighted mixture of up to eight of those tried, members added one by one as long as the
validation score improves. All are exact models, and the test rows were scored by these only; those of adult, dna and
nltcs twice, by what an earlier and the present set of settings came to. `groups`: one-hot columns are read as one
position each, which the published models did not know. The published figures are
of Germain et al. 2015 (MADE, NADE) and of Rooshenas and Lowd 2014 (ID-SPN). The anchor, independent columns with
add-one counts, shows that the files are the published ones. Seconds are wall clock of one thread on a busy machine;
`large` ones were trained on one GPU beside other work, with settings chosen beforehand.
"""


DECAY = """## Weight decay

What `fit` takes for models of labels, 4 D / N for N rows of D columns (5 at most), beside what suits flows. Validation
nats of the default model after 30 epochs, seed 0:
"""


@app.command
def page() -> None:
    """Write the documentation's page from the records."""
    anchor = json.loads((RECORDS / "made-anchors.json").read_text())["rows"]
    lines = [
        "| data | columns, rows | anchor | published | best | s.e. | one order | mixture | of | tried | weights | s |",
        "|---" * 12 + "|",
    ]
    longer = (f"mnist-{name}-large" for name in large.PLANS)
    records = {name: bits.read(name) for name in (*datasets.BINARY, "mnist-pixelcnn", *longer)}
    records = {name: record for name, record in records.items() if "best" in record}
    for name, record in records.items():
        best, data, mixture = record["best"], name.partition("-")[0], record.get("mixture")
        run, (rows, columns) = record["tried"][best["tried"]], bits.rows(name).train.shape
        one = f"{record['one_order']['test']['mean']:.3f}" if "one_order" in record else ""
        mixed = f"{mixture['test']['mean']:.3f} | {len(set(mixture['tried']))}" if mixture else " | "
        lines.append(
            f"| {name} | {columns}, {rows:,} | {anchor[data]['mean']:.2f} | {PUBLISHED[data]} "
            f"| {best['test']['mean']:.3f} | {best['test']['standard_error']:.3f} | {one} | {mixed} "
            f"| {len(record['tried'])} | {run['parameters']:,} | {run['seconds']:.0f} |"
        )
    lines += ["", "The best single networks:", "", "| data | options that differ from the defaults |", "|---|---|"]
    lines += [f"| {name} | {bits.described(r['tried'][r['best']['tried']])} |" for name, r in records.items()]
    lines += ["", DECAY, "| data | 4 D / N | 200 D / N, 1 at most |", "|---|---|---|"]
    lines += [
        f"| {name} | " + " | ".join(f"{v:.3f}" for v in r.values()) + " |"
        for name, r in bits.read("decay")["rows"].items()
    ]
    PAGE.write_text(INTRODUCTION + "\n" + "\n".join(lines) + "\n")
    print(f"wrote {PAGE.name}")


def main() -> None:
    torch.set_num_threads(1)
    app()
