import pytest
import torch
from training.test_device import curved, learned
from training.test_trainer import QUICK
from training.toy import rows

from fluvial.training import Data, trainer
from fluvial.training.streaming import Streamed

CPU = torch.device("cpu")


@pytest.mark.parametrize("conditional", [False, True])
def test_it_gives_the_rows_that_the_data_give(conditional):
    x = rows(103).x
    data = Data(x, x.square() if conditional else None)
    streamed, order = Streamed(data, CPU), torch.randperm(103)
    parts = streamed.batches(order, 10)
    for want, got in zip(data.batches(order, 10), [*parts, parts[3], torch.tensor([5, 7])]):
        for a, b in zip(data.rows(want, CPU), streamed.rows(got, CPU)):
            assert (a is None and b is None) or torch.equal(a, b)
    for index in (parts[3], torch.tensor([5, 7]), parts[4], parts[4]):  # out of turn
        assert torch.equal(streamed.rows(index, CPU)[0], data.rows(index, CPU)[0])


def test_training_is_the_same(monkeypatch):
    want = learned(QUICK)[1].state_dict()
    monkeypatch.setattr(trainer.Data, "to", lambda self, device: Streamed(self, device))
    got = learned(QUICK)[1].state_dict()
    assert all(torch.equal(a, b) for a, b in zip(want.values(), got.values()))
    assert Streamed(curved(10), CPU).digest() == curved(10).digest()
