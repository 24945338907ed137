"""Verdicts, and what to try after one that is not good."""

import shlex

import numpy as np
import pytest

from fluvial.core.errors import RunError
from fluvial.examine.remedies import _WAYS, remedies  # pyright: ignore[reportPrivateUsage]
from fluvial.examine.two_sample import memorisation
from fluvial.examine.verdict import Check, Verdict, remembered, split_checks
from fluvial.interfaces.cli import app
from fluvial.kinds.parts import judged
from fluvial.models import resolve


def record(model="nsf", command="fluvial fit 'my table.csv' --out runs/a --force", shape=(3,)):
    options = resolve(model, {})
    settings = {"epochs": 3, "budget": None, "learning_rate": 3e-3, "weight_decay": None}
    training = {"epochs": 3, "best_epoch": 3}
    config = {
        "model": model,
        "event_shape": list(shape),
        "options": {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
    }
    return {"model": config, "settings": settings, "training": training, "command": command}


def test_the_gravest_check_decides_and_the_verdict_comes_back_from_json():
    checks = (Check("density", "pass", "a", ""), Check("density", "warn", "b", ""), Check("sampling", "fail", "c", ""))
    verdict = Verdict.of(checks, record())
    assert (verdict.level, verdict.reasons) == ("do not trust", ("c", "b"))
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert Verdict.of(checks[:2], record()).level == "with care"
    assert Verdict.of(checks[:1], record()).level == "good"
    assert [Verdict(v, "").is_at_least("with care") for v in ("good", "with care", "do not trust")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(("model", "level"), [("nsf", "do not trust"), ("gaussian", "good")])
def test_a_fit_of_no_epoch_has_learnt_nothing_unless_its_model_needs_none(model, level):
    told = record(model)
    told["training"]["epochs"] = 0
    assert Verdict.of((), told).level == level


@pytest.mark.parametrize("damaged", [3, [], {}, {"level": 1, "sentence": "", "reasons": 2, "remedies": 3}])
def test_a_damaged_verdict_is_a_sentence(damaged):
    with pytest.raises(RunError, match="verdict in the record is damaged"):
        Verdict.from_json(damaged)


@pytest.mark.parametrize("fault", _WAYS)
@pytest.mark.parametrize("model", ["nsf", "made", "gaussian", "wavenet", "wavenet_made"])
def test_every_remedy_is_a_command_that_the_command_line_understands(fault, model):
    told = record(
        model,
        "fluvial fit t.csv --out=a --model nsf --epochs 3 --set hidden=8,8 --resume",
        [None] if "wave" in model else [3],
    )
    for remedy in remedies([fault], told):
        words = shlex.split(remedy.command)
        assert words[:3] == ["fluvial", "fit", "t.csv"]
        assert not any(w.startswith(("--out", "--resume", "--force")) for w in words)
        _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
        names = [s.partition("=")[0] for s in bound.arguments.get("set", [])]
        assert len(names) == len(set(names))


def test_a_fit_in_python_is_told_in_python():
    (smaller, regular, _) = remedies(["overfitted"], record(command=""))
    assert smaller.command == "fluvial.fit(data, 'nsf', options={'hidden': [64, 64]})"
    compile(regular.command, "", "eval")


def test_a_larger_model_is_no_remedy_where_rows_are_learnt_by_heart():
    sentences = [[r.sentence for r in remedies(faults, record())] for faults in (["misfit"], ["misfit", "overfitted"])]
    assert ["A larger model" in " ".join(s) for s in sentences] == [True, False]


@pytest.mark.parametrize(("test", "passes"), [(10, True), (0, False)])
def test_judges_that_chose_something_are_a_reservation(test, passes):
    checks = split_checks({"split": judged("rows", 80, 10, test)})
    assert (not checks) == passes
    assert all(c.level == "warn" for c in checks)


def test_samples_from_the_middle_of_the_data_are_no_copies():
    rng = np.random.default_rng(0)
    train, held_out = rng.normal(size=(2000, 20)), rng.normal(size=(400, 20))
    samples = {
        "none are memorised": rng.normal(size=(400, 20)),
        "it repeats them": train[:400] + 0.01 * rng.normal(size=(400, 20)),
        "it keeps to their middle and repeats none": 0.01 * rng.normal(size=(400, 20)),
        "it strays from them": 2 * rng.normal(size=(400, 20)),
    }
    for said, drawn in samples.items():
        check = remembered(memorisation(drawn, held_out, train, unit=1.0), "row")
        assert check.sentence.endswith(f"{said}.")
        assert check.fault == ("overfitted" if said == "it repeats them" else "misfit")
