"""Reading tables from files and writing them, in the format of the file's ending."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from fluvial.core.errors import DataError, UsageError
from fluvial.core.files import check_place, written
from fluvial.data.arrays import npz_heads, read_npy, read_npz
from fluvial.data.arrow import arrow, read_feather, read_parquet
from fluvial.data.cells import tidy
from fluvial.data.delimited import read_delimited
from fluvial.data.forms import as_frame, stack
from fluvial.data.named import table_paths
from fluvial.data.packed import TEXT, ending, unpacked
from fluvial.data.tables import Columns, Table, from_array
from fluvial.data.tokens import MISSING

_KNOWN = ".csv, .tsv or .txt (also .gz, .bz2, .xz, .zip), .parquet, .feather, .arrow, .npy, .npz"
_WHOLE = 2.0**53  # whole numbers up to here are exact in float64
_PICKS = (".npz:", ".zip:")


def read_file(source: str | os.PathLike[str]) -> Table:
    """The table in a file; ``file.npz:name`` picks one array of several, ``file.zip:name`` one file.

    See :func:`fluvial.data.tables.read`.
    """
    path, pick = _picked(source)
    _check(path)
    try:
        return _reader(path, pick)(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _picked(source: str | os.PathLike[str]) -> tuple[Path, str]:
    """A file, and what is picked of it."""
    path = Path(source).expanduser()
    for mark in _PICKS:
        stem, found, name = str(path).rpartition(mark)
        if found and not path.exists():
            return Path(stem + mark[:-1]), name
    return path, ""


def _ending(suffix: str) -> str:
    return f"files ending in {suffix!r}" if suffix else "files whose name has no ending"


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
    match ending(path):
        case ".zip":
            return lambda path: _read_text(path, pick)
        case other if other in TEXT:
            return _read_text
        case ".parquet" | ".pq":
            return read_parquet
        case ".feather" | ".arrow" | ".ipc":
            return read_feather
        case ".npy":
            return _read_npy
        case ".npz":
            return lambda path: _read_npz(path, pick)
        case other:
            raise DataError(f"{path}: {_ending(other)} are not known; known are {_KNOWN}")


def _read_text(path: Path, pick: str = "") -> Table:
    with unpacked(path, pick) as (name, raw):
        return read_delimited(name, raw)


def _read_npy(path: Path) -> Table:
    return from_array(read_npy(path), "npy")


def _read_npz(path: Path, pick: str) -> Table:
    heads = npz_heads(path)
    if not heads:
        raise DataError(f"{path} is empty: it holds no arrays")
    if not pick and len(heads) == 1:
        pick = next(iter(heads))
    if pick in heads:
        return from_array(read_npz(path, [pick])[pick], "npy")
    if not pick and all(len(shape) == 1 for shape, _ in heads.values()) and len({s[0] for s, _ in heads.values()}) == 1:
        return Table({name: tidy(a) for name, a in read_npz(path).items()}, "npz")
    shapes = ", ".join(f"{name} {shape}" for name, (shape, _) in heads.items())
    asked = f"has no array {pick!r}" if pick else "holds several arrays"
    raise DataError(f"{path} {asked}: {shapes}; pick one as {path.name}:{next(iter(heads))}")


def write(columns: Columns, path: str | os.PathLike[str], header: bool = True) -> None:
    """Write columns to a file whose ending decides the format; an older file stays whole until the new one is.

    Args:
        columns: each (N,).
        header: False leaves the names out of text files, as in the source.

    Raises:
        DataError: the ending is unknown, the columns do not fit the format, or RunError: the disk refuses.
    """
    path = Path(path).expanduser()
    save = _writer(path)
    with written(path) as file:
        save(columns, file, header)


def check_output(path: str | os.PathLike[str], sources: Iterable[str] = ()) -> None:
    """What would keep :func:`write` from writing, said before there is anything to lose.

    Raises:
        UsageError: it is one of the ``sources``. DataError: the ending is unknown. RunError: its folder takes no files.
    """
    path = Path(path).expanduser()
    _writer(path)
    if any(_is_same(path, file) for source in sources for file in _files_of(source)):
        raise UsageError(f"--out: {path} is the table itself, which would be lost: name another file")
    check_place(path)


def _files_of(source: str) -> list[Path]:
    """Those of a table: one, or the parts in a folder or of a pattern."""
    with contextlib.suppress(DataError):
        if paths := table_paths(source):
            return paths
    return [_picked(source)[0]]


def _is_same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.is_file() and path.samefile(other)
    return False


def write_parts(parts: Iterable[Columns], path: str | os.PathLike[str], header: bool = True) -> None:
    """As :func:`write`, of a table that comes in parts, each of which is written as it comes.

    Feather, npy and npz files hold a table in one piece, so for them all parts are put together first.
    """
    path = Path(path).expanduser()
    save = _writer(path)
    with written(path) as file:
        match ending(path):
            case ".parquet" | ".pq":
                _write_parquet_parts(parts, file)
            case ".csv" | ".tsv" | ".txt" if path.suffix.lower() != ".gz":
                for number, part in enumerate(parts):
                    save(part, file, header and number == 0)
            case _:
                save(joined(parts), file, header)


def joined(parts: Iterable[Columns]) -> Columns:
    """Parts of a table, one below the other."""
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def _writer(path: Path) -> Callable[[Columns, BinaryIO, bool], None]:
    match ending(path):
        case text if text in TEXT:
            packed, mark = path.suffix.lower() == ".gz", "\t" if text == ".tsv" else ","
            if not packed and path.suffix.lower() != text:
                raise DataError(f"{path}: packed text is written as .gz alone")
            return lambda columns, file, header: _write_text(columns, file, header, mark, packed)
        case ".parquet" | ".pq":
            return lambda columns, file, _: write_parquet(columns, file)
        case ".feather" | ".arrow" | ".ipc":
            feather = arrow("pyarrow.feather")
            return lambda columns, file, _: feather.write_feather(as_frame(columns, "pyarrow"), file)
        case ".npy":
            return lambda columns, file, _: _write_npy(columns, file)
        case ".npz":
            return lambda columns, file, _: _write_npz(columns, file)
        case other:
            raise DataError(f"{path}: {_ending(other)} cannot be written; known are {_KNOWN}")


def _write_text(columns: Columns, file: BinaryIO, header: bool, delimiter: str, packed: bool) -> None:
    raw = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if packed else file
    text = io.TextIOWrapper(raw, encoding="utf-8", newline="")  # pyright: ignore[reportArgumentType]
    write_text(columns, text, header, delimiter)
    text.detach()
    if packed:
        raw.close()


def write_text(columns: Columns, text: TextIO, header: bool = True, delimiter: str = ",") -> None:
    """Columns as delimited text that reads back as it is: labels such as NA are quoted, missing cells are empty.

    Those of a column alone are NA.
    """
    if header:
        text.write(delimiter.join(_quoted(name, delimiter) for name in columns) + "\n")
    cells = [_cells(values, delimiter) for values in columns.values()]
    if len(cells) == 1:  # an empty line is no row
        cells = [[cell or "NA" for cell in cells[0]]]
    text.writelines(delimiter.join(row) + "\n" for row in zip(*cells))


def _cells(values: np.ndarray, delimiter: str) -> list[str]:
    """The shortest decimals that read back as the same value, and text quoted where it must be."""
    if values.dtype.name in ("float16", "float32"):
        return ["" if text == "nan" else text for text in values.astype(str).tolist()]
    if values.dtype.kind == "M":
        return ["" if text == "NaT" else text for text in np.datetime_as_string(values).tolist()]
    if values.dtype == np.float64 and _are_counts(values):
        return ["" if value != value else str(int(value)) for value in values.tolist()]
    if values.dtype.kind != "O":
        return ["" if value != value else str(value) for value in values.tolist()]
    known = {value: "" if value is None else _quoted(str(value), delimiter) for value in set(values.tolist())}
    return [known[value] for value in values.tolist()]


def _are_counts(values: np.ndarray) -> bool:
    """Whether whole numbers are floats for their gaps alone: written as 3 and not as 3.0, they read back the same."""
    known = values[~np.isnan(values)]
    if not 0 < len(known) < len(values) or (np.signbit(known) & (known == 0)).any():
        return False
    return bool((np.abs(known) <= _WHOLE).all() and (known == np.rint(known)).all())


def _quoted(cell: str, delimiter: str) -> str:
    plain = cell.strip() == cell and cell not in MISSING and not cell.startswith(("#", "%"))
    if plain and not any(mark in cell for mark in (delimiter, '"', "\n", "\r")):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def write_parquet(columns: Columns, file: BinaryIO) -> None:
    parquet, rows = arrow("pyarrow.parquet"), as_frame(columns, "pyarrow")
    parquet.write_table(rows, file, use_dictionary=repeating(rows.schema))


def _write_parquet_parts(parts: Iterable[Columns], file: BinaryIO) -> None:
    """Each part a row group. Parts wait for one another only until each column has shown a value, and so its type."""
    pa, parquet = arrow("pyarrow"), arrow("pyarrow.parquet")
    waiting: list[Any] = []
    with contextlib.ExitStack() as stack:
        writer, known = None, None
        for part in parts:
            waiting.append(as_frame(part, "pyarrow"))
            if writer is None:
                known = pa.unify_schemas([each.schema for each in waiting], promote_options="default")
                if not any(pa.types.is_null(field.type) for field in known):
                    options = {"use_dictionary": repeating(known)}
                    writer = stack.enter_context(parquet.ParquetWriter(file, known, **options))
            while writer is not None and waiting:
                writer.write_table(waiting.pop(0).cast(known))
        if waiting:
            parquet.write_table(pa.concat_tables(waiting, promote_options="default"), file)


def repeating(known: Any) -> list[str]:  # noqa: ANN401  (a schema of Arrow's)
    """Columns whose values are worth a dictionary: of floats, building one takes ten times the writing."""
    types = arrow("pyarrow").types
    return [field.name for field in known if not types.is_floating(field.type)]


def _write_npy(columns: Columns, file: BinaryIO) -> None:
    text = [name for name, values in columns.items() if values.dtype == object]
    if text:
        raise DataError(f"an .npy file holds numbers only, and {text[0]!r} is text: write .npz, .csv or .parquet")
    np.save(file, stack(columns), allow_pickle=False)


def _write_npz(columns: Columns, file: BinaryIO) -> None:
    for name in columns:
        _check_entry(name)
    # np.savez takes names as keyword arguments, and a column may be called "file"
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                plain = values.astype(str) if values.dtype == object else values
                np.lib.format.write_array(entry, plain, allow_pickle=False)


def _check_entry(name: str) -> None:
    """DataError, a sentence, for a name that would lead out of the folder where an archive is unpacked."""
    parts = re.split(r"[/\\]", name)
    leads_out = len(parts) > 1 and ({"", ".", ".."} & {p.strip() for p in parts} or parts[0][1:] == ":")
    if leads_out or "\0" in name:
        raise DataError(
            f"a column called {name!r} cannot be written to .npz: whoever unpacks the file would write to a place of "
            "that name; write .csv or .parquet"
        )
