"""What the JSON files of a run folder hold, field by field, and the safetensors header: types that ``typed`` checks.

Only ``load_run`` needs this module, and with it msgspec.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NotRequired, TypedDict

from msgspec import Meta
from torch import Tensor

from fluvial.conditioners import ContextMap
from fluvial.core.errors import RunError
from fluvial.core.typed import decoded, typed
from fluvial.training.settings import Settings
from fluvial.transforms import CodeMap, ColumnMap
from fluvial.transforms.law import Law

Count = Annotated[int, Meta(ge=0, le=1 << 62)]
Finite = Annotated[float, Meta(gt=-1e300, lt=1e300)]
Time = Annotated[float, Meta(ge=0, lt=1e300)]
Text = Annotated[str, Meta(max_length=1 << 16)]
_Size = Annotated[int, Meta(ge=1, le=1 << 26)]
_Whole = Annotated[int, Meta(ge=-(1 << 31), le=1 << 31)]
_Option = bool | _Whole | Finite | Text | None | Annotated[list[_Whole], Meta(max_length=1 << 20)]
_HEADER = 1 << 26  # bytes that a safetensors header may have


class ModelConfig(TypedDict):
    """What ``models.build`` takes."""

    model: Text
    event_shape: Annotated[list[_Size | None], Meta(min_length=1, max_length=4)]
    options: dict[Text, _Option]


class ModelParts(ModelConfig, total=False):
    """What it may take besides."""

    context_shape: Annotated[list[_Size | None], Meta(min_length=1, max_length=4)] | None
    columns: list[ColumnMap] | None
    whiten: bool
    codes: list[CodeMap] | None
    context: list[ContextMap] | None
    laws: list[Law] | None


class Training(TypedDict):
    """The end of the training."""

    seconds: Time
    epochs: Count
    steps: Count
    best_epoch: Count
    skipped: Count


class Config(TypedDict):
    """config.json, whatever the model is of; ``schema`` is checked by the kind of data that reads it."""

    format: Count
    weights_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    model: ModelParts
    schema: dict[str, Any]
    version: Text
    command: str
    seed: Annotated[int, Meta(ge=0)]
    holdout: Annotated[float, Meta(ge=0, le=1)]
    exact: bool
    settings: Settings
    training: Training
    versions: dict[Text, Text]
    warnings: list[str]
    sizes: dict[Text, Count]
    scores: dict[Text, Any]


class Metric(TypedDict):
    """One line of metrics.jsonl: a :class:`~fluvial.training.progress.Record`."""

    epoch: Count
    step: Count
    ended: bool
    train: Finite | None
    held_out: Finite | None
    best: Finite | None
    best_epoch: Count
    rows_per_second: Time
    elapsed: Time
    left: Time | None
    skipped: Count
    learning_rate: Time


class Marks(TypedDict):
    """A :class:`~fluvial.training.progress.Progress`; ``best`` may be infinite."""

    epoch: Count
    batch: Count
    step: Count
    loss: Finite
    rows: Count
    learning_scale: Annotated[float, Meta(gt=0, le=1)]
    bad_steps: Count
    skipped: Count
    rollbacks: Annotated[int, Meta(ge=0, le=20)]
    held_out: Finite | None
    best: float
    best_epoch: Count
    cuts: Count
    cut_epoch: Count
    elapsed: Time
    records: list[Metric]


class Moments(TypedDict):
    """An optimiser's state; what else it saves follows from the settings."""

    state: dict[int, dict[str, Tensor]]


class Checkpoint(TypedDict):
    """checkpoint.pt; ``workers`` that trained together are in those of today."""

    format: int
    settings: Settings
    tag: str
    data: str
    workers: NotRequired[Annotated[int, Meta(ge=1, le=1 << 20)]]
    progress: Marks
    best: dict[str, Tensor]
    model: dict[str, Tensor]
    averaged: dict[str, Tensor] | None
    optimizer: Moments


class Stored(TypedDict):
    """One tensor in the header of a safetensors file."""

    dtype: str
    shape: Annotated[list[Count], Meta(max_length=16)]
    data_offsets: tuple[Count, Count]


def stored_tensors(file: BinaryIO, size: int, path: Path) -> dict[str, Stored]:
    """The names, dtypes and shapes in an open safetensors file of ``size`` bytes; its tensors are not read.

    Raises:
        RunError: it is none, or is not whole.
    """
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
    if not 0 < length <= min(size - 8, _HEADER):
        raise RunError(f"{path} is damaged or not a safetensors file; nothing in it was run")
    header = decoded(file.read(length), str(path))
    if isinstance(header, dict):
        header.pop("__metadata__", None)
    found = typed(header, dict[str, Stored], str(path))
    ends = max((s["data_offsets"][1] for s in found.values()), default=0)
    if 8 + length + ends != size:
        raise RunError(f"{path} is damaged: it should have {8 + length + ends:,} bytes, and has {size:,}")
    return found
