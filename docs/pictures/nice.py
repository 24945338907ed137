"""NICE in the plane: a grid of noise seen in the space of the data, every cell of which keeps its area."""

import torch
from common import heat, moons, panels, save, train
from matplotlib.collections import LineCollection

from fluvial import models

torch.manual_seed(0)
flow = models.nice((2,), transforms=6, hidden=(32, 32))
train(flow, lambda: -flow.log_prob(moons(256)[0]).mean(), 800)

fine, every = 193, 4  # points along a line of the grid, and how many of them to the next line
side = torch.linspace(-6, 6, fine)  # 99.5 % of logistic noise lies within
points = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)
with torch.no_grad():
    bent = flow.decode(points.reshape(-1, 2)).reshape(fine, fine, 2)
    log_det = flow.transform(moons(1000)[0])[1]
print(f"area of data to a unit of noise: {(-log_det).exp().min():.6f} to {(-log_det).exp().max():.6f}")

figure, (left, middle, right) = panels(["data", "the density learnt", "a grid of noise, seen among the data"])
reach = (-2.6, 2.6, -2.6, 2.6)
left.scatter(*moons(2000)[0].T, s=1, color="#1f6feb", alpha=0.5)
heat(middle, flow.log_prob, reach)
lines = [*bent[::every].numpy(), *bent[:, ::every].transpose(0, 1).numpy()]
right.add_collection(LineCollection(lines, colors="#1f6feb", linewidths=0.4))
for ax in (left, right):
    ax.set(xlim=reach[:2], ylim=reach[2:])
save(figure, "nice")
