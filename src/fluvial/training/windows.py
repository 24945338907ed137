"""Training on long recordings by windows, each sample counted once and given all that it may read."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fluvial.conditioners import Frames, WaveNet
from fluvial.core import Density, Flow
from fluvial.core.batched import evaluate
from fluvial.transforms import spine
from fluvial.univariate.discrete import Staircase

_STEP = 1 << 12  # samples in one training step: many small steps learn faster than few large ones
_FRAMES = 256  # the same, of frames of more than one value
_SORTED = 8  # batches' worth of shuffled windows that are sorted by length, so that little of a batch is empty


@dataclass(frozen=True)
class Windows:
    """Recordings cut into windows of at most ``longest`` samples, for a model that reads ``reads`` samples back.

    A window is given the samples before it, as far as the model reads and the recording goes, as a context that is
    not scored; before the start of a recording there is nothing, which is what the model sees there too. So each
    sample is scored once, with all its past, and a mean over windows is exact, however they are cut.

    Args:
        values: all recordings end to end, (N,).
        lengths: samples of each recording, (M,).
        context: (M, C), or None.
        reads: receptive field of the model.
        longest: samples of a window.
        frame: samples that belong together and are never cut apart: lengths, ``reads`` and ``longest`` are multiples.
    """

    values: Tensor
    lengths: Tensor
    context: Tensor | None = None
    reads: int = 0
    longest: int = 8192
    frame: int = 1

    def __post_init__(self) -> None:
        total, least = int(self.lengths.sum()), int(self.lengths.min())
        if any(n % self.frame for n in (self.reads, self.longest, *self.lengths.tolist())):
            raise ValueError(f"frame: lengths, reads and longest must be multiples of {self.frame}")
        if total != len(self.values) or least < 1:
            raise ValueError(
                f"lengths: expected positive ones that add up to {len(self.values)} samples, got a sum of {total} "
                f"and {least} as the shortest"
            )

    @cached_property
    def table(self) -> Tensor:
        """(windows, 4): the recording, where it begins, and the window's first and last + 1 sample in it."""
        ends = self.lengths.cumsum(0)
        cuts = -(-self.lengths // self.longest)  # windows of each recording, of about equal lengths
        which = torch.repeat_interleave(cuts)
        number = torch.arange(len(which)) - (cuts.cumsum(0) - cuts)[which]
        frames = (self.lengths // self.frame)[which]
        edges = [frames * (number + i) // cuts[which] * self.frame for i in (0, 1)]
        return torch.stack((which, (ends - self.lengths)[which], *edges), 1)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of independent units and of values in each, which decide on the weight decay: samples, one each."""
        return len(self.values), 1

    @property
    def batch_size(self) -> int:
        """Windows a step: so many that they hold ``_STEP`` samples, or ``_FRAMES`` frames, or a twentieth of all."""
        most = _STEP if self.frame == 1 else _FRAMES * self.frame
        return max(2, round(min(most, len(self.values) / 20) * len(self) / len(self.values)))

    initial = 2
    """Windows to initialise from: the models here have nothing to initialise."""

    @property
    def measured(self) -> int:
        """All: the models here have no BatchNorm."""
        return len(self)

    def count(self, index: Tensor | None = None) -> int:
        """Samples that these windows score."""
        return len(self.values) if index is None else int((self.table[index, 3] - self.table[index, 2]).sum())

    def batches(self, order: Tensor, size: int) -> list[Tensor]:
        """Batches of windows of similar lengths, in an order as random as ``order``."""
        length = self.table[:, 3] - self.table[:, 2]
        parts = [b for part in order.split(size * _SORTED) for b in part[length[part].argsort(stable=True)].split(size)]
        place = order.argsort()[torch.stack([b[0] for b in parts])]
        return [parts[i] for i in place.argsort().tolist()]

    def rows(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Windows as (B, 2, T): values (NaN where there are none), and 1 where a value counts; and their context."""
        recording, begin, first, end = self.table[index].unsqueeze(2).unbind(1)
        reads = first.clamp(max=self.reads)
        before, longest = int(reads.max()), int((end - first).max())
        at = torch.arange(-before, longest)
        there = (at >= -reads) & (at < end - first)
        values = self.values[torch.where(there, begin + first + at, 0)].to(torch.get_default_dtype())
        x = torch.stack((torch.where(there, values, math.nan), (there & (at >= 0)).to(values.dtype)), 1)
        context = None if self.context is None else self.context[recording.squeeze(1)].to(device)
        return x.to(device), context

    def to(self, device: torch.device) -> Windows:
        """The same windows: recordings stay in main memory."""
        return self

    def digest(self) -> str:
        """A fingerprint of all that decides on the rows."""
        hashed = hashlib.blake2b(f"{self.reads} {self.longest}".encode(), digest_size=16)
        for tensor in (self.values, self.lengths, self.context):
            if tensor is not None:
                hashed.update(tensor.cpu().contiguous().numpy().data)
        return hashed.hexdigest()

    def score(self, density: Density, seed: int) -> float:
        """Mean of log p over all samples, nats; ``density`` is a :class:`Continuation`."""
        return self.totals(density, seed).sum().item() / len(self.values)

    def totals(self, density: Density, seed: int = 0) -> Tensor:
        """log p of each recording, (M,) float64, nats."""
        totals = torch.zeros(len(self.lengths), dtype=torch.float64)
        for index in (self.table[:, 3] - self.table[:, 2]).argsort(stable=True).split(self.batch_size):
            x, context = self.rows(index, torch.device("cpu"))
            totals.index_add_(0, self.table[index, 0], evaluate(density, density.log_prob, x, context, seed).double())
        return totals

    def take(self, recordings: Tensor) -> Windows:
        """Some of the recordings."""
        parts = self.values.split(self.lengths.tolist())
        context = None if self.context is None else self.context[recordings]
        values = torch.cat([parts[i] for i in recordings.tolist()])
        return replace(self, values=values, lengths=self.lengths[recordings], context=context)


class Continuation(Density):
    r"""log p of the values that count, given those before them: what :class:`Windows` are trained and scored with.

    Events are (2, T): values, NaN where there are none, and 1 where a value counts.

    Args:
        flow: ``Autoregressive`` of a ``WaveNet`` or of ``Frames`` towards a base of independent elements; the same
            parameters.
    """

    event_shape = (2, None)
    static = False

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        found = spine(flow)
        if found is None or len(found.head) or not isinstance(found.step.conditioner, WaveNet | Frames):
            raise ValueError("windows need a flow of one Autoregressive transform with a WaveNet or Frames")
        self.flow, self.embed, self.context_shape = flow, flow.embed, flow.context_shape
        # in a tuple: their parameters are registered with ``flow`` already
        self._inner = (found.step.conditioner, found.step.univariate, found.base)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.parts(x, context).sum(1)

    def parts(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p of each value that counts, 0 elsewhere, (B, the last steps): those from the first that counts on."""
        values, theta, counts = self._read(x, context)
        _, univariate, base = self._inner
        if isinstance(univariate, Staircase):
            log_p = univariate.log_prob(values, theta)
        else:
            z, log_p = univariate.forward(values, theta)
            noise = base.parts(z)
            log_p = log_p if noise is None else log_p + noise
        return torch.where(counts, log_p, 0.0)

    def noise(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The noise that each value that counts stands for, and its log_det, both (N,): what calibration looks at."""
        values, theta, counts = self._read(x, context)
        z, log_det = self._inner[1].forward(values, theta)
        return z[counts], log_det[counts]

    def _read(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The last steps' values (0 where none counts), theta, and which of them count."""
        values, counts = x.unbind(1)
        last = values.shape[1] - int(counts.any(0).int().argmax())
        context = context if context is None or self.embed is None else self.embed(context)
        theta = self._inner[0](values, context, last)
        counts = counts[:, -last:] > 0
        return torch.where(counts, values[:, -last:], 0.0), theta, counts
