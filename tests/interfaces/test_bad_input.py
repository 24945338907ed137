"""What bad input gets: one or two sentences on stderr, exit code 2, and nothing lost or half-written."""

import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluvial.examine.verdict import Verdict
from fluvial.interfaces.cli import main

RNG = np.random.default_rng(0)
TINY = ["--model", "maf", "--epochs", "1", "--set", "transforms=1", "--set", "hidden=8"]


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "fluvial.kinds.report.write_report", lambda m, f, _=None: (Path(f) / "r.html", Verdict("good", ""))
    )


@pytest.fixture
def refused(capsys):
    """Run a command that has to fail; returns its sentence."""

    def run(*argv):
        before = sorted(str(p) for p in Path().rglob("*"))
        capsys.readouterr()
        code = main(list(argv))
        out, err = capsys.readouterr()
        known = ("epoch ", "note: ", "the scores are", "How I read", "  ")
        said = [line for line in err.splitlines() if not line.startswith(known)]
        assert code == 2, (out, err)
        assert out == ""
        assert len(said) == 1
        assert said[0].startswith("fluvial: ")
        assert "Traceback" not in err
        assert sorted(str(p) for p in Path().rglob("*")) == before, "something was left behind"
        return said[0]

    return run


def numbers(n=60):
    return pd.DataFrame({"a": RNG.normal(size=n), "b": RNG.normal(size=n) ** 2 + 0.1})


def written(frame, name="t.csv"):
    frame.to_csv(name, index=False)
    return name


def fitted(*argv, frame=None):
    written(numbers() if frame is None else frame)
    assert main(["fit", "t.csv", "--out", "run", *TINY, *argv]) == 0
    return Path("run")


def test_no_such_file(refused):
    written(numbers(), "wines.csv")
    assert "wines.csv" in refused("fit", "wine.csv")
    assert "no file wine.parquet" in refused("fit", "wine.parquet")


def test_an_empty_file(refused):
    Path("t.csv").touch()
    assert "t.csv is empty" in refused("fit", "t.csv")
    Path("t.csv").write_text("a,b\n")
    assert "no rows" in refused("fit", "t.csv")


def test_one_row(refused):
    assert "1 row" in refused("fit", written(numbers(1)))


def test_one_column_works(capsys):
    assert main(["fit", written(numbers()[["a"]]), "--out", "run", *TINY]) == 0
    assert main(["sample", "run", "-n", "2"]) == 0


def test_text_in_a_number_column(refused):
    frame = numbers().astype({"a": object})
    frame.loc[7, "a"] = "seven"
    sentence = refused("fit", written(frame))
    assert "'a'" in sentence
    assert "seven" in sentence


def test_a_column_of_labels(refused):
    frame = numbers().assign(kind=RNG.choice(["x", "y"], 60))
    assert "--context kind" in refused("fit", written(frame), "--model", "nsf")
    assert main(["fit", "t.csv", "--out", "run", "--epochs", "1"]) == 0  # the default takes labels as they are


def test_a_column_of_dates(refused):
    frame = numbers().assign(day=pd.date_range("2020-01-01", periods=60).astype(str))
    assert "--model mixed" in refused("fit", written(frame), "--model", "nsf")
    assert main(["fit", "t.csv", "--out", "run", "--epochs", "1"]) == 0  # the default takes dates as they are


def test_missing_and_non_finite_values(refused):
    frame = numbers()
    frame.loc[[2, 3], "a"] = np.nan
    frame.loc[5, "b"] = np.inf
    sentence = refused("fit", written(frame), "--model", "nsf")
    assert "3 rows of 60" in sentence
    assert "'a' 2 missing" in sentence
    assert "'b' 1 infinite" in sentence
    assert "--drop-missing" in sentence
    sentence = refused("fit", "t.csv")  # the default takes missing cells as they are
    assert "'b' 1" in sentence
    assert "missing" not in sentence.split(":")[0]
    assert main(["fit", "t.csv", "--drop-missing", "--out", "run", *TINY]) == 0


def test_all_missing(refused):
    assert "'b'" in refused("fit", written(numbers().assign(b=np.nan)), "--model", "nsf")


def test_only_constants(refused):
    refused("fit", written(pd.DataFrame({"a": np.ones(50), "b": np.full(50, 2.5)})))


def test_ten_thousand_columns(refused):
    np.save("wide.npy", RNG.normal(size=(30, 10_000)))
    sentence = refused("fit", "wide.npy")
    assert "10,000 columns" in sentence
    assert "fewer columns" in sentence


def test_the_wrong_columns_when_scoring(refused):
    fitted()
    sentence = refused("score", "run", written(numbers().rename(columns={"b": "bb"}), "u.csv"))
    assert "'b'" in sentence
    assert "'bb'" in sentence


def test_another_order_of_columns_is_repaired_by_name(capsys):
    fitted()
    capsys.readouterr()
    assert main(["score", "run", "t.csv"]) == 0
    scores = capsys.readouterr().out
    assert main(["score", "run", written(pd.read_csv("t.csv")[["b", "a"]], "u.csv")]) == 0
    assert capsys.readouterr().out == scores


