"""Five tasks of the benchmark of simulation-based inference (Lueckmann et al. 2021, arXiv 2101.04653, appendix T).

Each has a prior, a simulator, ten observations and 10,000 reference draws from the posterior of each observation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, LogNormal, MultivariateNormal, Uniform

from benchmarks.common import data_folder

STEPS = 4000  # of the Runge-Kutta rule in 20 time units of predators and prey
TIMES = range(0, 201, 21)  # tenths of a unit at which both are counted


@dataclass(frozen=True)
class Task:
    """A prior over parameters, and a simulator of data (N, C) given parameters (N, D)."""

    prior: Distribution
    simulate: Callable[[Tensor], Tensor]


def two_moons(theta: Tensor) -> Tensor:
    """A crescent, moved by the parameters so that two of them explain each point."""
    angle = torch.pi * (torch.rand(len(theta)) - 0.5)
    radius = 0.1 + 0.01 * torch.randn(len(theta))
    moved = torch.stack((-theta.sum(1).abs(), theta[:, 1] - theta[:, 0]), 1) / 2**0.5
    return torch.stack((radius * angle.cos() + 0.25, radius * angle.sin()), 1) + moved


def gaussian_mixture(theta: Tensor) -> Tensor:
    """Around the parameters, half of the time widely and half of the time narrowly."""
    wide = torch.rand(len(theta), 1) < 0.5
    return theta + torch.where(wide, 1.0, 0.1) * torch.randn_like(theta)


def gaussian_linear(theta: Tensor) -> Tensor:
    """The parameters with Gaussian noise."""
    return theta + 0.1**0.5 * torch.randn_like(theta)


def lotka_volterra(theta: Tensor) -> Tensor:
    """Predators and prey, ten counts of each with noise of a tenth, by the classical Runge-Kutta rule."""
    alpha, beta, gamma, delta = theta.double().unbind(1)

    def slope(prey: Tensor, hunters: Tensor) -> tuple[Tensor, Tensor]:
        return alpha * prey - beta * prey * hunters, delta * prey * hunters - gamma * hunters

    h, prey, hunters, seen = 20 / STEPS, torch.full_like(alpha, 30.0), torch.ones_like(alpha), []
    for i in range(STEPS + 1):
        if i % (STEPS // 200) == 0 and i // (STEPS // 200) in TIMES:
            seen.append(torch.stack((prey, hunters), 1))
        a = slope(prey, hunters)
        b = slope(prey + h / 2 * a[0], hunters + h / 2 * a[1])
        c = slope(prey + h / 2 * b[0], hunters + h / 2 * b[1])
        d = slope(prey + h * c[0], hunters + h * c[1])
        prey = prey + h / 6 * (a[0] + 2 * b[0] + 2 * c[0] + d[0])
        hunters = hunters + h / 6 * (a[1] + 2 * b[1] + 2 * c[1] + d[1])
    counts = torch.stack(seen, 2).flatten(1).clamp(1e-10, 1e4).log().float()
    return (counts + 0.1 * torch.randn_like(counts)).exp()


def design() -> Tensor:
    """What each of 100 moments gives the rate of spikes to read: 1 and the last nine values of a fixed noise."""
    noise = torch.from_numpy(np.random.RandomState(42).randn(100).astype(np.float32))
    lagged = [torch.cat((torch.zeros(j), noise[: 100 - j])) for j in range(9)]
    return torch.stack((torch.ones(100), *lagged), 1)


def bernoulli_glm(theta: Tensor) -> Tensor:
    """Sufficient statistics of 100 yes-or-no values in a logistic regression on noise."""
    matrix = design()
    return torch.bernoulli((theta @ matrix.T).sigmoid()) @ matrix


def _smooth() -> Tensor:
    """Precision of the prior of a logistic regression's weights: its filter is smooth."""
    second = torch.eye(9) - torch.diag(torch.ones(8), -1)
    root = second @ second + torch.diag(torch.arange(9) / 9) ** 0.5
    return torch.block_diag(torch.tensor([[0.5]]), root.T @ root)


def tasks() -> dict[str, Task]:
    """By name."""
    centre = torch.tensor([-0.125, -3.0, -0.125, -3.0])
    return {
        "two_moons": Task(Independent(Uniform(-torch.ones(2), torch.ones(2)), 1), two_moons),
        "gaussian_mixture": Task(
            Independent(Uniform(torch.full((2,), -10.0), torch.full((2,), 10.0)), 1), gaussian_mixture
        ),
        "gaussian_linear": Task(MultivariateNormal(torch.zeros(10), 0.1 * torch.eye(10)), gaussian_linear),
        "lotka_volterra": Task(Independent(LogNormal(centre, torch.full((4,), 0.5)), 1), lotka_volterra),
        "bernoulli_glm": Task(MultivariateNormal(torch.zeros(10), precision_matrix=_smooth()), bernoulli_glm),
    }


def read(task: str, observation: int, name: str) -> Tensor:
    """One of a task's files about an observation, 1 to 10: "observation" or "reference_posterior_samples"."""
    folder = data_folder() / "sbibm" / task / f"num_observation_{observation}"
    file = next(folder.glob(f"{name}.csv*"))
    return torch.from_numpy(np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2, dtype=np.float32))
