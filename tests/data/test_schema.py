"""Encoding and decoding by a schema, editing it, and its JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.data import Column, Derived, Schema, Table, infer, read

RNG = np.random.default_rng(0)
N = 40


def example():
    """Columns of every kind, a constant and a copy."""
    x = RNG.normal(size=N)
    return Table({
        "sex": np.array(["M", "F"] * (N // 2), dtype=object),
        "x": x,
        "y": RNG.random(N).astype(np.float32) + 1,
        "copy": 9 / 5 * x + 32,
        "n": RNG.integers(0, 250, N).astype(np.uint8),
        "flag": np.array([True, False] * (N // 2)),
        "same": np.full(N, 3, dtype=np.int16),
        "grid": RNG.integers(0, 9, N) * 0.005,
    })  # fmt: skip


TABLE = example()
SCHEMA, _ = infer(TABLE, context=["flag", "sex"])


def test_cells_that_cannot_be_read_are_no_gaps():
    """Lists where the fit had numbers: read as missing they would be scored by what gaps are worth."""
    arrow = pytest.importorskip("pyarrow")
    table = read(arrow.table({"x": [[1.0], [2.0]], "y": [1.0, 2.0]}))
    schema = Schema((Column("x", "real"), Column("y", "real")), gaps=True)
    with pytest.raises(DataError, match="column 'x' cannot be used: a column holds lists"):
        schema.encode(table)


def test_shapes_and_order():
    encoded = SCHEMA.encode(TABLE)
    assert SCHEMA.names == ("x", "y", "n", "grid")
    assert encoded.x.shape == (N, 4)
    assert [c.name for c in SCHEMA.context] == ["flag", "sex"]  # as asked, not as in the table
    assert encoded.context is not None
    assert encoded.context[:2].tolist() == [[1, 1], [0, 0]]
    assert encoded.rows.tolist() == list(range(N))
    assert not encoded.impossible.any()
    assert encoded.warnings == ()


def test_decode_gives_back_columns_order_and_dtypes():
    encoded = SCHEMA.encode(TABLE)
    back = SCHEMA.decode(encoded.x, encoded.context)
    assert tuple(back) == TABLE.names
    for name, values in TABLE.columns.items():
        assert back[name].dtype == values.dtype
        if name == "copy":
            np.testing.assert_allclose(back[name], values, rtol=1e-12)
        else:
            np.testing.assert_array_equal(back[name], values)
    assert tuple(SCHEMA.decode(encoded.x)) == ("x", "y", "copy", "n", "same", "grid")


def test_columns_are_found_by_name_in_any_order_with_more_of_them():
    shuffled = Table({k: TABLE.columns[k] for k in reversed(TABLE.names)} | {"extra": np.zeros(N)})
    np.testing.assert_array_equal(SCHEMA.encode(shuffled).x, SCHEMA.encode(TABLE).x)


def test_lacking_columns_are_named_with_the_nearest():
    renamed = Table({("Grid_" if k == "grid" else k): v for k, v in TABLE.columns.items() if k != "n"})
    with pytest.raises(DataError, match="lacks 2 columns of the 8 needed: 'n', 'grid'"):
        SCHEMA.encode(renamed)
    with pytest.raises(DataError, match=r"'grid'; .* did you mean 'Grid_'\?"):
        SCHEMA.encode(Table({("Grid_" if k == "grid" else k): v for k, v in TABLE.columns.items()}))


def test_tables_without_names_are_matched_by_position():
    x = RNG.normal(size=(N, 3))
    schema, _ = infer(read(x), context=["x1"])
    encoded = schema.encode(read(x + 1))
    np.testing.assert_array_equal(encoded.x, (x + 1)[:, [0, 2]])
    np.testing.assert_array_equal(schema.encode(read(x[:, [0, 2]]), context="ignored").x, x[:, [0, 2]])
    with pytest.raises(DataError, match="has 4, so they cannot be matched by position: expected 3"):
        schema.encode(read(np.ones((N, 4))))
    with pytest.raises(DataError, match="fitted to a table without names"):
        schema.encode(Table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int8", "str", "object"])
def test_other_dtypes_are_accepted(dtype):
    n = TABLE.columns["n"] // 2
    values = n.astype(str).astype(object) if dtype in ("str", "object") else n.astype(dtype)
    encoded = SCHEMA.encode(Table({**TABLE.columns, "n": values}))
    np.testing.assert_array_equal(encoded.x[:, 2], n)


def test_contradicting_rows_are_impossible():
    copy, same = TABLE.columns["copy"].copy(), TABLE.columns["same"].copy()
    copy[3] += 0.01
    same[5] = 4
    encoded = SCHEMA.encode(Table({**TABLE.columns, "copy": copy, "same": same}))
    assert np.flatnonzero(encoded.impossible).tolist() == [3, 5]
    assert "2 rows contradict the constant or determined columns 'copy', 'same'" in encoded.warnings[0]


def test_values_off_the_grid_are_told():
    n = TABLE.columns["n"] + 0.5
    encoded = SCHEMA.encode(Table({**TABLE.columns, "n": n}))
    assert encoded.warnings == (
        f"column 'n' has 40 values off its grid of 1, the first {n[0]:g}: they are taken for the nearest on it",
    )


def test_missing_and_infinite_values_are_counted_or_dropped():
    x, y = TABLE.columns["x"].copy(), TABLE.columns["y"].copy()
    sex = TABLE.columns["sex"].copy()
    x[[0, 1]], x[2], y[2], sex[7] = np.nan, np.inf, -np.inf, None
    holes = Table({**TABLE.columns, "x": x, "y": y, "sex": sex})
    with pytest.raises(DataError, match="4 rows of 40 miss values or hold infinite ones") as caught:
        SCHEMA.encode(holes)
    for part in ("'x' 2 missing and 1 infinite", "'y' 1 infinite", "'sex' 1 missing", "drop_missing=True"):
        assert part in str(caught.value)
    encoded = SCHEMA.encode(holes, drop_missing=True)
    assert encoded.rows.tolist() == [i for i in range(N) if i not in (0, 1, 2, 7)]
    assert len(encoded.x) == len(encoded.impossible) == 36
    assert encoded.warnings[0].startswith("4 rows of 40 left out")


def test_no_complete_row_is_an_error_even_when_dropping():
    empty = Table({**TABLE.columns, "x": np.full(N, np.nan)})
    with pytest.raises(DataError, match="every row misses values"):
        SCHEMA.encode(empty, drop_missing=True)


def test_text_in_a_number_column_is_named():
    x = TABLE.columns["x"].astype(object)
    x[11] = "1,5"
    with pytest.raises(DataError, match="column 'x' holds text in row 12: '1,5'; expected a number"):
        SCHEMA.encode(Table({**TABLE.columns, "x": x}))


def test_unseen_categories_are_named():
    sex = TABLE.columns["sex"].copy()
    sex[4] = "X"
    with pytest.raises(DataError, match=r"column 'sex' holds 'X' in row 5, .* it knows 'F', 'M'"):
        SCHEMA.encode(Table({**TABLE.columns, "sex": sex}))


def test_context_for_draws():
    one = SCHEMA.encode_context({"sex": "M", "flag": "true"}, 3)
    assert one is not None
    assert one.tolist() == [[1, 1]] * 3
    several = SCHEMA.encode_context(TABLE, N)
    np.testing.assert_array_equal(several, SCHEMA.encode(TABLE).context)
    by_position = SCHEMA.encode_context([["F", False]], 1)  # in the table's order
    assert by_position is not None
    assert by_position.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "needs context: give values for 'flag', 'sex'"),
        ({"flag": True, "Sexx": "M"}, r"lacks 1 column of the 2 needed: 'sex'; .* did you mean 'Sexx'"),
        ({"flag": True, "sex": "X"}, "holds 'X' in row 1"),
        ({"flag": True, "sex": None}, "misses values"),
        ({"flag": [True, False], "sex": ["M", "F"]}, "the context has 2 rows: expected 1, or 5"),
    ],
)
def test_context_that_does_not_fit(source, says):
    with pytest.raises(DataError, match=says):
        SCHEMA.encode_context(source, 5)


def test_context_where_none_is_declared():
    schema = Schema((Column("x", "real"),))
    assert schema.encode_context(None, 5) is None
    with pytest.raises(DataError, match="fitted without context"):
        schema.encode_context({"x": 1}, 5)


def test_numeric_labels_match_whatever_their_spelling():
    values = np.array([0.1, 0.2] * 10, dtype=np.float32)
    schema, _ = infer(Table({"x": RNG.normal(size=20), "k": values}), ["k"], {"k": "categorical"})
    encoded = schema.encode(Table({"x": np.ones(20), "k": values}))
    assert encoded.context is not None
    assert encoded.context[:2, 0].tolist() == [0, 1]
    back = schema.decode(encoded.x, encoded.context)["k"]
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "uint64"]),
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    bounds=st.sampled_from([("real", None, None), ("positive", 0.1, None), ("bounded", 0.1, 100.7)]),
)
def test_decoded_numbers_are_of_the_dtype_and_within_bounds(dtype, values, bounds):
    kind, lower, upper = bounds
    schema = Schema((Column("x", kind, dtype, lower=lower, upper=upper),))
    x = schema.decode(np.array(values)[:, None])["x"]
    assert x.dtype == dtype
    wide = x.astype(np.float64)
    assert (wide >= (-np.inf if lower is None else lower)).all()
    assert (wide <= (np.inf if upper is None else upper)).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_survive_encode_and_decode(data):
    dtypes = ["float32", "float64", "int8", "uint16", "int64"]
    columns = {}
    for name in "abc"[: data.draw(st.integers(1, 3))]:
        dtype = data.draw(st.sampled_from(dtypes))
        element = st.integers(0, 100) if dtype[0] in "iu" else st.floats(-1e6, 1e6, width=32)
        columns[name] = np.array(data.draw(st.lists(element, min_size=12, max_size=12)), dtype=dtype)
    columns["always"] = np.arange(12.0) ** 2
    schema, _ = infer(Table(columns))
    encoded = schema.encode(Table(columns))
    assert not encoded.impossible.any()
    back = schema.decode(encoded.x)
    copies = {d.column.name for d in schema.dropped if d.source}
    for name, values in columns.items():
        assert back[name].dtype == values.dtype
        if name in copies:
            np.testing.assert_allclose(back[name], values, atol=1e-5 * values.std(), rtol=0)
        else:
            np.testing.assert_array_equal(back[name], values)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False))) == schema


def test_edit_changes_one_column():
    schema = SCHEMA.edit("y", kind="bounded", lower=1, upper=2, unit="mm")
    y = schema.columns[1]
    assert (y.kind, y.lower, y.upper, y.unit, y.dtype) == ("bounded", 1, 2, "mm", "float32")
    assert schema.columns[0] == SCHEMA.columns[0]
    assert schema.edit("y", kind="real").columns[1].lower is None
    assert SCHEMA.edit("grid", step=None).columns[3].step is None
    assert SCHEMA.edit("sex", unit="letter").context[1].unit == "letter"
    assert SCHEMA.edit("same", unit="m").dropped[1].column.unit == "m"


@pytest.mark.parametrize(
    ("name", "change", "error", "says"),
    [
        ("Y", {"unit": "m"}, UsageError, r"no column 'Y'; did you mean 'y'\?"),
        ("y", {"kind": "integral"}, DataError, "there is no kind 'integral'"),
        ("y", {"kind": "bounded", "lower": 1}, DataError, "needs both lower and upper, got lower=1 and upper=None"),
        ("y", {"kind": "bounded", "lower": 2, "upper": 1}, DataError, "lower must be below upper"),
        ("x", {"lower": 0.0}, DataError, "a real column has no bounds"),
        ("y", {"step": -1.0}, DataError, "step must be above 0"),
        ("y", {"lower": float("nan")}, DataError, "must be finite"),
        ("n", {"step": 0.5}, DataError, "an integer column has step 1"),
        ("y", {"kind": "categorical"}, UsageError, "when inferring the schema"),
        ("sex", {"kind": "real"}, UsageError, "when inferring the schema"),
    ],
)
def test_edits_that_contradict_are_refused(name, change, error, says):
    with pytest.raises(error, match=says):
        SCHEMA.edit(name, **change)


def test_json_round_trip():
    assert Schema.from_json(json.loads(json.dumps(SCHEMA.to_json(), allow_nan=False))) == SCHEMA


def _set(path, value):
    """A damaged copy of the schema's JSON."""
    data = json.loads(json.dumps(SCHEMA.to_json()))
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "schema in this run is damaged: expected object, got null"),
        ({}, "format is damaged: expected int, got null"),
        (_set(["format"], 2), "has format 2, and this version of fluvial reads 1"),
        (_set(["format"], True), "format is damaged: expected int, got bool"),
        (_set(["class"], "os.system"), "a field 'class' that this version of fluvial does not know"),
        (_set(["columns"], {}), "at columns, expected array, got object"),
        (_set(["columns"], []), "at least one column"),
        (_set(["columns", 0, "kind"], "os.system"), "there is no kind 'os.system'"),
        (_set(["columns", 0, "dtype"], "object"), "the dtype 'object' is none of"),
        (_set(["columns", 0, "dtype"], "O,M8[ns]"), "is none of"),
        (_set(["columns", 0, "lower"], "0"), r"at columns\[0\]\.lower, expected float | null, got str"),
        (_set(["columns", 0, "step"], float("inf")), "bounds and step must be finite"),
        (_set(["columns", 0, "step"], 10**400), "out of range"),
        (_set(["columns", 0, "name"], 3), r"at columns\[0\]\.name, expected str, got int"),
        (_set(["columns", 0, "name"], "sex"), "does not name each of its columns once"),
        (_set(["columns", 0, "categories"], ["a"]), "only a categorical column has categories"),
        (_set(["context", 1, "categories"], ["M", ["F"]]), r"at context\[1\]\.categories\[1\], expected .*, got array"),
        (_set(["context", 1, "categories"], ["M", "M"]), "must be distinct and of one type"),
        (_set(["context", 1, "dtype"], "float64"), "categories of 'sex' are not float64"),
        (_set(["columns", 0, "colour"], 1), "a field 'colour'"),
        (_set(["dropped", 0, "offset"], 1e301), "at most 1e\\+300"),
        (_set(["dropped", 0, "source"], "z"), "said to follow 'z'"),
        (_set(["dropped", 0, "slope"], None), r"at dropped\[0\]\.slope, expected float, got null"),
        (_set(["order"], ["x"]), "does not name each"),
    ],
)
def test_damaged_or_hostile_json_gets_a_sentence(data, says):
    with pytest.raises(RunError, match=says):
        Schema.from_json(data)


