"""FlowDensity keeps scikit-learn's contract, and what it promises beyond it."""

import subprocess
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fluvial.interfaces.estimators import FlowDensity

SMALL = {"transforms": 1, "hidden": (16,)}


@parametrize_with_checks(
    [
        FlowDensity(options=SMALL, epochs=1),
        FlowDensity(model="gaussian"),
        FlowDensity(
            model="mixed", epochs=1, holdout=0.0, options={"hidden": [8], "blocks": 1, "components": 2, "classes": 0}
        ),
    ]
)
def test_it_passes_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def moons():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    return np.column_stack([100 + 10 * x[:, 0], 0.01 * (x[:, 0] ** 2 + 0.3 * x[:, 1])])


def test_a_flow_beats_the_gaussian_on_a_bent_cloud(moons):
    flow = FlowDensity(options=SMALL, epochs=20, learning_rate=2e-2, random_state=0).fit(moons[:400])
    gaussian = FlowDensity(model="gaussian").fit(moons[:400])
    assert flow.score(moons[400:]) > gaussian.score(moons[400:]) + 0.3
    assert len(flow.history_) == 21


def test_the_gaussian_is_scikit_learns(moons):
    ours, theirs = FlowDensity(model="gaussian").fit(moons), GaussianMixture(1, reg_covar=0).fit(moons)
    assert ours.score(moons) == pytest.approx(theirs.score(moons), abs=1e-3)
    assert ours.score_samples(moons).shape == (600,)


def test_samples_repeat_by_seed_and_nothing_global_moves(moons):
    before = torch.get_rng_state()
    flow = FlowDensity(options=SMALL, epochs=1, random_state=3).fit(moons)
    a, b, c = flow.sample(20, random_state=1), flow.sample(20, random_state=1), flow.sample(20, random_state=2)
    assert a.shape == (20, 2)
    assert (a == b).all()
    assert (a != c).any()
    assert (torch.get_rng_state() == before).all()


def test_a_constant_column_does_not_become_nan():
    x = np.column_stack([np.random.default_rng(0).normal(size=100), np.full(100, 3.7)])
    flow = FlowDensity(options=SMALL, epochs=2, random_state=0).fit(x)
    assert np.isfinite(flow.score_samples(x)).all()
    assert np.isfinite(flow.sample(10, random_state=0)).all()


def test_it_works_in_pipelines_and_searches(moons):
    pipeline = make_pipeline(StandardScaler(), FlowDensity(model="maf", epochs=1, random_state=0))
    search = GridSearchCV(pipeline, {"flowdensity__options": [SMALL, {"transforms": 2, "hidden": 8}]}, cv=2).fit(moons)
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"model": "nfs"}, "did you mean 'nsf'"),
        ({"epochs": 0}, "epochs: expected a whole number of at least 1, got 0"),
        ({"options": {"depth": 3}}, "nsf has no option named 'depth'"),
        ({"holdout": 2.0}, "holdout: expected a share"),
    ],
)
def test_a_wrong_parameter_is_a_sentence_that_names_it(moons, parameters, said):
    with pytest.raises(ValueError, match=said):
        FlowDensity(**parameters).fit(moons)


def test_sampling_no_rows_is_refused(moons):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        FlowDensity(model="gaussian").fit(moons).sample(0)


def test_without_scikit_learn_the_import_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import fluvial.interfaces.estimators"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "fluvial[sklearn]"' in done.stderr.splitlines()[-1]


def test_numbers_of_numpy_are_numbers(moons):
    search = GridSearchCV(FlowDensity(model="gaussian"), {"epochs": np.arange(1, 3)}, cv=2, error_score="raise").fit(
        moons
    )
    assert search.best_params_["epochs"] in (1, 2)
