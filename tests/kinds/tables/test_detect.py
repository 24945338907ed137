"""Unusual rows of a table: false alarms as asked for, planted cells named, nonsense refused."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from tiny import SCHEMA, model

import fluvial
from fluvial.core.errors import FluvialError, RunError, UsageError
from fluvial.kinds.tables.detect import Detector
from fluvial.kinds.tables.reasons import _gaps, one_in, shown
from fluvial.kinds.tables.unusual import _scores, together

KEPT = {"train.x": model().sample_rows(300, seed=0)[0], "held_out.x": model().sample_rows(400, seed=1)[0]}
MODEL = dataclasses.replace(model(), rows=KEPT)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    length = rng.normal(10, 2, 300)
    table = {
        "length": length,
        "width": 0.5 * length + rng.normal(0, 0.1, 300),
        "colour": np.where(length > 10, "red", "blue").astype(object),
        "same": np.full(300, 3.0),
    }
    options = {"hidden": [8], "components": 2, "classes": 2}
    kept = {name: values[:200] for name, values in table.items()}
    found = fluvial.fit(kept, "mixed", epochs=30, options=options, progress=False, holdout=0.25)
    return found, pd.DataFrame({name: values[200:] for name, values in table.items()})


def test_ordinary_rows_are_flagged_as_often_as_asked_for():
    found = MODEL.detect(MODEL.sample_columns(3000, seed=2), rate=0.1)
    assert found.flagged.mean() <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400 + 0.1 * 0.9 / 3000)
    assert (found.flagged == (found.p <= 0.1)).all()
    assert found.drift.since is None
    assert "of 3,000 ordinary rows about 300 would be flagged" in found.summary[0]


def test_the_wrong_cell_is_named_with_what_stood_to_be_expected(fitted):
    found, rows = fitted
    rows = rows.set_index(np.arange(200, 300))
    rows.loc[210, "width"] = 1.0
    rows.loc[220, "colour"] = "blue" if rows.loc[220, "colour"] == "red" else "red"
    rows.loc[230, "colour"] = "green"
    rows.loc[240, "same"] = 4.0
    told = found.detect(rows, rate=0.05).frame()
    assert told.index.tolist() == list(range(200, 300))
    assert told.loc[210, "unusual"]
    assert told.loc[210, "column"] == "width"
    assert re.fullmatch(
        r"width 1 is (far )?below what the rest says \(\S+ to \S+ in 99 of 100 rows\)", told.loc[210, "why"]
    )
    assert told.loc[230, ["column", "why"]].tolist() == ["colour", "colour is 'green', a label that the fit never saw"]
    assert told.loc[240, "why"] == "same is 4, against what it always is (3)"
    assert (told.loc[~told["unusual"], "why"] == "").all()


def test_of_two_cells_that_contradict_each_other_the_one_is_named_that_the_others_contradict_too(fitted):
    found, rows = fitted
    row = rows.iloc[[0] * 4].assign(length=[13.0, 7.0, 7.0, 13.0], width=[3.5, 6.5, 3.5, 6.5], colour=["blue"] * 4)
    told = found.detect(row.set_index(np.arange(4)), rate=0.05).frame()
    assert told["column"].tolist() == ["length", "width", "", "colour"]


def test_cells_that_do_not_go_together_are_unusual_where_each_is_ordinary(fitted):
    found, rows = fitted
    row = rows.iloc[[0, 0, 0]].assign(length=[12.0, 12.0, 8.0], width=[6.0, 4.0, 4.0], colour=["red", "red", "blue"])
    p = found.detect(row, rate=0.05).p
    assert p[1] < 0.05 < min(p[0], p[2])


def test_how_far_out_a_row_lies_is_a_sum_of_squares_and_does_not_depend_on_units():
    x = np.random.default_rng(0).normal(size=(600, 2)) * [1.0, 1000.0]
    options = {"hidden": [8], "components": 4, "blocks": 1, "classes": 1}
    found = fluvial.fit(x, "mixed", epochs=20, options=options, progress=False)
    rows = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2000.0], [2.0, 2000.0]])
    squares = _scores(found, rows, None)[0]
    assert squares == pytest.approx([0, 4, 4, 8], abs=1.5)


def test_surprises_together_lie_between_the_largest_and_the_sum():
    parts = [np.array([3.0, 3.0, 0.0, np.inf, 1e200]), np.array([0.0, 3.0, 0.0, 1.0, 1e200])]
    assert together(parts) == pytest.approx([3.0, 3 * 2 ** (1 / 3), 0.0, np.inf, 1e200 * 2 ** (1 / 3)])
    assert together(parts[:1]) is parts[0]


def test_what_is_out_of_bounds_says_which_bound():
    row = {"Sex": ["F"], "Rings": [9], "is old": ["no"], "stage": ["adult"], "planet": ["Earth"], "twice": [18]}
    found = MODEL.detect(row)
    assert found.scores[0] == np.inf
    assert found.reasons[0].sentence == "Rings 9 is above 4, the most there can be"
    row |= {"Rings": [3], "twice": [6], "stage": ["infant"]}
    assert MODEL.detect(row).reasons[0].sentence == "stage is 'infant', against what Sex says ('adult')"
    row |= {"stage": ["adult"], "planet": ["Mars"]}
    sentence = MODEL.detect(row).reasons[0].sentence
    assert sentence == "planet is a label that the fit never saw, against what it always is ('Earth')"


def test_a_false_discovery_rate_takes_the_place_of_a_rate():
    rows = MODEL.sample_columns(200, seed=3)
    found = MODEL.detect(rows, fdr=0.2)
    assert found.expected is None
    assert found.flagged.sum() <= 20
    with pytest.raises(UsageError, match="give one"):
        MODEL.detect(rows, rate=0.1, fdr=0.1)
    with pytest.raises(UsageError, match="rate: expected a share"):
        MODEL.detect(rows, rate=2.0)
    with pytest.raises(UsageError, match="rate: expected a share"):
        MODEL.detect(rows, rate=0)


def test_a_rate_that_no_p_value_reaches_is_said():
    with pytest.warns(UserWarning, match="with 400 held-out rows no p-value is below 0.0025"):
        found = MODEL.detect(MODEL.sample_columns(10, seed=3), rate=1e-4)
    assert not found.flagged.any()
    assert "flags nothing: ask for that much, or hold out more rows" in found.warnings[0]
    assert found.expected == 0.0


def test_by_default_the_rate_is_one_that_can_be_kept():
    few = dataclasses.replace(MODEL, rows={**KEPT, "held_out.x": KEPT["held_out.x"][:19]})
    rows = MODEL.sample_columns(40, seed=2)
    rows["Rings"] = np.array([9.0, *rows["Rings"][1:]])
    with pytest.warns(UserWarning, match=r"no p-value is below 0.05, so the rate is that in place of 0.01"):
        found = few.detect(rows)
    assert found.flagged[0]
    assert found.expected == pytest.approx(40 * 0.05)


def test_sorted_rows_of_the_fit_are_no_drift():
    found = MODEL.detect(MODEL.sample_columns(400, seed=2))
    by_score = np.argsort(found.scores)
    again = MODEL.detect({name: values[by_score] for name, values in MODEL.sample_columns(400, seed=2).items()})
    assert Detector.of(MODEL).drift().watch(found.scores[by_score]) is not None  # as they stand
    assert again.drift.since is None


def test_how_unusual_a_row_is_does_not_depend_on_the_rows_beside_it():
    x = np.random.default_rng(0).normal(size=(300, 2))
    options = {"hidden": [8], "components": 2, "blocks": 1, "classes": 1}
    found = fluvial.fit(x, "mixed", epochs=2, options=options, progress=False)
    far = Detector.of(found).unusual.scores(np.array([[50.0, 0.0]] * 9), None)  # whose upper tail is below rounding
    alone = Detector.of(found).unusual.scores(np.array([[50.0, 0.0]]), None)
    assert far == pytest.approx(np.repeat(alone, 9), rel=1e-4)


def test_cells_that_are_missing_together_are_counted():
    row = np.full(len(SCHEMA.columns), np.nan)
    assert _gaps(SCHEMA, row).endswith(f"and {len(row)} of them are missing ({', '.join(map(repr, SCHEMA.names))})")
    row[1:] = 0.0
    assert _gaps(SCHEMA, row) == ""


def test_without_held_out_rows_there_is_nothing_to_compare_with():
    with pytest.raises(RunError, match="no rows were held out"):
        model().detect({})


def test_rows_that_also_stopped_the_training_are_said_to():
    shared = dataclasses.replace(MODEL, record={**MODEL.record, "split": {"independent": False}})
    assert "also decided when training stopped" in Detector.of(shared).warnings[0]


def test_models_of_numbers_score_without_reasons():
    x = np.random.default_rng(0).normal(size=(300, 2))
    found = fluvial.fit(x, "gaussian", progress=False).detect([[0.0, 0.0], [9.0, 9.0]], 0.05)
    assert found.flagged.tolist() == [False, True]
    assert found.reasons == {}
    assert "were fitted to as well" in found.warnings[0]
    assert "gaussian does not condition on any columns: fit with mixed" in found.warnings[1]


def test_a_table_of_other_columns_is_refused():
    with pytest.raises(FluvialError, match="lacks"):
        MODEL.detect({"Rings": [1]})


def test_cells_are_written_as_the_table_has_them():
    assert [shown(SCHEMA.columns[0], 1.0), shown(SCHEMA.columns[1], 3.0), one_in(0.3)] == ["'M'", "3", "30 of 100"]
