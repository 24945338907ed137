"""Densities and transforms as torch's own: for Pyro, sbi and everybody who speaks ``torch.distributions``."""

from __future__ import annotations

import sys
from functools import cache

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions import Transform as TorchTransform
from torch.distributions.constraints import Constraint

from fluvial.core.density import Density, sized
from fluvial.core.doors import fits, listed
from fluvial.core.supports import over_events
from fluvial.core.transform import EventShape, Inverse, Shape, Transform


class Given(Distribution):
    r"""p(x | context) as a ``torch.distributions.Distribution``; made by :meth:`Density.given`.

    A context is (\*batch, \*context_shape) with any number of batch axes, which are the distribution's batch shape:
    one draw or value for each of them, and values broadcast against it as in torch. Events that cannot occur have a
    log-density of -inf rather than raise.

    ``has_rsample`` is True where draws carry gradients to the parameters (:attr:`Density.reparameterized`). Where
    Pyro has been imported before, the distribution is one of Pyro's too, for ``pyro.sample``, plates and guides.

    Raises:
        ValueError: the context is not what the density declares.

    >>> from fluvial.core import Normal
    >>> p = Normal((3,)).given().expand((2,))
    >>> p.batch_shape, p.event_shape, p.log_prob(p.sample((5,))).shape
    (torch.Size([2]), torch.Size([3]), torch.Size([5, 2]))
    """

    arg_constraints: dict[str, Constraint] = {}  # noqa: RUF012  # pyright: ignore  (torch's spelling)

    def __init__(self, density: Density, context: Tensor | None = None) -> None:
        self.density: Density = density
        self.context: Tensor | None = context
        super().__init__(_context_batch(density, context), sized(density.event_shape), validate_args=False)

    def expand(self, batch_shape: torch.Size | list[int] | Shape, _instance: Given | None = None) -> Given:
        new: Given = self._get_checked_instance(Given, _instance)  # pyright: ignore  (torch's idiom for subclasses)
        batch_shape = torch.Size(batch_shape)
        new.density, new.context = self.density, self.context
        if new.context is not None:
            new.context = new.context.expand(batch_shape + new.context.shape[len(self.batch_shape) :])
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        return new

    @property
    def has_rsample(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.density.reparameterized

    @property
    def support(self) -> Constraint:  # pyright: ignore[reportIncompatibleVariableOverride]
        elements = self.density.elements
        return _Possible(self) if elements is None else over_events(elements, len(self.event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        shape = _broadcast(_batch_of(value.shape, self.event_shape, "value"), self.batch_shape)
        rows = value.expand(shape + self.event_shape).reshape(-1, *self.event_shape)
        return self.density.log_prob(rows, _rows(self.context, self.batch_shape, shape)).reshape(shape)

    def sample(self, sample_shape: torch.Size | Shape = ()) -> Tensor:  # pyright: ignore
        shape = torch.Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            x = self.density.sample(shape.numel(), _rows(self.context, self.batch_shape, shape))
        return x.reshape(shape + self.event_shape)

    def rsample(self, sample_shape: torch.Size | Shape = ()) -> Tensor:  # pyright: ignore
        return self.rsample_and_log_prob(sample_shape)[0]

    def rsample_and_log_prob(self, sample_shape: torch.Size | Shape = ()) -> tuple[Tensor, Tensor]:
        """Reparameterised draws with their log-density, without a second inversion.

        Raises:
            NotImplementedError: draws of this density carry no gradients.
        """
        if not self.has_rsample:
            raise NotImplementedError(
                f"draws of this {type(self.density).__name__} are not differentiable in its parameters, since it "
                "chooses among values: use sample, and the gradient of log_prob (REINFORCE)"
            )
        shape = torch.Size(sample_shape) + self.batch_shape
        x, log_p = self.density.sample_and_log_prob(shape.numel(), _rows(self.context, self.batch_shape, shape))
        return x.reshape(shape + self.event_shape), log_p.reshape(shape)

    def __call__(self, *_: object) -> Tensor:
        raise TypeError(
            "only Pyro calls distributions, and it was not imported when this one was made: import it first"
        )

    def __repr__(self) -> str:
        batch, event = tuple(self.batch_shape), tuple(self.event_shape)
        return f"{type(self).__name__}({type(self.density).__name__}, batch_shape={batch}, event_shape={event})"


def given(density: Density, context: Tensor | None = None) -> Given:
    """See :meth:`Density.given`."""
    return (_pyro_given() if "pyro" in sys.modules else Given)(density, context)


@cache
def _pyro_given() -> type[Given]:
    """Given as one of Pyro's distributions. Pyro is never imported here for those who do not use it."""
    from pyro.distributions.torch_distribution import TorchDistributionMixin  # pyright: ignore

    class PyroGiven(Given, TorchDistributionMixin):  # pyright: ignore
        __call__ = TorchDistributionMixin.__call__  # pyright: ignore

    return PyroGiven


class _Possible(Constraint):
    """The events with a log-density above -inf, where nothing simpler is known."""

    def __init__(self, of: Given) -> None:
        self._of = of
        super().__init__()

    @property
    def event_dim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self._of.event_shape)

    def check(self, value: Tensor) -> Tensor:
        with torch.no_grad():
            return self._of.log_prob(value) > -torch.inf


class GivenTransform(TorchTransform):
    r"""A bijective transform with its context fixed, as a ``torch.distributions.Transform``, data to noise.

    Made by :meth:`Transform.given`. ``TransformedDistribution(noise, [t.inv])`` is then a flow's distribution.
    Values are (\*batch, \*event_shape), a context (\*batch, C); the batches broadcast against each other.

    Raises:
        ValueError: the transform is not bijective, or does not fit the event.
    """

    bijective = True

    def __init__(
        self, transform: Transform, event_shape: Shape, context: Tensor | None = None, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        if not transform.bijective:
            raise ValueError(f"{type(transform).__name__} is not bijective: it has no log-det of a Jacobian")
        self.transform: Transform = transform
        self.context: Tensor | None = context
        self.event_shape: torch.Size = torch.Size(event_shape)
        self.noise_shape: torch.Size = sized(transform.output_shape(tuple(event_shape)))
        data, noise = _sides(transform)
        self.domain: Constraint = over_events(data, len(self.event_shape))
        self.codomain: Constraint = over_events(noise, len(self.noise_shape))

    def with_cache(self, cache_size: int = 1) -> GivenTransform:
        if self._cache_size == cache_size:  # pyright: ignore[reportPrivateUsage]
            return self
        return GivenTransform(self.transform, tuple(self.event_shape), self.context, cache_size)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self._moved(x, True)[1]

    def forward_shape(self, shape: torch.Size) -> torch.Size:  # pyright: ignore
        return _batch_of(shape, self.event_shape, "x") + self.noise_shape

    def inverse_shape(self, shape: torch.Size) -> torch.Size:  # pyright: ignore
        return _batch_of(shape, self.noise_shape, "y") + self.event_shape

    def _call(self, x: Tensor) -> Tensor:
        return self._moved(x, True)[0]

    def _inverse(self, y: Tensor) -> Tensor:
        return self._moved(y, False)[0]

    def _moved(self, value: Tensor, forward: bool) -> tuple[Tensor, Tensor]:
        shapes = self.event_shape, self.noise_shape
        before, after = shapes if forward else shapes[::-1]
        own = torch.Size() if self.context is None else self.context.shape[:-1]
        shape = _broadcast(_batch_of(value.shape, before, "value"), own)
        rows = value.expand(shape + before).reshape(-1, *before)
        move = self.transform if forward else self.transform.inverse
        moved, log_det = move(rows, _rows(self.context, own, shape))
        return moved.reshape(shape + after), log_det.reshape(shape)


def _sides(transform: Transform) -> tuple[Constraint, Constraint]:
    """What the elements of data and of noise may be; all numbers where that is not known."""
    if isinstance(transform, Inverse):
        noise, data = _sides(transform.transform)
        return data, noise
    return transform.elements(constraints.real) or constraints.real, constraints.real


def _batch_of(shape: Shape, event_shape: EventShape, name: str) -> torch.Size:
    """The batch axes before those of one event; ValueError, a sentence, where the event does not fit."""
    at = len(shape) - len(event_shape)
    if at < 0 or not fits(tuple(shape[at:]), event_shape):
        wanted = ", ".join(("...", listed(event_shape))) if event_shape else "..."
        raise ValueError(f"{name}: expected shape ({wanted}), got {tuple(shape)}")
    return torch.Size(shape[:at])


def _context_batch(density: Density, context: Tensor | None) -> torch.Size:
    if density.context_shape is None or context is None:
        density.check_context(1, context)
        return torch.Size()
    batch = _batch_of(context.shape, density.context_shape, "context")
    density.check_context(batch.numel(), context.flatten(0, len(batch) - 1) if batch else context.unsqueeze(0))
    return batch


def _broadcast(values: torch.Size, own: torch.Size) -> torch.Size:
    try:
        return torch.broadcast_shapes(values, own)
    except RuntimeError:
        raise ValueError(
            f"value: its batch shape {tuple(values)} does not broadcast against {tuple(own)}, that of the context"
        ) from None


def _rows(context: Tensor | None, own: torch.Size, shape: torch.Size) -> Tensor | None:
    """The context, whose batch shape is ``own``, repeated to one row for each event of a batch of ``shape``."""
    if context is None:
        return None
    one = context.shape[len(own) :]
    return context.expand(shape + one).reshape(-1, *one)
