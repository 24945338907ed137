"""A fitted model in an interpreter and in a notebook."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fluvial import fit, load
from fluvial.core import UsageError
from fluvial.kinds.report import write_report
from fluvial.kinds.tables.model import Model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    table = {"<b>": np.random.default_rng(0).normal(size=120), "n": np.random.default_rng(1).normal(size=120)}
    return fit(table, "gaussian", out=out, progress=False), out


def test_a_model_is_a_few_lines_in_text_and_in_html(model):
    fitted, _ = model
    assert repr(fitted).startswith("<Model> gaussian: 2 columns, 108 rows to train on, 12 held out")
    assert len(repr(fitted).splitlines()) < 20
    assert "&lt;Model&gt;" in fitted._repr_html_()
    assert repr(Model(fitted.density, fitted.schema, {})) == "<Model: untrained>"


def test_a_report_and_its_figures_come_from_the_model_and_the_run_keeps_the_verdict(model):
    fitted, out = model
    assert fitted.plot().get_suptitle().startswith("Pairs of columns")
    with pytest.raises(UsageError, match="there is no figure 'pears'; this model has pairs, marginals"):
        fitted.plot("pears")
    assert load(out).record.get("verdict") is None
    assert fitted.report(out, figures="svg") == out / "report.html"
    assert (out / "figures" / "pairs.svg").exists()
    kept = load(out).record["verdict"]
    assert kept == fitted.record["verdict"]
    assert kept["level"] in repr(load(out))
    assert write_report(load(out), out)[1].to_json() == kept
