import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluvial import load
from fluvial.core.errors import RunError
from fluvial.examine.verdict import Verdict
from fluvial.interfaces.cli import main

TINY = ["--model", "maf", "--epochs", "1", "--set", "transforms=1", "--set", "hidden=8"]


def unwritten(model, folder, figures=None):
    return Path(folder) / "report.html", Verdict("with care", "This model can be trusted, with the reservations below.")


@pytest.fixture(autouse=True)
def _no_report(monkeypatch):
    """The report has tests of its own, and takes seconds."""
    monkeypatch.setattr("fluvial.kinds.report.write_report", unwritten)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table and a run fitted to it."""
    folder, before = tmp_path_factory.mktemp("place"), Path.cwd()
    rng = np.random.default_rng(0)
    table = {"size": rng.gamma(2.0, size=80), "kind": rng.choice(["a", "b"], 80), "n": rng.poisson(3, 80)}
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fluvial.kinds.report.write_report", unwritten)
        os.chdir(folder)
        assert main(["fit", "table.csv", "--context", "kind", "--out", "run", *TINY]) == 0
        os.chdir(before)
    return folder


def test_help_does_not_need_torch():
    code = (
        "import sys\nfrom fluvial.interfaces.cli import main\nmain(['--help'])\nmain(['fit', '--help'])\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--budget" in done.stdout
    assert "score" in done.stdout


def test_fit_prints_scores_and_folder_and_talks_on_stderr(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["fit", "table.csv", "--context", "kind", *TINY]) == 0
    out, err = capsys.readouterr()
    assert "run: runs/table-maf" in out
    assert "Gaussian" in out
    assert "report: runs/table-maf/report.html" in out
    assert "epoch 1" in err
    assert load("runs/table-maf").record["command"].startswith("fluvial ")
    assert main(["fit", "table.csv", "--context", "kind", *TINY]) == 0
    assert "run: runs/table-maf-2" in capsys.readouterr().out
    assert main(["fit", "table.csv", "--context", "kind", "--force", *TINY]) == 0
    assert "run: runs/table-maf-2" in capsys.readouterr().out


def test_without_data_it_fits_the_bundled_table_its_labels_included(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--epochs", "1", "--set", "hidden=16"]) == 0
    model = load("runs/abalone-mixed")
    assert model.schema.names[0] == "Sex"
    assert len(model.schema.columns) == 9
    assert model.schema.columns[1].unit == "200 mm"
    out = capsys.readouterr().out
    assert "labels and missing cells as probabilities" in out
    assert "standardised" not in out
    assert "bits" not in out
    assert "9 columns" in out


def test_set_reaches_model_and_training(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    extra = ["--set", "learning_rate=2e-3", "--set", "ema=none", "--out", "set", "--budget", "1m", "--seed", "3"]
    assert main(["fit", "table.csv", "--context", "kind", *TINY, *extra]) == 0
    record = load("set").record
    assert record["model"]["options"]["hidden"] == [8]
    settings = record["settings"]
    assert (settings["learning_rate"], settings["ema"], settings["budget"], settings["seed"]) == (2e-3, None, 60, 3)


def test_score_writes_csv_to_stdout_and_any_format_to_a_file(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["score", "run", "table.csv"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    expected = load("run").log_prob("table.csv")
    assert [float(r["log_prob"]) for r in rows] == expected.tolist()
    assert "lower bounds" in err
    assert main(["score", "run", "table.csv", "-o", "scores.parquet"]) == 0
    assert capsys.readouterr().out == ""
    assert pd.read_parquet("scores.parquet")["log_prob"].tolist() == expected.tolist()


def test_scores_name_the_rows_that_are_left(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    table = pd.read_csv("table.csv").head(5)
    table.loc[1, "size"] = np.nan
    table.to_csv("gaps.csv", index=False)
    assert main(["score", "run", "gaps.csv", "--drop-missing"]) == 0
    out, err = capsys.readouterr()
    assert [r["row"] for r in csv.DictReader(out.splitlines())] == ["0", "2", "3", "4"]
    assert "left out" in err


def test_sample_in_the_tables_own_shape(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["sample", "run", "-n", "5", "--context", "kind=b", "--seed", "1"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    assert [r["kind"] for r in rows] == ["b"] * 5
    assert list(rows[0]) == ["size", "kind", "n"]
    assert err == ""
    assert main(["sample", "run", "-n", "5", "--context", "kind=b", "--seed", "1", "-o", "new.csv"]) == 0
    assert Path("new.csv").read_text() == out


def test_a_seed_that_was_not_given_is_told(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["sample", "run", "-n", "3"]) == 0
    out, err = capsys.readouterr()
    assert main(["sample", "run", "-n", "3", "--seed", err.split()[-1]]) == 0
    assert capsys.readouterr().out == out


def test_info_and_report(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["info", "run"]) == 0
    out = capsys.readouterr().out
    assert "size: positive, at least 0" in out
    assert "n: integer, at least 0" in out
    assert "kind: categorical, one of a, b" in out
    assert '"hidden": [8]' in out
    assert main(["report", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "run/report.html"


def test_a_report_that_cannot_be_written_does_not_lose_the_fit(place, capsys, monkeypatch):
    monkeypatch.chdir(place)

    def lacking(model, folder, figures=None):
        raise RunError('figures need matplotlib: pip install "fluvial[report]"')

    monkeypatch.setattr("fluvial.kinds.report.write_report", lacking)
    assert main(["fit", "table.csv", "--context", "kind", "--out", "bare", *TINY]) == 0
    assert 'no report: figures need matplotlib: pip install "fluvial[report]"' in capsys.readouterr().err
    load("bare")


def test_a_bar_on_a_terminal(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert main(["fit", "table.csv", "--context", "kind", "--out", "tty", *TINY]) == 0
    err = capsys.readouterr().err
    assert "epoch 1, train" in err
    assert "\x1b[3" not in err  # no colours


def test_output_that_nobody_reads_is_no_error(place):
    argv = "['sample', 'run', '-n', '20000', '--seed', '0']"
    code = f"import sys; from fluvial.interfaces.cli import main; sys.exit(main({argv}))"
    command = f'{sys.executable} -c "{code}" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True)
    assert done.stdout == "size,kind,n\n"
    assert done.stderr == ""
    assert done.returncode == 0


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(place):
    code = "import sys\nfrom fluvial.interfaces.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "fit", "table.csv", "--context", "kind", "--out", "long"]
    process = subprocess.Popen([*command, "--epochs", "100000"], cwd=place, stderr=subprocess.PIPE, text=True)
    while not (place / "long/checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith("--epochs 100000 --resume")
    assert (place / "long/checkpoint.pt").exists()
    assert not (place / "long/.lock").exists()
    assert json.loads((place / "long/metrics.jsonl").read_text().splitlines()[0])["epoch"] == 0


def test_info_without_a_run_tells_what_is_installed(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^fluvial \S+, torch \S+, Python \S+$", out, re.M)
    assert re.search(r"^kernels: (C\+\+, \w+|torch \(.+\))$", out, re.M)


def test_a_verdict_that_is_required_decides_the_exit_code(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    fit = ["fit", "table.csv", "--context", "kind", *TINY]
    assert main([*fit, "--out", "required", "--require", "with-care"]) == 0
    assert "verdict: with care. This model can be trusted" in capsys.readouterr().out
    assert main([*fit, "--out", "better", "--require", "good"]) == 3
    assert "--require good asks for better" in capsys.readouterr().err
    load("better")  # the run is kept


def test_columns_are_left_out_and_said_to_be_of_a_kind_and_a_unit(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    table = pd.read_csv("table.csv").assign(extra=1.5 + np.arange(80) % 7)
    table.rename(columns={"size": "size, dry"}).to_csv("named.csv", index=False)
    table.rename(columns={"size": "size, dry"}).tail(20).to_csv("stop.csv", index=False)
    flags = ["--kind", "size, dry=real", "--kind", "n=bounded:0:99", "--unit", "size, dry=mm", "--drop", "extra,kind"]
    assert (
        main(["fit", "named.csv", *flags, "--validation", "stop.csv", "--holdout", "0.2", "--out", "kinds", *TINY]) == 0
    )
    model = load("kinds")
    size, n = model.schema.columns
    assert (size.name, size.kind, size.unit, n.kind, n.upper) == ("size, dry", "real", "mm", "bounded", 99.0)
    assert (model.record["split"]["train"], model.record["split"]["validation"]) == (64, 20)
    assert model.record["data"]["name"] == "named.csv"
    assert main(["fit", "named.csv", "--drop", "extras", "--out", "x", *TINY]) == 2
    assert "there is no column 'extras'; did you mean 'extra'" in capsys.readouterr().err


def test_a_draw_for_each_row_of_a_table_of_contexts(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    pd.DataFrame({"other": 1.0, "kind": ["b", "a", "b"]}).to_csv("contexts.csv", index=False)
    assert main(["sample", "run", "--contexts", "contexts.csv", "--seed", "0"]) == 0
    assert [r["kind"] for r in csv.DictReader(capsys.readouterr().out.splitlines())] == ["b", "a", "b"]
    assert main(["sample", "run", "--contexts", "contexts.csv", "-n", "2"]) == 2
    assert "one draw for each of its rows" in capsys.readouterr().err


def test_scores_have_a_mean_with_its_error_and_shares_can_be_left_out(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["fit", "table.csv", "--context", "kind", "--model", "gaussian", "--out", "g"]) == 0
    capsys.readouterr()
    assert main(["score", "g", "table.csv", "-o", "all.csv"]) == 0
    scores = pd.read_csv("all.csv")["log_prob"]
    error = scores.std() / len(scores) ** 0.5
    assert f"mean: {scores.mean():.4f} ± {error:.4f} nats a row" in capsys.readouterr().err
    assert "log_prob size" in Path("all.csv").read_text()
    assert main(["score", "g", "table.csv", "--no-shares"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "row,log_prob"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sample", "run", "-n", "2.5"], "a whole number, got '2.5'"),
        (["fit", "table.csv", "--epochs", "1.5"], "a whole number, got '1.5'"),
        (["fit", "table.csv", "--epoch", "2"], "--epochs"),
        (["fit", "--bogus"], "--bogus"),
    ],
)
def test_words_that_are_no_numbers_or_options_get_sentences(place, capsys, monkeypatch, words, told):
    monkeypatch.chdir(place)
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_only_the_first_worker_of_torchrun_is_heard(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "1")
    assert main(["fit", "table.csv", "--context", "kind", "--out", "other", "--require", "good", *TINY]) == 0
    assert capfd.readouterr() == ("", "")
    assert main(["fit", "nowhere.csv"]) == 2
    assert capfd.readouterr().err.startswith("fluvial, worker 1: there is no file nowhere.csv")


def test_what_each_worker_would_do_again_is_refused(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert main(["score", "run", "table.csv"]) == 2
    assert "share a fit, and score run table.csv would be done by each" in capsys.readouterr().err
