"""The yardsticks, against their formulas."""

import numpy as np
import pytest
import torch

from fluvial.core import Flow, Uniform
from fluvial.data.tables import Table
from fluvial.kinds.tables.baseline import baseline
from fluvial.kinds.tables.prepare import prepare
from fluvial.models import build
from fluvial.training import Data, score
from fluvial.transforms import CodeMap, Codes, Elementwise
from fluvial.univariate import Categorical


def test_the_gaussian_is_that_of_the_closed_form():
    x = np.random.default_rng(0).multivariate_normal([5.0, -3.0], [[4.0, 1.5], [1.5, 1.0]], size=500)
    ready = prepare(Table({"a": x[:, 0], "b": x[:, 1]}), "maf", {})
    train, held = ready.train.x.numpy(), ready.held_out.x.numpy()
    residual = held - train.mean(0)
    cov = np.cov(train.T, bias=True)
    quadratic = np.einsum("ni,ij,nj->n", residual, np.linalg.inv(cov), residual)
    expected = -0.5 * (quadratic + np.log(np.linalg.det(2 * np.pi * cov)))
    simple = baseline(build(ready.config), ready.train)
    assert simple.name == "a Gaussian of the columns as they are"
    assert score(simple.density, ready.held_out.x).mean() == pytest.approx(expected.mean(), abs=1e-4)


def test_discrete_rows_stand_beside_their_columns_frequencies():
    inner = Flow(Elementwise(Categorical(3), (2,)), Uniform((2,)), (2,))
    density = Flow(Codes([CodeMap(), CodeMap(lower=5, classes=3)]), inner, (2,))
    train = torch.tensor([[0.0, 5.0], [0.0, 5.0], [1.0, 7.0]], dtype=torch.float64)
    simple = baseline(density, Data(train))
    assert simple.name == "independent columns"
    rows = torch.tensor([[a, b] for a in (0.0, 1.0) for b in (5.0, 6.0, 7.0)], dtype=torch.float64)
    p = score(simple.density, rows).exp()
    # every class counted once more than it occurred
    assert p.tolist() == pytest.approx([a * b for a in (3 / 5, 2 / 5) for b in (3 / 6, 1 / 6, 2 / 6)])
    outside = torch.tensor([[2.0, 5.0], [0.0, 4.0], [0.0, 8.0]], dtype=torch.float64)
    assert score(simple.density, outside).tolist() == [-np.inf] * 3
