"""Posteriors q(z | features) of a VAE whose draws carry gradients: diagonal Gaussians, and flows of them."""

from __future__ import annotations

from collections.abc import Sequence

from fluvial.conditioners import MLP
from fluvial.core import Density, Flow, Normal
from fluvial.models.iaf import iaf
from fluvial.transforms import Elementwise
from fluvial.univariate import Affine, TanhScale

_LOG_SCALE = 6.0  # the largest of a posterior: from 1 / 400 to 400 of the prior's


def diagonal(latent: int, features: int) -> Flow:
    """q(z | h) = N(t(h), diag exp(2 s(h))), with t and s linear in the features h (B, features)."""
    head = MLP((features,), (2, latent), ())
    return Flow(Elementwise(Affine(TanhScale(_LOG_SCALE)), (latent,), head), Normal((latent,)), (latent,), (features,))


def posterior(
    latent: int,
    features: int,
    *,
    transforms: int = 0,
    hidden: Sequence[int] = (64, 64),
    activation: str = "elu",
    gated: bool = True,
) -> Flow:
    """A diagonal Gaussian behind inverse autoregressive steps, which all read the features (Kingma et al. 2016).

    Each step is ``Inverse(Autoregressive(...))``, MAF's read backwards, so a draw takes one pass and brings its
    density. No steps leave the Gaussian alone. Source: arXiv 1606.04934, algorithm 1.

    Args:
        gated: the paper's stable gate, eq. 13-14; else the affine map of its released code.
    """
    start = diagonal(latent, features)
    if not transforms:
        return start
    return through(
        start,
        iaf(
            (latent,),
            transforms=transforms,
            hidden=hidden,
            activation=activation,
            gated=gated,
            context_shape=(features,),
        ),
    )


def through(start: Density, flow: Flow) -> Flow:
    """Draws of ``start`` sent through the transform of ``flow``: any flow makes a posterior of a simpler one."""
    return Flow(flow.transform, start, start.event_shape, start.context_shape)
