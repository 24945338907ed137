"""CSV: delimiter, header, types of cells, and the sentences for broken files."""

import bz2
import csv
import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.core.errors import DataError
from fluvial.data import infer, read
from fluvial.data.tokens import MISSING, read_cells


@pytest.fixture
def table_of(tmp_path):
    def parse(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(path)

    return parse


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_and_newlines(table_of, delimiter, newline):
    lines = ["a b,c", "1,2.5", "3,-4e-1"]
    table = table_of(newline.join(line.replace(",", delimiter) for line in lines))
    assert table.names == ("a b", "c")
    assert table.columns["a b"].dtype == np.int64
    assert table.columns["c"].tolist() == [2.5, -0.4]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n3,4\n", True),
        ("1,2\n3,4\n", False),
        ("M,1\nF,2\nM,3\n", False),  # text over text says nothing
        ("name,2019\nM,1\nF,2\n", False),  # likewise; 2019 is a number
        ("sex,rings\nM,1\nF,2\n", True),
        ("first,second\nx,y\nz,y\n", True),  # all text, the first line's cells only there
        ("x,y\nx,z\n", False),
        ("length\n1\n2\n", True),
        ("1\n2\n", False),
        ("a,b\n,\n1,2\n", True),
        ("true,1\nfalse,2\n", False),
        ('"quoted, name",b\n1,2\n', True),
    ],
)
def test_header_is_found(table_of, text, header):
    assert table_of(text).header is header


def test_header_less_columns_are_numbered_and_keep_their_first_row(table_of):
    table = table_of("M,1\nF,2\n")
    assert {k: v.tolist() for k, v in table.columns.items()} == {"x0": ["M", "F"], "x1": [1, 2]}


def test_cells_become_the_narrowest_type(table_of):
    table = table_of("i,f,b,s,gap,none\n1,1.0,true,u,1,\n2,2.0,False,é,,NA\n3,inf,TRUE,w,3,?\n")
    kinds = {name: values.dtype.kind for name, values in table.columns.items()}
    assert kinds == {"i": "i", "f": "f", "b": "b", "s": "O", "gap": "f", "none": "f"}
    assert table.columns["s"].tolist() == ["u", "é", "w"]
    assert np.isnan(table.columns["gap"][1])
    assert np.isnan(table.columns["none"]).all()


def test_missing_text_is_none(table_of):
    assert table_of("s,x\nu,1\nNA,2\n").columns["s"].tolist() == ["u", None]


def test_byte_order_mark_blank_lines_and_missing_last_newline(table_of):
    table = table_of("\ufeffa,b\n\n1,2\n\n3,4")
    assert table.names == ("a", "b")
    assert len(table) == 2


def test_gzip(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n", mtime=0))
    assert read(path).columns["b"].tolist() == [2]


def test_more_rows_than_a_block(table_of):
    table = table_of("a,b\n" + "\n".join(f"{i},{i}.5" for i in range(100_001)))
    assert table.columns["a"][-1] == 100_000
    assert table.columns["b"].sum() == pytest.approx(sum(range(100_001)) + 0.5 * 100_001)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 cells where the first line has 2"),
        ("a,b\n", "a header and no rows"),
        ("a,a\n1,2\n", "several columns called 'a'"),
        ("\n\n", "is empty"),
        ("<html>\n<p>no table</p>\n", "as HTML, XML or JSON does"),
        ('{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "as HTML, XML or JSON does"),
        ("Report\na,b\n" + "1,2.5\n3,4.5\n" * 9, "the first line has 1 cells where the others have 2"),
        (b"a,b\n\x81\xfe,1\n", "not text in UTF-8"),
    ],
)
def test_broken_text_gets_a_sentence(table_of, content, says):
    with pytest.raises(DataError, match=says):
        table_of(content)


@pytest.mark.parametrize("content", [b"not gzip at all", gzip.compress(b"a,b\n1,2\n" * 999, mtime=0)[:40]])
def test_broken_gzip_gets_a_sentence(table_of, content):
    with pytest.raises(DataError, match=r"is not a whole \.gz file"):
        table_of(content, "t.csv.gz")


