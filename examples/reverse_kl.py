"""Sample from an unnormalised density: train an IAF by reverse KL on an energy, then correct by importance weights."""

import torch

from fluvial import models
from fluvial.training.objectives import reverse_kl

torch.manual_seed(0)


def log_target(x: torch.Tensor) -> torch.Tensor:
    """A banana, not normalised."""
    return -0.5 * x[:, 0].square() - 2.0 * (x[:, 1] - 0.5 * x[:, 0].square()).square()


flow = models.iaf((2,), transforms=4, hidden=(64, 64))
optimizer = torch.optim.Adam(flow.parameters(), lr=2e-3)
for _ in range(600):
    loss = reverse_kl(flow, log_target, 256)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    x, log_q = flow.sample_and_log_prob(5000)
    weight = (log_target(x) - log_q).softmax(0)
    print(f"effective sample size: {1 / weight.square().sum():.0f} of 5000")
    print(f"E[x1] = {(weight * x[:, 1]).sum():.3f} (the truth: 0.5)")
