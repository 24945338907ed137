"""Recordings from files of all kinds, and sentences about those that do not work."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.kinds.sound.read import is_sound, read_sound, write_sound


def tone(n: int = 400, rate: int = 8000, hertz: float = 440.0, channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(n) / rate)
    return np.stack([wave] + [np.zeros(n)] * (channels - 1), 1)


def write(path, wave: np.ndarray, rate: int = 8000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.wav", {}, 2**-15),
        ("a.wav", {"subtype": "FLOAT"}, 1e-7),
        ("a.WAV", {"format": "WAV", "subtype": "PCM_24"}, 1e-6),
        ("a.flac", {}, 2**-15),
        ("a.ogg", {}, 0.05),
        ("a.aiff", {}, 2**-15),
        ("a.au", {}, 2**-15),
    ],
)
def test_formats(tmp_path, name: str, options: dict, tolerance: float):
    path = write(tmp_path / name, tone(), **options)
    sound = read_sound(path)
    assert is_sound(path)
    assert sound.rate == 8000
    assert sound.samples.dtype == np.float32
    assert np.abs(sound.samples - tone()[:, 0]).max() < tolerance
    assert sound.labels == {}
    assert sound.notes == ()


def test_folders_give_labels(tmp_path):
    for i, folder in enumerate(["seven", "seven", "nine"]):
        write(tmp_path / folder / f"{i}.wav", tone(10 + i))
    (tmp_path / "seven" / "readme.txt").write_text("not sound")
    sound = read_sound(tmp_path)
    assert is_sound(tmp_path)
    assert sound.lengths.tolist() == [12, 10, 11]
    assert sound.labels["label"].tolist() == ["nine", "seven", "seven"]
    assert sound.names[0] == str(tmp_path / "nine" / "2.wav")
    assert sound.take(np.array([2])).labels["label"].tolist() == ["seven"]


def test_nested_folders_and_mixed_depths(tmp_path):
    write(tmp_path / "7" / "theo" / "a.wav", tone())
    write(tmp_path / "8" / "lucas" / "b.wav", tone())
    sound = read_sound(tmp_path)
    assert {k: v.tolist() for k, v in sound.labels.items()} == {"label1": ["7", "8"], "label2": ["theo", "lucas"]}
    write(tmp_path / "c.wav", tone())
    assert read_sound(tmp_path).labels == {}


def test_names_give_labels_by_a_pattern(tmp_path):
    files = [write(tmp_path / f"{d}_{s}_{i}.wav", tone()) for i, (d, s) in enumerate([(7, "theo"), (8, "lucas")])]
    sound = read_sound(files, pattern="{digit}_{speaker}_{take}")
    assert sound.labels["digit"].tolist() == ["7", "8"]
    assert sound.labels["speaker"].tolist() == ["theo", "lucas"]
    write(tmp_path / "other.wav", tone())
    with pytest.raises(DataError, match=r"other.wav: the name 'other' does not fit the pattern"):
        read_sound(tmp_path, pattern="{digit}_{speaker}_{take}")
    for wrong in ("plain", "{a}_{a}"):
        with pytest.raises(UsageError, match="names in braces"):
            read_sound(tmp_path, pattern=wrong)


def test_rates_and_channels_are_brought_together_and_told(tmp_path):
    write(tmp_path / "a.wav", tone())
    write(tmp_path / "b.wav", tone())
    write(tmp_path / "c.wav", tone(800, 16000), 16000)
    write(tmp_path / "d.wav", tone(channels=2))
    sound = read_sound(tmp_path)
    assert sound.rate == 8000
    assert sound.lengths.tolist() == [400] * 4
    assert f"resampled to 8,000 Hz: {tmp_path / 'c.wav'} (16,000 Hz)" in sound.notes
    assert any("mixed down to one channel" in n and "d.wav" in n for n in sound.notes)
    a, _, c, d = sound.recordings
    assert np.abs(c - a)[40:-40].max() < 0.01
    assert np.allclose(d, a / 2, atol=1e-4)
    assert read_sound(tmp_path, 4000).lengths.tolist() == [200] * 4


def test_empty_silent_and_truncated_files(tmp_path):
    write(tmp_path / "a.wav", tone())
    write(tmp_path / "empty.wav", np.zeros((0, 1)))
    write(tmp_path / "silent.wav", np.zeros((50, 1)))
    whole = write(tmp_path / "cut.wav", tone()).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    sound = read_sound(tmp_path)
    assert len(sound) == 3
    assert 100 < sound.lengths[1] < 300
    assert any(n.startswith("empty, left out") and "empty.wav" in n for n in sound.notes)
    assert any(n.startswith("silent throughout") and "silent.wav" in n for n in sound.notes)
    with pytest.raises(DataError, match=r"empty.wav: no file has any samples"):
        read_sound(tmp_path / "empty.wav")


def test_what_is_no_sound_gets_a_sentence(tmp_path):
    (tmp_path / "text.wav").write_text("this is not a sound")
    (tmp_path / "none.wav").write_bytes(b"")
    for name in ("text.wav", "none.wav"):
        with pytest.raises(DataError, match=f"{name} is not sound that can be read"):
            read_sound(tmp_path / name)
    with pytest.raises(DataError, match="there is no file"):
        read_sound(tmp_path / "missing.wav")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="no sound file here"):
        read_sound(tmp_path / "folder")
    with pytest.raises(UsageError, match="rate"):
        read_sound(tmp_path, 0)
    write(tmp_path / "nan.wav", np.full((9, 1), np.nan), subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan.wav holds samples that are not finite"):
        read_sound(tmp_path / "nan.wav")


def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_archives(tmp_path):
    audio = np.array([0, 16384, -32768, 5], dtype=np.int16)
    path = archive(
        tmp_path / "a.npz", audio=audio, length=[3, 1], sample_rate=8000, digit=np.array([7, 8]), extra=np.zeros(5)
    )
    sound = read_sound(path)
    assert is_sound(path)
    assert sound.samples.tolist() == [0, 0.5, -1, np.float32(5 / 32768)]
    assert sound.lengths.tolist() == [3, 1]
    assert {k: v.tolist() for k, v in sound.labels.items()} == {"digit": ["7", "8"]}
    table = archive(tmp_path / "t.npz", x=np.zeros((4, 2)))
    assert not is_sound(table)
    with pytest.raises(DataError, match="has no 'audio'"):
        read_sound(table)
    with pytest.raises(DataError, match="not the sum of the lengths"):
        read_sound(archive(tmp_path / "b.npz", audio=audio, length=[3], sample_rate=8000))
    with pytest.raises(DataError, match="says that it has 0 samples per second"):
        read_sound(archive(tmp_path / "c.npz", audio=audio, length=[4], sample_rate=0))
    with pytest.raises(DataError, match="signed integers or finite floats"):
        read_sound(archive(tmp_path / "d.npz", audio=np.array(["a"]), length=[1], sample_rate=8000))
    (tmp_path / "e.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is not a whole \.npz file"):
        read_sound(tmp_path / "e.npz")


def test_writing(tmp_path):
    write_sound(tmp_path / "a.wav", tone()[:, 0], 8000)
    once = read_sound(tmp_path / "a.wav").samples
    assert np.abs(once - tone()[:, 0]).max() < 2**-16 + 1e-8
    write_sound(tmp_path / "b.wav", once, 8000)
    assert np.array_equal(read_sound(tmp_path / "b.wav").samples, once)
    with pytest.raises(RunError, match="could not be written"):
        write_sound(tmp_path / "missing" / "a.wav", tone()[:, 0], 8000)


def test_tables_are_not_sound(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    for other in (tmp_path / "t.csv", "missing.csv", [], [1.0], [["a"]], np.zeros(3), {"a": [1]}, None):
        assert not is_sound(other)


@pytest.mark.parametrize("peak", [1.02, 12000.0, 3e38])
def test_floats_beyond_full_scale_are_scaled_and_named_not_clipped(tmp_path, peak: float):
    wave = 2 * peak * tone()
    loud, quiet = write(tmp_path / "loud.wav", wave, subtype="FLOAT"), write(tmp_path / "quiet.wav", tone())
    sound = read_sound(tmp_path)
    assert sound.notes == (f"louder than full scale (-1 to 1), divided by its own peak: {loud}",)
    first, second = sound.recordings
    assert np.allclose(first, wave[:, 0] / np.abs(wave).max(), atol=1e-6)
    assert np.array_equal(second, read_sound(quiet).samples)
    path = archive(tmp_path / "a.npz", audio=wave[:, 0], length=[len(wave)], sample_rate=8000)
    assert np.allclose(read_sound(path).samples, first, atol=1e-6)
    assert read_sound(path).notes == (f"louder than full scale (-1 to 1), divided by its own peak: {path}#0",)


def test_folders_may_hold_what_is_no_sound(tmp_path):
    write(tmp_path / "seven" / "a.wav", tone())
    junk = [tmp_path / "seven" / "._a.wav", tmp_path / "@eaDir" / "b.wav", tmp_path / ".ipynb_checkpoints" / "c.wav"]
    for path in (*junk, tmp_path / "seven" / "d.m4a"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk")
    sound = read_sound(tmp_path)
    assert sound.names == (str(tmp_path / "seven" / "a.wav"),)
    hidden, other = sound.notes
    assert hidden.startswith("hidden, or kept by a system, and left out: ")
    assert all(str(path if path.parent.name == "seven" else path.parent) in hidden for path in junk)
    assert other == f"not sound by their names, left out: {tmp_path / 'seven' / 'd.m4a'}"


def test_small_files_that_would_fill_a_memory_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch):
    head = bytearray(write(tmp_path / "fast.wav", tone()).read_bytes())
    head[24:28] = (1_000_000_000).to_bytes(4, "little")
    (tmp_path / "fast.wav").write_bytes(head)
    with pytest.raises(DataError, match=r"fast.wav says that it has 1,000,000,000 samples per second: expected 1 to"):
        read_sound(tmp_path / "fast.wav")
    slow = write(tmp_path / "slow.wav", tone(), 1)
    with pytest.raises(DataError, match=r"slow.wav, resampled from 1 to 10,000,000 Hz, fills more than"):
        read_sound(slow, 10_000_000)
    monkeypatch.setenv("FLUVIAL_LIMIT", "2000")
    assert len(read_sound(slow)) == 1
    with pytest.raises(DataError, match=r"slow.wav, with the recordings before it, fills more than 2,000 bytes"):
        read_sound([slow, slow])


WRONG = {
    "length": [np.array(["a"]), np.array(4), np.array([2**62, 2**62, 4]), np.array([4.0]), np.array([-1, 5])],
    "sample_rate": [np.array("fast"), np.array([8000, 8000]), np.array(1e12), np.array(np.nan), np.array(0.5)],
    "audio": [np.zeros((2, 2)), np.zeros(4, dtype=complex), np.zeros(4, dtype="M8[s]"), np.array([np.inf] * 4)],
}


@pytest.mark.parametrize(("name", "case"), [(name, i) for name, cases in WRONG.items() for i in range(len(cases))])
def test_archives_of_the_wrong_types_are_sentences(tmp_path, name: str, case: int):
    arrays = {"audio": np.zeros(4), "length": [4], "sample_rate": 8000, name: WRONG[name][case]}
    with pytest.raises(DataError, match=r"a\.npz"):
        read_sound(archive(tmp_path / "a.npz", **arrays))
