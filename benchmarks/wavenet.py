"""WaveNet on spoken digits: ``python -m benchmarks.wavenet train|digits|speed|memory|page``.

FSDD, 8 kHz, 256 mu-law codes, given digit and speaker. Test: index 0-4 of each digit and speaker, the data set's own
convention. A random tenth of the other recordings (``fluvial.fit``'s own split, seed 0) chooses weights and settings;
the test recordings are scored once. ``train`` can be interrupted and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks.contenders import commit, versions
from benchmarks.datasets import data_folder
from benchmarks.wavenet_digits import judge
from benchmarks.wavenet_speed import memory, speed
from fluvial.data.audio import Sound, read_sound
from fluvial.data.coding import MuLaw
from fluvial.tasks.entrance import fit, load_any
from fluvial.tasks.fit_sound import sound_line
from fluvial.tasks.prepare import split
from fluvial.tasks.references import histogram, linear_prediction, markov
from fluvial.tasks.sound import SoundModel
from fluvial.training import Record, Settings

PAGE = Path(__file__).parents[1] / "docs" / "sound.md"
RECORDS = Path(__file__).parent / "records"
COMMIT = commit()  # of the code that is running, whatever lies in the folder when it ends
OPTIONS = {"stacks": 2, "layers": 9, "channels": 48, "gates": 48, "skips": 64}
SETTINGS = Settings(epochs=3, learning_rate=8e-3, amp=True, ema=0.995, device="cpu")
TEST = 5  # recordings of index below this are test


def digits() -> tuple[Sound, Sound]:
    """The recordings to learn from, and the test recordings."""
    sound = read_sound(data_folder() / "fsdd" / "fsdd_5speakers.npz")
    index = sound.labels["index"].astype(int)
    return sound.take(np.flatnonzero(index >= TEST)), sound.take(np.flatnonzero(index < TEST))


def run_folder() -> Path:
    """Where the trained model lies; ``FLUVIAL_RUNS`` overrules the user's temporary folder."""
    return Path(os.environ.get("FLUVIAL_RUNS", Path(tempfile.gettempdir()) / "fluvial-benchmarks")) / "wavenet"


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


def train() -> SoundModel:
    """Fit, or go on with the fit, then score the test recordings beside the references."""
    learn, test = digits()
    folder = run_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    clock = _Clock(folder.with_suffix(".seconds"))
    model = fit(
        learn, context=["digit", "speaker"], out=folder, resume=True, options=OPTIONS, settings=SETTINGS, progress=clock
    )
    seconds = clock.seconds()
    scores = model.score(test)
    bits = -scores.log_prob.sum() / (math.log(2) * scores.samples.sum())
    coding, (kept, aside) = MuLaw(), split(len(learn), 0.1, 0)
    fitted, valid = learn.take(kept), learn.take(aside)
    codes = [[coding.encode(w).astype(np.int64) for w in s.recordings] for s in (fitted, test)]
    predictor = linear_prediction(fitted.recordings[::2], valid.recordings, coding)
    by_speaker = {
        str(name): float(-scores.log_prob[at].sum() / (math.log(2) * scores.samples[at].sum()))
        for name in np.unique(test.labels["speaker"])
        for at in [test.labels["speaker"] == name]
    }
    record = {
        "bits_per_sample": {
            "wavenet": float(bits),
            "order-0 histogram": histogram(np.concatenate(codes[0]), np.concatenate(codes[1]), 256),
            "order-1 Markov chain": markov(codes[0], codes[1], 256),
            "adaptive linear prediction": predictor.bits(test.recordings),
        },
        "linear_prediction_order": len(predictor.weights),
        "validation": model.record["scores"]["held_out"],
        "by_speaker": by_speaker,
        "test": {"recordings": len(test), "samples": int(test.lengths.sum())},
        "train": model.record["sizes"],
        "core_seconds": seconds,
        "wall_seconds": model.record["training"]["seconds"],
        "threads": torch.get_num_threads(),
        "options": OPTIONS,
        "settings": asdict(SETTINGS),
        "curve": [(m["epoch"], m["train"], m["held_out"]) for m in model.metrics if m["ended"]],
        "flac": _lossless(test),
        "commit": COMMIT,
        "versions": versions(),
    }
    _write("fsdd", record)
    return model


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


def judge_digits() -> None:
    """Digits drawn by the trained model, written to ``RUNS/wavenet-digits``, and what a classifier hears in them."""
    model = load_any(run_folder())
    if not isinstance(model, SoundModel):
        raise TypeError("run train first")
    out, shown = run_folder().with_name("wavenet-digits"), PAGE.parent / "sounds" / "digits.wav"
    _write("digits", {**judge(model, *digits(), out, shown), "commit": COMMIT, "versions": versions()})


def measure_speed() -> None:
    _write("speed", {**speed(), "threads": 1, "commit": COMMIT, "versions": versions()})


def measure_memory(minutes: float) -> None:
    _write("memory", {**memory(minutes), "commit": COMMIT, "versions": versions()})


