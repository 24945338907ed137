"""Values inside constraints, such as positive numbers or shares that add up to one, to the whole of space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import biject_to
from torch.distributions import transforms as maps
from torch.distributions.constraints import Constraint

from fluvial.core.supports import constraints
from fluvial.core.transform import EventShape, Transform

Spec = Constraint | Sequence[Constraint | None] | None


class Constrained(Transform):
    r"""z = t^{-1}(x), t torch's own bijection from all of space to what a constraint allows (``biject_to``).

    :math:`\mathrm{log\_det} = -\log|\det t'(z)|`. A simplex of K shares has K - 1 numbers of z, and its density is
    that of the first K - 1 shares. What other libraries register with ``biject_to``, such as Pyro's ordered vectors,
    works too.

    Args:
        spec: one constraint of ``torch.distributions.constraints`` for all of x, one (or None) for each number of x, or
            ``constraints.cat`` of several for blocks of x; None for no constraint.
        features: D, numbers in each x.

    Raises:
        ValueError: the constraints are of another number of values than D, or torch knows no bijection for one.

    >>> from torch.distributions import constraints
    >>> step = Constrained([None, constraints.positive], 2)
    >>> x, log_det = step.inverse(torch.zeros(1, 2))
    >>> x, log_det
    (tensor([[0., 1.]]), tensor([0.]))
    """

    def __init__(self, spec: Spec, features: int) -> None:
        super().__init__()
        blocks = _blocks(spec, features)
        self.constraints: list[Constraint | None] = [c for c, _ in blocks]
        self.sizes: list[int] = [n for _, n in blocks]
        self.maps: list[maps.Transform | None] = [_bijection(c) for c, _ in blocks]
        self.noise_sizes: list[int] = [
            n if t is None else t.inverse_shape(torch.Size([n]))[0] for t, n in zip(self.maps, self.sizes)
        ]

    def elements(self, noise: Constraint | None) -> Constraint | None:
        return None

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, total = list[Tensor](), x.new_zeros(x.shape[0])
        for block, t in zip(x.split(self.sizes, 1), self.maps):
            z.append(block if t is None else t.inv(block))  # pyright: ignore[reportArgumentType]
            total = total if t is None else total - _summed(t.log_abs_det_jacobian(z[-1], block))
        return torch.cat(z, 1), total

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, total = list[Tensor](), z.new_zeros(z.shape[0])
        for block, t in zip(z.split(self.noise_sizes, 1), self.maps):
            x.append(block if t is None else t(block))  # pyright: ignore[reportArgumentType]
            total = total if t is None else total + _summed(t.log_abs_det_jacobian(block, x[-1]))
        return torch.cat(x, 1), total

    def allows(self, x: Tensor) -> Tensor:
        """Whether each row keeps to all constraints, (B,): rounding may put what is near an edge onto it."""
        kept = x.isfinite().all(1)
        for block, constraint in zip(x.split(self.sizes, 1), self.constraints):
            if constraint is not None:
                kept = kept & constraint.check(block).view(len(x), -1).all(1)
        return kept

    def output_shape(self, event_shape: EventShape) -> EventShape:
        return self._other(event_shape, sum(self.sizes), sum(self.noise_sizes))

    def input_shape(self, noise_shape: EventShape) -> EventShape:
        return self._other(noise_shape, sum(self.noise_sizes), sum(self.sizes))

    def _other(self, given: EventShape, own: int, other: int) -> EventShape:
        if given != (own,):
            raise ValueError(f"constraints of {own} numbers do not fit an event of shape {tuple(given)}")
        return (other,)


def _blocks(spec: Spec, features: int) -> list[tuple[Constraint | None, int]]:
    """Constraints and how many numbers each is of."""
    if spec is None or isinstance(spec, Constraint):
        if not isinstance(spec, constraints.cat):
            return [(spec, features)]
        blocks: list[tuple[Constraint | None, int]] = list(zip(spec.cseq, spec.lengths))
    else:
        blocks = [(c, 1) for c in spec]
    if (total := sum(n for _, n in blocks)) != features:
        raise ValueError(f"constraints: expected those of {features} numbers, got those of {total}")
    return blocks


def _bijection(constraint: Constraint | None) -> maps.Transform | None:
    """From all of space to what the constraint allows; None for the identity."""
    if constraint is None or constraint is constraints.real:
        return None
    if not isinstance(constraint, Constraint):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"constraints: expected ones of torch.distributions.constraints, got {constraint!r}")
    try:
        found = biject_to(constraint)
    except NotImplementedError:
        raise ValueError(f"constraints: torch.distributions.biject_to knows no bijection for {constraint}") from None
    if found.domain.event_dim > 1 or found.codomain.event_dim > 1:  # pyright: ignore[reportOptionalMemberAccess]
        raise ValueError(f"constraints: {constraint} is of matrices; write its numbers as a vector of your own")
    return found


def _summed(log_det: Tensor) -> Tensor:
    return log_det.sum(1) if log_det.dim() > 1 else log_det
