"""CDFs of mixtures as maps: of Gaussians for MADE-MoG and MAF-MoG, of logistics for Flow++."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fluvial.core.portable import log_ndtr, log_sigmoid
from fluvial.univariate.affine import Scale, TanhScale


@dataclass(frozen=True)
class _Mixture:
    """z = logit F(x) for the CDF F of a mixture; subclasses give a component's log F, log(1 - F) and log f.

    log_det = log f(x) - log F(x) - log(1 - F(x)). Both tails of F are computed on their own, so z keeps its
    precision far out, where F itself rounds to 0 or 1. The inverse is a bisection, polished by Newton steps.
    """

    components: int = 10
    bound: float = 7.0

    @property
    def size(self) -> int:
        return 3 * self.components

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        return self._logit_cdf(x, *self._read(theta))

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

    def _component(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log F(u), log(1 - F(u)) and log f(u) of one standard component."""
        raise NotImplementedError

    def _read(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, mean, raw = theta.split(self.components, 1)
        return logits.log_softmax(1), mean, self.bound * torch.tanh(raw / self.bound)

    def _logit_cdf(self, x: Tensor, log_pi: Tensor, mean: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        below, above, density = self._component((x.unsqueeze(1) - mean) * torch.exp(-s))
        below, above = torch.logsumexp(log_pi + below, 1), torch.logsumexp(log_pi + above, 1)
        log_f = torch.logsumexp(log_pi + density - s, 1)
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


@dataclass(frozen=True)
class GaussianMixture(_Mixture):
    r"""z = logit F(x), where F is the CDF of a mixture of K Gaussians: towards a Logistic base.

    log p(x) of the mixture comes out exactly: log_det = log f(x) - log F(x) - log(1 - F(x)), and the logistic
    base gives back log F + log(1 - F).

    theta: K weight logits, K means, K log-scales (bounded like :class:`TanhScale`).
    Source: MADE-MoG and MAF-MoG of Papamakarios et al. 2017, arXiv 1705.07057, section 4.

    Args:
        components: K.
        bound: largest absolute log-scale of a component, nats.
    """

    bijective = True
    identity_at_zero = False

    def _component(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return log_ndtr(u), log_ndtr(-u), -0.5 * (u.square() + math.log(2 * math.pi))


@dataclass(frozen=True)
class LogisticMixture(_Mixture):
    r"""z = (logit F(x) - t) exp(-a), where F is the CDF of a mixture of K logistics: Flow++'s coupling.

    At theta = 0 all components are standard and z = x. Components that start alike stay alike, so give a network's
    last bias some noise.

    theta: K weight logits, K means, K log-scales (bounded by ``bound``), t, and a's raw number.
    Source: Ho et al. 2019, arXiv 1902.00275, eq. 12-15.

    Args:
        components: K.
        bound: largest absolute log-scale of a component, nats.
        scale: the rule for a.
    """

    components: int = 8
    scale: Scale = field(default_factory=TanhScale)
    bijective = True
    identity_at_zero = True

    @property
    def size(self) -> int:
        return 3 * self.components + 2

    def forward(self, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        mixture, t, a = self._parts(theta)
        y, log_det = super().forward(x, mixture)
        return (y - t) * torch.exp(-a), log_det - a

    def inverse(self, z: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        mixture, t, a = self._parts(theta)
        x, log_det = super().inverse(z * torch.exp(a) + t, mixture)
        return x, log_det + a

    def _parts(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mixture, t, raw = theta.split((3 * self.components, 1, 1), 1)
        return mixture, t.squeeze(1), self.scale(raw.squeeze(1))

    def _component(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        below, above = log_sigmoid(u), log_sigmoid(-u)
        return below, above, below + above
