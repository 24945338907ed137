"""A fitted model of series: forecasts, events, scores, new rows, and the commands for them."""

import json

import numpy as np
import pandas as pd
import pytest

import fluvial
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.interfaces.cli import main
from fluvial.kinds.series.model import SeriesModel

OPTIONS = {"layers": 3, "channels": 8, "gates": 8, "skips": 8, "hidden": (8,), "components": 3}


def table(n=300, shops=1, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = np.arange(400)
    parts = []
    for shop in range(shops):
        level = 10.0 * 10**shop
        sold = rng.poisson(level * (1.5 + np.sin(2 * np.pi * day / 7)))
        warm = np.round(15 + 10 * np.sin(2 * np.pi * day / 365) + rng.normal(size=400), 1)
        dates = pd.date_range("2023-01-01", periods=400)
        parts.append(pd.DataFrame({"date": dates, "shop": f"s{shop}", "sold": sold, "warm": warm}).head(n))
    frame = pd.concat(parts, ignore_index=True)
    return frame if shops > 1 else frame.drop(columns="shop")


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> tuple[SeriesModel, str]:
    run = tmp_path_factory.mktemp("one") / "run"
    return fluvial.fit(table(), epochs=2, out=run, options=OPTIONS, progress=False), str(run)


@pytest.fixture(scope="module")
def many() -> SeriesModel:
    return fluvial.fit(table(shops=3), epochs=1, options=OPTIONS, progress=False)


def test_forecasts_are_frames_with_the_dates_that_follow(one):
    model, _ = one
    found = model.forecast(horizon=5)
    assert list(found.columns) == ["date", *(f"{c} {q}" for c in ("sold", "warm") for q in (0.1, 0.5, 0.9))]
    assert found["date"].tolist() == list(pd.date_range("2023-01-01", periods=305)[300:])
    assert (found["sold 0.1"] <= found["sold 0.9"]).all()
    paths = model.forecast(horizon=4, paths=3)
    assert len(paths) == 12
    assert (paths["sold"] >= 0).all()
    assert paths["sold"].dtype == table()["sold"].dtype
    np.testing.assert_allclose(paths["warm"] * 10, np.rint(paths["warm"] * 10), atol=1e-6)


def test_the_same_seed_gives_the_same_paths_also_from_the_saved_run(one):
    model, run = one
    again = fluvial.load(run)
    pd.testing.assert_frame_equal(model.forecast(horizon=3, seed=4), again.forecast(horizon=3, seed=4))
    assert not model.forecast(horizon=3, seed=4).equals(model.forecast(horizon=3, seed=5))


def test_a_forecast_from_the_table_is_that_from_its_end(one):
    model, _ = one
    pd.testing.assert_frame_equal(model.forecast(table(), 4), model.forecast(None, 4))


def test_new_rows_are_gone_on_with_and_nothing_else_changes(one):
    model, _ = one
    longer = table(310)
    updated = model.update(longer.iloc[300:])
    pd.testing.assert_frame_equal(updated.forecast(horizon=3), model.forecast(longer, 3))
    with pytest.raises(UsageError, match="rows up to 2023-10-27"):
        model.update(longer.iloc[290:])


def test_scores_do_not_depend_on_the_future(one):
    model, _ = one
    frame = table()
    other = frame.copy()
    other.loc[200:, "sold"] = 3
    a, b = model.log_prob(frame), model.log_prob(other)
    np.testing.assert_allclose(a[:200], b[:200], rtol=0, atol=1e-4)
    assert not np.allclose(a[200:], b[200:])
    scores = model.score(frame)
    np.testing.assert_allclose(sum(scores.parts.values()), scores.log_prob)
    assert len(scores.names) == 300


def test_the_probability_of_an_event_is_the_share_of_paths(one):
    model, _ = one
    paths = model.simulate(horizon=6, paths=400, seed=1).draws[:, 0]
    sold, warm = paths[..., 0], paths[..., 1]
    for event, holds in (
        ("max(sold) > 20", sold.max(1) > 20),
        ("any(sold > 20 and warm < 10)", ((sold > 20) & (warm < 10)).any(1)),
        ("all(warm < 30)", (warm < 30).all(1)),
        ("sum(sold) - 6 * min(sold) >= 50 or last(warm) > first(warm)",
         (sold.sum(1) - 6 * sold.min(1) >= 50) | (warm[:, -1] > warm[:, 0])),
        ("not mean(sold) > 15", ~(sold.mean(1) > 15)),
    ):  # fmt: skip
        assert model.probability(event, horizon=6, paths=400, seed=1).value == holds.mean(), event


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("sold > 3", "at each step"),
        ("max(sold", "could not be read"),
        ("max(profit) > 3", "there is no column 'profit'"),
        ("eval(sold) > 3", "no place here"),
        ("max(3) > 2", "is taken of a column"),
        ("max(sold) > 'x'", "compared with"),
        ("any(sold)", "no place here"),
    ],
)
def test_events_that_are_none_are_sentences(one, event, said):
    with pytest.raises(UsageError, match=said):
        one[0].probability(event)


