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
