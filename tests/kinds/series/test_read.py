"""Tables of series: which they are, and what is said where their times are not regular."""

import numpy as np
import pandas as pd
import pytest

from fluvial.core.errors import DataError, UsageError
from fluvial.data.tables import read
from fluvial.data.time_text import DAY
from fluvial.kinds.every import kind_of
from fluvial.kinds.series.calendar import find_steps
from fluvial.kinds.series.read import Roles, learn_schema, narrow_step, panel_of, recognised, stamps


def wide(freq="D", n=60, start="2024-01-01", **columns) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = {"date": pd.date_range(start, periods=n, freq=freq), "a": rng.normal(size=n).cumsum()}
    return pd.DataFrame({**found, **columns})


def panel(frame: pd.DataFrame, **roles):
    schema, notes = learn_schema(read(frame), Roles(**roles))
    return schema, panel_of(read(frame), schema), notes


@pytest.mark.parametrize(
    ("freq", "said", "seasons"),
    [
        ("h", "1 hour a step", (24, 168)),
        ("15min", "15 minutes a step", (96, 672)),
        ("D", "1 day a step", (7,)),
        ("B", "a business day a step", (5,)),
        ("W", "1 week a step", (52,)),
        ("MS", "1 month a step", (12,)),
        ("ME", "1 month a step", (12,)),
        ("QS", "1 quarter a step", (4,)),
        ("YS", "1 year a step", ()),
    ],
)
def test_steps_are_found_and_go_on_as_the_calendar_does(freq, said, seasons):
    frame = wide(freq, 70)
    schema, found, _ = panel(frame.head(60))
    assert str(schema.steps) == said
    assert schema.steps.seasons == seasons
    ahead = schema.steps.time(found.start + found.lengths + np.arange(10))
    assert [str(t)[:16] for t in stamps(schema, ahead)] == [str(t).replace(" ", "T")[:16] for t in frame["date"][60:]]
    assert len(found.values) == 60


def test_a_wide_table_of_regular_dates_is_series_and_says_so():
    frame = wide()
    assert recognised(frame)
    assert kind_of(frame).name == "series"
    assert kind_of(frame, ["table"]).name == "tables"
    assert kind_of(frame, model="nsf").name == "tables"
    assert kind_of(frame.sample(frac=1).assign(date="?"), model="wavenet_mixed").name == "series"
    assert "1 day a step by 'date'" in panel(frame)[2][0]
    assert "--table" in panel(frame)[2][0]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0) ** 2}),
        wide().assign(date=lambda f: f["date"] + pd.to_timedelta(np.arange(60) ** 2, unit="h")),
        wide(n=15),
        wide().assign(other=pd.date_range("2020-01-01", periods=60)),
        wide().assign(date="08:30"),
    ],
)
def test_other_tables_stay_tables(frame):
    assert not recognised(frame)
    assert kind_of(frame).name == "tables"


def test_long_tables_are_told_apart_by_their_label():
    frame = pd.concat([wide(n=40).assign(shop="x"), wide(n=50, start="2024-01-15").assign(shop="y")])
    schema, found, _ = panel(frame.sample(frac=1, random_state=0))
    assert schema.label is not None
    assert schema.label.name == "shop"
    assert dict(zip(found.names, found.lengths)) == {"x": 40, "y": 50}
    assert "rows were put in the order of their times" in found.notes
    at = found.names.index("x")
    one = found.take(np.array([at]))
    np.testing.assert_allclose(one.values[:, 0], wide(n=40)["a"])


def test_missing_steps_and_cells_are_kept_as_missing():
    frame = wide().drop(index=[10, 11])
    frame.loc[20, "a"] = np.nan
    schema, found, _ = panel(frame)
    assert len(found.values) == 60
    assert np.flatnonzero(np.isnan(found.values[:, 0])).tolist() == [10, 11, 20]
    assert "2 steps without a row are taken as missing" in found.notes
    assert schema.targets[0].name == "a"


def test_repeated_times_are_a_sentence_with_them():
    frame = pd.concat([wide(), wide().iloc[[7]]])
    with pytest.raises(DataError, match=r"1 time is there twice: 2024-01-08 .*in row 61.*--series"):
        panel(frame)


def test_times_between_steps_are_a_sentence_with_them():
    frame = wide("h")
    frame.loc[30, "date"] += pd.Timedelta("25min")
    with pytest.raises(DataError, match=r"1 of 60 lie between two steps, such as 2024-01-02 06:25:00 in row 31"):
        panel(frame)


def test_a_leap_is_a_sentence():
    frame = wide()
    frame.loc[59, "date"] = pd.Timestamp("2090-01-01")
    with pytest.raises(DataError, match=r"leap from 2024-02-28 .*to 2090-01-01"):
        panel(frame)


def test_a_time_that_is_missing_is_a_sentence():
    frame = wide()
    frame.loc[5, "date"] = pd.NaT
    with pytest.raises(DataError, match="1 time in 'date' is empty, the first in row 6"):
        panel(frame, time="date")


def test_names_that_are_not_there_and_targets_that_are_no_numbers_are_sentences():
    with pytest.raises(UsageError, match="targets: there is no column 'b'"):
        panel(wide(), targets=("b",))
    with pytest.raises(DataError, match="'s' holds no numbers"):
        panel(wide(s=["x", "y"] * 30), targets=("s",))
    with pytest.raises(DataError, match="no column of the table holds regular dates"):
        panel(pd.DataFrame({"a": np.arange(30.0)}))


def test_labels_are_left_out_with_a_word():
    schema, _, notes = panel(wide(s=["x", "y"] * 30))
    assert [c.name for c in schema.targets] == ["a"]
    assert any("left out, for holding no numbers: 's'" in note for note in notes)


def test_whole_numbers_count_as_times_where_they_are_named():
    frame = pd.DataFrame({"t": np.arange(100, 160, 2), "a": np.arange(30) % 3 + 0.5})
    schema, found, _ = panel(frame, time="t")
    assert schema.steps.unit == "count"
    assert schema.steps.time(found.start + found.lengths).tolist() == [160]


def test_what_is_known_ahead_goes_on_behind_the_targets():
    frame = wide(n=70, holiday=(np.arange(70) % 7 == 0).astype(float))
    frame.loc[60:, "a"] = np.nan
    _, found, _ = panel(frame, known=("holiday",))
    assert len(found.values) == 60
    assert found.coming.tolist() == [10]
    assert found.ahead.shape == (10, 1)


def test_decimals_that_float32_has_rounded_are_decimals():
    assert narrow_step(np.array([1.5, 2.25, 3.125])) in (None, 0.001)
    schema, found, _ = panel(wide().assign(a=lambda f: f["a"].round(3).astype(np.float32).astype(float)))
    assert schema.targets[0].step == 0.001
    np.testing.assert_allclose(found.values[:, 0] * 1000, np.rint(found.values[:, 0] * 1000), atol=1e-6)


def test_what_the_calendar_says_has_happened_twice():
    """Of fifty weeks a year says nothing; of three years it does."""
    hours = find_steps([np.arange(0, 100) * DAY / 24], dated=True)
    days, weeks, years = (hours.features(np.arange(5), 0, n).shape[1] for n in (24 * 10, 24 * 7 * 50, 24 * 365 * 3))
    assert (days, weeks, years) == (6, 12, 18)
