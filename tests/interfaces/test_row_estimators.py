"""The estimators that stand on mixed keep scikit-learn's contract, and what they promise beyond it."""

import pickle

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fluvial.interfaces.estimators import FlowClassifier, FlowDetector, FlowImputer, FlowRegressor

SMALL = {"hidden": [8], "blocks": 1, "components": 2, "classes": 1}


@parametrize_with_checks(
    [
        FlowDetector(epochs=1, options={**SMALL, "classes": 0}),
        FlowImputer(epochs=1, options={**SMALL, "classes": 0}, holdout=0.0),
        FlowRegressor(epochs=1, options=SMALL, holdout=0.0),
        FlowClassifier(epochs=1, options={**SMALL, "classes": 3}, holdout=0.0),
    ]
)
def test_it_passes_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 1))
    return np.hstack([x, 2 * x + 0.3 * rng.normal(size=(240, 1)), rng.normal(size=(240, 1))])


@pytest.fixture(scope="module")
def detector(rows):
    return FlowDetector(epochs=2, options=SMALL, contamination=0.05, holdout=0.3, random_state=0).fit(rows)


def test_a_row_that_only_breaks_a_dependence_is_an_outlier(detector, rows):
    strange = np.array([[1.5, -3.0, 0.0], [np.nan, np.nan, 9.0]])
    assert detector.predict(strange).tolist() == [-1, -1]
    assert (detector.p_values(strange) == 1 / 73).all()
    assert detector.labels_.mean() == pytest.approx(0.05, abs=0.01)
    assert (detector.decision_function(rows) < 0).tolist() == (detector.labels_ == 1).tolist()


def test_probabilities_and_confidences_are_shares_that_grow_with_the_score(detector, rows):
    order = np.argsort(detector.decision_scores_)
    for method in ("linear", "unify"):
        shares = detector.predict_proba(rows, method=method)
        assert shares.sum(1) == pytest.approx(1)
        assert (np.diff(shares[order, 1]) >= -1e-9).all()
    confidence = detector.predict_confidence(rows)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert confidence[order[-1]] > 0.99
    with pytest.raises(ValueError, match="method: expected 'linear' or 'unify'"):
        detector.predict_proba(rows, method="other")


def test_a_detector_survives_a_pickle(detector, rows):
    again = pickle.loads(pickle.dumps(detector))
    assert (again.decision_function(rows) == detector.decision_function(rows)).all()


def test_frames_searches_and_pipelines(rows):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    label = np.where(rows[:, 1] > 0, "up", "down")
    pipeline = make_pipeline(
        StandardScaler(), FlowClassifier(epochs=1, options={**SMALL, "classes": 3}, random_state=0)
    )
    search = GridSearchCV(pipeline, {"flowclassifier__epochs": [1, 2]}, cv=2, error_score="raise").fit(frame, label)
    assert search.score(frame, label) > 0.8
    imputer = clone(FlowImputer(epochs=1, options=SMALL, holdout=0.0, random_state=0)).set_output(transform="pandas")
    gaps = frame.mask(np.random.default_rng(1).uniform(size=frame.shape) < 0.2)
    filled = imputer.fit_transform(gaps)
    assert list(filled) == ["a", "b", "c"]
    assert filled.notna().all().all()
    assert (filled.to_numpy()[gaps.notna()] == gaps.to_numpy()[gaps.notna()]).all()
    wrong = (filled - frame)[["a", "b"]].to_numpy()[gaps[["a", "b"]].isna()]
    assert np.abs(wrong).mean() < 0.6 * np.abs(frame[["a", "b"]].to_numpy()[gaps[["a", "b"]].isna()]).mean()


def test_a_number_has_quantiles(rows):
    regressor = FlowRegressor(epochs=2, options=SMALL, holdout=0.0, random_state=0).fit(rows[:, :1], rows[:, 1])
    low, middle, high = regressor.predict_quantiles([[1.0]])[0]
    assert low < middle < high
    assert middle == pytest.approx(2.0, abs=0.3)
    assert regressor.predict([[1.0]])[0] == pytest.approx(2.0, abs=0.3)


def test_a_target_that_follows_from_a_column_is_looked_up(rows):
    x = rows[:, :2]
    regressor = FlowRegressor(epochs=1, options=SMALL, holdout=0.0, random_state=0).fit(x, 3 * x[:, 0] + 1)
    assert regressor.predict(x) == pytest.approx(3 * x[:, 0] + 1)
    assert regressor.predict_quantiles(x[:2]).shape == (2, 3)


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (
            FlowDetector(contamination=0.7),
            "contamination: expected a share of outliers above 0 and at most 0.5, got 0.7",
        ),
        (FlowDetector(epochs=0), "epochs: expected a whole number of at least 1"),
        (FlowDetector(holdout=0.0, epochs=1, options=SMALL), "holdout: expected a share above 0, such as 0.1"),
        (FlowImputer(options={"depth": 3}), "mixed has no option named 'depth'"),
    ],
)
def test_a_wrong_parameter_is_a_sentence_that_names_it(rows, estimator, said):
    with pytest.raises(ValueError, match=said):
        estimator.fit(rows)


def test_a_few_rows_are_too_few(rows):
    with pytest.raises(ValueError, match="at least 10 rows: got 4"):
        FlowImputer().fit(rows[:4])
