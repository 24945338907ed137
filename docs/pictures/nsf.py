"""NSF on a checkerboard: affine steps beside splines, and one spline with its knots."""

import math

import torch
from common import heat, panels, save, train
from torch import Tensor

from fluvial import models
from fluvial.core import Density
from fluvial.univariate import RQSpline


def board(n: int) -> Tensor:
    """Uniform over the eight dark squares of a board of sixteen, on [-2, 2]^2."""
    column, row = torch.randint(4, (n,)), torch.randint(2, (n,))
    return torch.stack((column, 2 * row + column % 2), 1) + torch.rand(n, 2) - 2


def fitted(name: str, flow: Density) -> Density:
    torch.manual_seed(1)
    train(flow, lambda: -flow.log_prob(board(256)).mean(), 1000)
    with torch.no_grad():
        gap = -math.log(8) - flow.log_prob(board(20_000))
    print(f"{name}: {gap.mean():.4f} +- {gap.std() / len(gap) ** 0.5:.4f} nats short of the truth")
    return flow


torch.manual_seed(0)
maf = fitted("maf", models.maf((2,), transforms=5, hidden=(32, 32)))
nsf = fitted("nsf", models.nsf((2,), transforms=3, hidden=(32, 32), bins=8, bound=3.0))

figure, (left, middle, right) = panels(["five affine steps (MAF)", "three spline steps (NSF)", "one spline of 8 bins"])
heat(left, maf.log_prob, (-2.5, 2.5, -2.5, 2.5))
heat(middle, nsf.log_prob, (-2.5, 2.5, -2.5, 2.5))
spline = RQSpline(8, 3.0)
torch.manual_seed(3)
theta = 0.8 * torch.randn(1, spline.size, 1)
x = torch.linspace(-4, 4, 801)
z, log_det = spline.forward(x[:, None], theta.expand(801, -1, 1))
right.plot(x, z.squeeze(1), color="#1f6feb", label="z")
right.plot(x, log_det.squeeze(1).exp(), color="#d1242f", linewidth=0.9, label="dz/dx")
right.plot([-4, 4], [-4, 4], color="#888888", linewidth=0.6, linestyle=":")
right.set(ylim=(-4, 6), xticks=[-3, 0, 3], yticks=[-3, 0, 3])
right.legend(fontsize=7, frameon=False)
save(figure, "nsf")
