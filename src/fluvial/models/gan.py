"""Generative adversarial networks: a generator that only draws, and a flow as generator, which keeps its density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from fluvial.core import Density, Flow, Sampler, randomness
from fluvial.core.constants import constant, on_cpu
from fluvial.core.transform import EventShape, Shape, Transform
from fluvial.models.likelihoods import Features
from fluvial.models.modes import NEVER, Modes, modes_of
from fluvial.models.nsf import nsf_coupling
from fluvial.models.recipe import Recipe, Training
from fluvial.models.shapes import context_of, features_of, laws_of_columns
from fluvial.transforms.law import Law
from fluvial.transforms.laws import Laws

_SOFT = 0.5  # temperature of the softmax through which gradients pass labels


@runtime_checkable
class Adversarial(Protocol):
    """What adversarial training asks of a model: two players, and how one sees what the other makes.

    ``critic`` is a network (what it sees, context) -> (B, 1), ``weight`` what the negative log-likelihood counts beside
    the game, 0 for nothing, ``penalty`` what the squares of the critic's gradients count.
    """

    critic: nn.Module
    weight: float
    penalty: float

    def seen(self, x: Tensor) -> Tensor:
        """Rows as the critic sees them, (B, ...)."""
        ...

    def drawn(self, n: int, context: Tensor | None) -> Tensor:
        """n draws as the critic sees them, (n, ...), with gradients of the generator."""
        ...

    def embedded(self, context: Tensor | None) -> Tensor | None:
        """What the networks read of a context."""
        ...


class Network(nn.Module):
    """(B, inputs) and a context -> (B, outputs): hidden layers, then a linear one that starts at random."""

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int], context: int = 0) -> None:
        super().__init__()
        self.body = Features((inputs,), hidden, context, "silu")
        self.last = nn.Linear(hidden[-1], outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.last(self.body(x, context))


class Game(Sampler):
    """A generator that only draws, and the critic that it learns from, whose contexts may be embedded first."""

    weight, penalty = 0.0, 1.0
    critic: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.embed: nn.Module | None = None

    def reading(self, embed: nn.Module, context_shape: EventShape | None) -> Self:
        """This model, of contexts of another shape, which ``embed`` makes what the networks read."""
        self.embed, self.context_shape = embed, context_shape
        return self

    def embedded(self, context: Tensor | None) -> Tensor | None:
        return context if context is None or self.embed is None else self.embed(context)


class GAN(Game):
    """Rows of a table as it is, drawn by a network from noise that another network, the critic, cannot tell from data.

    The generator gives each column logits of what its cell may be, an atom of its :class:`Law` or one of the modes of
    all other values, and the value counted from the mode's centre (Xu et al. 2019, arXiv 1907.00503, section 4.2). The
    critic sees cells, one-hot and so counted, of data and of draws alike; gradients pass the choice by a softmax
    (straight through; Jang et al. 2017, arXiv 1611.01144).
    Source: Goodfellow et al. 2014, arXiv 1406.2661; the objective is
    :func:`fluvial.training.objectives.adversarial_loss`.

    Args:
        laws: of the columns.
        noise: how many numbers the generator starts from.
        modes: of a column at most; ``initialize`` finds them.
    """

    gaps = True
    _slots: Tensor
    _masses: Tensor
    _log_weights: Tensor
    _centers: Tensor
    _scales: Tensor

    def __init__(
        self,
        laws: Laws,
        noise: int,
        hidden: Sequence[int],
        context_shape: EventShape | None = None,
        modes: int = 10,
    ) -> None:
        super().__init__()
        if modes < 1:
            raise ValueError(f"modes: expected at least 1 a column, got {modes}")
        self.laws, self.size = laws, noise
        self.event_shape, self.context_shape = (len(laws.laws),), context_shape
        with on_cpu():
            masses = torch.tensor([law.masses for law in laws.laws])
            counts = masses + modes * torch.tensor([law.rest is not None for law in laws.laws])
            slots = torch.arange(int(masses.max()) + modes) < counts.unsqueeze(1)
        constant(self, "_masses", masses)
        constant(self, "_slots", slots)
        first = torch.where(torch.arange(modes) == 0, 0.0, NEVER).repeat(len(laws.laws), 1)
        self.register_buffer("_log_weights", first)
        self.register_buffer("_centers", torch.zeros_like(first))
        self.register_buffer("_scales", torch.ones_like(first))
        context, self.choices = context_of(context_shape), int(slots.sum())  # pyright: ignore
        seen = self.choices + len(laws.laws)
        self.generator = Network(noise, seen, hidden, context)
        self.critic = Network(seen, 1, hidden, context)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            return self._cells(*self._raw(n, self.embedded(context)))

    @property
    def modes(self) -> Modes:
        """Of each column."""
        return Modes(self._log_weights, self._centers, self._scales)

    def seen(self, x: Tensor) -> Tensor:
        slot, value = self._read(x)
        hot = slot.unsqueeze(2) == torch.arange(self._slots.shape[1], device=slot.device)
        return torch.cat((hot[:, self._slots].to(value.dtype), value), 1)

    def drawn(self, n: int, context: Tensor | None) -> Tensor:
        logits, value = self._raw(n, context)
        slot, hard = self._read(self._cells(logits, value))
        shares = (logits / _SOFT).softmax(2)
        hot = torch.nn.functional.one_hot(slot, shares.shape[2])
        choice = shares + (hot - shares).detach()
        rest = (choice * (torch.arange(shares.shape[2], device=slot.device) >= self._masses.unsqueeze(1))).sum(2)
        moved = (self._value(logits.argmax(2), value) - self._at(self._centers, slot)) / self._at(self._scales, slot)
        counted = torch.where(slot < self._masses, value, moved)
        return torch.cat((choice[:, self._slots], (counted + (hard - counted * rest).detach()) * rest), 1)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Find the modes of the columns, and let the generator start at the columns' own shares."""
        with torch.no_grad():
            reading = self.laws.read(x)
            found = modes_of(reading.value.cpu(), reading.atom.cpu() < 0, self._centers.shape[1])
            for buffer, value in zip(self.modes, found):
                buffer.copy_(value)
            shares = self.seen(x)[:, : self.choices].mean(0)
            self.generator.last.bias[: self.choices] = (shares + 1e-3).log()

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What each cell is, (B, D), and its value counted from the centre of its mode, 0 where it is an atom."""
        reading = self.laws.read(x)
        rest = reading.atom < 0
        slot = torch.where(rest, self._masses + self.modes.nearest(reading.value), reading.atom)
        value = (reading.value - self._at(self._centers, slot)) / self._at(self._scales, slot)
        return slot, torch.where(rest, value, 0.0)

    def _at(self, each: Tensor, slot: Tensor) -> Tensor:
        """What the modes of columns have, (D, K), for the slot of each cell (B, D)."""
        return each.expand(len(slot), -1, -1).gather(2, (slot - self._masses).clamp(min=0).unsqueeze(2)).squeeze(2)

    def _value(self, slot: Tensor, value: Tensor) -> Tensor:
        """The standardised value (B, D) of one that is counted from its mode."""
        return self._at(self._centers, slot) + self._at(self._scales, slot) * value

    def _raw(self, n: int, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Perturbed logits of what each cell is, (n, D, K), -inf where it is nothing, and its value if it is a rest."""
        weight = self.generator.last.weight
        out = self.generator(randomness.normal((n, self.size), weight.dtype, weight.device), context)
        logits = out.new_full((n, *self._slots.shape), -torch.inf)
        u = randomness.uniform((n, self.choices), weight.dtype, weight.device).clamp(1e-6, 1 - 1e-6)
        logits[:, self._slots] = out[:, : self.choices] - (-u.log()).log()  # with Gumbel's noise the largest is a draw
        return logits, out[:, self.choices :]

    def _cells(self, logits: Tensor, value: Tensor) -> Tensor:
        chosen = logits.argmax(2)
        return self.laws.cells(torch.where(chosen < self._masses, chosen, -1), self._value(chosen, value))


