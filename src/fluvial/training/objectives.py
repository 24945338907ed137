"""What training minimises, and what tells whether it helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fluvial.core import Density, Flow, UsageError, randomness
from fluvial.models import VAE, Adversarial
from fluvial.models.recipe import Aim
from fluvial.training.rows import Rows

_JUDGED = 1000  # rows that draws are compared with after an epoch, and draws that judge a bound at least

Loss = Callable[[Density, Tensor, Tensor | None], Tensor]
Judge = Callable[[Rows, Density, int], float]


@dataclass(frozen=True)
class Objective:
    """How a density learns.

    Args:
        loss: of (density, x, context), a scalar whose gradient moves the weights, and so that rows add up: a mean.
        judge: of (rows, density, seed), what is minimised over the epochs, on rows held out.
        betas: of Adam. Two players must not go on in a direction that the other has left, so they have no momentum.
    """

    loss: Loss
    judge: Judge
    betas: tuple[float, float] = (0.9, 0.999)


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


def looseness(rows: Rows, density: Density, seed: int) -> float:
    """Minus the mean bound of a :class:`VAE`, nats: by one draw a row where rows are many, by more where they are few.

    What is trained is the bound of one draw, and the tighter one of K costs K times as much after each epoch.
    """
    if not isinstance(density, VAE):
        raise UsageError(f"a {type(density).__name__} has no bound to be judged by: only a VAE has one")
    draws = density.samples
    density.samples = max(1, min(draws, _JUDGED // max(1, len(rows))))
    try:
        return unlikelihood(rows, density, seed)
    finally:
        density.samples = draws


def adversarial_loss(density: Density, x: Tensor, context: Tensor | None = None) -> Tensor:
    r"""The sum of both players' losses, each with a gradient of its own weights alone, so that one step moves both.

    With d = critic(data) - critic(draws), row by row: the critic goes down softplus(-d) and
    gamma / 2 (|grad critic(data)|^2 + |grad critic(draws)|^2), gamma the model's ``penalty``; the generator down
    softplus(d) and, where the model has a ``weight``, that times -log p.
    Source: Huang et al. 2024, arXiv 2501.05441, eq. 2-5.
    """
    players, x, context = _players(density, x, context)
    real = players.seen(x).float().requires_grad_()
    made = players.drawn(x.shape[0], context)
    fake = made.detach().float().requires_grad_()
    of_real, of_fake = players.critic(real, context), players.critic(fake, context)
    slopes = torch.autograd.grad(of_real.sum() + of_fake.sum(), (real, fake), create_graph=True)
    penalty = sum((slope.square().flatten(1).sum(1).mean() for slope in slopes), torch.zeros((), device=x.device))
    held = {name: value.detach() for name, value in players.critic.named_parameters()}
    judged = torch.func.functional_call(players.critic, held, (made, context))
    loss = F.softplus(of_fake - of_real).mean() + F.softplus(of_real.detach() - judged).mean()
    loss = loss + players.penalty / 2 * penalty
    if players.weight and isinstance(players, Density):
        loss = loss - players.weight * players.log_prob(x, context).mean()
    return loss


@torch.no_grad()
def energy_distance(rows: Rows, density: Density, seed: int) -> float:
    """Energy distance of draws to rows, as the critic sees them: 2 E|x - y| - E|x - x'| - E|y - y'|.

    Source: Székely and Rizzo 2013, doi 10.1016/j.jspi.2013.03.018.
    """
    device = next(density.parameters()).device
    index = torch.arange(min(len(rows), _JUDGED))
    was = density.training
    with randomness.drawing_from(seed):
        players, x, context = _players(density.eval(), *rows.rows(index, device))
        data, made = (a.float().flatten(1) for a in (players.seen(x), players.drawn(x.shape[0], context)))
    density.train(was)
    n = len(data)
    within = sum(torch.cdist(a, a).sum() / (n * (n - 1)) for a in (data, made))
    return float(2 * torch.cdist(data, made).mean() - within)


def _players(density: Density, x: Tensor, context: Tensor | None) -> tuple[Adversarial, Tensor, Tensor | None]:
    """The two that play, behind the columns' own maps, and what they see of rows and contexts."""
    while isinstance(density, Flow) and not isinstance(density, Adversarial):
        context = context if context is None or density.embed is None else density.embed(context)
        with torch.no_grad():
            x = density.transform(x, context)[0]
        density = density.base
    if not isinstance(density, Adversarial):
        raise UsageError(f"a {type(density).__name__} has no critic to learn by: only gan and flow_gan have one")
    return density, x.detach(), density.embedded(context)


LIKELIHOOD = Objective(negative_log_likelihood, unlikelihood)
BOUND = Objective(negative_bound, looseness)

ADVERSARIAL = Objective(adversarial_loss, energy_distance, betas=(0.0, 0.99))

OBJECTIVES: dict[Aim, Objective] = {"likelihood": LIKELIHOOD, "bound": BOUND, "adversarial": ADVERSARIAL}
"""By the names that the records of models use."""
