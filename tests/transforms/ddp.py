"""One of two processes that train a Glow in constant memory; the first one also knows the answer."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from fluvial import models
from fluvial.core import Chain, Flow


def gradients(density: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    density.zero_grad()
    (-density(x).mean()).backward()
    return [p.grad.clone() for p in density.parameters()]  # pyright: ignore


def main(rank: int, store: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(rank)  # the ranks' fresh parameters differ
    full = models.glow((1, 4, 4), levels=1, steps=3, width=8, reversible=True).double()
    x = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 255
    smooth = Flow(Chain(*list(full.transform)[1:]), full.base, full.event_shape)  # without the noise
    if rank == 0:  # data-dependent initialisation happens on one process, once
        full.initialize(x)
    wrapped = DistributedDataParallel(smooth)
    assert all(bool(b) for name, b in smooth.named_buffers() if "initialized" in name)
    got = gradients(wrapped, x[rank::2])
    want = gradients(smooth, x)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    before = [p.clone() for p in smooth.parameters()]
    full.initialize(x * 0.5)
    assert all(torch.equal(a, b) for a, b in zip(before, smooth.parameters()))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
