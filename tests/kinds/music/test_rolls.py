"""Piano rolls from files: MATLAB's as scipy reads them, 0 and 1 alone, and sentences for all else."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from fluvial.core.errors import DataError
from fluvial.data.matlab import read_cells
from fluvial.kinds.music.rolls import is_rolls, read_rolls

PIECE = np.array([[0, 1, 0], [1, 1, 0]])


def cell(*matrices: object) -> np.ndarray:
    values = np.empty((1, len(matrices)), dtype=object)
    values[0, :] = matrices
    return values


def mat(path: Path, packed: bool = False, **variables: object) -> Path:
    savemat(path, variables, do_compression=packed)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["f8", "f4", "u1", "i2", "?", "u8"])
def test_matlab_files_are_read_as_scipy_writes_them(tmp_path: Path, packed: bool, kind: str):
    # one column and none: how a size is packed, and what is empty
    matrices = [np.arange(12).reshape(4, 3).astype(kind), np.ones((1, 1), kind), np.zeros((0, 3), kind)]
    path = mat(tmp_path / "x.mat", packed, other={"a": 1}, traindata=cell(*matrices), text="no cell")
    found = read_cells(path, ["traindata", "testdata"])
    assert list(found) == ["traindata"]
    for got, want in zip(found["traindata"], matrices, strict=True):
        assert got.shape == want.shape
        assert np.array_equal(got, want)


@pytest.mark.parametrize("value", [np.nan, 0.9, 257, -1, 1e9, np.inf, 2**53 + 1])
def test_what_is_neither_0_nor_1_is_refused_before_any_cast(tmp_path: Path, value: float):
    wrong = PIECE.astype(np.asarray(value).dtype)
    wrong[1, 2] = value
    path = mat(tmp_path / "x.mat", traindata=cell(PIECE, wrong))
    with pytest.raises(DataError, match=r"x\.mat: piece 2 of traindata: expected 0 and 1, .* got "):
        read_rolls(path)
    np.savez(tmp_path / "x.npz", rolls=wrong, length=[2])
    with pytest.raises(DataError, match=r"x\.npz: 'rolls': expected 0 and 1, .* got "):
        read_rolls(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": 1}, "expected a cell of matrices, got a struct"),
        ("text", "expected a cell of matrices, got text"),
        (PIECE, "expected a cell of matrices, got numbers"),
        (cell("text"), "number 1: expected a matrix of real numbers, got text"),
        (cell(PIECE, cell(PIECE)), "number 2: expected a matrix of real numbers, got a cell"),
        (cell(PIECE * 1j), "got complex numbers"),
        (cell(sparse.csc_matrix(PIECE)), "got a sparse matrix"),
        (cell(PIECE, PIECE[:, :2]), "as wide as those before it, 3, got shape"),
        (cell(PIECE[:0]), r"expected \(steps, notes\), got shape \(0, 3\)"),
        (cell(), "expected cells traindata, validdata, testdata of"),
    ],
)
def test_other_things_in_matlab_files_are_sentences(tmp_path: Path, value: object, said: str):
    with pytest.raises(DataError, match=rf"x\.mat.*{said}"):
        read_rolls(mat(tmp_path / "x.mat", traindata=value))


def test_other_versions_of_matlab_files_are_told(tmp_path: Path):
    savemat(tmp_path / "4.mat", {"traindata": PIECE}, format="4")
    whole = mat(tmp_path / "5.mat", traindata=cell(PIECE)).read_bytes()
    (tmp_path / "7.3.mat").write_bytes(whole[:124] + b"\0\2IM\x89HDF\r\n")
    for name, said in (("4.mat", "of versions 5 to 7$"), ("7.3.mat", "of versions 5 to 7; save it with -v7")):
        with pytest.raises(DataError, match=said):
            read_rolls(tmp_path / name)


def test_small_matlab_files_cannot_fill_a_memory_or_a_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLUVIAL_LIMIT", "100000")
    path = mat(tmp_path / "x.mat", packed=True, traindata=cell(np.zeros((1000, 1000))))
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match=r"x\.mat fills more than 100,000 bytes"):
        read_rolls(path)
    monkeypatch.delenv("FLUVIAL_LIMIT")

    def element(kind: int, size: int) -> bytes:
        return struct.pack("<II", kind, size)

    head = element(6, 8) + struct.pack("<II", 1, 0) + element(5, 8) + struct.pack("<II", 1, 1)
    levels, inner = 30_000, len(head) + 8
    nested = b"".join(
        element(14, inner + (levels - i) * (8 + inner)) + head + element(1, 0) for i in range(levels)
    )  # cells in cells
    named = element(14, inner + 16 + len(nested)) + head + element(1, 9) + b"traindata".ljust(16, b"\0")
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + named + nested)
    with pytest.raises(DataError, match=r"x\.mat"):
        read_rolls(path)


WRONG = {
    "length": [np.array(["a"]), np.array(2), np.array([2**62, 2**62, 2]), np.array([2.0]), np.array([[2]])],
    "rolls": [np.array(1), PIECE.astype(str), PIECE * 1j, PIECE[None], PIECE.astype("M8[s]")],
    "split": [np.array(["train", "test"]), np.array("train"), np.array(["other"]), np.array([b"\xff"])],
}


@pytest.mark.parametrize(("name", "case"), [(name, i) for name, cases in WRONG.items() for i in range(len(cases))])
def test_archives_of_the_wrong_types_are_sentences(tmp_path: Path, name: str, case: int):
    arrays = {"rolls": PIECE, "length": np.array([2]), "split": np.array(["train"])}
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    assert is_rolls(path)
    assert read_rolls(path).pieces[0].tolist() == PIECE.tolist()
    np.savez(path, **(arrays | {name: WRONG[name][case]}))
    with pytest.raises(DataError, match=r"x\.npz"):
        read_rolls(path)
