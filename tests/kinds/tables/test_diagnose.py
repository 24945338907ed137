"""The diagnosis of densities whose quality is known: the truth passes, each fault is found by its own check."""

import json
import math

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from scipy import stats

from fluvial.core import DataError, Density, Flow, Normal
from fluvial.examine import calibration, two_sample
from fluvial.examine.page import numbers
from fluvial.examine.verdict import worst
from fluvial.kinds.tables.diagnose import diagnose, likelihood, round_trip
from fluvial.kinds.tables.verdict import judge
from fluvial.models import maf, nsf
from fluvial.training import Data
from fluvial.transforms import ColumnMap, Columns, Standardize

NAMES = ("a", "b", "c")
SCALE = (1.0, 10.0, 0.1)


def normal_flow(location=(0.0, 0.0, 0.0), scale=SCALE):
    """The truth by default: independent normals of these scales."""
    return Flow(Columns([ColumnMap(location=m, scale=s) for m, s in zip(location, scale)]), Normal((3,)), (3,))


def truth(n, seed, scale=SCALE):
    return Data(torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 3)) * scale))


def examine(density, n=1500, names=NAMES):
    return diagnose(density, truth(n, 1), truth(n, 2), names)


def levels(diagnosis, names=NAMES):
    return {check.sentence: check.level for check in judge(diagnosis, names)}


def test_the_true_density_passes_every_check():
    d = examine(normal_flow())
    assert set(levels(d).values()) == {"pass"}
    assert d.gain[0] == pytest.approx(0, abs=0.02)
    assert d.likelihood.standardised == pytest.approx(-3 * 0.5 * math.log(2 * math.pi * math.e), abs=0.1)
    assert d.calibration is not None
    assert d.calibration.conditional
    assert d.calibration.labels == ("a", "b | a", "c | 2 before")


@pytest.mark.parametrize(
    ("density", "topics"),
    [
        (normal_flow(location=(0.5, 0.0, 0.0)), {"density", "sampling"}),
        (normal_flow(scale=(1.0, 10.0, 0.2)), {"density", "sampling"}),
        (normal_flow(scale=(0.5, 10.0, 0.1)), {"density", "sampling"}),
    ],
    ids=["shifted", "too wide", "too narrow"],
)
def test_a_wrong_density_is_told(density, topics):
    checks = judge(examine(density), NAMES)
    assert {c.topic for c in checks if c.level == "fail"} == topics
    assert worst(checks) == "fail"


def test_dependence_that_the_model_misses_is_seen_in_the_noise():
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0, 0, 1]])
    rows = [Data(torch.from_numpy(rng.normal(size=(1500, 3)) @ mix.T)) for _ in range(2)]
    d = diagnose(normal_flow(scale=(1.0, 1.0, 1.0)), *rows, NAMES)
    assert d.latent is not None
    assert d.latent.correlation == pytest.approx(0.8, abs=0.05)
    assert d.latent.pair in [(0, 1), (1, 0)]
    assert d.classifiers[0].auc > 0.6
    assert max(d.marginals.statistic) < 0.06
    assert worst(judge(d, NAMES), "density") == worst(judge(d, NAMES), "sampling") == "fail"


class Repeater(Density):
    """Repeats its training rows."""

    def __init__(self, x):
        super().__init__()
        self.x, self.event_shape = x, tuple(x.shape[1:])

    def log_prob(self, x, context=None):
        return normal_flow().log_prob(x)

    def sample(self, n, context=None):
        return self.x[torch.randint(len(self.x), (n,))]


def test_a_model_that_repeats_its_training_rows_is_caught():
    train = truth(800, 1)
    d = diagnose(Repeater(train.x), train, truth(800, 2), NAMES)
    assert d.memorisation.closer == 1.0
    assert d.memorisation.copies == 800
    assert d.memorisation.held_out_copies == 0
    assert d.round_trip is None
    assert d.calibration is None
    assert worst(judge(d, NAMES), "sampling") == "fail"


def test_samples_that_are_not_finite_are_counted_and_left_out():
    class Broken(Repeater):
        def sample(self, n, context=None):
            x = super().sample(n)
            x[:7, 1] = torch.nan
            return x

    d = diagnose(Broken(truth(500, 5).x), truth(500, 1), truth(500, 2), NAMES)
    assert d.bad_samples == 7
    assert len(d.samples) == len(d.x) == 493
    assert np.isfinite(d.samples).all()


def test_impossible_rows_fail_the_density_and_leave_no_nan():
    maps = [ColumnMap(lower=0.0, upper=None), ColumnMap(scale=10.0), ColumnMap(scale=0.1)]
    density = Flow(Columns(maps), Normal((3,)), (3,))
    d = examine(density, n=200)
    assert 50 < d.likelihood.impossible < 150
    assert d.likelihood.mean == -math.inf
    checks = judge(d, NAMES)
    assert any("impossible under the model" in c.sentence and c.level == "fail" for c in checks)
    assert json.loads(json.dumps(numbers(d), allow_nan=False))["likelihood"]["mean"] is None


