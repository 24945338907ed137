# pyright: basic, reportMissingImports=false, reportIncompatibleMethodOverride=false
# (sbi is not typed strictly, and is heavy, so not among what the development of fluvial installs)
"""fluvial's flows in sbi: simulation-based inference of posteriors and likelihoods.

from sbi.inference import NPE
from fluvial.interfaces.sbi import posterior_nn

inference = NPE(prior, density_estimator=posterior_nn("nsf"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fluvial.core import Density, Flow, UsageError
from fluvial.models import build, default_of, recipe_of
from fluvial.transforms import Standardize
from fluvial.transforms.normalization import needs_statistics

try:
    from sbi.neural_nets.estimators.base import ConditionalDensityEstimator
except ImportError:
    raise ImportError(
        'density estimators for sbi need it, which is not installed: pip install "fluvial[sbi]"'
    ) from None

Build = Callable[[Tensor, Tensor], "DensityEstimator"]
DEFAULT = default_of("tables", "real")
Z_SCORES = ("independent", "structured", "none")


def posterior_nn(
    model: str = DEFAULT,
    options: Mapping[str, Any] | None = None,
    embedding_net: nn.Module | None = None,
    z_score_theta: str = "independent",
    z_score_x: str = "independent",
) -> Build:
    """A builder of p(theta | x), for ``NPE(density_estimator=...)``.

    Args:
        model, options: a recipe for vectors of real numbers, and what of it differs from the defaults.
        embedding_net: x to features, trained with the flow.
        z_score_theta, z_score_x: as in sbi, "independent" for each column, "structured" for one mean and standard
            deviation of all of them, or "none". Scores are in the units of theta all the same.
    """
    return lambda theta, x: build_estimator(theta, x, model, options, embedding_net, z_score_theta, z_score_x)


def likelihood_nn(
    model: str = DEFAULT,
    options: Mapping[str, Any] | None = None,
    embedding_net: nn.Module | None = None,
    z_score_theta: str = "independent",
    z_score_x: str = "independent",
) -> Build:
    """A builder of p(x | theta), for ``NLE(density_estimator=...)``; ``embedding_net`` reads theta. See above."""
    return lambda theta, x: build_estimator(x, theta, model, options, embedding_net, z_score_x, z_score_theta)


def build_estimator(
    batch_x: Tensor,
    batch_y: Tensor,
    model: str = DEFAULT,
    options: Mapping[str, Any] | None = None,
    embedding_net: nn.Module | None = None,
    z_score_x: str = "independent",
    z_score_y: str = "independent",
) -> DensityEstimator:
    """p(x | y) for x and y like those of the batches, spelt as sbi's own builders are.

    Raises:
        UsageError: an unknown model or option, a model of classes or one with batch normalisation, or an x that
            does not vary.
    """
    if recipe_of(model).values == "whole":
        raise UsageError(f"{model} is a model of classes; for sbi choose one of real numbers, such as {DEFAULT}")
    shape, condition_shape = batch_x.shape[1:], batch_y.shape[1:]
    rows = batch_x.flatten(1)
    location, scale = _moments(rows, z_score_x)
    if not bool((scale > 0).all()):
        constant = (~(scale > 0)).expand(rows.shape[1]).nonzero().squeeze(1).tolist()
        raise UsageError(f"columns {constant} do not vary: a constant has no density")
    embedding = _embedding(batch_y, embedding_net, z_score_y)
    with torch.no_grad():
        features = embedding(batch_y).shape[1]
    inner = build(
        {"model": model, "event_shape": rows.shape[1:], "context_shape": (features,), "options": dict(options or {})}
    )
    if needs_statistics(inner):
        raise UsageError(
            f"sbi's training does not measure what batch normalisation needs: set batch_norm of {model} to False"
        )
    density = Flow(Standardize(location, scale), inner, tuple(rows.shape[1:]), (features,)).to(batch_x.device)
    with torch.no_grad():
        density.initialize(rows, embedding(batch_y))
    return DensityEstimator(density, embedding, shape, condition_shape)


class DensityEstimator(ConditionalDensityEstimator):
    """A conditional density as sbi's estimator.

    Args:
        density: over the flattened input, given the features.
        embedding: a module condition (B, ...) -> features (B, C).
        input_shape, condition_shape: of one of each, as sbi gives them.
    """

    def __init__(
        self, density: Density, embedding: nn.Module, input_shape: torch.Size, condition_shape: torch.Size
    ) -> None:
        super().__init__(density, torch.Size(input_shape), torch.Size(condition_shape))
        self.embedding = embedding

    @property
    def embedding_net(self) -> nn.Module:
        return self.embedding

    def log_prob(self, input: Tensor, condition: Tensor) -> Tensor:  # noqa: A002  (sbi's name)
        """log p (sample, batch) of inputs ([sample,] batch, ...) given conditions ([sample,] batch, ...)."""
        self._check_input_shape(input)
        given = self._given(condition)
        if input.dim() < len(self.input_shape) + 2:
            input = input.unsqueeze(0)  # noqa: A001
        return given.log_prob(input.flatten(input.dim() - len(self.input_shape)))

    def loss(self, input: Tensor, condition: Tensor) -> Tensor:  # noqa: A002
        """-log p (batch,), nats."""
        return -self.log_prob(input.unsqueeze(0), condition)[0]

    def sample(self, sample_shape: torch.Size, condition: Tensor) -> Tensor:
        """Draws (*sample_shape, batch, ...), one of each of the conditions (batch, ...)."""
        return self._shaped(self._given(condition).sample(sample_shape))

    def sample_and_log_prob(self, sample_shape: torch.Size, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The same with log p of each; where the density allows it, both carry gradients."""
        given = self._given(condition)
        if not given.has_rsample:
            return super().sample_and_log_prob(sample_shape, condition)
        x, log_p = given.rsample_and_log_prob(sample_shape)
        return self._shaped(x), log_p

    def _given(self, condition: Tensor) -> Any:  # noqa: ANN401
        self._check_condition_shape(condition)
        batch = condition.shape[: condition.dim() - len(self.condition_shape)]
        features = self.embedding(condition.reshape(-1, *self.condition_shape))
        return self.net.given(features.reshape(*batch, -1))

    def _shaped(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], *self.input_shape)


