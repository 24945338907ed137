"""MADE: one masked network and one step, for rows of discrete values and for real ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fluvial.conditioners import MaskedMLP
from fluvial.core import Density, Flow, Logistic, Uniform, randomness
from fluvial.core.constants import on_cpu
from fluvial.core.transform import Shape
from fluvial.models.orders import OrderMixture
from fluvial.models.recipe import OF_LABELS, Recipe, Training
from fluvial.models.shapes import context_of, features_of
from fluvial.transforms import Autoregressive, Groups
from fluvial.univariate import Bernoulli, Categorical, GaussianMixture


def made(
    event_shape: Shape,
    *,
    classes: Sequence[int] = (2,),
    groups: Sequence[int] = (),
    hidden: Sequence[int] = (500,),
    activation: str = "relu",
    residual: bool = False,
    direct: bool = True,
    dropout: float = 0.3,
    order: Sequence[int] = (),
    drawn: bool = False,
    orders: int = 1,
    fresh: bool = False,
    seed: int = 0,
    context_shape: Shape | None = None,
) -> Density:
    """MADE: exact probabilities of rows of classes 0, 1, ... (Germain et al. 2015, arXiv 1502.03509).

    A value that is not one of its column's classes has probability 0.

    Args:
        classes: how many classes each column has, or one number for all. With 2 everywhere each position is a
            Bernoulli, else a softmax over classes that enter the network one-hot.
        groups: of one-hot columns, zeros and ones of which at most one in a group is 1: how many neighbouring columns
            each group has, 1 for a column alone; () for none. A group is then one position of the network, and rows
            with two ones in a group have probability 0 (:class:`Groups`).
        direct: connect inputs to outputs directly too.
        dropout: share of the hidden units that a training step leaves out; the default was chosen on validation rows
            of three of the sets of docs/discrete.md.
        order: the columns as they are read; () for as they come. Of one order only.
        drawn: hidden degrees at random; else spread evenly.
        orders: more than one makes a mixture over that many random orders (:class:`OrderMixture`).
        fresh: train on new orders without end, and average over ``orders`` fixed ones.
        seed: of the orders and of the degrees.

    >>> import torch
    >>> density = made((2,), classes=(2, 3))
    >>> density.log_prob(torch.tensor([[1, 2], [2, 0]])).exp()
    tensor([0.1667, 0.0000], grad_fn=<ExpBackward0>)
    """
    if groups:
        classes = _grouped(classes, groups)
    positions = (len(groups),) if groups else event_shape
    features, context = features_of(positions), context_of(context_shape)
    mixed = orders > 1 or fresh
    if mixed and order:
        raise ValueError(f"order: {orders} random orders are asked for, so none can be given, got {tuple(order)}")
    widest, offset = _classes(classes, features)
    univariate = Bernoulli() if widest == 2 and offset is None else Categorical(widest)
    net = MaskedMLP(
        features,
        univariate.size,
        hidden,
        context,
        order or None,
        activation,
        residual,
        direct or None,
        widest,
        dropout,
        seed if drawn else None,
        offset,
    )
    if mixed:
        density = OrderMixture(net, univariate, positions, context_shape, orders, drawn, fresh, seed)
    else:
        density = Flow(Autoregressive(net, univariate), Uniform(positions), positions, context_shape)
    return Flow(Groups(groups), density, event_shape, context_shape) if groups else density


def made_mog(
    event_shape: Shape,
    *,
    components: int = 10,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
    residual: bool = False,
    direct: bool = False,
    order: Sequence[int] = (),
    context_shape: Shape | None = None,
) -> Density:
    """MADE MoG: each value by a mixture of Gaussians given those before it (arXiv 1705.07057, section 4).

    Args:
        components: Gaussians per value.
        direct, order: as for :func:`made`.
    """
    features, context = features_of(event_shape), context_of(context_shape)
    net = MaskedMLP(features, 3 * components, hidden, context, order or None, activation, residual, direct or None)
    # components that start alike would stay alike
    nn.init.normal_(net.last.bias, generator=randomness.generator(net.last.bias.device))
    return Flow(Autoregressive(net, GaussianMixture(components)), Logistic(event_shape), event_shape, context_shape)


def _grouped(classes: Sequence[int], groups: Sequence[int]) -> tuple[int, ...]:
    """Classes of each group: its columns, and none of them."""
    if set(classes) != {2}:
        raise ValueError(f"groups: expected columns of zeros and ones, got {tuple(classes)} classes")
    if min(groups) < 1:
        raise ValueError(f"groups: expected at least one column in each, got {tuple(groups)}")
    counts = tuple(n + 1 for n in groups)
    return counts[:1] if len(set(counts)) == 1 else counts


def _classes(classes: Sequence[int], features: int) -> tuple[int, Tensor | None]:
    """The largest number of classes, 2 at least, and what bars those that a column does not have."""
    if len(classes) not in (1, features) or min(classes) < 1:
        raise ValueError(
            f"classes: expected one number of at least 1, or {features}, one per column, got {tuple(classes)}"
        )
    widest = max(2, *classes)
    if min(classes) == widest:
        return widest, None
    with on_cpu():
        has = torch.arange(widest).unsqueeze(1) < torch.tensor(classes).expand(features)
        return widest, torch.where(has, 0.0, -torch.inf)


RECIPES = (
    Recipe(
        made,
        values="whole",
        default=True,
        training=Training(decay=OF_LABELS),
        presets={  # and the commands of its released code
            "adult": {"hidden": (500,), "activation": "tanh", "direct": False, "dropout": 0.0},
            "dna": {"hidden": (500,), "direct": False, "dropout": 0.0, "drawn": True, "orders": 100, "fresh": True},
            "mnist": {"hidden": (8000, 8000), "dropout": 0.0, "drawn": True, "orders": 32},
        },
        says="one masked network over labels, or zeros and ones; exact probabilities; any orders, mixed",
        paper="Germain et al. 2015, arXiv 1502.03509",
        score="one pass, or one per order",
        draw="D short steps",
        steps="Autoregressive(MaskedMLP, Bernoulli or Categorical); with `orders` > 1 or `fresh` an `OrderMixture`",
        base="Uniform",
    ),
    Recipe(
        made_mog,
        presets={"paper": {"hidden": (512, 512)}},
        says="each value by a mixture of Gaussians given those before it",
        paper="Papamakarios et al. 2017, arXiv 1705.07057",
        score="one pass",
        draw="D short steps, each a root search",
        steps="Autoregressive(MaskedMLP, GaussianMixture)",
        base="Logistic",
    ),
)
