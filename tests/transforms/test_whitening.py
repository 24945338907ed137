"""Linear maps at the head of a density: float64 from rows to factor to solve, whatever the model around them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from fluvial.core import Chain, Flow, Normal
from fluvial.examine.scores import fit_closed_form
from fluvial.models import build
from fluvial.training import Data
from fluvial.transforms import ColumnMap, Columns, Standardize, Whiten


def near(eps: float, n: int = 500, columns: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Columns of which the last is nearly the sum of the others, and the same rows with that sum taken out."""
    z = np.random.default_rng(0).normal(size=(n, columns))
    apart = z.copy()
    x = z.copy()
    x[:, -1] = z[:, :-1].sum(1) + eps * z[:, -1]
    return x, apart


def truth(eps: float, x: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """log p under the maximum-likelihood Gaussian of x, found in coordinates where nothing nearly cancels."""
    fitted = stats.multivariate_normal(apart.mean(0), np.cov(apart.T, bias=True))
    return fitted.logpdf(apart) - np.log(eps)


def gaussian(x: np.ndarray) -> Flow:
    config = {"model": "gaussian", "event_shape": [x.shape[1]]}
    config["columns"] = [{"location": float(c.mean()), "scale": float(c.std())} for c in x.T]
    density = build(config)
    fit_closed_form(density, Data(torch.from_numpy(x)))
    assert isinstance(density, Flow)
    return density


@pytest.mark.parametrize("eps", [1e-2, 1e-5, 1e-7])
@pytest.mark.parametrize("columns", [2, 5])
def test_the_gaussian_is_exact_where_columns_nearly_depend(eps: float, columns: int):
    x, apart = near(eps, columns=columns)
    density = gaussian(x)
    found = density.log_prob(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, truth(eps, x, apart), rtol=0, atol=1e-6)
    with torch.no_grad():
        drawn = density.sample(4000).numpy()
    left = (drawn[:, -1] - drawn[:, :-1].sum(1)).std() / eps
    assert abs(left / apart[:, -1].std() - 1) < 0.06  # five standard errors


def test_the_gaussian_equals_scikit_learns():
    from sklearn.covariance import EmpiricalCovariance

    x = np.random.default_rng(1).normal(size=(300, 4)) @ np.random.default_rng(2).normal(size=(4, 4)) * 1e3 + 1e6
    fitted = EmpiricalCovariance().fit(x)
    expected = stats.multivariate_normal(fitted.location_, fitted.covariance_).logpdf(x)
    np.testing.assert_allclose(gaussian(x).log_prob(torch.from_numpy(x)).detach().numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("change", [torch.nn.Module.float, torch.nn.Module.half, lambda m: m.to(torch.float32)])
def test_float64_stays(change):
    whiten = Whiten(3, 2)
    whiten.initialize(torch.randn(50, 3), torch.randn(50, 2))
    numbers = torch.tensor([1e9 + 0.1], dtype=torch.float64)
    chain = Chain(whiten, Standardize(numbers, numbers))
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    change(chain)
    for name, value in chain.state_dict().items():
        assert value.dtype == torch.float64
        assert torch.equal(value, before[name])


def test_float32_numbers_follow_the_model():
    assert Standardize(torch.zeros(2), torch.ones(2)).double().scale.dtype == torch.float64
    assert Standardize(torch.zeros(2), torch.ones(2)).half().scale.dtype == torch.float16


def columns(x: np.ndarray) -> Columns:
    found = Columns([ColumnMap.fit(c) for c in x.T], whiten=True)
    found.initialize(torch.from_numpy(x))
    return found


@pytest.mark.parametrize("eps", [1e-9, 1e-6, 1e-3])
def test_columns_that_nearly_depend_come_apart(eps: float):
    """A flow sees what is left of them at the size of everything else, and its likelihood is the right one."""
    x, apart = near(eps, columns=3)
    head = columns(x)
    z, log_det = head(torch.from_numpy(x))
    assert z.dtype == torch.float32
    np.testing.assert_allclose(np.abs(np.corrcoef(z[:, 2].numpy(), apart[:, 2])[0, 1]), 1, atol=1e-3)
    assert torch.equal(z[:, :2], Columns(head.maps)(torch.from_numpy(x))[0][:, :2])
    back = head.inverse(z)[0]
    np.testing.assert_allclose(back[:, 2] - back[:, :2].sum(1), eps * apart[:, 2], rtol=1e-3, atol=1e-5 * eps)
    ours = Normal((3,)).log_prob(z) + log_det
    assert abs(float(ours.mean()) - truth(eps, x, apart).mean()) < 0.02


def test_columns_that_are_far_enough_apart_are_left_alone():
    x, _ = near(0.2, columns=3)
    plain = Columns(columns(x).maps)
    for one, other in zip(columns(x)(torch.from_numpy(x)), plain(torch.from_numpy(x))):
        assert torch.equal(one, other)


def test_too_few_rows_tell_no_dependence():
    x = np.random.default_rng(0).normal(size=(12, 30))
    assert torch.equal(columns(x)(torch.from_numpy(x))[0], Columns(columns(x).maps)(torch.from_numpy(x))[0])


def test_whitened_columns_keep_the_order_of_dependence():
    x, _ = near(1e-4, columns=4)
    head, row = columns(x), torch.from_numpy(x[:1])
    jacobian = torch.autograd.functional.jacobian(lambda v: head(v)[0].double(), row)[0, :, 0]
    assert not bool(jacobian.triu(1).any())
    np.testing.assert_allclose(float(head(row)[1]), float(torch.linalg.slogdet(jacobian)[1]), rtol=1e-4)
    parts = head.parts(row)
    assert parts is not None
    torch.testing.assert_close(parts[1].sum(1), head(row)[1])


def test_scales_whose_squares_underflow():
    x = np.random.default_rng(0).normal(size=200) * 1e-300
    found = ColumnMap.fit(x)
    assert found.scale == pytest.approx((x * 1e300).std() * 1e-300)
    huge = ColumnMap.fit(x * 1e300 * 1e300)
    assert huge.scale == pytest.approx((x * 1e300).std() * 1e300)
