"""Hostile files for every reader: small files that unpack to gigabytes, and small valid ones, mutated."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile
from PIL import Image
from pyarrow import feather, parquet
from scipy.io import savemat

from fluvial.data import tables
from fluvial.kinds.every import kind_of
from fluvial.kinds.images.read import read_images
from fluvial.kinds.music.rolls import read_rolls
from fluvial.kinds.sound.read import SUFFIXES, read_sound

_EXTREME = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1_000_000_000)
_MIB = bytes(1 << 20)


def read(path: Path) -> object:
    """What a fit does first with a file."""
    match kind_of(path).name:
        case "sound":
            return read_sound(path)
        case "images":
            found = read_images(path)
            return found.read(np.arange(min(4, len(found))))
        case "piano rolls":
            return read_rolls(path)
        case _:
            return tables.read(path)


def case(seed: int, folder: Path) -> Callable[[], object]:
    """First the bombs, then mutations of valid files."""
    warm()
    if seed < len(BOMBS):
        path = folder / list(BOMBS)[seed]
        path.write_bytes(BOMBS[path.name]())
        return lambda: read(path)
    rng = np.random.default_rng(seed)
    files = valid()
    name = str(rng.choice(list(files)))
    data = files[name]
    for _ in range(rng.integers(1, 4)):
        data = _mutated(data, files, rng)
    if name in _INSIDE and rng.random() < 0.7:
        data = _repacked(name, files[name], files, rng)
    if rng.random() < 0.1:
        name = str(rng.choice(list(files)))
    path = folder / name
    path.write_bytes(data)
    if path.suffix in SUFFIXES and rng.random() < 0.3:
        (folder / "a-valid.wav").write_bytes(files["a.wav"])
        return lambda: read(folder)
    return lambda: read(path)


@cache
def warm() -> None:
    """All is imported before a case's memory and time are measured."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in valid().items():
            path = Path(folder) / name
            path.write_bytes(data)
            read(path)


