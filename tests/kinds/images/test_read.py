"""Images from files, folders and arrays: what they become, and the sentences for what cannot be used."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fluvial import models
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.kinds.images import read as images
from fluvial.kinds.images.arrays import ArrayPixels
from fluvial.kinds.images.files import FilePixels, grid, png, write_png
from fluvial.kinds.images.model import ImageModel
from fluvial.kinds.images.read import is_images, read_images
from fluvial.kinds.images.schema import ImageSchema

RNG = np.random.default_rng(0)
DATA = Path(os.environ.get("FLUVIAL_DATA", Path(__file__).parents[3] / "shared" / "data"))


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path, array, mode=None, **arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **arguments)
    return path


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_a_folder_of_files_with_labels_from_its_folders(tmp_path):
    pixels = noise(4, 6, 5)
    for i, array in enumerate(pixels):
        save(tmp_path / ("cat", "dog")[i % 2] / f"{i}.png", array)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "cat" / "._0.png").write_text("what a Mac leaves behind")
    found = read_images(tmp_path, labels="folder")
    assert (len(found), found.shape) == (4, (1, 6, 5))
    assert found.notes == (
        f"hidden, or kept by a system, and left out: {tmp_path / 'cat' / '._0.png'}",
        f"not an image by their names, left out: {tmp_path / 'cat' / 'notes.txt'}",
    )
    assert np.array_equal(found.read(), pixels[[0, 2, 1, 3]][:, None])
    assert found.labels["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert [Path(n).name for n in found.names] == ["0.png", "2.png", "1.png", "3.png"]
    assert read_images(tmp_path).labels == {}
    some = found.take(np.array([3, 0]))
    assert np.array_equal(some.read(), pixels[[3, 0]][:, None])
    assert np.array_equal(some.read(np.array([1])), pixels[[0]][:, None])
    assert some.labels["label"].tolist() == ["dog", "cat"]
    assert read_images([tmp_path / "cat", tmp_path / "dog" / "1.png"]).names == found.names[:3]
    save(tmp_path / "top.png", pixels[0])
    with pytest.raises(DataError, match="do not lie in folders"):
        read_images(tmp_path, labels="folder")


def test_files_too_large_for_memory_are_decoded_when_read(tmp_path, monkeypatch):
    pixels = noise(5, 4, 4, 3)
    for i, array in enumerate(pixels):
        save(tmp_path / f"{i}.png", array)
    held = read_images(tmp_path)
    monkeypatch.setattr(images, "_HELD", 0)
    streamed = read_images(tmp_path)
    assert isinstance(held.pixels, ArrayPixels)
    assert isinstance(streamed.pixels, FilePixels)
    index = np.array([4, 0, 4])
    assert np.array_equal(streamed.read(index), held.read(index))
    assert np.array_equal(streamed.read(), pixels.transpose(0, 3, 1, 2))
    save(tmp_path / "2.png", noise(3, 3, 3))
    with pytest.raises(DataError, match=r"2.png is 3 x 3 pixels now, not 4 x 4"):
        streamed.read()
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"2\.png"):
        streamed.read()


@pytest.mark.parametrize("kind", ["jpg", "bmp", "gif", "webp", "tiff", "ppm"])
def test_other_formats(tmp_path, kind):
    path = save(tmp_path / f"a.{kind}", np.full((8, 8, 3), 100, dtype=np.uint8))
    assert np.abs(read_images(path).read().astype(int) - 100).max() <= 2


def test_what_a_files_head_says_is_done_and_said(tmp_path):
    grey, colour = noise(4, 4), noise(4, 4, 3)
    save(tmp_path / "grey.png", grey)
    clear = np.concatenate((colour, np.full((4, 4, 1), 255, dtype=np.uint8)), 2)
    clear[0, 0] = (9, 9, 9, 0)
    save(tmp_path / "clear.png", clear)
    save(tmp_path / "palette.png", np.full((4, 4, 3), 51, dtype=np.uint8), "P")
    Image.fromarray((grey.astype(np.uint16) << 8) + 77).save(tmp_path / "deep.png")
    frames = [Image.fromarray(f) for f in (colour, noise(4, 4, 3))]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    found = read_images(tmp_path)
    by_name = dict(zip([Path(n).stem for n in found.names], found.read()))
    assert found.shape == (3, 4, 4)
    assert np.array_equal(by_name["grey"], np.stack([grey] * 3))
    assert by_name["clear"][:, 0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(by_name["clear"][:, 1:], colour.transpose(2, 0, 1)[:, 1:])
    assert np.array_equal(by_name["deep"], np.stack([grey] * 3))
    assert np.array_equal(by_name["moving"], colour.transpose(2, 0, 1))
    assert (by_name["palette"] == 51).all()
    for words, name in (
        ("transparent, laid on white", "clear"),
        ("animated, its first frame taken", "moving"),
        ("16 bits a pixel, brought down to 8", "deep"),
        ("grey, taken as colour", "grey"),
    ):
        assert any(note.startswith(words) and name in note for note in found.notes), words
    back = read_images(tmp_path / "clear.png", channels=1)
    assert back.shape == (1, 4, 4)
    assert any(note.startswith("colour, taken as grey") for note in back.notes)
    want = np.asarray(Image.fromarray(colour).convert("L"))
    assert np.array_equal(back.read()[0, 0, 1:], want[1:])
    assert np.array_equal(ArrayPixels(colour[None], None, 1).read(np.array([0]))[0, 0], want)


def test_a_grey_file_with_transparency_and_one_of_black_and_white(tmp_path):
    values = np.stack((np.full((3, 3), 40), np.full((3, 3), 255)), 2).astype(np.uint8)
    values[0, 0, 1] = 0
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(np.eye(3) > 0).save(tmp_path / "b.png")
    found = read_images(tmp_path)
    assert found.shape == (1, 3, 3)
    assert found.read()[0, 0].tolist() == [[255, 40, 40], [40, 40, 40], [40, 40, 40]]
    assert np.array_equal(found.read()[1, 0], 255 * np.eye(3))


def test_a_photograph_lying_on_its_side_stands_up(tmp_path):
    array = noise(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, clockwise
    Image.fromarray(array).save(tmp_path / "a.webp", exif=exif, lossless=True)
    found = read_images(tmp_path)
    assert found.shape == (3, 6, 4)
    assert np.array_equal(found.read()[0].transpose(1, 2, 0), np.rot90(array, -1))


def test_png_files_stand_up_too_whatever_their_mode_and_wherever_their_exif(tmp_path):
    array = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ("L", "LA", "RGBA", "P", "RGB", "I;16"):
        path = tmp_path / f"{mode.replace(';', '')}.png"
        plain = Image.fromarray(array.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(array)
        (plain if mode == "I;16" else plain.convert(mode)).save(path, exif=exif)
    whole = (tmp_path / "L.png").read_bytes()
    at, end = whole.index(b"eXIf") - 4, whole.index(b"IEND") - 4
    length = 12 + int.from_bytes(whole[at : at + 4], "big")
    (tmp_path / "late.png").write_bytes(whole[:at] + whole[at + length : end] + whole[at : at + length] + whole[end:])
    found = read_images(tmp_path, channels=1)
    assert len(found) == 7
    for image in found.read():
        assert np.array_equal(image[0], np.rot90(array, -1))
    assert any(note.startswith("turned as the camera was held (EXIF): ") and "4 more" in note for note in found.notes)


@pytest.mark.parametrize(("top", "depth"), [(200, 8), (1023, 10), (4095, 12), (4096, 14), (65535, 16)])
def test_grey_values_of_16_bits_are_read_as_of_the_bits_that_they_fill(tmp_path, top: int, depth: int):
    values = np.linspace(0, top, 16).reshape(4, 4).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    found = read_images(tmp_path / "a.png")
    notes = " ".join(found.notes)
    assert "16 bits a pixel, brought down to 8" in notes
    assert (f"end at {top:,}, so they are read as of {depth} bits" in notes) is (depth < 16)
    schema = ImageSchema.of(found, 8)
    assert ImageSchema.from_json(schema.to_json()) == schema
    assert (found.depth, schema.depth) == (depth, depth)
    assert np.array_equal(found.read()[0, 0], values >> (depth - 8))


def test_a_model_reads_grey_values_of_16_bits_as_at_its_fit(tmp_path):
    for name, top in (("dark", 3000), ("bright", 40_000)):
        Image.fromarray(np.linspace(0, top, 16).reshape(4, 4).astype(np.uint16)).save(tmp_path / f"{name}.png")
    assert read_images(tmp_path / "dark.png", depth=16).read().max() == 3000 >> 8
    schema = ImageSchema.of(read_images(tmp_path / "dark.png"), 8)
    model = ImageModel(models.recipe_of("nice", (1, 4, 4)).build((1, 4, 4), width=4), schema, {})
    assert model.read(tmp_path / "dark.png").read().max() == 3000 >> 4
    with pytest.raises(DataError, match=r"bright.png holds the grey value 40,000, .* 12 bits, 0 to 4,095"):
        model.read(tmp_path / "bright.png")


def test_faint_colours_of_16_bits_are_told(tmp_path):
    deep = np.full((4, 4, 3), 15, dtype=np.uint8)
    save(tmp_path / "a.png", deep)
    data = (tmp_path / "a.png").read_bytes()
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.full((4, 12), 4095))
    head = data[16:24] + bytes([16, 2, 0, 0, 0])
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    whole = [len(c).to_bytes(4, "big") + k + c + zlib.crc32(k + c).to_bytes(4, "big") for k, c in chunks]
    (tmp_path / "a.png").write_bytes(data[:8] + b"".join(whole))
    notes = " ".join(read_images(tmp_path / "a.png").notes)
    assert "pixels of 16 bits in colour end at 15 of 255" in notes


def test_mixed_sizes_need_a_size(tmp_path):
    save(tmp_path / "a.png", noise(8, 6))
    save(tmp_path / "b.png", noise(10, 20))
    with pytest.raises(DataError, match=r"a.png is 6 x 8 pixels .*b.png is 20 x 10: .*--size 6x8 crops"):
        read_images(tmp_path)
    found = read_images(tmp_path, (6, 8))
    assert (found.shape, found.resized) == ((1, 8, 6), True)
    assert any(
        "cropped at the centre and resized to 6 x 8" in n and "b.png" in n and "a.png" not in n for n in found.notes
    )
    wide = np.zeros((4, 8), dtype=np.uint8)
    wide[:, 2:6] = 200
    assert (read_images(wide[None], (4, 4)).read() == 200).all()
    assert (read_images(save(tmp_path / "wide.png", wide), (2, 2)).read()[0, 0] > 150).all()
    with pytest.raises(UsageError, match="size"):
        read_images(tmp_path, (0, 4))


def test_what_is_no_image_gets_a_sentence_that_names_it(tmp_path):
    whole = save(tmp_path / "ok" / "a.png", noise(64, 64)).read_bytes()
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, content in (
        ("text.png", b"this is not an image"),
        ("empty.png", b""),
        ("truncated.png", whole[: len(whole) // 2]),
        ("corrupt.png", whole[:40] + bytes(100) + whole[140:]),
        ("text.jpg", b"\xff\xd8\xff\xe0 no more"),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_images(folder / name)
        with pytest.raises(DataError, match=name):
            read_images([tmp_path / "ok", folder / name])
    with pytest.raises(DataError, match="there is no file"):
        read_images(tmp_path / "missing.png")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no image file here"):
        read_images(tmp_path / "none")
    Image.fromarray(np.zeros((3, 3), dtype=np.float32)).save(folder / "float.tiff")
    with pytest.raises(DataError, match=r"float.tiff has pixels of the kind 'F'"):
        read_images(folder / "float.tiff")


def test_a_bomb_is_refused_unread(tmp_path, monkeypatch):
    path = save(tmp_path / "bomb.png", noise(100, 100))
    for most in (9_000, 4_000):  # pillow warns, then refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(DataError, match=r"bomb.png says that it has more than .*refused unread"):
            read_images(path)


def test_arrays_with_their_axes_as_they_come(tmp_path):
    grey, colour = noise(5, 4, 6), noise(5, 4, 6, 3)
    planes = np.ascontiguousarray(colour.transpose(0, 3, 1, 2))
    for given, want in ((grey, grey[:, None]), (colour, planes), (planes, planes), (grey[..., None], grey[:, None])):
        found = read_images(given)
        assert found.shape == want.shape[1:]
        assert np.array_equal(found.read(), want)
        assert np.array_equal(read_images(torch.from_numpy(given)).read(), want)
    assert np.array_equal(read_images(grey > 99).read(), np.where(grey > 99, 255, 0)[:, None])
    np.save(tmp_path / "a.npy", colour)
    on_disk = read_images(tmp_path / "a.npy")
    assert isinstance(on_disk.pixels, ArrayPixels)
    assert isinstance(on_disk.pixels.array, np.memmap)
    assert np.array_equal(on_disk.read(np.array([3, 1])), planes[[3, 1]])
    assert on_disk.names[3] == f"{tmp_path / 'a.npy'}#3"
    np.savez_compressed(tmp_path / "b.npz", x=planes, labels=np.arange(5) % 2, extra=np.zeros((5, 2)))
    packed = read_images(tmp_path / "b.npz", labels="labels")
    assert np.array_equal(packed.read(), planes)
    assert packed.labels["label"].tolist() == list("01010")
    np.savez(tmp_path / "c.npz", train=grey, test=grey[:2])
    assert len(read_images(f"{tmp_path / 'c.npz'}:test")) == 2
    with pytest.raises(DataError, match=r"several arrays of images, train, test: pick one as c.npz:train"):
        read_images(tmp_path / "c.npz")
    with pytest.raises(UsageError, match="has no array 'y'"):
        read_images(tmp_path / "b.npz", labels="y")
    assert read_images(grey, labels=list("abcab")).labels["label"].tolist() == list("abcab")
    with pytest.raises(DataError, match=r"one for each of 5 images, got shape \(4,\)"):
        read_images(grey, labels=list("abca"))


def test_idx_files(tmp_path):
    pixels, labels = noise(6, 5, 4), np.arange(6, dtype=np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(pixels))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    for name in ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"):
        found = read_images(tmp_path / name, labels="labels")
        assert np.array_equal(found.read(), pixels[:, None])
        assert found.labels["label"].tolist() == list("012345")
        assert found.rule == "labels"
        named = read_images(tmp_path / name, labels=str(tmp_path / "train-labels-idx1-ubyte"))
        assert (named.labels["label"].tolist(), named.rule) == (list("012345"), None)
    for name, content, sentence in (
        ("short.idx", idx(pixels)[:-3], "holds 117 numbers"),
        ("long.idx", idx(pixels) + b"1", "holds 121 numbers"),
        ("other.idx", b"\x01\x02\x03\x04", "not a whole idx file"),
        ("head.idx", idx(pixels)[:9], "not a whole idx file"),
        ("none.idx", b"", "not a whole idx file"),
        ("vector.idx", idx(labels), r"uint8 of shape \(6,\)"),
        ("no.idx.gz", b"not gzip", "not a whole .gz file"),
        ("axes.idx", bytes([0, 0, 8, 255]) + bytes(255 * 4), "255 axes: images have 3 or 4"),
        ("claims.idx", bytes([0, 0, 8, 3]) + b"\xff" * 12, r"holds 0 numbers"),
        ("claims.idx.gz", gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12), "fills more than"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.*{sentence}"):
            read_images(tmp_path / name)
    with pytest.raises(UsageError, match="labels: expected 'folder'"):
        read_images(tmp_path / "train-images-idx3-ubyte", labels="colour")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 4, 5, 4), dtype=np.uint8), "1 channel or 3"),
        (np.zeros((3, 4, 5), dtype=np.float32), "images are uint8"),
        (np.zeros((0, 4, 5), dtype=np.uint8), "is empty"),
        (np.zeros((4, 5), dtype=np.uint8), "images are uint8"),
    ],
)
def test_arrays_that_are_no_images(array, sentence):
    with pytest.raises(DataError, match=sentence):
        read_images(array)


def test_images_and_tables_are_told_apart(tmp_path):
    np.save(tmp_path / "table.npy", noise(9, 4))
    np.save(tmp_path / "images.npy", noise(9, 4, 4))
    np.save(tmp_path / "floats.npy", np.zeros((9, 4, 4)))
    np.savez(tmp_path / "table.npz", x=noise(9, 4))
    np.savez(tmp_path / "images.npz", x=noise(9, 4, 4), y=np.zeros(9))
    (tmp_path / "a.png").touch()
    (tmp_path / "empty").mkdir()
    for yes in ("images.npy", "images.npz", "images.npz:x", "a.png", ".", "missing.jpg", "t10k-images-idx3-ubyte.gz"):
        assert is_images(f"{tmp_path}/{yes}"), yes
    for no in ("table.npy", "floats.npy", "table.npz", "images.npz:y", "empty", "table.csv", "missing.npy"):
        assert not is_images(f"{tmp_path}/{no}"), no
    for no in (None, [], [1.0], {"a": [1]}, np.zeros((3, 4, 5)), noise(3, 4)):
        assert not is_images(no)
    assert is_images([tmp_path / "a.png", str(tmp_path)])
    assert is_images(read_images(noise(3, 4, 4)))


def test_sheets_and_files(tmp_path):
    pictures = noise(5, 3, 2, 3)
    sheet = grid(pictures, columns=3, gap=1, scale=2)
    assert sheet.shape == (2 * 7 - 1, 3 * 5 - 1, 3)
    assert np.array_equal(sheet[7:13:2, 5:9:2], pictures[4])
    assert (sheet[6] == 255).all()
    assert (sheet[7:, 10:] == 255).all()
    assert grid(noise(64, 28, 28)).shape == (8 * 58 - 2, 8 * 58 - 2)
    for image in (pictures[0], pictures[0, :, :, 0]):
        write_png(tmp_path / "a.png", image)
        assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)
    assert png(pictures[0]).startswith(b"\x89PNG")
    with pytest.raises(RunError, match="could not be written"):
        write_png(tmp_path / "none" / "a.png", pictures[0])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(not (DATA / "mnist").exists(), reason="the data folder is not here")
def test_mnist_and_frey_faces_as_they_are():
    digits = read_images(DATA / "mnist" / "t10k-images-idx3-ubyte.gz", labels="labels")
    assert (len(digits), digits.shape) == (10_000, (1, 28, 28))
    assert digits.labels["label"][:5].tolist() == list("72104")
    assert digits.read().mean() == pytest.approx(33.79, abs=0.01)
    faces = read_images(DATA / "freyfaces" / "freyfaces.npz")
    assert (len(faces), faces.shape) == (1965, (1, 28, 20))
