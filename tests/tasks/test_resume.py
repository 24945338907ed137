"""A run goes on only as what it was: what else is asked for gets a sentence that names the difference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluvial.core.errors import RunError
from fluvial.kinds.tables.model import Model
from fluvial.tasks.fit import fit, load
from fluvial.training import Settings

X = np.random.default_rng(0).normal(size=(80, 2))
TABLE = {"a": X[:, 0], "b": X[:, 1]}
BASE: dict[str, Any] = {"model": "maf", "epochs": 2, "options": {"transforms": 1, "hidden": [4]}, "progress": False}


class StoppedError(Exception):
    """Ends a fit in the middle."""


def run(out: Path, data: object = TABLE, resume: bool = True, **changes: Any) -> Model:
    arguments = {**BASE, **changes}
    return fit(data, arguments.pop("model"), out=out, resume=resume, **arguments)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An unfinished run, after its first epoch, and a finished one."""

    def stop(record: object) -> None:
        if record.epoch == 1:  # pyright: ignore
            raise StoppedError

    folders = {name: tmp_path_factory.mktemp(name) / "run" for name in ("unfinished", "finished")}
    with pytest.raises(StoppedError):
        run(folders["unfinished"], resume=False, progress=stop)
    run(folders["finished"], resume=False)
    return folders


@pytest.fixture
def copied(kept: dict[str, Path], tmp_path: Path):
    def copy(state: str) -> Path:
        return Path(shutil.copytree(kept[state], tmp_path / "run"))

    return copy


CHANGES = {
    "columns renamed": (
        {"data": {"a": X[:, 0], "c": X[:, 1]}},
        r"other columns or labels \(a, b\), not these \(a, c\)",
    ),
    "columns exchanged": ({"data": {"b": X[:, 1], "a": X[:, 0]}}, r"\(a, b\), not these \(b, a\)"),
    "a column more": ({"data": {**TABLE, "c": X[:, 0] ** 2 + X[:, 1]}}, r"\(a, b\), not these \(a, b, c\)"),
    "a value changed": ({"data": {"a": X[:, 0], "b": X[:, 1] + 1e-3}}, "other training rows"),
    "rows left out": ({"data": {k: v[:-9] for k, v in TABLE.items()}}, "other training rows"),
    "rows in another order": ({"data": {k: v[::-1] for k, v in TABLE.items()}}, "other training rows"),
    "another model": ({"model": "nsf", "options": {}}, "the model 'maf', not 'nsf'"),
    "another option": ({"options": {"transforms": 1, "hidden": [5]}}, r"the option hidden=\[4\], not \[5\]"),
    "another seed": ({"seed": 7}, "seed=0, not 7"),
    "another share": ({"holdout": 0.3}, "other training rows"),
}


@pytest.mark.parametrize("state", ["unfinished", "finished"])
@pytest.mark.parametrize("change", CHANGES)
def test_another_fit_is_refused_and_the_run_stays_as_it_is(copied, state: str, change: str):
    folder = copied(state)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    changes, told = CHANGES[change]
    with pytest.raises(RunError, match=told):
        run(folder, **changes)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_training_options_too(copied):
    with pytest.raises(RunError, match=r"learning_rate=0\.003, not 0\.5"):
        run(copied("unfinished"), settings=Settings(learning_rate=0.5))


def test_an_unfinished_run_takes_another_budget_or_more_epochs(copied):
    longer = run(copied("unfinished"), epochs=4)
    assert longer.record["training"]["epochs"] == 4
    assert longer.record["settings"]["epochs"] == 4


def test_an_unfinished_run_takes_a_budget_in_place_of_epochs(copied):
    timed = run(copied("unfinished"), epochs=None, budget=60.0)
    assert timed.record["settings"]["budget"] == 60.0
    assert timed.record["training"]["epochs"] >= 2


def test_an_unfinished_run_goes_on_with_its_own_end_where_none_is_named(copied):
    assert run(copied("unfinished"), epochs=None).record["training"]["epochs"] == 2


@pytest.mark.parametrize("end", [{"epochs": 5}, {"epochs": None, "budget": 60.0}], ids=["epochs", "budget"])
def test_a_finished_run_is_not_trained_further(copied, end: dict[str, Any]):
    folder = copied("finished")
    with pytest.raises(RunError, match=r"finished run of 2 epochs.*cannot be trained further.*--force"):
        run(folder, **end)
    assert json.loads((folder / "config.json").read_text())["training"]["epochs"] == 2


@pytest.mark.parametrize("epochs", [2, None])
def test_a_finished_run_that_is_the_one_asked_for_is_returned(copied, epochs: int | None):
    folder = copied("finished")
    before = (folder / "config.json").read_bytes()
    assert run(folder, epochs=epochs).record == load(folder).record
    assert (folder / "config.json").read_bytes() == before
