"""IAF by reverse KL: no data, only a density up to a constant, and draws that come in one pass."""

import torch
from common import heat, panels, save, train
from torch import Tensor

from fluvial import models
from fluvial.training.objectives import reverse_kl


def log_target(x: Tensor) -> Tensor:
    """A ring with four thick places, not normalised."""
    radius, angle = x.norm(dim=1), torch.atan2(x[:, 1], x[:, 0])
    return -0.5 * ((radius - 2) / 0.35).square() + 0.7 * torch.cos(4 * angle)


torch.manual_seed(0)
flow = models.iaf((2,), transforms=8, hidden=(32, 32))
train(flow, lambda: reverse_kl(flow, log_target, 256), 1000)
with torch.no_grad():
    x, log_q = flow.sample_and_log_prob(20_000)
weight = (log_target(x) - log_q).softmax(0)
print(f"effective sample size: {1 / weight.square().sum() / len(x):.0%}")

reach = (-3.4, 3.4, -3.4, 3.4)
figure, (left, middle, right) = panels(["the target", "the density of the IAF", "its draws"])
heat(left, log_target, reach)
heat(middle, flow.log_prob, reach)
right.scatter(*x[:3000].T, s=1, color="#1f6feb", alpha=0.4)
right.set(xlim=reach[:2], ylim=reach[2:])
save(figure, "iaf")
