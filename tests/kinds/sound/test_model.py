"""A model of sound: fitted, kept, scored, drawn from; and sentences where it cannot be."""

from __future__ import annotations

import json
import math
from itertools import islice

import numpy as np
import pytest
import soundfile
import torch

import fluvial
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import read_sound
from fluvial.tasks.fit import fit
from fluvial.training import Settings

TINY = {"layers": 3, "channels": 8, "gates": 8, "skips": 8}
RATE = 4000


def write(folder, n: int = 12, steps: int = 300):
    """Tones of two heights in folders of their names."""
    rng = np.random.default_rng(0)
    for i in range(n):
        name = ("low", "high")[i % 2]
        (folder / name).mkdir(parents=True, exist_ok=True)
        at = np.arange(steps + 10 * i)
        wave = 0.3 * np.sin(2 * np.pi * (200, 600)[i % 2] * at / RATE + i) + 0.01 * rng.normal(size=len(at))
        soundfile.write(folder / name / f"{i}.wav", wave, RATE)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory) -> SoundModel:
    out = tmp_path_factory.mktemp("runs") / "run"
    return fluvial.fit(folder, context=["label"], epochs=20, out=out, options=TINY, progress=False)


def test_it_learns_and_says_how_well(model):
    scores, sizes = model.record["scores"], model.record["sizes"]
    assert sizes["train"] == 8
    assert sizes["held_out"] == 4
    assert sizes["receptive_field"] == model.receptive_field == 15
    assert scores["held_out"]["bits_per_sample"] < scores["histogram"] - 0.3
    assert scores["held_out"]["bits_per_sample"] == pytest.approx(
        min(m["held_out"] for m in model.metrics) / math.log(2), abs=1e-4
    )
    assert scores["held_out"]["log_likelihood"] == pytest.approx(
        -scores["held_out"]["bits_per_sample"] * math.log(2) * sizes["held_out_samples"], rel=1e-6
    )


def test_a_score_is_that_of_the_whole_recording(model, folder):
    scores = model.score(folder)
    assert len(scores.names) == 12
    assert scores.values == pytest.approx(-scores.log_prob / (scores.counts["samples"] * math.log(2)))
    sound = read_sound(folder / "low" / "0.wav")
    codes = torch.from_numpy(model.schema.encode(sound)).float().unsqueeze(0)
    context = torch.tensor([[model.schema.context["label"].index("low")]]).float()
    with torch.no_grad():
        want = model.density.log_prob(codes, context).item()
    at = scores.names.tolist().index(str(folder / "low" / "0.wav"))
    assert scores.log_prob[at] == pytest.approx(want, rel=1e-5)
    alone = model.log_prob(folder / "low" / "0.wav", {"label": "low"})
    assert alone[0] == pytest.approx(want, rel=1e-5)
    other = model.log_prob(folder / "low" / "0.wav", {"label": "high"})
    assert other[0] < want


def test_what_is_drawn_is_scored_as_it_was_drawn(model):
    drawn = model.sample(3, 0.02, context={"label": ["low", "high", "low"]}, seed=1)
    assert drawn.shape == (3, 80)
    assert drawn.dtype == np.float32
    assert np.array_equal(model.sample(3, 0.02, context={"label": ["low", "high", "low"]}, seed=1), drawn)
    assert not np.array_equal(model.sample(3, 0.02, seed=2), drawn)
    stream = model.stream(3, context={"label": ["low", "high", "low"]}, seed=1)
    assert np.array_equal(np.stack(list(islice(stream, 80)), 1), drawn)
    assert model.sample(1, seed=0).shape == (1, round(model.schema.seconds * RATE))


