"""What a fit came to, in words."""

import pytest

from fluvial.interfaces.summary import trained


@pytest.mark.parametrize(("n", "said"), [(1, "1 parameter, 1 epoch in 2 s"), (2, "2 parameters, 2 epochs in 2 s")])
def test_one_of_a_thing_is_not_many(n, said):
    record = {"sizes": {"parameters": n}, "training": {"epochs": n, "seconds": 2.0, "best_epoch": n}}
    assert trained(record) == f"{said} (best: {n})"
