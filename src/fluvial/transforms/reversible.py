"""Training memory that does not grow with depth: activations rebuilt from the output."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fluvial.core.errors import RunError
from fluvial.core.precision import full_precision
from fluvial.core.randomness import Dropout, Source, drawing_from
from fluvial.core.tracing import functional
from fluvial.core.transform import Chain, Transform
from fluvial.transforms.channels import Conv1x1
from fluvial.transforms.coupling import Coupling, MaskedCoupling
from fluvial.transforms.normalization import BatchNorm, ImageBatchNorm

_BATCH_STATISTICS = (BatchNorm, ImageBatchNorm, nn.modules.batchnorm._BatchNorm)  # pyright: ignore
_PROBES = 32  # numbers of each row of the input that are kept to check what was rebuilt


class Reversible(Chain):
    """A chain that keeps its output alone for the backward pass and rebuilds each transform's input from it.

    Memory for activations is that of one transform, whatever the number of them. The backward pass inverts the
    transforms one by one; a coupling's conditioner runs once there, for the inverse and for the gradient. Values
    are those of ``Chain``, and so are the names of the parameters; gradients are equal up to the rounding of the
    inverse, which is checked against a few numbers kept of each row of the input. Second derivatives are refused.

    Gomez et al. 2017, arXiv 1707.04585; for flows, Dinh et al. 2014, arXiv 1410.8516, make it possible.

    Raises:
        ValueError: a transform is not bijective, normalises with statistics of the batch, or holds torch's Dropout.
        RunError: in the backward pass, if the chain is too steep to be inverted.
    """

    tolerance = 1e-3
    """Largest error of a rebuilt number, relative to 1 + its size, in float32; a hundred times that under autocast,
    where a network may round a rebuilt input differently, and a thousandth in float64."""
    static = False  # the backward pass looks at what it rebuilt

    def __init__(self, chain: Chain) -> None:
        super().__init__(*chain)
        for i, transform in enumerate(chain):
            name = type(transform).__name__
            if not transform.bijective:
                raise ValueError(f"transform {i} ({name}) is not bijective: its input cannot be rebuilt")
            if any(isinstance(m, _BATCH_STATISTICS) for m in transform.modules()):
                raise ValueError(f"transform {i} ({name}) uses statistics of the batch, which rebuilding would change")
            if any(isinstance(m, nn.modules.dropout._DropoutNd) for m in transform.modules()):  # pyright: ignore
                raise ValueError(
                    f"transform {i} ({name}) holds torch's Dropout, whose noise comes from a global generator and "
                    "cannot be drawn again: use fluvial.core.randomness.Dropout"
                )

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if not torch.is_grad_enabled() or len(self) == 0 or functional():
            return super().forward(x, context)
        # compiled models leave this to eager mode: the random states that it looks at break their graph
        owned = [list(transform.parameters()) for transform in self]
        return _Rebuild.apply(self, x, context, owned, *_each_once(owned))  # pyright: ignore


class _Rebuild(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore
        ctx: Any,  # noqa: ANN401
        chain: Reversible,
        x: Tensor,
        context: Tensor | None,
        owned: list[list[nn.Parameter]],
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.chain, ctx.owned, ctx.conditions, z = chain, owned, [], x
        total = x.new_zeros(())
        for transform in chain:
            ctx.conditions.append(_Conditions.of(transform, x))
            with _without_cache(x):
                z, log_det = transform(z, context)
            total = total + log_det
        # the parameters are saved so that torch notices if they change before the backward pass
        ctx.save_for_backward(z, context, _probe(x), *parameters)
        return z, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # pyright: ignore
        z, context, probe, *_ = ctx.saved_tensors
        output, (towards_z, towards_log_det) = z, gradients
        towards_context = None if context is None else torch.zeros_like(context)
        sums: dict[Tensor, Tensor] = {}
        for transform, owned, conditions in reversed(list(zip(ctx.chain, ctx.owned, ctx.conditions))):
            parameters = [p for p in owned if p.requires_grad]
            given = None if context is None else context.detach().requires_grad_()
            leaves, merge, outputs = _retrace(transform, z, given, conditions)
            inputs = [*leaves, *([] if given is None else [given]), *parameters]
            found = _gradients(outputs, inputs, (towards_z, towards_log_det))
            z = merge(*[leaf.detach() for leaf in leaves])
            towards_z = merge(*found[: len(leaves)])
            if towards_context is not None:
                towards_context += found[len(leaves)]
            for p, g in zip(parameters, found[len(inputs) - len(parameters) :]):
                sums[p] = sums[p] + g if p in sums else g
        _check(ctx.chain, ctx.conditions[0], z, probe, output)
        return None, towards_z, towards_context, None, *(sums.get(p) for p in _each_once(ctx.owned))


def _each_once(owned: list[list[nn.Parameter]]) -> list[nn.Parameter]:
    """Transforms may share parameters."""
    return list(dict.fromkeys(p for parameters in owned for p in parameters))


def _retrace(
    transform: Transform, z: Tensor, context: Tensor | None, conditions: _Conditions
) -> tuple[list[Tensor], Callable[..., Tensor], tuple[Tensor, ...]]:
    """The input of ``transform`` rebuilt from its output z, as leaves, and the outputs as functions of them.

    Returns the leaves, the linear function that makes x of them (and x's gradient of theirs), and z and log_det.
    """
    if isinstance(transform, (Coupling, MaskedCoupling)):
        kept, moved = (part.detach().requires_grad_() for part in transform.split(z))
        with conditions.restored(), torch.enable_grad():
            theta = transform.theta(kept, context)
            with torch.no_grad():
                moved = transform.univariate.inverse(moved, theta)[0]
            new, log_det = transform.univariate.forward(moved.requires_grad_(), theta)
            return [kept, moved], transform.merge, (transform.merge(kept, new), transform.total(log_det))
    if isinstance(transform, Conv1x1):
        with full_precision(z), torch.enable_grad():
            pixel_map = transform.pixel_map()
            with torch.no_grad():
                x = pixel_map.inverse(z)[0]
            x.requires_grad_()
            return [x], lambda x: x, pixel_map.forward(x)
    with conditions.restored(), torch.no_grad():
        x = transform.inverse(z, context)[0]
    x = x.detach().requires_grad_()
    with conditions.restored(), torch.enable_grad():
        return [x], lambda x: x, transform(x, context)


def _gradients(outputs: tuple[Tensor, ...], inputs: list[Tensor], towards: tuple[Tensor, ...]) -> list[Tensor]:
    """As ``torch.autograd.grad``, with zeros where an input has no influence."""
    pairs = [(o, g) for o, g in zip(outputs, towards) if o.requires_grad]
    found = torch.autograd.grad([o for o, _ in pairs], inputs, [g for _, g in pairs], allow_unused=True)
    return [torch.zeros_like(i) if g is None else g for i, g in zip(inputs, found)]  # pyright: ignore


def _probe(x: Tensor) -> Tensor:
    flat = x.flatten(1)
    return flat[:, :: max(1, flat.shape[1] // _PROBES)].clone()


def _check(chain: Reversible, conditions: _Conditions, x: Tensor, probe: Tensor, z: Tensor) -> None:
    """Refuse gradients of an input that was not rebuilt; a loss that is not finite is the trainer's business."""
    error = ((_probe(x) - probe).abs() / (1 + probe.abs())).amax()
    tolerance = chain.tolerance * (1e-3 if x.dtype == torch.float64 else 100 if conditions.autocast else 1)
    if not bool(error <= tolerance) and bool(torch.isfinite(z).all()):
        raise RunError(
            f"Reversible: a chain of {len(chain)} transforms rebuilt its input with an error of {error.item():.2g}, "
            f"more than {tolerance:g}, so its gradients would be wrong: it is too steep to invert. "
            "Bound its log-scales, lower the learning rate, or train without Reversible"
        )


@dataclass(frozen=True)
class _Conditions:
    """What besides its inputs a transform's forward pass depended on: autocast, and noise if it has dropout."""

    device: torch.device
    autocast: bool
    dtype: torch.dtype
    noise: Source | None

    @classmethod
    def of(cls, transform: Transform, x: Tensor) -> _Conditions:
        kind = x.device.type
        draws = any(isinstance(m, Dropout) and m.training for m in transform.modules())
        noise = Source.now(x.device) if draws else None
        return cls(x.device, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind), noise)

    def restored(self) -> AbstractContextManager[None]:
        if self.noise is None and not self.autocast and not torch.is_autocast_enabled(self.device.type):
            return nullcontext()  # which costs nothing; there are dozens of transforms
        return self._restored()

    @contextmanager
    def _restored(self) -> Generator[None]:
        kind = self.device.type
        with (
            drawing_from(None if self.noise is None else self.noise.copy()),
            torch.autocast(kind, self.dtype, self.autocast, cache_enabled=False),
        ):
            yield


def _without_cache(x: Tensor) -> AbstractContextManager[object]:
    """Half-precision copies of weights made here know nothing of gradients, so nobody else may find them."""
    kind = x.device.type
    if not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, torch.get_autocast_dtype(kind), cache_enabled=False)
