"""Fitted series as a predictor of GluonTS: the same paths, judged by its evaluator."""

import numpy as np
import pandas as pd
import pytest

import fluvial
from fluvial.core.errors import DataError, UsageError

pytest.importorskip("gluonts")

from gluonts.dataset.common import ListDataset
from gluonts.evaluation import Evaluator, make_evaluation_predictions

from fluvial.interfaces.gluonts import SeriesPredictor

OPTIONS = {"layers": 2, "channels": 8, "gates": 8, "skips": 8, "hidden": (8,), "components": 3}


@pytest.fixture(scope="module")
def model():
    day = np.arange(200)
    frame = pd.concat(
        pd.DataFrame(
            {
                "date": pd.date_range("2023-01-01", periods=200),
                "shop": shop,
                "sold": np.random.default_rng(i).poisson(10 + 5 * np.sin(2 * np.pi * day / 7)),
            }
        )
        for i, shop in enumerate(("a", "b"))
    )
    return fluvial.fit(frame, epochs=1, options=OPTIONS, progress=False), frame


def test_gluonts_judges_it_unmodified(model):
    fitted, frame = model
    items = [
        {"start": pd.Period("2023-01-01", "D"), "target": frame[frame["shop"] == shop]["sold"].to_numpy(float),
         "item_id": shop}
        for shop in ("a", "b")
    ]  # fmt: skip
    data = ListDataset(items, freq="D")
    forecasts, truth = make_evaluation_predictions(data, SeriesPredictor(fitted, 7, seed=3), num_samples=50)
    forecasts, truth = list(forecasts), list(truth)
    metrics, _ = Evaluator(num_workers=0)(truth, forecasts)
    assert np.isfinite(metrics["mean_wQuantileLoss"])
    assert forecasts[0].start_date == pd.Period("2023-07-13", "D")
    same = fitted.simulate(frame.groupby("shop").head(193), 7, 50, 3).draws
    np.testing.assert_array_equal(forecasts[1].samples, same[:, 1, :, 0])


def test_what_does_not_fit_is_a_sentence(model):
    with pytest.raises(UsageError, match="a fitted model of series"):
        SeriesPredictor("run", 3)  # pyright: ignore
    two = ListDataset([{"start": pd.Period("2023-01-01", "D"), "target": np.ones((2, 30))}], "D", one_dim_target=False)
    with pytest.raises(DataError, match="an item has 2 targets, and the model 1"):
        list(SeriesPredictor(model[0], 3).predict(two))