def test_a_prompt_is_gone_on_with(model, folder):
    path = folder / "high" / "1.wav"
    start = read_sound(path).samples
    drawn = model.sample(2, 0.05, context={"label": "high"}, prompt=path, seed=3)
    assert drawn.shape == (2, len(start) + 200)
    coded = model.schema.coding.decode(model.schema.coding.encode(start))
    assert np.array_equal(drawn[0, : len(start)], coded)
    assert np.array_equal(model.sample(2, 0.05, context={"label": "high"}, prompt=start, seed=3), drawn)
    fresh = model.sample(2, 0.05, context={"label": "high"}, seed=3)
    assert not np.array_equal(fresh, drawn[:, len(start) :])
    with pytest.raises(DataError, match="expected one recording, got 12"):
        model.sample(1, prompt=folder)


def test_a_low_temperature_draws_what_is_likely(model, folder):
    def bits(temperature: float) -> float:
        waves = model.sample(4, 0.05, context={"label": "low"}, temperature=temperature, seed=0)
        sound = read_sound(folder / "low" / "0.wav")
        four = type(sound)(waves.ravel(), np.full(4, waves.shape[1]), ("",) * 4, {}, RATE)
        return float(model.score(four, {"label": "low"}).values.mean())

    assert bits(0.5) < bits(1.0) < bits(1.5)
    with pytest.raises(UsageError, match="temperature"):
        model.sample(1, temperature=-1.0)


def test_it_survives_its_run_folder(model, folder, tmp_path):
    model.save(tmp_path / "run")
    again = fluvial.load(tmp_path / "run")
    assert isinstance(again, SoundModel)
    assert again.schema == model.schema
    assert np.array_equal(again.log_prob(folder), model.log_prob(folder))
    assert again.sample(2, seed=5).tolist() == model.sample(2, seed=5).tolist()
    with pytest.raises(RunError, match="holds a finished run"):
        model.save(tmp_path / "run")


def test_an_interrupted_fit_goes_on(folder, tmp_path):
    def stop(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    arguments = {"context": ["label"], "epochs": 4, "options": TINY, "seed": 3}
    whole = fit(folder, **arguments, progress=False)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, **arguments, out=tmp_path / "run", progress=stop)
    resumed = fit(folder, **arguments, out=tmp_path / "run", resume=True, progress=False)
    assert np.array_equal(whole.log_prob(folder), resumed.log_prob(folder))


@pytest.mark.parametrize(
    ("options", "levels"), [({"levels": 65536, "components": 3}, 65536), ({"preset": "vocoder16", "stacks": 1}, 65536)]
)
def test_sixteen_bits(folder, options: dict, levels: int):
    small = {**TINY, **options, "layers": 2}
    fitted = fluvial.fit(folder, epochs=1, options=small, progress=False)
    assert fitted.schema.levels == levels
    assert np.isfinite(fitted.log_prob(folder)).all()
    assert fitted.sample(1, 0.01, seed=0).shape == (1, 40)


def test_one_recording_is_cut_in_three(folder):
    fitted = fluvial.fit(folder / "low" / "0.wav", epochs=1, options=TINY, progress=False)
    assert fitted.record["sizes"]["train_samples"] == 240
    assert fitted.record["sizes"]["held_out_samples"] == 30
    assert "the last 10% of each recording judge" in fitted.record["warnings"][0]
    assert fitted.score(folder / "low").values.shape == (6,)


def test_recordings_shorter_than_the_receptive_field(tmp_path):
    fitted = fluvial.fit(write(tmp_path, 4, steps=5), epochs=1, options={**TINY, "layers": 6}, progress=False)
    assert fitted.receptive_field == 127
    assert np.isfinite(fitted.score(tmp_path).values).all()


