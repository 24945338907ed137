"""Codes of sound: what is lost is bounded, and codes come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.kinds.sound.coding import CODINGS, Linear16, MuLaw

ANY = st.floats(-1.0, 1.0)


@given(ANY)
def test_mu_law_loses_no_more_than_it_says(x: float):
    back = float(MuLaw().decode(MuLaw().encode(np.array([x])))[0])
    assert abs(back - x) <= 8.72e-5 * (1 + 255 * abs(x)) + 1e-7


@given(st.floats(-1.0, 1 - 2**-15))
def test_sixteen_bits_lose_half_a_step(x: float):
    back = float(Linear16().decode(Linear16().encode(np.array([x])))[0])
    assert abs(back - x) <= 2**-16 + 1e-9


@pytest.mark.parametrize("levels", CODINGS)
def test_codes_come_back_and_grow(levels: int):
    coding = CODINGS[levels]
    codes = np.arange(levels)
    assert coding.levels == levels
    assert np.array_equal(coding.encode(coding.decode(codes)), codes)
    assert (np.diff(coding.decode(codes)) > 0).all()
    assert coding.decode(codes).dtype == np.float32


@pytest.mark.parametrize("levels", CODINGS)
def test_too_loud_is_clipped(levels: int):
    codes = CODINGS[levels].encode(np.array([-7.0, 7.0]))
    assert codes.tolist() == [0, levels - 1]


def test_the_known_values_of_mu_law():
    f = np.log1p(255 * 0.1) / np.log(256)
    assert MuLaw().encode(np.array([0.1, -0.1])).tolist() == [int((1 + f) * 127.5 + 0.5), int((1 - f) * 127.5 + 0.5)]
