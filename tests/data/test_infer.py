"""What columns are taken for, and the warnings and sentences about them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.core.errors import DataError, UsageError
from fluvial.data import Table, infer, load_abalone, read
from fluvial.data.cells import tidy
from fluvial.data.infer import is_discrete
from fluvial.data.steps import find_step

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def rng():
    return np.random.default_rng(0)


def column(values, **given):
    """The inferred column of these values, beside one that varies."""
    table = Table({"v": values, "other": rng().normal(size=len(values))})
    return infer(table, **given)[0].columns[0]


@pytest.mark.parametrize(
    ("values", "kind", "lower", "step"),
    [
        (rng().normal(size=50), "real", None, None),
        (rng().random(50) + 0.1, "positive", 0, None),
        (np.append(rng().random(50), 0), "real", None, None),
        (rng().random(50).round(1), "positive", 0, 0.1),  # has zeros, but on a grid
        (rng().normal(size=50).round(1), "real", None, 0.1),
        (rng().integers(0, 2, 50), "integer", 0, 1),
        (rng().integers(-5, 5, 50), "integer", None, 1),
        (rng().integers(0, 5, 50).astype(float), "positive", 0, 1),
        (np.append(rng().integers(1, 1000, 50), [np.nan]), "integer", 0, 1),  # integers with a gap
    ],
)
def test_kinds(values, kind, lower, step):
    found = column(values)
    assert (found.kind, found.lower, found.upper, found.step) == (kind, lower, None, step)


@pytest.mark.parametrize("step", [5, 1, 0.5, 0.2, 0.1, 0.05, 0.005, 0.0005, 1e-6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_steps_of_rounded_values(step, dtype):
    values = (rng().integers(1, 30, 400) * step).astype(dtype)
    assert find_step(values.astype(np.float64), np.dtype(dtype)) == step


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1 / 3, 0.7, np.pi]))
def test_values_on_no_decimal_grid_have_no_step(seed, unit):
    values = np.random.default_rng(seed).integers(1, 30, 400) * unit * 1.0000001
    assert find_step(values, np.dtype("float64")) is None


def test_fine_grids_and_spikes_are_no_steps():
    assert find_step(rng().normal(size=500).round(4), np.dtype("float64")) is None  # hardly a value twice
    spiked = np.where(rng().random(500) < 0.5, 0.0, rng().normal(size=500).round(4))
    assert find_step(spiked, np.dtype("float64")) is None


def test_cells_of_a_fine_grid_have_a_step_where_every_value_lies_on_it():
    bills = rng().gamma(3.0, 7.0, 244).round(2)
    assert find_step(bills, np.dtype("float64")) is None
    assert find_step(bills, np.dtype("float64"), fine=True) == 0.01
    assert find_step(np.append(bills, 1 / 3), np.dtype("float64"), fine=True) is None  # one lies off it
    assert find_step(bills[:9], np.dtype("float64"), fine=True) is None  # too few to tell
    assert find_step(rng().random(244), np.dtype("float64"), fine=True) is None
    schema, _ = infer(Table({"bill": bills}), cells=True, drop_missing=False)
    assert (schema.columns[0].kind, schema.columns[0].step) == ("positive", 0.01)


def test_kinds_that_users_know_better():
    ages, shares = rng().integers(0, 90, 50), rng().random(50)
    assert column(ages, kinds={"v": "real"}).lower is None
    assert column(ages.astype(float), kinds={"v": "integer"}).kind == "integer"
    bounded = column(shares, kinds={"v": ("bounded", 0, 1)})
    assert (bounded.kind, bounded.lower, bounded.upper) == ("bounded", 0, 1)
    assert column(rng().random(50) < 0.5, kinds={"v": "integer"}).dtype == "bool"


@pytest.mark.parametrize(
    ("kinds", "error", "says"),
    [
        ({"V": "real"}, UsageError, r"there is no column 'V'; did you mean 'v'\?"),
        ({"v": "reel"}, UsageError, "there is no kind 'reel'"),
        ({"v": "bounded"}, UsageError, r"needs its bounds, as in \('bounded', 0, 1\)"),
        ({"v": ("bounded", 0.5, 1)}, DataError, "said to be within 0.5 and 1, which does not hold for"),
        ({"v": "integer"}, DataError, "said to be whole numbers, which does not hold for 50 values"),
        ({"other": "positive"}, DataError, "said to be positive"),
        ({"v": "categorical"}, DataError, "make them context"),
    ],
)
def test_kinds_that_do_not_hold(kinds, error, says):
    with pytest.raises(error, match=says):
        column(rng().random(50), kinds=kinds)


def test_context_columns_keep_their_labels_in_order():
    table = Table({
        "v": rng().normal(size=20),
        "s": np.array(["b", "a", "c", "a"] * 5, dtype=object),
        "k": np.array([30, 10] * 10),
        "z": rng().normal(size=20),
    })  # fmt: skip
    schema, _ = infer(table, context=["s", "k", "z"], kinds={"k": "categorical"})
    assert [c.kind for c in schema.context] == ["categorical", "categorical", "real"]
    assert [c.categories for c in schema.context] == [("a", "b", "c"), (10, 30), ()]


def test_categorical_events_are_named_with_a_way_on():
    table = Table({"v": rng().normal(size=20), "s": np.array(["b", "a"] * 10, dtype=object), "f": np.arange(20) > 9})
    with pytest.raises(DataError, match=r"in this model: 's', 'f'; choose .* --context s,f"):
        infer(table)


def test_labels_and_whole_numbers_are_modelled_together_for_probabilities():
    table = Table({
        "s": np.array(["b", "a"] * 10, dtype=object),
        "f": np.arange(20) > 9,
        "n": np.arange(20) % 5 + 3.0,
        "same": np.zeros(20, dtype=int),
    })  # fmt: skip
    schema, _ = infer(table, discrete=True)
    assert [(c.name, c.kind) for c in schema.columns] == [
        *(("s", "categorical"), ("f", "categorical"), ("n", "integer"), ("same", "integer"))
    ]
    assert schema.dropped == ()
    with pytest.raises(DataError, match="'v' is neither: leave it out"):
        infer(Table({**table.columns, "v": rng().random(20)}), discrete=True)


@pytest.mark.parametrize(
    ("columns", "context", "found"),
    [
        ({"a": [0, 1, 1]}, [], True),
        ({"a": [0.0, 1.0, 1.0]}, [], True),
        ({"a": [0, 1, 2]}, [], False),
        ({"a": ["x", "y", "x"]}, [], True),
        ({"a": ["x", "y", "x"], "b": [5, 6, 7]}, [], True),
        ({"a": ["x", "y", "x"], "b": [0.5, 6, 7]}, [], False),
        ({"a": ["x", "y", "x"], "b": [0.5, 6, 7]}, ["b"], True),
        ({"a": ["x", "y", "x"], "b": [5, 6, 7]}, ["a"], False),
        ({"a": ["2024-01-31", "2024-01-30", "2024-01-29"]}, [], False),
    ],
)
def test_rows_that_have_probabilities_are_told(columns, context, found):
    assert is_discrete(Table({k: tidy(np.array(v)) for k, v in columns.items()}), context) is found


def test_unknown_context_is_named_with_the_nearest():
    with pytest.raises(UsageError, match=r"context: there is no column 'sex'; did you mean 'Sex'\?"):
        infer(load_abalone()[0], context=["sex"])


def test_all_columns_as_context():
    with pytest.raises(DataError, match="none left to model"):
        infer(Table({"a": rng().normal(size=20)}), context=["a"])


@pytest.mark.parametrize(
    "dates",
    [
        np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]"),
        np.arange(20).astype("timedelta64[s]"),
        np.array([f"2024-01-{d:02}" for d in range(1, 21)], dtype=object),
        np.array([f"2024-01-01 {h:02}:30:00" for h in range(20)], dtype=object),
    ],
)
def test_dates_are_refused_by_name(dates):
    with pytest.raises(DataError, match="dates and times are modelled by mixed alone: 'when'; choose --model mixed"):
        infer(Table({"v": rng().normal(size=20), "when": dates}))


@pytest.mark.parametrize("discrete", [False, True])
def test_dates_may_be_context_of_any_model(discrete: bool):
    text = np.array([f"{d}/1/2024" for d in range(1, 21)], dtype=object)
    schema, _ = infer(Table({"v": np.arange(20) % 3, "when": text}), context=["when"], discrete=discrete)
    assert [(c.name, c.kind) for c in schema.context] == [("when", "time")]
    given = schema.encode_context({"when": "2/1/2024"}, 1)
    assert given is not None
    assert schema.decode(np.zeros((1, 1)), given)["when"].tolist() == ["2/1/2024"]
    assert "outside 1/1/2024 to 20/1/2024" in schema.about_context(given + 100)[0]


def test_dates_in_frames_and_files_are_refused(tmp_path):
    frame = pd.DataFrame({"v": rng().normal(size=20), "when": pd.date_range("2024-01-01", periods=20)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, frame.assign(when=frame["when"].dt.date), tmp_path / "t.csv"):
        with pytest.raises(DataError, match="dates and times"):
            infer(read(source))


@pytest.mark.parametrize("rows", [1, 9])
def test_too_few_rows(rows):
    with pytest.raises(DataError, match=rf"the table has {rows} rows?; learning a density needs at least 10"):
        infer(read(rng().normal(size=(rows, 2))))


def test_one_column_is_enough():
    schema, warnings = infer(read(rng().normal(size=100)))
    assert len(schema.columns) == 1
    assert warnings == []


def test_text_in_a_number_column_is_named_by_row(tmp_path):
    cells = [f"{v:.4f}" for v in rng().random(30)]
    cells[16] = "o.5"
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{c},{i}" for i, c in enumerate(cells)))
    with pytest.raises(DataError, match=r"column 'a' holds text in row 17: 'o\.5'; expected a number"):
        infer(read(tmp_path / "t.csv"))


def test_columns_without_a_value_are_named():
    x = rng().normal(size=(30, 3))
    x[:, 1] = np.nan
    with pytest.raises(DataError, match="1 column without a single value: 'x1'"):
        infer(read(x))


def test_gaps_are_left_to_encode_unless_too_few_rows_remain():
    x = rng().normal(size=(30, 2))
    x[:5, 0] = np.nan
    assert len(infer(read(x))[0].columns) == 2
    x[:25, 0] = np.inf
    with pytest.raises(DataError, match=r"only 5 of 30 rows are without missing or infinite values .*'x0' 25"):
        infer(read(x))


def test_too_many_labels():
    names = np.array([f"id-{i}" for i in range(1500)], dtype=object)
    with pytest.raises(DataError, match="column 'id' has 1,500 different labels"):
        infer(Table({"v": rng().normal(size=1500), "id": names}), context=["id"], kinds={"id": "categorical"})


def test_integers_beyond_float64():
    with pytest.raises(DataError, match=r"column 'v' holds integers beyond 2\^53"):
        column(np.arange(20) + 2**60)


def test_constants_and_copies_are_left_out_and_told():
    x = rng().normal(size=(50, 2))
    table = Table({
        "celsius": x[:, 0],
        "twin": x[:, 0].copy(),
        "free": x[:, 1],
        "fahrenheit": 1.8 * x[:, 0] + 32,
        "against": -x[:, 1],
        "near": x[:, 0] + 1e-4 * rng().normal(size=50),
        "zero": np.zeros(50),
    })  # fmt: skip
    schema, warnings = infer(table)
    assert schema.names == ("celsius", "free", "near")
    assert [(d.column.name, d.source, d.slope, d.offset) for d in schema.dropped] == [
        ("twin", "celsius", 1, 0),
        ("fahrenheit", "celsius", 1.8, 32),
        ("against", "free", -1, 0),
        ("zero", "", 0, 0),
    ]
    assert warnings[0].startswith("1 constant column, left out")
    assert warnings[0].endswith("'zero' = 0")
    assert warnings[1].endswith("'twin' = 'celsius', 'fahrenheit' = 1.8 * 'celsius' + 32, 'against' = -'free'")


def test_everything_constant():
    with pytest.raises(DataError, match=r"every column is constant \('x0', 'x1'\)"):
        infer(read(np.ones((20, 2))))


@settings(max_examples=40, deadline=None)
@given(
    slope=st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6),
    offset=st.floats(-10, 10),
    seed=st.integers(0, 1000),
    rows=st.integers(10, 300),
)
def test_copies_of_any_slope_are_found_and_restored(slope, offset, seed, rows):
    x = np.random.default_rng(seed).normal(size=rows)
    table = Table({"a": x, "b": slope * (x + offset)})
    schema, _ = infer(table)
    assert [d.column.name for d in schema.dropped] == ["b"]
    encoded = schema.encode(table)
    assert not encoded.impossible.any()
    np.testing.assert_allclose(schema.decode(encoded.x)["b"], table.columns["b"], atol=1e-8 * abs(slope), rtol=1e-10)


def test_repeated_values_are_told_with_their_share():
    x = np.where(rng().random(200) < 0.25, 0.0, rng().normal(size=200))
    coarse = rng().integers(0, 30, 200) * np.pi
    _, warnings = infer(Table({"x": x, "coarse": coarse, "free": rng().normal(size=200)}))
    assert len(warnings) == 1
    share = 100 * np.mean(x == 0)
    assert f"2 columns with repeated values: 'x' ({share:.0f} % are 0), 'coarse' (" in warnings[0]
    assert "grow without limit" in warnings[0]


def test_repeated_rows_are_counted():
    x = rng().normal(size=(100, 2))
    _, warnings = infer(read(np.concatenate([x, x[:20]])))
    assert warnings == [
        "20 rows of 120 (16.7 %) repeat an earlier row exactly: a held-out score may count rows that training saw"
    ]
    assert infer(read(rng().integers(-1, 3, (100, 2))))[1] == []


def test_context_that_never_varies_is_told():
    _, warnings = infer(Table({"v": rng().normal(size=20), "k": np.ones(20)}), context=["k"])
    assert warnings == ["context that never varies, and so says nothing about the rest: 'k'"]


def test_ten_thousand_columns():
    x = rng().normal(size=(50, 10_000))
    x[:, 77] = 3 * x[:, 3] - 2
    table = read(x)
    schema, _ = infer(table)
    assert [(d.column.name, d.source) for d in schema.dropped] == [("x77", "x3")]
    assert schema.encode(table).x.shape == (50, 9_999)


def test_abalone():
    table, units = load_abalone()
    schema, warnings = infer(table, context=["Sex"])
    assert len(warnings) == 1
    assert "no value is below 0 in 'Length'" in warnings[0]
    assert [(c.kind, c.step, c.lower) for c in schema.columns] == [
        *[("positive", 0.005, 0)] * 3,
        *[("positive", 0.0005, 0)] * 4,
        ("integer", 1, 0),
    ]
    assert schema.context[0].categories == ("F", "I", "M")
    assert set(units) == set(schema.names)


def test_bundled_abalone_is_the_original():
    original = SHARED / "uci-small" / "abalone.csv"
    if not original.exists():
        pytest.skip("the original table is not here")
    bundled, _ = load_abalone()
    for ours, theirs in zip(bundled.columns.values(), read(original).columns.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "name",
    [
        "uci-small/banknote_authentication.csv",
        "uci-small/housing.csv",
        "uci-small/ionosphere.csv",
        "uci-small/parkinsons_centered.csv.gz",
        "uci-small/winequality-red.csv",
        "made-binary/adult.npz:train",
        "maf-tabular/power_10k.npz:train",
    ],
)
def test_real_tables_survive(name):
    if not (SHARED / name.partition(":")[0]).exists():
        pytest.skip("the data are not here")
    table = read(SHARED / name)
    context = [key for key, values in table.columns.items() if values.dtype == object]
    schema, _ = infer(table, context)
    encoded = schema.encode(table)
    assert not encoded.impossible.any()
    back = schema.decode(encoded.x, encoded.context)
    assert tuple(back) == table.names
    for key, values in table.columns.items():
        assert back[key].dtype == values.dtype
        np.testing.assert_array_equal(back[key], values)


def test_binary_sets_ask_which_array():
    path = SHARED / "made-binary" / "adult.npz"
    if not path.exists():
        pytest.skip("the data are not here")
    with pytest.raises(DataError, match=r"train \(5000, 123\), .*; pick one as adult.npz:train"):
        read(path)


def test_fill_values_and_merged_identifiers_are_told():
    x = rng().normal(size=(200, 2))
    x[:3, 0] = 9.97e36
    x[:, 1] = 1e17 + 1e4 * rng().integers(0, 1000, 200)
    _, warnings = infer(read(x))
    assert any("perhaps codes for missing ones: 'x0' (3 values, such as 9.97e+36)" in w for w in warnings)
    assert any("whole numbers beyond 2^53 in columns of floats, where neighbours are one: 'x1'" in w for w in warnings)


def test_a_model_of_any_cells_is_told_of_fill_values_and_flat_context_too():
    rng = np.random.default_rng(0)
    fill = np.where(rng.random(200) < 0.05, 9.97e36, rng.normal(size=200))
    fill[:3] = np.nan
    table = Table({"fill": fill, "label": rng.choice(["a", "b"], 200).astype(object), "flat": np.full(200, 2.5)})
    told = " ".join(infer(table, ("flat",), drop_missing=False, cells=True)[1])
    assert "perhaps codes for missing ones: 'fill'" in told
    assert "context that never varies" in told
