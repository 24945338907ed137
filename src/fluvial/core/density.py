"""Densities: what a model is. A Flow is a base density seen through a transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fluvial.core import doors
from fluvial.core.doors import fits, listed
from fluvial.core.supports import Constraint, constraints
from fluvial.core.transform import EventShape, Transform

if TYPE_CHECKING:
    from fluvial.core.distributions import Given


class Density(nn.Module):
    r"""A normalised density (or probability mass) over events of ``event_shape``, perhaps given a context.

    Shapes: x is (B, \*event_shape), context is (B, \*context_shape) or None, log p is (B,) in nats, in the
    units of x. Every method refuses other shapes, a missing context and one that was not declared, with ValueError, a
    sentence; subclasses need not look again.

    x may be of any real dtype: networks read it in their own, everything else computes in the wider one of the two, in
    float32 at least. A
    row scored alone and among others gives the same number up to rounding, since a product of matrices adds in an
    order that depends on their sizes. Where values are so far out that infinities would be subtracted, and for NaN,
    which is not a value, log p is -inf; it is never NaN.
    """

    event_shape: EventShape
    context_shape: EventShape | None = None
    exact: bool = True
    """False: ``log_prob`` is a lower bound in expectation, and every report says so."""
    gaps: bool = False
    """True: NaN in x is a missing cell, a value like any other; False: it is not a value."""
    flat: bool = False
    """True: ``log_prob`` is 0 on the whole unit cube."""
    static: bool = True
    """As a transform's."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        doors.guard(cls, doors.DENSITY)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Log-density of each row, (B,), in nats."""
        raise NotImplementedError

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        """log p(x_i | x_{<i}, context) of each position, (B, \\*event_shape): the summands of ``log_prob``.

        None for densities that do not predict their positions one after the other.
        """
        return None

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """n draws (n, \\*event_shape) with their log-density (n,); where ``reparameterized``, both carry gradients."""
        raise NotImplementedError

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        """n draws, (n, \\*event_shape); a context has n rows, one per draw, or one row for all of them."""
        return self.sample_and_log_prob(n, context)[0]

    def of_length(self, length: int) -> Density:
        """p(x | length): this density of events of any length, (None, ...), over those of one length; no copy."""
        raise ValueError(f"this density is over events of shape {tuple(self.event_shape)}, not of any length")

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The same as :meth:`log_prob`: what DDP, ``torch.compile`` and ``torch.export`` see."""
        return self.log_prob(x, context)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Set data-dependent parameters (ActNorm and its kin) from one batch; called once before training."""

    def measure(self, x: Tensor, context: Tensor | None = None) -> None:
        """Set whole-data statistics (BatchNorm's) from all rows of the training set; called before evaluating."""

    def check_event(self, x: Tensor) -> None:
        """ValueError, a sentence, unless x is (B, \\*event_shape)."""
        doors.check_shape("x", x, self.event_shape)

    def check_context(self, n: int, context: Tensor | None) -> None:
        """ValueError, a sentence, unless the context is one that this density declares, for n rows."""
        if self.context_shape is None:
            if context is not None:
                raise ValueError(f"context: this density declares none, but got one of shape {tuple(context.shape)}")
            return
        want = f"({n}, {listed(self.context_shape)})"
        if context is None:
            raise ValueError(f"context: this density is conditional and expects one of shape {want}, got none")
        doors.check_tensor("context", context)
        if not fits(context.shape, (n, *self.context_shape)):
            raise ValueError(f"context: expected shape {want}, got {tuple(context.shape)}")

    @property
    def reparameterized(self) -> bool:
        """Whether draws are differentiable in the parameters, so that ``sample_and_log_prob`` carries gradients."""
        return False

    @property
    def elements(self) -> Constraint | None:
        """What each element of an event may be; None where that has no simple form."""
        return constraints.real

    def given(self, context: Tensor | None = None) -> Given:
        r"""This density with its context fixed, as a ``torch.distributions.Distribution``.

        Args:
            context: (\*batch, \*context_shape), any number of batch axes, which are the distribution's.
        """
        from fluvial.core.distributions import given  # which knows densities

        return given(self, context)


doors.guard(Density, doors.DENSITY)


