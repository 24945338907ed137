import json
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from fluvial import fit, load
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.kinds.tables.model import Model


def frame(n=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "weight": rng.gamma(2.0, 1.7, n),
            "kind": rng.choice(["a", "b"], n),
            "count": rng.poisson(4, n).astype(np.int32),
            "constant": np.full(n, 7),
        }
    )


@pytest.fixture(scope="module")
def model() -> Model:
    options = {"transforms": 2, "hidden": [16]}
    return fit(frame(), "maf", context=["kind"], epochs=2, options=options, progress=False)


def test_scores_are_one_float64_a_row_and_the_same_on_every_call(model):
    torch.manual_seed(1)
    first = model.log_prob(frame())
    torch.manual_seed(2)
    assert first.dtype == np.float64
    assert first.shape == (120,)
    assert np.isfinite(first).all()
    assert np.array_equal(first, model.log_prob(frame()))


def test_columns_are_found_by_name_in_any_frame(model):
    table = frame()
    turned = pl.from_pandas(table[["count", "constant", "kind", "weight"]].assign(extra=1))
    assert np.array_equal(model.log_prob(table), model.log_prob(turned))


def test_impossible_rows_have_density_zero(model):
    table = frame(20)
    table.loc[0, "weight"] = -1.0
    table.loc[1, "constant"] = 8
    table.loc[2, "weight"] = 1e300
    with pytest.warns(UserWarning, match="column 'weight' has 1 value below 0"):
        scores = model.log_prob(table)
    assert model.score(table).warnings[-2].startswith("1 row of 20: impossible to this model, or too far out")
    assert scores[0] == scores[1] == -np.inf
    assert not np.isnan(scores).any()
    assert np.isfinite(scores[3:]).all()


def test_a_batch_of_any_size_scores_alike(model, monkeypatch):
    exact = fit(frame()[["weight"]], "maf", epochs=1, progress=False)
    whole = exact.log_prob(frame())
    monkeypatch.setattr("fluvial.core.batched.chunk_rows", lambda shape: 7)
    assert np.allclose(whole, exact.log_prob(frame()), atol=1e-5)
    assert exact.exact
    assert not model.exact


def test_samples_are_tables_like_the_one_fitted(model):
    table, drawn = frame(), model.sample(50, seed=1)
    assert isinstance(drawn, pd.DataFrame)
    assert list(drawn) == list(table)
    assert drawn["count"].dtype == np.int32
    assert (drawn["weight"] > 0).all()
    assert (drawn["count"] >= 0).all()
    assert (drawn["constant"] == 7).all()
    assert set(drawn["kind"]) == {"a", "b"}
    assert np.isfinite(model.log_prob(drawn)).all()