class FlowGAN(Flow):
    """A flow that a critic teaches, beside its likelihood or alone; ``log_prob`` stays exact (Grover et al. 2018).

    Adversarial training alone makes its likelihood very poor; with a ``weight`` it learns by both.
    Source: arXiv 1705.08868.

    Args:
        critic: (x, context) -> (B, 1).
        weight: of the negative log-likelihood beside the game; 0 for the game alone.
    """

    static = False
    penalty = 1.0

    def __init__(
        self,
        transform: Transform,
        base: Density,
        event_shape: EventShape,
        critic: nn.Module,
        weight: float,
        context_shape: EventShape | None = None,
    ) -> None:
        super().__init__(transform, base, event_shape, context_shape)
        if not weight >= 0:
            raise ValueError(f"weight: expected at least 0, got {weight}")
        self.critic, self.weight = critic, weight

    def seen(self, x: Tensor) -> Tensor:
        return x

    def drawn(self, n: int, context: Tensor | None) -> Tensor:
        return self.sample(n, context)

    def embedded(self, context: Tensor | None) -> Tensor | None:
        return context


def gan(
    event_shape: Shape,
    *,
    laws: Sequence[Law] = (),
    noise: int = 32,
    hidden: Sequence[int] = (128, 128, 128),
    modes: int = 10,
    context_shape: Shape | None = None,
) -> GAN:
    """A GAN of a table as it is (Goodfellow et al. 2014, arXiv 1406.2661).

    Args:
        noise: how many numbers the generator starts from.
        hidden: widths of generator and critic.
        modes: of a column of numbers at most.
    """
    return GAN(laws_of_columns(laws, features_of(event_shape), 1), noise, hidden, context_shape, modes)


def flow_gan(
    event_shape: Shape,
    *,
    weight: float = 1.0,
    transforms: int = 4,
    hidden: Sequence[int] = (64, 64),
    critic: Sequence[int] = (128, 128, 128),
    context_shape: Shape | None = None,
) -> FlowGAN:
    """A Flow-GAN: a flow with couplings of splines as a GAN's generator (Grover et al. 2018, arXiv 1705.08868).

    Args:
        weight: of the negative log-likelihood beside the game; 0 for the game alone.
        critic: its widths.
    """
    flow = nsf_coupling(event_shape, transforms=transforms, hidden=hidden, context_shape=context_shape)
    judge = Network(features_of(event_shape), 1, critic, context_of(context_shape))
    return FlowGAN(flow.transform, flow.base, flow.event_shape, judge, weight, flow.context_shape)  # pyright: ignore


_TRAINED = Training(learning_rate=1e-3, objective="adversarial")

RECIPES = (
    Recipe(
        gan,
        values="any",
        training=_TRAINED,
        says="a generator that a critic teaches; draws only, no likelihood",
        paper="Goodfellow et al. 2014, arXiv 1406.2661",
        score="not to be had",
        draw="one pass",
        steps="a generator of cells, a critic",
        base="Normal",
    ),
    Recipe(
        flow_gan,
        training=_TRAINED,
        says="a flow that a critic teaches beside its likelihood; exact",
        paper="Grover et al. 2018, arXiv 1705.08868",
        score="one pass",
        draw="one pass",
        steps="`nsf_coupling`, a critic",
        base="Normal",
    ),
)
