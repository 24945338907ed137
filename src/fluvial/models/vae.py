"""Variational autoencoders: a density made of three, prior, likelihood and posterior, each of which may be a flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from fluvial.core import Density, Flow, Normal, Uniform, randomness
from fluvial.core.density import sized
from fluvial.core.doors import check_shape
from fluvial.core.errors import UsageError
from fluvial.core.transform import EventShape, Shape
from fluvial.models.likelihoods import CellLikelihood, Features
from fluvial.models.maf import maf
from fluvial.models.posteriors import posterior
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import context_of, features_of, laws_of_columns
from fluvial.transforms.law import Law


class VAE(Density):
    r"""p(x) = \int p(z) p(x | z) dz over latent variables z, known by lower bounds of log p.

    With an approximate posterior q(z | x) and K draws from it,

    .. math:: \log p(x) \ge E \log \frac1K \sum_k \frac{p(z_k) p(x | z_k)}{q(z_k | x)},

    the evidence lower bound (ELBO) for K = 1 (Kingma and Welling 2014, arXiv 1312.6114, eq. 2-3), the
    importance-weighted bound for more, which grows with K towards log p (Burda et al. 2016, arXiv 1509.00519, eq. 8).
    The expectation is estimated by one draw of the K, so ``log_prob`` is random, from fluvial's own generators.

    Args:
        prior: p(z), over (L,), of no context.
        likelihood: p(x | z), over the events, whose context is z, or z beside the context (L + C,).
        posterior: q(z | features), over (L,), whose draws carry gradients: any density with a context (H,), such as one
            of :func:`~fluvial.models.posteriors.posterior`.
        encoder: (x, context) -> features (B, H).
        free_bits: nats a latent variable of the divergence that training leaves unpunished, so that latent variables
            stay in use (Kingma et al. 2016, arXiv 1606.04934, eq. 15, all of them as one group).
        samples: K of ``log_prob`` where nobody says otherwise.
        context_shape, embed: as of a :class:`Flow`.

    Raises:
        ValueError: the three do not fit one another.
    """

    exact = False
    static = False

    def __init__(
        self,
        prior: Density,
        likelihood: Density,
        posterior: Density,
        encoder: nn.Module,
        *,
        free_bits: float = 0.0,
        samples: int = 1,
        context_shape: EventShape | None = None,
        embed: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if tuple(prior.event_shape) != tuple(posterior.event_shape):
            raise ValueError(
                f"the prior is over {tuple(prior.event_shape)}, the posterior {tuple(posterior.event_shape)}"
            )
        (given,) = likelihood.context_shape or (0,)
        conditions = 0 if context_shape is None or embed is not None else sized(context_shape).numel()
        if embed is None and given != sized(prior.event_shape).numel() + conditions:
            raise ValueError(f"the likelihood reads {given} numbers; the latent variables and the context are others")
        if not posterior.reparameterized:
            raise ValueError("posterior: its draws carry no gradients to its parameters, which training needs")
        if not (math.isfinite(free_bits) and free_bits >= 0):
            raise ValueError(f"free_bits: expected nats a latent variable, at least 0, got {free_bits}")
        self.prior, self.likelihood, self.posterior, self.encoder = prior, likelihood, posterior, encoder
        self.free_bits, self.samples, self.embed = free_bits, _draws(samples), embed
        self.event_shape, self.context_shape = tuple(likelihood.event_shape), context_shape
        self.gaps: bool = likelihood.gaps

    def reading(self, embed: nn.Module, context_shape: EventShape | None) -> Self:
        """This density, of contexts of another shape, which ``embed`` makes what the networks read."""
        self.embed, self.context_shape = embed, context_shape
        return self

    def log_prob(self, x: Tensor, context: Tensor | None = None, samples: int | None = None) -> Tensor:
        """A lower bound of log p of each row, in expectation, (B,), nats.

        Args:
            samples: K, draws from the posterior a row; None for :attr:`samples`. 1 is the ELBO.
        """
        k = self.samples if samples is None else _draws(samples)
        context = self._embedded(context)
        features = self.encoder(x, context)
        weights = torch.stack([self._log_weight(x, features, context) for _ in range(k)])
        return torch.logsumexp(weights, 0) - math.log(k)

    def bound(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """What training maximises: the mean ELBO of the rows, a scalar, less the divergence that free bits leave."""
        self.check_event(x)
        self.check_context(x.shape[0], context)
        context = self._embedded(context)
        z, log_q = self.posterior.sample_and_log_prob(x.shape[0], self.encoder(x, context))
        divergence = (log_q - self.prior.log_prob(z)).mean()
        free = self.free_bits * sized(self.prior.event_shape).numel()
        return self.likelihood.log_prob(x, self._conditions(z, context)).mean() - divergence.clamp(min=free)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self._embedded(context)
        return self.likelihood.sample(n, self._conditions(self.prior.sample(n), context))

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.sample(n, context)
        return x, self.log_prob(x, context)

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The middle of the posterior of each row, (B, L): what it makes of the middle of its noise."""
        return middle(self.posterior, self.encoder(x, self._embedded(context)))

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The middle of the likelihood of z, (B, L): what a typical row of these latent variables looks like."""
        return middle(self.likelihood, self._conditions(z, self._embedded(context)))

    @property
    def noise(self) -> Density:
        """The prior of what :meth:`encode` gives."""
        return self.prior

    def reconstruct(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Rows as the latent variables keep them: ``decode(encode(x))``."""
        return self.decode(self.encode(x, context), context)

    def interpolate(self, a: Tensor, b: Tensor, steps: int, context: Tensor | None = None) -> Tensor:
        """Rows on the straight line between two in the space of latent variables: (steps, B, \\*event_shape).

        Raises:
            UsageError: fewer than two steps.
        """
        if steps < 2:
            raise UsageError(f"steps: both ends are steps, so expected at least 2, got {steps}")
        check_shape("b", b, self.event_shape)
        ends = self.encode(a, context), self.encode(b, context)
        return torch.stack([self.decode(torch.lerp(*ends, t), context) for t in torch.linspace(0, 1, steps).tolist()])

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Set what the likelihood starts from by the rows, at latent variables of the prior."""
        context = self._embedded(context)
        with torch.no_grad():
            self.likelihood.initialize(x, self._conditions(self.prior.sample(x.shape[0]), context))

    def _log_weight(self, x: Tensor, features: Tensor, context: Tensor | None) -> Tensor:
        """log p(z) p(x | z) / q(z | x) at one draw from the posterior of each row, (B,)."""
        z, log_q = self.posterior.sample_and_log_prob(x.shape[0], features)
        return self.likelihood.log_prob(x, self._conditions(z, context)) + self.prior.log_prob(z) - log_q

    def _embedded(self, context: Tensor | None) -> Tensor | None:
        return context if context is None or self.embed is None else self.embed(context)

    @staticmethod
    def _conditions(z: Tensor, context: Tensor | None) -> Tensor:
        """What the likelihood reads."""
        return z if context is None else torch.cat((z, context.to(z.dtype)), 1)


@torch.no_grad()
def prior_estimate(vae: VAE, x: Tensor, samples: int, context: Tensor | None = None, seed: int = 0) -> Tensor:
    """log p(x) of each row by ``samples`` draws from the prior alone, (B,): right for many draws, whatever q is.

    .. math:: \\log p(x) \\approx \\log \\frac1K \\sum_k p(x | z_k), \\quad z_k \\sim p(z)

    It needs far more draws than the posterior's bound, which it is there to check.
    """
    vae.check_event(x)
    vae.check_context(x.shape[0], context)
    context = vae._embedded(context)  # pyright: ignore[reportPrivateUsage]
    total = torch.full((x.shape[0],), -math.inf, dtype=torch.float64)
    with randomness.drawing_from(seed):
        for _ in range(_draws(samples)):
            z = vae._conditions(vae.prior.sample(x.shape[0]), context)  # pyright: ignore[reportPrivateUsage]
            total = torch.logaddexp(total, vae.likelihood.log_prob(x, z).double())
    return total - math.log(samples)


def middle(density: Density, context: Tensor) -> Tensor:
    """The event in the middle of p(x | context), a row of context each: the median of each element where it is simple.

    Raises:
        UsageError: the density says nothing of its middle.
    """
    if isinstance(density, CellLikelihood):
        return density.middle(context)
    if not isinstance(density, Flow):
        raise UsageError(f"the middle of a {type(density).__name__} is not known: draw from it instead")
    centre = 0.5 if isinstance(density.noise, Uniform) else 0.0
    shape = (context.shape[0], *sized(density.noise.event_shape))
    return density.decode(torch.full(shape, centre, dtype=context.dtype, device=context.device), context)


def _draws(samples: int) -> int:
    """A number of draws, checked."""
    if samples < 1:
        raise UsageError(f"samples: expected at least 1 draw from the posterior, got {samples}")
    return samples


def vae(
    event_shape: Shape,
    *,
    laws: Sequence[Law] = (),
    latent: int = 8,
    hidden: Sequence[int] = (128, 128),
    components: int = 5,
    transforms: int = 0,
    gated: bool = True,
    prior_transforms: int = 0,
    free_bits: float = 0.0,
    samples: int = 16,
    context_shape: Shape | None = None,
) -> VAE:
    """A VAE of a table as it is (Kingma and Welling 2014, arXiv 1312.6114).

    Args:
        laws: of the columns, by which the cells depend on the latent variables; () for real numbers, standardised.
        latent: how many latent variables.
        hidden: widths of encoder and decoder.
        components: logistics in the mixture of a continuous column.
        transforms, gated: inverse autoregressive steps of the posterior (Kingma et al. 2016, arXiv 1606.04934), see
            :func:`~fluvial.models.posteriors.posterior`; 0 for a diagonal Gaussian.
        prior_transforms: steps of MAF between the latent variables and normal noise; 0 for a normal prior.
        free_bits, samples: see :class:`VAE`; a row is scored by so many draws, and trained on with one.
    """
    columns, context = features_of(event_shape), context_of(context_shape)
    if latent < 1:
        raise ValueError(f"latent: expected at least 1 latent variable, got {latent}")
    together = laws_of_columns(laws, columns, components)
    prior = maf((latent,), transforms=prior_transforms, hidden=(64, 64)) if prior_transforms else Normal((latent,))
    return VAE(
        prior,
        CellLikelihood(together, latent + context, hidden),
        posterior(latent, hidden[-1], transforms=transforms, gated=gated),
        Features(event_shape, hidden, context, laws=together),
        free_bits=free_bits,
        samples=samples,
        context_shape=context_shape,
    )


_TRAINED = Training(learning_rate=1e-3, objective="bound")

RECIPES = (
    Recipe(
        vae,
        values="any",
        training=_TRAINED,
        says="latent variables behind a law for each column; a lower bound of log p",
        paper="Kingma and Welling 2014, arXiv 1312.6114",
        score="16 draws of the latent variables",
        draw="one pass",
        steps="an encoder, a diagonal Gaussian, a Law for each column",
        base="Normal",
    ),
    Recipe(
        vae,
        name="vae_iaf",
        values="any",
        training=_TRAINED,
        defaults={"transforms": 2},
        says="`vae` with inverse autoregressive steps in its posterior; a tighter bound",
        paper="Kingma et al. 2016, arXiv 1606.04934",
        score="16 draws of the latent variables",
        draw="one pass",
        steps="an encoder, Inverse(Autoregressive(MaskedMLP, Gate)), a Law for each column",
        base="Normal",
    ),
)
