import errno
import os
import pickle

import pytest
import torch

from fluvial.core.errors import RunError
from fluvial.training import checkpoint


@pytest.mark.parametrize("name", ["c.pt", "c.safetensors", "c"])
def test_what_is_saved_is_loaded(tmp_path, name):
    path = tmp_path / name
    checkpoint.save(path, {"x": torch.arange(3.0), "n": 3, "records": [{"epoch": 1, "best": None}]})
    state = checkpoint.load(path)
    assert torch.equal(state["x"], torch.arange(3.0))
    assert state["records"] == [{"epoch": 1, "best": None}]


def test_a_full_disk_leaves_the_previous_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"n": 1})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"c\.pt could not be written: No space left.*previous file is intact"):
        checkpoint.save(path, {"n": 2})
    assert checkpoint.load(path)["n"] == 1
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
    checkpoint.save(path, {"x": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load(path)
    torch.save({"format": 99}, path)
    with pytest.raises(RunError, match="not a checkpoint of this version"):
        checkpoint.load(path)
