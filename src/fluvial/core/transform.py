"""Transforms: the steps between data and noise, their composition and their reversal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, overload

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling

from fluvial.core import doors
from fluvial.core.initialization import initializing
from fluvial.core.supports import Constraint, constraints, real_if_real

if TYPE_CHECKING:
    from fluvial.core.distributions import GivenTransform

Shape = tuple[int, ...]
EventShape = tuple[int | None, ...]
"""Shape of one event; None in the first place where events of any length will do."""
_NUMBERS = 1 << 18  # of x that pass through a network at once when many rows must

_SHAPES = 64  # that a transform remembers to have taken

_ROWS_IN_CACHE = 1024  # a network's activations of so many rows are written where the last ones were, not to new pages

Map = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


def sum_event(log_det: Tensor) -> Tensor:
    """Sum per-element log-dets (B, ...) to one number per row (B,), in float32 at least.

    Half precision has no room for a sum of hundreds of terms, so autocast never reaches this sum.
    """
    if log_det.dtype in (torch.float16, torch.bfloat16):
        log_det = log_det.float()
    return log_det.flatten(1).sum(1) if log_det.dim() > 1 else log_det


def by_rows(map: Map, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: A002
    """``map(x, context)`` of a map that treats every row alone; without gradients, a cacheful of rows at a time."""
    if (
        torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or x.device.type != "cpu"
        or x.shape[0] <= _ROWS_IN_CACHE
    ):
        return map(x, context)
    rows = x.split(_ROWS_IN_CACHE)
    contexts = [None] * len(rows) if context is None else context.split(_ROWS_IN_CACHE)
    values, log_dets = zip(*(map(a, c) for a, c in zip(rows, contexts)))
    return torch.cat(values), torch.cat(log_dets)


class Transform(nn.Module):
    r"""One step between data and noise.

    ``forward`` always goes towards noise and ``inverse`` towards data; both obey one rule,

    .. math:: \log p(\mathrm{in}) = \log p(\mathrm{out}) + \mathrm{log\_det},

    so each returns the log-det of *its own* direction, and composing or inverting needs no signs.

    Shapes: x and z are (B, \*event_shape), context is (B, \*context_shape) or None, log_det is (B,) in nats. Every
    method refuses other shapes with ValueError, a sentence. A context is there for all steps of a flow, so a step that
    reads none lets it pass.
    """

    bijective: bool = True
    """False: many x share a cell of z (discrete maps), or ``forward`` draws noise (dequantisation)."""
    exact: bool = True
    """False: log_det is a lower bound in expectation only."""
    static: bool = True
    """False: training runs other operations from batch to batch, so a recording of one step is wrong for the next."""

    context_features: int | None = None
    """How many features of context its network reads, 0 for a network without; None where any context will do."""

    def __init__(self) -> None:
        super().__init__()
        self._admitted: set[tuple[str, torch.Size, torch.dtype]] = set()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        doors.guard(cls, doors.TRANSFORM)

    @property
    def reparameterized(self) -> bool:
        """Whether ``inverse`` is differentiable, so that what it makes of noise carries gradients."""
        return self.bijective

    def elements(self, noise: Constraint | None) -> Constraint | None:
        """What each element of x may be where those of z may be ``noise``; None where that has no simple form."""
        return real_if_real(noise)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data towards noise: z (B, \\*output_shape) and log_det (B,)."""
        raise NotImplementedError

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map noise towards data: x (B, \\*event_shape) and log_det (B,)."""
        raise NotImplementedError

    def output_shape(self, event_shape: EventShape) -> EventShape:
        """Shape of one z for one x of ``event_shape``; ValueError, a sentence, if it does not fit."""
        return event_shape

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        """Shape of one x for one z of ``noise_shape``; ValueError, a sentence, if it does not fit."""
        return self.output_shape(noise_shape)

    def knows(self, value: Tensor, side: str) -> bool:
        """Whether the like of it was admitted before, and without a context: the short way in."""
        return (
            not is_compiling()
            and isinstance(value, Tensor)  # pyright: ignore[reportUnnecessaryIsInstance]
            and (side, value.shape[1:], value.dtype) in self._admitted
        )

    def check(self, value: Tensor, context: Tensor | None, side: str) -> None:
        """ValueError, a sentence, unless value, "x" or "z", and context are what this step takes on that side."""
        doors.check_tensor(side, value)
        if not self.knows(value, side):
            self._check_shape(value, side)
        if context is not None or self.context_features:
            doors.check_features(context, self.context_features, value.shape[0], type(self).__name__)
        elif not torch.compiler.is_compiling() and value.dtype not in doors.NARROW:
            if len(self._admitted) >= _SHAPES:
                self._admitted.clear()
            self._admitted.add((side, value.shape[1:], value.dtype))

    def _check_shape(self, value: Tensor, side: str) -> None:
        try:
            (self.output_shape if side == "x" else self.input_shape)(tuple(value.shape[1:]))
        except ValueError as error:
            name = type(self).__name__
            raise ValueError(f"{side}: rows of shape {tuple(value.shape)} do not fit this {name}: {error}") from None

    def given(self, event_shape: Shape, context: Tensor | None = None) -> GivenTransform:
        r"""This step with its context fixed, as a ``torch.distributions.Transform`` from data to noise.

        Args:
            event_shape: of one datum.
            context: (\*batch, C).
        """
        from fluvial.core.distributions import GivenTransform  # which knows transforms

        return GivenTransform(self, event_shape, context)

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        """z and the log-det that each position adds, (B, \\*event_shape): the summands of ``forward``'s.

        Only where position i of z depends on positions up to i of x alone; None elsewhere.
        """
        return None

    def log_mass(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        """log P(x), (B,), where this step is a staircase onto uniform noise; None elsewhere.

        It is the log-det of ``forward`` without z, which scoring discrete values has no use for.
        """
        return None

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Set data-dependent parameters from one batch of this transform's input; return its output.

        Called once, explicitly, before training. Transforms without such parameters only pass x on; large batches
        pass in parts, of which the first one sets what is inside networks.
        """
        with initializing(self):
            return self._in_parts(x, context)

    def measure(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Set whole-data statistics (BatchNorm's) from all rows of this transform's input; return its output."""
        return self._in_parts(x, context)

    def _in_parts(self, x: Tensor, context: Tensor | None) -> Tensor:
        parts = x.split(max(1, _NUMBERS // max(1, x.shape[1:].numel())))
        contexts = [None] * len(parts) if context is None else context.split(parts[0].shape[0] or 1)
        return torch.cat([self(a, c)[0] for a, c in zip(parts, contexts)])


doors.guard(Transform, doors.TRANSFORM)


class Chain(Transform):
    """Transforms in order, the data side first.

    >>> import torch
    >>> from fluvial.transforms import Reverse
    >>> z, log_det = Chain(Reverse(), Reverse())(torch.arange(3.0)[None])
    >>> z, log_det
    (tensor([[0., 1., 2.]]), tensor([0.]))
    """

    def __init__(self, *transforms: Transform) -> None:
        super().__init__()
        self.transforms: nn.ModuleList = nn.ModuleList(transforms)
        self.bijective: bool = all(t.bijective for t in transforms)
        self.exact: bool = all(t.exact for t in transforms)

    @property
    def reparameterized(self) -> bool:
        return all(t.reparameterized for t in self)

    def elements(self, noise: Constraint | None) -> Constraint | None:
        for transform in reversed(list(self)):
            noise = transform.elements(noise)
        return noise

    def __iter__(self) -> Iterator[Transform]:
        return iter(self.transforms)  # pyright: ignore[reportReturnType]

    def __len__(self) -> int:
        return len(self.transforms)

    @overload
    def __getitem__(self, at: int) -> Transform: ...

    @overload
    def __getitem__(self, at: slice) -> Chain: ...

    def __getitem__(self, at: int | slice) -> Transform | Chain:
        """The transform at a place, or, of a slice, a chain of the same ones."""
        found = list(self)[at]
        return found if isinstance(found, Transform) else Chain(*found)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _run(list(self.transforms), x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _run([t.inverse for t in reversed(self.transforms)], z, context)  # pyright: ignore

    def output_shape(self, event_shape: EventShape) -> EventShape:
        for i, transform in enumerate(self.transforms):
            try:
                event_shape = transform.output_shape(event_shape)  # pyright: ignore
            except ValueError as error:
                raise ValueError(f"transform {i} ({type(transform).__name__}): {error}") from None
        return event_shape

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        for i, transform in reversed(list(enumerate(self.transforms))):
            try:
                noise_shape = transform.input_shape(noise_shape)  # pyright: ignore
            except ValueError as error:
                raise ValueError(f"transform {i} ({type(transform).__name__}): {error}") from None
        return noise_shape

    def parts(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        total = torch.zeros_like(x)
        for transform in self.transforms:
            moved = transform.parts(x, context)  # pyright: ignore
            if moved is None:
                return None
            x, total = moved[0], total + moved[1]
        return x, total

    def log_mass(self, x: Tensor, context: Tensor | None = None) -> Tensor | None:
        if len(self) == 0 or self.transforms[-1].bijective:
            return None
        x, log_det = _run(list(self.transforms)[:-1], x, context)
        mass = self.transforms[-1].log_mass(x, context)  # pyright: ignore
        return None if mass is None else log_det + mass

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        for transform in self.transforms:
            x = transform.initialize(x, context)  # pyright: ignore
        return x

    def measure(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        for transform in self.transforms:
            x = transform.measure(x, context)  # pyright: ignore
        return x


def _run(maps: list[Map], x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    total = None
    for each in maps:
        x, log_det = each(x, context)
        total = log_det if total is None else total + log_det
    return x, torch.zeros_like(x.flatten(1)[:, 0]) if total is None else total


class Inverse(Transform):
    """The same step read from the other side: ``Inverse(maf_step)`` is an IAF step, with the same tensors.

    Args:
        event_shape: what ``transform`` takes, to make sure of it; read off the shape of its output by default.
    """

    def __init__(self, transform: Transform, event_shape: Shape | None = None) -> None:
        super().__init__()
        if not transform.bijective:
            raise ValueError(f"only a bijective transform can be read backwards; {type(transform).__name__} is not")
        self.transform: Transform = transform
        self.event_shape: Shape | None = event_shape
        self.exact: bool = transform.exact

    @property
    def reparameterized(self) -> bool:
        return self.transform.reparameterized

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return real_if_real(noise) if self.transform.elements(constraints.real) is constraints.real else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.transform.inverse(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.transform(z, context)

    def output_shape(self, event_shape: EventShape) -> EventShape:
        back = self.event_shape
        if back is None:
            return self.transform.input_shape(event_shape)
        gives, name = self.transform.output_shape(back), type(self.transform).__name__
        if gives != event_shape:
            raise ValueError(f"the reverse of {name} on {back} takes events of shape {gives}, got {event_shape}")
        return back

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        return self.transform.output_shape(noise_shape)