def test_gridded_rows_come_back_exactly_and_calibration_is_randomised():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.poisson(8, 2000), np.round(rng.normal(size=2000), 1)]).astype(float)
    maps = [ColumnMap.fit(x[:, 0], 1.0, 0.0), ColumnMap.fit(x[:, 1], 0.1)]
    density = Flow(Columns(maps), maf((2,), transforms=1, hidden=(8,)), (2,))
    data = [Data(torch.from_numpy(part)) for part in (x[:1000], x[1000:])]
    d = diagnose(density, *data, ("count", "decimal"))
    assert not d.exact
    assert d.calibration is not None
    assert d.calibration.randomised
    assert d.calibration.conditional
    assert d.round_trip is not None
    assert (d.round_trip.changed, d.round_trip.failed) == (0, 0)
    assert d.round_trip.largest < 1e-5


def test_a_round_trip_that_misses_is_counted():
    class Leaky(Standardize):
        def inverse(self, z, context=None):
            x, log_det = super().inverse(z)
            x[:5] = x[:5] + 0.01
            x[5:7] = torch.nan
            return x, log_det

    density = Flow(Leaky(torch.zeros(3), torch.ones(3)), Normal((3,)), (3,))
    trip = round_trip(density, Data(truth(100, 0).x.float()), np.ones(3))
    assert trip is not None
    assert trip.failed == 7
    assert trip.largest == pytest.approx(0.01, rel=1e-3)


def test_contexts_are_matched_so_that_a_conditional_truth_cannot_be_told():
    rng = np.random.default_rng(0)

    class Follows(Density):
        event_shape, context_shape = (1,), (1,)

        def log_prob(self, x, context=None):
            return Normal((1,)).log_prob(x - context)

        def sample(self, n, context=None):
            return context + torch.randn(n, 1, dtype=context.dtype)

    def rows(n):
        context = 5 * rng.normal(size=(n, 1))
        return Data(torch.from_numpy(context + rng.normal(size=(n, 1))), torch.from_numpy(context))

    d = diagnose(Follows(), rows(800), rows(800), ("a",))
    assert d.context is not None
    assert max(c.auc for c in d.classifiers) < 0.55
    assert d.gain[0] == pytest.approx(0, abs=0.02)  # the Gaussian's mean is linear in the context


def test_the_diagnosis_leaves_the_caller_as_it_was():
    density = maf((3,), transforms=2, hidden=(8,)).double().train()
    before = torch.get_rng_state()
    d, again = examine(density, n=200), examine(density, n=200)
    assert (torch.get_rng_state() == before).all()
    assert density.training
    assert (d.samples == again.samples).all()
    assert d.classifiers == again.classifiers


@pytest.mark.parametrize(
    ("flow", "is_triangular"),
    [
        (maf((3,), transforms=1, hidden=(8,)), True),
        (maf((3,), transforms=2, hidden=(8,)), False),
        (nsf((3,), transforms=1, hidden=(8,), linear=False), True),
    ],
)
def test_a_flow_is_called_triangular_only_where_it_is(flow, is_triangular):
    torch.manual_seed(0)
    for p in flow.parameters():
        torch.nn.init.normal_(p)
    assert calibration.triangular(flow, Data(torch.randn(10, 3))) is is_triangular


def test_likelihood_by_hand():
    log_p = np.arange(200.0)
    summary = likelihood(log_p, np.array([2.0, 0.5]))
    assert summary.mean == summary.median == summary.trimmed_mean == summary.standardised == 99.5
    assert summary.standard_error == pytest.approx(stats.sem(log_p))
    assert summary.bits_per_dimension == pytest.approx(-99.5 / 2 / math.log(2))
    assert (summary.worst, summary.worst_row) == (0.0, 0)


def test_one_terrible_row_moves_the_mean_and_not_the_trimmed_mean():
    log_p = np.zeros(1000)
    log_p[17] = -70_685
    summary = likelihood(log_p, np.ones(1))
    assert (summary.mean, summary.trimmed_mean, summary.worst_row) == (pytest.approx(-70.685), 0.0, 17)


def test_chance_level_of_the_classifier_test_holds():
    rng = np.random.default_rng(0)
    told = [
        test
        for i in range(8)
        for test in two_sample.classifier_tests(rng.normal(size=(200, 3)), rng.normal(size=(200, 3)), seed=i)
    ]
    z = np.array([(t.auc - 0.5) / t.auc_error for t in told])
    assert abs(z.mean()) < 1.5
    assert np.abs(z).max() < 4


def test_pit_of_uniform_noise_is_called_calibrated_and_its_band_holds():
    density = Flow(Columns([ColumnMap()] * 4), Normal((4,)), (4,))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(4000, 4)))
    c = calibration.calibrate(density, Data(x), "abcd")
    assert c is not None
    assert c.p_value.min() > 0.001
    assert 0.85 < ((c.counts >= c.band[0]) & (c.counts <= c.band[1])).mean() <= 1
    assert calibration.latent(c.u).radius_p_value > 0.001


def test_too_few_held_out_rows_is_a_sentence():
    with pytest.raises(DataError, match="at least 10 held-out rows, got 4"):
        diagnose(normal_flow(), truth(100, 0), truth(4, 1), NAMES)
