"""Neural spline flows of other libraries, as densities that fluvial's trainer can train."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from fluvial.core import Density

TRANSFORMS, HIDDEN, BINS, BOUND = 5, 128, 8, 5.0
"""The size of fluvial's default ``nsf``: two hidden layers of this width."""


class Peer(Density):
    """A module of another library, with its own way to a log-density."""

    def __init__(self, features: int, module: nn.Module, log_prob: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.event_shape = (features,)
        self.module, self._log_prob = module, log_prob

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self._log_prob(self.module, x)


def zuko(features: int) -> Peer:
    """zuko's NSF of the same size."""
    from zuko.flows import NSF

    flow = NSF(features, transforms=TRANSFORMS, hidden_features=(HIDDEN, HIDDEN), bins=BINS)
    return Peer(features, flow, lambda module, x: module().log_prob(x))


def zuko_readme(features: int) -> Peer:
    """zuko's NSF as its README builds it."""
    from zuko.flows import NSF

    return Peer(features, NSF(features, transforms=3, hidden_features=[128] * 3), lambda m, x: m().log_prob(x))


def nflows(features: int) -> Peer:
    """nflows' autoregressive spline flow of the same size."""
    return _nflows(features, bins=BINS, residual=False, blocks=1)


def nflows_readme(features: int) -> Peer:
    """nflows' autoregressive spline flow with the defaults of its constructor: 10 bins, two residual blocks.

    Its README builds no spline flow, and the default interval, [-1, 1] without tails, does not hold standardised
    data; number of steps, width, order and interval are those of the same-size flow.
    """
    return _nflows(features, bins=10, residual=True, blocks=2)


def _nflows(features: int, bins: int, residual: bool, blocks: int) -> Peer:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import CompositeTransform, ReversePermutation
    from nflows.transforms.autoregressive import MaskedPiecewiseRationalQuadraticAutoregressiveTransform

    steps: list[nn.Module] = []
    for _ in range(TRANSFORMS):
        spline = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            features,
            HIDDEN,
            num_bins=bins,
            tails="linear",
            tail_bound=BOUND,
            num_blocks=blocks,
            use_residual_blocks=residual,
        )
        steps += [ReversePermutation(features), spline]
    flow = Flow(CompositeTransform(steps), StandardNormal([features]))
    return Peer(features, flow, lambda module, x: module.log_prob(x))


PEERS: dict[str, Callable[[int], Peer]] = {
    "zuko": zuko,
    "zuko-readme": zuko_readme,
    "nflows": nflows,
    "nflows-readme": nflows_readme,
}