def page() -> None:
    """Write docs/sound.md from the records."""
    fsdd, found, fast, kept = (_read(name) for name in ("fsdd", "digits", "speed", "memory"))
    bits, options, sizes = fsdd["bits_per_sample"], fsdd["options"], fsdd["train"]
    rows = [f"| {name} | {value:.3f} |" for name, value in sorted(bits.items(), key=lambda item: item[1])]
    rows.append(f"| FLAC of the codes, lossless | {fsdd['flac']['mu-law codes']:.3f} |")
    (alone, sixteen), step = (fast["generation"][f"batch {n}"] for n in (1, 16)), fast["training"]
    heard = {t: share["the digit asked for"] for t, share in found["temperatures"].items()}
    real, colder = found["accuracy on real test digits"], [t for t in heard if t != "1.0"]
    speakers = ", ".join(f"{name} {value:.3f}" for name, value in fsdd["by_speaker"].items())
    text = f"""# Sound

Written by `python -m benchmarks.wavenet page`, from `benchmarks/records/wavenet-*.json`.

## Spoken digits

FSDD: five speakers, ten digits, 8 kHz, 256 mu-law codes. Test: index 0-4 of each digit and speaker, the data set's own
convention ({fsdd["test"]["recordings"]:,} recordings, {fsdd["test"]["samples"]:,} samples), scored once. Of the others,
{sizes["train"]:,} recordings are learnt from and a random tenth, {sizes["held_out"]:,}, chooses weights and settings.
Every sample counts once, given all the samples before it that the model reads, so the figure is exact.

| model | test bits per sample |
|---|---|
{chr(10).join(rows)}

WaveNet: {options["stacks"]} stacks of {options["layers"]} layers, {options["channels"]} residual and gate channels,
{options["skips"]} skip channels, {sizes["parameters"]:,} parameters, receptive field {sizes["receptive_field"]:,}
samples ({sizes["receptive_field"] / 8:.0f} ms), given digit and speaker; {fsdd["settings"]["epochs"]} passes with
products in bfloat16, {fsdd["core_seconds"] / 60:.0f} minutes of one core, seed {fsdd["settings"]["seed"]}. By speaker:
{speakers}. The linear prediction (order {fsdd["linear_prediction_order"]}, chosen on the validation recordings) gives a
distribution over the same codes, a logistic whose scale follows its recent errors. (FLAC of 8-bit linear samples takes
{fsdd["flac"]["8-bit linear samples"]:.2f} bits, but of another signal, in which all that is quiet is zero.)

## Are generated digits the digit asked for?

{found["generated"]} recordings, {found["generated"] // 50} of each digit by each speaker, as long as that speaker's
median. A classifier ({found["classifier"]}), trained on the real training recordings, names the digit asked for in
**{100 * heard["1.0"]:.0f} %** of what the fitted density draws ([ten of them](sounds/digits.wav)); of the real test
recordings it names {100 * real:.0f} % rightly, and chance is 10 %. At a temperature of
{", of ".join(f"{t}, {100 * heard[t]:.0f} %" for t in colder)}: those are other densities. The model reads
{sizes["receptive_field"] / 8:.0f} ms back, less than a word: it knows how a digit sounds, but not how far it has come.

## Speed

{fast["sizes"]["stacks"]} stacks of {fast["sizes"]["layers"]} layers, {fast["sizes"]["channels"]} channels, one thread,
plain PyTorch; ratios within one run.

| 8,000 samples | batch 1 | batch 16 |
|---|---|---|
| with queues, seconds | {alone["queues"]:.2f} | {sixteen["queues"]:.2f} |
| one parallel pass over them, seconds | {alone["one parallel pass"]:.3f} | {sixteen["one parallel pass"]:.2f} |
| queues / parallel pass | {alone["queues / parallel pass"]:.1f} | {sixteen["queues / parallel pass"]:.1f} |
| whole prefix again at each sample / queues | {alone["whole prefix / queues"]:.0f} | |
| receptive field again at each sample / queues | {alone["receptive field / queues"]:.0f} | |

A training step of {step["samples"]:,} samples takes {step["step / products"]:.2f} times its matrix products alone,
{step["step / convolutions"]:.2f} times the same convolutions by torch's `conv1d` alone, and in bfloat16
{step["bfloat16 step / products"]:.2f} times the float32 products. One stream of {kept["minutes of 8 kHz"]:g} minutes of
8 kHz sound from a tiny net: {kept["most resident kB after 1 s"] / 1024:.1f} MiB resident after its first second,
{kept["at the end"] / 1024:.1f} MiB at its end.
"""
    PAGE.write_text(text)


def _read(name: str) -> dict:
    return json.loads((RECORDS / f"wavenet-{name}.json").read_text())


def _write(name: str, record: dict) -> None:
    path = RECORDS / f"wavenet-{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    commands = {"train": train, "digits": judge_digits, "speed": measure_speed, "page": page}
    parser.add_argument("what", choices=(*commands, "memory"))
    parser.add_argument("--minutes", type=float, default=60.0, help="of the stream whose memory is measured")
    given = parser.parse_args()
    if given.what == "memory":
        measure_memory(given.minutes)
    else:
        commands[given.what]()


if __name__ == "__main__":
    main()
