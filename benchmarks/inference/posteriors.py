"""Ten posteriors of posteriordb (Magnusson et al. 2023, arXiv 2407.04967), written in PyTorch from their definitions.

Each reads the files of its data, and gives a log density of one row of numbers after the other, up to a constant.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from pyro.distributions import constraints as pyro_constraints
from torch import Tensor
from torch.distributions import Beta, Cauchy, Normal, constraints
from torch.distributions.constraints import Constraint

from benchmarks.common import data_folder

positive, real, interval = constraints.positive, constraints.real, constraints.unit_interval


@dataclass(frozen=True)
class Posterior:
    """A log density, unnormalised.

    Args:
        log_density: (B, D) -> (B,).
        blocks: constraints of blocks of x, and how many numbers each has.
        names: of what is compared with the reference.
        compared: from x (B, D) to these values; None for the first of x as they are.
    """

    log_density: Callable[[Tensor], Tensor]
    blocks: list[tuple[Constraint, int]]
    names: list[str]
    compared: Callable[[Tensor], Tensor] | None = None

    @property
    def dim(self) -> int:
        return sum(n for _, n in self.blocks)

    @property
    def constraint(self) -> Constraint:
        return constraints.cat([c for c, _ in self.blocks], -1, [n for _, n in self.blocks])


def opened(name: str, file: str) -> Any:
    """The content of one of a posterior's files, "data" or "draws"."""
    with zipfile.ZipFile(data_folder() / "posteriordb" / name / f"{file}.json.zip") as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def reference(name: str, names: list[str]) -> np.ndarray:
    """The 10,000 reference draws, (10000, len(names))."""
    chains = opened(name, "draws")
    return np.stack([np.concatenate([chain[n] for chain in chains]) for n in names], 1)


def numbers(data: dict[str, Any], *names: str) -> list[Tensor]:
    return [torch.tensor(data[n], dtype=torch.float64) for n in names]


def indexed(name: str, count: int) -> list[str]:
    return [f"{name}[{i + 1}]" for i in range(count)]


def regression(columns: list[Tensor], y: Tensor, prior: Callable[[Tensor, Tensor], Tensor] | None = None) -> Posterior:
    """y ~ N(X beta, sigma), with a prior of (beta, sigma) or none."""
    matrix = torch.stack(columns, 1)
    d = matrix.shape[1]

    def log_density(x: Tensor) -> Tensor:
        beta, sigma = x[:, :d], x[:, d]
        log_p = Normal(beta @ matrix.T, sigma[:, None]).log_prob(y).sum(1)
        return log_p if prior is None else log_p + prior(beta, sigma)

    return Posterior(log_density, [(real, d), (positive, 1)], [*indexed("beta", d), "sigma"])


def kidiq() -> Posterior:
    iq, y = numbers(opened("kidiq-kidscore_momiq", "data"), "mom_iq", "kid_score")
    return regression([torch.ones_like(iq), iq], y, lambda beta, sigma: Cauchy(0.0, 2.5).log_prob(sigma))


def earnings() -> Posterior:
    height, y = numbers(opened("earnings-earn_height", "data"), "height", "earn")
    return regression([torch.ones_like(height), height], y)


def mesquite() -> Posterior:
    read = ("diam1", "diam2", "canopy_height", "total_height", "density")
    *sizes, group, weight = numbers(opened("mesquite-logmesquite", "data"), *read, "group", "weight")
    return regression([torch.ones_like(group), *(s.log() for s in sizes), group], weight.log())


def nes() -> Posterior:
    data = opened("nes1972-nes", "data")
    ideology, race, age, school, gender, income, y = numbers(
        data, "real_ideo", "race_adj", "age_discrete", "educ1", "gender", "income", "partyid7"
    )
    ages = [(age == level).double() for level in (2, 3, 4)]
    return regression([torch.ones_like(y), ideology, race, *ages, school, gender, income], y)


def blr() -> Posterior:
    matrix, y = numbers(opened("sblrc-blr", "data"), "X", "y")
    wide = Normal(torch.tensor(0.0, dtype=torch.float64), 10.0)
    return regression(list(matrix.T), y, lambda beta, sigma: wide.log_prob(beta).sum(1) + wide.log_prob(sigma))


