"""MAF in the plane: what one step cannot say in the wrong order, five steps can."""

import math

import torch
from common import heat, panels, save, train
from torch import Tensor

from fluvial import models
from fluvial.core import Density


def crescent(n: int) -> Tensor:
    """The paper's example: x2 ~ N(0, 4), x1 ~ N(x2^2 / 4, 1). Reading x1 first is the wrong order."""
    second = 2 * torch.randn(n)
    return torch.stack((0.25 * second.square() + torch.randn(n), second), 1)


def log_truth(x: Tensor) -> Tensor:
    second = x[:, 1]
    return -0.5 * (x[:, 0] - 0.25 * second.square()).square() - second.square() / 8 - math.log(4 * math.pi)


def fitted(transforms: int) -> Density:
    torch.manual_seed(0)
    flow = models.maf((2,), transforms=transforms, hidden=(32, 32))
    train(flow, lambda: -flow.log_prob(crescent(256)).mean(), 800)
    with torch.no_grad():
        x = crescent(20_000)
        gap = log_truth(x) - flow.log_prob(x)
    print(f"{transforms} steps: {gap.mean():.4f} +- {gap.std() / len(gap) ** 0.5:.4f} nats short of the truth")
    return flow


figure, axes = panels(["the truth", "one step, $x_1$ first", "five steps, order reversed"])
for ax, log_prob in zip(axes, (log_truth, fitted(1).log_prob, fitted(5).log_prob), strict=True):
    heat(ax, log_prob, (-4, 9, -6, 6))
save(figure, "maf")
