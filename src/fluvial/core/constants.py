"""Tensors of a module that follow from its arguments: masks, orders and the like. They are not saved."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn


def constant(module: nn.Module, name: str, value: Tensor | None) -> None:
    """Register a buffer that is not saved with the state, on the default device, and comes back when a state is loaded.

    A module may be made on the meta device, where tensors have no values, or emptied by ``to_empty``: loading a
    state dict then fills its constants too, which the state does not hold.

    Args:
        value: with its values, so made under :func:`on_cpu`.
    """
    if value is not None:
        value = with_values(name, value)
        module.register_load_state_dict_post_hook(partial(_restore, name, value))
    module.register_buffer(name, None if value is None else placed(value), persistent=False)


def on_cpu() -> torch.device:
    """``with on_cpu():`` tensors have values, whatever device parameters are made on."""
    return torch.device("cpu")


def with_values(name: str, value: Tensor) -> Tensor:
    """The tensor on the CPU; ValueError, a sentence, if it is on the meta device."""
    if value.is_meta:
        raise ValueError(f"{name}: a tensor on the meta device has no values, but these are needed: make it on the CPU")
    return value.cpu()


def placed(value: Tensor) -> Tensor:
    """The tensor on the device that parameters are made on."""
    return value.to(torch.get_default_device())


@torch.no_grad()
def _restore(name: str, value: Tensor, module: nn.Module, _: object) -> None:
    buffer = module.get_buffer(name)
    if buffer.is_meta:  # the state was assigned, not copied
        module.register_buffer(name, value.to(buffer.dtype, copy=True), persistent=False)
    else:
        buffer.copy_(value)
