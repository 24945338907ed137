"""What a reader of a posterior should know before believing it."""

from __future__ import annotations

import math

from torch import Tensor

from fluvial.core import Density, Mixture, randomness
from fluvial.examine.importance import TRUSTED, Weights
from fluvial.training.laplace import Gaussian
from fluvial.training.target import Target
from fluvial.transforms.constrained import Constrained

_LOST = 2.0  # nats by which q may lie below the target around a mode that was found


def missed(target: Target, head: Constrained, density: Density, mode: Gaussian, log_evidence: float) -> bool:
    """Whether q has far less mass than the target around a mode that was found."""
    noise = randomness.normal((200, len(mode.mean)), mode.mean.dtype)
    x = head.inverse(mode.mean + noise @ mode.factor.T)[0]
    return float((target.at(x) - log_evidence - density(x)).median()) > _LOST


def told_of(
    head: Constrained,
    log_weight: Tensor,
    weights: Weights,
    kept: list[Gaussian],
    more: int,
    lost: list[Gaussian],
    density: Density,
) -> list[str]:
    """The sentences of a :class:`fluvial.tasks.posterior.Posterior`."""
    n, share = len(log_weight), weights.ess / len(log_weight)
    told = [
        f"log evidence {weights.log_evidence:.3f} ± {weights.log_evidence_error:.3f}; {n:,} draws are worth "
        f"{weights.ess:,.0f} independent ones; Pareto k {weights.pareto_k:.2f}."
    ]
    if weights.pareto_k > TRUSTED or math.isnan(weights.pareto_k):
        told.append(
            f"Do not trust these means: Pareto k is above {TRUSTED}, so a few draws decide them. Train longer "
            "(epochs=), try another flow, or write the target in numbers that depend on each other less."
        )
    elif share < 0.05:
        told.append(
            f"The fit is poor: {share:.1%} of the draws are left by the weights. Train longer or take more draws."
        )
    if isinstance(density, Mixture):
        shares = ", ".join(f"{s:.3g}" for s in density.logits.softmax(0).tolist())
        told.append(f"{len(kept)} separate modes were found, a flow for each; they hold {shares} of the mass.")
    if more:
        told.append(f"{more} further modes were found and left out: modes={len(kept) + more} fits them too.")
    told += [f"The mode at {listed(head, g.mean)} was found but lost: the fit has too little mass there." for g in lost]
    if outside := int((log_weight == -math.inf).sum()):
        told.append(
            f"At {outside / n:.1%} of the draws the target is zero or NaN; constraints would keep the fit from there."
        )
    return told


def listed(head: Constrained, z: Tensor) -> str:
    """A point, in the units of the target."""
    x = head.inverse(z[None])[0][0].tolist()
    return "(" + ", ".join(f"{v:.4g}" for v in x[:5]) + (", ..." if len(x) > 5 else "") + ")"
