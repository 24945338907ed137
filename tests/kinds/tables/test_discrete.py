"""Tables of labels and whole numbers through the main job: probabilities in, rows of the same kind out."""

import itertools

import numpy as np
import pytest
import torch

from fluvial import load
from fluvial.core.errors import DataError, UsageError
from fluvial.data.tables import read
from fluvial.examine.calibration import calibrate
from fluvial.kinds.report import write_report
from fluvial.tasks.fit import fit
from fluvial.training import Data, Settings

TINY = {"hidden": (24,)}


def frame(n=800, seed=0):
    """A colour, a size that mostly follows it, and a flag that they determine but for noise."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, n)
    size = np.where(rng.random(n) < 0.8, code, rng.integers(0, 3, n))
    flag = (code == size) ^ (rng.random(n) < 0.1)
    return {"colour": np.array(["blue", "green", "red"], dtype=object)[code], "size": size + 4, "flag": flag}


@pytest.fixture(scope="module")
def fitted():
    return fit(frame(), "made", epochs=60, options=TINY, progress=False)


def test_the_weight_decay_is_that_of_labels_unless_one_is_given(fitted):
    assert fitted.record["settings"]["weight_decay"] == pytest.approx(4 * 3 / 640)
    given = fit(frame(60), "made", epochs=1, options=TINY, settings=Settings(weight_decay=0.5), progress=False)
    assert given.record["settings"]["weight_decay"] == 0.5
    few = fit(frame(12), "made", epochs=1, options=TINY, progress=False, holdout=0)
    assert few.record["settings"]["weight_decay"] == 1.0
    numbers = fit(np.random.default_rng(0).normal(size=(60, 2)), "maf", epochs=1, progress=False)
    assert numbers.record["settings"]["weight_decay"] is None


def test_probabilities_of_all_rows_sum_to_one(fitted):
    rows = list(itertools.product(["blue", "green", "red"], [4, 5, 6], [False, True]))
    table = {name: np.array(values) for name, values in zip(("colour", "size", "flag"), zip(*rows))}
    assert np.exp(fitted.log_prob(table)).sum() == pytest.approx(1, abs=1e-5)
    assert fitted.exact


def test_the_model_learns_what_the_columns_do_not_tell_on_their_own(fitted):
    scores = fitted.record["scores"]
    assert scores["baseline"]["name"] == "independent columns"
    assert scores["held_out"]["log_likelihood"] > scores["baseline"]["log_likelihood"] + 0.5
    assert scores["held_out"]["standardised"] == scores["held_out"]["log_likelihood"]  # probabilities have no units


def test_samples_are_rows_of_the_table_and_as_frequent(fitted):
    drawn, table = fitted.sample(4000, seed=0), frame(4000, 1)
    assert {name: values.dtype for name, values in drawn.items()} == {n: v.dtype for n, v in table.items()}
    assert set(drawn["colour"]) == {"blue", "green", "red"}
    for given in ("blue", "red"):
        ours, theirs = (np.mean(t["size"][t["colour"] == given] == 4) for t in (drawn, table))
        assert ours == pytest.approx(theirs, abs=0.08)


def test_a_value_outside_is_impossible_and_an_unknown_label_is_told(fitted):
    table = frame(3)
    table["size"][1] = 9
    assert np.isinf(fitted.log_prob(table)).tolist() == [False, True, False]
    table["colour"][0] = "pink"
    with pytest.raises(DataError, match="'pink' in row 1, a category that the model has not seen"):
        fitted.log_prob(table)


def test_columns_share_the_score(fitted):
    scores = fitted.score(frame(20, 5))
    assert list(scores.parts) == ["colour", "size", "flag"]
    assert sum(scores.parts.values()) == pytest.approx(scores.log_prob, abs=1e-5)


def test_a_run_folder_gives_the_same_probabilities(fitted, tmp_path):
    fitted.save(tmp_path / "run")
    assert np.array_equal(load(tmp_path / "run").log_prob(frame(50, 3)), fitted.log_prob(frame(50, 3)))


def test_context_of_any_kind(tmp_path):
    table = frame()
    table["weight"] = table["size"] + np.random.default_rng(0).normal(size=800)
    model = fit(table, "made", context=["weight"], epochs=30, options=TINY, progress=False)
    heavy, light = (model.sample(500, context={"weight": w}, seed=0)["size"].mean() for w in (7.5, 2.5))
    assert heavy > light + 0.5


def test_tables_of_labels_or_bits_get_this_model_unasked():
    bits = np.random.default_rng(0).integers(0, 2, (60, 4))
    assert fit(bits, epochs=1, progress=False, options=TINY).record["model"]["model"] == "made"
    assert fit(bits.astype(float), epochs=1, progress=False, options=TINY).sample(2, seed=0).dtype == float
    assert fit(bits * 7, epochs=1, progress=False, options=TINY).record["model"]["model"] == "mixed"


def test_what_has_no_probability_is_refused_by_name():
    table = frame(50) | {"weight": np.random.default_rng(0).normal(size=50)}
    with pytest.raises(DataError, match="'weight' is neither: leave it out"):
        fit(table, "made", progress=False)
    with pytest.raises(DataError, match="'size' has whole numbers from 4 to 4000004"):
        fit(frame(50) | {"size": np.r_[np.arange(49) + 4, 4_000_004]}, "made", progress=False)
    with pytest.raises(UsageError, match="the table itself shows how many values"):
        fit(frame(50), "made", options={"classes": (3,)}, progress=False)


def test_constants_and_copies_stay_in_the_model():
    table = frame(100) | {"never": np.zeros(100, dtype=int)}
    table["again"] = table["size"] - 4
    model = fit(table, "made", epochs=2, options=TINY, progress=False)
    assert model.schema.names == ("colour", "size", "flag", "never", "again")
    assert np.isfinite(model.log_prob({k: v[:1] for k, v in table.items()} | {"never": np.array([1])})).all()


def test_the_report_judges_probabilities(fitted, tmp_path):
    page = write_report(fitted, tmp_path)[0].read_text(encoding="utf-8")
    assert "exact log-probability" in page
    assert "independent columns" in page
    assert "Gaussian" not in page
    assert {p.name for p in (tmp_path / "figures").iterdir()} >= {"rows.png", "dependence.png", "calibration.png"}


def test_calibration_is_randomised_within_the_steps(fitted):
    rows = Data(torch.from_numpy(fitted.schema.encode(read(frame(2000, 9))).x))
    found = calibrate(fitted.density, rows, fitted.schema.names)
    assert found is not None
    assert found.randomised
    assert found.conditional
    assert found.statistic.max() < 0.06
    assert found.labels == ("colour", "size | colour", "flag | 2 before")
