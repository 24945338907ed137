"""Cells given the rest of their row, against sums over every row there can be."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from tiny import LAWS, density

from fluvial.data.checks import FOREIGN
from fluvial.kinds.tables.cells import cells, noise, tail
from fluvial.transforms.law import Law
from fluvial.transforms.laws import Laws

DENSITY = density(LAWS)
VALUES = ((0.0, 1.0, 2.0, np.nan), tuple(map(float, range(5))), (0.0, 1.0))
ROW = np.array([1.0, 3.0, 0.0])


def probabilities(i: int) -> np.ndarray:
    rows = np.repeat(ROW[None], len(VALUES[i]), axis=0)
    rows[:, i] = VALUES[i]
    known = torch.arange(3) != i
    return DENSITY.log_prob_given(torch.from_numpy(rows), known).exp().detach().numpy()


@pytest.mark.parametrize("i", [0, 1, 2])
def test_each_cell_has_its_probability_and_its_tail(i):
    p = probabilities(i)
    assert p.sum() == pytest.approx(1)
    for k, value in enumerate(VALUES[i]):
        row = ROW.copy()
        row[i] = value
        found = cells(DENSITY, row[None])
        assert found.log_prob[0, i] == pytest.approx(np.log(p[k]))
        tail = p[p <= p[k] * (1 + 1e-9)].sum() if i != 1 else min(1, 2 * min(p[: k + 1].sum(), p[k:].sum()))
        assert found.tail[0, i] == pytest.approx(tail)


def test_a_label_never_seen_is_as_rare_as_what_is_set_aside_for_it():
    found = cells(density((Law((0.0, 1.0), labels=True, other=0.1), LAWS[2])), np.array([[FOREIGN, 0.0]]))
    assert found.log_prob[0, 0] == pytest.approx(np.log(0.1))
    assert found.tail[0, 0] == pytest.approx(0.1)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_noise_is_the_normal_quantile_of_the_tail_with_half_of_the_cell_itself(i):
    p = probabilities(i)
    order = torch.tensor([*(j for j in range(3) if j != i), i])
    for k, value in enumerate(VALUES[i]):
        rows = torch.from_numpy(ROW.copy())[None]
        rows[0, i] = value
        found = noise(DENSITY.laws, DENSITY.thetas(rows, order), rows)[0, i].item()
        if i == 1:
            tail = 2 * (min(p[:k].sum(), p[k + 1 :].sum()) + p[k] / 2)
        else:
            tail = p[p <= p[k] * (1 + 1e-9)].sum() - p[k] / 2
        assert found == pytest.approx(norm.ppf(tail / 2), abs=1e-6)


def test_no_label_is_rarer_than_the_likeliest_one_for_rounding():
    law = Laws((Law((0.0, 1.0, 2.0), labels=True),), 1)
    theta = torch.randn(2000, sum(law.sizes), generator=torch.Generator().manual_seed(0))
    likeliest = law.shares(theta)[:, :, :3].argmax(2).double()
    assert (tail(law, theta, likeliest) > 1 - 1e-6).all()
