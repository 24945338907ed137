"""What training minimises, and what tells whether it helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from fluvial.core import Density, UsageError
from fluvial.models import VAE
from fluvial.models.recipe import Aim
from fluvial.training.rows import Rows

Loss = Callable[[Density, Tensor, Tensor | None], Tensor]
Judge = Callable[[Rows, Density, int], float]


@dataclass(frozen=True)
class Objective:
    """How a density learns.

    Args:
        loss: of (density, x, context), a scalar whose gradient moves the weights, and so that rows add up: a mean.
        judge: of (rows, density, seed), what is minimised over the epochs, on rows held out.
    """

    loss: Loss
    judge: Judge


def negative_log_likelihood(density: Density, x: Tensor, context: Tensor | None = None) -> Tensor:
    """Mean of -log p over the rows of x, nats per row: a scalar."""
    return -density(x, context).mean()


def reverse_kl(density: Density, log_prob: Callable[[Tensor], Tensor], n: int, context: Tensor | None = None) -> Tensor:
    """KL(q || p) up to p's constant from n draws of the density q: mean of log q(x) - log p(x), a scalar.

    Args:
        log_prob: the target's log-density, (n, D) -> (n,), not necessarily normalised.
    """
    x, log_q = density.sample_and_log_prob(n, context)
    return (log_q - log_prob(x)).mean()


def negative_bound(density: Density, x: Tensor, context: Tensor | None = None) -> Tensor:
    """The loss of a :class:`VAE`: the negative mean ELBO of the rows, free bits left out; nats per row, a scalar."""
    if not isinstance(density, VAE):
        raise UsageError(f"a {type(density).__name__} has no bound to train by: only a VAE has one")
    return -density.bound(x, context)


def unlikelihood(rows: Rows, density: Density, seed: int) -> float:
    """Mean of -log p over the rows, or of its bound, nats."""
    return -rows.score(density, seed)


LIKELIHOOD = Objective(negative_log_likelihood, unlikelihood)
BOUND = Objective(negative_bound, unlikelihood)

OBJECTIVES: dict[Aim, Objective] = {"likelihood": LIKELIHOOD, "bound": BOUND}
"""By the names that the records of models use."""
