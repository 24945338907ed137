"""Inference: a flow fitted to a density that its user knows up to a constant, such as a posterior."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fluvial.core import Chain, Density, Flow, Mixture, Normal, StudentT, Transform, UsageError, randomness
from fluvial.core.errors import RunError
from fluvial.core.numbers import is_real, whole
from fluvial.examine.importance import needs_arviz, weighed
from fluvial.models import build, recipe_of
from fluvial.tasks.doubts import listed, missed, told_of
from fluvial.tasks.posterior import Posterior
from fluvial.training import Settings, train
from fluvial.training.laplace import Gaussian, distinct, gaussians
from fluvial.training.target import LogDensity, Target
from fluvial.training.variational import Draws, towards
from fluvial.transforms.constrained import Constrained, Spec
from fluvial.transforms.normalization import needs_statistics

_STARTS = 32  # points that climb
_NEAR, _WIDE = 2.0, 10.0  # from 0 behind the constraints, half of them each
_FAR = (3.0, 30.0)  # standard deviations of a mode, at which others are looked for
_STEPS, _BATCH = 20, 256  # of an epoch, and draws a step
_HIDDEN = (64, 64)
_HEAVY, _FREEDOM = 0.5, 3.0  # share of noise with heavy tails: no weight grows large where the flow's own are too light
_SHARED = 4000  # draws that decide how modes share


@dataclass(frozen=True)
class _Plan:
    """What is to be fitted, and how."""

    flow: str | Density
    options: Mapping[str, Any] | None
    alpha: float
    settings: Settings
    dtype: torch.dtype


def infer(
    log_target: LogDensity,
    dim: int | None = None,
    *,
    flow: str | Density = "iaf",
    options: Mapping[str, Any] | None = None,
    constraints: Spec = None,
    start: Tensor | None = None,
    names: Sequence[str] | None = None,
    alpha: float = 0.5,
    epochs: int = 40,
    draws: int = 10_000,
    modes: int = 8,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Posterior:
    r"""Fit a flow to an unnormalised density, and weigh its draws, so that expectations are the target's.

    First many points climb the target by Newton's steps, each of which gives a Gaussian; then a flow for each separate
    mode learns the target from its own draws, standardised by that Gaussian; last come draws of all of them, half of
    them of noise with heavy tails, weighted by target over q with Pareto smoothing (Vehtari et al. 2024, arXiv
    1507.02646).

    Args:
        log_target: log of the density up to a constant, of rows (B, D) to (B,), in PyTorch; -inf where it is zero.
        dim: D; not needed where ``start`` says it.
        flow: the name of a model of real numbers, or a density over (D,), of which copies are trained on the
            standardised target; it needs draws with gradients.
        options: of the model; without any, hidden layers have 64 units.
        constraints: of the numbers, as :class:`fluvial.transforms.Constrained` takes them, e.g.
            ``torch.distributions.constraints.positive`` or one (or None) for each number.
        start: points (D,) or (K, D) to climb from, in the units of the target, beside random ones.
        names: of the D numbers; x[0], x[1], ... by default.
        alpha: 0 is the reverse KL divergence, which fits one place closely; larger ones, below 1, cover more of what
            the target covers, see :func:`fluvial.training.variational.path_loss`.
        epochs: passes of 20 steps of 256 draws.
        draws: N, that are weighed.
        modes: that are fitted at most, the largest ones.
        dtype: of the rows that ``log_target`` is given, and of everything that is trained.

    Raises:
        UsageError: an argument that does not fit, a target of another shape, without a gradient or not finite anywhere,
            or ArviZ missing.

    >>> import torch, fluvial
    >>> q = fluvial.infer(lambda x: -0.5 * (x - 3).square().sum(1), 2, flow="gaussian", epochs=1)
    >>> round(q.weights.log_evidence, 2)  # log(2 pi) = 1.84
    1.84
    """
    needs_arviz()
    if not callable(log_target):  # pyright: ignore[reportUnnecessaryComparison]
        raise UsageError(f"log_target: expected a function of rows (B, D), got {log_target!r}")
    start, dim = _start(start, dim, dtype)
    names = [f"x[{i}]" for i in range(dim)] if names is None else list(names)
    if len(names) != dim:
        raise UsageError(f"names: expected {dim}, got {len(names)}")
    head = _head(constraints, dim)
    draws, modes = whole("draws", draws, 100), whole("modes", modes, 1)
    plan = _plan(flow, options, alpha, epochs, seed, dtype)
    target = Target(log_target, head)
    with randomness.drawing_from(seed):
        found = _searched(target, head, _points(head, start, dtype), modes)
    kept, more = distinct(found, modes)
    fitted = [_fitted(plan, target, head, gaussian) for gaussian in kept]
    with torch.no_grad(), randomness.drawing_from(randomness.shifted(seed, 1)):
        density = fitted[0] if len(fitted) == 1 else _shared(target, fitted)
        x, log_q = density.eval().sample_and_log_prob(draws)
        log_weight = target.at(x) - log_q
        weights = weighed(log_weight)
        lost = [g for g in kept if missed(target, head, density, g, weights.log_evidence)]
    told = told_of(head, log_weight, weights, kept, more, lost, density)
    return Posterior(density, x, log_weight, weights, names, told)


def _head(constraints: Spec, dim: int) -> Constrained:
    try:
        return Constrained(constraints, dim)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None


def _plan(
    flow: str | Density, options: Mapping[str, Any] | None, alpha: float, epochs: int, seed: int, dtype: torch.dtype
) -> _Plan:
    if not is_real(alpha) or not 0 <= alpha < 1:
        raise UsageError(f"alpha: expected a number of at least 0 and below 1, got {alpha!r}")
    settings = Settings(epochs=epochs, seed=seed, weight_decay=0.0, device="cpu")
    return _Plan(flow, options, float(alpha), settings, dtype)


def _start(start: Tensor | None, dim: int | None, dtype: torch.dtype) -> tuple[Tensor | None, int]:
    """Points (K, D) or None, and D."""
    if start is None:
        if dim is None:
            raise UsageError("dim: say how many numbers log_target is of, or give start")
        return None, whole("dim", dim, 1)
    rows = torch.atleast_2d(torch.as_tensor(start).detach().to("cpu", dtype))
    if rows.dim() != 2 or not bool(rows.isfinite().all()):
        raise UsageError(f"start: expected finite points, (D,) or (K, D), got shape {tuple(rows.shape)}")
    if dim is not None and rows.shape[1] != dim:
        raise UsageError(f"start: expected points of dim = {dim} numbers, got {rows.shape[1]}")
    return rows, rows.shape[1]


def _points(head: Transform, start: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Where to climb from, behind the constraints."""
    (features,) = head.output_shape((sum(head.sizes),))  # pyright: ignore
    reach = torch.tensor([_NEAR, _WIDE], dtype=dtype).repeat(_STARTS // 2)[:, None]
    points = reach * (2 * randomness.uniform((_STARTS, features), dtype) - 1)  # pyright: ignore
    if start is None:
        return points
    inside = head(start)[0]
    if not bool(inside.isfinite().all()):
        raise UsageError("start: a point lies outside of the constraints, or on their edge")
    return torch.cat((inside, points))


def _searched(target: Target, head: Constrained, points: Tensor, modes: int) -> list[Gaussian]:
    """Gaussians on the way uphill from the points, and from others far around the best of these Gaussians."""
    found = gaussians(target, points)
    if not found:
        raise UsageError(
            f"log_target is -inf or NaN, or its gradient is, around each of the {len(points)} starting points, such as "
            f"{listed(head, points[0])}: give start=, points where it is finite, or the constraints that keep to them"
        )
    return found + gaussians(target, _further(distinct(found, modes)[0], points.dtype))


def _further(kept: list[Gaussian], dtype: torch.dtype) -> Tensor:
    """Points far around the modes that were found, from where others may be climbed."""
    each, (least, most) = -(-_STARTS // len(kept)), _FAR
    far = least * (most / least) ** (torch.arange(each, dtype=dtype) / max(1, each - 1))[:, None]
    return torch.cat([g.mean + far * randomness.normal((each, len(g.mean)), dtype) @ g.factor.T for g in kept])


def _fitted(plan: _Plan, target: Target, head: Constrained, gaussian: Gaussian) -> Flow:
    """A flow that learnt the target around one mode, in the units of the target."""
    whiten = gaussian.whiten()
    features = len(gaussian.mean)
    density = _fresh(plan, features)
    noise = Draws(features, _STEPS, _BATCH)
    objective = towards(target.behind(whiten), plan.alpha)
    try:
        for _ in train(density, noise, noise, plan.settings, objective=objective):
            pass
    except RunError:
        raise UsageError(
            "log_target is -inf or NaN, or has no slope, at nearly all draws of the fit, which so learnt nothing: give "
            "the constraints that keep x to where the target is not zero"
        ) from None
    inner = _with_heavy_tails(density.requires_grad_(False), plan.dtype)
    return Flow(Chain(head, whiten), inner, (sum(head.sizes),)).eval()


def _fresh(plan: _Plan, features: int) -> Density:
    """The density that is to learn, not trained yet.

    Raises:
        UsageError: it is not one of vectors of this size, is only a bound, or its draws carry no gradients.
    """
    if isinstance(plan.flow, Density):
        density, name = copy.deepcopy(plan.flow), type(plan.flow).__name__
    else:
        name, recipe = plan.flow, recipe_of(plan.flow)
        options = plan.options or ({"hidden": _HIDDEN} if "hidden" in recipe.options else {})
        with randomness.drawing_from(plan.settings.seed, lend=True):  # torch makes initial weights itself
            density = build({"model": name, "event_shape": [features], "options": dict(options)})
    if tuple(density.event_shape) != (features,) or density.context_shape is not None:
        raise UsageError(
            f"flow: expected a density over ({features},) without context, the numbers that the constraints leave "
            f"free, got one over {tuple(density.event_shape)}"
        )
    if not (density.exact and density.reparameterized) or needs_statistics(density):
        raise UsageError(
            f"flow: {name} has no exact density whose draws carry gradients and need no statistics of data, which "
            "inference learns by; iaf, nsf, nsf_coupling and realnvp have"
        )
    return density.to(plan.dtype)


def _with_heavy_tails(density: Density, dtype: torch.dtype) -> Density:
    """The same flow, of noise half of which has heavy tails, where its own is normal (Hesterberg 1995)."""
    if type(density) is not Flow or not isinstance(density.base, Normal):
        return density
    shares = torch.tensor([1 - _HEAVY, _HEAVY], dtype=dtype)
    base = _mixed([density.base, StudentT(density.event_shape, _FREEDOM)], shares)
    return Flow(density.transform, base, density.event_shape)


def _mixed(components: Sequence[Density], shares: Tensor) -> Mixture:
    """A mixture with these shares."""
    mixture = Mixture(*components).to(shares.dtype).requires_grad_(False)
    mixture.logits.copy_(shares.log())
    return mixture


def _shared(target: Target, fitted: list[Flow]) -> Mixture:
    """The mixture of the modes' flows, whose shares are the target's, by expectation maximisation on weighted draws.

    Cappé et al. 2008, arXiv 0710.4242.
    """
    m = len(fitted)
    x = torch.cat([flow.sample(-(-_SHARED // m)) for flow in fitted])
    parts = torch.stack([flow(x) for flow in fitted], 1)
    weight = (target.at(x) - parts.logsumexp(1)).softmax(0)
    shares = torch.full((m,), 1 / m, dtype=x.dtype)
    for _ in range(50):
        shares = weight @ (parts + shares.log()).softmax(1)
        shares = shares.clamp(min=1e-3 / m) / shares.clamp(min=1e-3 / m).sum()
    return _mixed(fitted, shares)
