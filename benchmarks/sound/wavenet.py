"""WaveNet on spoken digits.

    python -m benchmarks.sound references                  # simple predictors of the same samples
    python -m benchmarks.sound train                       # twenty minutes of one core; score the test recordings
    python -m benchmarks.sound digits                      # generate, and let a classifier say what it hears
    python -m benchmarks.sound train --size large --budget 330 --device cuda --checkpoints DIR --records DIR
    python -m benchmarks.sound digits --size large --device cuda --checkpoints DIR --records DIR
    python -m benchmarks.sound speed|generation|memory|page

FSDD, 8 kHz, 256 mu-law codes, given digit and speaker. Test: index 0-4 of each digit and speaker, the data set's own
convention. A random tenth of the other recordings (``fluvial.fit``'s own split, seed 0) chooses weights and settings;
the test recordings are scored once. ``train`` can be interrupted and goes on where it was; ``--budget`` is its seconds
over all its lives.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import DOCS, RECORDS, commit, data_folder, versions
from benchmarks.sound.digits import judge
from benchmarks.sound.speed import memory, speed
from fluvial.kinds.parts import split
from fluvial.kinds.sound.coding import MuLaw
from fluvial.kinds.sound.fit import sound_line
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import Sound, read_sound
from fluvial.kinds.sound.references import histogram, linear_prediction, markov
from fluvial.tasks.fit import fit, load_model
from fluvial.training import Record, Settings

PAGE = DOCS / "sound.md"
COMMIT = commit()  # of the code that is running, whatever lies in the folder when it ends
TEST = 5  # recordings of index below this are test


@dataclass(frozen=True)
class Size:
    """A network and how it is trained."""

    options: dict[str, int]
    settings: Settings
    every: int = 1
    """Take one recording in so many: 1, but to see that a command works."""


SIZES = {
    "small": Size(
        {"stacks": 2, "layers": 9, "channels": 48, "gates": 48, "skips": 64},
        Settings(epochs=3, learning_rate=8e-3, amp=True, ema=0.995, device="cpu"),
    ),
    "large": Size(
        {"stacks": 2, "layers": 11, "channels": 112, "gates": 112, "skips": 256},
        Settings(epochs=40, batch_size=6, learning_rate=4e-3, weight_decay=0.03, amp=True, ema=0.998),
    ),
    "tiny": Size(
        {"stacks": 1, "layers": 4, "channels": 8, "gates": 8, "skips": 8},
        Settings(epochs=1, batch_size=6, learning_rate=4e-3, amp=True),
        every=11,
    ),
}


@dataclass(frozen=True)
class Place:
    """Which size is trained, where, and where its run and its records lie."""

    size: str = "small"
    device: str | None = None
    budget: float | None = None
    checkpoints: Path = Path(tempfile.gettempdir()) / "fluvial-benchmarks"
    records: Path = RECORDS

    @property
    def run(self) -> Path:
        return self.checkpoints / (f"wavenet{self.suffix}")

    @property
    def suffix(self) -> str:
        return "" if self.size == "small" else f"-{self.size}"

    @property
    def settings(self) -> Settings:
        given = {k: v for k, v in (("device", self.device), ("budget", self.budget)) if v is not None}
        return replace(SIZES[self.size].settings, **given)

    def write(self, name: str, record: dict) -> None:
        _write(f"{name}{self.suffix}", record, self.records)


def digits() -> tuple[Sound, Sound]:
    """The recordings to learn from, and the test recordings."""
    sound = read_sound(data_folder() / "fsdd" / "fsdd_5speakers.npz")
    index = sound.labels["index"].astype(int)
    return sound.take(np.flatnonzero(index >= TEST)), sound.take(np.flatnonzero(index < TEST))


class _Clock:
    """Processor seconds of the training, over all its lives: kept beside the run, noted every few seconds."""

    def __init__(self, path: Path) -> None:
        self.path, self.began = path, time.process_time()
        self.before = float(path.read_text()) if path.exists() else 0.0
        self.next = 0.0

    def __call__(self, record: Record) -> None:
        if record.ended or time.monotonic() > self.next:
            self.next = time.monotonic() + 10
            print(f"{sound_line(record)}, {self.seconds():.0f} s of one core", flush=True)
            self.path.write_text(str(self.seconds()))

    def seconds(self) -> float:
        return self.before + time.process_time() - self.began


def train(place: Place) -> None:
    """Fit, or go on with the fit, then score the test recordings."""
    (learn, test), size, settings = digits(), SIZES[place.size], place.settings
    learn, test = (sound.take(np.arange(len(sound))[:: size.every]) for sound in (learn, test))
    place.checkpoints.mkdir(parents=True, exist_ok=True)
    clock = _Clock(place.run.with_suffix(".seconds"))
    model = fit(
        learn,
        context=["digit", "speaker"],
        out=place.run,
        resume=True,
        options=size.options,
        settings=settings,
        progress=clock,
    )
    seconds = clock.seconds()
    scores = model.score(test)
    by_speaker = {
        str(name): float(-scores.log_prob[at].sum() / (math.log(2) * test.lengths[at].sum()))
        for name in np.unique(test.labels["speaker"])
        for at in [test.labels["speaker"] == name]
    }
    record = {
        "bits_per_sample": float(-scores.log_prob.sum() / (math.log(2) * test.lengths.sum())),
        "validation": model.record["scores"]["held_out"],
        "by_speaker": by_speaker,
        "test": {"recordings": len(test), "samples": int(test.lengths.sum())},
        "train": model.record["sizes"],
        "core_seconds": seconds,
        "wall_seconds": model.record["training"]["seconds"],
        "best_epoch": model.record["training"]["best_epoch"],
        "device": torch.cuda.get_device_name() if settings.torch_device().type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "options": size.options,
        "settings": asdict(settings),
        "curve": [(m["epoch"], m["train"], m["held_out"]) for m in model.metrics if m["ended"]],
        "commit": COMMIT,
        "versions": versions(),
    }
    place.write("fsdd", record)


def references(place: Place) -> None:
    """Bits per sample of the test recordings by predictors of samples, and by a lossless codec."""
    learn, test = digits()
    coding, (kept, aside) = MuLaw(), split(len(learn), 0.1, 0)
    fitted, valid = learn.take(kept), learn.take(aside)
    codes = [[coding.encode(w).astype(np.int64) for w in s.recordings] for s in (fitted, test)]
    predictor = linear_prediction(fitted.recordings[::2], valid.recordings, coding)
    record = {
        "bits_per_sample": {
            "order-0 histogram": histogram(np.concatenate(codes[0]), np.concatenate(codes[1]), 256),
            "order-1 Markov chain": markov(codes[0], codes[1], 256),
            "adaptive linear prediction": predictor.bits(test.recordings),
        },
        "linear_prediction_order": len(predictor.weights),
        "flac": _lossless(test),
        "commit": COMMIT,
        "versions": versions(),
    }
    place.write("references", record)


def _lossless(test: Sound) -> dict[str, float]:
    """Bits per sample of FLAC on the test recordings: of their 8-bit linear samples, and of their mu-law codes."""
    import io

    import soundfile

    coding = MuLaw()
    waves = {
        "8-bit linear samples": np.round(test.samples * 128) / 128,
        "mu-law codes": (coding.encode(test.samples).astype(float) - 128) / 128,
    }
    found = {}
    for name, wave in waves.items():  # all recordings in one file, so that headers do not count
        file = io.BytesIO()
        soundfile.write(file, wave, test.rate, format="FLAC", subtype="PCM_S8")
        found[name] = 8 * len(file.getvalue()) / len(wave)
    return found


def judge_digits(place: Place) -> None:
    """Digits drawn by the trained model, written beside its run, and what a classifier hears in them."""
    model = load_model(place.run)
    if not isinstance(model, SoundModel):
        raise TypeError("run train first")
    model.density.to(place.settings.torch_device())
    out = place.run.with_name(f"{place.run.name}-digits")
    place.write("digits", {**judge(model, *digits(), out), "commit": COMMIT, "versions": versions()})


def measure_speed(place: Place) -> None:
    """Generation, then training; each stands with the commit that it was measured with."""
    measure_generation(place)
    _measure_part(place, "training")


def measure_generation(place: Place) -> None:
    _measure_part(place, "generation")


def _measure_part(place: Place, part: str) -> None:
    before = _read("speed")
    commits = {**before.get("commits", {"training": before.pop("commit", None)}), part: COMMIT}
    place.write("speed", {**before, **speed(part), "threads": 1, "commits": commits, "versions": versions()})


def measure_memory(place: Place, minutes: float) -> None:
    place.write("memory", {**memory(minutes), "commit": COMMIT, "versions": versions()})


def page(place: Place) -> None:
    """Write docs/sound.md from the records."""
    names = ("references", "fsdd", "digits", "speed", "memory")
    simple, fsdd, found, fast, kept = (_read(name) for name in names)
    large, large_found = _read("fsdd-large"), _read("digits-large")
    bits = {**simple["bits_per_sample"], "wavenet": fsdd["bits_per_sample"]}
    if large:
        bits["wavenet, large"] = large["bits_per_sample"]
    rows = [f"| {name} | {value:.3f} |" for name, value in sorted(bits.items(), key=lambda item: item[1])]
    rows.append(f"| FLAC of the codes, lossless | {simple['flac']['mu-law codes']:.3f} |")
    (alone, sixteen), step = (fast["generation"][f"batch {n}"] for n in (1, 16)), fast["training"]
    ratios = [
        f"| {label} / parallel pass | "
        + " | ".join(f"{b[f'{key} / parallel pass']:.1f}" for b in (alone, sixteen))
        + " |"
        for label, key in (
            ("generation in one call", "one call"),
            ("a stream", "queues"),
            ("a stream without the compiled kernels", "torch queues"),
        )
        if f"{key} / parallel pass" in alone  # else the record is of before these were measured
    ]
    sizes, flac = fsdd["train"], simple["flac"]["8-bit linear samples"]
    minutes = f"{fsdd['core_seconds'] / 60:.0f} minutes of one core"
    described = [_network("WaveNet", fsdd, minutes)]
    if large:
        seconds = f"{large['wall_seconds']:.0f} s of a GPU that did other work too"
        described.append(_network("The large one", large, seconds))
    heard = [_heard("The small net", fsdd, found)]
    if large_found:
        heard.append(_heard("The large net", large, large_found))
    text = f"""# Sound

