"""The same flows in other libraries, behind one small face; every peer is optional."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fluvial import models
from fluvial.core import Flow
from fluvial.kernels import native

LOG_2PI = 1.8378770664093453


@dataclass(frozen=True)
class Size:
    """One flow: family, dimension, depth, conditioner width, bins."""

    family: str  # "maf", "nsf", "realnvp" or "nsf_coupling"
    features: int
    transforms: int
    hidden: tuple[int, ...] = (256, 256)
    bins: int = 8
    direct: bool = False  # the products include those from inputs straight to outputs

    @property
    def autoregressive(self) -> bool:
        return self.family in ("maf", "nsf")

    @property
    def per_feature(self) -> int:
        return 3 * self.bins - 1 if "nsf" in self.family else 2

    @property
    def products(self) -> list[tuple[int, int]]:
        """(in, out) of the dense products of one conditioner."""
        kept = self.features if self.autoregressive else self.features // 2
        moved = self.features if self.autoregressive else self.features - kept
        sizes = (kept, *self.hidden, moved * self.per_feature)
        return [*itertools.pairwise(sizes), *([(kept, sizes[-1])] if self.direct else [])]


@dataclass(frozen=True)
class Subject:
    """What is timed: a module with its scorer and its map from noise to data.

    Another framework, which compiles at the first call, brings ``train``: from rows to a training step on them.
    """

    module: nn.Module
    log_prob: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    train: Callable[[Tensor], Callable[[], object]] | None = None


class Floor(nn.Module):
    """Only the conditioners' dense products, preallocated: what no dense implementation can beat."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.weights = [[torch.randn(b, a) / a**0.5 for a, b in size.products] for _ in range(size.transforms)]

    def prepare(self, n: int) -> None:
        sizes = self.weights[0]
        self.inputs = [torch.randn(n, w.shape[1]) for w in sizes]
        self.outputs = [torch.randn(n, w.shape[0]) for w in sizes]
        self.d_inputs = [torch.empty_like(a) for a in self.inputs]
        self.d_weights = [torch.empty_like(w) for w in sizes]

    def passes(self) -> None:
        for layer in self.weights:
            for w, a, y in zip(layer, self.inputs, self.outputs):
                torch.mm(a, w.t(), out=y)

    def passes_and_gradients(self) -> None:
        self.passes()
        for depth, layer in enumerate(self.weights):
            for i, (w, a, y) in enumerate(zip(layer, self.inputs, self.outputs)):
                if depth or i:  # the data need no gradient
                    torch.mm(y, w, out=self.d_inputs[i])
                torch.mm(y.t(), a, out=self.d_weights[i])


def fluvial(size: Size) -> Subject:
    options = {"linear": False, "bins": size.bins} if "nsf" in size.family else {}
    recipe = models.recipe_of(size.family).build
    flow = recipe((size.features,), transforms=size.transforms, hidden=size.hidden, **options)
    if not isinstance(flow, Flow):
        raise TypeError(f"{size.family} is not a Flow")
    return Subject(flow, flow.log_prob, flow.decode)