def lines_of(*rows, times=12):
    """A header and rows, the rows repeated."""
    return "\n".join([rows[0], *rows[1:] * times]) + "\n"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (lines_of("z,x", "02116,1.5", "10001,2.5"), ["02116", "10001"]),
        (lines_of("z,x", "1_10,1.5", "2_11,2.5"), ["1_10", "2_11"]),
        (lines_of("z,x", "2e2,1.5", "1e1,2.5"), ["2e2", "1e1"]),
        (lines_of("z,x", "2e2,1.5", "1a7,2.5", "17,3.5"), ["2e2", "1a7", "17"]),
        (lines_of("z,x", "0x1F,1.5", "0x2A,2.5"), ["0x1F", "0x2A"]),
        (lines_of("z,x", "+4930,1.5", "+4940,2.5"), ["+4930", "+4940"]),
        (lines_of("z,x", f"{2**64},1", f"{2**64 + 1},2"), [str(2**64), str(2**64 + 1)]),
        (lines_of("z,x", "9007199254740993,1", ",2"), ["9007199254740993", None]),
        (lines_of("z,x", "4e4444,1.5", "1e2,2.5"), ["4e4444", "1e2"]),
        (lines_of("z,x", "+3,1.5", "-2,2.5"), [3, -2]),
        (lines_of("z,x", "1e+20,1.5", "2e-7,2.5"), [1e20, 2e-7]),
        (lines_of("z,x", '"1,234",1.5', '"7",2.5'), [1234, 7]),
        (lines_of("z,x", '"1,234.5",1.5', '"-7",2.5'), [1234.5, -7]),
        (lines_of("z,x", "$3.50,1.5", "$12,2.5"), [3.5, 12]),
        (lines_of("z,x", "12 %,1.5", "7.5 %,2.5"), [12, 7.5]),
        (lines_of("z,x", "1\u00a0234,1.5", "7,2.5"), [1234, 7]),
        (lines_of("z,x", "−5,1.5", "3,2.5"), [-5, 3]),
        (lines_of("z,x", "(5),1.5", "3,2.5"), [-5, 3]),
        (lines_of("z;x", "5,25;1,5", "6,5;2,5"), [5.25, 6.5]),
        (lines_of("z;x", "1.234,5;1,5", "6,5;2,5"), [1234.5, 6.5]),
        (lines_of("z\tx", "5,251\t1,5", "6,500\t2,5"), [5.251, 6.5]),
        (lines_of("z;x", "1.234;1,5", "2.000;2,5"), [1234, 2000]),
        (lines_of("z,x", "1.234.567,1.5", "2.000,2.5"), [1234567, 2000]),
    ],
)  # fmt: skip
def test_what_does_not_print_back_is_a_code_or_read_by_a_rule_that_is_told(table_of, text, values):
    table = table_of(text)
    assert table.columns["z"][: len(values)].tolist() == values
    if not isinstance(values[0], str) and str(values[0]) not in text and "e" not in str(values[0]):
        assert any("'z' is read as numbers with" in note for note in table.notes)
    assert table.columns["x"].dtype.kind in "if"


@pytest.mark.parametrize(
    "text",
    [
        "a|b\n1|2.5\n3|4.5\n",
        "a b\n1 2.5\n3 4.5\n",
        "  a      b\n  1    2.5\n 3   4.5\n",
        "# a b\n1.0e+00 2.5e+00\n3.0e+00 4.5e+00\n",
        "#a\tb\n1\t2.5\n3\t4.5\n",
        "sep=;\na;b\n1;2.5\n3;4.5\n",
        "# made by the lab\n# on a Sunday\na,b\n1,2.5\n3,4.5\n# the end\n",
        ",a,b\n0,1,2.5\n1,3,4.5\n",
        '"a","b"\n"r1",1,2.5\n"r2",3,4.5\n',
        "a,b,\n1,2.5,\n3,4.5,\n",
        "a,b\n1,2.5,\n3,4.5,\n",
        "a;b\n1;2,5\n3;4,5\n",
        "a b\n1 2,5\n3 4,5\n",
        "'a','b'\n'1','2.5'\n'3','4.5'\n",
        "a~b\n1~2.5\n3~4.5\n",
        "a,b\r1,2.5\r3,4.5\r",
    ],
)
def test_layouts_of_one_table(table_of, text):
    table = table_of(text)
    assert {name: values.tolist() for name, values in table.columns.items()} == {"a": [1, 3], "b": [2.5, 4.5]}
    assert table.header


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-32", "UTF-32"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_encodings_are_found_and_told(table_of, encoding, says):
    table = table_of("größe,name\n1.5,Zoë\n2.5,Ann\n".encode(encoding))
    assert table.columns["name"].tolist() == ["Zoë", "Ann"]
    assert table.names[0] == "größe"
    assert (says in table.notes[0]) if says else not table.notes


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (lines_of("2019,2020,2021", "5.25,123.5,7", "4.75,120.5,8"), ("2019", "2020", "2021")),
        (lines_of("city,2019,2020", "Ulm,5.25,123.5", "Bonn,4.75,120.5"), ("city", "2019", "2020")),
        (lines_of("0,1", "5.25,123.5", "4.75,120.5"), ("0", "1")),
        (lines_of(",".join(map(str, range(12))), ",".join("3" * 12), ",".join("7" * 12)), tuple(map(str, range(12)))),
        (lines_of("1,2,3", "2,1,3", "3,2,1"), None),
        (lines_of("5.1,3.5", "4.9,3.0"), None),
        (lines_of("2019,5.25", "2020,4.75"), None),
    ],
)
def test_numbers_are_names_only_by_rule(table_of, text, names):
    table = table_of(text)
    assert table.header is (names is not None)
    if names:
        assert table.names == names


