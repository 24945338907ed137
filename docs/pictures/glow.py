"""Glow on 8 x 8 digits, given the label: real ones, and draws at three temperatures."""

import torch
from common import digits, save, train
from matplotlib import pyplot as plt

from fluvial import models

torch.manual_seed(0)
pixels, labels = digits()
x = torch.from_numpy(pixels).float().unsqueeze(1)
label = torch.nn.functional.one_hot(torch.from_numpy(labels)).float()
density = models.glow((1, 8, 8), levels=2, steps=6, width=48, bits=4, context_shape=(10,))
density.initialize(x[297:553], label[297:553])


def loss() -> torch.Tensor:
    i = torch.randint(297, len(x), (64,))
    return -density.log_prob(x[i], label[i]).mean()


train(density, loss, 700, 2e-3)
with torch.no_grad():
    bits = models.bits_per_dimension(density.log_prob(x[:297], label[:297]), (1, 8, 8))
    print(f"held out: {bits.mean():.3f} bits per dimension, of 4")
    wanted = torch.eye(10).repeat(2, 1)
    draws = [models.sample_at_temperature(density, 20, t, wanted) for t in (0.5, 0.8, 1.0)]
real = torch.cat([x[:297][torch.from_numpy(labels[:297]) == k][i : i + 1] for i in range(2) for k in range(10)])

figure, axes = plt.subplots(4, 1, figsize=(6.4, 5.4), layout="constrained")
for ax, title, rows in zip(axes, ("held out", "T = 0.5", "T = 0.8", "T = 1"), (real, *draws), strict=True):
    tiles = torch.nn.functional.pad(rows.reshape(2, 10, 8, 8), (1, 1, 1, 1))
    ax.imshow(tiles.permute(0, 2, 1, 3).reshape(20, 100), cmap="gray", vmin=0, vmax=15)
    ax.set(xticks=[], yticks=[], ylabel=title)
save(figure, "glow")
