"""Ways through the noise of a flow, or the latent variables of a VAE: from one image to another, along an attribute.

Images become noise with dequantisation noise that ``seed`` decides, as the model saw them in training: the middle of
each grey level would be noise that no image of the training set has. It stays clear of the edges of the level, so that
rounding on the way does not give another pixel back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fluvial.core import Density, Flow, batched, randomness
from fluvial.core.errors import UsageError
from fluvial.models import VAE, continuous

_EDGE = 0.02  # of a grey level, that dequantisation noise keeps away from its ends

Coder = Flow | VAE
"""What gives each image a point of a space, and each point an image."""

Way = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(start (D,), end (D,), shares of the way (n,)) -> (n, D)"""


def coder(density: Density) -> Coder:
    """The density, if it is one.

    Raises:
        UsageError: it only draws.
    """
    if isinstance(density, Coder):
        return density
    raise UsageError(
        f"model: a {type(density).__name__} has no noise that a given image stands for, so it can neither encode, "
        "interpolate nor edit images; flows and VAEs can"
    )


def straight(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """(1 - t) start + t end, as in Glow's pictures (Kingma and Dhariwal 2018, arXiv 1807.03039, section 6).

    Half-way between independent draws of standard noise the norm is smaller by 1/sqrt(2): in many dimensions that is
    noise as at a temperature of 0.7, and images there are smoother than the model's own.
    """
    return torch.lerp(start, end, share.unsqueeze(1))


def arc(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    r"""Along the great circle, with the norm interpolated too (White 2016, arXiv 1609.04468).

    .. math:: z(t) = r(t) \frac{\sin((1-t)\omega)\, u_0 + \sin(t\omega)\, u_1}{\sin\omega}, \qquad z_i = r_i u_i

    Between independent draws of standard normal noise every point of the way is such a draw in mean and variance:
    it does not leave the region where the model has seen images. Noise in (nearly) the same or opposite directions
    is joined by a straight line.
    """
    norms = start.norm(), end.norm()
    a, b = (z / r.clamp_min(1e-30) for z, r in zip((start, end), norms))
    angle = torch.acos((a @ b).clamp(-1, 1))
    if angle.sin() < 1e-3:
        return straight(start, end, share)
    t = share.unsqueeze(1)
    turned = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / angle.sin()
    return torch.lerp(*norms, t) * turned


def encode(density: Coder, x: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """The noise that each event of x (N, \\*event_shape) stands for, (N, D); of a VAE its latent variables."""
    flow = continuous(density)
    if flow is None:
        return batched.evaluate(density, density.encode, x, context, seed)
    with randomness.drawing_from(seed):
        noise = randomness.uniform(x.shape, x.dtype)
    return batched.encode(flow, x + _EDGE + (1 - 2 * _EDGE) * noise, context, seed)


def decode(density: Coder, z: Tensor, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """The event that each row of noise (N, D) stands for; of a VAE the middle of what they make likely."""
    return batched.evaluate(density, density.decode, z, context, seed)


def interpolate(
    density: Coder, ends: Tensor, n: int, context: Tensor | None = None, path: Way = arc, seed: int = 0
) -> Tensor:
    """n events on the way between two, (n, \\*event_shape), the ends included.

    Args:
        ends: (2, \\*event_shape).
        context: of the two, (2, \\*context_shape); events on the way take that of the nearer end.
        path: ``arc`` or ``straight``.
        seed: of the dequantisation noise.

    Raises:
        UsageError: n is below 2.
    """
    if n < 2:
        raise UsageError(f"expected at least 2 images, the two ends, got {n}")
    start, end = encode(density, ends, context, seed)
    share = torch.linspace(0, 1, n, dtype=start.dtype)
    given = None if context is None else context[(share > 0.5).long()]
    return decode(density, path(start, end, share), given, seed)


@dataclass(frozen=True)
class Attribute:
    """A direction in the noise, (D,): mean noise of positive examples minus that of negative ones.

    Args:
        by_chance: the length that a direction between as many examples without the attribute would have.
    """

    direction: Tensor
    by_chance: float

    @property
    def length(self) -> float:
        """Norm of the direction."""
        return float(self.direction.norm())


def attribute(
    density: Coder,
    positives: Tensor,
    negatives: Tensor,
    contexts: tuple[Tensor | None, Tensor | None] = (None, None),
    seed: int = 0,
) -> Attribute:
    """The direction of an attribute from examples (Kingma and Dhariwal 2018, arXiv 1807.03039, section 6).

    Args:
        positives, negatives: with and without the attribute, (P, \\*event_shape) and (N, \\*event_shape).
        contexts: of the two.

    Raises:
        UsageError: fewer than 2 of either, which leaves unknown what chance alone does.
    """
    if min(len(positives), len(negatives)) < 2:
        counts = f"{len(positives)} positive and {len(negatives)} negative"
        raise UsageError(f"an attribute needs at least 2 examples of either kind, got {counts}; some dozens are better")
    noises = [encode(density, x, c, seed).double() for x, c in zip((positives, negatives), contexts)]
    chance = sum(float(z.var(0).sum()) / len(z) for z in noises)
    direction = noises[0].mean(0) - noises[1].mean(0)
    return Attribute(direction.float(), chance**0.5)


def edit(
    density: Coder,
    x: Tensor,
    direction: Tensor,
    strengths: Tensor,
    context: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """One event x (1, \\*event_shape) moved along a direction (D,) of the noise, (n, \\*event_shape).

    Args:
        strengths: (n,): 0 gives x itself, 1 moves by the whole difference between the examples' means.
        context: of x, (1, \\*context_shape).
    """
    z = encode(density, x, context, seed)
    moved = z + strengths.to(z).unsqueeze(1) * direction.to(z)
    given = None if context is None else context.expand(len(moved), *context.shape[1:])
    return decode(density, moved, given, seed)
