"""The zoo: one named instance of everything that the contract is checked on. A new piece costs one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from fluvial import models
from fluvial.conditioners import (
    MLP,
    ContextEncoder,
    ContextMap,
    ConvNet,
    Frames,
    GatedConvNet,
    MaskedMLP,
    PixelMLP,
    PixelPredictor,
    PriorConv,
    ResidualConvNet,
    WaveNet,
)
from fluvial.core import (
    Chain,
    Density,
    Flow,
    Inverse,
    Logistic,
    Mixture,
    Normal,
    StudentT,
    Transform,
    Uniform,
)
from fluvial.transforms import (
    ActNorm,
    Autoregressive,
    BatchNorm,
    Checkerboard,
    CodeMap,
    Codes,
    ColumnMap,
    Columns,
    Constrained,
    Conv1x1,
    Coupling,
    Dequantize,
    Elementwise,
    FactorOut,
    Flatten,
    FullMatrix,
    Groups,
    ImageBatchNorm,
    Logit,
    LULinear,
    LUMatrix,
    MaskedCoupling,
    OrderedSqueeze,
    Permute,
    Pyramid,
    QRMatrix,
    Reverse,
    Reversible,
    Softplus,
    Squeeze,
    Standardize,
    VariationalDequantize,
    Whiten,
    checkerboard_mask,
    random_rotation,
)
from fluvial.univariate import (
    Affine,
    DiscretizedLogistics,
    ExpScale,
    Gate,
    GaussianMixture,
    LogisticMixture,
    RQSpline,
    Shift,
    SigmoidScale,
    TanhScale,
    Univariate,
)

UNIVARIATES: dict[str, Univariate] = {
    "shift": Shift(),
    "affine": Affine(),
    "affine-tight": Affine(TanhScale(0.3)),
    "affine-exp": Affine(ExpScale()),
    "affine-sigmoid": Affine(SigmoidScale()),
    "gate": Gate(),
    "spline": RQSpline(),
    "spline-small": RQSpline(bins=2, bound=1.5),
    "spline-circular": RQSpline(bins=5, bound=3.0, circular=True),
    "gaussian-mixture": GaussianMixture(3),
    "logistic-mixture": LogisticMixture(3),
}

CONTEXT = 3
"""Context features of the conditional instances."""

HIDDEN = (16, 16)


def _masked(d: int, c: int, size: int, **options: object) -> MaskedMLP:
    return MaskedMLP(d, size, HIDDEN, c, activation="tanh", **options)  # pyright: ignore


def _wavenet(c: int, size: int, **options: object) -> WaveNet:
    small = {"stacks": 2, "layers": 4, "channels": 6, "gates": 5, "skips": 8}
    return WaveNet(size, context=c, **{**small, **options})  # pyright: ignore


def _frames(d: int, c: int) -> Frames:
    n = 2 - d % 2
    return Frames(_wavenet(c, 2, rest=(n,), stacks=1, layers=3), _masked(n, 2 * n, 2))


def _order(d: int) -> list[int]:
    return torch.randperm(d, generator=torch.Generator().manual_seed(d)).tolist()


def _coupling(d: int, c: int, univariate: Univariate, mask: Tensor) -> Transform:
    kept = int(mask.sum())
    return Coupling(MLP((kept,), (univariate.size, d - kept), HIDDEN, c, "tanh"), univariate, mask)


def _half(d: int) -> Tensor:
    return torch.arange(d) < (d + 1) // 2


def _uneven(d: int) -> Tensor:
    return torch.arange(d) == d // 2


def _head(c: int, size: int, d: int) -> nn.Module | None:
    return MLP((c,), (size, d), HIDDEN, activation="tanh") if c else None


Build = Callable[[int, int], Transform]

TRANSFORMS: dict[str, Build] = {
    **{
        f"autoregressive-{name}": lambda d, c, u=u: Autoregressive(_masked(d, c, u.size), u)
        for name, u in UNIVARIATES.items()
    },
    "autoregressive-ordered": lambda d, c: Autoregressive(_masked(d, c, 2, order=_order(d)), Affine()),
    "autoregressive-residual": lambda d, c: Autoregressive(_masked(d, c, 2, residual=True), Affine()),
    "autoregressive-direct": lambda d, c: Autoregressive(_masked(d, c, 2, direct=True), Affine()),
    "autoregressive-wavenet": lambda d, c: Autoregressive(_wavenet(c, 2), Affine()),
    "inverse-wavenet": lambda d, c: Inverse(Autoregressive(_wavenet(c, 2, kernel=3, layers=3, first=2), Affine())),
    "autoregressive-frames": lambda d, c: Autoregressive(_frames(d, c), Affine()),
    "inverse-autoregressive": lambda d, c: Inverse(Autoregressive(_masked(d, c, 2), Affine())),
    "chain": lambda d, c: Chain(Autoregressive(_masked(d, c, 2), Affine()), Reverse(), ActNorm((d,))),
    "elementwise-affine": lambda d, c: Elementwise(Affine(), (d,), _head(c, 2, d)),
    "elementwise-spline": lambda d, c: Elementwise(RQSpline(), (d,), _head(c, RQSpline().size, d)),
    "actnorm": lambda d, c: ActNorm((d,)),
    "batchnorm": lambda d, c: BatchNorm(d),
    "permute": lambda d, c: Permute(torch.tensor(_order(d))),
    "reverse": lambda d, c: Reverse(),
    "lu-linear": lambda d, c: LULinear(d),
    "whiten": lambda d, c: Whiten(d, c),
    "standardize": lambda d, c: Standardize(torch.arange(d) - 1.0, torch.arange(d) + 0.5),
    "logit": lambda d, c: Logit(-9.0, 9.0),
    "logit-alpha": lambda d, c: Logit(-9.0, 9.0, alpha=0.05),
    "softplus": lambda d, c: Softplus(lower=-9.0, curve=2.0),
    "constrained": lambda d, c: Constrained(
        [(constraints.greater_than(-9.0), None, constraints.interval(-9.0, 9.0))[i % 3] for i in range(d)], d
    ),
    "columns": lambda d, c: Columns(
        [
            (
                ColumnMap(location=0.3, scale=2.0),
                ColumnMap(lower=-9.0, curve=3.0, scale=0.7),
                ColumnMap(upper=9.0, curve=0.5),
                ColumnMap(lower=-9.0, upper=9.0, location=0.1, scale=1.4),
            )[i % 4]
            for i in range(d)
        ]
    ),
}
"""Bijective transforms of (d,) with c context features."""

COUPLINGS: dict[str, Build] = {
    **{
        f"coupling-{name}": lambda d, c, u=u: _coupling(d, c, u, _half(d))
        for name, u in UNIVARIATES.items()
        if name not in ("gaussian-mixture", "logistic-mixture")
    },
    "coupling-uneven": lambda d, c: _coupling(d, c, Affine(), _uneven(d)),
    "coupling-alternating": lambda d, c: _coupling(d, c, RQSpline(), torch.arange(d) % 2 == 1),
}
"""Bijective transforms that need d >= 2."""

STOCHASTIC: dict[str, Build] = {
    "dequantize": lambda d, c: Dequantize(),
    "dequantize-fine": lambda d, c: Dequantize(0.25),
    "columns-grid": lambda d, c: Columns(
        [(ColumnMap(step=1.0, lower=-9.0), ColumnMap(step=0.25, scale=3.0))[i % 2] for i in range(d)]
    ),
}
"""Transforms that draw noise; inverse(forward(x)) is x all the same."""

HEADS: dict[str, Build] = {
    "codes": lambda d, c: Codes([CodeMap(-i, 2 + i) for i in range(d)]),
    "groups": lambda d, c: Groups((1,) * (d % 2) + (2,) * (d // 2)),
}
"""Heads of rows of zeros and ones, which keep their probability; inverse(forward(x)) is x."""

Image = tuple[int, int, int]


def _board(shape: Image, c: int, univariate: Univariate, layer: int = 0) -> Transform:
    net = GatedConvNet(shape, (univariate.size, shape[0]), 8, 1, 2, c)
    return MaskedCoupling(net, univariate, checkerboard_mask(*shape[1:], layer))


def _residual_board(shape: Image, c: int) -> Transform:
    mask = checkerboard_mask(*shape[1:], 1)
    return MaskedCoupling(ResidualConvNet(shape[0], shape[0], 8, 1, mask, c), Affine(ExpScale()), mask)


def _channels(shape: Image, c: int, univariate: Univariate, kept_last: bool = False) -> Transform:
    kept = (shape[0] + 1) // 2
    net = ConvNet(kept, (univariate.size, shape[0] - kept), 8, c, factor=3.0, border=True)
    mask = torch.arange(shape[0]) < kept
    return Coupling(net, univariate, mask.flip(0) if kept_last else mask)


def _step(shape: Image, c: int) -> Chain:
    mix = Conv1x1(LUMatrix(random_rotation(shape[0])), ActNorm(shape))
    return Chain(mix, _channels(shape, c, Affine()), Conv1x1(QRMatrix(random_rotation(shape[0]))))


def _multi_scale(shape: Image, c: int) -> Transform:
    half = (shape[0] + 1) // 2
    inner = (half, *shape[1:])
    prior = Coupling(PriorConv(half, shape[0] - half), Affine(), torch.arange(shape[0]) < half)
    return Chain(_step(shape, c), prior, FactorOut(shape, Chain(ActNorm(inner), Flatten(inner))))


BuildImage = Callable[[Image, int], Transform]

IMAGE_TRANSFORMS: dict[str, BuildImage] = {
    "actnorm": lambda s, c: ActNorm(s, factor=3.0),
    "image-batchnorm": lambda s, c: ImageBatchNorm(s),
    "image-batchnorm-board": lambda s, c: ImageBatchNorm(s, checkerboard_mask(*s[1:], 0)),
    "conv-lu": lambda s, c: Conv1x1(LUMatrix(random_rotation(s[0]))),
    "conv-full": lambda s, c: Conv1x1(FullMatrix(random_rotation(s[0])), ActNorm(s)),
    "conv-qr": lambda s, c: Conv1x1(QRMatrix(random_rotation(s[0])), ActNorm(s, factor=3.0)),
    "checkerboard-affine": lambda s, c: _board(s, c, Affine()),
    "checkerboard-spline": lambda s, c: _board(s, c, RQSpline(4), 1),
    "checkerboard-gate": lambda s, c: _board(s, c, Gate()),
    "checkerboard-residual": _residual_board,
    "flatten": lambda s, c: Flatten(s),
    "reversible-board": lambda s, c: Reversible(Chain(_board(s, c, Affine()), _board(s, c, RQSpline(4), 1))),
    "channel-prior": lambda s, c: Elementwise(Affine(), (s[0], 1, 1), MLP((c,), (2, s[0], 1, 1), ()) if c else None),
}
"""Bijective transforms of any image (C, H, W), down to one channel and odd sizes, with c context features."""

CHANNEL_TRANSFORMS: dict[str, BuildImage] = {
    "channels-sigmoid": lambda s, c: _channels(s, c, Affine(SigmoidScale())),
    "channels-mixture": lambda s, c: _channels(s, c, LogisticMixture(2), kept_last=True),
    "multi-scale": _multi_scale,
    "reversible": lambda s, c: Reversible(_step(s, c)),
}
"""Those that need at least two channels."""

EVEN_TRANSFORMS: dict[str, BuildImage] = {
    "squeeze": lambda s, c: Squeeze(),
    "ordered-squeeze": lambda s, c: OrderedSqueeze(),
    "checkerboard": lambda s, c: Checkerboard(),
    "unsqueeze": lambda s, c: Chain(Squeeze(), Inverse(Squeeze(), s)),
}
"""Those that need even sizes."""


def _pyramid(shape: Image, c: int) -> Transform:
    channels, height, width = shape
    small, univariate = (channels, height // 2, width // 2), DiscretizedLogistics(256, 2)
    nets = [PixelPredictor(j * channels, channels, 2, 4, 1, c) for j in (1, 2, 3)]
    numbers = channels * small[1] * small[2]
    coarse = Chain(Flatten(small), Autoregressive(PixelMLP(numbers, 2, HIDDEN, c), univariate))
    return Pyramid(shape, nets, univariate, coarse)


def _variational(shape: Image, c: int) -> Transform:
    noise = Flow(Chain(Logit(), _board(shape, 4, Affine())), Normal(shape), shape, (4, *shape[1:]))
    return VariationalDequantize(noise, nn.Conv2d(shape[0], 4, 3, padding=1))


PIXELS: dict[str, BuildImage] = {"pyramid": _pyramid, "variational": _variational}
"""Of images of whole numbers and even sizes; inverse(forward(x)) is x."""

SMALL_IMAGES: dict[str, dict[str, object]] = {
    "nice": {"width": 12, "layers": (1, 2, 1)},
    "realnvp": {"blocks": 1, "width": 6},
    "glow": {"steps": 2, "width": 12},
    "flowpp": {"couplings": (1, 2, 1), "blocks": 1, "width": 8, "heads": 2, "components": 2, "noise_couplings": 1},
    "multiscale": {"width": 6, "components": 2, "hidden": 12},
}
"""Options that make each image recipe small; every recipe of the registry must be here."""

SMALL: dict[str, dict[str, object]] = {
    "gaussian": {},
    "nice": {"transforms": 3, "hidden": HIDDEN, "activation": "tanh"},
    "realnvp": {"transforms": 3, "hidden": HIDDEN, "activation": "tanh", "batch_norm": True},
    "maf": {"transforms": 2, "hidden": HIDDEN, "activation": "tanh", "batch_norm": True},
    "maf_mog": {"transforms": 2, "hidden": HIDDEN, "activation": "tanh", "components": 3},
    "iaf": {"transforms": 2, "hidden": HIDDEN, "activation": "tanh"},
    "nsf": {"transforms": 2, "hidden": HIDDEN, "activation": "tanh"},
    "nsf_coupling": {"transforms": 3, "hidden": HIDDEN, "activation": "tanh"},
    "made": {"hidden": HIDDEN, "activation": "tanh", "dropout": 0.0},
    "made_mog": {"hidden": HIDDEN, "activation": "tanh", "components": 3},
    "mixed": {"hidden": (16,), "components": 3, "dropout": 0.0},
    "wavenet": {"levels": 3, "stacks": 2, "layers": 2, "channels": 6, "gates": 5, "skips": 8},
    "wavenet_made": {"hidden": (7,), "dropout": 0.0, "layers": 2, "channels": 6, "gates": 5, "skips": 8},
    "wavenet_intervals": {
        **{"width": 7, "below": 2, "around": 1, "lags": (1, 3), "dropout": 0.0, "features": 2},
        **{"layers": 2, "channels": 6, "gates": 5, "skips": 8},
    },
    "wavenet_mixed": {
        **{"hidden": (8,), "components": 2, "dropout": 0.0, "lags": (2,), "window": 3, "features": 4},
        **{"layers": 2, "channels": 6, "gates": 5, "skips": 8},
    },
    "pixelcnn": {"channels": 4, "layers": 2, "reach": 2},
}
"""Options that make each recipe small and smooth; every recipe of the registry must be here."""

BOUNDS: dict[str, dict[str, object]] = {
    "vae": {"latent": 2, "hidden": (16,), "components": 3, "samples": 1},
    "vae_iaf": {"latent": 2, "hidden": (16,), "components": 3, "samples": 1, "transforms": 1, "prior_transforms": 1},
}
"""Recipes whose ``log_prob`` is a bound, with options that make each small; every such recipe of the registry."""

GAMES: dict[str, dict[str, object]] = {
    "gan": {"noise": 4, "hidden": (16,)},
    "flow_gan": {"transforms": 2, "hidden": (8,), "critic": (16,)},
}
"""Recipes that learn from a critic, with options that make each small; every such recipe of the registry."""

DISCRETE: dict[str, tuple[str, dict[str, object], tuple[int, ...]]] = {
    "made": ("made", {}, (2, 2, 2, 2)),
    "made-classes": ("made", {"classes": (3,)}, (3, 3, 3, 3)),
    "made-uneven": ("made", {"classes": (2, 4, 1, 3)}, (2, 4, 1, 3)),
    "made-ordered": ("made", {"classes": (3, 2, 2, 2), "order": (2, 0, 3, 1)}, (3, 2, 2, 2)),
    "made-drawn": ("made", {"drawn": True, "residual": True, "direct": False}, (2, 2, 2, 2)),
    "made-narrow": ("made", {"drawn": True, "hidden": (2, 1), "direct": False}, (2, 2, 2, 2)),
    "made-groups": ("made", {"groups": (1, 3)}, (2, 2, 2, 2)),
    "made-orders": ("made", {"orders": 3, "direct": False}, (2, 2, 2, 2)),
    "wavenet": ("wavenet", {}, (3, 3, 3, 3)),
    "wavenet-made": ("wavenet_made", {"values": 2}, (2, 2, 2, 2)),
    "wavenet-intervals": ("wavenet_intervals", {"values": 2}, (2, 2, 2, 2)),
    "made-fresh": ("made", {"classes": (2, 3, 2, 2), "orders": 2, "fresh": True, "drawn": True}, (2, 3, 2, 2)),
    "pixelcnn": ("pixelcnn", {"height": 2}, (2, 2, 2, 2)),
    "pixelcnn-classes": ("pixelcnn", {"height": 2, "classes": 3}, (3, 3, 3, 3)),
}
"""Densities over classes: the recipe, its options beside those of ``SMALL``, and how many classes each column has."""

BASES: dict[str, Callable[[int], Density]] = {
    "normal": lambda d: Normal((d,)),
    "logistic": lambda d: Logistic((d,)),
    "uniform": lambda d: Uniform((d,)),
    "student-t": lambda d: StudentT((d,), df=3.0),
    "mixture": lambda d: Mixture(
        Flow(Standardize(torch.full((d,), -1.0), torch.full((d,), 0.5)), Normal((d,)), (d,)),
        Flow(Standardize(torch.full((d,), 1.5), torch.full((d,), 1.0)), Logistic((d,)), (d,)),
    ),
}


@contextmanager
def seeded() -> Iterator[None]:
    """The same first parameters whichever test ran before: of 200 maf_mog, one is too steep for float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def recipe(name: str, d: int, c: int = 0) -> Density:
    """A small instance of the recipe ``name``, with random parameters, in evaluation mode."""
    options = {**SMALL, **BOUNDS, **GAMES}[name]
    with seeded():
        density = models.recipe_of(name).build((d,), context_shape=(c,) if c else None, **options)
    return randomized(density).eval()