Written by `python -m benchmarks.sound page`, from `benchmarks/records/wavenet-*.json`.

## Spoken digits

FSDD: five speakers, ten digits, 8 kHz, 256 mu-law codes. Test: index 0-4 of each digit and speaker, the data set's own
convention ({fsdd["test"]["recordings"]:,} recordings, {fsdd["test"]["samples"]:,} samples), scored once. The model
learns from {sizes["train"]:,} of the others, and a random tenth, {sizes["held_out"]:,}, chooses weights and settings.
Every sample counts once, given all the samples before it that the model reads, so the figure is exact.

| model | test bits per sample |
|---|---|
{chr(10).join(rows)}

{(chr(10) * 2).join(described)}

The linear prediction (order {simple["linear_prediction_order"]}, chosen on the validation recordings) gives a
distribution over the same codes, a logistic whose scale follows its recent errors. (FLAC of 8-bit linear samples takes
{flac:.2f} bits, but of another signal, in which all that is quiet is zero.)

## Are generated digits the digit asked for?

As many recordings of each digit by each speaker, as long as that speaker's median ([ten](sounds/digits.wav)). A
classifier ({found["classifier"]}), trained on the real training recordings, names
{100 * found["accuracy on real test digits"]:.0f} % of the real test recordings rightly; chance is 10 %. Temperatures
other than 1 are other densities.

