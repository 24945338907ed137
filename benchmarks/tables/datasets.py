"""The tables that fidelity is measured on, as float32 arrays with fixed splits.

They are read from the folder that ``FLUVIAL_DATA`` names; by default ``../shared/data`` beside this one.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from benchmarks.common import data_folder

SPLIT_SEED = 0
"""Seed of the tenth of the training rows held out where no validation split is shipped."""
PATCH_SEEDS = {"train": 0, "valid": 1, "test": 2}
PATCHES = {"train": 1_000_000, "valid": 50_000, "test": 250_000}


@dataclass(frozen=True)
class Dataset:
    """Rows (N, D) to fit, to select and stop by, and to be scored once."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def load(name: str) -> Dataset:
    """A data set of ``DATASETS`` by its name."""
    return DATASETS[name]()


def miniboone40() -> Dataset:
    """MINIBOONE's 40 exactly standardised columns: some of the paper's train rows, its valid and test."""
    arrays = _arrays("miniboone_partial")
    kept = arrays["cols40"]
    return Dataset(arrays["train40"], arrays["val"][:, kept], arrays["test"][:, kept])


def miniboone43() -> Dataset:
    """MINIBOONE's 43 columns, fitted on the paper's validation rows; a fingerprint, not a benchmark."""
    arrays = _arrays("miniboone_partial")
    return Dataset(arrays["val"], arrays["val"][:0], arrays["test"])


def gas10k() -> Dataset:
    """GAS: three random samples of 10,000 rows."""
    arrays = _arrays("gas_10k")
    return Dataset(arrays["train"], arrays["valid"], arrays["test"])


def hepmass5k() -> Dataset:
    """HEPMASS: the signal rows among the first 10,000 of each file."""
    return _hold_out(_arrays("hepmass_5k"))


def power10k() -> Dataset:
    """POWER: two random samples of 10,000 rows, with other columns than the MAF paper's."""
    return _hold_out(_arrays("power_10k"))


def bsds300() -> Dataset:
    """63 numbers of random 8x8 patches of BSDS300's images (Uria et al. 2013, arXiv 1306.0186, section 5.2).

    Grey pixels plus U(0, 1) noise, divided by 256, each patch's mean subtracted, the last pixel dropped.
    Validation patches come from the last 20 of the 200 training images in file-name order. Drawn once, then
    kept in the folder that ``FLUVIAL_CACHE`` names, by default in the user's temporary one.
    """
    cache = Path(os.environ.get("FLUVIAL_CACHE", Path(tempfile.gettempdir()) / "fluvial-benchmarks"))
    cache.mkdir(parents=True, exist_ok=True)
    splits = {
        "train": ("train", slice(180)),
        "valid": ("train", slice(180, None)),
        "test": ("test", slice(None)),
    }
    arrays = {}
    for split, (folder, chosen) in splits.items():
        path = cache / f"bsds300-{split}-{PATCHES[split]}-{PATCH_SEEDS[split]}.npy"
        if not path.exists():
            patches = _patches(_grey_images(folder)[chosen], PATCHES[split], PATCH_SEEDS[split])
            partial = path.with_suffix(".partial.npy")
            np.save(partial, patches)
            partial.replace(path)
        arrays[split] = np.load(path)
    return Dataset(**arrays)


def bsds300_test_draws(seeds: Sequence[int]) -> list[np.ndarray]:
    """Further draws of BSDS300's test patches, to see how much of a figure is the luck of the draw."""
    images = _grey_images("test")
    return [_patches(images, PATCHES["test"], seed) for seed in seeds]


DATASETS: dict[str, Callable[[], Dataset]] = {
    loader.__name__: loader for loader in (miniboone40, miniboone43, gas10k, hepmass5k, power10k, bsds300)
}


BINARY = {
    "adult": "made-binary/adult",
    "connect4": "made-binary/connect4",
    "dna": "made-binary/dna",
    "nips": "made-binary/nips",
    "web": "made-binary/web_ownsplit",
    "nltcs": "debd/nltcs",
    "jester": "debd/jester",
    "baudio": "debd/baudio",
    "bnetflix": "debd/bnetflix",
    "pumsb_star": "debd/pumsb_star",
    "mnist": "made-binary/binarized_mnist",
}
"""Sets of rows of bits, and their files: those of the MADE paper, and five of Lowd and Davis 2010."""


def binary(name: str) -> Dataset:
    """Rows of 0 and 1, uint8. ``mnist`` is Larochelle's fixed binarisation; ``web`` has a split of its own."""
    arrays = _arrays(BINARY[name], "")
    if name == "mnist":
        arrays = {k: np.unpackbits(arrays[f"{k}_packed"], axis=1)[:, :784] for k in ("train", "valid", "test")}
    return Dataset(arrays["train"], arrays["valid"], arrays["test"])


def _arrays(name: str, folder: str = "maf-tabular") -> dict[str, np.ndarray]:
    with np.load(data_folder() / folder / f"{name}.npz", allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def _hold_out(arrays: dict[str, np.ndarray]) -> Dataset:
    rows = arrays["train"]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(rows))
    held = len(rows) // 10
    return Dataset(rows[order[held:]], rows[order[:held]], arrays["test"])


def _grey_images(folder: str) -> list[np.ndarray]:
    from PIL import Image

    with zipfile.ZipFile(data_folder() / "bsds300" / "bsds300_images.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.startswith(f"{folder}/") and n.endswith(".jpg"))
        return [np.asarray(Image.open(BytesIO(archive.read(n))).convert("L")) for n in names]


def _patches(images: Sequence[np.ndarray], count: int, seed: int) -> np.ndarray:
    """(count, 63): an image, then a place in it, uniformly at random."""
    rng = np.random.default_rng(seed)
    which = rng.integers(len(images), size=count)
    patches = np.empty((count, 64), dtype=np.float32)
    for i, image in enumerate(images):
        rows = np.flatnonzero(which == i)
        windows = np.lib.stride_tricks.sliding_window_view(image, (8, 8))
        top, left = (rng.integers(n, size=len(rows)) for n in windows.shape[:2])
        patches[rows] = windows[top, left].reshape(-1, 64)
    patches = (patches + rng.random(patches.shape, dtype=np.float32)) / 256
    return (patches - patches.mean(1, keepdims=True))[:, :63]
