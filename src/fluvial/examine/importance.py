# pyright: basic
# (ArviZ is not typed strictly)
"""What importance weights tell of a fit, and of the integral that it stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fluvial.core import UsageError

TRUSTED = 0.7
"""The largest Pareto k with which weighted means are to be trusted (Vehtari et al. 2024, arXiv 1507.02646)."""
_TINY, _TAIL = 1e-12, 50  # of the largest weight; fewer weights than that have no tail to speak of


@dataclass(frozen=True)
class Weights:
    """Of N draws of q, for a density pi known up to Z.

    Args:
        shares: Pareto-smoothed and normalised, (N,), float64.
        pareto_k: shape of the weights' tail: variance is finite below 0.5, means are to be trusted below 0.7; infinite
            where a handful of draws have all the weight.
        ess: effective sample size of the shares, 1 / sum of squares, 1 to N.
        log_evidence: log Z, from the weights as they are, nats.
        log_evidence_error: its standard error.
    """

    shares: Tensor
    pareto_k: float
    ess: float
    log_evidence: float
    log_evidence_error: float


def weighed(log_weight: Tensor) -> Weights:
    """From log w = log pi(x) - log q(x), (N,), -inf where pi is 0.

    Raises:
        UsageError: ArviZ is not installed, or no weight is finite.
    """
    smoothed = _psislw()
    raw = log_weight.double()
    if not bool(raw.isfinite().any()):
        raise UsageError("log_target is -inf or NaN at every draw of the fit: there is nothing to weigh")
    relative = (raw - raw.max()).exp()
    mean = relative.mean()
    error = float(relative.std() / mean) / math.sqrt(len(raw))
    log_z = float(raw.max() + mean.log())
    shares, k = relative / relative.sum(), math.inf
    if float(relative.min()) > 1 - 1e-9:  # q is pi: there is no tail
        k = -math.inf
    elif int((relative > _TINY).sum()) > _TAIL:
        known = raw.isfinite()
        log_shares, k = smoothed(-raw[known].numpy())  # it asks for log-likelihoods, whose weights are 1 / p
        shares[known] = torch.from_numpy(np.asarray(log_shares)).softmax(0)
    return Weights(shares, float(k), float(1 / shares.square().sum()), log_z, error)


def _psislw():  # noqa: ANN202
    try:
        from arviz_stats.base.array import array_stats
    except ImportError:
        raise UsageError('inference needs ArviZ, which is not installed: pip install "fluvial[infer]"') from None
    return array_stats.psislw


needs_arviz = _psislw
"""UsageError, a sentence, unless ArviZ is there."""