def test_a_rate_of_its_own_is_resampled_when_scored(model, folder, tmp_path):
    wave = read_sound(folder / "low" / "0.wav", 8000).samples
    soundfile.write(tmp_path / "fast.wav", wave, 8000)
    scores = model.score(tmp_path / "fast.wav", {"label": "low"})
    assert "resampled to 4,000 Hz" in scores.warnings[0]
    assert scores.values[0] < 8


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"context": ["speaker"]}, UsageError, "no label 'speaker'; they have label"),
        ({"context": ["label", "label"]}, UsageError, "names a label twice"),
        ({"model": "maf"}, UsageError, "maf is a model of tables; for sound there is wavenet"),
        ({"options": {"levels": 300}}, UsageError, "256 or 65536 levels, not 300"),
        ({"options": {"layer": 3}}, UsageError, "did you mean 'layers'"),
        ({"holdout": 0.7}, UsageError, "between 0 and 0.5, got 0.7"),
        ({"drop_missing": True}, UsageError, "about tables"),
        ({"rate": -1}, UsageError, "rate: expected a positive number"),
    ],
)
def test_wrong_requests_get_sentences(folder, arguments: dict, error: type, sentence: str):
    with pytest.raises(error, match=sentence):
        fluvial.fit(folder, **{"epochs": 1, "options": TINY, "progress": False, **arguments})


def test_wrong_labels_get_sentences(model, folder):
    with pytest.raises(DataError, match="has the value 'middle', which the model has never seen; it knows high, low"):
        model.sample(1, context={"label": "middle"})
    with pytest.raises(DataError, match="'label' is missing"):
        model.score(folder / "low" / "0.wav")
    with pytest.raises(DataError, match="one value or 2, got 3"):
        model.sample(2, context={"label": ["low"] * 3})
    with pytest.raises(DataError, match="no label 'pitch'"):
        model.sample(1, context={"pitch": "low"})
    plain = fluvial.fit(folder, epochs=1, options=TINY, progress=False)
    with pytest.raises(UsageError, match="given nothing, but got label"):
        plain.sample(1, context={"label": "low"})
    for n, seconds in ((0, 1.0), (1, 0.0), (1, math.inf)):
        with pytest.raises(UsageError, match=r"n: expected a number of recordings|seconds: expected a positive time"):
            plain.sample(n, seconds)


def test_tables_and_sound_are_told_apart():
    with pytest.raises(UsageError, match="wavenet is a model of sound"):
        fluvial.fit(np.zeros((20, 2)), "wavenet")
    with pytest.raises(UsageError, match="rate is about sound; this is about tables"):
        fluvial.fit(np.zeros((20, 2)), rate=8000)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": {"kind": "sound"}},
        {"schema": {"rate": -1}},
        {"schema": {"levels": 7}},
        {"schema": {"context": "label"}},
        {"schema": {"context": {}}},
        {"schema": {"seconds": 1e9}},
        {"model": {"model": "maf", "event_shape": [3]}},
        {"model": {"options": {"channels": 10**9}}},
        {"model": {"options": {"layers": 60}}},
    ],
)
def test_damaged_or_hostile_runs_get_sentences(model, tmp_path, change: dict):
    model.save(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    for part, values in change.items():
        config[part] = values if values == {"kind": "sound"} or "model" in values else {**config[part], **values}
    path.write_text(json.dumps(config))
    with pytest.raises(RunError):
        fluvial.load(tmp_path / "run")


def test_settings_of_ones_own(folder):
    fitted = fluvial.fit(folder, options=TINY, settings=Settings(epochs=1, learning_rate=1e-3), progress=False)
    assert fitted.record["settings"]["learning_rate"] == 1e-3
    assert fluvial.fit(folder, epochs=1, options=TINY, progress=False).record["settings"]["learning_rate"] == 8e-3


def test_silence_throughout_is_a_sentence(tmp_path):
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", np.zeros(300), RATE)
    with pytest.raises(DataError, match=r"silent throughout: \d recordings? to learn from"):
        fit(tmp_path, progress=False)


def test_a_folder_of_single_files_is_told_which_to_name(tmp_path):
    for name in ("JSB.mat", "train-images-idx3-ubyte.gz"):
        (tmp_path / name).write_bytes(b"1")
        with pytest.raises(DataError, match=f"Name one file instead: .*{name}"):
            fit(tmp_path, progress=False)
