"""Files of every format, written and read again, and the sentences for what cannot be."""

import io
import os
from errno import ENOSPC

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.data import as_kind, files, read, write
from fluvial.data.files import check_output, write_text

COLUMNS = {
    "file": np.array([0.1, 1 / 3, 1e300]),
    "a/b": np.array([0.1, 1 / 3, 1e30], dtype=np.float32),
    "n": np.array([1, -2, 3], dtype=np.int64),
    "b": np.array([True, False, True]),
    "s": np.array(["u", "ü, \"v\"", "u"], dtype=object),
}  # fmt: skip


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.parquet", "t.feather", "t.npz"])
def test_written_columns_are_read_back(tmp_path, name):
    write(COLUMNS, tmp_path / name)
    table = read(tmp_path / name)
    assert table.names == tuple(COLUMNS)
    for key, values in COLUMNS.items():
        np.testing.assert_array_equal(table.columns[key].astype(values.dtype), values)
    assert os.listdir(tmp_path) == [name]


def test_npy_holds_a_matrix(tmp_path):
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    write({"a": x[:, 0], "b": x[:, 1]}, tmp_path / "t.npy")
    table = read(tmp_path / "t.npy")
    assert (table.kind, table.header, table.columns["x1"].dtype) == ("npy", False, np.float32)
    with pytest.raises(DataError, match="'s' is text"):
        write(COLUMNS, tmp_path / "s.npy")
    assert os.listdir(tmp_path) == ["t.npy"]


def test_header_is_left_out_on_request(tmp_path):
    write({"a": np.array([1.5, 2.5])}, tmp_path / "t.csv", header=False)
    assert (tmp_path / "t.csv").read_text() == "1.5\n2.5\n"


@settings(max_examples=30, deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from([np.float32, np.float64]), st.integers(1, 20), elements=st.floats(width=32, allow_nan=False)
    ),
    name=st.sampled_from(["t.csv", "t.parquet", "t.npz", "t.npy"]),
)
def test_every_float_survives_a_file(tmp_path_factory, values, name):
    path = tmp_path_factory.mktemp("floats") / name
    write({"x": values}, path)
    (back,) = read(path).columns.values()
    np.testing.assert_array_equal(back.astype(values.dtype), values)


def test_npz_with_one_matrix_or_named_columns(tmp_path):
    np.savez(tmp_path / "one.npz", x=np.eye(3))
    np.savez(tmp_path / "cols.npz", a=np.arange(3), b=np.arange(3.0))
    np.savez(tmp_path / "none.npz")
    one = read(tmp_path / "one.npz")
    assert one.names == ("x0", "x1", "x2")
    np.testing.assert_array_equal(as_kind(one.columns, one.kind), np.eye(3))
    with pytest.raises(DataError, match="holds no arrays"):
        read(tmp_path / "none.npz")
    assert read(tmp_path / "cols.npz").names == ("a", "b")


def test_npz_with_several_matrices_asks_which(tmp_path):
    path = tmp_path / "several.npz"
    np.savez(path, train=np.eye(3), test=np.eye(2))
    with pytest.raises(DataError, match=r"train \(3, 3\), test \(2, 2\); pick one as several.npz:train"):
        read(path)
    assert len(read(f"{path}:test")) == 2
    with pytest.raises(DataError, match="has no array 'valid': train"):
        read(f"{path}:valid")


