"""Hostile run folders: those in tests/runs, of every kind, and a checkpoint, with fields and bytes mutated."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from fuzz.readers import _mutated
from training.toy import Gaussian, rows

from fluvial.kinds.summary import detailed
from fluvial.tasks.fit import load_model
from fluvial.training import Settings, train

RUNS = Path(__file__).parents[1] / "runs"
KINDS = sorted(p.name for p in RUNS.iterdir() if p.is_dir())
FILES = ("config.json", "metrics.jsonl", "data.safetensors", "model.safetensors")
_SETTINGS = Settings(epochs=3, batch_size=32, ema=0.9, device="cpu")
_OTHERS = [None, "x", "", -1, 0, 1, 3, 10**9, 2**63, 10**40, 1e30, 1e-300, 0.5, True, [], {}, [[]], [1] * 100_000]
_TENSORS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    lambda t: t.flatten()[:-1],
    lambda t: t.unsqueeze(0),
    lambda t: torch.cat((t, t)) if t.dim() else t,
    lambda t: t.double() if t.is_floating_point() else t.float(),
    lambda t: (t.double() * float("nan")).to(t.dtype) if t.is_floating_point() else t.int() - 1,
    lambda t: (t.double() + 1e30).to(t.dtype) if t.is_floating_point() else t.long() + 1000,
    lambda t: -t if t.dtype not in (torch.bool, torch.uint8) else t,
    lambda t: torch.zeros(0, dtype=t.dtype),
]


def case(seed: int, folder: Path) -> Callable[[], object]:
    """A run folder or, each eighth time, a checkpoint."""
    warm()
    rng = np.random.default_rng(seed)
    if rng.random() < 0.125:
        return _checkpoint(folder / "checkpoint.pt", rng)
    kind, name = str(rng.choice(KINDS)), str(rng.choice(FILES, p=(0.6, 0.1, 0.15, 0.15)))
    run = folder / "run"
    shutil.copytree(RUNS / kind, run)
    for _ in range(int(rng.integers(1, 4))):
        _change(run / name, rng)
    if rng.random() < 0.15:
        others = {n: (RUNS / "table" / n).read_bytes() for n in FILES}
        (run / name).write_bytes(_mutated((run / name).read_bytes(), others, rng))
    return lambda: _use(run)


@cache
def warm() -> None:
    """All is imported before a case's memory and time are measured."""
    for kind in KINDS:
        _use(RUNS / kind)
    _trained()


def _use(run: Path) -> None:
    """What the commands do with a run, on little data."""
    model = load_model(run)
    detailed(model, run)
    model.sample(2, seed=0)
    repr(model)


def _change(file: Path, rng: np.random.Generator) -> None:
    content = file.read_bytes()
    if file.suffix == ".json":
        content = json.dumps(_altered(json.loads(content), rng)).encode()
    elif file.suffix == ".jsonl":
        lines = content.splitlines() or [b"{}"]
        at = int(rng.integers(len(lines)))
        lines[at] = json.dumps(_altered(json.loads(lines[at]), rng)).encode()
        content = b"\n".join(lines)
    else:
        content = safetensors.torch.save(_altered_tensors(safetensors.torch.load(content), rng))
    file.write_bytes(content)


def _checkpoint(path: Path, rng: np.random.Generator) -> Callable[[], object]:
    state = torch.load(io.BytesIO(_trained()), weights_only=True)
    for _ in range(int(rng.integers(1, 3))):
        state = _altered(state, rng)
    torch.save(state, path)
    if rng.random() < 0.2:
        path.write_bytes(_mutated(path.read_bytes(), {"c": _trained()}, rng))
    return lambda: list(train(Gaussian(), rows(), rows(50, 1), _SETTINGS, path, resume=True))


@cache
def _trained() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        training = train(Gaussian(), rows(), rows(50, 1), _SETTINGS, path)
        for record in training:
            if record.epoch == 1:
                training.close()
        return path.read_bytes()


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in parts for place in _places(part, (*at, key)))]


def _altered(content: Any, rng: np.random.Generator) -> Any:
    """One field gone, renamed, doubled, or of another kind or size."""
    found = _places(content)[1:]
    if not found:
        return _OTHERS[rng.integers(len(_OTHERS))]
    *way, last = found[rng.integers(len(found))]
    place = content
    for key in way:
        place = place[key]
    value = place[last]
    match rng.integers(6):
        case 0:
            del place[last]
        case 1 if isinstance(place, dict):
            place[f"{last}x"] = place.pop(last)
        case 2 if isinstance(value, torch.Tensor):
            place[last] = _TENSORS[rng.integers(len(_TENSORS))](value)
        case 3 if isinstance(value, int | float) and not isinstance(value, bool):
            place[last] = value * float(rng.choice([-1, 2, 0.5, 1000])) + int(rng.integers(-1, 2))
            place[last] = int(place[last]) if isinstance(value, int) else place[last]
        case 4 if isinstance(value, list) and value:
            place[last] = value * 2
        case _:
            place[last] = _OTHERS[rng.integers(len(_OTHERS))]
    return content


def _altered_tensors(tensors: dict[str, torch.Tensor], rng: np.random.Generator) -> dict[str, torch.Tensor]:
    if not tensors:
        return {"x": torch.zeros(2)}
    name = str(rng.choice(sorted(tensors)))
    value = tensors.pop(name)
    if rng.random() < 0.2:
        tensors[f"{name}x"] = value
    elif rng.random() < 0.9:
        tensors[name] = _TENSORS[rng.integers(len(_TENSORS))](value).contiguous()
    return tensors