class _Embedding(nn.Module):
    """Standardised conditions (B, ...), through a network or not, to features (B, C)."""

    def __init__(self, location: Tensor, scale: Tensor, net: nn.Module) -> None:
        super().__init__()
        self.register_buffer("location", location)
        self.register_buffer("scale", scale)
        self.location: Tensor
        self.scale: Tensor
        self.net = net

    def forward(self, condition: Tensor) -> Tensor:
        return self.net((condition - self.location) / self.scale).flatten(1)


def _embedding(batch: Tensor, net: nn.Module | None, z_score: str) -> nn.Module:
    location, scale = _moments(batch, z_score)
    scale = torch.where(scale > 0, scale, 1.0)  # what does not vary tells nothing, and stays what it is
    return _Embedding(location, scale, net or nn.Identity()).to(batch.device)


def _moments(batch: Tensor, z_score: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation to standardise rows with, without the rows that sbi leaves out: those not finite."""
    if z_score not in Z_SCORES:
        raise UsageError(f"z-scores: expected one of {', '.join(Z_SCORES)}, got {z_score!r}")
    one = batch[0]
    if z_score == "none":
        return torch.zeros_like(one), torch.ones_like(one)
    rows = batch[batch.flatten(1).isfinite().all(1)]
    std, mean = torch.std_mean(rows, 0 if z_score == "independent" else None, correction=0)
    return mean.expand_as(one).clone(), std.expand_as(one).clone()
