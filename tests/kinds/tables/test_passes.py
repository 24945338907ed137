"""A fit of a table larger than memory: all of its rows train, a sample of them says what the columns are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fluvial import fit
from fluvial.core.errors import DataError
from fluvial.data.large import read_to_fit
from fluvial.kinds.tables.passes import passes
from fluvial.kinds.tables.prepare import prepare

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
