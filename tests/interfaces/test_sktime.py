"""Models of series as a forecaster of sktime: its own checks, and the same paths as the model's."""

import numpy as np
import pytest

pytest.importorskip("sktime")

from sktime.datasets import load_airline
from sktime.utils.estimator_checks import check_estimator

from fluvial.interfaces.sktime import SeriesForecaster

SMALL = SeriesForecaster.get_test_params()[0]


@pytest.fixture(scope="module")
def fitted() -> SeriesForecaster:
    return SeriesForecaster(**SMALL).fit(load_airline())


def test_quantiles_are_those_of_the_models_own_paths(fitted: SeriesForecaster):
    found = fitted.predict_quantiles([1, 3], alpha=[0.1, 0.9])
    draws = fitted.model_.simulate(None, 3, SMALL["paths"], 0).draws[:, 0, [0, 2], 0]
    np.testing.assert_array_equal(found.to_numpy(), np.quantile(draws, [0.1, 0.9], 0, method="inverted_cdf").T)
    assert [str(p) for p in found.index] == ["1961-01", "1961-03"]


def test_new_steps_without_a_refit_are_gone_on_from():
    whole = load_airline()
    forecaster = SeriesForecaster(**SMALL).fit(whole[:-12])
    model = forecaster.model_
    forecaster.update(whole[-12:], update_params=False)
    assert forecaster.model_ is model
    assert str(forecaster.predict([1]).index[0]) == "1961-01"


@pytest.mark.parametrize("check", ["test_predict_series_name_preserved", "test_update_predict_single", "test_score"])
def test_sktimes_own_checks_pass(check: str):
    """All of them take minutes; these few show that the contract still holds."""
    results = check_estimator(SeriesForecaster, tests_to_run=[check], verbose=False)
    assert results
    assert {name: result for name, result in results.items() if result != "PASSED"} == {}
