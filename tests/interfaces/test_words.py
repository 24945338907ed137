import pytest

from fluvial.core.errors import UsageError
from fluvial.interfaces.words import parse_assignments
from fluvial.kinds.typed import listed_names


@pytest.mark.parametrize("text", ["transforms", "=8", " =8"])
def test_an_assignment_that_is_none(text):
    with pytest.raises(UsageError, match="name=value"):
        parse_assignments([text])


def test_values_keep_their_equals_signs_and_empty_lists_are_empty():
    assert parse_assignments(["a=b=c", "rate=2e-3", "clip=none"]) == {"a": "b=c", "rate": 0.002, "clip": None}
    assert listed_names(None) == listed_names("") == ()
