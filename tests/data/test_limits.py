"""The guard of all readers: what is no regular file, too much, or damaged ends in a sentence that names the file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fluvial.core.errors import DataError, UsageError
from fluvial.data.arrays import npz_heads, read_npy, read_npz
from fluvial.data.limits import DEFAULT, LINE, VARIABLE, decoding, limit, lines, open_regular, unpacked

PACK = {"a.txt": bytes, "a.gz": gzip.compress, "a.bz2": bz2.compress, "a.xz": lzma.compress}


def test_the_limit_is_set_by_a_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert limit() == DEFAULT
    monkeypatch.setenv(VARIABLE, " 4096 ")
    assert limit() == 4096
    for wrong in ("1e9", "0", "-5", "much", "٣"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(UsageError, match=f"{VARIABLE}: expected a number of bytes"):
            limit()


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path):
    pipe, link = tmp_path / "pipe.csv", tmp_path / "link.csv"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path, what in ((pipe, "a pipe"), (link, "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        with pytest.raises(DataError, match=f"{path.name} is {what}: expected a file"):
            open_regular(path)
    for missing in (tmp_path / "none", tmp_path / ("n" * 300), Path("a\0b")):
        with pytest.raises(DataError, match="cannot be read"):
            open_regular(missing)


@pytest.mark.parametrize("name", PACK)
def test_what_is_unpacked_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(VARIABLE, "5000")
    path = tmp_path / name
    path.write_bytes(PACK[name](b"x" * 5000))
    with unpacked(path) as file:
        assert file.read() == b"x" * 5000
        file.seek(0)
        assert file.read(10) == b"x" * 10
    path.write_bytes(PACK[name](b"x" * 5001))
    with unpacked(path) as file, pytest.raises(DataError, match=rf"{name} fills more than 5,000 bytes.*{VARIABLE}"):
        file.read()


@pytest.mark.parametrize("name", [n for n in PACK if n != "a.txt"])
def test_damage_to_what_is_packed_is_a_sentence(tmp_path: Path, name: str):
    path = tmp_path / name
    whole = PACK[name](bytes(range(256)) * 20)
    for damaged in (whole[: len(whole) // 2], b"plain text", whole[:30] + bytes(20) + whole[50:]):
        path.write_bytes(damaged)
        with unpacked(path) as file, pytest.raises(DataError, match=f"{name} is not a whole .* file: "):
            file.read()


def test_lines_end_where_no_table_goes_on(tmp_path: Path):
    text = io.StringIO("a,b\n1,2\n" + "x" * (LINE + 1))
    read = lines(tmp_path / "t.csv", text)
    assert [next(read), next(read)] == ["a,b\n", "1,2\n"]
    with pytest.raises(DataError, match=r"t.csv, line 3 is longer than 4,194,304 characters"):
        next(read)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "more memory than there is"),
        (ValueError("Object arrays cannot be loaded when allow_pickle=False"), "Python objects"),
        (RuntimeError("one\ntwo"), "one$"),
        (KeyError("a\x1b[31m"), r"a\\x1b"),
        (RecursionError(), "RecursionError$"),
        (ValueError("long" * 999), "…$"),
    ],
)
def test_whatever_a_decoder_raises_is_one_line(error: Exception, said: str):
    with pytest.raises(DataError, match=f"f.npy is not an array: .*{said}") as caught, decoding("f.npy", "an array"):
        raise error
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


def head(text: str, version: bytes = b"\1\0") -> bytes:
    """An .npy file's head with this dictionary."""
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


HEADS = {
    "claims": head("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "negative": head("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8), }"),
    "nothing wide": head("{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "objects": head("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"),
    "brackets": head("((("),
    "nested": head("(" * 9000),
    "no dictionary": head("3"),
    "version": head("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", b"\7\0") + bytes(8),
    "endless": b"\x93NUMPY\2\0" + b"\xff\xff\xff\xff{",
    "no such characters": head("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }") + b"\xff" * 4,
    "empty": b"",
    "text": b"a,b\n1,2\n",
    "axes": head("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "1," * 255 + "), }") + b"1",
}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("case", HEADS)
def test_heads_of_arrays_are_not_believed(tmp_path: Path, case: str, mapped: bool):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADS[case])
    if not (mapped and case == "no such characters"):  # which are looked at when they are read
        with pytest.raises(DataError, match=r"a\.npy"):
            read_npy(path, mapped)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", HEADS[case])
    with pytest.raises(DataError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("order", ["C", "F"])
def test_whole_arrays_come_back(tmp_path: Path, order: str):
    array = np.asarray(np.arange(24.0).reshape(2, 3, 4), order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", x=array, y=np.array(["é", "b"]))
    for mapped in (False, True):
        assert np.array_equal(read_npy(tmp_path / "a.npy", mapped), array)
    assert {k: v.tolist() for k, v in read_npz(tmp_path / "a.npz").items()} == {"x": array.tolist(), "y": ["é", "b"]}
    assert npz_heads(tmp_path / "a.npz") == {"x": ((2, 3, 4), np.dtype("f8")), "y": ((2,), np.dtype("<U1"))}
    with pytest.raises(DataError, match="has no array 'z'; it has x, y"):
        read_npz(tmp_path / "a.npz", ["z"])


def test_archives_that_unpack_to_too_much_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000), y=np.zeros(1000))
    monkeypatch.setenv(VARIABLE, "10000")
    assert read_npz(tmp_path / "a.npz", ["x"])["x"].shape == (1000,)
    with pytest.raises(DataError, match=r"a.npz fills more than 10,000 bytes"):
        read_npz(tmp_path / "a.npz")


def test_archives_that_no_one_can_read_are_sentences(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))
    whole = bytearray(path.read_bytes())
    entry = whole.index(b"PK\1\2")
    for local, central, value in ((6, 8, 1), (8, 10, 97)):  # encrypted; a compression that does not exist
        damaged = whole.copy()
        damaged[local], damaged[entry + central] = value, value
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a.npz.* is not a whole"):
            read_npz(path)
