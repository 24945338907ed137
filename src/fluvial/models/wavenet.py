"""Recipes for sequences of any length: composition, no mechanics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from fluvial.conditioners import ChordIntervals, Frames, MaskedMLP, PastIntervals, WaveNet
from fluvial.core import Density, Flow, Uniform
from fluvial.core.transform import EventShape, Shape
from fluvial.models.recipe import Recipe, Training
from fluvial.transforms import Autoregressive
from fluvial.univariate import Bernoulli, Categorical, DiscretizedLogistics, Staircase

_SILENT = -3.0  # logit of a note at the start: most notes are silent most of the time
_FLOOR = {256: -7.0, 65536: -16.0}  # smallest log-scales of the logistics, by the number of levels


def wavenet(
    event_shape: EventShape,
    *,
    levels: int = 256,
    components: int = 0,
    stacks: int = 2,
    layers: int = 9,
    kernel: int = 2,
    first: int = 1,
    channels: int = 64,
    gates: int = 64,
    skips: int = 128,
    context_shape: Shape | None = None,
) -> Density:
    """WaveNet over integers 0, ..., levels - 1 (van den Oord et al. 2016, arXiv 1609.03499).

    Args:
        event_shape: (T, ...), or (None, ...) for any length.
        levels: 256 mu-law codes, or 65536 for 16 bits.
        components: 0 for a softmax over the levels, which then enter one-hot; else so many discretised logistics,
            and the levels enter as numbers.
        stacks, layers, kernel, first, channels, gates, skips: see :class:`fluvial.conditioners.WaveNet`.

    >>> import torch
    >>> density = wavenet((None,), layers=3, channels=4, gates=4, skips=4)
    >>> round(density.log_prob(torch.zeros(1, 10)).item(), 2)  # starts uniform: 10 log(1 / 256)
    -55.45
    """
    if not event_shape:
        raise ValueError("event_shape: a sequence model expects (T, ...), got ()")
    if context_shape is not None and len(context_shape) != 1:
        raise ValueError(f"context_shape: expected (C,) or None, got {tuple(context_shape)}")
    rest = tuple(n for n in event_shape[1:] if n is not None)
    univariate = _staircase(levels, components)
    net = WaveNet(
        univariate.size,
        classes=0 if components else levels,
        rest=rest,
        context=0 if context_shape is None else context_shape[0],
        stacks=stacks,
        layers=layers,
        kernel=kernel,
        first=first,
        channels=channels,
        gates=gates,
        skips=skips,
        centre=(levels - 1) / 2,
        spread=(levels - 1) / 2,
    )
    return Flow(Autoregressive(net, univariate), Uniform(event_shape), event_shape, context_shape)


def wavenet_made(
    event_shape: EventShape,
    *,
    values: int = 1,
    hidden: Sequence[int] = (200,),
    dropout: float = 0.3,
    features: int = 2,
    stacks: int = 1,
    layers: int = 6,
    kernel: int = 2,
    channels: int = 64,
    gates: int = 64,
    skips: int = 128,
    context_shape: Shape | None = None,
) -> Density:
    """Sequences of frames of bits, such as the notes of each moment of a piece: WaveNet over frames, MADE inside each.

    An event is (T N,), frame after frame. Over frames a WaveNet reads what came before, inside a frame a MADE reads
    the bits before each, given what the WaveNet gives (:class:`Frames`).

    Args:
        event_shape: (T N,), or (None,) for any length.
        values: N, bits of a frame.
        hidden, dropout: of the MADE.
        features: numbers that the WaveNet gives for each bit.
        stacks, layers, kernel, channels, gates, skips: of the WaveNet.

    >>> import torch
    >>> density = wavenet_made((None,), values=2, layers=2, channels=4, gates=4, skips=4)
    >>> density.log_prob(torch.zeros(1, 6)).exp().item()  # starts uniform: 2^-6
    0.015625
    """
    sizes = {"stacks": stacks, "layers": layers, "kernel": kernel, "channels": channels, "gates": gates, "skips": skips}
    outer = _over_frames(event_shape, values, features, context_shape, sizes)
    inner = MaskedMLP(values, 1, hidden, features * values, direct=True, classes=2, dropout=dropout)
    return Flow(Autoregressive(Frames(outer, inner), Bernoulli()), Uniform(event_shape), event_shape, context_shape)


def wavenet_intervals(
    event_shape: EventShape,
    *,
    values: int = 1,
    width: int = 64,
    below: int = 48,
    lags: Sequence[int] = (1, 2, 4, 8),
    around: int = 12,
    dropout: float = 0.2,
    features: int = 8,
    stacks: int = 1,
    layers: int = 5,
    kernel: int = 2,
    channels: int = 128,
    gates: int = 128,
    skips: int = 128,
    context_shape: Shape | None = None,
) -> Density:
    """Sequences of frames of notes that sound or do not, in the order of their pitch: what counts are intervals.

    An event is (T N,), frame after frame. Over frames a WaveNet reads what came before; each note reads besides which
    notes sounded about it lately, and the ones below it in its own frame, by weights that all notes share
    (:class:`PastIntervals`, :class:`ChordIntervals`).

    Args:
        event_shape: (T N,), or (None,) for any length.
        values: N, notes of a frame.
        width: numbers of the network that all notes share.
        below: notes below it that a note reads.
        lags, around: how many frames ago it reads the notes about it, and how far up and down.
        dropout: share of these numbers that a training step leaves out.
        features: numbers that the WaveNet gives for each note.
        stacks, layers, kernel, channels, gates, skips: of the WaveNet.
    """
    sizes = {"stacks": stacks, "layers": layers, "kernel": kernel, "channels": channels, "gates": gates, "skips": skips}
    outer = _over_frames(event_shape, values, features, context_shape, sizes)
    past = PastIntervals(outer, width, lags, around)
    nn.init.constant_(past.place[:, 0], _SILENT)
    frames = Frames(past, ChordIntervals(values, 1, width, below, dropout))
    return Flow(Autoregressive(frames, Bernoulli()), Uniform(event_shape), event_shape, context_shape)


def _over_frames(
    event_shape: EventShape, values: int, features: int, context_shape: Shape | None, sizes: Mapping[str, int]
) -> WaveNet:
    """The WaveNet that reads the frames before, or a sentence."""
    if len(event_shape) != 1 or values < 1 or (event_shape[0] or 0) % values:
        raise ValueError(f"values: events of shape {tuple(event_shape)} do not divide into frames of {values}")
    if context_shape is not None and len(context_shape) != 1:
        raise ValueError(f"context_shape: expected (C,) or None, got {tuple(context_shape)}")
    context = 0 if context_shape is None else context_shape[0]
    return WaveNet(features, classes=2, rest=(values,), context=context, **sizes)


def _staircase(levels: int, components: int) -> Staircase:
    if components < 0:
        raise ValueError(f"components: expected 0 for a softmax or a number of logistics, got {components}")
    if not components:
        return Categorical(levels)
    return DiscretizedLogistics(levels, components, _FLOOR.get(levels, -12.0))


RECIPES = (
    Recipe(
        wavenet,
        kind="sound",
        values="whole",
        default=True,
        training=Training(learning_rate=8e-3),  # chosen on validation recordings (benchmarks/sound/wavenet.py)
        presets={  # the paper gives no widths; two open configurations do
            "ibab": {"stacks": 5, "layers": 10, "kernel": 2, "channels": 32, "gates": 32, "skips": 512, "first": 2},
            "vocoder": {"stacks": 3, "layers": 10, "kernel": 3, "channels": 128, "gates": 128, "skips": 128},
            "vocoder16": {
                **{"levels": 65536, "components": 10},
                **{"stacks": 4, "layers": 6, "kernel": 3, "channels": 128, "gates": 128, "skips": 128},
            },
        },
        says="samples of sound, as 256 mu-law codes or by logistics on 16 bits; exact probabilities",
        paper="van den Oord et al. 2016, arXiv 1609.03499",
        score="one pass",
        draw="one short step per sample, in constant memory",
        steps="Autoregressive(WaveNet, Categorical) over 256 mu-law codes, or (WaveNet, DiscretizedLogistics) over 16 "
        "bits",
        base="Uniform",
    ),
    Recipe(
        wavenet_intervals,
        kind="piano rolls",
        values="whole",
        default=True,
        says="WaveNet over the moments of a piece, networks that all notes share over the intervals to others; exact "
        "probabilities",
        paper="van den Oord et al. 2016, arXiv 1609.03499, and Johnson 2017, LNCS 10198",
        score="one pass",
        draw="one short step per note",
        steps="Autoregressive(Frames, Bernoulli) over frames of bits; Frames is PastIntervals over frames and "
        "ChordIntervals in each",
        base="Uniform",
    ),
    Recipe(
        wavenet_made,
        kind="piano rolls",
        values="whole",
        says="WaveNet over the moments of a piece, MADE over the notes of one; exact probabilities",
        paper="van den Oord et al. 2016, arXiv 1609.03499, and Germain et al. 2015, arXiv 1502.03509",
        score="one pass",
        draw="one short step per note",
        steps="Autoregressive(Frames, Bernoulli) over frames of bits; Frames is a WaveNet over frames and a MADE in "
        "each",
        base="Uniform",
    ),
)
