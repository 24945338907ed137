"""Dates and times: found, counted, and written as they were."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fluvial
from fluvial.core.errors import DataError, FluvialError, UsageError
from fluvial.data import Schema, Table, as_kind, infer, read
from fluvial.data.time_text import find_format
from fluvial.data.times import DAY, STEPS, Clock
from fluvial.training import Settings

FORMATS = (
    *("%Y-%m-%d", "%Y/%-m/%-d", "%-d.%-m.%Y", "%d.%m.%Y", "%d/%m/%Y", "%-m/%-d/%Y", "%d/%m/%y", "%d-%m-%Y"),
    *("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%3f", "%Y-%m-%d %H:%M:%S%?f", "%m/%d/%Y, %-I:%M %p"),
    *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%6f+02:00", "%Y-%m-%d %H:%M-05:30", "%H:%M", "%-H:%M", "%I:%M:%S%-p"),
)
MOMENTS = st.lists(st.integers(-365 * DAY, 36_000 * DAY), min_size=1, max_size=30)


def column(pattern: str, moments: list[int]) -> np.ndarray:
    clock = Clock(pattern, 1)
    return clock.cells(np.array([m % DAY if clock.daily else m for m in moments], dtype=float), "str")


@pytest.mark.parametrize("pattern", FORMATS)
@settings(max_examples=30, deadline=None)
@given(moments=MOMENTS)
def test_a_format_is_found_again_and_text_comes_back(pattern, moments):
    cells = column(pattern, [*moments, 30 * DAY])  # the 31st tells the day from the month
    found = find_format(cells.tolist())
    clock = Clock(found.format, 1)
    counts, bad = clock.counts(cells)
    assert not bad.any()
    assert clock.cells(counts, "str").tolist() == cells.tolist()
    assert np.array_equal(counts, Clock(pattern, 1).counts(cells)[0])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "D", "h"])
@settings(max_examples=20, deadline=None)
@given(days=st.lists(st.integers(-10_000, 40_000), min_size=10, max_size=20))
def test_dates_of_a_dtype_come_back_in_it(unit, days):
    values = np.array(days).astype("datetime64[D]").astype(f"datetime64[{unit}]")
    values[3] = np.datetime64("NaT")
    schema, _ = infer(Table({"a": np.arange(len(days)) ** 2.0, "t": values}), cells=True, drop_missing=False)
    encoded = schema.encode(Table({"a": np.arange(len(days)) ** 2.0, "t": values}))
    back = schema.decode(encoded.x)["t"]
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)
    assert Schema.from_json(schema.to_json()) == schema


def frames(moments: list[datetime]) -> dict[str, object]:
    columns = {
        "n": [float(i) ** 2 for i in range(len(moments))],
        "day": [m.date() for m in moments],
        "plain": [m.replace(tzinfo=None) for m in moments],
        "zoned": moments,
    }
    return {"pandas": pd.DataFrame(columns), "polars": pl.DataFrame(columns), "pyarrow": pa.table(columns)}


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_keep_their_types_and_zones(kind):
    from zoneinfo import ZoneInfo

    start = datetime(2024, 3, 30, 22, 30, tzinfo=UTC)  # over the change of the clock
    moments = [(start + timedelta(hours=7 * i)).astimezone(ZoneInfo("Europe/Berlin")) for i in range(12)]
    frame = frames(moments)[kind]
    table = read(frame)
    schema, notes = infer(table, cells=True, drop_missing=False)
    assert any("zone Europe/Berlin" in note for note in notes)
    back = as_kind(schema.decode(schema.encode(table).x), table.kind)
    names = ["day", "plain", "zoned"]
    if kind == "pandas":
        pd.testing.assert_frame_equal(back[names], frame[names])
    else:
        assert back.select(names).equals(frame.select(names))


def test_days_and_months_are_told_apart_by_the_whole_column_or_said():
    days = [f"{m}/{d}/2024" for m, d in zip([1, 2, 3] * 5, range(1, 16))]
    schema, notes = infer(table_of(days), cells=True)
    assert schema.columns[1].clock.format == "%-m/%-d/%Y"
    assert not any("day or the month" in note for note in notes)
    schema, notes = infer(table_of(days[:12]), cells=True)
    assert schema.columns[1].clock.format == "%-d/%-m/%Y"
    assert any("--kind t=time:%-m/%-d/%Y" in note for note in notes)
    schema, notes = infer(table_of(days[:12]), kinds={"t": ("time", "%-m/%-d/%Y")}, cells=True)
    assert schema.columns[1].clock.format == "%-m/%-d/%Y"
    assert not any("day or the month" in note for note in notes)


def table_of(cells: list[str]) -> Table:
    return Table({"a": np.arange(len(cells)) ** 2.0, "t": np.array(cells, dtype=object)})


DAYS = [f"2024-01-{d:02}" for d in range(1, 21)]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([*DAYS, "2024-02-30"], r"'t' holds .* like %Y-%m-%d, and 1 of 21 cells are not \(the first '2024-02-30'\)"),
        ([*DAYS, "1.3.2024", "2.3.2024"], "2 of 22 cells are not"),
        ([*DAYS, "unknown"], "1 of 21 cells are not .*'unknown'"),
        ([f"{d}T08:00+0{int(d[-1] == '1')}:00" for d in DAYS], "several offsets from UTC"),
        ([f"{h}:30" for h in range(10, 26)], "2 of 16 cells are not .*'24:30'"),
    ],
)
def test_what_cannot_be_read_is_a_sentence_with_column_and_count(cells, told):
    with pytest.raises(DataError, match=told):
        infer(table_of(cells), cells=True)


def test_other_kinds_of_cells_are_refused_by_name():
    numbers = Table({"a": np.arange(20) ** 2.0, "t": np.arange(20).astype("timedelta64[s]")})
    with pytest.raises(DataError, match="'t' holds lengths of time"):
        infer(numbers, cells=True)
    with pytest.raises(DataError, match="'a' holds numbers"):
        infer(numbers.without(["t"]), kinds={"a": "time"}, cells=True)
    with pytest.raises(DataError, match="does not hold for 20 cells"):
        infer(table_of(DAYS), kinds={"t": ("time", "%d.%m.%Y")}, cells=True)


def test_new_rows_are_read_in_the_columns_format_or_iso():
    clock = Clock("%d.%m.%Y %H:%M+02:00", STEPS["hour"])
    cells = np.array(["31.01.2024 08:00+02:00", "2024-01-31T06:00Z", "2024-01-31", None, "31.1."], dtype=object)
    counts, bad = clock.counts(cells)
    assert bad.tolist() == [False, False, False, False, True]
    assert counts[0] == counts[1] == counts[2] + 8
    schema, _ = infer(table_of(DAYS), cells=True)
    with pytest.raises(DataError, match=r"'t' has 2 cells that cannot be read as its dates or times .* in row 19"):
        schema.encode(table_of([*DAYS[:-2], "x", "y"]))


def test_a_clock_that_a_file_may_hold_is_checked():
    plain = infer(table_of(DAYS), cells=True)[0].to_json()
    for part, value in (("step", 7), ("format", "%Q"), ("format", "%S%?f%?f"), ("zone", "../../etc/passwd")):
        schema = {**plain, "columns": [dict(c) for c in plain["columns"]]}
        schema["columns"][1]["clock"] = {**schema["columns"][1]["clock"], part: value}
        with pytest.raises(FluvialError):
            Schema.from_json(schema)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng, n = np.random.default_rng(0), 400
    days = rng.integers(19_000, 19_500, n)
    weekend = (days + 3) % 7 >= 5
    rows = pd.DataFrame({
        "day": [date(1970, 1, 1) + timedelta(int(d)) for d in days],
        "label": rng.choice(["a", "b"], n),
        "number": np.where(weekend, 10, 0) + rng.normal(size=n),
    })  # fmt: skip
    rows["day"] = [f"{d.day}.{d.month}.{d.year}" for d in rows["day"]]
    rows.loc[:9, "day"] = None
    rows.loc[5:20, "number"] = None
    return rows


@pytest.fixture(scope="module")
def model(frame):
    return fluvial.fit(frame, settings=Settings(epochs=60))


def test_what_depends_on_the_day_of_the_week_is_learnt(model):
    drawn = model.sample(2000, seed=0).dropna()
    weekend = pd.to_datetime(drawn["day"], format="%d.%m.%Y").dt.day_of_week >= 5
    assert drawn["number"][weekend].mean() > drawn["number"][~weekend].mean() + 5


def test_events_and_conditions_take_dates_as_text(model):
    a = model.given({"label": "a"})
    parts = [a.probability(f"day {op} '2022-09-30'").value for op in ("<", ">=")]
    assert sum(parts) == pytest.approx(1 - a.probability("day is None").value, abs=0.02)
    assert a.probability("day >= '30.9.2022'").value == pytest.approx(parts[1])
    drawn = model.given({"day": ("2022-09-01", "2022-09-30")}).sample(20, seed=0)
    assert pd.to_datetime(drawn["day"], format="%d.%m.%Y").dt.month.eq(9).all()
    assert find_format([a.mean("day")]).format == "%-d.%-m.%Y"
    with pytest.raises(UsageError, match="'day' has 1 cell that cannot be read"):
        a.probability("day > 'soon'")


@pytest.mark.parametrize("way", ["csv", "pandas", "polars"])
def test_samples_are_a_table_like_the_first(model, frame, way, tmp_path):
    drawn = model.sample(300, seed=1)
    assert find_format(drawn["day"].dropna().tolist()).format == "%-d.%-m.%Y"
    if way == "csv":
        drawn.to_csv(tmp_path / "t.csv", index=False)
    source = {"csv": tmp_path / "t.csv", "pandas": drawn, "polars": pl.from_pandas(drawn)}[way]
    again = fluvial.fit(source, settings=Settings(epochs=1))
    assert again.schema.columns[0].clock == model.schema.columns[0].clock
    assert np.isfinite(again.score(frame).log_prob).mean() > 0.9


def test_a_run_folder_keeps_the_clock(model, frame, tmp_path):
    model.save(tmp_path / "run")
    np.testing.assert_array_equal(fluvial.load(tmp_path / "run").score(frame).log_prob, model.score(frame).log_prob)
