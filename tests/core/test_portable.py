"""Forms that ONNX keeps are torch's own functions, also far out in their tails."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from fluvial.core import portable

WIDE = torch.linspace(-200, 200, 40_001)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-8)])
@pytest.mark.parametrize("name", ["log_sigmoid", "log_ndtr", "log1mexp"])
def test_they_are_torchs_own_functions_out_to_their_tails(
    monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype, error: float
):
    u = (torch.logspace(-30, 2, 40_001) if name == "log1mexp" else WIDE).to(dtype)
    function = getattr(portable, name)
    want = function(u)
    monkeypatch.setattr(portable, "to_onnx", lambda: True)
    for lost in ((torch, "expm1"), (F, "logsigmoid"), (torch.special, "log_ndtr")):
        monkeypatch.delattr(*lost)
    torch.testing.assert_close(function(u), want, rtol=error, atol=error)


def test_a_search_is_a_count(monkeypatch: pytest.MonkeyPatch):
    ascending = torch.tensor([[0.0, 1.0, 4.0], [2.0, 3.0, torch.inf]])
    values = torch.tensor([[-1.0, 0.0, 0.5, 4.0, 5.0], [2.0, 2.5, 3.0, 9.0, 0.0]])
    want = portable.first_not_below(ascending, values)
    monkeypatch.setattr(portable, "to_onnx", lambda: True)
    monkeypatch.delattr(torch, "searchsorted")
    assert torch.equal(portable.first_not_below(ascending, values), want)
