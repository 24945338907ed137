"""Constraints as transforms: round trips, log-dets, and what does not fit."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import constraints

from fluvial.transforms import Constrained

BLOCKS = constraints.cat([constraints.simplex, constraints.positive, constraints.real], -1, [3, 2, 1])


def test_blocks_keep_their_constraints_and_come_back():
    torch.manual_seed(0)
    step = Constrained(BLOCKS, 6)
    assert (step.output_shape((6,)), step.input_shape((5,))) == ((5,), (6,))
    z = torch.randn(7, 5, dtype=torch.float64)
    x, log_det = step.inverse(z)
    assert bool((x[:, :5] > 0).all())
    torch.testing.assert_close(x[:, :3].sum(1), torch.ones(7, dtype=torch.float64))
    back, back_log_det = step(x)
    torch.testing.assert_close(back, z)
    torch.testing.assert_close(back_log_det, -log_det)


def test_the_log_det_of_a_simplex_is_that_of_all_shares_but_the_last():
    torch.manual_seed(0)
    step = Constrained(constraints.simplex, 4)
    z = torch.randn(1, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: step.inverse(z[None])[0][0, :3], z[0])
    torch.testing.assert_close(step.inverse(z)[1][0], torch.linalg.slogdet(jacobian)[1])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ([constraints.positive] * 2, "expected those of 3 numbers, got those of 2"),
        (["positive"] * 3, "expected ones of torch.distributions.constraints, got 'positive'"),
        (constraints.integer_interval(0, 3), "knows no bijection"),
        (constraints.corr_cholesky, "is of matrices"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(spec: object, says: str):
    with pytest.raises(ValueError, match=says):
        Constrained(spec, 3)  # pyright: ignore
    with pytest.raises(ValueError, match="constraints of 3 numbers do not fit an event of shape"):
        Constrained(None, 3)(torch.zeros(2, 4))
