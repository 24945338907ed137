"""numpy's files, .npy and .npz, read only after a look at their heads: a head may claim anything."""

from __future__ import annotations

import math
import os
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.limits import check_size, decoding, open_regular

_VERSIONS = ((1, 0), (2, 0), (3, 0))
_LONGEST = 1 << 20  # bytes of a head
Head = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


def read_npy(path: Path, mapped: bool = False) -> np.ndarray:
    """The array in an .npy file.

    Args:
        mapped: leave it on disk and read parts as they are asked for, whatever its size.

    Raises:
        DataError: it is not such a file, or is cut short, or it fills more than the limit.
    """
    with open_regular(path) as file, decoding(path, "a whole .npy file"):
        shape, dtype, fortran = _head(file, path)
        start = file.tell()
        need = math.prod(shape) * dtype.itemsize
        _check_whole(path, shape, dtype, os.fstat(file.fileno()).st_size - start)
        if mapped and need:
            return np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C")
        check_size(path, need)
        file.seek(0)
        return _valid(np.lib.format.read_array(file, allow_pickle=False), path)


def npz_heads(path: Path) -> dict[str, Head]:
    """The names of the arrays in an .npz file, with shape and type.

    Raises:
        DataError: it is not such a file, or is cut short.
    """
    with open_regular(path) as file, decoding(path, "a whole .npz file"), zipfile.ZipFile(file) as archive:
        found: dict[str, Head] = {}
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                with archive.open(info) as member:
                    shape, dtype, _ = _head(member, f"{path}: {info.filename}")
                    found[info.filename.removesuffix(".npy")] = shape, dtype
        return found


def read_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays in an .npz file, all or those that are named.

    Raises:
        DataError: it is not such a file, or is cut short, has no array of a name, or fills more than the limit.
    """
    with open_regular(path) as file, decoding(path, "a whole .npz file"), zipfile.ZipFile(file) as archive:
        members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
        missing = [name for name in names or () if name not in members]
        if missing:
            raise DataError(f"{path} has no array {missing[0]!r}; it has {', '.join(members) or 'none'}")
        picked = {name: members[name] for name in (members if names is None else names)}
        check_size(path, sum(info.file_size for info in picked.values()))
        return {name: _member(archive, info, f"{path}: {name}") for name, info in picked.items()}


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an .npz file; none for any other file."""
    try:
        return list(npz_heads(path))
    except DataError:
        return []


def as_words(array: np.ndarray, name: object) -> np.ndarray:
    """An array of labels, numbers or text, as text; DataError where bytes are not text."""
    with decoding(name, "an array of numbers or text"):
        return array.astype(str)


def are_lengths(lengths: np.ndarray, total: int) -> bool:
    """Whether an array says into how many pieces, each of at least one step, a sequence of ``total`` steps is cut."""
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not 0 < lengths.size <= total:
        return False
    # one by one first, so that the sum cannot overflow
    return bool(lengths.min() >= 1 and lengths.max() <= total and int(lengths.sum(dtype=np.uint64)) == total)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    with decoding(name, "a whole array"):
        with archive.open(info) as member:
            shape, dtype, _ = _head(member, name)
            _check_whole(name, shape, dtype, info.file_size - member.tell())
        with archive.open(info) as member:
            return _valid(np.lib.format.read_array(member, allow_pickle=False), name)


def _valid(array: np.ndarray, name: object) -> np.ndarray:
    """The array, unless it is text of characters that do not exist, which numpy reads and Python cannot."""
    if array.dtype.kind == "U" and array.size:
        codes = np.ascontiguousarray(array).view(array.dtype.byteorder.replace("|", "=") + "u4")
        if codes.max() > sys.maxunicode:
            raise DataError(f"{name} is damaged: it holds text of characters that do not exist")
    return array


def _head(file: Any, name: object) -> tuple[tuple[int, ...], np.dtype[Any], bool]:  # noqa: ANN401  (any open file)
    """Shape, type and whether the first axis runs fastest; the file stands where the numbers begin."""
    version = np.lib.format.read_magic(file)
    if version not in _VERSIONS:
        raise DataError(f"{name} is damaged: it says that it is an array of version {version}")
    if version != (1, 0):
        at = file.tell()
        if int.from_bytes(file.read(4), "little") > _LONGEST:  # which numpy would read before it looks
            raise DataError(f"{name} is damaged: its head says that it is longer than {_LONGEST:,} bytes")
        file.seek(at)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which fluvial never loads")
    if any(n < 0 for n in shape) or not dtype.itemsize:
        raise DataError(f"{name} is damaged: its head says {shape} of {dtype}")
    return shape, dtype, fortran


def _check_whole(name: object, shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> None:
    if math.prod(shape) * dtype.itemsize > size:
        raise DataError(f"{name} is damaged: its head says {shape} of {dtype}, but {size:,} bytes follow")
