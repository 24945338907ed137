"""What importance weights tell."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from fluvial.core import UsageError
from fluvial.examine.importance import weighed

pytest.importorskip("arviz_stats")


@pytest.mark.parametrize("shape", [0.2, 0.9])
def test_pareto_k_is_the_shape_of_the_tail(shape: float):
    torch.manual_seed(0)
    u = torch.rand(20_000, dtype=torch.float64)
    found = weighed(-shape * u.log())  # weights u^-k have a Pareto tail of shape k
    assert found.pareto_k == pytest.approx(shape, abs=0.12)


def test_evidence_and_its_error_are_those_of_the_mean_of_the_weights():
    """log N(x; 0, 1) + 3 over N(0, 1.5^2): Z is e^3; the variance of the weights is known."""
    torch.manual_seed(0)
    errors = []
    for _ in range(50):
        x = 1.5 * torch.randn(2000, dtype=torch.float64)
        found = weighed(3.0 - 0.5 * x.square() + 0.5 * (x / 1.5).square() + math.log(1.5))
        errors.append((found.log_evidence - 3.0) / found.log_evidence_error)
    spread = torch.tensor(errors).square().mean().sqrt()
    assert 0.75 < float(spread) < 1.3
    second = 1.5**2 / math.sqrt(2 * 1.5**2 - 1)  # E[w^2] / E[w]^2
    assert found.ess / 2000 == pytest.approx(1 / second, abs=0.03)
    assert float(found.shares.sum()) == pytest.approx(1.0)


def test_draws_where_the_target_is_zero_have_no_share_and_a_perfect_fit_no_tail():
    found = weighed(torch.cat((torch.full((900,), -math.inf), torch.randn(1000))))
    assert float(found.shares[:900].sum()) == 0
    perfect = weighed(torch.full((500,), 2.0))
    assert (perfect.ess, perfect.pareto_k, perfect.log_evidence) == (pytest.approx(500), -math.inf, pytest.approx(2.0))
    with pytest.raises(UsageError, match="at every draw"):
        weighed(torch.full((9,), -math.inf))


def test_without_arviz_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base.array", None)
    with pytest.raises(UsageError, match=r'pip install "fluvial\[infer\]"'):
        weighed(torch.zeros(9))