class Flow(Density):
    r"""A base density seen through a transform: :math:`\log p(x) = \log p_0(f(x)) + \log|\det f'(x)|`.

    Args:
        transform: f, data to noise.
        base: p_0, over ``transform.output_shape(event_shape)``; itself any Density, so flows nest.
        event_shape: shape of one datum; (None, ...) for sequences of any length, where transform and base read any:
            then the density is p(x | length), and sampling needs :meth:`of_length`.
        context_shape: shape of one context as the caller gives it, None in the first place for a series of any
            length; None for the base's, where nothing is embedded.
        embed: applied once to the checked context; transforms and base see its output.

    Raises:
        ValueError: the transform does not fit the event, or does not end at the base's shape, or the contexts differ.

    >>> import torch
    >>> from fluvial.core import Normal
    >>> from fluvial.transforms import Standardize
    >>> flow = Flow(Standardize(torch.tensor([1.0]), torch.tensor([2.0])), Normal((1,)), (1,))
    >>> round(flow.log_prob(torch.tensor([[1.0]])).item(), 4)  # -log(2 sqrt(2 pi))
    -1.6121
    """

    def __init__(
        self,
        transform: Transform,
        base: Density,
        event_shape: EventShape,
        context_shape: EventShape | None = None,
        embed: nn.Module | None = None,
    ) -> None:
        super().__init__()
        event_shape = tuple(event_shape)
        noise_shape = transform.output_shape(event_shape)
        if tuple(noise_shape) != tuple(base.event_shape):
            raise ValueError(
                f"the transform maps events of shape {event_shape} to {tuple(noise_shape)}, "
                f"but the base is a density over {tuple(base.event_shape)}"
            )
        self.transform: Transform = transform
        self.base: Density = base
        self.embed: nn.Module | None = embed
        self.event_shape = event_shape
        self.context_shape: EventShape | None = _context_shape(context_shape, base.context_shape, embed)
        self.exact: bool = transform.exact and base.exact

    @property
    def reparameterized(self) -> bool:
        return self.transform.reparameterized and self.base.reparameterized

    @property
    def elements(self) -> Constraint | None:
        return self.transform.elements(self.base.elements)

    def of_length(self, length: int) -> Density:
        if not self.event_shape or self.event_shape[0] is not None:
            return super().of_length(length)
        shape = (length, *self.event_shape[1:])
        return Flow(self.transform, self.base.of_length(length), shape, self.context_shape, self.embed)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = self._embedded(context)
        if self.base.flat and (log_mass := self.transform.log_mass(x, context)) is not None:
            return log_mass
        z, log_det = self.transform(x, context)
        return self.base.log_prob(z, self._base_context(context)) + log_det

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        context = self._embedded(context)
        moved = self.transform.parts(x, context)
        base = None if moved is None else self.base.parts(moved[0], self._base_context(context))
        return None if moved is None or base is None else base + moved[1]

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        given, context = context, self._embedded(context)
        z, log_p = self.base.sample_and_log_prob(n, self._base_context(context))
        x, log_det = self.transform.inverse(z, context)
        if not self.transform.bijective and not self.exact:  # the draw's own noise is not what log_prob sees
            return x, self.log_prob(x, given)
        return x, log_p - log_det

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self._embedded(context)
        return self.transform.inverse(self.base.sample(n, self._base_context(context)), context)[0]

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        context = self._embedded(context)
        with torch.no_grad():
            self.base.initialize(self.transform.initialize(x, context), self._base_context(context))

    def measure(self, x: Tensor, context: Tensor | None = None) -> None:
        context = self._embedded(context)
        with torch.no_grad():
            self.base.measure(self.transform.measure(x, context), self._base_context(context))

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The noise that x stands for, at the innermost base: what a good model makes look like that base."""
        context = self._embedded(context)
        z = self.transform(x, context)[0]
        return self.base.encode(z, self._base_context(context)) if isinstance(self.base, Flow) else z

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The datum that noise z stands for: the inverse of :meth:`encode`."""
        context = self._embedded(context)
        if isinstance(self.base, Flow):
            z = self.base.decode(z, self._base_context(context))
        return self.transform.inverse(z, context)[0]

    @property
    def noise(self) -> Density:
        """The innermost base, the density that :meth:`encode` should arrive at."""
        return self.base.noise if isinstance(self.base, Flow) else self.base

    def _base_context(self, context: Tensor | None) -> Tensor | None:
        """A base that declares no context is given none."""
        return None if self.base.context_shape is None else context

    def _embedded(self, context: Tensor | None) -> Tensor | None:
        """What transforms and base see of the context; each public method asks once."""
        return context if context is None or self.embed is None else self.embed(context)


def _context_shape(own: EventShape | None, base: EventShape | None, embed: nn.Module | None) -> EventShape | None:
    """The context of a flow: what the caller gives, or, where nothing stands between, what its base reads."""
    if own is None and embed is not None:
        raise ValueError("embed: a network for the context needs the context's shape; give context_shape")
    if own is None:
        return base
    if embed is None and base is not None and not (fits(base, own) or fits(own, base)):
        raise ValueError(f"context_shape: the base reads contexts of shape {base}, got {own}, and no network between")
    return tuple(own)


def sized(shape: EventShape) -> torch.Size:
    """The shape, if it is known in full; else a sentence."""
    if None in shape:
        raise ValueError(f"events of shape ({listed(shape)}) have no one length: choose it with .of_length(T)")
    return torch.Size([n for n in shape if n is not None])
