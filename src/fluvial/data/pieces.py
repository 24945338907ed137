"""A Parquet file that is written piece by piece in a folder beside it, so that a writer that was killed can go on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from fluvial.core.errors import RunError
from fluvial.core.files import make_folder, read_regular, reason, write_atomically, written
from fluvial.data.arrow import arrow
from fluvial.data.files import repeating
from fluvial.data.forms import as_frame
from fluvial.data.limits import decoding
from fluvial.data.tables import Columns

_TAG = "pieces.json"
_PIECE = re.compile(r"\d{6}\.arrow")  # packed and encoded once, when all are put together
_MOST = 1 << 20  # bytes that the tag may have


class Pieces:
    """The pieces of one file, in a folder called as the file with ``.pieces`` behind it.

    Args:
        path: of the file.
        tag: what the pieces depend on, plain JSON; those of something else are thrown away, and ``replaced`` is True.

    Raises:
        RunError: the folder cannot be made, or holds what is none of ours.
    """

    def __init__(self, path: Path, tag: dict[str, Any]) -> None:
        self.path, self.folder, self.replaced = path, path.with_name(f"{path.name}.pieces"), False
        make_folder(self.folder)
        strange = [p.name for p in self.folder.iterdir() if p.name != _TAG and not _is_ours(p)]
        if strange:
            raise RunError(f"{self.folder} holds {strange[0]!r}, which was not written here: remove it, or the folder")
        mark, text = self.folder / _TAG, json.dumps(tag).encode()
        if not mark.exists() or read_regular(mark, _MOST) != text:
            self.replaced = bool(self.found)
            for piece in self.found:
                piece.unlink()
            write_atomically(mark, text)

    @property
    def found(self) -> list[Path]:
        """The pieces that are whole, in their order; what stands behind a gap is not counted."""
        there = {path.name for path in self.folder.iterdir()}
        return [self.folder / name for name in takewhile(there.__contains__, map(_name, count()))]

    def add(self, columns: Columns) -> None:
        """One piece more."""
        with written(self.folder / _name(len(self.found))) as file:
            rows = as_frame(columns, "pyarrow")
            arrow("pyarrow.feather").write_feather(rows, file, compression="uncompressed")

    def column(self, name: str) -> Iterator[np.ndarray]:
        """What each piece has in a column.

        Raises:
            RunError: a piece is damaged.
        """
        for piece in self.found:
            with decoding(piece, "a whole piece; remove it, and those behind it"):
                yield arrow("pyarrow.feather").read_table(piece, columns=[name], memory_map=False)[name].to_numpy()

    def finish(self) -> None:
        """Put the pieces together in the file, an older one of which stays whole until then, and remove them."""
        parquet, feather, pieces = arrow("pyarrow.parquet"), arrow("pyarrow.feather"), self.found
        known = feather.read_table(pieces[0], memory_map=False).schema
        with written(self.path) as file, parquet.ParquetWriter(file, known, use_dictionary=repeating(known)) as writer:
            for piece in pieces:
                with decoding(piece, "a whole piece; remove it, and those behind it"):
                    rows = feather.read_table(piece, memory_map=False)
                writer.write_table(rows)
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise RunError(f"{self.path} is written, but {self.folder} could not be removed: {reason(error)}") from None


def _name(number: int) -> str:
    return f"{number:06d}.arrow"


def _is_piece(path: Path) -> bool:
    return _PIECE.fullmatch(path.name) is not None


def _is_ours(path: Path) -> bool:
    """A piece, or what a writer that was killed has left of one."""
    return _is_piece(path) or path.name.startswith(".fluvial-")
