"""What training minimises."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from fluvial.core import Density


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
