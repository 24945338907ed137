import sys

import numpy as np
import pytest
import torch

from fluvial import fit, load
from fluvial.core.errors import RunError, UsageError
from fluvial.data.tables import read
from fluvial.kinds.origin import Origin
from fluvial.kinds.tables.fit import default_model
from fluvial.kinds.tables.prepare import prepare
from fluvial.models import recipes, resolve
from fluvial.training import Settings

TINY = {"transforms": 1, "hidden": [8]}


def rows(n=150, d=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) @ np.triu(np.ones((d, d))) + 3.0


@pytest.mark.parametrize(("n", "context", "expected"), [(600, (), "mixed"), (601, (), "nsf"), (300, ("x0",), "nsf")])
def test_few_rows_get_a_model_that_starts_from_classes(n, context, expected):
    assert default_model(read(rows(n, 3)), context) == expected


@pytest.mark.parametrize(("given", "classes"), [({}, 8), ({"classes": 0}, 0), ({"classes": 3}, 3)])
def test_how_many_classes_there_may_be_is_the_user_s_to_say(given, classes):
    assert prepare(read(rows()), "mixed", given).config["options"]["classes"] == classes


def test_many_rows_and_conditional_models_start_from_none():
    many, some = read(rows(5001)), read({"a": np.arange(50.0), "b": np.arange(50) % 7, "c": list("ab") * 25})
    for table, context in ((many, ()), (some, ("c",))):
        assert prepare(table, "mixed", {}, context=context).config["options"]["classes"] == 0


@pytest.mark.parametrize("name", [r.name for r in recipes("tables") if r.values != "whole" and r.name != "gan"])
@pytest.mark.parametrize("d", [1, 3])
def test_every_model_fits_any_number_of_columns(name, d):
    options = {key: value for key, value in TINY.items() if key in resolve(name, {})}
    model = fit(rows(60, d), name, epochs=1, options=options, progress=False)
    assert np.isfinite(model.log_prob(rows(60, d))).all()
    assert model.sample(4).shape == (4, d)


def test_the_record_says_how_and_how_well():
    model = fit(rows(200), "maf", epochs=3, seed=4, options=TINY, progress=False, origin=Origin("fluvial fit x.csv"))
    record = model.record
    sizes = {"train": 160, "validation": 20, "held_out": 20, "columns": 2}
    assert record["sizes"] == {**sizes, "parameters": record["sizes"]["parameters"]}
    assert record["split"]["independent"]
    assert record["training"]["epochs"] == 3
    assert record["seed"] == record["settings"]["seed"] == 4
    assert record["command"] == "fluvial fit x.csv"
    held_out = record["scores"]["held_out"]
    assert held_out["rows"] == 20
    assert record["scores"]["baseline"]["log_likelihood"] > -5
    again = model.log_prob_rows(model.rows["held_out.x"])
    assert again.mean() == pytest.approx(held_out["log_likelihood"], abs=1e-5)


def test_the_gaussian_is_set_by_every_row_and_judged_by_held_out_ones():
    x = rows(100) - 3.0
    model = fit(x, "gaussian", progress=False)
    mean, cov = x.mean(0), np.cov(x.T, bias=True)
    expected = -0.5 * (
        np.einsum("ni,ij,nj->n", x - mean, np.linalg.inv(cov), x - mean) + np.log(np.linalg.det(2 * np.pi * cov))
    )
    assert np.allclose(model.log_prob(x), expected, atol=1e-4)
    scores = model.record["scores"]
    assert scores["held_out"]["log_likelihood"] == pytest.approx(scores["baseline"]["log_likelihood"])
    (only,) = model.metrics
    assert only["held_out"] == pytest.approx(-scores["held_out"]["log_likelihood"])
    assert only["ended"]


def test_a_fit_leaves_the_callers_random_state_alone_and_depends_on_the_seed_only():
    def weights(seed):
        density = fit(rows(), "nsf", epochs=1, seed=seed, options=TINY, progress=False).density
        return torch.cat([p.flatten() for p in density.parameters()])

    before = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


def test_arguments_overrule_settings():
    settings = Settings(epochs=50, batch_size=20)
    model = fit(rows(), "maf", epochs=1, options=TINY, settings=settings, progress=False)
    assert model.record["settings"]["epochs"] == 1
    assert model.record["settings"]["batch_size"] == 20


def test_progress_goes_to_a_function_or_to_stderr(capsys):
    seen = []
    fit(rows(), "maf", epochs=2, options=TINY, progress=seen.append)
    assert [r.epoch for r in seen if r.ended] == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    fit(rows(), "maf", epochs=2, options=TINY)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2" in err


class StoppedError(Exception):
    pass


