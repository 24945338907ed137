"""Sums are found among numbers of any magnitude, without a warning."""

import warnings

import numpy as np
import pytest

from fluvial.data.infer import infer
from fluvial.data.tables import Table


@pytest.mark.parametrize("unit", [2.0**-1000, 1e-200, 1.0, 1e200, 1e300])
@pytest.mark.parametrize("other", [1.0, 2.0**-990])
def test_a_sum_is_found_whatever_its_unit(unit, other):
    rng = np.random.default_rng(0)
    net, tax, beside = rng.normal(size=(3, 200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        columns = {"net": net * unit, "tax": tax * unit, "beside": beside * other, "gross": (net + tax) * unit}
        schema, _ = infer(Table(columns), cells=True, drop_missing=False)
    (sum_,) = schema.dropped
    assert {sum_.column.name, *sum_.sources} == {"net", "tax", "gross"}
