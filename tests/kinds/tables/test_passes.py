"""A fit of a table larger than memory: all of its rows train, a sample of them says what the columns are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fluvial import fit
from fluvial.core.errors import DataError
from fluvial.data.large import read_to_fit
from fluvial.kinds.tables.passes import passes
from fluvial.kinds.tables.prepare import prepare
from fluvial.training import Record

ROWS = 40_000
CPU = torch.device("cpu")
SMALL = {"hidden": (8,), "transforms": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLUVIAL_LIMIT", "400000")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.exponential(size=ROWS)})
    frame["label"] = rng.choice(["x", "y"], ROWS)
    frame.loc[31_111, "label"] = "once"
    frame[:25_000].to_parquet(tmp_path / "a.parquet", row_group_size=6000)
    frame[25_000:].to_parquet(tmp_path / "b.parquet")
    return tmp_path


def test_every_row_trains_or_judges(folder: Path):
    table = read_to_fit(folder)
    prepared = prepare(table, "nsf", {}, context=["label"])
    rows, said = passes(table.sampled, prepared, drop_missing=False)
    aside = len(prepared.validation or ()) + len(prepared.held_out or ())
    assert rows.count() == ROWS - aside
    assert "all 40,000 rows were read" in said[0]
    assert "once" in prepared.schema.context[0].categories
    parts = rows.batches(torch.randperm(len(rows)), 512)
    seen = np.concatenate([rows.rows(part, CPU)[0][:, 0].numpy() for part in parts])
    judges = np.concatenate([np.asarray(d.x[:, 0]) for d in (prepared.validation, prepared.held_out) if d is not None])
    everything = pd.concat([pd.read_parquet(folder / f"{n}.parquet") for n in "ab"])["a"].to_numpy()
    np.testing.assert_array_equal(np.sort(np.concatenate((seen, judges))), np.sort(everything))


def test_a_fit_says_what_was_read_and_counts_it(folder: Path):
    model = fit(folder, "nsf", context="label", epochs=1, options=SMALL, progress=False)
    record = model.record
    assert record["sizes"]["train"] + record["sizes"]["validation"] + record["sizes"]["held_out"] == ROWS
    assert record["split"]["train"] == record["sizes"]["train"]
    assert any("all 40,000 rows were read" in w for w in record["warnings"])
    assert np.isfinite(model.log_prob(folder / "b.parquet")[:100]).all()


def test_rows_that_can_teach_nothing_are_counted_and_left_out(folder: Path):
    holes = pd.read_parquet(folder / "b.parquet")
    holes.loc[holes.index[100:150], "a"] = np.nan
    holes.to_parquet(folder / "b.parquet")
    with pytest.raises(DataError, match="miss"):
        fit(folder, "nsf", context="label", epochs=1, options=SMALL, progress=False)
    model = fit(folder, "nsf", context="label", epochs=1, options=SMALL, progress=False, drop_missing=True)
    sizes = model.record["sizes"]
    assert sizes["train"] + sizes["validation"] + sizes["held_out"] == ROWS - 50
    assert any("do not train" in w for w in model.record["warnings"])


def test_an_interrupted_fit_goes_on_bit_for_bit_wherever_the_files_lie_now(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
):
    place = tmp_path_factory.mktemp("runs")
    how: dict[str, Any] = {"context": "label", "epochs": 2, "options": SMALL, "holdout": 0.1}
    whole = fit(folder, "nsf", out=place / "whole", progress=False, **how)

    def stop(record: Record) -> None:
        if record.epoch == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(folder, "nsf", out=place / "broken", progress=stop, **how)
    moved = Path(shutil.copytree(folder, place / "moved"))
    resumed = fit(moved, "nsf", out=place / "broken", resume=True, progress=False, **how)
    ours, theirs = whole.density.state_dict(), resumed.density.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
