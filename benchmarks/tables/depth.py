"""What fifty transforms do to each recipe at its defaults: ``python -m benchmarks.tables.depth``.

Trains 100 steps in float32, then writes the worst round trip on the data and what becomes of rows and noise a
thousand standard deviations out.
"""

from __future__ import annotations

import argparse
import json

import torch

from benchmarks.common import RECORDS
from fluvial import models
from fluvial.core import Flow

RECORD = RECORDS / "depth.json"
TRANSFORMS, STEPS, FEATURES = 50, 100, 6


def curved_rows(n: int) -> torch.Tensor:
    """Standardised rows with curved and multiplicative dependence."""
    x = torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(0))
    x[:, 1] = x[:, 0].square() + 0.3 * x[:, 1]
    x[:, 3] = x[:, 2] * x[:, 4]
    return (x - x.mean(0)) / x.std(0)


def measure(name: str) -> dict[str, float]:
    torch.manual_seed(0)
    density, x = models.recipe_of(name).build((FEATURES,), transforms=TRANSFORMS), curved_rows(2000)
    if not isinstance(density, Flow):
        raise TypeError(f"{name} is not a Flow")
    optimizer = torch.optim.Adam(density.parameters(), lr=1e-3)
    infinite = 0
    for _ in range(STEPS):
        loss = -density.log_prob(x[torch.randint(len(x), (128,))]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(density.parameters(), 5.0)
        optimizer.step()
        infinite += int(not torch.isfinite(loss))
    density.eval()
    with torch.no_grad():
        error = (density.decode(density.encode(x)) - x).abs().amax(1)
        far = 1000 * torch.randn(500, FEATURES)
        return {
            "non_finite_steps": infinite,
            "last_loss": round(loss.item(), 3),
            "worst_round_trip": error.max().item(),
            "round_trip_99_percent": error.quantile(0.99).item(),
            "nan_scores_far_out": int(density.log_prob(far).isnan().sum()),
            "nan_draws_far_out": int(density.decode(far).isnan().any(1).sum()),
        }


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()  # so that --help measures nothing
    torch.set_num_threads(1)
    rows = {}
    for name in [r.name for r in models.recipes() if r.kind != "images"]:
        if "transforms" in models.resolve(name, {}):
            rows[name] = measure(name)
            print(name, rows[name], flush=True)
    RECORD.write_text(json.dumps({"transforms": TRANSFORMS, "steps": STEPS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
