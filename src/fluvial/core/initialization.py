"""Layers inside conditioners whose parameters are set from one batch, and the explicit call that reaches them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class DataDependent(nn.Module):
    """A layer with parameters that the first batch sets: inside ``initializing``, once, and never by stealth.

    Subclasses call :meth:`listen` at the head of ``forward`` and say in :meth:`set_from` what the batch sets.
    Whether it happened is saved with the weights.
    """

    listening = False

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("initialized", torch.tensor(False))
        self.initialized: Tensor

    def listen(self, x: Tensor) -> None:
        """Set the parameters from this layer's input x if that was asked for and has not happened yet."""
        if self.listening and not bool(self.initialized):
            with torch.no_grad():
                self.set_from(x)
                self.initialized.fill_(True)

    def set_from(self, x: Tensor) -> None:
        """Set the parameters from a batch of this layer's input."""
        raise NotImplementedError


@contextmanager
def initializing(module: nn.Module) -> Generator[None]:
    """While this is open, the next batch through ``module`` sets what in it depends on data and is not set yet."""
    layers = [m for m in module.modules() if isinstance(m, DataDependent)]
    for layer in layers:
        layer.listening = True
    try:
        yield
    finally:
        for layer in layers:
            layer.listening = False
