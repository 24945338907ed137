"""The binarised digits with models that want a GPU; one command trains one, and scores its test rows once.

    python -m benchmarks.discrete.large made --budget 300 --device cuda --checkpoints DIR --records DIR
    python -m benchmarks.discrete.large made-orders ...      # the paper's two layers, 32 orders
    python -m benchmarks.discrete.large pixelcnn ...

``--budget`` is seconds of training, over all the lives of a run: it goes on from ``--checkpoints``. The record is that
of ``benchmarks.discrete``. ``--tiny`` shrinks the model, to see that a command works.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import RECORDS
from benchmarks.discrete import bits
from fluvial import models
from fluvial.training import Settings


@dataclass(frozen=True)
class Plan:
    """What one command trains: a recipe, its options, how many orders judge an epoch, and how to train."""

    model: str
    options: dict[str, Any]
    tiny: dict[str, Any]
    settings: Settings
    watch: int = 1


PLANS = {
    "made": Plan(
        "made",
        {"hidden": (8000,), "dropout": 0.3},
        {"hidden": (16,)},
        Settings(batch_size=128, learning_rate=1e-3, weight_decay=0.05, ema=0.998, amp=True),
    ),
    "made-orders": Plan(
        "made",
        {"hidden": (8000, 8000), "dropout": 0.1, "drawn": True, "orders": 32},
        {"hidden": (16, 16)},
        Settings(batch_size=128, learning_rate=5e-4, weight_decay=0.05, ema=0.998, amp=True),
        watch=4,
    ),
    "pixelcnn": Plan(
        "pixelcnn",
        {"height": 28, "channels": 96, "layers": 10, "reach": 7, "dropout": 0.1},
        {"channels": 4, "layers": 2},
        Settings(batch_size=128, learning_rate=3e-3, weight_decay=0.05, ema=0.998, amp=True),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=PLANS)
    parser.add_argument("--budget", type=float, required=True, help="seconds of training")
    parser.add_argument("--device", default=None)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    run(given.what, given.budget, given.device, given.checkpoints, given.records, given.tiny)


def run(what: str, budget: float, device: str | None, checkpoints: Path, records: Path, tiny: bool) -> None:
    """Train one plan, choose its weights by validation rows, score the test rows, write the record."""
    plan, data = PLANS[what], f"mnist-{what}-large"
    options = {**plan.options, **(plan.tiny if tiny else {})}
    settings = Settings(**{**vars(plan.settings), "budget": budget, "device": device})
    trained = {**options, "orders": min(options["orders"], plan.watch)} if "orders" in options else options
    torch.manual_seed(settings.seed)
    density = models.recipe_of(plan.model).build((784,), **trained)
    checkpoints.mkdir(parents=True, exist_ok=True)
    found, final = bits.attempt(data, plan.model, density, options, settings, checkpoints / f"{data}.checkpoint")
    test = bits.nats(-bits.scores(final, bits.rows(data).test))
    best = {"tried": 0, "test": test}
    name = torch.cuda.get_device_name() if settings.torch_device().type == "cuda" else "cpu"
    record = {"data": data, "device": name, "tried": [found], "best": best}
    one = {"one_order": best} if options.get("orders", 1) == 1 else {}
    bits.write(data, {**record, **one}, records)
    print(f"{data}: test {test['mean']:.3f} +- {test['standard_error']:.3f}", flush=True)


if __name__ == "__main__":
    main()