@cache
def valid() -> dict[str, bytes]:
    """One small valid file of each kind."""
    rng = np.random.default_rng(0)
    numbers, pixels = rng.normal(size=(30, 3)), rng.integers(0, 256, (5, 8, 7, 3), dtype=np.uint8)
    text = "name,height,kind\n" + "".join(f"{i},{x:.3f},{'ab'[i % 2]}\n" for i, x in enumerate(numbers[:, 0]))
    table = pa.table({"a": numbers[:, 0], "b": ["x", "y", None] * 10})
    wave, notes = np.sin(np.arange(900) / 9) / 2, (rng.random((12, 5)) < 0.3).astype(np.uint8)
    idx = bytes([0, 0, 8, 3]) + struct.pack(">3I", 5, 8, 7) + pixels[..., 0].tobytes()
    cells = np.empty((1, 2), dtype=object)
    cells[0, :] = [notes[:6], notes[6:]]
    files = {"a.csv": text.encode(), "a.tsv": text.replace(",", "\t").encode()}
    files |= {"a.csv.gz": gzip.compress(text.encode()), "a.csv.bz2": bz2.compress(text.encode())}
    files |= {"a.csv.xz": lzma.compress(text.encode()), "a-idx3-ubyte": idx, "a-idx3-ubyte.gz": gzip.compress(idx)}
    files["table.npy"] = _written(lambda f: np.save(f, numbers))
    files["images.npy"] = _written(lambda f: np.save(f, pixels))
    files["table.npz"] = _written(lambda f: np.savez_compressed(f, a=numbers[:, 0], b=np.array(["x", "yy", "z"] * 10)))
    files["images.npz"] = _written(lambda f: np.savez(f, images=pixels, labels=np.arange(5)))
    files["sound.npz"] = _written(
        lambda f: np.savez(f, audio=wave, length=[400, 500], sample_rate=8000, who=["a", "b"])
    )
    files["rolls.npz"] = _written(lambda f: np.savez(f, rolls=notes, length=[6, 6], split=["train", "test"]))
    files["a.mat"] = _written(lambda f: savemat(f, {"traindata": cells, "testdata": cells}))
    files["packed.mat"] = _written(lambda f: savemat(f, {"traindata": cells}, do_compression=True))
    files["a.parquet"] = _written(lambda f: parquet.write_table(table, f))
    files["a.feather"] = _written(lambda f: feather.write_feather(table, f))
    for suffix, kind in {"wav": "FLOAT", "flac": None, "ogg": None, "aiff": None, "au": None, "caf": None}.items():
        files[f"a.{suffix}"] = _written(lambda f, s=suffix, k=kind: soundfile.write(f, wave, 8000, k, format=s.upper()))
    for suffix in ("png", "jpeg", "bmp", "gif", "webp", "tiff", "ppm"):
        image = Image.fromarray(pixels[0]).resize((40, 30))
        files[f"a.{suffix}"] = _written(lambda f, s=suffix, i=image: i.save(f, s.upper()))
    files["deep.png"] = _written(lambda f: Image.fromarray(pixels[0, ..., 0].astype(np.uint16) * 16).save(f, "PNG"))
    return files


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _mutated(data: bytes, files: dict[str, bytes], rng: np.random.Generator) -> bytes:
    """Bits flipped, bytes changed, numbers made extreme, parts cut, left out, doubled, or taken from another file."""
    # heads say what the rest is, and are short
    at = int(rng.integers(len(data))) if rng.random() < 0.5 else int(rng.integers(min(len(data), 200)))
    end = at + int(rng.integers(1, 40))
    extreme = int(rng.choice(_EXTREME))
    other = files[str(rng.choice(list(files)))]
    match rng.integers(8):
        case 0:
            flipped = bytearray(data)
            for place in rng.integers(len(data), size=int(rng.integers(1, 9))):
                flipped[place] ^= 1 << int(rng.integers(8))
            return bytes(flipped)
        case 1:
            return data[:at] + rng.bytes(end - at) + data[end:]
        case 2:
            return data[:at] + extreme.to_bytes(4, "little") + data[at + 4 :]
        case 3:
            return data[:at] + extreme.to_bytes(4, "big") + data[at + 4 :]
        case 4:
            return data[:at] or b"\0"
        case 5:
            return data[:at] + data[end:] or b"\0"
        case 6:
            return data[:end] + data[at:]
        case _:
            return data[:at] + other[at:end] + data[end:]


def _repacked(name: str, data: bytes, files: dict[str, bytes], rng: np.random.Generator) -> bytes:
    """A packed file whose content is mutated, so that checksums are right."""
    if name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {n: archive.read(n) for n in archive.namelist()}
        chosen = str(rng.choice(list(members)))
        members[chosen] = _mutated(members[chosen], files, rng)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", int(rng.choice([0, 8, 12, 14]))) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return file.getvalue()
    if name == "packed.mat":
        content = zlib.compress(_mutated(zlib.decompress(data[136:]), files, rng))
        return data[:128] + struct.pack("<II", 15, len(content)) + content
    unpack, pack = _INSIDE[name]
    return pack(_mutated(unpack(data), files, rng))


_INSIDE: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "a.csv.gz": (gzip.decompress, gzip.compress),
    "a-idx3-ubyte.gz": (gzip.decompress, gzip.compress),
    "a.csv.bz2": (bz2.decompress, bz2.compress),
    "a.csv.xz": (lzma.decompress, lzma.compress),
    **{f"{n}.npz": (bytes, bytes) for n in ("table", "images", "sound", "rolls")},
    "packed.mat": (bytes, bytes),
}