def test_a_fit_that_stopped_resumes_to_the_same_bits(tmp_path):
    def fitted(out, resume=False, until=10**9, transforms=1):
        def progress(record):
            if record.epoch >= until:
                raise StoppedError

        options = {"transforms": transforms, "hidden": [8]}
        return fit(rows(), "nsf", epochs=6, options=options, out=out, resume=resume, progress=progress)

    whole = fitted(tmp_path / "whole")
    with pytest.raises(StoppedError):
        fitted(tmp_path / "run", until=3)
    assert not (tmp_path / "run" / "config.json").exists()
    with pytest.raises(RunError, match="an unfinished run"):
        load(tmp_path / "run")
    with pytest.raises(RunError, match="option transforms=1, not 2"):
        fitted(tmp_path / "run", resume=True, transforms=2)
    resumed = fitted(tmp_path / "run", resume=True)
    for a, b in zip(whole.density.parameters(), resumed.density.parameters()):
        assert torch.equal(a, b)
    assert [m["epoch"] for m in load(tmp_path / "run").metrics] == list(range(7))
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        *("config.json", "model.safetensors", "data.safetensors", "metrics.jsonl")
    }
    again = fitted(tmp_path / "run", resume=True)  # nothing left to do
    assert np.array_equal(again.log_prob(rows()), resumed.log_prob(rows()))


def test_names_that_do_not_exist_are_told_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="'nsf'"):
        fit(rows(), "nfs", out=tmp_path / "run", progress=False)
    with pytest.raises(UsageError, match="transforms"):
        fit(rows(), "nsf", options={"transform": 3}, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_importing_the_package_does_not_import_torch():
    import subprocess

    code = "import sys, fluvial, fluvial.interfaces.cli; assert 'torch' not in sys.modules; fluvial.fit"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_keep_their_seed_and_the_kinds_learning_rate():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    arguments = {"options": {"transforms": np.int64(1), "hidden": np.array([8])}, "progress": False}
    model = fit(rows, "maf", settings=Settings(seed=7, epochs=1), **arguments)
    assert (model.record["seed"], model.record["settings"]["learning_rate"]) == (7, 3e-3)
    same = fit(rows, "maf", seed=7, epochs=np.int64(1), **arguments)
    np.testing.assert_array_equal(model.log_prob(rows), same.log_prob(rows))
    other = fit(rows, "maf", settings=Settings(seed=7, epochs=1), seed=8, budget="5m", **arguments)
    assert (other.record["seed"], other.record["settings"]["budget"]) == (8, 300.0)


def test_a_model_that_is_no_name_gets_a_sentence():
    with pytest.raises(UsageError, match=r"model: expected a name or a fluvial.core.Density, got Linear"):
        fit(np.zeros((9, 2)), torch.nn.Linear(2, 2))  # pyright: ignore


def test_a_budget_counts_from_the_beginning_and_says_so_where_nothing_is_left():
    import time

    seen = []
    began = time.monotonic() - 1000
    fit(rows(), "maf", budget=1001.5, options=TINY, origin=Origin(began=began), progress=seen.append)
    assert seen[0].elapsed >= 1000
    assert seen[-1].rows_per_second > 10  # of the training alone
    with pytest.raises(UsageError, match=r"nothing of 900 s is left to train"):
        fit(rows(), "maf", budget=900.0, options=TINY, origin=Origin(began=began), progress=False)


@pytest.mark.parametrize("name", ["gaussian", "nsf"])
def test_a_saved_model_scores_equal_to_the_bit(tmp_path, name):
    rows = np.random.default_rng(0).normal(size=(120, 2))
    model = fit(rows, name, epochs=2, progress=False, out=tmp_path / "run")
    assert np.array_equal(load(tmp_path / "run").log_prob(rows), model.log_prob(rows))


def test_twenty_rows_take_few_steps():
    model = fit(np.random.default_rng(0).normal(size=(20, 2)), progress=False)
    assert model.record["training"]["steps"] <= 2000


def labelled(n=200):
    rng = np.random.default_rng(0)
    return {"size": rng.normal(size=n), "town": rng.choice(["here", "there"], n)}


def test_labels_that_no_row_has_are_impossible_unless_something_is_set_aside_for_them():
    new = {"size": np.zeros(2), "town": np.array(["here", "nowhere"])}
    for unseen, told in (("impossible", "log-density -inf"), ("other", "scored by what was set aside")):
        model = fit(labelled(), "mixed", epochs=1, progress=False, unseen=unseen, options={"classes": 0})
        scores = model.score(new)
        assert any(told in warning for warning in scores.warnings)
        assert np.isfinite(scores.log_prob).tolist() == [True, unseen == "other"]
        if unseen == "other":
            assert scores.parts["town"][1] == pytest.approx(np.log(0.5 / 161), abs=1e-4)
            assert model.predict_proba({"size": np.zeros(1)}, "town").sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("model", "unseen"), [("mixed", "ignored"), ("nsf", "other")])
def test_what_cannot_be_set_aside_is_refused(model, unseen):
    with pytest.raises(UsageError, match="unseen"):
        fit(rows(), model, epochs=1, progress=False, unseen=unseen)
