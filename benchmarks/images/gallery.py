"""The pictures of docs/images.md: ``python -m benchmarks.images.gallery --default RUN --mnist RUN --frey RUN``.

Any of these. RUN is a run folder of ``fluvial fit``: of MNIST's training images given their labels (named by
``--labels labels``), by the default model and by one whose noise can be interpolated and edited; and of Frey faces
(``images`` of freyfaces.npz). Such as

    fluvial fit mnist/train-images-idx3-ubyte.gz --labels labels --budget 12m --out RUN
    fluvial fit mnist/train-images-idx3-ubyte.gz --labels labels --model glow --set bits=3 --set steps=16 \\
        --set width=128 --set batch_size=256 --budget 150s --device cuda --out RUN
    fluvial fit freyfaces/freyfaces.npz --model glow --set bits=5 --set steps=16 --set width=64 --budget 90s --out RUN

Writes PNG files to ``--out`` and what was measured beside them to ``image-pictures.json`` and ``.md`` in ``--records``:
bits per dimension, how often a classifier of real digits reads the digit
that was asked for, and what likelihood, typicality and two yardsticks say of foreign images.
"""

from __future__ import annotations

import argparse
import gzip
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import fluvial
from benchmarks.common import DOCS, RECORDS, data_folder
from benchmarks.images import words
from fluvial.kinds.images.files import grid, write_png
from fluvial.kinds.images.foreign import foreignness
from fluvial.kinds.images.model import ImageModel

TEMPERATURES = (1.0, 0.85, 0.7)
SHOWN = (1.0, 0.7)
SEED = 0
FOREIGN = 300  # images of each kind
EXAMPLES = 300  # of either side of an attribute
STRENGTH, SMILE = 0.6, 0.9  # of edits of digits and of faces
PAIRS = ((0, 900), (300, 1500))  # frames between which is interpolated
JUDGED = 20  # samples of each digit that the classifier reads


def idx(name: str) -> np.ndarray:
    """One of MNIST's own files."""
    data = np.frombuffer(gzip.decompress((data_folder() / "mnist" / f"{name}-ubyte.gz").read_bytes()), np.uint8)
    return data[16:].reshape(-1, 28, 28) if "images" in name else data[8:]


def faces() -> np.ndarray:
    """Frey faces in the order of the film, (1965, 28, 20)."""
    return np.load(data_folder() / "freyfaces" / "freyfaces.npz")["images"]