def _npy(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """An .npy file's head with no numbers behind it."""
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head


def _npz(name: str, head: bytes, mib: int) -> bytes:
    """An .npz file of one array of zeros, so many MiB, in a few kB for each GiB."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(_MIB) + deflate.flush(zlib.Z_FULL_FLUSH)
    packed = start + block * mib + deflate.flush()
    size = len(head) + mib * len(_MIB)
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), size, len(name), 0)
    local = b"PK\3\4" + fields + name.encode() + packed
    entry = b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    return local + entry + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)


def _wav(rate: int, claimed: int = 3000) -> bytes:
    head = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate & 0xFFFFFFFF, 2, 16)
    return b"RIFF" + struct.pack("<I", 3036) + b"WAVEfmt " + head + b"data" + struct.pack("<I", claimed) + bytes(3000)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(_MIB)) + chunk(b"IEND", b"")


def _mat(mib: int) -> bytes:
    deflate = zlib.compressobj(9)
    start = deflate.compress(struct.pack("<II", 14, mib << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    content = start + (deflate.compress(_MIB) + deflate.flush(zlib.Z_FULL_FLUSH)) * mib
    return b"MATLAB 5.0".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(content)) + content


def _parquet(rows: int) -> bytes:
    array = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int8)), pa.array([1.0]))
    return _written(lambda f: parquet.write_table(pa.table({"a": array}), f, store_schema=False))


def _texts() -> pa.Table:
    """One long text in each of many rows, which stands in a file once."""
    return pa.table(
        {"a": pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, dtype=np.int16)), ["x" * (1 << 20)])}
    )


def _forged() -> bytes:
    """A Feather file whose packed numbers claim to fill a TiB."""
    data = _written(lambda f: feather.write_feather(pa.table({"a": np.arange(5000.0)}), f))
    return data.replace((40_000).to_bytes(8, "little"), (1 << 40).to_bytes(8, "little"))


BOMBS: dict[str, Callable[[], bytes]] = {
    "line.csv.gz": lambda: gzip.compress(_MIB.replace(b"\0", b"x")) * 4096,
    "rows.csv.gz": lambda: gzip.compress(b"1,2\n" * (1 << 18)) * 4096,
    "words.csv.gz": lambda: gzip.compress(b"abc,de\n" * (1 << 17)) * 4096,
    "commas.csv.gz": lambda: gzip.compress(b"," * (1 << 20)) * 1024,
    "quotes.csv.gz": lambda: gzip.compress(b'"' + b"x\n" * (1 << 19)) * 1024,
    "wide.csv": lambda: b"a,b\n" + b"1,2\n" * 200_000 + b"x" * 120_000 + b",2\n" + b"1,2\n" * 200_000,
    "line.csv.bz2": lambda: bz2.compress(_MIB) * 4096,
    "line.csv.xz": lambda: lzma.compress(_MIB) * 4096,
    "idx3-ubyte.gz": lambda: (
        gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 6144, 1024, 1024)) + (gzip.compress(_MIB) * 6144)
    ),
    "claims-idx3-ubyte.gz": lambda: gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12),
    "table.npz": lambda: _npz("x.npy", _npy((3700 << 17,)), 3700),
    "images.npz": lambda: _npz("x.npy", _npy((3700, 1024, 1024), "|u1"), 3700),
    "sound.npz": lambda: _npz("audio.npy", _npy((3700 << 17,)), 3700),
    "claims.npy": lambda: _npy((10**12,)) + bytes(800),
    "claims-images.npy": lambda: _npy((10**6, 10**3, 10**3), "|u1") + bytes(800),
    "fast.wav": lambda: _wav(1_000_000_000),
    "long.wav": lambda: _wav(8000, 0xFFFFFFF0),
    "slow.wav": lambda: _wav(1),
    "many.png": lambda: _png(60_000, 60_000),
    "edge.png": lambda: _png(9_400, 9_400),
    "zeros.mat": lambda: _mat(3700),
    "rows.parquet": lambda: _parquet(5_000_000),
    "texts.parquet": lambda: _written(lambda f: parquet.write_table(_texts(), f, store_schema=False)),
    "texts.feather": lambda: _written(lambda f: feather.write_feather(_texts(), f)),
    "forged.feather": _forged,
    "nulls.feather": lambda: _written(lambda f: feather.write_feather(pa.table({"a": pa.nulls(10**9)}), f)),
}
"""Files that are small, or claim much, by name."""
