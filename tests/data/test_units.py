"""Columns in other units: found whichever comes first, rebuilt, and no coincidence."""

import numpy as np
import pytest

from fluvial.data import Table, infer
from fluvial.data.columns import Column
from fluvial.data.schema import Schema
from fluvial.data.units import in_other_units
from fluvial.kinds.tables.comparisons import Limits
from fluvial.kinds.tables.conditions import limits_of

RNG = np.random.default_rng(0)
CM = RNG.normal(170, 10, 300).round(1)


def columns(**numbers: tuple[float, np.ndarray]):
    made = [Column(name, "real", step=step) for name, (step, _) in numbers.items()]
    return made, {name: values for name, (_, values) in numbers.items()}


@pytest.mark.parametrize(("step", "slope", "offset"), [(1.0, 1 / 2.54, 0.0), (0.5, 1.8, 32.0), (1.0, -2.0, 400.0)])
@pytest.mark.parametrize("first", [True, False])
def test_rounded_units_are_found_and_rebuilt(step, slope, offset, first):
    other = np.rint((slope * CM + offset) / step) * step
    pair = {"cm": (0.1, CM), "other": (step, other)}
    found = in_other_units(*columns(**(pair if first else dict(reversed(pair.items())))))
    assert list(found) == ["other"]
    assert found["other"].source == "cm"
    np.testing.assert_array_equal(found["other"].values(CM), other)
    assert not found["other"].contradicted(other, CM).any()
    assert found["other"].contradicted(other + 2 * step, CM).all()
    assert np.isnan(found["other"].source_of(other, 0.1)).all()


def test_what_only_nearly_follows_is_free():
    inches = np.rint(CM / 2.54)
    inches[17] += 1
    assert in_other_units(*columns(cm=(0.1, CM), inches=(1.0, inches))) == {}
    assert in_other_units(*columns(cm=(0.1, CM[:40]), inches=(1.0, np.rint(CM[:40] / 2.54)))) == {}  # too few to tell


def test_a_table_leaves_it_out_and_fills_it_in_again():
    table = Table({"cm": CM, "inches": np.rint(CM / 2.54).astype(int)})
    schema, notes = infer(table, cells=True, drop_missing=False)
    assert schema.names == ("cm",)
    assert any("'inches' from 'cm'" in note for note in notes)
    back = schema.decode(schema.encode(table).x)
    assert back["inches"].tolist() == table.columns["inches"].tolist()
    assert Schema.from_json(schema.to_json()) == schema
    assert len(infer(table)[0].columns) == 2  # other models do not need it


def test_questions_about_it_are_about_what_rounds_to_it():
    schema, _ = infer(Table({"cm": CM, "inches": np.rint(CM / 2.54).astype(int)}), cells=True, drop_missing=False)
    for asked in (Limits(low=66, high=68), Limits(low=65, high=69, low_open=True, high_open=True)):
        (found,) = limits_of(schema, {"inches": asked}).values()
        assert [asked.hold(v) for v in np.rint(CM / 2.54)] == [found.hold(v) for v in CM]
    (one,) = limits_of(schema, {"inches": Limits(among=frozenset([67.0]))}).values()
    assert [v == 67 for v in np.rint(CM / 2.54)] == [one.hold(v) for v in CM]