def fluvial_torch(size: Size) -> Subject:
    """fluvial where nothing was compiled."""
    ours = fluvial(size)

    def alone(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            with native.torch_only():
                return call(x)

        return run

    return Subject(ours.module, alone(ours.log_prob), alone(ours.decode))


def zuko(size: Size) -> Subject:
    import zuko

    common = {"transforms": size.transforms, "hidden_features": size.hidden}
    if size.family == "nsf_coupling":  # zuko's own way to halves
        flow = zuko.flows.NSF(size.features, bins=size.bins, passes=2, **common)
    elif size.family == "nsf":
        flow = zuko.flows.NSF(size.features, bins=size.bins, **common)
    else:
        flow = {"maf": zuko.flows.MAF, "realnvp": zuko.flows.RealNVP}[size.family](size.features, **common)
    return Subject(flow, lambda x: flow().log_prob(x), lambda z: flow().transform.inv(z))


def nflows(size: Size) -> Subject:
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow as Peer
    from nflows.transforms import autoregressive as ar
    from nflows.transforms import coupling as cp
    from nflows.transforms.base import CompositeTransform
    from nflows.transforms.permutations import ReversePermutation

    d, (width, *rest) = size.features, size.hidden
    steps: list[nn.Module] = []
    for i in range(size.transforms):
        masked = {"features": d, "hidden_features": width, "num_blocks": len(rest), "use_residual_blocks": False}
        spline = {"num_bins": size.bins, "tails": "linear", "tail_bound": 5.0}
        mask = torch.arange(d) % 2 == i % 2

        def coupling_net(a: int, b: int) -> nn.Module:
            widths = (a, width, *rest)
            layers = [m for i, o in itertools.pairwise(widths) for m in (nn.Linear(i, o), nn.ReLU())]
            return _IgnoreContext(nn.Sequential(*layers, nn.Linear(widths[-1], b)))

        if size.family == "maf":
            steps.append(ar.MaskedAffineAutoregressiveTransform(**masked))
        elif size.family == "nsf":
            steps.append(ar.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(**masked, **spline))
        elif size.family == "realnvp":
            steps.append(cp.AffineCouplingTransform(mask, coupling_net))
        else:
            steps.append(cp.PiecewiseRationalQuadraticCouplingTransform(mask, coupling_net, **spline))
        if size.autoregressive:
            steps.append(ReversePermutation(d))
    flow = Peer(CompositeTransform(steps), StandardNormal([d]))
    return Subject(flow, flow.log_prob, lambda z: flow._transform.inverse(z)[0])


class _IgnoreContext(nn.Module):
    """nflows hands a context to every coupling network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.net(x)


def normflows(size: Size) -> Subject:
    import normflows as nf

    d, (width, *rest) = size.features, size.hidden
    steps: list[nn.Module] = []
    for _i in range(size.transforms):
        if size.family == "maf":  # exported with its fast direction at sampling; read backwards it scores in one pass
            steps.append(nf.flows.MaskedAffineAutoregressive(d, width, num_blocks=len(rest), use_residual_blocks=False))
        elif size.family == "nsf":
            steps.append(
                nf.flows.AutoregressiveRationalQuadraticSpline(d, len(rest), width, num_bins=size.bins, tail_bound=5)
            )
        else:
            raise NotImplementedError(size.family)
    forward_scores = size.family == "maf"

    def run(x: Tensor, towards_noise: bool) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for step in steps if towards_noise else reversed(steps):
            move = step.forward if towards_noise == forward_scores else step.inverse
            x, log_det = move(x if towards_noise else x.flip(1))
            x = x.flip(1) if towards_noise else x
            total = total + log_det
        return x, total

    def log_prob(x: Tensor) -> Tensor:
        z, log_det = run(x, True)
        return log_det - 0.5 * (z.square() + LOG_2PI).sum(1)

    return Subject(nn.ModuleList(steps), log_prob, lambda z: run(z, False)[0])


def pyro(size: Size) -> Subject:
    from pyro import distributions as dist
    from pyro.distributions import transforms as pt
    from pyro.nn import AutoRegressiveNN, DenseNN

    d, bins, kept = size.features, size.bins, size.features // 2
    if size.autoregressive and d > min(size.hidden):
        raise NotImplementedError("fewer hidden units than columns")
    parameters = [bins, bins, bins - 1] if "nsf" in size.family else [1, 1]
    spline = (bins, 5.0, "quadratic")
    order, hidden = torch.arange(d), list(size.hidden)
    steps: list[dist.transforms.Transform] = []
    for _i in range(size.transforms):
        if size.autoregressive:
            net = AutoRegressiveNN(d, hidden, parameters, permutation=order)
            order = order.flip(0)
        else:
            net = DenseNN(kept, hidden, [(d - kept) * n for n in parameters])
        if size.family == "maf":
            steps.append(pt.AffineAutoregressive(net))
        elif size.family == "nsf":
            steps.append(pt.SplineAutoregressive(d, net, *spline))
        elif size.family == "realnvp":
            steps.append(pt.AffineCoupling(kept, net))
        else:
            steps.append(pt.SplineCoupling(d, kept, net, *spline, identity=True))
        if not size.autoregressive:
            steps.append(pt.Permute(order.flip(0)))
    towards_noise = pt.ComposeTransformModule(steps)  # the direction of one pass
    base = dist.Normal(torch.zeros(d), torch.ones(d)).to_event(1)
    flow = dist.TransformedDistribution(base, [towards_noise.inv])
    # transforms return what they computed last when they meet the same tensor: they get a new view of it
    return Subject(towards_noise, lambda x: flow.log_prob(x.view_as(x)), lambda z: towards_noise.inv(z.view_as(z)))


def flowjax(size: Size) -> Subject:
    """Jitted; the order between steps is permuted at random, and splines also learn the slopes at their bounds."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"  # read when jax starts
    import equinox as eqx
    import jax
    import optax
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow, masked_autoregressive_flow
    from flowjax.train.losses import MaximumLikelihoodLoss
    from flowjax.train.train_utils import step
    from jax import numpy as jnp

    (width,) = set(size.hidden)  # it has one width for all layers
    flow = (masked_autoregressive_flow if size.autoregressive else coupling_flow)(
        jax.random.key(0),
        base_dist=Normal(jnp.zeros(size.features)),
        transformer=RationalQuadraticSpline(knots=size.bins - 1, interval=5) if "nsf" in size.family else None,
        flow_layers=size.transforms,
        nn_width=width,
        nn_depth=len(size.hidden),
    )

    def jitted(call: Callable[..., jax.Array]) -> Callable[[Tensor], Tensor]:
        compiled = eqx.filter_jit(call)  # the flow is an argument: its weights do not become constants
        return lambda x: torch.from_dlpack(compiled(flow, jnp.asarray(x.numpy())).block_until_ready())

    def train(x: Tensor) -> Callable[[], object]:
        rows, optimizer, loss = jnp.asarray(x.numpy()), optax.adam(1e-4), MaximumLikelihoodLoss()
        params, static = eqx.partition(flow, eqx.is_inexact_array)
        state = optimizer.init(params)

        def run() -> None:
            nonlocal params, state
            done = step(params, static, rows, optimizer=optimizer, opt_state=state, loss_fn=loss)
            params, state, _ = jax.block_until_ready(done)

        return run

    return Subject(
        nn.Module(),
        jitted(lambda flow, x: flow.log_prob(x)),
        jitted(lambda flow, z: jax.vmap(flow.bijection.transform)(z)),
        train,
    )


LIBRARIES: dict[str, Callable[[Size], Subject]] = {
    "fluvial": fluvial,
    "fluvial-torch": fluvial_torch,
    "zuko": zuko,
    "nflows": nflows,
    "normflows": normflows,
    "pyro": pyro,
    "flowjax": flowjax,
}
