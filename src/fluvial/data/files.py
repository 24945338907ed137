"""Reading tables from files and writing them, the format told by the file's ending."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from fluvial.core.errors import DataError
from fluvial.data.delimited import read_delimited
from fluvial.data.tables import Columns, Table, as_frame, from_array, read, stack, tidy

T = TypeVar("T")

_TEXT = (".csv", ".tsv", ".txt")
_KNOWN = ".csv, .tsv or .txt (also .gz), .parquet, .feather, .arrow, .npy, .npz"


def read_file(source: str | os.PathLike[str]) -> Table:
    """The table in a file; ``file.npz:name`` picks one array of several. See :func:`fluvial.data.tables.read`."""
    path, pick = Path(source).expanduser(), ""
    stem, colon, name = str(path).rpartition(".npz:")
    if colon and not path.exists():
        path, pick = Path(stem + ".npz"), name
    _check(path)
    try:
        return _reader(path, pick)(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _check(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder: expected a file, {_KNOWN}")
    if not path.exists():
        if not path.parent.is_dir():
            raise DataError(f"there is no file {path}, nor a folder {path.parent}")
        close = get_close_matches(path.name, [p.name for p in path.parent.iterdir() if p.is_file()])
        raise DataError(f"there is no file {path}" + (f"; close to it: {', '.join(close)}" if close else ""))
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: expected a table with at least one row")


def _reader(path: Path, pick: str) -> Callable[[Path], Table]:
    match _ending(path):
        case ".csv" | ".tsv" | ".txt":
            return _read_text
        case ".parquet" | ".pq":
            return _read_parquet
        case ".feather" | ".arrow" | ".ipc":
            return _read_feather
        case ".npy":
            return _read_npy
        case ".npz":
            return lambda path: _read_npz(path, pick)
        case other:
            raise DataError(f"{path}: files ending in {other or 'nothing'!r} are not known; known are {_KNOWN}")


def _ending(path: Path) -> str:
    """The ending that tells the format; only text may end in .gz."""
    if path.suffix.lower() == ".gz" and Path(path.stem).suffix.lower() in _TEXT:
        return Path(path.stem).suffix.lower()
    return path.suffix.lower()


def _read_text(path: Path) -> Table:
    columns, header = read_delimited(path)
    return Table(columns, "csv", header)


def _read_parquet(path: Path) -> Table:
    return _read_arrow(path, "parquet", _arrow("pyarrow.parquet").read_table)


def _read_feather(path: Path) -> Table:
    return _read_arrow(path, "feather", _arrow("pyarrow.feather").read_table)


def _read_arrow(path: Path, kind: str, read_table: Callable[[str], object]) -> Table:
    try:
        frame = read_table(str(path))
    except (_arrow("pyarrow").ArrowException, OSError) as error:
        raise DataError(f"{path} is not a whole {kind} file: {str(error).splitlines()[0]}") from None
    return Table(read(frame).columns, kind)


def _arrow(module: str) -> Any:  # noqa: ANN401  (a library's own type)
    try:
        return import_module(module)
    except ImportError:
        raise DataError('Parquet and Feather files need pyarrow: pip install "fluvial[data]"') from None


def _read_npy(path: Path) -> Table:
    return from_array(_load(path, lambda file: np.load(file, allow_pickle=False)), "npy")


def _read_npz(path: Path, pick: str) -> Table:
    def load(file: BinaryIO) -> dict[str, np.ndarray]:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    arrays = _load(path, load)
    if not arrays:
        raise DataError(f"{path} is empty: it holds no arrays")
    if not pick and len(arrays) == 1:
        pick = next(iter(arrays))
    if pick in arrays:
        return from_array(arrays[pick], "npy")
    if not pick and all(a.ndim == 1 for a in arrays.values()) and len({*map(len, arrays.values())}) == 1:
        return Table({name: tidy(a) for name, a in arrays.items()}, "npz")
    shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
    asked = f"has no array {pick!r}" if pick else "holds several arrays"
    raise DataError(f"{path} {asked}: {shapes}; pick one as {path.name}:{next(iter(arrays))}")


def _load(path: Path, load: Callable[[BinaryIO], T]) -> T:
    try:
        # opened here, since numpy leaves a damaged archive open
        with open(path, "rb") as file:
            return load(file)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, SyntaxError) as error:
        reason = "it holds Python objects, which fluvial never loads" if "pickle" in str(error) else str(error)
        raise DataError(f"{path} is not a whole file of numpy arrays: {reason}") from None


def write(columns: Columns, path: str | os.PathLike[str], header: bool = True) -> None:
    """Write columns to a file whose ending tells the format; an older file stays whole until the new one is.

    Args:
        columns: each (N,).
        header: False leaves the names out of text files, as in the source.

    Raises:
        DataError: the ending is unknown, the columns do not fit the format, or the disk refuses.
    """
    path = Path(path).expanduser()
    save = _writer(path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(part, "wb") as file:
            save(columns, file, header)
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror or error}; nothing was changed") from None
    finally:
        part.unlink(missing_ok=True)


def _writer(path: Path) -> Callable[[Columns, BinaryIO, bool], None]:
    match _ending(path):
        case ".csv" | ".tsv" | ".txt" as ending:
            packed = path.suffix.lower() == ".gz"
            return lambda columns, file, header: _write_text(
                columns, file, header, "\t" if ending == ".tsv" else ",", packed
            )
        case ".parquet" | ".pq":
            parquet = _arrow("pyarrow.parquet")
            return lambda columns, file, _: parquet.write_table(as_frame(columns, "pyarrow"), file)
        case ".feather" | ".arrow" | ".ipc":
            feather = _arrow("pyarrow.feather")
            return lambda columns, file, _: feather.write_feather(as_frame(columns, "pyarrow"), file)
        case ".npy":
            return lambda columns, file, _: _write_npy(columns, file)
        case ".npz":
            return lambda columns, file, _: _write_npz(columns, file)
        case other:
            raise DataError(f"{path}: files ending in {other or 'nothing'!r} cannot be written; known are {_KNOWN}")


def _write_text(columns: Columns, file: BinaryIO, header: bool, delimiter: str, packed: bool) -> None:
    raw = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if packed else file
    text = io.TextIOWrapper(raw, encoding="utf-8", newline="")  # pyright: ignore[reportArgumentType]
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(zip(*(_cells(values) for values in columns.values())))
    text.detach()
    if packed:
        raw.close()


def _cells(values: np.ndarray) -> list[object]:
    """Python's own numbers, the shortest decimals that read back as the same value."""
    return values.astype(str).tolist() if values.dtype.name in ("float16", "float32") else values.tolist()


def _write_npy(columns: Columns, file: BinaryIO) -> None:
    text = [name for name, values in columns.items() if values.dtype == object]
    if text:
        raise DataError(f"an .npy file holds numbers only, and {text[0]!r} is text: write .npz, .csv or .parquet")
    np.save(file, stack(columns), allow_pickle=False)


def _write_npz(columns: Columns, file: BinaryIO) -> None:
    # np.savez takes names as keyword arguments, and a column may be called "file"
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                plain = values.astype(str) if values.dtype == object else values
                np.lib.format.write_array(entry, plain, allow_pickle=False)
