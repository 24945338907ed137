import errno
import json
import os
import pickle
import subprocess
import sys
from dataclasses import asdict

import pytest
import safetensors.torch
import torch

from fluvial.core.errors import RunError
from fluvial.models import build
from fluvial.training import Record, Settings
from fluvial.training.run import FORMAT, RunFolder, open_run
from fluvial.training.saved import load_run

MODEL = {"model": "maf", "event_shape": [2], "options": {"transforms": 1, "hidden": [4]}}
CONFIG = {
    **{"version": "0.1.0", "model": MODEL, "schema": {}, "command": "", "seed": 0, "holdout": 0.1, "exact": True},
    **{"settings": asdict(Settings()), "versions": {}, "warnings": [], "sizes": {}, "scores": {}},
    "training": {"seconds": 1.0, "epochs": 1, "steps": 2, "best_epoch": 1, "skipped": 0},
}
METRIC = asdict(Record(1, 2, True, 1.0, 1.1, 1.1, 1, 9.0, 0.5, 0.0, 0, 1e-3))


@pytest.fixture
def folder(tmp_path):
    with open_run(tmp_path / "run") as run:
        rows = {"train.x": torch.zeros(3, 2).numpy()}
        run.finish(build(MODEL), CONFIG, [METRIC], rows)
    return tmp_path / "run"


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_what_is_written_is_read(folder):
    saved = load_run(folder)
    assert saved.config["model"] == MODEL
    assert saved.metrics == [METRIC]
    assert saved.rows["train.x"].shape == (3, 2)
    names = {"model.safetensors", "config.json", "metrics.jsonl", "data.safetensors"}
    assert {p.name for p in folder.iterdir()} == names


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "metrics.jsonl", "data.safetensors"])
def test_a_truncated_or_missing_file_is_a_sentence(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        load_run(folder)
    (folder / name).unlink()
    with pytest.raises(RunError, match=r"could not be read|no run of fluvial"):
        load_run(folder)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("ran-the-bomb",)


@pytest.mark.parametrize("name", ["model.safetensors", "data.safetensors", "config.json", "metrics.jsonl"])
def test_a_pickle_in_place_of_a_file_is_refused_and_never_run(folder, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RunError):
        load_run(folder)
    torch.save(Bomb(), folder / name)
    with pytest.raises(RunError):
        load_run(folder)
    assert not (tmp_path / "ran-the-bomb").exists()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"format": FORMAT + 1, "version": "9.9"}, r"fluvial 9\.9.*upgrade"),
        ({"format": "1"}, "not written by fluvial"),
        ({"model": {**MODEL, "model": "os.system"}}, "a model named 'os.system', which is not known"),
        ({"model": {**MODEL, "event_shape": [3]}}, r"does not describe.* should be .*, got"),
        ({"model": {**MODEL, "options": {"hidden": [10**15]}}}, "config.json is damaged|does not describe"),
        ({"model": {**MODEL, "columns": [{"__class__": "os"}]}}, "config.json is damaged|does not describe"),
        ({"model": {**MODEL, "context": 5}}, "config.json is damaged|does not describe"),
        ({"model": ["maf"]}, "config.json is damaged|does not describe"),
        ({"model": {}}, "config.json is damaged|does not describe"),
        ({"weights_sha256": "../../etc/passwd"}, "at weights_sha256, expected str matching"),
        ({"weights_sha256": 64 * "0"}, "damaged or was replaced"),
    ],
)
def test_a_configuration_that_is_newer_foreign_or_hostile_is_a_sentence(folder, changes, part):
    edit(folder, **changes)
    with pytest.raises(RunError, match=part):
        load_run(folder)


def test_tensors_with_names_of_other_files_go_nowhere(folder, tmp_path):
    weights = safetensors.torch.save({"../../escaped": torch.zeros(1)})
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(RunError, match="does not describe the model"):
        load_run(folder)
    assert not list(tmp_path.rglob("escaped"))


def test_a_file_or_nothing_in_place_of_a_folder(tmp_path, folder):
    with pytest.raises(RunError, match="no run folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="no run folder"):
        load_run(folder / "config.json")
    with pytest.raises(RunError, match="could not be made"), open_run(folder / "config.json"):
        pass


def test_a_finished_run_is_kept_unless_forced(folder):
    with pytest.raises(RunError, match=r"finished run.*--force"), open_run(folder):
        pass
    load_run(folder)
    with open_run(folder, force=True) as run:
        assert not run.finished


def test_an_unfinished_run_is_kept_unless_resumed_or_forced(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"precious")
    with pytest.raises(RunError, match="--resume continues it"), open_run(tmp_path):
        pass
    with open_run(tmp_path, resume=True) as run:
        assert run.checkpoint.read_bytes() == b"precious"


def test_two_writers_of_one_folder(tmp_path):
    with (
        open_run(tmp_path / "run"),
        pytest.raises(RunError, match=f"process {os.getpid()} is writing"),
        open_run(tmp_path / "run", force=True),
    ):
        pass
    with open_run(tmp_path / "run"):  # the first one is through
        pass


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / ".lock").write_text(str(dead.pid))
    with open_run(tmp_path) as run:
        assert run.lock.read_text() == str(os.getpid())
    assert not (tmp_path / ".lock").exists()


def test_a_lock_nobody_can_read_is_respected(tmp_path):
    (tmp_path / ".lock").write_text("")
    with pytest.raises(RunError, match=r"delete .*lock"), open_run(tmp_path):
        pass


def test_a_full_disk_while_finishing_leaves_no_half_run(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(RunError, match="No space left on device"),
        open_run(tmp_path) as run,
    ):
        run.finish(build(MODEL), {"model": MODEL, "schema": {}}, [], {})
    assert list(tmp_path.iterdir()) == []
    assert not RunFolder(tmp_path).finished
