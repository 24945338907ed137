"""WaveNet: which samples the next one reads, measured, and an oscillator that goes on from a prompt."""

import numpy as np
import torch
from common import save, train
from matplotlib import pyplot as plt
from torch import Tensor

from fluvial import models
from fluvial.kinds.sound.coding import MuLaw

FIRST, SECOND, KICK = 1.94, -0.985, 0.012  # x_t = FIRST x_{t-1} + SECOND x_{t-2} + KICK noise
LAYERS = 5


def oscillators(n: int, steps: int) -> Tensor:
    """A noisy resonance in 256 mu-law codes, (n, steps)."""
    x = torch.zeros(n, steps + 400)
    for t in range(2, steps + 400):
        x[:, t] = FIRST * x[:, t - 1] + SECOND * x[:, t - 2] + KICK * torch.randn(n)
    return torch.from_numpy(MuLaw().encode(x[:, 400:].numpy()).astype(np.float32))


torch.manual_seed(0)
rows = oscillators(400, 384)
density = models.wavenet((None,), stacks=1, layers=LAYERS, channels=32, gates=32, skips=64)
train(density, lambda: -density.log_prob(rows[torch.randint(400, (12,))]).mean() / 384, 500, 8e-3)
with torch.no_grad():
    fresh = oscillators(40, 384)
    print(f"{-density.log_prob(fresh).mean() / 384 / np.log(2):.3f} bits a sample, of 8")
    some = fresh[:32, :64]
    before, reads = density.transform.conditioner(some)[..., -1], []
    for t in range(64):
        other = some.clone()
        other[:, t] = 255 - other[:, t]
        reads.append(bool((density.transform.conditioner(other)[..., -1] != before).any()))
    print(f"the last of 64 samples reads {sum(reads)} before it; 2^{LAYERS} = {2**LAYERS}")
    noise = torch.rand(3, 500)
    walk = density.transform.walk(iter(noise.T), known=fresh[:1, :200].expand(3, -1))
    drawn = torch.stack([next(walk)[0] for _ in range(500)], 1)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6), layout="constrained", width_ratios=(1.1, 1))
needed = {63 - 1}
for layer in reversed(range(LAYERS)):
    below = needed | {t - 2**layer for t in needed}
    for t in needed:
        for tap in (t, t - 2**layer):
            left.plot((tap, t), (layer, layer + 1), color="#1f6feb", linewidth=0.5)
    needed = below
left.scatter(range(64), [0] * 64, s=9, c=["#1f6feb" if r else "#cccccc" for r in reads], zorder=3)
left.set(xlim=(24, 64), xticks=[], yticks=range(LAYERS + 1), xlabel="samples; blue: read by the next one, as measured")
left.set_yticklabels(["input", *(f"dilation {2**i}" for i in range(LAYERS))], fontsize=7)
left.set_title("receptive field", fontsize=9)
for i, wave in enumerate(MuLaw().decode(drawn.numpy())):
    right.plot(wave + 2 * i, color="#1f6feb", linewidth=0.7)
    right.plot(wave[:200] + 2 * i, color="black", linewidth=0.7)
right.set_title("a prompt (black), three ways that it goes on", fontsize=9)
right.set(xticks=[], yticks=[])
save(figure, "wavenet")