def test_quoted_words_are_labels_and_bare_ones_missing(table_of):
    table = table_of(lines_of("c,x", '"NA",1.5', "NA,2.5", "DE,3.5"))
    assert table.columns["c"][:3].tolist() == ["NA", None, "DE"]
    assert table.labels("c")[:3].tolist() == ["NA", "NA", "DE"]
    quoted = table_of('"c","x"\n' + '"NA","1.5"\n"DE","2.5"\n' * 9)  # whatever is quoted, quotes say nothing
    assert quoted.columns["c"][:2].tolist() == [None, "DE"]


def test_lines_of_other_lengths_are_counted_in_one_sentence(table_of):
    with pytest.raises(DataError, match=r"line 3: 1 cells where the first line has 2; line 5: 3 cells, line 6"):
        table_of("a,b\n1,2\n3\n4,5\n6,7,8\n9\n")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_text(tmp_path, pack):
    path = tmp_path / f"t.csv.{ {gzip.compress: 'gz', bz2.compress: 'bz2', lzma.compress: 'xz'}[pack] }"
    path.write_bytes(pack(b"a,b\n1,2.5\n"))
    assert read(path).columns["b"].tolist() == [2.5]
    path.write_bytes(pack(b"a,b\n1,2.5\n" * 999)[:-20])
    with pytest.raises(DataError, match="not a whole"):
        read(path)


def test_archives_of_one_table_and_of_several(tmp_path):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/one.csv", "a,b\n1,2.5\n")
        archive.writestr("__MACOSX/._one.csv", "junk")
    assert read(path).columns["b"].tolist() == [2.5]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("two.csv", "a,b\n3,4.5\n")
    with pytest.raises(DataError, match=r"'data/one\.csv', 'two\.csv'; name one as t\.zip:data/one\.csv"):
        read(path)
    assert read(f"{path}:two.csv").columns["b"].tolist() == [4.5]


FLOATS = st.floats(allow_nan=False, width=64)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)
WORDS = TEXT.filter(lambda t: t not in MISSING and read_cells(t).values.dtype == object and t[0] not in "#%")
COLUMNS = st.one_of(
    st.lists(FLOATS | st.none(), min_size=30, max_size=30),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=30, max_size=30),
    st.lists(st.integers(-(2**53), 2**53) | st.none(), min_size=30, max_size=30),
    st.lists(st.booleans(), min_size=30, max_size=30),
    st.lists(WORDS | st.none(), min_size=30, max_size=30),
)


def write_python(columns, path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))


def write_pandas(columns, path):
    pd.DataFrame({k: pd.array(v, dtype="Int64") if _whole(v) else v for k, v in columns.items()}).to_csv(
        path, index=False
    )


def _whole(values):
    return all(isinstance(v, int) and not isinstance(v, bool) for v in values if v is not None)


@settings(max_examples=40, deadline=None)
@given(
    columns=st.lists(COLUMNS, min_size=2, max_size=4),
    writer=st.sampled_from([write_python, write_pandas, lambda c, p: pl.DataFrame(c).write_csv(p)]),
)
def test_what_is_written_is_read(tmp_path_factory, columns, writer):
    named = {f"name{j}": values for j, values in enumerate(columns)}
    path = tmp_path_factory.mktemp("written") / "t.csv"
    writer(named, path)
    table = read(path)
    assert table.names == tuple(named)
    for name, values in named.items():
        found = [None if v is None or v != v else v for v in table.columns[name].tolist()]
        assert found == values, (name, table.readings[name].why)


def test_one_column_with_decimal_commas_is_one_column(table_of):
    table = table_of("size\n" + "5,25\n6,5\n12,125\n" * 4)
    assert table.columns["size"][:3].tolist() == [5.25, 6.5, 12.125]


def test_labels_that_look_like_numbers_in_another_file_are_the_same_labels(table_of):
    schema, _ = infer(table_of(lines_of("zip,x", "02116,1.5", "10001,2.25")), context=["zip"])
    for text in ("zip,x\n10001,1.5\n", "zip,x\n10001,1.5\n,2.25\n"):
        encoded = schema.encode(table_of(text), drop_missing=True)
        assert encoded.context.tolist() == [[1]]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ([f"{i} %" for i in range(40)] + ["n/v"], "'n/v'"),
        ([f'"$1,0{i}.50"' for i in range(10, 50)] + ["call us"], "'call us'"),
        ([f'"{i},25"' for i in range(40)] + ["k.A."] * 5, "'k.A.' (5 such cells)"),
        ([f"{i}%" for i in range(40)] + [f"0.{i}" for i in range(10, 30)], "several ways, among them '0%', '0.10'"),
        ([f"${i}" for i in range(40)] + [f"€{i}" for i in range(40)], "several ways, among them '$0', '$1'"),
        (["5-10 %", "10-20 %", "1.0.3"] * 20, ""),
    ],
)
def test_numbers_as_people_write_them_with_slips_among_them_are_no_labels(
    tmp_path: Path, cells: list[str], problem: str
):
    path = tmp_path / "slips.csv"
    path.write_text("price,other\n" + "".join(f"{cell},{i / 7:.4f}\n" for i, cell in enumerate(cells)))
    assert problem in read(path).reading("price").problem
    assert bool(problem) == bool(read(path).reading("price").problem)
