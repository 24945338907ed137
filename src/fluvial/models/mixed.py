"""One density for tables as they are: labels, numbers, gaps and spikes, its columns read in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import torch
from torch import Tensor, nn

from fluvial.conditioners.columns import ColumnNets
from fluvial.core import Density, Uniform, randomness
from fluvial.core.transform import EventShape, Shape, by_rows
from fluvial.models.classes import Classes
from fluvial.models.recipe import Recipe
from fluvial.models.shapes import context_of, features_of, laws_of_columns
from fluvial.transforms.law import Law, Reading
from fluvial.transforms.laws import Laws

_STANDING = 0.4  # of the training steps, in which a column's network reads the columns before it, to score whole rows
_ROWS, _STEPS = 4000, 200  # that the laws of columns alone are set by
_ORDERLY = 0.5  # likewise, of a density with classes
_OTHERS = 0.3  # in which it reads all others, as predictions, gaps and odd cells ask; else those before it in any order


class AnyOrder(Density):
    r"""p(x) = \prod_i p(x_i | x_{<i}), each factor a :class:`Law`, of rows (B, D) in the units of their table.

    A cell that is NaN is missing, and missing is a value like any other. A column's network learns its law given any
    set of the other columns (order-agnostic training: Uria et al. 2014, arXiv 1310.1757), so p(any columns | any other
    columns) is one pass: :meth:`log_prob_given`. The columns before it as they stand are the set that it learns most
    from, and ``log_prob`` is the density of that order.

    Args:
        laws: of the columns.
        net: over the laws' features and sizes.
        classes: what stands beside the network; ``laws`` are then its :attr:`~Classes.beside`, and the network gives
            its sizes.
    """

    static = False
    gaps = True

    def __init__(
        self, laws: Laws, net: ColumnNets, context_shape: EventShape | None = None, classes: Classes | None = None
    ) -> None:
        super().__init__()
        self.laws, self.net, self.classes = laws, net, classes
        self.event_shape, self.context_shape = (len(laws.laws),), context_shape
        self.embed: nn.Module | None = None

    def reading(self, embed: nn.Module, context_shape: EventShape | None) -> AnyOrder:
        """This density, of contexts of another shape, which ``embed`` makes what the network reads."""
        self.embed, self.context_shape = embed, context_shape
        return self

    def _embedded(self, context: Tensor | None) -> Tensor | None:
        """What the network reads of a context; nothing where it reads none."""
        if context is None or not self.net.context:
            return None
        return context if self.embed is None else self.embed(context)

    @property
    def columns(self) -> int:
        """D."""
        return len(self.laws.laws)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if self.training:
            return self._learnt(x, context).sum(1)
        return self._by_rows(x, context, None).sum(1)

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self._by_rows(x, context, None)

    def log_prob_given(self, x: Tensor, known: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(the other columns | the known ones) of each row, (B,), nats.

        Args:
            known: (D,) bool, which columns are given; their values stand in x.
        """
        self.check_event(x)
        self.check_context(x.shape[0], context)
        return self._by_rows(x, context, self.known_first(known))[:, ~known].sum(1)

    def log_prob_of(self, some: Tensor, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(some of the columns) of each row, (B,), nats, whatever its other cells hold.

        Args:
            some: (D,) bool, which columns.
        """
        self.check_event(x)
        self.check_context(x.shape[0], context)
        return self._by_rows(x, context, self.known_first(some))[:, some].sum(1)

    def log_prob_in(self, x: Tensor, order: Tensor, context: Tensor | None = None) -> Tensor:
        """log p of each row, (B,), nats, its columns read in this order, (D,)."""
        return self._by_rows(x, context, order).sum(1)

    def known_first(self, known: Tensor) -> Tensor:
        """The order (D,) of the known columns, then the others; ValueError, a sentence, unless known is (D,) bool."""
        if known.dtype != torch.bool or known.shape != (self.columns,):
            got = f"{known.dtype} of shape {tuple(known.shape)}"
            raise ValueError(f"known: expected one bool for each of {self.columns} columns, got {got}")
        return torch.cat((known.nonzero().squeeze(1), (~known).nonzero().squeeze(1)))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        device = self.net.first.weight.device
        unknown = torch.zeros(self.columns, dtype=torch.bool, device=device)
        return self.complete(torch.zeros(n, self.columns, device=device), unknown, context)

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.sample(n, context)
        return x, self.log_prob(x, context)

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, context: Tensor | None = None, present: bool = False) -> Tensor:
        """Rows (B, D), float64, whose known columns are x's and whose others are drawn given them.

        Args:
            known: (D,) bool.
            present: drawn cells are not missing.
        """
        self.check_event(x)
        self.check_context(x.shape[0], context)
        order = self.known_first(known)
        x = x.double().clone()
        walk = self.walk(x, order, context)
        places = order.tolist()
        for k in range(int(known.sum()), self.columns):
            law, theta = walk(k)
            theta = law.present(theta) if present else theta
            x[:, places[k] : places[k] + 1] = law.draw(theta, randomness.uniform((len(x), 1), torch.float64, x.device))
        return x

    def theta(self, x: Tensor, column: int, order: Tensor, context: Tensor | None = None) -> Tensor:
        """theta (B, size) of one column of rows x given those before it in the order."""
        return self.walk(x, order, context)(order.tolist().index(column))[1]

    def thetas(self, x: Tensor, order: Tensor, context: Tensor | None = None) -> Tensor:
        """theta (B, ``sum(laws.sizes)``) of all columns of rows x, each given those before it in the order."""
        return self._read(x, context, order)[1]

    def walk(self, x: Tensor, order: Tensor, context: Tensor | None = None) -> Callable[[int], tuple[Laws, Tensor]]:
        """A function of k, which never falls: the law of column order[k] and its theta (B, size) given those before.

        Those are read from x (B, D), float64, which the caller fills as it goes.
        """
        features = x.new_zeros(len(x), sum(self.laws.features), dtype=self.net.first.weight.dtype)
        step = self.net.steps(order, features, self._embedded(context))
        among = None if self.classes is None else self.classes.steps(order, len(x))
        places, seen = order.tolist(), 0

        def at(k: int) -> tuple[Laws, Tensor]:
            nonlocal seen
            before = self._described(x, places[seen:k], features)
            seen, theta = k, step(k)
            return self.laws.column(places[k]), theta if among is None else among(k, before, theta)

        return at

    def _described(self, x: Tensor, columns: Sequence[int], features: Tensor) -> dict[int, Reading]:
        """Cells of these columns as their laws see them; what networks see of them is written to ``features``."""
        if len(columns) < 2:
            laws = {i: self.laws.column(i) for i in columns}
            found = {i: law.read(x[:, i : i + 1]) for i, law in laws.items()}
            seen = {i: law.describe(found[i]) for i, law in laws.items()}
        else:  # all at once, which is sooner than one by one
            reading = self.laws.read(x)
            every = self.laws.describe(reading)
            found = {i: Reading(*(t[:, i : i + 1] for t in reading)) for i in columns}
            seen = {i: every[:, self.net.inputs[i]] for i in columns}
        for i in columns:
            features[:, self.net.inputs[i]] = seen[i]
        return found

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """P(cell before x's | the columns before) and half of P(cell) of each cell, (B, D): uniform under the model.

        The probability integral transform, at the middle of the steps that atoms make; missing cells come first.
        """
        reading, theta = self._read(x, context)
        return self.laws.below(reading, theta) + self.laws.mass(reading, theta) / 2

    def steps(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """P(cell | the columns before) of each cell, (B, D): 0 for values of a density."""
        return self.laws.mass(*self._read(x, context))

    def _read(self, x: Tensor, context: Tensor | None, order: Tensor | None = None) -> tuple[Reading, Tensor]:
        """Rows as their laws see them, and theta under an order."""
        reading = self.laws.read(x)
        theta = self.net(self.laws.describe(reading), self._embedded(context), _before(order))
        return reading, theta if self.classes is None else self.classes(theta, reading, order)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The rows (B, D), float64, that :meth:`encode` maps to z."""
        x = torch.zeros_like(z, dtype=torch.float64)
        walk = self.walk(x, torch.arange(self.columns, device=z.device), context)
        for i in range(self.columns):
            law, theta = walk(i)
            x[:, i : i + 1] = law.quantile(theta, z[:, i : i + 1].double().clamp(1e-300, 1 - 1e-16))
        return x

    @property
    def noise(self) -> Density:
        """What :meth:`encode` gives if the model is right."""
        return Uniform((self.columns,))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Set what the networks start from, the columns' own shares of atoms, and the classes beside them."""
        reading = self.laws.read(x)
        if self.classes is None:
            self.net.start(self.laws.resting(reading))
        else:
            self.classes.fit(reading)
            self.net.start(self.classes.resting(reading))
        if self.net.alone is not None:
            self._fit_alone(self.net.alone, Reading(*(t[:_ROWS] for t in reading)))

    @torch.enable_grad()
    def _fit_alone(self, theta: nn.Parameter, reading: Reading) -> None:
        """Set the laws of columns of which nothing is known, which few steps of training draw, by some rows."""
        if self.classes is not None:
            self.classes.distrust(theta)
        optimizer = torch.optim.Adam([theta], lr=0.05)
        for _ in range(_STEPS):
            optimizer.zero_grad()
            if self.classes is None:
                own = self.laws.log_prob(reading, theta.expand(len(reading.x), -1))
            else:
                own = self.classes.alone(theta.unsqueeze(0), reading)
            (-own.sum(1).mean()).backward()
            optimizer.step()
        theta.grad = None

    def _by_rows(self, x: Tensor, context: Tensor | None, order: Tensor | None) -> Tensor:
        return by_rows(lambda a, c: (self.laws.log_prob(*self._read(a, c, order)), a), x, context)[0]

    def _learnt(self, x: Tensor, context: Tensor | None) -> Tensor:
        """What a training step makes greater, (B, D): log p of each cell given a set of the others, drawn for the step.

        Beside classes the mean of that and of the network's alone, which, were it to learn only where it is already
        better than they are, would leave too much to them. Classes need one order for all columns.
        """
        reading, embedded = self.laws.read(x), self._embedded(context)
        features = self.laws.describe(reading)
        if self.classes is None:
            return self.laws.log_prob(reading, self.net(features, embedded, self._drawn_sets(x.device)))
        order = None if randomness.uniform(()) < _ORDERLY else randomness.permutation(self.columns).to(x.device)
        theta = self.net(features, embedded, _before(order))
        together = self.laws.log_prob(reading, self.classes(theta, reading, order))
        return (together + self.classes.alone(theta, reading)) / 2

    def _drawn_sets(self, device: torch.device) -> Tensor:
        """Which columns each column's network reads in one training step, (D, D) bool."""
        columns = torch.arange(self.columns)
        standing, others = _before(columns), columns.unsqueeze(1) != columns
        which = randomness.uniform((self.columns, 1))
        sets = torch.where(which < _STANDING, standing, _before(randomness.permutation(self.columns)))
        return torch.where(which > 1 - _OTHERS, others, sets).to(device)


@overload
def _before(order: Tensor) -> Tensor: ...
@overload
def _before(order: None) -> None: ...
def _before(order: Tensor | None) -> Tensor | None:
    """Which columns come before each column in an order (D,), (D, D) bool; nothing for the columns as they stand."""
    if order is None:
        return None
    rank = torch.argsort(order)
    return rank.unsqueeze(1) > rank


def mixed(
    event_shape: Shape,
    *,
    laws: Sequence[Law] = (),
    hidden: Sequence[int] = (64,),
    blocks: int = 1,
    components: int = 12,
    dropout: float = 0.1,
    classes: int = 0,
    context_shape: Shape | None = None,
) -> Density:
    """A table as it is: a law for each column, and a network for each that reads any of the others.

    Args:
        laws: one for each column; () for columns of real numbers, standardised.
        hidden: the width of each column's network.
        blocks, dropout: see :class:`ColumnNets`.
        components: logistics in the mixture of a continuous column.
        classes: at most so many :class:`Classes` beside the network; 0 for none.
    """
    columns = features_of(event_shape)
    if classes < 0:
        raise ValueError(f"classes: expected 0 or more, got {classes}")
    if len(hidden) != 1:
        raise ValueError(f"hidden: each network has one width, got {tuple(hidden)}; blocks makes it deeper")
    together = laws_of_columns(laws, columns, components)
    beside = Classes(together, classes) if classes else None
    sizes = together.sizes if beside is None else beside.sizes
    net = ColumnNets(together.features, sizes, hidden[0], blocks, context_of(context_shape), dropout)
    return AnyOrder(together if beside is None else beside.beside, net, context_shape, beside)


RECIPES = (
    Recipe(
        mixed,
        values="any",
        default=True,
        says="a law for each column, of labels, gaps and numbers alike; exact; any columns given any others",
        paper="Uria et al. 2014, arXiv 1310.1757, and Germain et al. 2015, arXiv 1502.03509",
        score="one pass",
        draw="D short steps",
        steps="ColumnNets over the columns in any order, a Law for each",
        base="Uniform",
    ),
)
