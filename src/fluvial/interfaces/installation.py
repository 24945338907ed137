"""What is installed, in a few lines of text."""

from __future__ import annotations

import platform

import torch

import fluvial
from fluvial.kernels import gpu, native
from fluvial.training import Settings


def installation() -> str:
    """Versions, the device that training takes, and what the kernels run on."""
    device = Settings().torch_device().type
    return "\n".join(
        [
            f"fluvial {fluvial.__version__}, torch {torch.__version__}, Python {platform.python_version()}",
            f"device: {device}, {torch.get_num_threads()} threads",
            f"kernels: {native.status()}",
            *([f"kernels on the GPU: {gpu.status()}"] if device == "cuda" else []),
        ]
    )
