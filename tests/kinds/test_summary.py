"""What a fit came to, in words."""

import pytest

from fluvial.kinds.summary import fitted_line


@pytest.mark.parametrize(("n", "said"), [(1, "1 parameter, 1 epoch in 2 s"), (2, "2 parameters, 2 epochs in 2 s")])
def test_one_of_a_thing_is_not_many(n, said):
    record = {
        "model": {"model": "maf"},
        "sizes": {"parameters": n},
        "training": {"epochs": n, "seconds": 2.0, "best_epoch": n},
    }
    assert fitted_line(record, "data") == f"maf: data, {said} (best: {n})"
