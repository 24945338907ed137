"""The Gaussian mixture's CDF far out in its tails."""

from __future__ import annotations

import torch

from fluvial.core import Logistic
from fluvial.univariate import GaussianMixture


def test_tails_keep_their_precision_in_float32():
    univariate = GaussianMixture(2)
    t = torch.tensor([[0.3, -0.2, -1.0, 1.0, 0.1, -0.3]])
    x = torch.tensor([-30.0, -8.0, 0.0, 8.0, 30.0])
    z, log_det = univariate.forward(x, t.expand(5, -1))
    log_p = Logistic((1,)).log_prob(z.unsqueeze(1)) + log_det
    parts = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=t[0, :2].double()),
        torch.distributions.Normal(t[0, 2:4].double(), (7 * torch.tanh(t[0, 4:] / 7)).exp().double()),
    )
    torch.testing.assert_close(log_p.double(), parts.log_prob(x.double()), rtol=1e-5, atol=1e-4)
    back = univariate.inverse(z, t.expand(5, -1))[0]
    torch.testing.assert_close(back, x, rtol=1e-4, atol=1e-4)