def test_categorical_columns_come_back_as_labels():
    schema = Schema(
        (Column("s", "categorical", "str", categories=("a", "b")), Column("n", "integer", "int64", step=1.0))
    )
    encoded = schema.encode(Table({"s": np.array(["b", "a"], dtype=object), "n": np.array([3, 4])}))
    assert encoded.x.tolist() == [[1.0, 3.0], [0.0, 4.0]]
    assert {k: v.tolist() for k, v in schema.decode(encoded.x).items()} == {"s": ["b", "a"], "n": [3, 4]}
    assert schema.encode_first({"s": "b"}).tolist() == [1.0]
    assert list(schema.decode_first(encoded.x[:, :1])) == ["s"]
    with pytest.raises(DataError, match="give the first ones"):
        schema.encode_first({"n": 3})


def test_derived_values_keep_to_their_grid():
    derived = Derived(Column("c", "real", step=0.5), "x", slope=1.0000001)
    assert derived.values(np.array([0.5, 1.0])).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(("upper", "kind"), [(0.3, "bounded"), (360.0, "circular")])
def test_the_last_value_of_a_grid_is_within_its_bounds(upper, kind):
    values = np.arange(round(upper / 0.1) + (kind == "bounded")) / 10  # 3 * 0.1 is more than 0.3
    table = Table({"a": np.tile(values, 40), "x": np.arange(40 * len(values)) ** 0.5})
    schema, _ = infer(table, kinds={"a": (kind, 0, upper)}, cells=True, drop_missing=False)
    assert not schema.encode(table).impossible.any()
