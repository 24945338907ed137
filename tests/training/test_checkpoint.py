import errno
import math
import os
import pickle
from dataclasses import asdict

import pytest
import torch

from fluvial.core.errors import RunError
from fluvial.training import Record, Settings, checkpoint
from fluvial.training.progress import Progress

RECORD = asdict(Record(0, 0, True, None, 1.1, 1.1, 0, 9.0, 0.5, None, 0, 1e-3))
STATE = {
    **{"settings": asdict(Settings()), "tag": "t", "data": "d", "best": {"x": torch.arange(3.0)}},
    **{"model": {"x": torch.arange(3.0)}, "averaged": None, "optimizer": {"state": {}, "param_groups": []}},
    "progress": {**asdict(Progress()), "records": [RECORD]},
}


@pytest.mark.parametrize("name", ["c.pt", "c.safetensors", "c"])
def test_what_is_saved_is_loaded(tmp_path, name):
    path = tmp_path / name
    checkpoint.save(path, STATE)
    state = checkpoint.load(path)
    assert torch.equal(state["best"]["x"], torch.arange(3.0))
    assert state["settings"] == Settings()
    assert state["progress"]["records"] == [RECORD]
    assert state["progress"]["best"] == math.inf


def test_a_full_disk_leaves_the_previous_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    checkpoint.save(path, STATE)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"c\.pt could not be written: No space left.*previous file is intact"):
        checkpoint.save(path, {**STATE, "tag": "other"})
    assert checkpoint.load(path)["tag"] == "t"
    assert list(tmp_path.iterdir()) == [path]


class Bomb:
    def __reduce__(self):
        return os.system, ("touch ran-the-bomb",)


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps(Bomb()), pickle.dumps({"format": 1})])
def test_foreign_files_are_refused_and_never_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(RunError, match="damaged or not"):
        checkpoint.load(tmp_path / "c.pt")
    torch.save(Bomb(), tmp_path / "c.pt")
    with pytest.raises(RunError, match="damaged or not"):
        checkpoint.load(tmp_path / "c.pt")
    assert not (tmp_path / "ran-the-bomb").exists()


def test_a_truncated_file_a_missing_one_and_another_format(tmp_path):
    path = tmp_path / "c.pt"
    with pytest.raises(RunError, match="could not be read: No such file"):
        checkpoint.load(path)
    checkpoint.save(path, STATE)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load(path)
    torch.save({"format": 99}, path)
    with pytest.raises(RunError, match="not a checkpoint of this version"):
        checkpoint.load(path)
