"""MATLAB's .mat files of versions 5 to 7: cells of matrices of numbers.

Read here, since the one reader there is, scipy's, unpacks whatever a file claims and recurs into it until the stack
is full. A variable is an element, type and size and content; a matrix is an element of elements: its class, its sizes,
its name, and its numbers or the matrices in its cells.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.limits import check_size, decoding, open_regular

_HEAD, _VERSION = 128, 124  # bytes before the first variable; where the version stands
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"IM": "little", b"MI": "big"}
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _PACKED = 14, 15
_CELL, _NUMBERS = 1, range(6, 16)  # classes
_CLASSES = {2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}
_COMPLEX = 0x800
_HDF5 = b"\x89HDF"
_CHUNK = 1 << 20
_OBJECT = 512  # bytes of a matrix in memory beside its numbers
_NOTHING = np.empty((0, 0))


def read_cells(path: Path, names: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """The matrices in the cells of these names, those that the file has.

    Raises:
        DataError: it is not a .mat file of versions 5 to 7, or is cut short, fills more than the limit, or has
            something else than a cell of matrices of numbers under a name.
    """
    with open_regular(path) as file, decoding(path, "a .mat file that can be read"):
        head = file.read(_HEAD)
        order = _ORDERS.get(head[_VERSION + 2 :])
        if order is None or head[_VERSION + (order == "little")] != 1:
            how = "; save it with -v7" if head[_VERSION + 1 : _VERSION + 2] == b"\2" or head[:4] == _HDF5 else ""
            raise DataError(f"{path} is not a .mat file of versions 5 to 7{how}")
        found: dict[str, list[np.ndarray]] = {}
        for variable in _variables(path, file, order):
            if variable.name in names:
                found[variable.name] = variable.cell(f"{path}: {variable.name}")
        return found


@dataclass(frozen=True)
class _Matrix:
    """A matrix's class and flags, sizes and name, and what follows them."""

    flags: int
    shape: tuple[int, ...]
    name: str
    content: memoryview
    order: Literal["little", "big"]

    @classmethod
    def of(cls, content: memoryview, order: Literal["little", "big"]) -> _Matrix:
        (_, flags, _), (_, sizes, _), (_, name, end) = islice(_elements(content, order), 3)
        shape = np.frombuffer(sizes, _dtype("i4", order)).tolist()
        return cls(int.from_bytes(flags[:4], order), tuple(shape), bytes(name).decode("latin1"), content[end:], order)

    @property
    def kind(self) -> int:
        return self.flags & 0xFF

    def cell(self, name: str) -> list[np.ndarray]:
        """The matrices in this cell."""
        if self.kind != _CELL:
            raise DataError(f"{name}: expected a cell of matrices, got {_CLASSES.get(self.kind, 'numbers')}")
        count = math.prod(self.shape)
        check_size(name, count * _OBJECT)
        found: list[np.ndarray] = []
        for _, content, _ in islice(_elements(self.content, self.order), count):
            # what is empty may stand there without a head
            matrix = (
                _Matrix.of(content, self.order).numbers(f"{name}, number {len(found) + 1}") if content else _NOTHING
            )
            found.append(matrix)
        if len(found) != count:
            raise DataError(f"{name} is damaged: it should hold {count:,} matrices, and holds {len(found):,}")
        return found

    def numbers(self, name: str) -> np.ndarray:
        """The numbers of this matrix."""
        if self.kind not in _NUMBERS or self.flags & _COMPLEX:
            what = "complex numbers" if self.kind in _NUMBERS else _CLASSES.get(self.kind, "a cell")
            raise DataError(f"{name}: expected a matrix of real numbers, got {what}")
        ((kind, content, _),) = islice(_elements(self.content, self.order), 1)
        if kind not in _TYPES:
            raise DataError(f"{name} is damaged: its numbers are of the type {kind}, which does not exist")
        values = np.frombuffer(content, _dtype(_TYPES[kind], self.order))
        if len(values) != math.prod(self.shape) or any(n < 0 for n in self.shape):
            raise DataError(f"{name} is damaged: it should be of shape {self.shape}, and holds {len(values)} numbers")
        return values.reshape(self.shape, order="F")


def _variables(path: Path, file: BinaryIO, order: Literal["little", "big"]) -> Iterator[_Matrix]:
    """The matrices at the top of a file, unpacked one by one."""
    total = 0
    while tag := file.read(8):
        kind, size = (int.from_bytes(part, order) for part in (tag[:4], tag[4:]))
        check_size(path, total + size)
        content: bytes | bytearray = file.read(size)
        if len(tag) < 8 or len(content) < size:
            raise EOFError("it ends too early")
        if kind == _PACKED:
            content = _unpacked(path, content, total)
            kind, size = (int.from_bytes(part, order) for part in (content[:4], content[4:8]))
            content = content[8 : 8 + size]
        total += len(content)
        if kind == _MATRIX:
            yield _Matrix.of(memoryview(content), order)


def _unpacked(path: Path, packed: bytes, before: int) -> bytearray:
    stream, content = zlib.decompressobj(), bytearray()
    while packed:
        content += stream.decompress(packed, _CHUNK)
        check_size(path, before + len(content))
        packed = stream.unconsumed_tail
    return content


def _elements(content: memoryview, order: Literal["little", "big"]) -> Iterator[tuple[int, memoryview, int]]:
    """The elements that follow one another: type, content, and where the next one begins."""
    at = 0
    while at < len(content):
        kind, size = (int.from_bytes(content[i : i + 4], order) for i in (at, at + 4))
        start, end = at + 8, at + 8 + size + -size % 8
        if kind >> 16:  # up to four bytes, inside the tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > len(content):
            raise EOFError("it ends too early")
        yield kind, content[start : start + size], end
        at = end


def _dtype(name: str, order: Literal["little", "big"]) -> np.dtype[np.generic]:
    return np.dtype(name).newbyteorder(order)