def test_series_of_any_scale_are_forecast_together_and_new_ones_too(many):
    found = many.forecast(horizon=2)
    assert found["shop"].tolist() == ["s0", "s0", "s1", "s1", "s2", "s2"]
    assert set(many.probability("max(sold) > 100", horizon=2, paths=50)) == {"s0", "s1", "s2"}
    new = table(100, 2).assign(shop=lambda f: f["shop"].replace({"s1": "new"}))
    assert set(many.forecast(new, 2)["shop"]) == {"s0", "new"}
    assert np.isfinite(many.forecast(new, 2)["sold 0.5"]).all()


def test_known_columns_are_needed_ahead():
    frame = table().assign(offer=np.arange(300) % 2)
    model = fluvial.fit(frame, known=["offer"], epochs=1, options=OPTIONS, progress=False)
    with pytest.raises(DataError, match="needs 'offer'"):
        model.forecast(horizon=3)
    ahead = table(303).assign(offer=np.arange(303) % 2)
    ahead["sold"] = ahead["sold"].astype(float)
    ahead.loc[300:, ["sold", "warm"]] = np.nan
    assert len(model.forecast(ahead, 3)) == 3


def test_whether_targets_read_each_other_is_decided_by_the_rows_and_said():
    rng = np.random.default_rng(0)
    first = rng.normal(size=400)
    follows = np.roll(first, 1) + 0.3 * rng.normal(size=400)
    dates = pd.date_range("2023-01-01", periods=400)
    for second, want in ((follows, True), (rng.normal(size=400), False)):
        frame = pd.DataFrame({"date": dates, "a": first, "b": second})
        model = fluvial.fit(frame, epochs=1, options=OPTIONS, progress=False)
        assert model.density.together is want
        said = " ".join(model.record["warnings"])
        assert ("from the past of all targets" if want else "from its own past") in said
    alone = fluvial.fit(frame, epochs=1, options={**OPTIONS, "together": True}, progress=False)
    assert alone.density.together


@pytest.mark.parametrize("n", [60, 200])
def test_short_series_are_told_who_reads_whom_in_numbers(n):
    rng = np.random.default_rng(0)
    first = rng.normal(size=n)
    frame = pd.DataFrame({"date": pd.date_range("2023-01-01", periods=n), "a": first, "b": np.roll(first, 1)})
    frame["b"] += 0.1 * rng.normal(size=n)
    said = " ".join(fluvial.fit(frame, epochs=1, options=OPTIONS, progress=False).record["warnings"])
    assert "each target is forecast from" in said
    assert "nan" not in said
    frame["a"], frame["b"] = 3.0, 4.0
    said = " ".join(fluvial.fit(frame, epochs=1, options=OPTIONS, progress=False).record["warnings"])
    assert "nan" not in said


def test_gaps_are_modelled():
    frame = table().drop(index=range(50, 60))
    frame["sold"] = frame["sold"].astype(float)
    frame.loc[100:120, "sold"] = np.nan
    model = fluvial.fit(frame, epochs=1, options=OPTIONS, progress=False)
    assert np.isfinite(model.log_prob(frame)).all()
    assert np.isfinite(model.forecast(horizon=3)["sold 0.5"]).all()


def test_what_cannot_be_fitted_is_a_sentence():
    with pytest.raises(UsageError, match="known"):
        fluvial.fit(table(), context="warm", progress=False)
    with pytest.raises(UsageError, match="option values"):
        fluvial.fit(table(), options={"values": 2}, progress=False)
    with pytest.raises(DataError, match="the longest series has 14 steps"):
        fluvial.fit(table(14), time="date", progress=False)


def test_the_commands(one, tmp_path, capsys):
    _, run = one
    data = tmp_path / "shop.csv"
    table().to_csv(data, index=False)
    assert main(["forecast", run, "--horizon", "3", "-o", str(tmp_path / "f.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "f.csv")) == 3
    assert main(["forecast", run, str(data), "--horizon", "3", "--paths", "4", "-o", str(tmp_path / "p.csv")]) == 0
    assert list(pd.read_csv(tmp_path / "p.csv").columns) == ["path", "date", "sold", "warm"]
    capsys.readouterr()
    assert main(["forecast", run, "--horizon", "3", "--probability", "max(sold) > 10", "--paths", "100"]) == 0
    assert "±" in capsys.readouterr().out
    assert main(["score", run, str(data), "-o", str(tmp_path / "s.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "s.csv")) == 300
    assert (
        main(["backtest", run, "--folds", "2", "--horizon", "5", "--paths", "20", "-o", str(tmp_path / "b.csv")]) == 0
    )
    assert "2 forecasts of 5 steps" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "b.csv")) == 5
    assert main(["sample", run, "-n", "2", "--horizon", "3", "-o", str(tmp_path / "d.csv")]) == 0
    assert main(["backtest", run, "--folds", "50", "--horizon", "5"]) == 2
    assert main(["forecast", run, "--quantiles", "a"]) == 2


def test_a_damaged_run_is_a_sentence(one, tmp_path):
    import shutil

    shutil.copytree(one[1], tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["schema"]["targets"] = config["schema"]["targets"][:1]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="damaged"):
        fluvial.load(tmp_path / "run")


def test_the_report_judges_forecasts(one, tmp_path):
    page = one[0].report(tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert page.exists()
    assert {"density", "forecasts"} <= set(report["verdict"])
    assert {p.stem for p in (tmp_path / "figures").glob("*.png")} >= {"fan", "steps", "calibration"}
