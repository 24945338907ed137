"""CSV: delimiter, header, types of cells, and the sentences for broken files."""

import gzip

import numpy as np
import pytest

from fluvial.core.errors import DataError
from fluvial.data import read


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
        (b"a,b\n\xff\xfe,1\n", "not text in UTF-8"),
    ],
)
def test_broken_text_gets_a_sentence(table_of, content, says):
    with pytest.raises(DataError, match=says):
        table_of(content)


@pytest.mark.parametrize("content", [b"not gzip at all", gzip.compress(b"a,b\n1,2\n" * 999, mtime=0)[:40]])
def test_broken_gzip_gets_a_sentence(table_of, content):
    with pytest.raises(DataError, match="cannot be read"):
        table_of(content, "t.csv.gz")