def ark() -> Posterior:
    data = opened("arK-arK", "data")
    (y,), k = numbers(data, "y"), data["K"]
    columns = [torch.ones(len(y) - k, dtype=torch.float64), *(y[k - i : len(y) - i] for i in range(1, k + 1))]
    matrix, seen = torch.stack(columns, 1), y[k:]

    def log_density(x: Tensor) -> Tensor:
        weights, sigma = x[:, : k + 1], x[:, k + 1]
        prior = Normal(0.0, 10.0).log_prob(weights).sum(1) + Cauchy(0.0, 2.5).log_prob(sigma)
        return prior + Normal(weights @ matrix.T, sigma[:, None]).log_prob(seen).sum(1)

    return Posterior(log_density, [(real, k + 1), (positive, 1)], ["alpha", *indexed("beta", k), "sigma"])


def arma() -> Posterior:
    (y,) = numbers(opened("arma-arma11", "data"), "y")

    def log_density(x: Tensor) -> Tensor:
        mu, phi, theta, sigma = x.unbind(1)
        error = y[0] - mu - phi * mu
        errors = [error]
        for before, now in pairwise(y):
            error = now - (mu + phi * before + theta * error)
            errors.append(error)
        prior = Normal(0.0, 10.0).log_prob(mu) + Normal(0.0, 2.0).log_prob(phi) + Normal(0.0, 2.0).log_prob(theta)
        noise = Normal(0.0, sigma[:, None]).log_prob(torch.stack(errors, 1)).sum(1)
        return prior + Cauchy(0.0, 2.5).log_prob(sigma) + noise

    return Posterior(log_density, [(real, 3), (positive, 1)], ["mu", "phi", "theta", "sigma"])


def garch() -> Posterior:
    """alpha1 and beta1 are shares of one whole, so they and what is left are a simplex."""
    data = opened("garch-garch11", "data")
    (y,) = numbers(data, "y")

    def log_density(x: Tensor) -> Tensor:
        mu, alpha0, alpha1, beta1 = x[:, :4].unbind(1)
        variance = torch.full_like(mu, data["sigma1"] ** 2)
        variances = [variance]
        for before in y[:-1]:
            variance = alpha0 + alpha1 * (before - mu).square() + beta1 * variance
            variances.append(variance)
        return Normal(mu[:, None], torch.stack(variances, 1).sqrt()).log_prob(y).sum(1)

    blocks = [(real, 1), (positive, 1), (constraints.simplex, 3)]
    return Posterior(log_density, blocks, ["mu", "alpha0", "alpha1", "beta1"], lambda x: x[:, :4])


def two_groups() -> Posterior:
    (y,) = numbers(opened("low_dim_gauss_mix-low_dim_gauss_mix", "data"), "y")

    def log_density(x: Tensor) -> Tensor:
        mu, sigma, theta = x[:, :2], x[:, 2:4], x[:, 4]
        parts = Normal(mu[:, :, None], sigma[:, :, None]).log_prob(y)
        shares = torch.stack((theta, 1 - theta), 1).log()
        prior = Normal(0.0, 2.0).log_prob(torch.cat((mu, sigma), 1)).sum(1) + Beta(5.0, 5.0).log_prob(theta)
        return prior + torch.logsumexp(parts + shares[:, :, None], 1).sum(1)

    blocks = [(pyro_constraints.ordered_vector, 2), (positive, 2), (interval, 1)]
    return Posterior(log_density, blocks, [*indexed("mu", 2), *indexed("sigma", 2), "theta"])


def eight_schools() -> Posterior:
    y, sigma = numbers(opened("eight_schools-eight_schools_noncentered", "data"), "y", "sigma")

    def effects(x: Tensor) -> Tensor:
        return x[:, 8:9] + x[:, 9:] * x[:, :8]

    def log_density(x: Tensor) -> Tensor:
        mu, tau = x[:, 8], x[:, 9]
        prior = Normal(0.0, 1.0).log_prob(x[:, :8]).sum(1) + Normal(0.0, 5.0).log_prob(mu)
        return prior + Cauchy(0.0, 5.0).log_prob(tau) + Normal(effects(x), sigma).log_prob(y).sum(1)

    blocks = [(real, 9), (positive, 1)]
    names = [*indexed("theta", 8), "mu", "tau"]
    return Posterior(log_density, blocks, names, lambda x: torch.cat((effects(x), x[:, 8:]), 1))


def posteriors() -> dict[str, Callable[[], Posterior]]:
    """By posteriordb's names."""
    return {
        "eight_schools-eight_schools_noncentered": eight_schools,
        "arK-arK": ark,
        "kidiq-kidscore_momiq": kidiq,
        "sblrc-blr": blr,
        "mesquite-logmesquite": mesquite,
        "low_dim_gauss_mix-low_dim_gauss_mix": two_groups,
        "earnings-earn_height": earnings,
        "garch-garch11": garch,
        "arma-arma11": arma,
        "nes1972-nes": nes,
    }
