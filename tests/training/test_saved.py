"""Run folders of each kind as an earlier version wrote them, and what becomes of damaged ones."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from fluvial.core.errors import FluvialError, RunError
from fluvial.core.files import read_regular
from fluvial.tasks.fit import load_model
from fluvial.training.run import RunFolder, open_run

RUNS = Path(__file__).parents[1] / "runs"
KINDS = sorted(p.name for p in RUNS.iterdir() if p.is_dir())


@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_earlier_versions_load_and_draw(kind):
    model = load_model(RUNS / kind)
    assert model.record["model"]["model"]
    assert len(model.sample(2, seed=0)) == 2


def paths(value, at=()):
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from paths(part, (*at, key))


def mutated(config, rng):
    """The configuration with one field gone, renamed, or of another kind or size."""
    found = list(paths(config))[1:]
    *way, last = found[rng.integers(len(found))]
    place = config
    for key in way:
        place = place[key]
    others = [None, "x", -1, 0, 10**9, 1e30, 10**40, True, [], {}, [1] * 100_000, "\x1b[31m", 1e-300]
    choice = rng.integers(len(others) + 2)
    if choice < len(others):
        place[last] = others[choice]
    else:
        value = place.pop(last)
        if isinstance(place, dict) and choice == len(others):
            place[f"{last}x"] = value
    return config


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_configuration_is_a_sentence_or_a_model(kind, tmp_path):
    shutil.copytree(RUNS / kind, tmp_path / "run")
    config = json.loads((RUNS / kind / "config.json").read_text())
    for seed in range(int(os.environ.get("FLUVIAL_FUZZ", "25"))):
        broken = mutated(json.loads(json.dumps(config)), np.random.default_rng(seed))
        (tmp_path / "run" / "config.json").write_text(json.dumps(broken))
        with contextlib.suppress(FluvialError):  # anything else fails the test
            load_model(tmp_path / "run")


def test_only_regular_files_are_read(tmp_path):
    shutil.copytree(RUNS / "gaussian", tmp_path / "run")
    for name in ("config.json", "metrics.jsonl", "data.safetensors", "model.safetensors"):
        file = tmp_path / "run" / name
        kept = file.read_bytes()
        for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir):
            file.unlink()
            make(file)
            with pytest.raises(RunError, match=r"link, which is not followed|not a regular file"):
                load_model(tmp_path / "run")
            (os.rmdir if file.is_dir() else os.unlink)(file)
            file.write_bytes(kept)
    with pytest.raises(RunError, match="more than the 3 that"):
        read_regular(tmp_path / "run" / "config.json", 3)


def test_a_run_is_kept_until_the_one_that_replaces_it_is_whole(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(RUNS / "gaussian", folder)
    before = load_model(folder)
    with open_run(folder, force=True) as run:  # stopped
        run.checkpoint.write_bytes(b"half a fit")
    assert load_model(folder).record == before.record
    with open_run(folder, resume=True) as run:
        assert run.checkpoint.read_bytes() == b"half a fit"
    # killed between the moves of the new run's files: it is read where they lie, and moved on at the next opening
    shutil.rmtree(RunFolder(folder).next)
    shutil.copytree(RUNS / "labels", RunFolder(folder).next)
    os.replace(RunFolder(folder).next / "model.safetensors", folder / "model.safetensors")
    assert load_model(folder).record["model"]["model"] == "made"
    with open_run(folder, resume=True):
        assert not RunFolder(folder).next.exists()
    assert load_model(folder).record["model"]["model"] == "made"
