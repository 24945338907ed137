"""The estimators take data frames as they are, and say what of them they cannot take."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

pytest.importorskip("sklearn")

from fluvial.interfaces.estimators import FlowClassifier, FlowDensity, FlowDetector, FlowImputer, FlowRegressor

HOW = {"epochs": 1, "options": {"hidden": [8], "blocks": 1, "components": 2, "classes": 1}, "random_state": 0}
LONGER = {**HOW, "options": {**HOW["options"], "classes": 3}}
N = 120


@pytest.fixture(scope="module")
def whole():
    rng = np.random.default_rng(0)
    island = np.where(rng.uniform(size=N) < 0.5, "Biscoe", "Dream")
    return pd.DataFrame(
        {
            "mass": 10 * rng.integers(300, 500, N) + 2000.0 * (island == "Biscoe"),
            "island": island,
            "grade": pd.Categorical(rng.integers(1, 4, N), ordered=True),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D"),
            "seen": rng.uniform(size=N) < 0.5,
            "eggs": pd.array(rng.integers(0, 4, N), dtype="Int64"),
            "ringed": pd.array(rng.uniform(size=N) < 0.5, dtype="boolean"),
            "year": rng.integers(2007, 2010, N),
        },
        index=np.arange(N) + 1000,
    )


@pytest.fixture(scope="module")
def gaps(whole):
    holes = np.random.default_rng(1).uniform(size=whole.shape) < 0.1
    holes[:, [whole.columns.get_loc("seen"), whole.columns.get_loc("year")]] = False
    return whole.mask(holes).astype(whole.dtypes)


def forms(frame):
    """The same rows as pandas, polars, lazily, and as Arrow."""
    other = pl.from_pandas(frame)
    return [frame, other, other.lazy(), other.to_arrow()]


def test_frames_of_any_library_give_the_same_predictions(gaps):
    x, y = gaps.drop(columns="island"), gaps["island"].fillna("Dream")
    fitted = FlowClassifier(**LONGER).fit(x, y)
    assert fitted.feature_names_in_.tolist() == list(x)
    assert fitted.score(x, y) > 0.75
    shares = fitted.predict_proba(x)
    assert (pickle.loads(pickle.dumps(fitted)).predict_proba(x) == shares).all()
    for form in forms(x)[1:]:
        np.testing.assert_allclose(fitted.predict_proba(form), shares)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(x[x.columns[::-1]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        np.testing.assert_allclose(fitted.predict_proba(x.to_numpy()), shares)


def test_a_regressor_of_a_frame_that_has_a_column_called_target(whole):
    x = whole.rename(columns={"island": "target"}).drop(columns="mass")
    fitted = FlowRegressor(**LONGER).fit(x, whole["mass"])
    assert fitted.score(x, whole["mass"]) > 0.3
    assert "target_" in fitted.model_.schema.names


def test_labels_that_the_fit_never_saw_are_missing_and_said(whole):
    x = whole[["island"]]
    fitted = FlowRegressor(**HOW).fit(x, whole["mass"])
    with pytest.warns(UserWarning, match=r"never saw are taken for missing cells: 'island' \('Torgersen'\)"):
        found = fitted.predict(pd.DataFrame({"island": ["Torgersen"]}))
    assert found == fitted.predict(pd.DataFrame({"island": [None]}, dtype=object))
    detector = FlowDetector(**HOW).fit(whole)
    assert detector.predict(whole.assign(island="Torgersen")).tolist() == [-1] * N
    assert (detector.predict(whole) == 1).mean() > 0.8


def test_an_imputer_gives_back_the_frames_own_types_and_leaves_its_cells_alone(gaps):
    gaps = gaps.iloc[:60]
    for form in (form for form in forms(gaps) if not isinstance(form, pl.LazyFrame)):
        filled = FlowImputer(**HOW).fit_transform(form)
        if isinstance(form, pd.DataFrame):
            pd.testing.assert_series_equal(filled.dtypes, form.dtypes)
            assert (filled.index == form.index).all()
            assert all((filled[c] == form[c])[form[c].notna()].all() for c in form)
        rows = filled if isinstance(filled, pd.DataFrame) else filled.to_pandas()
        assert rows.notna().all().all()
        if isinstance(form, pl.DataFrame) or hasattr(form, "combine_chunks"):
            assert filled.schema == form.schema
    imputer = FlowImputer(**HOW).set_output(transform="polars")
    assert isinstance(imputer.fit_transform(gaps), pl.DataFrame)


def test_columns_that_stay_empty_are_named(whole):
    texts = whole.assign(nothing=np.nan, name=[f"n{i}" if i else None for i in range(N)])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        filled = FlowImputer(**HOW).fit_transform(texts)
    assert filled["nothing"].isna().all()
    told = [str(each.message) for each in said]
    assert any("no row has a value in 'nothing'; hardly any text repeats in 'name'" in each for each in told)
    assert any("gaps stay in 'nothing', 'name'" in each for each in told)


def test_a_density_of_a_frame_draws_such_frames(gaps):
    for form in (gaps, pl.from_pandas(gaps)):
        density = FlowDensity(model="mixed", **HOW)
        density.fit(form)
        assert np.isfinite(density.score(form))
        drawn = density.sample(30, random_state=0)
        assert (drawn.dtypes == form.dtypes) if isinstance(form, pl.DataFrame) else (drawn.dtypes == form.dtypes).all()
    numbers = FlowDensity(model="mixed", **HOW).fit([[1.0, np.nan], [2.0, 3.0], [1.0, 2.0]] * 20)
    assert numbers.sample(4).dtype == np.float64


def test_text_in_arrays_and_lists(whole):
    cells = whole[["mass", "island", "day"]].to_numpy()
    y = whole["eggs"].to_numpy(dtype=int)
    kinds = [c.kind for c in FlowDetector(**HOW).fit(cells).model_.schema.columns]
    assert kinds == ["positive", "categorical", "time"]
    texts = cells[:, :2].astype(str)
    texts[0, 0] = "nan"
    fitted = FlowClassifier(**HOW).fit(texts, y)
    assert [c.kind for c in fitted.model_.schema.columns][:2] == ["integer", "categorical"]  # gaps among whole numbers
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (fitted.predict(texts) == fitted.predict(texts.tolist())).mean() > 0.9


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (pd.DataFrame({"a": ["x", 1] * 20}, dtype=object), r"X: column 'a' holds text \('x'\) and numbers \(1\): make"),
        (pd.DataFrame({"a": [[1], [2]] * 20}), "X: column 'a' cannot be used: a column holds lists"),
        (pd.DataFrame({"a": pd.to_timedelta(range(40), unit="D")}), "column 'a' holds lengths of time"),
        (pd.DataFrame({"a": [1.0, np.inf] * 20}), "X: column 'a' has infinite values"),
        (pd.DataFrame(np.ones((40, 2)), columns=["a", "a"]), "several columns of one name"),
        (pd.Series(["x"] * 40), r"one column alone: make it a frame, by X.to_frame\(\)"),
        (["x", "y"] * 20, r"X: expected a table, \(n_samples, n_features\), got an array of shape \(40,\)"),
    ],
)
def test_what_cannot_be_taken_is_a_sentence(x, said):
    with pytest.raises(ValueError, match=said):
        FlowDetector(**HOW).fit(x)


@pytest.mark.parametrize(
    ("estimator", "y", "said"),
    [
        (FlowClassifier, ["a"] * N, "got one class alone, 'a'"),
        (FlowClassifier, np.array(["a", 1] * 60, dtype=object), r"y holds text \('a'\) and numbers \(1\): make it one"),
        (FlowClassifier, np.array(["a", None] * 60, dtype=object), "y: row 2 has no label, got None"),
        (FlowRegressor, ["a", "b"] * 60, "y: expected numbers, got 'a'; for labels there is FlowClassifier"),
        (FlowRegressor, pd.Timestamp("2020-01-01") + pd.to_timedelta(range(N), unit="D"), "y: expected numbers, got"),
    ],
)
def test_a_target_that_cannot_be_used_is_a_sentence(whole, estimator, y, said):
    with pytest.raises(ValueError, match=said):
        estimator(**HOW).fit(whole, y)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("wavenet", r"wavenet gives no density of rows of numbers; known are (?!.*wavenet).*'nsf'"),
        ("gan", "gan gives no density of rows of numbers"),
        ("nsf", "nsf takes numbers alone, and 'island', .* hold others: take model='mixed'"),
    ],
)
def test_a_density_of_another_kind_is_a_sentence(whole, model, said):
    with pytest.raises(ValueError, match=said):
        FlowDensity(model=model).fit(whole)


@pytest.mark.parametrize("package", ["imblearn", "sklearn"])
def test_a_star_import_takes_what_is_installed(package):
    code = f"import sys; sys.modules[{package!r}] = None\nfrom fluvial import *\nprint(fit, 'FlowSampler' in dir())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "function fit" in done.stdout
    assert "False" in done.stdout
