"""Linear forecasts of series from what their last steps say: where a network starts, and what it corrects."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fluvial.conditioners.recent import Outlook

_TOLD = 3  # features that an outlook ends with: its scale, how many steps tell it, whether any do
LEAST = 50  # rows for each weight, at least, where values are forecast from each other
_PENALTIES = torch.logspace(-6, 2, 17, dtype=torch.float64)
_HUBER = 3.0  # deviations beyond which an error pulls no stronger
_ROUNDS = 8
_EACH = 1.4  # that a degree of freedom counts for
_PRIOR = 5.0  # steps of a scale that moves with the last ones, beside those seen


class Line(nn.Module):
    r"""An :class:`Outlook` moved and stretched: :math:`\mu + s (b + w \cdot f)` and :math:`s \exp(u \cdot g)`.

    f is all that is known of the step, g what is known of the value's own scale. w is fitted by :func:`ridge`, u by
    maximum likelihood of Laplace's law: :math:`u_0 = -1` is a scale that never changes, 0 that of the last moves.
    Nothing changes where the last steps say nothing.

    Args:
        values: N.
        features: G, of f.
    """

    weight: Tensor
    bias: Tensor
    stretch: Tensor

    def __init__(self, values: int, features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(values, features))
        self.register_buffer("bias", torch.zeros(values))
        self.register_buffer("stretch", torch.zeros(values, _TOLD))

    def forward(self, outlook: Outlook, told: Tensor) -> Outlook:
        """The outlook on steps (B, T, N), from what is known of their values, (N, B, T, G)."""
        own = outlook.features[..., -_TOLD:]
        move = own[..., -1] * (torch.einsum("nbtg,ng->btn", told, self.weight) + self.bias)
        stretch = (own * self.stretch).sum(-1)
        return Outlook(outlook.location + outlook.scale * move, outlook.scale * stretch.exp(), outlook.features)

    def fit(self, v: Tensor, outlook: Outlook, told: Tensor, counts: Tensor) -> Tensor:
        """To the steps that count, (B, T), of series v (B, T, N), float64, NaN where missing.

        Returns: (N,), by which share the errors of these steps are smaller than those of others will be.
        """
        smaller = torch.zeros(v.shape[2], dtype=torch.float64, device=v.device)
        for i in range(v.shape[2]):
            rows = counts & ~v[..., i].isnan() & (outlook.features[..., i, -1] > 0)
            if not rows.any():
                continue
            x, y = told[i][rows].double(), ((v - outlook.location) / outlook.scale)[..., i][rows]
            weight, bias, share = ridge(x, y)
            error = (y - x @ weight - bias) / (1 - share)
            scale, smaller[i] = _scale(outlook.features[..., i, -_TOLD:][rows].double(), error), share
            for into, found in ((self.weight, weight), (self.bias, bias), (self.stretch, scale)):
                into[i] = found.to(into.dtype)
        return smaller


def ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
    """Weights (G,) and an intercept of a robust linear regression of y (n,) on x (n, G), float64; degrees of freedom.

    The penalty is that of the least generalised cross-validation (Golub, Heath and Wahba 1979), in which each degree
    of freedom counts for 1.4 (Kim and Gu 2004); errors beyond three deviations pull no stronger than those (Huber 1981,
    section 7.8, by pseudo-values). The degrees of freedom are a share of n, at most a half.
    """
    n, center = len(x), x.mean(0)
    spread = x.std(0, correction=0)
    x = (x - center) / torch.where(spread > 0, spread, 1.0)
    d, basis = torch.linalg.eigh(x.T @ x / n)
    d, weight = d.clamp(min=0), torch.zeros_like(center)
    bias, penalties = y.median(), _PENALTIES.to(d.device)
    penalty = penalties[-1]
    for _ in range(_ROUNDS):
        error = y - x @ weight - bias
        deviation = 1.4826 * error.abs().median()
        bound = _HUBER * torch.where(deviation > 0, deviation, error.square().mean().sqrt())
        pseudo = x @ weight + bias + error.clamp(-bound, bound)
        bias = pseudo.mean()
        c = basis.T @ (x.T @ (pseudo - bias)) / n
        kept = d / (d + penalties.unsqueeze(1))
        left = (pseudo - bias).square().mean() - (c.square() / d.clamp(min=1e-12) * kept * (2 - kept)).sum(1)
        penalty = penalties[(left / (1 - (_EACH * kept.sum(1) + 1).clamp(max=n - 0.5) / n).square()).argmin()]
        weight = basis @ (c / (d + penalty))
    weight = torch.where(spread > 0, weight / torch.where(spread > 0, spread, 1.0), 0.0)
    share = (d / (d + penalty)).sum().item() / n
    return weight, bias - center @ weight, min(share, 0.5)


def _scale(told: Tensor, error: Tensor) -> Tensor:
    """u of errors (n,) whose size is about exp(u . g), g (n, 3): Laplace's likelihood, by Newton's method."""
    size = error.abs().clamp(max=_HUBER * 10 * error.abs().mean())
    u = torch.zeros(_TOLD, dtype=torch.float64, device=told.device)
    u[-1] = size.mean().clamp(min=1e-6).log()
    damping = max(1e-3, _PRIOR / len(told)) * torch.eye(_TOLD, dtype=torch.float64, device=told.device)
    for _ in range(_ROUNDS):
        ratio = size * (-(told @ u)).exp()
        slope = (told * (1 - ratio).unsqueeze(1)).mean(0) + damping @ (u * u.new_tensor([1.0, 1.0, 0.0]))
        step = torch.linalg.solve((told * ratio.unsqueeze(1)).T @ told / len(told) + damping, slope)
        u = u - step.clamp(-1, 1)
        u[0] = u[0].clamp(-1, 0)  # a scale that grows faster than the moves would run away
    return u
