"""PixelCNN: every earlier pixel and no later one, whatever the picture's shape."""

from __future__ import annotations

import contract
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import randomized

from fluvial import models
from fluvial.conditioners import PixelCNN
from fluvial.core import UsageError


@given(height=st.integers(1, 5), width=st.integers(1, 5), c=st.integers(0, 2), reach=st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_it_reads_what_comes_before(height: int, width: int, c: int, reach: int):
    net = randomized(PixelCNN(height, width, 2, 3, max(height, width), reach, c, classes=0), scale=1.0).double()
    contract.is_autoregressive(net, contract.rows(height * width), contract.contexts(c))  # pyright: ignore


def test_its_reach_is_what_the_layers_say():
    """One layer reaches ``reach`` pixels, each further one pixel more, to the left and to the top."""
    net = randomized(PixelCNN(1, 9, 1, 3, 2, 3, classes=0), scale=1.0).double()  # pyright: ignore
    x = contract.rows(9)
    far = x.clone()
    far[:, 0] += 1
    change = (net(far) - net(x)).abs().sum((0, 1)) > 0
    assert change.tolist() == [False] + [True] * 5 + [False] * 3


def test_mistakes_get_sentences():
    with pytest.raises(UsageError, match="6 pixels do not make 4 rows"):
        models.build({"model": "pixelcnn", "event_shape": [6], "options": {"height": 4}})