def test_the_seed_decides_the_samples_and_nothing_else(model):
    before = torch.get_rng_state()
    first = model.sample(5, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert first.equals(model.sample(5, seed=1))
    assert not first.equals(model.sample(5, seed=2))
    assert not model.sample(5).equals(model.sample(5))


def test_contexts_given_and_drawn(model):
    assert set(model.sample(20, {"kind": "b"}, seed=0)["kind"]) == {"b"}
    assert list(model.sample(2, pd.DataFrame({"kind": ["b", "a"]}))["kind"]) == ["b", "a"]
    with pytest.raises(DataError, match="kind"):
        model.sample(3, {"kind": "zebra"})
    with pytest.raises(DataError, match="2 rows"):
        model.sample(3, {"kind": ["a", "b"]})
    bare = Model(model.density, model.schema, model.record)
    with pytest.raises(DataError, match="needs context"):
        bare.sample(3)


@pytest.mark.parametrize("n", [0, -3])
def test_no_rows_to_draw(model, n):
    with pytest.raises(UsageError, match=str(n)):
        model.sample(n)


def test_draws_that_are_not_finite_are_drawn_again_or_reported(model, monkeypatch):
    draw, calls = model.density.sample, []

    def faulty(n, context=None):
        calls.append(n)
        x = draw(n, context)
        return x * torch.nan if len(calls) == 1 else x

    monkeypatch.setattr(model.density, "sample", faulty)
    assert np.isfinite(model.sample_rows(9, seed=0)[0]).all()
    assert calls == [9, 9]
    monkeypatch.setattr(model.density, "sample", lambda n, context=None: torch.full((n, 2), torch.nan))
    with pytest.raises(RunError, match="9 of 9 draws"):
        model.sample_rows(9)


def test_a_saved_model_scores_and_samples_the_same_bits(model, tmp_path):
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.record == json.loads(json.dumps(model.record))
    assert again.schema == model.schema
    assert again.metrics == model.metrics
    assert np.array_equal(model.log_prob(frame()), again.log_prob(frame()))
    assert model.sample(9, seed=3).equals(again.sample(9, seed=3))
    with pytest.raises(RunError, match="finished run"):
        model.save(tmp_path / "run")
    model.save(tmp_path / "run", force=True)


def test_a_schema_that_does_not_fit_its_model_is_a_sentence(model, tmp_path):
    schema = replace(model.schema, columns=model.schema.columns[:1], order=())
    Model(model.density, schema, model.record).save(tmp_path / "run")
    with pytest.raises(RunError, match="its schema has 1 column"):
        load(tmp_path / "run")


def test_rows_with_gaps_are_named_or_left_out(model):
    table = frame(20)
    table.loc[3, "weight"] = np.nan
    with pytest.raises(DataError, match="'weight'"):
        model.log_prob(table)
    scores = model.score(table, drop_missing=True)
    assert 3 not in scores.names
    assert len(scores.log_prob) == 19


def test_a_rows_score_depends_on_the_row_alone():
    rng = np.random.default_rng(0)
    table = {"count": rng.poisson(4.0, 200), "size": np.round(rng.gamma(3.0, 1.0, 200), 1)}
    model = fit(table, "maf", epochs=1, options={"transforms": 2, "hidden": [8]}, progress=False)
    assert not model.exact
    scores = model.log_prob(table)
    backwards = model.log_prob({name: values[::-1] for name, values in table.items()})
    np.testing.assert_allclose(scores, backwards[::-1], rtol=1e-5)
    one = model.log_prob({name: values[7:8] for name, values in table.items()})
    np.testing.assert_allclose(one, scores[7:8], rtol=1e-5)


@pytest.fixture(scope="module")
def graded() -> Model:
    """A model of a frame whose columns are called by numbers, given the first of them."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({0: rng.integers(3, 9, 80), 1: rng.normal(size=80), 2: rng.normal(size=80)})
    options = {"transforms": 1, "hidden": [8]}
    return fit(table, "maf", context=0, drop=2, epochs=1, options=options, progress=False)


def test_names_that_are_numbers_stay_numbers(graded, tmp_path):
    graded.save(tmp_path / "run")
    for model in (graded, load(tmp_path / "run")):
        assert model.sample(3, seed=0).columns.tolist() == [0, 1]


def test_a_context_is_drawn_as_it_was_given_or_refused(graded):
    with pytest.raises(DataError, match=r"context '0' holds whole numbers, got 6\.5: give 6 or 7"):
        graded.sample(5, {"0": 6.5})
    with pytest.warns(UserWarning, match=r"context '0' is outside 3 to 8, .* in 5 rows \(the first 20\)"):
        assert (graded.sample(5, {"0": 20})[0] == 20).all()
    with pytest.warns(UserWarning, match="outside 3 to 8"):
        graded.log_prob({"0": [2], "1": [0.0]})


def test_scores_as_a_frame_keep_the_index(model):
    table = frame(20).set_axis([f"row {i}" for i in range(20)])
    table.loc["row 3", "weight"] = np.nan
    scores = model.score(table, drop_missing=True)
    found = scores.frame()
    assert found.index.tolist() == [name for name in table.index if name != "row 3"]
    np.testing.assert_array_equal(found["log_prob"], scores.log_prob)
    assert isinstance(model.score(pl.from_pandas(frame(5))).frame(), pl.DataFrame)


def test_one_name_is_no_sequence_of_letters():
    options = {"transforms": 1, "hidden": [8]}
    fitted = fit(frame(60), "maf", context="kind", drop="constant", epochs=1, options=options, progress=False)
    assert [c.name for c in fitted.schema.context] == ["kind"]
    assert fitted.schema.names == ("weight", "count")
