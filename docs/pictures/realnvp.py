"""RealNVP in the plane: two moons on their way through eight couplings, each of which moves one coordinate."""

import torch
from common import moons, panels, save, train

from fluvial import models

torch.manual_seed(0)
flow = models.realnvp((2,), transforms=8, hidden=(32, 32))
train(flow, lambda: -flow.log_prob(moons(256)[0]).mean(), 800)

after = (0, 1, 2, 4, 6, 8)
figure, axes = panels(
    ["data", *(f"after {n} coupling{'s' * (n > 1)}" for n in after[1:-1]), "after 8: noise"], 1.9, 1.7
)
x, label = moons(2000)
with torch.no_grad():
    for ax, n in zip(axes, after, strict=True):
        z = flow.transform[:n](x)[0] if n else x
        ax.scatter(*z.T, s=1, c=label, cmap="coolwarm", alpha=0.6)
        reach = 1.1 * z.abs().quantile(0.997).item()
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
save(figure, "realnvp")
