"""What torch is doing with the program that runs: exporting it, or deriving it by torch.func or in forward mode."""

from __future__ import annotations

import torch
from torch.autograd import forward_ad


def transformed() -> bool:
    """True inside torch.func, where a tensor may stand for many: nothing may be written into one that does not."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()  # pyright: ignore


def forward_mode() -> bool:
    """True where forward derivatives are at work."""
    return not torch.compiler.is_compiling() and forward_ad._current_level >= 0  # pyright: ignore


def functional() -> bool:
    """True where only torch's own operators will do, which torch.func and forward derivatives know."""
    return not torch.compiler.is_compiling() and not plain()


def plain() -> bool:
    """Outside of compilers: False where torch.func or forward derivatives are at work. Asked before each kernel."""
    return not torch._C._are_functorch_transforms_active() and forward_ad._current_level < 0  # pyright: ignore


def exporting() -> bool:
    """True while a program is exported, also to ONNX: it is to run where fluvial, and its operators, are not."""
    return torch.compiler.is_compiling() and torch.compiler.is_exporting()


def to_onnx() -> bool:
    """True while a program is exported to ONNX, which knows few of the operators of linear algebra."""
    return exporting() and torch.onnx.is_in_onnx_export()
