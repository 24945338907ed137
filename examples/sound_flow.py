"""A Gaussian autoregressive flow on real-valued sound, and its inverse, which generates in one parallel pass."""

import math

import torch

from fluvial.conditioners import WaveNet
from fluvial.core import Flow, Inverse, Normal
from fluvial.transforms import Autoregressive
from fluvial.univariate import Affine

torch.manual_seed(0)


def tones(n: int, steps: int = 256) -> torch.Tensor:
    hertz, phase = 0.02 + 0.03 * torch.rand(n, 1), 2 * math.pi * torch.rand(n, 1)
    return torch.sin(2 * math.pi * hertz * torch.arange(steps) + phase) + 0.05 * torch.randn(n, steps)


step = Autoregressive(WaveNet(2, stacks=1, layers=5, channels=16, gates=16, skips=16), Affine())
flow = Flow(step, Normal((None,)), (None,))  # of any length
optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2)
for _ in range(60):
    loss = -flow.log_prob(tones(16)).mean() / 256
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    print(f"log p: {flow.log_prob(tones(64)).mean() / 256:.2f} nats per sample; white noise has -1.42")
    print("one sample after the other:", flow.of_length(300).sample(2).shape)
    iaf = Flow(Inverse(step), Normal((300,)), (300,))  # the same tensors, read backwards: another density
    print("all samples at once, by the inverse:", iaf.sample(2).shape)
