"""Does a deep Glow still invert after training? ``python -m benchmarks.images.inversion`` (``--width 512 --batch 64``).

3 levels of 32 steps on CIFAR-10, trained for 1,000 steps in float32. The learning rate warms up, as in the paper:
96 wide couplings that each move by a full first step of Adam are at 1e29 bits after it. Then, for fresh images: the
largest error of data -> noise -> data in units of the scaled pixels, whose range is 1 (a grey level is 1/256), and how
many images come back pixel by pixel; for samples at temperature 1: how many are finite, and the same error. Rows that
miss are counted. The same weights in float64 tell rounding from steepness. ``inversion-WIDTH.json`` in ``--out`` is the
record; training stops at ``--budget`` seconds, and the next call goes on from the checkpoint there.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import RECORDS, data_folder
from fluvial.core import Chain, Flow
from fluvial.models import bits_per_dimension, glow
from fluvial.training import score

LEVELS, STEPS, SHAPE = 3, 32, (3, 32, 32)
TRAINING, RATE, WARM_UP, CLIP = 1000, 1e-3, 100, 50.0
ROWS, CHUNK = 256, 64  # images and samples that are sent both ways
TOLERANCE = 1e-4  # of the scaled pixels' range


def cifar10() -> Tensor:
    """10,000 of the training images (N, 3, 32, 32), as the data's README decodes them."""
    packed = lzma.decompress((data_folder() / "cifar10" / "train_0.u8.xz").read_bytes())
    planes = np.frombuffer(packed, np.uint8).reshape(3, -1, 32, 32).cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    planes[[0, 2]] += planes[1]
    return torch.from_numpy(planes.transpose(1, 0, 2, 3).copy())


def train(density: Flow, images: Tensor, batch: int, checkpoint: Path, budget: float, device: str) -> dict[str, Any]:
    """Adam on random batches, 1,000 steps or until the budget ends; returns the state, checkpointed."""
    optimizer = torch.optim.Adam(density.parameters(), lr=RATE)
    state: dict[str, Any] = {"step": 0, "skipped": 0, "seconds": 0.0}
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        density.load_state_dict(saved["density"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    else:
        density.initialize(images[:CHUNK].to(device).float())
    began, before = time.monotonic(), state["seconds"]
    while state["step"] < TRAINING and time.monotonic() - began < budget:
        generator = torch.Generator().manual_seed(state["step"])
        torch.manual_seed(state["step"])
        x = images[torch.randint(len(images), (batch,), generator=generator)].to(device).float()
        loss = -density(x).mean()
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (state["step"] + 1) / WARM_UP)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(density.parameters(), CLIP)
        if torch.isfinite(norm):
            optimizer.step()
        else:
            state["skipped"] += 1
        state["step"] += 1
        state["seconds"] = before + time.monotonic() - began
        if state["step"] % 50 == 0:
            bits = bits_per_dimension(-loss.detach(), SHAPE).item()
            print(f"step {state['step']}, {state['seconds']:.0f} s, {bits:.3f} bits per dimension", flush=True)
    saved = {"density": density.state_dict(), "optimizer": optimizer.state_dict(), "state": state}
    torch.save(saved, checkpoint)
    return state


def behind_pixels(density: Flow) -> Flow:
    """From scaled pixels on: the part that is a bijection of reals."""
    return Flow(Chain(*list(density.transform)[2:]), density.base, density.event_shape)


@torch.no_grad()
def round_trips(density: Flow, images: Tensor, device: str) -> dict[str, Any]:
    """Both ways, of fresh images and of samples."""
    torch.manual_seed(0)
    flow, head = behind_pixels(density), Chain(*list(density.transform)[:2])
    flow64 = deepcopy(flow).double()
    pixels = images.to(device).float()
    scaled = head(pixels)[0]
    drawn = flow.decode(torch.randn(len(images), scaled[0].numel(), device=device))
    finite = drawn.flatten(1).isfinite().all(1)
    back = _there_and_back(flow, scaled)
    return {
        "data": _errors(back - scaled),
        "images_that_come_back": int((head.inverse(back)[0] == pixels).flatten(1).all(1).sum()),
        "samples_finite": int(finite.sum()),
        "samples": _errors(_there_and_back(flow, drawn[finite]) - drawn[finite]),
        "data_in_float64": _errors(_there_and_back(flow64, scaled.double()) - scaled.double()),
    }


def _there_and_back(flow: Flow, x: Tensor) -> Tensor:
    return torch.cat([flow.decode(flow.encode(part)) for part in x.split(CHUNK)]) if len(x) else x


def _errors(difference: Tensor) -> dict[str, Any]:
    """Of each row the largest; a row that is not finite counts as failed."""
    error = difference.abs().flatten(1).amax(1).nan_to_num(torch.inf)
    if not len(error):
        return {"rows": 0}
    return {
        "rows": len(error),
        "worst": error.max().item(),
        "median": error.median().item(),
        "failed": int((error > TOLERANCE).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--budget", type=float, default=600.0)
    parser.add_argument("--out", type=Path, default=RECORDS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = arguments.out / f"inversion-{arguments.width}"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    density = glow(SHAPE, levels=LEVELS, steps=STEPS, width=arguments.width).to(arguments.device)
    images = cifar10()
    state = train(density, images[:-ROWS], arguments.batch, name.with_suffix(".pt"), arguments.budget, arguments.device)
    density.eval()
    log_prob = score(density, images[-ROWS:].float())
    record = {
        "model": f"glow, {LEVELS} levels of {STEPS} steps, width {arguments.width}",
        "parameters": sum(p.numel() for p in density.parameters()),
        "images": "CIFAR-10",
        "training": {"batch_size": arguments.batch, "learning_rate": RATE, "device": arguments.device, **state},
        "held_out_bits_per_dimension": round(bits_per_dimension(log_prob, SHAPE).mean().item(), 4),
        "tolerance": TOLERANCE,
        **round_trips(density, images[-ROWS:], arguments.device),
    }
    text = json.dumps(record, indent=1)
    name.with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