def discrete(name: str, c: int = 0) -> Density:
    """A small instance of ``DISCRETE``, with random parameters, in evaluation mode."""
    recipe_, options, classes = DISCRETE[name]
    shape = (c,) if c else None
    with seeded():
        density = models.recipe_of(recipe_).build((len(classes),), context_shape=shape, **{**SMALL[recipe_], **options})
    return randomized(density, scale=1.0).eval()


def outcomes(name: str) -> Tensor:
    """Every row that the density of this name can give, float64."""
    _, options, classes = DISCRETE[name]
    rows = torch.cartesian_prod(*(torch.arange(k, dtype=torch.float64) for k in classes))
    if "groups" not in options:
        return rows
    return rows[torch.stack([group.sum(1) <= 1 for group in rows.split(options["groups"], 1)]).all(0)]  # pyright: ignore


def image_recipe(name: str, shape: Image, c: int = 0, **options: object) -> Flow:
    """A small instance of the image recipe ``name``, with random parameters, in evaluation mode."""
    full = {**SMALL_IMAGES[name], **options}
    with seeded():
        density = models.recipe_of(name, shape).build(shape, context_shape=(c,) if c else None, **full)
    return randomized(density, scale=0.15).eval()  # pyright: ignore


def continuous(density: Flow, skip: int = 1) -> Flow:
    """What follows the dequantisation (and, for 2, the scaling to reals) as a density: it draws no noise."""
    rest = Chain(*list(density.transform)[skip:])  # pyright: ignore
    return Flow(rest, density.base, density.event_shape, density.context_shape)


def conditional_table(d: int) -> Density:
    """A density with a context of one class of four and one number, encoded at the door."""
    encoder = ContextEncoder([ContextMap(categories=4), ContextMap(location=1.0, scale=2.0)])
    inner = recipe("nsf", d, encoder.features)
    return Flow(Chain(Standardize(torch.zeros(d), torch.full((d,), 2.0))), inner, (d,), (2,), encoder)


def randomized(module: nn.Module, seed: int = 0, scale: float = 0.4) -> nn.Module:
    """The same module with random parameters: a fresh one is too close to the identity to prove anything."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator) / max(1, p.shape[-1] if p.dim() > 1 else 1) ** 0.5)
        for m in module.modules():
            if isinstance(m, (BatchNorm, ImageBatchNorm)):
                m.mean.normal_(generator=generator)
                m.variance.uniform_(0.5, 2.0, generator=generator)
            if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None and m.running_var is not None:
                m.running_mean.normal_(generator=generator)
                m.running_var.uniform_(0.5, 2.0, generator=generator)
    return module
