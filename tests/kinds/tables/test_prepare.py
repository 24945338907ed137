import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.core.errors import DataError, UsageError
from fluvial.core.randomness import drawing_from
from fluvial.data.tables import Table, read
from fluvial.kinds.parts import Parts, split
from fluvial.kinds.tables import prepare as module
from fluvial.kinds.tables.prepare import prepare
from fluvial.models import build


def table(n=100, d=2):
    return Table({f"x{i}": np.random.default_rng(i).normal(size=n) for i in range(d)})


@given(st.integers(10, 500), st.floats(0.01, 0.5), st.integers(0, 5))
def test_the_split_covers_every_row_once_and_holds_a_few_out(n, share, seed):
    kept, aside = split(n, share, seed)
    assert sorted([*kept, *aside]) == list(range(n))
    assert 3 <= len(aside) <= max(10, n // 2)
    assert np.array_equal(split(n, share, seed)[1], aside)


@given(st.integers(10, 2000), st.floats(0.01, 0.5), st.integers(0, 5))
def test_three_parts_cover_every_row_once_and_few_rows_have_two(n, share, seed):
    parts = Parts.of(n, share, seed)
    assert sorted([*parts.train, *parts.validation, *parts.test]) == list(range(n))
    assert len(parts.train) >= 0.2 * n
    assert len(parts.judges) >= 3
    assert (len(parts.test) > 0) == (n >= 50)
    assert len(parts.validation) > 0


def test_nothing_held_out_on_request():
    assert prepare(table(), "maf", {}, holdout=0.0).held_out is None


def test_maps_are_fitted_on_the_training_rows_alone():
    rows = table(200)
    config = prepare(rows, "maf", {}).config
    kept = Parts.of(200, 0.1, 0).train
    assert config["columns"][0]["location"] == pytest.approx(rows.columns["x0"][kept].mean())
    assert config["columns"][0]["scale"] == pytest.approx(rows.columns["x0"][kept].std())


def test_the_configuration_holds_every_option():
    config = prepare(table(), "maf", {"transforms": 2}).config
    assert config["options"]["transforms"] == 2
    assert config["options"]["hidden"] == [128, 128]


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(UsageError, match="holdout"):
        prepare(table(), "maf", {}, holdout=share)


def test_a_column_that_varies_in_held_out_rows_only_is_named():
    values = np.zeros(100)
    values[Parts.of(100, 0.1, 0).test[:2]] = [1.5, 2.25]
    with pytest.raises(DataError, match="'odd', in the rows to train on: all 80 values equal"):
        prepare(Table({"x": np.random.default_rng(0).normal(size=100), "odd": values}), "maf", {})


def test_a_model_that_memory_cannot_hold_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr(module, "_free_memory", lambda: 10**7)
    with pytest.raises(
        UsageError, match=r"nsf would have \d+ million parameters for 700 columns.*choose fewer columns"
    ):
        prepare(table(20, 700), "nsf", {})


def test_the_size_foretold_is_the_size_built(monkeypatch):
    from fluvial.models import build

    monkeypatch.setattr(module, "_free_memory", lambda: 1)
    with pytest.raises(UsageError) as error:
        prepare(table(20, 700), "maf", {})
    config = {"model": "maf", "event_shape": [700]}
    count = sum(p.numel() for p in build(config).parameters())
    assert f"{count / 1e6:,.0f} million" in str(error.value)


def test_a_column_of_money_that_is_mostly_zero_comes_back_so():
    rng = np.random.default_rng(0)
    other = rng.normal(size=2000)
    money = np.where(rng.random(2000) < 0.9, 0.0, np.exp(6 + other + rng.normal(size=2000)))
    options = {"hidden": [8], "components": 4}
    prepared = prepare(read({"other": other, "money": money}), "mixed", options)
    assert any("'money' hold exactly 0" in said for said in prepared.warnings)
    free = prepare(read({"other": other, "money": money}), "mixed", options, kinds={"money": "real"})
    assert [p.config["laws"][1]["rest"]["lower"] for p in (prepared, free)] == [0.0, None]
    with drawing_from(0, lend=True):
        density = build(prepared.config)
        density.initialize(prepared.train.x)
        drawn = density.eval().sample(4000)[:, 1]
    expected = float((prepared.train.x[:, 1] == 0).double().mean())
    assert float((drawn == 0).double().mean()) == pytest.approx(
        expected, abs=4 * (expected * (1 - expected) / 4000) ** 0.5
    )
    assert drawn.min() == 0
    assert drawn.max() > 100


def test_the_size_of_a_wide_table_of_any_cells_is_foreseen():
    x = np.random.default_rng(0).integers(0, 2, size=(30, 650)).astype(float)
    prepared = prepare(read(x), "mixed", {"hidden": [4], "blocks": 1, "components": 2})
    assert len(prepared.config["laws"]) > 640


def test_many_columns_get_narrower_networks_and_a_sentence(monkeypatch):
    monkeypatch.setattr(module, "_MOST_WEIGHTS", 20_000)
    found = prepare(table(d=8), "mixed", {})
    (units,) = found.config["options"]["hidden"]
    assert 4 < units < 64
    assert any(f"8 columns read each other, so each one's network has {units} units" in w for w in found.warnings)
    assert prepare(table(d=8), "mixed", {"hidden": [64]}).config["options"]["hidden"] == [64]
    assert prepare(table(d=2), "mixed", {}).config["options"]["hidden"] == [64]
