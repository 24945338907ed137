import math

import numpy as np
import pytest
import torch

from fluvial.core import Normal
from fluvial.data.tables import Table
from fluvial.tasks.prepare import prepare
from fluvial.tasks.scores import gaussian_scores, scores
from fluvial.training import Data


def test_units_of_a_known_density():
    result = scores(Normal((2,)), Data(torch.zeros(50, 2)), np.array([2.0, 4.0]))
    mean = -math.log(2 * math.pi)
    assert result["log_likelihood"] == pytest.approx(mean)
    assert result["standard_error"] == 0
    assert result["standardised"] == pytest.approx(mean + math.log(8))
    assert result["bits_per_dimension"] == pytest.approx(-mean / (2 * math.log(2)))


def test_the_gaussian_is_that_of_the_closed_form():
    x = np.random.default_rng(0).multivariate_normal([5.0, -3.0], [[4.0, 1.5], [1.5, 1.0]], size=500)
    ready = prepare(Table({"a": x[:, 0], "b": x[:, 1]}), "maf", {})
    train, held = ready.train.x.numpy(), ready.held_out.x.numpy()
    residual = held - train.mean(0)
    cov = np.cov(train.T, bias=True)
    quadratic = np.einsum("ni,ij,nj->n", residual, np.linalg.inv(cov), residual)
    expected = -0.5 * (quadratic + np.log(np.linalg.det(2 * np.pi * cov)))
    assert gaussian_scores(ready, ready.held_out)["log_likelihood"] == pytest.approx(expected.mean(), abs=1e-4)