def test_other_dtypes_when_scoring(refused, capsys):
    fitted()
    whole = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert main(["score", "run", written(whole, "u.csv")]) == 0
    assert "'a'" in refused("score", "run", written(whole.assign(a=["x", "y"]), "u.csv"))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "data.safetensors"])
def test_a_truncated_run_folder(refused, name):
    file = fitted() / name
    file.write_bytes(file.read_bytes()[:50])
    assert name in refused("score", "run", "t.csv")


def test_a_run_of_a_newer_version(refused):
    file = fitted() / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99, "version": "12.0"}))
    assert "fluvial 12.0" in refused("info", "run")


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("ran-the-bomb",)


def test_a_pickle_in_place_of_the_weights(refused):
    (fitted() / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    assert "nothing in it was run" in refused("sample", "run")


@pytest.mark.parametrize(
    "model", [{"model": "builtins.exec"}, {"model": "../../maf"}, {"model": ["os", "system"]}, {"event_shape": [10**9]}]
)
def test_a_configuration_that_names_other_things(refused, model):
    file = fitted() / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "model": {**config["model"], **model}}))
    refused("info", "run")


@pytest.mark.parametrize("schema", [{}, None, {"columns": [{"name": "../x", "kind": "os.system"}]}, [1]])
def test_a_schema_that_is_none(refused, schema):
    file = fitted() / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": schema}))
    refused("score", "run", "t.csv")


def test_a_record_that_is_none(refused):
    file = fitted() / "config.json"
    kept = {k: v for k, v in json.loads(file.read_text()).items() if k in ("format", "model", "schema")}
    file.write_text(json.dumps({**kept, "weights_sha256": json.loads(file.read_text())["weights_sha256"]}))
    refused("info", "run")


def test_a_folder_that_is_no_run(refused):
    assert "no run folder" in refused("info", "nowhere")
    Path("other").mkdir()
    assert "no run of fluvial" in refused("info", "other")


def test_a_full_disk(refused, monkeypatch):
    written(numbers())

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    sentence = refused("fit", "t.csv", "--out", "run", *TINY)
    assert "No space left on device" in sentence
    assert "run/" in sentence


def test_two_processes_and_one_run_folder(refused):
    written(numbers())
    Path("run").mkdir()
    Path("run/.lock").write_text(str(os.getppid()))
    assert f"process {os.getppid()} is writing run" in refused("fit", "t.csv", "--out", "run", *TINY)


def test_a_run_is_not_overwritten_by_accident(refused):
    fitted()
    assert "--force" in refused("fit", "t.csv", "--out", "run", *TINY)


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--model", "nfs"], "did you mean 'nsf'"),
        (["--model", "nsf", "--set", "transform=3"], "did you mean 'transforms'"),
        (["--model", "nsf", "--set", "transforms=0"], "transforms: expected at least 1"),
        (["--model", "nsf", "--set", "transforms=many"], "does not fit"),
        (["--set", "learning_rate=fast"], "learning_rate"),
        (["--set", "epochs=3"], "--epochs"),
        (["--budget", "soon"], "90s, 5m or 1h"),
        (["--budget", "0s"], "positive number of seconds"),
        (["--epochs", "many"], "--epochs"),
        (["--epochs", "0"], "at least 1, got 0"),
        (["--seed", "-1"], "seed"),
        (["--moddel", "maf"], "--model"),
        (["--context", "z"], "no column 'z'"),
        (["--context", "a,b"], "context"),
        (["--device", "abacus"], "abacus"),
        (["--resume", "--force"], "--force"),
    ],
)
def test_unknown_names_and_values_that_do_not_fit(refused, argv, part):
    assert part in refused("fit", written(numbers()), *argv)


def test_unknown_commands(refused):
    assert '"fit"' in refused("fti")
    refused("sample")
    refused("score", "run")
    refused("sample", "run", "-n", "many")


def test_context_missing_unasked_for_or_unseen(refused):
    fitted()
    assert "without context" in refused("sample", "run", "--context", "a=1")
    frame = numbers().assign(kind=RNG.choice(["x", "y"], 60))
    fitted("--context", "kind", "--force", frame=frame)
    assert "'kind'" in refused("score", "run", written(frame[["a", "b"]], "u.csv"))
    sentence = refused("sample", "run", "--context", "kind=z")
    assert "'z'" in sentence
    assert "'x', 'y'" in sentence
    assert "'kind'" in refused("sample", "run", "--context", "kond=x")
    assert "'z'" in refused("score", "run", written(frame.assign(kind="z"), "u.csv"))


def test_files_that_cannot_be_written(refused):
    fitted()
    assert ".xyz" in refused("sample", "run", "-o", "new.xyz", "--seed", "0")
    assert "nowhere" in refused("sample", "run", "-o", "nowhere/new.csv", "--seed", "0")
    assert "rows of at least 1" in refused("sample", "run", "-n", "0")
