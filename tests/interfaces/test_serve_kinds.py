"""What the page asks besides: marginals of tables, and models of series, images and sound behind the same door."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer ones of starlette would rather have another client
    TestClient: Any = pytest.importorskip("fastapi.testclient").TestClient
pytest.importorskip("soundfile")
pytest.importorskip("PIL")

from fluvial import fit, load
from fluvial.interfaces.server.app import application
from fluvial.interfaces.server.guard import Limits
from fluvial.interfaces.server.marginals import Bars
from fluvial.kinds.images.files import grid

RUNS = Path(__file__).parents[1] / "runs"
TABLE: dict[str, Any] = {"options": {"hidden": (8,), "classes": 0}, "epochs": 1, "progress": False}
SERIES: dict[str, Any] = {
    "options": {"layers": 3, "channels": 8, "gates": 8, "skips": 8, "hidden": (8,), "components": 3},
    "epochs": 1,
    "progress": False,
}


def table(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, rows), unit="D")
    frame = pd.DataFrame({"size": rng.normal(size=rows), "kind": rng.choice(["a", "b"], rows), "day": when})
    frame["n"] = rng.poisson(3, rows).astype(float)
    frame.loc[:20, "n"] = np.nan
    return frame.assign(always=1.5, many=[f"label {i % 40}" for i in range(rows)])


def days(shops: int, steps: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    one = {"date": pd.date_range("2024-01-01", periods=steps), "sold": rng.poisson(5, steps)}
    return pd.concat([pd.DataFrame({**one, "shop": f"shop {i}"}) for i in range(shops)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    fit(table(), "mixed", out=folder / "mixed", **TABLE)
    fit(table(), "gan", out=folder / "gan", epochs=1, progress=False)
    fit(days(2), out=folder / "shops", series="shop", **SERIES)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path):
    paths = [folder / "mixed", folder / "gan", folder / "shops", RUNS / "images", RUNS / "sound", RUNS / "gaussian"]
    with TestClient(application(paths, limits=Limits(draws=2000)), base_url="http://localhost") as client:
        yield client


def post(client: Any, path: str, wish: dict[str, Any], status: int = 200, **head: str) -> Any:
    found = client.post(f"/models/{path}", json=wish, headers=head)
    assert found.status_code == status, found.text
    return found


def test_marginals_are_the_shares_of_draws_and_of_the_table(client: Any, folder: Path):
    found = post(client, "mixed/marginals", {"n": 500, "given": {"kind": "a"}, "pair": ["size", "kind"]}).json()
    told = {column["name"]: column for column in found["columns"]}
    model = load(folder / "mixed")
    kept = pd.DataFrame(model.schema.decode(model.rows["train.x"]))
    assert found["rows"] == len(kept)
    for name, column in told.items():
        for side in ("drawn", "data"):
            assert sum(column[side]["shares"]) + column[side]["missing"] == pytest.approx(1), name
        assert column["data"]["missing"] == pytest.approx(kept[name].isna().mean())
    assert told["kind"]["drawn"]["shares"] == [1.0, 0.0]
    assert told["kind"]["data"]["shares"] == pytest.approx([(kept["kind"] == k).mean() for k in "ab"])
    at, counts = told["n"]["at"], told["n"]["data"]["shares"]
    assert counts[at.index(3)] == pytest.approx((kept["n"] == 3).mean())
    assert told["size"]["data"]["middle"] == np.quantile(kept["size"], 0.5, method="inverted_cdf")
    assert told["day"]["ticks"][0] < told["day"]["ticks"][-1]
    assert told["always"]["at"] == [1.5]
    assert told["many"]["others"] == 16
    assert len(told["many"]["at"]) == 24
    assert set(found["pair"]["y"]) == {0}
    assert np.sum(found["pair"]["data"]) == kept["size"].notna().sum()


def test_bars_hold_all_values_the_outermost_what_is_beyond(client: Any):
    column = load(RUNS / "gaussian").schema.every[0]
    bars = Bars.of(column, np.r_[np.linspace(0, 1, 1000), 1e9, -1e9])
    assert bars.edges[0] > -1
    assert bars.edges[-1] < 2
    places = bars.places(np.array([-1e9, bars.edges[0], 0.5, bars.edges[-1], 1e9, np.nan]))
    assert places.tolist() == [0, 0, 14, 29, 29, -1] or places.tolist() == [0, 0, 15, 29, 29, -1]


def test_marginals_of_models_that_condition_on_nothing(client: Any):
    found = post(client, "gaussian/marginals", {"n": 50}).json()
    assert [len(c["at"]) == len(c["drawn"]["shares"]) for c in found["columns"]]
    about = client.get("/models/gaussian").json()
    assert about["any_given"] is False
    assert "does not condition" in post(client, "gaussian/marginals", {"given": {"x": 1}}, 422).json()["error"]


def test_a_model_that_only_draws_says_so(client: Any):
    about = client.get("/models/gan").json()
    assert (about["scores"], set(about["answers"])) == (False, {"sample", "marginals"})
    assert len(post(client, "gan/sample", {"n": 5, "seed": 1}).json()["columns"]["size"]) == 5
    assert "is not asked here" in post(client, "gan/score", {"rows": [{"size": 1}]}, 422).json()["error"]


def test_forecasts_are_the_librarys(client: Any, folder: Path):
    model = load(folder / "shops")
    found = post(client, "shops/forecast", {"horizon": 4, "quantiles": [0.5, 0.9], "seed": 3}).json()["columns"]
    expected = model.simulate(None, 4, 1000, 3).quantiles([0.5, 0.9])
    assert found["sold 0.9"] == expected["sold 0.9"].tolist()
    assert found["shop"] == ["shop 0"] * 4 + ["shop 1"] * 4
    one = post(client, "shops/forecast", {"horizon": 2, "paths": 3, "series": ["shop 1"]}).json()["columns"]
    assert one["path"] == [1, 1, 2, 2, 3, 3]
    text = post(client, "shops/forecast", {"horizon": 2}, accept="text/csv").text
    assert text.startswith("date,shop,sold 0.1")
    past = post(client, "shops/past", {"steps": 3, "series": ["shop 1"]}).json()["columns"]
    assert past["sold"] == days(2)["sold"].tolist()[-3:]
    assert past["date"][-1] == "2024-07-18"


def test_forecasts_go_on_from_rows_that_are_sent(client: Any, folder: Path):
    rows = days(1, 60).astype({"date": str})
    wish = {"horizon": 2, "columns": rows.to_dict("list")}
    found = post(client, "shops/forecast", wish).json()["columns"]
    assert found["date"] == ["2024-03-01", "2024-03-02"]
    chance = post(client, "shops/probability", {"event": "max(sold) > 5", "horizon": 3, "draws": 200, "seed": 1}).json()
    expected = load(folder / "shops").probability("max(sold) > 5", horizon=3, paths=200, seed=1)
    assert chance["columns"]["probability"] == [expected[name].value for name in ("shop 0", "shop 1")]
    scored = post(client, "shops/score", {"columns": rows.to_dict("list")}).json()["columns"]
    np.testing.assert_allclose(scored["log_prob"], load(folder / "shops").log_prob(rows))


SERIES_FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "no horizon": ("forecast", {"horizon": 0}),
    "a horizon that takes for ever": ("forecast", {"horizon": 10**12}),
    "too many paths": ("forecast", {"paths": 2001}),
    "a quantile that is none": ("forecast", {"quantiles": [1.5]}),
    "no such series": ("forecast", {"series": ["shop 9"]}),
    "no series": ("forecast", {"series": []}),
    "an event of a step": ("probability", {"event": "sold > 1"}),
    "no event": ("probability", {}),
    "more past than there is room for": ("past", {"steps": 10**9}),
    "what is of tables": ("marginals", {}),
    "rows of other columns": ("forecast", {"columns": {"a": [1]}}),
}


@pytest.mark.parametrize("what", SERIES_FAULTS)
def test_malformed_questions_about_series_get_a_sentence(client: Any, what: str):
    question, wish = SERIES_FAULTS[what]
    assert "Traceback" not in post(client, f"shops/{question}", wish, 422).json()["error"]


def test_images_come_as_a_sheet(client: Any):
    found = post(client, "images/sample", {"n": 3, "seed": 5})
    assert found.headers["content-type"] == "image/png"
    drawn = _pixels(found.content)
    np.testing.assert_array_equal(drawn, grid(load(RUNS / "images").sample(3, seed=5)))
    way = post(client, "images/interpolate", {"seeds": [1, 2], "n": 4})
    model = load(RUNS / "images")
    ends = [model.sample(1, seed=seed)[0] for seed in (1, 2)]
    np.testing.assert_array_equal(_pixels(way.content), grid(model.interpolate(*ends, 4), 4))
    for question, wish in (("sample", {"n": 257}), ("sample", {"context": {"a": "b"}}), ("interpolate", {"n": 1})):
        assert post(client, f"images/{question}", wish, 422).json()["error"]
    assert post(client, "images/interpolate", {"seeds": [-1, 2]}, 422).json()["error"]
    assert post(client, "images/sample", {"temperature": -1}, 422).json()["error"]


def test_an_image_is_changed_by_more_or_less_of_something(client: Any):
    about, model = client.get("/models/images").json(), load(RUNS / "images")
    assert about["attributes"] == ["brightness", "contrast"]
    plain = _pixels(post(client, "images/edit", {"seed": 3}).content)
    drawn = model.sample(1, seed=3)
    np.testing.assert_array_equal(plain, grid(np.concatenate([drawn, drawn]), 2))
    seen = [_pixels(post(client, "images/edit", {"seed": 3, "moves": {"brightness": s}}).content) for s in (-2, 0, 2)]
    np.testing.assert_array_equal(seen[1], plain)
    half = seen[0].shape[1] // 2
    means = [sheet[:, half:].mean() for sheet in seen]
    assert means[0] < means[1] < means[2]
    for sheet in seen:
        np.testing.assert_array_equal(sheet[:, :half], plain[:, :half])
    for moves in ({"beauty": 1.0}, {"contrast": 4.0}):
        assert (
            "brightness or contrast, from -3 to 3" in post(client, "images/edit", {"moves": moves}, 422).json()["error"]
        )


def _pixels(content: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(content)))


def test_recordings_come_as_wav(client: Any):
    about = client.get("/models/sound").json()
    found = post(client, "sound/sample", {"seconds": 0.01, "seed": 2, "context": _labels(about)})
    assert found.headers["content-type"] == "audio/wav"
    import soundfile

    wave, rate = soundfile.read(io.BytesIO(found.content))
    assert (rate, len(wave)) == (about["rate"], round(0.01 * about["rate"]))
    for wish in ({"seconds": 1e9}, {"seconds": -1}, {"seconds": 0.01, "context": {"no such": "label"}}):
        assert post(client, "sound/sample", wish, 422).json()["error"]


def _labels(about: dict[str, Any]) -> dict[str, str] | None:
    return {each["name"]: each["categories"][0] for each in about["labels"]} or None


def test_what_is_not_asked_of_a_kind_is_said_with_what_is(client: Any):
    told = post(client, "images/score", {"rows": [{"a": 1}]}, 422).json()["error"]
    assert "is a model of images" in told
    assert "sample" in told
    assert set(client.get("/models/shops").json()["answers"]) == {"forecast", "past", "probability", "score"}
