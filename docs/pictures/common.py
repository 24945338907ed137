"""What the pictures of the classic models share: toy data, a training loop, and how a panel looks.

``python docs/pictures/NAME.py`` draws docs/images/models/NAME.png again, in about a minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from fluvial.core import Density

FOLDER = Path(__file__).resolve().parents[1] / "images" / "models"


def moons(n: int) -> tuple[Tensor, Tensor]:
    """Two moons, standardised by hand, and which of them each point is of."""
    label = torch.randint(2, (n,))
    angle = math.pi * torch.rand(n)
    x = torch.stack((angle.cos() + label, angle.sin() * (1 - 2 * label) + 0.5 * label), 1)
    x = x + 0.08 * torch.randn(n, 2)
    return (x - torch.tensor([0.5, 0.25])) / torch.tensor([0.87, 0.5]), label


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Scikit-learn's 1,797 digits, 8 x 8, as sixteen grey levels (white, 16, counts as 15), and their labels."""
    images, labels = load_digits(return_X_y=True)
    return np.minimum(images, 15).astype(np.uint8).reshape(-1, 8, 8), labels


def train(density: Density, loss: Callable[[], Tensor], steps: int, rate: float = 6e-3) -> None:
    """Adam with a cosine, in plain PyTorch."""
    optimizer = torch.optim.Adam(density.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(density.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    density.eval()


def panels(titles: Sequence[str], height: float = 2.6, width: float = 2.5) -> tuple[Figure, list[Axes]]:
    """One row of square panels without ticks."""
    figure, axes = plt.subplots(1, len(titles), figsize=(width * len(titles), height), layout="constrained")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=9)
        ax.set(xticks=[], yticks=[])
    return figure, list(axes)


@torch.no_grad()
def heat(ax: Axes, log_prob: Callable[[Tensor], Tensor], reach: Sequence[float], cells: int = 120) -> None:
    """A density in the plane, over (left, right, bottom, top)."""
    x, y = torch.linspace(*reach[:2], cells), torch.linspace(*reach[2:], cells)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    ax.imshow(log_prob(grid).exp().reshape(cells, cells), origin="lower", extent=tuple(reach), cmap="Blues")
    ax.set_aspect("auto")


def save(figure: Figure, name: str) -> None:
    """A small PNG: 64 colours are enough for a diagram."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    figure.savefig(path, dpi=120)
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)
    print(f"wrote {path}, {path.stat().st_size / 1024:.0f} KiB")
