"""A density small enough to train in milliseconds, with noise of its own like dequantisation has."""

from __future__ import annotations

import math

import torch
from torch import nn

from fluvial.core import Density
from fluvial.training import Data


class Gaussian(Density):
    """Diagonal Gaussian with learned mean and scale; ``jitter`` adds noise to x from the global generator."""

    exact = False

    def __init__(self, features: int = 2, jitter: float = 0.0) -> None:
        super().__init__()
        self.event_shape = (features,)
        self.mean = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.jitter = jitter
        self.seen = 0

    def log_prob(self, x, context=None):
        x = x.float() + self.jitter * torch.rand(x.shape)
        z = (x - self.mean) * torch.exp(-self.log_scale)
        return (-0.5 * z.square() - self.log_scale - 0.5 * math.log(2 * math.pi)).sum(1)

    def initialize(self, x, context=None):
        self.seen += 1


def rows(n: int = 300, seed: int = 0) -> Data:
    generator = torch.Generator().manual_seed(seed)
    return Data(torch.tensor([3.0, -1.0]) + torch.tensor([0.5, 2.0]) * torch.randn(n, 2, generator=generator))