def test_no_such_file_names_the_nearest(tmp_path):
    (tmp_path / "abalone.csv").write_text("1\n")
    with pytest.raises(DataError, match=r"there is no file .*abalon.csv; close to it: abalone.csv"):
        read(tmp_path / "abalon.csv")
    with pytest.raises(DataError, match="nor a folder"):
        read(tmp_path / "nowhere" / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv", b"", "is empty"),
        ("t.xlsx", b"PK", "files ending in '.xlsx' are not known"),
        ("t", b"1,2", "files whose name has no ending are not known"),
        ("t.parquet", b"PAR1 and then nothing", "not a whole parquet file"),
        ("t.feather", b"ARROW1", "not a whole feather file"),
        ("t.npy", b"\x93NUMPY\x01\x00", "not a whole .np"),
        ("t.npz", b"PK\x03\x04 cut off", "not a whole .np"),
    ],
)
def test_unreadable_files_get_a_sentence(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.npy", "t.npz"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_truncated_files_get_a_sentence(tmp_path, name, share):
    path = tmp_path / name
    write({"a": np.random.default_rng(0).random(1000)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"not a whole|is damaged"):
        read(path)


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    np.save(tmp_path / "t.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "t.npz", a=np.array([Trap()], dtype=object))
    for name in ("t.npy", "t.npz"):
        with pytest.raises(DataError, match="Python objects, which fluvial never loads"):
            read(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("old\n")

    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_cells", full)
    with pytest.raises(RunError, match="No space left on device; the previous file is intact"):
        write(COLUMNS, path)
    assert (path.read_text(), os.listdir(tmp_path)) == ("old\n", ["t.csv"])


def test_a_place_for_answers_is_looked_at_before_they_are_there(tmp_path):
    data, other = tmp_path / "t.csv", tmp_path / "new.csv"
    data.write_text("a\n1\n")
    (tmp_path / "link.csv").symlink_to(data)
    for same in (data, tmp_path / "link.csv"):
        for source in (data, f"{tmp_path}/t*.csv", tmp_path):
            with pytest.raises(UsageError, match="is the table itself, which would be lost"):
                check_output(same, [str(source)])
    with pytest.raises(DataError, match="cannot be written"):
        check_output(tmp_path / "t.xyz")
    with pytest.raises(RunError, match="could not be written"):
        check_output(tmp_path / "none" / "t.csv")
    check_output(other, [str(data), "-", "\0"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.csv", "t.csv"]


def test_an_array_that_is_picked_of_a_file_is_the_file(tmp_path):
    np.savez(tmp_path / "t.npz", a=np.ones(2), b=np.ones(3))
    with pytest.raises(UsageError, match="is the table itself"):
        check_output(tmp_path / "t.npz", [f"{tmp_path / 't.npz'}:a"])


def test_a_link_is_looked_at_where_it_leads(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "none" / "t.csv")
    with pytest.raises(RunError, match=r"link\.csv could not be written: No such file or directory"):
        check_output(tmp_path / "link.csv")


def test_unknown_endings_and_missing_folders_are_refused_before_writing(tmp_path):
    with pytest.raises(DataError, match=r"'\.docx' cannot be written"):
        write(COLUMNS, tmp_path / "t.docx")
    with pytest.raises(RunError, match="could not be written: No such file or directory"):
        write(COLUMNS, tmp_path / "none" / "t.csv")


@pytest.mark.parametrize(
    "name", ["../../x", "..\\..\\x", "/etc/x", "a/../../x", "C:\\x", "a//b", "a\0b", "./x", "a/ .."]
)
def test_archives_hold_no_entry_that_leads_out_of_their_folder(tmp_path, name):
    with pytest.raises(DataError, match=r"cannot be written to \.npz"):
        write({name: np.ones(2)}, tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["km/h", "..", "a..b", "x:y", "C:", ""])
def test_other_names_go_through_archives_as_they_are(tmp_path, name):
    write({name: np.ones(2)}, tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz").files == [name]


def test_missing_numbers_are_empty_cells():
    text = io.StringIO()
    write_text({"a": np.array([1.5, np.nan]), "b": np.array([np.nan, 2], dtype=np.float32)}, text)
    assert text.getvalue() == "a,b\n1.5,\n,2.0\n"


@pytest.mark.parametrize(
    "values", [np.array([1.5, np.nan, 2.5]), np.array(["u", None, "NA"], dtype=object), np.array([np.nan, 3.0])]
)
def test_gaps_of_a_column_alone_are_rows_too(tmp_path, values):
    write({"a": values}, tmp_path / "t.csv")
    back = read(tmp_path / "t.csv").columns["a"]
    missing = [value is None or value != value for value in values.tolist()]
    assert [value is None or value != value for value in back.tolist()] == missing
    assert [str(v) for v, gap in zip(back, missing) if not gap] == [
        str(v) for v, gap in zip(values, missing) if not gap
    ]


def test_whole_numbers_with_gaps_are_written_whole():
    text = io.StringIO()
    write_text({"a": np.array([1.0, np.nan]), "b": np.array([1.0, 2.0]), "c": np.array([1.5, np.nan])}, text)
    assert text.getvalue() == "a,b,c\n1,1.0,1.5\n,2.0,\n"
