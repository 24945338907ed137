"""Classes of whole numbers: what comes back, and what is impossible."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fluvial.transforms import CodeMap, Codes


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 50)), min_size=1, max_size=5), st.data())
def test_every_value_comes_back_and_keeps_its_probability(maps, data):
    codes = Codes([CodeMap(*m) for m in maps])
    row = [data.draw(st.integers(lower, lower + classes - 1)) for lower, classes in maps]
    x = torch.tensor([row], dtype=torch.float64)
    z, log_det = codes(x)
    assert ((z >= 0) & (z < torch.tensor([float(c) for _, c in maps]))).all()
    assert log_det.item() == 0
    back, log_det = codes.inverse(z)
    assert torch.equal(back, x)
    assert log_det.item() == 0


@pytest.mark.parametrize("value", [-1.0, 2.0, 1e30, -1e30])
def test_other_values_are_impossible_and_harmless(value):
    z, log_det = Codes([CodeMap(), CodeMap()])(torch.tensor([[0.0, value], [1.0, 1.0]]))
    assert log_det.tolist() == [-math.inf, 0.0]
    assert ((z == 0) | (z == 1)).all()


def test_maps_must_fit_the_event():
    with pytest.raises(ValueError, match="2 code maps do not fit an event of shape"):
        Codes([CodeMap(), CodeMap()]).output_shape((3,))
    with pytest.raises(ValueError, match="expected one for each column, got none"):
        Codes([])


@given(
    st.integers(-(2**40), 2**40), st.integers(2, 9), st.floats(-3, 12), st.sampled_from([torch.float32, torch.float64])
)
def test_what_is_none_of_a_columns_classes_is_impossible(lower: int, classes: int, at: float, dtype: torch.dtype):
    codes = Codes([CodeMap(lower, classes)]).to(dtype)
    known = torch.arange(classes, dtype=torch.float64)[:, None] + lower
    assert torch.equal(codes(known)[0].double(), known - lower)
    assert torch.equal(codes.inverse(known - lower)[0], known)
    x = torch.tensor([[at], [math.nan], [math.inf]], dtype=torch.float64) + lower
    z, log_det = codes(x)
    within = [bool((known == value).any()) for value in x]
    assert log_det.isfinite().tolist() == within
    assert z.isfinite().all()
