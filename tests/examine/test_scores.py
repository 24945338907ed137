import math

import numpy as np
import pytest
import torch

from fluvial.core import Normal
from fluvial.examine.scores import scores
from fluvial.training import Data


def test_units_of_a_known_density():
    result = scores(Normal((2,)), Data(torch.zeros(50, 2)), np.array([2.0, 4.0]))
    mean = -math.log(2 * math.pi)
    assert result["log_likelihood"] == pytest.approx(mean)
    assert result["standard_error"] == 0
    assert result["standardised"] == pytest.approx(mean + math.log(8))
    assert result["bits_per_dimension"] == pytest.approx(-mean / (2 * math.log(2)))