def omniglot() -> np.ndarray:
    """Characters as MNIST shows digits: white on black, 28 x 28."""
    with zipfile.ZipFile(data_folder() / "omniglot-small" / "images_background_small1.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".png") and not n.startswith("__"))
        drawn = [Image.open(BytesIO(archive.read(n))).convert("L") for n in names[:: len(names) // FOREIGN]]
    return np.stack([255 - np.asarray(im.resize((28, 28), Image.Resampling.BOX)) for im in drawn])


def drawn(model: ImageModel, path: Path) -> dict[str, Any]:
    """Samples of digits beside real ones, how good they are, and the bits of test digits."""
    name = next(iter(model.schema.context))
    asked = [str(d) for d in range(10)]
    test, labels = idx("t10k-images-idx3"), idx("t10k-labels-idx1")
    sheets = [model.sample(70, {name: asked * 7}, t, SEED) for t in SHOWN]
    beside(path, [_by_digit(test, labels), *sheets])
    scores = model.score(test, {name: labels.astype(str)})
    return {
        **how(model),
        "exact": model.exact,
        "test_bits_per_dimension": _mean(scores.values),
        "digit_asked_for": read_back(model, name),
    }


def by_default(model: ImageModel, out: Path) -> dict[str, Any]:
    """Samples of digits by the default model of images."""
    return drawn(model, out / "mnist-default.png")


def digits(model: ImageModel, out: Path) -> dict[str, Any]:
    """Samples, interpolations and edits of digits, and what was measured."""
    name = next(iter(model.schema.context))
    test, labels = idx("t10k-images-idx3"), idx("t10k-labels-idx1")
    pairs = [[test[labels == d][k] for k in (0, 1)] for d in (2, 3, 5, 8)]
    ways = [model.interpolate(a, b, 10, {name: str(d)}) for d, (a, b) in zip((2, 3, 5, 8), pairs)]
    strips(out / "mnist-interpolation.png", ways)
    edits = []
    for d in (2, 4, 7):
        of_digit = idx("train-images-idx3")[idx("train-labels-idx1") == d]
        thick, thin = _by(of_digit, of_digit.sum((1, 2), dtype=float))
        found = model.attribute(thick, thin, {name: str(d)})
        plain = test[labels == d][1]
        edits.append(model.edit(plain, found, np.linspace(-STRENGTH, STRENGTH, 9).tolist(), {name: str(d)}))
    strips(out / "mnist-edit.png", edits)
    kinds = {
        "MNIST test digits": test[:FOREIGN],
        "Omniglot characters": omniglot(),
        "Frey faces": np.stack([_resized(face[4:24]) for face in faces()[:: 1965 // FOREIGN]]),
        "the likeliest single grey": likeliest_grey(model, {name: "0"}),
        "uniform noise": np.random.default_rng(SEED).integers(0, 256, (FOREIGN, 28, 28), dtype=np.uint8),
    }
    given = {k: labels[:FOREIGN] if k == "MNIST test digits" else np.arange(len(v)) % 10 for k, v in kinds.items()}
    return {
        **drawn(model, out / "mnist-samples.png"),
        "foreign": {k: recognised(model, v, {name: given[k].astype(str)}) for k, v in kinds.items()},
    }


def of_faces(model: ImageModel, out: Path) -> dict[str, Any]:
    """Samples, interpolations and edits of faces; a bright mouth counts as a smile."""
    film = faces()
    some = film[np.random.default_rng(SEED).permutation(len(film))[:70]]
    beside(out / "frey-samples.png", [some, *(model.sample(70, None, t, SEED) for t in SHOWN)])
    strips(
        out / "frey-interpolation.png", [model.interpolate(film[a], film[b], 10) for a, b in ((0, 900), (300, 1500))]
    )
    mouth = film[:, 18:26, 5:15].astype(float)
    open_, shut = _by(film, mouth.std((1, 2)))
    found = model.attribute(open_, shut)
    plain = film[np.argsort(mouth.std((1, 2)))[[400, 1000, 1500]]]
    strengths = np.linspace(-SMILE, SMILE, 9).tolist()
    strips(out / "frey-edit.png", [model.edit(face, found, strengths) for face in plain])
    kinds = {
        "mirrored faces": np.ascontiguousarray(some[:, :, ::-1]),
        "faces upside down": np.ascontiguousarray(some[:, ::-1]),
        "MNIST digits": idx("t10k-images-idx3")[:FOREIGN, :, 4:24],
        "the likeliest single grey": likeliest_grey(model),
    }
    return {
        **how(model),
        "direction": {"length": found.length, "by_chance": found.by_chance},
        "foreign": {k: recognised(model, v) for k, v in kinds.items()},
    }


def how(model: ImageModel) -> dict[str, Any]:
    """How the run was made and how well it went."""
    record = model.record
    return {
        "command": record.get("command"),
        "model": record["model"]["model"],
        "options": record["model"]["options"],
        "parameters": sum(p.numel() for p in model.density.parameters()),
        "training": record.get("training"),
        "device": (record.get("settings") or {}).get("device"),
        "held_out": record["scores"]["held_out"],
    }


def recognised(model: ImageModel, images: np.ndarray, labels: dict[str, Any] | None = None) -> dict[str, Any]:
    """Medians of what ``score`` says, and the share of images that each p-value calls foreign at 5 %."""
    read = model.read(images, labels)
    context = model.labels(read, labels)
    x = model.schema.encode(read.read())
    log_prob = model.log_prob_pixels(x, context)
    view = foreignness(model, x, log_prob, context)
    known = np.sort(model.rows["held_out.log_prob"])
    low = (1 + np.searchsorted(known, log_prob, "right")) / (1 + len(known))
    return {
        "images": len(x),
        "bits_per_dimension": float(np.median(-log_prob / (model.schema.numbers * np.log(2)))),
        "likelier_than_held_out": float((np.searchsorted(known, log_prob) / len(known)).mean()),
        "deviation": float(np.median(view.deviation)),
        "foreign_by_low_likelihood": float((low < 0.05).mean()),
        "foreign_by_typicality": float((view.p_value < 0.05).mean()),
        "foreign_by_compressor": float((view.compressor.p_value < 0.05).mean()),
    }


def likeliest_grey(model: ImageModel, labels: dict[str, Any] | None = None) -> np.ndarray:
    """Of images of one grey throughout the one with the highest likelihood, (1, H, W)."""
    levels = np.arange(256, dtype=np.uint8)[:, None, None]
    greys = np.broadcast_to(levels, (256, *model.schema.shape[1:])).copy()
    return greys[model.log_prob(greys, labels).argmax()][None]


def read_back(model: ImageModel, name: str) -> dict[str, Any]:
    """Share of samples that a classifier of real digits reads as the digit asked for."""
    from sklearn.svm import SVC

    top = 2**model.schema.bits - 1
    seen, labels = idx("train-images-idx3")[:10_000], idx("train-labels-idx1")[:10_000]
    test, true = idx("t10k-images-idx3"), idx("t10k-labels-idx1")
    coarse = [(v >> (8 - model.schema.bits)).reshape(len(v), -1) / top for v in (seen, test)]
    classifier = SVC(C=10.0).fit(coarse[0], labels)
    asked = np.arange(10).repeat(JUDGED)
    samples = {str(t): model.sample(len(asked), {name: asked.astype(str).tolist()}, t, SEED) for t in TEMPERATURES}
    return {
        "classifier": "RBF support vector machine on 10,000 training digits",
        "real test digits": float((classifier.predict(coarse[1][:2000]) == true[:2000]).mean()),
        **{t: float((classifier.predict(x.reshape(len(x), -1) / 255) == asked).mean()) for t, x in samples.items()},
    }


def beside(path: Path, sheets: list[np.ndarray]) -> None:
    """Grids of images beside each other, ten to a row."""
    parts = [grid(x, 10, gap=1, scale=1) for x in sheets]
    space = np.full((parts[0].shape[0], 12), 255, dtype=np.uint8)
    row = np.concatenate([p for part in parts for p in (part, space)][:-1], 1)
    write_png(path, row.repeat(2, 0).repeat(2, 1))


def strips(path: Path, rows: list[np.ndarray]) -> None:
    """One strip below the other."""
    write_png(path, grid(np.concatenate(rows), len(rows[0]), gap=2, scale=3))


def _by_digit(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.stack([images[labels == d][k] for k in range(7) for d in range(10)])


def _by(images: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those with the highest and the lowest values."""
    order, n = np.argsort(value), min(EXAMPLES, len(value) // 4)
    return images[order[-n:]], images[order[:n]]


def _resized(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BOX))


def _mean(values: np.ndarray) -> list[float]:
    return [float(values.mean()), float(values.std() / len(values) ** 0.5)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    drawers = {"default": by_default, "mnist": digits, "frey": of_faces}
    for name in drawers:
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--out", type=Path, default=DOCS / "images")
    parser.add_argument("--records", type=Path, default=RECORDS)
    arguments = parser.parse_args()
    path = arguments.records / "image-pictures.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    for folder in (arguments.out, arguments.records):
        folder.mkdir(parents=True, exist_ok=True)
    for name, draw in drawers.items():
        run = getattr(arguments, name)
        if run is not None:
            record[name] = draw(fluvial.load(run), arguments.out)
            path.write_text(json.dumps(record, indent=1) + "\n")
            path.with_suffix(".md").write_text(words.page(record))
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
