"""The CDF of a Gaussian mixture as a map, for MADE-MoG and MAF-MoG."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianMixture:
    r"""z = logit F(x), where F is the CDF of a mixture of K Gaussians: towards a Logistic base.

    log p(x) of the mixture comes out exactly: log_det = log f(x) - log F(x) - log(1 - F(x)), and the logistic
    base gives back log F + log(1 - F). Both tails of F are computed on their own, so z keeps its precision far
    out, where F itself rounds to 0 or 1. The inverse is a bisection, polished by Newton steps.

    theta: K weight logits, K means, K log-scales (bounded like :class:`TanhScale`).
    Source: MADE-MoG and MAF-MoG of Papamakarios et al. 2017, arXiv 1705.07057, section 4.

    Args:
        components: K.
        bound: largest absolute log-scale of a component, nats.
    """

    components: int = 10
    bound: float = 7.0
    bijective = True
    identity_at_zero = False

    @property
    def size(self) -> int:
        return 3 * self.components

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        log_pi, mean, s = self._read(theta)
        return self._logit_cdf(x, log_pi, mean, s)

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        log_pi, mean, s = self._read(theta)
        with torch.no_grad():
            x = self._search(z, log_pi, mean, s)
        value, log_det = self._logit_cdf(x, log_pi, mean, s)
        if torch.is_grad_enabled():
            # one Newton step with the slope held fixed carries the gradients of the implicit function
            x = x - (value - z) * torch.exp(-log_det).detach()
            log_det = self._logit_cdf(x, log_pi, mean, s)[1]
        return x, -log_det

    def _read(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, mean, raw = theta.split(self.components, 1)
        return logits.log_softmax(1), mean, self.bound * torch.tanh(raw / self.bound)

    def _logit_cdf(self, x: Tensor, log_pi: Tensor, mean: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        u = (x.unsqueeze(1) - mean) * torch.exp(-s)
        below = torch.logsumexp(log_pi + torch.special.log_ndtr(u), 1)
        above = torch.logsumexp(log_pi + torch.special.log_ndtr(-u), 1)
        log_f = torch.logsumexp(log_pi - 0.5 * (u.square() + math.log(2 * math.pi)) - s, 1)
        return below - above, log_f - below - above

    def _search(self, z: Tensor, log_pi: Tensor, mean: Tensor, s: Tensor) -> Tensor:
        """Root of the monotone logit CDF: widen to a bracket, bisect, then polish."""
        reach = torch.exp(s) * (3 + z.abs().unsqueeze(1).clamp(max=1e6))
        low, high = (mean - reach).amin(1), (mean + reach).amax(1)
        for _ in range(40):
            middle = (low + high) / 2
            too_low = self._logit_cdf(middle, log_pi, mean, s)[0] < z
            low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
        x = (low + high) / 2
        for _ in range(2):
            value, log_det = self._logit_cdf(x, log_pi, mean, s)
            x = torch.clamp(x - (value - z) * torch.exp(-log_det), low, high)
        return x
