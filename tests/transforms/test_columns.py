"""Columns: units in, standardised numbers out, nothing lost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial.core import DataError, Flow, Normal
from fluvial.transforms import ColumnMap, Columns


@given(
    step=st.sampled_from([None, 1.0, 0.005, 0.25, 2.0]),
    low=st.sampled_from([None, 0.0, -50.0]),
    high=st.sampled_from([None, 200.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_fitted_maps_standardise_and_return(step: float | None, low: float | None, high: float | None, seed: int):
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 190, 3000)
    if step:  # some hundreds of cells
        x = np.round(np.round(rng.uniform(1, min(190, 400 * step + 1), 3000) / step) * step, 3)
    columns = Columns([ColumnMap.fit(x, step, low, high)]).double()  # float32 moves one noise in millions over an edge
    raw = torch.from_numpy(x)[:, None]
    z, log_det = columns(raw)
    assert abs(z.mean()) < 0.05
    assert abs(z.std() - 1) < 0.05
    assert torch.isfinite(log_det).all()
    back = columns.inverse(z)[0]
    if step:
        assert torch.equal(back, raw)  # bit for bit: 0.005 times 29 is the float that was read
    else:
        torch.testing.assert_close(back, raw, rtol=1e-5, atol=1e-4)
    far = columns.inverse(torch.linspace(-40, 40, 81)[:, None])[0]
    assert torch.isfinite(far).all()
    assert (far >= (-math.inf if low is None else low)).all()
    assert (far <= (math.inf if high is None else high)).all()


def test_densities_of_bounded_columns_integrate_to_one_inside_their_bounds():
    for m in (ColumnMap(lower=2.0, curve=3.0), ColumnMap(upper=2.0), ColumnMap(lower=-1.0, upper=3.0, scale=2.0)):
        flow = Flow(Columns([m]), Normal((1,)), (1,)).double()
        x = torch.linspace(-60, 60, 2_400_001, dtype=torch.float64)[:, None]
        p = flow.log_prob(x).exp()
        outside = (x[:, 0] < (m.lower or -math.inf)) | (x[:, 0] > (m.upper or math.inf))
        assert (p[outside] == 0).all()
        assert abs(torch.trapezoid(p, x[:, 0]) - 1) < 1e-4


def test_rows_outside_their_bounds_have_density_zero_not_nan():
    columns = Columns([ColumnMap(lower=0.0), ColumnMap(lower=0.0, upper=1.0)])
    x = torch.tensor([[-1.0, 0.5], [1.0, 1.5], [1.0, 0.5], [0.0, 1.0]])
    z, log_det = columns(x)
    assert torch.isfinite(z).all()
    assert torch.isinf(log_det).tolist() == [True, True, False, False]
    assert not log_det.isnan().any()


def test_filled_cells_are_exact_and_average_to_the_bound():
    maps = [ColumnMap(step=1.0, lower=0.0, curve=2.0), ColumnMap(step=0.5, scale=2.0)]
    drawn, filled = Columns(maps), Columns(maps).filled()
    assert filled.exact
    assert not drawn.exact
    x = torch.tensor([[3.0, -1.5]], dtype=torch.float64).expand(4000, -1)
    share = torch.rand(4000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    cells = filled.fill(x, share)
    torch.testing.assert_close(filled.inverse(filled(cells)[0])[0], cells, rtol=1e-5, atol=1e-5)
    assert torch.equal(drawn.inverse(drawn(x)[0])[0], x)
    assert abs(filled(cells)[1].mean() - drawn(x)[1].mean()) < 0.01


def test_large_offsets_survive():
    """Seconds since 1970 differ in the seventh decimal of float32; the head works in float64."""
    x = 1.7e9 + np.arange(1000.0)
    z, _ = Columns([ColumnMap.fit(x)])(torch.from_numpy(x)[:, None])
    assert z.unique().numel() == 1000


def test_standardised_units_differ_by_the_scales():
    x = np.random.default_rng(0).normal(5, 3, (500, 2))
    columns = Columns([ColumnMap.fit(x[:, 0]), ColumnMap.fit(x[:, 1])])
    flow = Flow(columns, Normal((2,)), (2,))
    raw = torch.from_numpy(x)
    standardised = flow.base.log_prob(columns(raw)[0])
    torch.testing.assert_close(flow.log_prob(raw) + columns.scale_log_det, standardised, rtol=1e-5, atol=1e-5)


def test_what_cannot_be_standardised_gets_a_sentence():
    with pytest.raises(DataError, match="all 5 values equal 3"):
        ColumnMap.fit(np.full(5, 3.0))
    with pytest.raises(DataError, match=r"1 values, the first -1.0, lie outside \[0.0, None\]"):
        ColumnMap.fit(np.array([1.0, -1.0, 2.0]), lower=0.0)
    with pytest.raises(ValueError, match=r"2 column maps do not fit an event of shape \(3,\)"):
        Columns([ColumnMap(), ColumnMap()]).output_shape((3,))
