"""Training without data: towards a density that is known up to a constant, by draws of the model's own."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fluvial.core import Density, randomness
from fluvial.training.objectives import Objective
from fluvial.training.rows import Rows, Single
from fluvial.training.target import Target

JUDGED = 2048
"""Draws that judge an epoch."""


def renyi_bound(log_weight: Tensor, alpha: float) -> Tensor:
    r"""A lower bound on log Z from log w = log pi(x) - log q(x) of draws x of q, a scalar, nats.

    :math:`\tfrac1\alpha \log \tfrac1n \sum_i w_i^\alpha`; for alpha = 0 the mean of log w, the ELBO, and for alpha = 1
    log of the mean of w, importance sampling's estimate of log Z. Source: Li and Turner 2016, arXiv 1602.02311, eq. 4,
    with their alpha as 1 - alpha.
    """
    if alpha == 0:
        return log_weight.mean()
    return (torch.logsumexp(alpha * log_weight, 0) - math.log(max(1, len(log_weight)))) / alpha


def path_loss(density: Density, target: Target, n: int, alpha: float) -> Tensor:
    r"""Minus :func:`renyi_bound` of n draws, whose gradient follows the draws alone and is 0 where q = pi.

    .. math:: -\sum_i c_i\, \nabla_x \log\frac{\pi(x_i)}{q(x_i)} \cdot \frac{\partial x_i}{\partial \theta},\qquad
        c_i = w_i^\alpha / \sum_j w_j^\alpha.

    alpha = 0 is the reverse KL divergence with the path derivative of Roeder et al. 2017, arXiv 1703.09194; larger ones
    cover more of the target's mass, alpha = 1/2 descends the Hellinger distance, and towards 1 it is the forward KL
    (the doubly reparameterised gradient of Tucker et al. 2018, arXiv 1810.04152).
    """
    x = density.sample(n)
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        held = {name: value.detach() for name, value in density.named_parameters()}
        log_q = torch.func.functional_call(density, held, (at,))
        slope_q = torch.autograd.grad(log_q.sum(), at)[0]
    log_pi, slope_pi = target.score(at)
    log_weight = log_pi - log_q.detach()
    known = log_weight.isfinite()
    share = torch.where(known, alpha * log_weight, -math.inf).softmax(0)
    way = -(share[:, None] * torch.where(known[:, None], slope_pi - slope_q, 0.0) * x).sum()
    return way + (-renyi_bound(log_weight[known], alpha) - way).detach()


def towards(target: Target, alpha: float) -> Objective:
    """Learning by :func:`path_loss`, judged by the same bound on draws that are the same after every epoch."""

    def loss(density: Density, x: Tensor, context: Tensor | None = None) -> Tensor:
        return path_loss(density, target, len(x), alpha)

    @torch.no_grad()
    def judge(rows: Rows, density: Density, seed: int) -> float:
        with randomness.drawing_from(seed):
            x, log_q = density.eval().sample_and_log_prob(JUDGED)
        log_weight = target(x) - log_q
        return -float(renyi_bound(log_weight[log_weight > -math.inf], alpha))

    return Objective(loss, judge)


@dataclass(frozen=True)
class Draws(Single):
    """The rows of training without data: standard normal noise, read for its number alone.

    Args:
        features: D.
        steps: a pass, of ``batch_size`` draws each.
    """

    features: int
    steps: int
    batch_size: int
    initial = 1024

    def __len__(self) -> int:
        return self.steps * self.batch_size

    @property
    def size(self) -> tuple[int, int]:
        """Draws of a pass, and numbers in each."""
        return len(self), self.features

    def score(self, density: Density, seed: int) -> float:
        """Nothing: there are no data."""
        return math.nan

    def digest(self) -> str:
        """A fingerprint of the sizes."""
        return hashlib.blake2b(repr(self).encode(), digest_size=16).hexdigest()

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Noise."""
        return randomness.normal((len(index), self.features), torch.float64, device), None

    def to(self, device: torch.device) -> Rows:
        """Itself: there is nothing to send."""
        return self
