"""Engines that learn a mixed table and draw one like it: fluvial's default and the field, on one thread.

A budget is seconds of this process's processor time, which are wall-clock seconds of a core of its own: others share
the machine, and nobody should gain or lose by that. Each engine has its defaults, and beyond them only what it needs
to run at all, which its function says.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables.real import Split

Draw = Callable[[int], pd.DataFrame]
now = time.process_time


def fluvial_default(data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """``fluvial.fit(frame, budget=...)`` and nothing else."""
    import fluvial

    time.monotonic = now  # fluvial's budgets count by it
    model = fluvial.fit(data.train, budget=budget, seed=seed, out=out, force=True, progress=False)
    told = {"model": model.record["model"]["model"], "epochs": model.record["training"]["epochs"]}
    return lambda n: model.sample(n, seed=seed), told


def argn(data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """TabularARGN; without value protection, which would cap extremes and hide rare labels. Reading comes on top."""
    from mostlyai.engine import TabularARGN

    training = importlib.import_module("mostlyai.engine._tabular.training")
    training.time = SimpleNamespace(time=now)
    model = TabularARGN(
        max_training_time=budget / 60, value_protection=False, random_state=seed, device="cpu", workspace_dir=out
    )
    model.fit(data.train)
    return lambda n: model.sample(n_samples=n), {}


def copula(data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """SDV's GaussianCopula, which takes what time it takes."""
    from sdv.single_table import GaussianCopulaSynthesizer

    return _sdv(GaussianCopulaSynthesizer, data, seed), {}


def ctgan(data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """SDV's CTGAN: 300 epochs, or as many as the budget allows."""
    from sdv.single_table import CTGANSynthesizer

    return _epochs("ctgan.synthesizers.ctgan", CTGANSynthesizer, data, budget, seed)


def tvae(data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """SDV's TVAE: 300 epochs, or as many as the budget allows."""
    from sdv.single_table import TVAESynthesizer

    return _epochs("ctgan.synthesizers.tvae", TVAESynthesizer, data, budget, seed)


def _epochs(module: str, kind: Any, data: Split, budget: float, seed: int) -> tuple[Draw, dict[str, Any]]:
    """The network of an SDV synthesizer, whose loop over epochs ends with the budget."""
    end, done = now() + budget, 0

    def epochs(planned: range, **_: object) -> Iterator[int]:
        nonlocal done
        for epoch in planned:
            if now() > end:
                return
            yield epoch
            done = epoch + 1

    importlib.import_module(module).tqdm = epochs
    return _sdv(kind, data, seed), {"epochs": done}


def _sdv(kind: Any, data: Split, seed: int) -> Draw:
    import torch
    from sdv.metadata import Metadata

    np.random.seed(seed)
    torch.manual_seed(seed)
    metadata = Metadata.load_from_dict({"tables": {"table": {"columns": sdtypes(data)}}})
    model = kind(metadata)
    model.fit({"table": data.train})

    def draw(n: int) -> pd.DataFrame:
        drawn = model.sample(n)
        return drawn["table"] if isinstance(drawn, dict) else drawn

    return draw


def sdtypes(data: Split) -> dict[str, dict[str, str]]:
    """The kinds of columns as SDV and SDMetrics name them."""
    return {c: {"sdtype": "categorical" if c in data.labels else "numerical"} for c in data.train}


def arf(data: Split, budget: float, seed: int, out: Path) -> tuple[Draw, dict[str, Any]]:
    """Adversarial random forests, of as many rows, drawn at random, as the budget allows.

    They take no missing cells: a missing label becomes a label, and a missing number the median beside a column that
    says it is missing, which makes the cell missing again in the draws. numpy's old ``in1d`` is given back to them.
    """
    from arfpy.arf import arf as forest

    np.in1d = np.isin
    np.random.seed(seed)
    whole, restore = _without_gaps(data)

    def learn(rows: int) -> tuple[Any, float]:
        began = now()
        part = whole.sample(min(rows, len(whole)), random_state=seed).reset_index(drop=True)
        model = forest(part, verbose=False, random_state=seed)
        model.forde()
        return model, now() - began

    rows, began = 250, now()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, seconds = learn(rows)
        while rows < len(whole) and (left := budget - (now() - began)) > 1.3 * seconds:
            rows = int(rows * min(8, left / seconds / 1.3))  # time grows a little faster than rows
            model, seconds = learn(rows)
    return lambda n: restore(model.forge(n)), {"rows": min(rows, len(whole))}


def _without_gaps(data: Split) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], pd.DataFrame]]:
    frame, gaps = data.train.copy(), []
    for name in frame:
        missing = frame[name].isna()
        if name in data.labels:
            frame[name] = frame[name].astype(object).where(~missing, "missing").map(str).astype("category")
        elif missing.any():
            gaps.append(name)
            frame[name] = frame[name].fillna(frame[name].median())
            frame[f"{name} is missing"] = missing.map(str).astype("category")
    named = {c: {str(v): v for v in data.train[c].dropna().unique()} for c in data.labels}

    def restore(drawn: pd.DataFrame) -> pd.DataFrame:
        drawn = drawn.copy()
        for name in gaps:
            drawn[name] = drawn[name].where(drawn[f"{name} is missing"].astype(str) != "True")
        for name in data.labels:
            drawn[name] = drawn[name].astype(object).map(named[name])
        return drawn[list(data.train)]

    return frame, restore


ENGINES = {"fluvial": fluvial_default, "argn": argn, "copula": copula, "ctgan": ctgan, "tvae": tvae, "arf": arf}
