"""DeepAR (Salinas et al. 2020) and the temporal fusion transformer (Lim et al. 2021) as GluonTS has them."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Sequence

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from gluonts.dataset.common import ListDataset
from gluonts.dataset.field_names import FieldName
from gluonts.model.forecast import QuantileForecast
from gluonts.torch.model.deepar import DeepAREstimator
from gluonts.torch.model.tft import TemporalFusionTransformerEstimator

NEURAL = ("DeepAR", "TFT")
_QUANTILES = [i / 20 for i in range(1, 20)]


class Budget(pl.Callback):
    """Ends a training after so many processor seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.end = time.process_time() + seconds

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if time.process_time() > self.end:
            trainer.should_stop = True


def trained(name: str, past: Sequence[np.ndarray], freq: str, horizon: int, budget: float, seed: int = 0):
    """A predictor of series (T,) each, by GluonTS's defaults but for the budget of processor seconds."""
    warnings.filterwarnings("ignore")
    pl.seed_everything(seed, verbose=False)
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "default_root_dir": tempfile.mkdtemp(),
        "accelerator": "cpu",
    }
    trainer = {**quiet, "enable_model_summary": False, "max_epochs": 1000, "callbacks": [Budget(budget)]}
    context = max(2 * horizon, 48)
    common = {"freq": freq, "prediction_length": horizon, "context_length": context, "trainer_kwargs": trainer}
    if name == "DeepAR":
        made = DeepAREstimator(**common, num_feat_static_cat=1, cardinality=[len(past)])
    else:
        made = TemporalFusionTransformerEstimator(**common, static_cardinalities=[len(past)], quantiles=_QUANTILES)
    return made.train(_listed(past, freq), cache_data=True)


def _listed(past: Sequence[np.ndarray], freq: str, ends: Sequence[int] | None = None) -> ListDataset:
    """Series that all begin at one time, up to the ends that are given."""
    start = pd.Period("2016-07-01", freq=freq)
    rows = [
        {
            FieldName.START: start,
            FieldName.TARGET: y[: None if ends is None else ends[i]],
            FieldName.FEAT_STATIC_CAT: [i],
        }
        for i, y in enumerate(past)
    ]
    return ListDataset(rows, freq=freq)


def drawn(predictor: object, past: Sequence[np.ndarray], freq: str, paths: int, seed: int = 0) -> np.ndarray:
    """Draws (paths, H, N) behind series; of a model of quantiles, values between these, step by step."""
    torch.manual_seed(seed)
    found = list(predictor.predict(_listed(past, freq), num_samples=paths))  # pyright: ignore
    if not isinstance(found[0], QuantileForecast):
        return np.stack([f.samples for f in found], 2)
    levels = np.array(_QUANTILES)
    u = np.random.default_rng(seed).uniform(size=paths)
    columns = []
    for f in found:
        table = np.sort(np.stack([f.quantile(q) for q in _QUANTILES]), 0)  # (Q, H)
        columns.append(np.stack([np.interp(u, levels, table[:, t]) for t in range(table.shape[1])], 1))
    return np.stack(columns, 2)
