"""The report page: self-contained, escaped, complete, for any model and any names."""

import html
import json
import re
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fluvial.core import RunError, UsageError
from fluvial.kinds.origin import Origin
from fluvial.kinds.report import write_report
from fluvial.kinds.tables.model import Model
from fluvial.tasks.fit import fit

HOSTILE = ("<script>alert(1)</script>", "$\\frac{", "a & b 'quoted' \"name\" ${7*7}{{7*7}}")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    a = rng.normal(size=400)
    kind = np.where(a + rng.normal(size=400) > 0, "<b>x</b>", "y")
    return {HOSTILE[0]: a, HOSTILE[1]: a + rng.normal(size=400), HOSTILE[2]: rng.poisson(5, 400), "kind": kind}


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model = fit(
        _frame(table),
        "maf",
        context=["kind"],
        epochs=3,
        progress=False,
        options={"transforms": 1, "hidden": (16,)},
        origin=Origin("fluvial fit '<i>data</i>.csv'"),
    )
    assert write_report(model, folder, "pdf")[0] == folder / "report.html"
    return folder


def _frame(table):
    return pytest.importorskip("pandas").DataFrame(table)


def test_the_page_has_every_section_in_order_with_the_verdict_first(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Data",
        "Fit",
        "Samples against data",
        "Calibration",
        "Can a classifier tell?",
        "Round trip",
        "Memorisation",
        "Reproduce",
    ]
    assert page.index('class="verdict') < page.index("<h2>")
    assert "lower bound" in page  # the counts are dequantised
    assert html.escape("fluvial fit '<i>data</i>.csv'").replace("&#x27;", "&#39;") in page


def test_the_page_needs_no_network_and_is_small(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=\"(?!data:image/png;base64,)[^\"]*", page) == []
    assert "http" not in re.sub(r"base64,[^\"]*", "", page).replace('http-equiv="', "")
    assert len(page) < 2_000_000


def test_hostile_names_are_text_and_never_markup_or_mathematics(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>x</b>" not in page
    assert "<i>data" not in page
    assert html.escape(HOSTILE[0]) in page
    assert "{{7*7}}" in page  # not rendered a second time


def test_figures_and_numbers_lie_beside_the_page(run):
    names = {file.stem for file in (run / "figures").iterdir()}
    assert names == {"training", "pairs", "marginals", "calibration", "noise", "round_trip", "memorisation"}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(names)
    for suffix, beginning in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        files = list((run / "figures").glob(f"*{suffix}"))
        assert {file.stem for file in files} == names
        assert all(file.read_bytes().startswith(beginning) for file in files)
    content = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert set(content["verdict"]) == {"density", "sampling", "numerics"}
    assert content["columns"] == list(HOSTILE)
    assert content["diagnosis"]["likelihood"]["rows"] == 40
    assert all(c["sentence"] and c["rule"] for c in content["checks"])


def test_one_column_and_no_context(tmp_path):
    model = fit(np.random.default_rng(0).normal(size=(200, 1)), "gaussian", progress=False)
    page = write_report(model, tmp_path)[0].read_text(encoding="utf-8")
    assert "exact log-density" in page
    assert not (tmp_path / "figures" / "pairs.png").exists()
    assert not (tmp_path / "figures" / "training.png").exists()


def test_without_held_out_rows_the_page_says_that_it_is_no_test(tmp_path):
    model = fit(np.random.default_rng(0).normal(size=(200, 2)), "gaussian", holdout=0.0, progress=False)
    page = write_report(model, tmp_path)[0].read_text(encoding="utf-8")
    assert "No rows were held out" in page
    assert json.loads((tmp_path / "report.json").read_text())["verdict"]["density"] != "pass"


def test_a_model_without_rows_is_a_sentence(tmp_path):
    fitted = fit(np.random.default_rng(0).normal(size=(50, 2)), "gaussian", progress=False)
    with pytest.raises(RunError, match="kept no rows"):
        write_report(Model(fitted.density, fitted.schema, fitted.record), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2", "sklearn"])
def test_a_missing_extra_is_a_sentence_with_the_command(monkeypatch, tmp_path, missing):
    fitted = fit(np.random.default_rng(0).normal(size=(50, 2)), "gaussian", progress=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=rf'{missing}.*pip install "fluvial\[report\]"'):
        write_report(fitted, tmp_path)