{(chr(10) * 2).join(heard)}

## What is done to files

Files are mixed down to one channel and brought to one rate, that of most or `--rate`. Floats beyond full scale, -1 to
1, are not clipped: such a recording is divided by its own peak. Notes name the files to which any of this was done, and
those that were left out.

## Speed

{fast["sizes"]["stacks"]} stacks of {fast["sizes"]["layers"]} layers, {fast["sizes"]["channels"]} channels, one thread,
kernels: {fast["kernels"]}; ratios within one run. A stream asks for its samples one by one; `sample` of a density asks
for all in one call.

| 8,000 samples | batch 1 | batch 16 |
|---|---|---|
| one parallel pass over them, seconds | {alone["one parallel pass"]:.3f} | {sixteen["one parallel pass"]:.2f} |
{chr(10).join(ratios)}
| whole prefix again at each sample / a stream | {alone["whole prefix / queues"]:.0f} | |
| receptive field again at each sample / a stream | {alone["receptive field / queues"]:.0f} | |

A training step of {step["samples"]:,} samples takes {step["step / products"]:.2f} times its matrix products alone,
{step["step / convolutions"]:.2f} times the same convolutions by torch's `conv1d` alone, and in bfloat16
{step["bfloat16 step / products"]:.2f} times the float32 products. One stream of {kept["minutes of 8 kHz"]:g} minutes of
8 kHz sound from a tiny net: {kept["most resident kB after 1 s"] / 1024:.1f} MiB resident after its first second,
{kept["at the end"] / 1024:.1f} MiB at its end.
"""
    PAGE.write_text(text)


def _network(name: str, record: dict, time_taken: str) -> str:
    """One trained network in a sentence."""
    options, sizes, settings = record["options"], record["train"], record["settings"]
    speakers = ", ".join(f"{speaker} {value:.3f}" for speaker, value in record["by_speaker"].items())
    passes = len(record["curve"]) - 1
    return (
        f"{name}: {options['stacks']} stacks of {options['layers']} layers, {options['channels']} residual and gate "
        f"channels, {options['skips']} skip channels, {sizes['parameters']:,} parameters, receptive field "
        f"{sizes['receptive_field']:,} samples ({sizes['receptive_field'] / 8:.0f} ms), given digit and speaker; "
        f"{passes} passes with products in bfloat16, {time_taken}, seed {settings['seed']}. By speaker: {speakers}."
    )


def _heard(name: str, record: dict, found: dict) -> str:
    """What the classifier heard in one network's digits."""
    shares = {t: 100 * share["the digit asked for"] for t, share in found["temperatures"].items()}
    colder = ", ".join(f"{share:.0f} % at {t}" for t, share in shares.items() if t != "1.0")
    return (
        f"{name} reads {record['train']['receptive_field'] / 8:.0f} ms back: of {found['generated']} recordings "
        f"**{shares['1.0']:.0f} %** are heard as the digit asked for; {colder}."
    )


def _read(name: str) -> dict:
    """A record; empty where there is none."""
    path = RECORDS / f"wavenet-{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write(name: str, record: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"wavenet-{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def main() -> None:
    commands = {
        "references": references,
        "train": train,
        "digits": judge_digits,
        "speed": measure_speed,
        "generation": measure_generation,
        "page": page,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*commands, "memory"))
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default=None)
    parser.add_argument("--budget", type=float, default=None, help="seconds of training at most")
    parser.add_argument("--checkpoints", type=Path, default=Place.checkpoints)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the stream whose memory is measured")
    given = parser.parse_args()
    torch.set_num_threads(1)
    place = Place(given.size, given.device, given.budget, given.checkpoints, given.records)
    if given.what == "memory":
        measure_memory(place, given.minutes)
    else:
        commands[given.what](place)
