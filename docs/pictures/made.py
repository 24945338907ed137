"""MADE on digits of 64 bits: who may read whom, measured by flipping bits, and draws beside real digits."""

import numpy as np
import torch
from common import digits, panels, save, train
from torch import Tensor

from fluvial import models

SIDE = 6


def sheet(x: Tensor) -> np.ndarray:
    """SIDE x SIDE digits on one sheet, a line between them."""
    tiles = torch.nn.functional.pad(x.reshape(SIDE, SIDE, 8, 8), (1, 1, 1, 1), value=0.5)
    return tiles.permute(0, 2, 1, 3).reshape(10 * SIDE, 10 * SIDE).numpy()


torch.manual_seed(0)
bits = torch.from_numpy(digits()[0].reshape(-1, 64) >= 8).float()
test, rows = bits[:297], bits[297:]
density = models.made((64,), hidden=(500,))
train(density, lambda: -density.log_prob(rows[torch.randint(len(rows), (128,))]).mean(), 1200)

with torch.no_grad():
    print(f"{-density.log_prob(test).mean():.2f} nats a held-out digit; independent bits: ", end="")
    p = ((rows.sum(0) + 1) / (len(rows) + 2)).clamp(1e-6, 1 - 1e-6)
    print(f"{-(test * p.log() + (1 - test) * (1 - p).log()).sum(1).mean():.2f}")
    some, moved = rows[:64], torch.zeros(64, 64)
    before = density.transform.conditioner(some)
    for i in range(64):
        flipped = some.clone()
        flipped[:, i] = 1 - flipped[:, i]
        moved[:, i] = (density.transform.conditioner(flipped) - before).abs().amax((0, 1))
    print(
        f"above the diagonal: {moved.triu().max():.0e}; pairs below it that move: {(moved.tril(-1) > 0).sum()} of 2016"
    )
    draws = density.sample(SIDE * SIDE)

figure, axes = panels(["who (down) depends on whom (across)", "held-out digits", "draws"], 2.8, 2.6)
axes[0].imshow(moved.clamp(1e-9).log10(), cmap="Blues", vmin=-2, vmax=1)
axes[1].imshow(sheet(test[: SIDE * SIDE]), cmap="gray_r")
axes[2].imshow(sheet(draws), cmap="gray_r")
save(figure, "made")
