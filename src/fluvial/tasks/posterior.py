"""What inference comes to: weighted draws, what they are worth, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fluvial.core import Density, UsageError
from fluvial.core.numbers import whole
from fluvial.core.randomness import choices, drawing_from
from fluvial.examine.importance import Weights

if TYPE_CHECKING:
    from xarray import DataTree


@dataclass(frozen=True)
class Posterior:
    """What :func:`infer` returns, in the units of the target.

    Args:
        density: the fitted density q, normalised.
        x: draws of q, (N, D).
        log_weight: log of target over q at each draw, (N,), nats.
        weights: what these are worth: Pareto-smoothed shares, Pareto k, effective sample size, log evidence and its
            standard error.
        names: of the D numbers.
        sentences: what a reader should know before believing it; among them modes that were lost.
    """

    density: Density
    x: Tensor
    log_weight: Tensor
    weights: Weights
    names: Sequence[str]
    sentences: Sequence[str]

    @property
    def mean(self) -> Tensor:
        """Of each number under the target, (D,), by weights."""
        return self.expect(self.x)

    @property
    def sd(self) -> Tensor:
        """Standard deviation of each number under the target, (D,), by weights."""
        return self.expect((self.x - self.mean).square()).sqrt()

    def expect(self, values: Tensor) -> Tensor:
        """The weighted mean of what was computed from ``x``, (N, ...): an expectation under the target.

        Raises:
            UsageError: not a value for each draw.
        """
        if values.shape[:1] != self.x.shape[:1]:
            raise UsageError(f"values: expected one for each of {len(self.x)} draws, got shape {tuple(values.shape)}")
        return torch.tensordot(self.weights.shares.to(values.dtype), values, 1)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n draws of the target, (n, D): those of q, taken again by their weights, so some come more than once."""
        with drawing_from(seed):
            return self.x[choices(self.weights.shares, whole("n", n, 1))]

    def to_arviz(self, n: int | None = None, seed: int = 0) -> DataTree:
        """:meth:`sample` as ArviZ reads it: one chain of n draws, as many as there are by default."""
        import arviz_base  # which infer made sure of

        drawn = self.sample(len(self.x) if n is None else n, seed).numpy()
        posterior = {name: drawn[None, :, i] for i, name in enumerate(self.names)}
        attributes: dict[str, Any] = {
            "pareto_k": self.weights.pareto_k,
            "effective_sample_size": self.weights.ess,
            "log_evidence": self.weights.log_evidence,
            "log_evidence_error": self.weights.log_evidence_error,
        }
        return arviz_base.from_dict({"posterior": posterior}, attrs={"posterior": attributes})

    def __repr__(self) -> str:
        width = max(map(len, self.names))
        rows = [f"{name:{width}}  {m:12.5g}  {s:12.5g}" for name, m, s in zip(self.names, self.mean, self.sd)]
        return "\n".join([f"{'':{width}}  {'mean':>12}  {'sd':>12}", *rows, "", *self.sentences])
