import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from fluvial.core.errors import UsageError
from fluvial.training.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("epochs", 0, "whole number of at least 1, got 0"),
        ("epochs", 1.5, "got 1.5"),
        ("epochs", True, "got True"),
        ("batch_size", 1, "at least 2"),
        ("patience", -1, "at least 1"),
        ("seed", -1, "from 0 to"),
        ("budget", 0.0, "positive number of seconds"),
        ("budget", float("nan"), "got nan"),
        ("learning_rate", -1e-3, "got -0.001"),
        ("learning_rate", "fast", "got 'fast'"),
        ("weight_decay", "much", "at least 0"),
        ("clip", 0.0, "positive"),
        ("ema", 1.0, "between 0 and 1"),
        ("weight_decay", -1.0, "at least 0"),
        ("optimizer", "sgd", "adam, adamw"),
        ("schedule", "linear", "cosine, plateau, constant"),
        ("schedule", "cosine", "give epochs or a budget"),
    ],
)
def test_a_value_out_of_range_is_a_sentence_that_names_it(name, value, part):
    with pytest.raises(UsageError, match=name) as error:
        Settings(**{name: value})
    assert part in str(error.value)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_a_sentence(device):
    with pytest.raises(UsageError, match=device):
        Settings(device=device).torch_device()


@pytest.mark.parametrize("text", ["", "5 minutes", "-3s", "1e3", "m", "5m3s"])
def test_a_time_that_is_none(text):
    with pytest.raises(UsageError, match="90s, 5m or 1h"):
        Settings(budget=text)


def test_times_in_words():
    assert Settings(budget="5m").budget == 300.0
    assert Settings(budget=np.float32(2)).clock == 2.0
    assert Settings().clock == math.inf


def test_numbers_of_numpy_are_numbers():
    given = Settings(
        epochs=np.int64(3), batch_size=np.uint8(8), learning_rate=np.float32(0.5), seed=np.int32(7), ema=np.float64(0.5)
    )
    assert given == Settings(epochs=3, batch_size=8, learning_rate=0.5, seed=7, ema=0.5)
    assert all(type(v) in (int, float, str, bool, type(None)) for v in asdict(given).values())
    json.dumps(asdict(given))
