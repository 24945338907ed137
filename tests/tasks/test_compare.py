"""Models side by side: a weak one and a cheat are both exposed, and outside samples are judged like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fluvial.core.errors import UsageError
from fluvial.kinds.contest import CHANCE, CHEAT
from fluvial.kinds.tables.ground import ground
from fluvial.tasks.compare import Comparison, _remark, compare  # pyright: ignore[reportPrivateUsage]

RNG = np.random.default_rng(0)


def banana(n: int) -> dict[str, np.ndarray]:
    a = RNG.normal(size=n)
    return {"a": a, "b": a**2 + 0.3 * RNG.normal(size=n), "c": RNG.normal(size=n)}


TABLE = banana(1500)
SMALL = {"nsf": {"transforms": 2, "hidden": [32]}}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    rows = RNG.permutation(1200)[:300]
    outside = {"good": banana(400), "cheat": {k: v[rows] for k, v in TABLE.items()}}
    out = tmp_path_factory.mktemp("compare")
    return compare(
        TABLE, ["nsf", "gaussian", "kde"], epochs=25, samples=outside, out=out, options=SMALL, progress=False
    )


def test_a_weak_model_is_exposed(found: Comparison):
    strong, weak, good = (found.rivals[name] for name in ("nsf", "gaussian", "good"))
    assert weak.mean[0] < strong.mean[0] - 0.3  # pyright: ignore
    assert weak.auc.auc > strong.auc.auc + 0.05
    assert weak.wasserstein > good.wasserstein
    assert weak.utility < good.utility  # pyright: ignore
    assert "best nsf (exact); behind, in nats a row: " in found.sentences[0]
    assert "gaussian (exact) by" in found.sentences[0]


def test_a_kernel_density_estimate_is_a_rival(found: Comparison):
    estimate, weak = (found.rivals[name] for name in ("kde", "gaussian"))
    assert estimate.likelihood == "exact"
    assert estimate.mean[0] > weak.mean[0] + 0.1  # pyright: ignore
    assert estimate.auc.auc < weak.auc.auc


def test_a_cheat_is_exposed(found: Comparison):
    said = [s for s in found.sentences if "repeats training rows" in s]
    assert [s.split()[0] for s in said] == ["cheat"]
    assert found.rivals[CHEAT].copies.copies == len(found.rivals[CHEAT].copies.samples)
    assert "Data of the training set are handed out" in found.page.read_text()


def test_rows_of_the_truth_are_told_by_nothing(found: Comparison):
    for name in ("good", CHANCE):
        rival = found.rivals[name]
        assert abs(rival.auc.auc - 0.5) < 4.5 * rival.auc.auc_error
        assert rival.likelihood == "none"
        assert rival.coverage > 0.85


def test_the_page_and_a_second_call(found: Comparison):
    page = found.page.read_text()
    costs, draws = page.split("What they draw")[:2]
    for name in ("nsf", "gaussian", "good", "cheat", CHEAT, CHANCE):
        assert f"<th>{name}</th>" in draws
        assert (f"<th>{name}</th>" in costs) == (name in ("nsf", "gaussian"))
    assert (found.page.parent / "nsf" / "config.json").exists()
    assert page.count("draws beside test rows") == len(found.rivals)
    assert (found.page.parent / "figures" / "pairs-0.png").exists()


def test_names_are_needed_once(tmp_path: Path):
    with pytest.raises(UsageError, match="each once, got nsf, nsf"):
        compare(TABLE, ["nsf", "nsf"], out=tmp_path)


def test_a_model_that_does_not_fit_the_table_is_left_out_and_said(tmp_path: Path):
    table = {"sex": np.array(["F", "M"] * 100, dtype=object), "x": RNG.normal(size=200)}
    small = {"vae": {"hidden": [8], "latent": 1}}
    result = compare(table, ["nsf", "vae"], epochs=1, out=tmp_path, options=small, progress=False)
    assert any(s.startswith("nsf is left out, as fluvial fit says: ") for s in result.sentences)
    assert result.rivals["vae"].likelihood == "bound"


def stripes(n: int) -> np.ndarray:
    """Images of 8 x 8 whose stripes lie across or upright, with noise."""
    across = 200 * (np.arange(8) % 4 < 2)[None, :, None] * np.ones((n, 8, 8))
    turned = np.where(RNG.random(n)[:, None, None] < 0.5, across, across.transpose(0, 2, 1))
    return (turned + RNG.uniform(0, 40, turned.shape)).astype(np.uint8)


def test_images_are_compared_too(tmp_path: Path):
    images = stripes(800)
    flat = images.reshape(len(images), -1).astype(float)
    gauss = RNG.multivariate_normal(flat.mean(0), np.cov(flat.T), 400).clip(0, 255).astype(np.uint8).reshape(-1, 8, 8)
    outside = {"gauss": gauss, "cheat": images[RNG.permutation(640)[:200]]}
    small = {"vae": {"latent": 2, "channels": [4], "hidden": 8, "components": 2}}
    small |= {"gan": {"noise": 4, "channels": [4], "hidden": 8}}
    found = compare(
        images, ["vae", "gan", "kde"], epochs=2, samples=outside, out=tmp_path, options=small, progress=False
    )
    good, weak = found.rivals[CHANCE], found.rivals["gauss"]
    assert abs(good.auc.auc - 0.5) < 4.5 * good.auc.auc_error
    assert weak.auc.auc > 0.9
    assert [s.split()[0] for s in found.sentences if "repeats training images" in s] == ["cheat"]
    assert any(s.startswith("kde is left out: ") for s in found.sentences)
    vae = found.rivals["vae"]
    assert vae.likelihood == "bound"
    assert found.rivals["gan"].log_p is None
    bits = -vae.mean[0] / (64 * np.log(2))  # pyright: ignore
    numbers = json.loads((tmp_path / "report.json").read_text())["rivals"]["vae"]
    assert float(numbers["bits per dimension"].split()[0]) == pytest.approx(bits, abs=0.01)
    assert "utility" not in numbers
    assert (tmp_path / "figures" / "sheet-0.png").exists()


def test_what_has_no_ground_is_said(tmp_path: Path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(UsageError, match="compare is about tables and images; this is about sound"):
        compare(tmp_path)


def test_models_that_nobody_names_are_those_that_take_the_table():
    labels = {"sex": np.array(["F", "M"] * 50, dtype=object), "x": RNG.normal(size=100)}
    gaps = {"a": np.where(np.arange(100) % 7, RNG.normal(size=100), np.nan), "b": RNG.normal(size=100)}
    assert ground(labels).models == ground(gaps).models == ("mixed", "vae_iaf", "gan")
    assert ground(banana(100)).models == ("nsf", "vae_iaf", "gan", "gaussian")


def test_a_model_without_an_epoch_is_named(found: Comparison, monkeypatch: pytest.MonkeyPatch):
    assert not [s for s in found.sentences if "learnt nothing" in s]
    monkeypatch.setattr("fluvial.tasks.compare.untrained", lambda record: True)
    again = compare(TABLE, ["gaussian"], epochs=25, out=found.page.parent, progress=False)
    assert again.sentences[-1].startswith("gaussian has learnt nothing: no epoch was trained")


@pytest.mark.parametrize(("epochs", "best", "said"), [(3, 0, True), (3, 1, False), (0, 0, False)])
def test_a_model_that_is_as_it_began_is_named(epochs: int, best: int, said: bool):
    record = {"model": {"model": "gaussian", "event_shape": [2]}, "training": {"epochs": epochs, "best_epoch": best}}
    assert bool(_remark("gaussian", record)) == said
