"""What kinds of data share whose events have labels: recordings and images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fluvial.core import randomness
from fluvial.core.errors import UsageError
from fluvial.data.labels import encode_labels, label_words
from fluvial.kinds.fitted import Fitted


class Events(Protocol):
    """Recordings or images that have been read, with the labels of each by name, (N,)."""

    @property
    def labels(self) -> Mapping[str, np.ndarray]: ...

    def __len__(self) -> int: ...


class LabelledSchema:
    """A schema that knows the labels a model is given, ``context``, each with its values."""

    context: dict[str, tuple[str, ...]]

    def encode_labels(self, events: Events, given: Mapping[str, Any] | None = None) -> np.ndarray | None:
        """The labels of each event as numbers (N, C), from ``given`` where it names them; None if C is 0.

        Raises:
            DataError: a label is missing, or has a value that the model has never seen.
        """
        columns = {**events.labels, **(given or {})} if self.context else dict(given or {})
        return encode_labels(self.context, columns, len(events))

    def encode_context(self, given: Mapping[str, Any], n: int) -> np.ndarray | None:
        """The same for n events yet to be drawn: a value for all, or n of them."""
        return encode_labels(self.context, given, n)

    def words(self, row: np.ndarray) -> dict[str, str]:
        """A row of numbers as labels again."""
        return label_words(self.context, row)


class Labelled(Fitted):
    """A fitted model that is given labels, those that its schema knows; ``rows["contexts"]`` are some of the fit's."""

    @property
    def context_names(self) -> tuple[str, ...]:
        """The labels that the model is given."""
        return tuple(self.schema.context)

    def draw_context(self, n: int, context: Mapping[str, Any] | None, seed: int | None) -> Tensor | None:
        """Labels as numbers, (n, C): the given ones, or some of those in the training data."""
        if context or not self.schema.context:
            encoded = self.schema.encode_context(context or {}, n)
            return None if encoded is None else torch.from_numpy(encoded)
        kept = self.rows.get("contexts")
        if kept is None or not len(kept):
            raise UsageError(f"context: give {', '.join(self.schema.context)}; the run has kept none to draw from")
        with randomness.drawing_from(seed):
            chosen = randomness.integers(len(kept), (n,)).numpy()
        return torch.from_numpy(kept[chosen].astype(np.float32))
