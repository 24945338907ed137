"""Windows: each sample once, with all its past; the same score however they are cut; resume bit for bit."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import randomized

from fluvial.conditioners import WaveNet
from fluvial.core import Chain, Flow, Normal
from fluvial.models import maf, wavenet
from fluvial.training import Continuation, Settings, Windows, train
from fluvial.transforms import Autoregressive
from fluvial.univariate import Affine

TINY = {"levels": 5, "stacks": 2, "layers": 2, "channels": 6, "gates": 5, "skips": 8}


def recordings(lengths: list[int], reads: int = 0, longest: int = 100, context: bool = False) -> Windows:
    g = torch.Generator().manual_seed(0)
    values = torch.randint(0, 5, (sum(lengths),), generator=g).to(torch.uint8)
    given = torch.randn(len(lengths), 2, generator=g) if context else None
    return Windows(values, torch.tensor(lengths), given, reads, longest)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(0, 30), st.integers(1, 70), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_every_sample_counts_once_and_sees_its_past(lengths: list[int], reads: int, longest: int, size: int):
    data = recordings(lengths, reads, longest)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    batches = data.batches(order, size)
    assert sorted(torch.cat(batches).tolist()) == list(range(len(data)))
    assert data.count() == sum(data.count(b) for b in batches) == sum(lengths)
    parts, seen = data.values.split(lengths), [torch.zeros(n) for n in lengths]
    for index in batches:
        x, _ = data.rows(index, torch.device("cpu"))
        for row, (recording, _, first, end) in zip(x, data.table[index].tolist()):
            values, counts = row
            (at,) = torch.where(counts > 0)
            assert torch.equal(values[at], parts[recording][first:end].float())
            seen[recording][first:end] += 1
            past = values[: at[0]]
            want = parts[recording][max(0, first - reads) : first].float()
            assert torch.equal(past[~past.isnan()], want)
            assert values[at[-1] + 1 :].isnan().all()
    assert all((s == 1).all() for s in seen)


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("kind", ["softmax", "logistics", "affine"])
def test_the_score_is_that_of_whole_recordings_however_they_are_cut(kind: str, context: bool):
    shape = (2,) if context else None
    flow = wavenet((None,), context_shape=shape, components=2 if kind == "logistics" else 0, **TINY)
    if kind == "affine":
        net = WaveNet(2, context=2 if context else 0, stacks=2, layers=2, channels=6, gates=5, skips=8)
        flow = Flow(Autoregressive(net, Affine()), Normal((None,)), (None,), shape)
    flow = randomized(flow).double()
    torch.set_default_dtype(torch.float64)
    try:
        whole = recordings([30, 1, 17, 44], context=context)
        given = None if whole.context is None else whole.context.double()
        want = sum(
            flow.log_prob(v.double().unsqueeze(0), None if given is None else given[i : i + 1]).item()
            for i, v in enumerate(whole.values.split([30, 1, 17, 44]))
        )
        for longest in (1, 5, 16, 100):
            data = Windows(whole.values, whole.lengths, given, 7, longest)
            assert data.score(Continuation(flow), 0) * 92 == pytest.approx(want, abs=1e-9)
    finally:
        torch.set_default_dtype(torch.float32)


def test_training_on_windows_learns_and_resumes_bit_for_bit(tmp_path):
    def learn(path=None, stop=None, resume=False):
        torch.manual_seed(0)
        flow = wavenet((None,), **TINY)
        values = torch.arange(400) % 5  # 0 1 2 3 4 0 1 ...: nothing is left to chance but the first
        data = Windows(values, torch.tensor([100, 150, 150]), None, 7, 40)
        settings_ = Settings(epochs=30, batch_size=2, learning_rate=2e-2, weight_decay=0.0, seed=3, device="cpu")
        training = train(Continuation(flow), data, data, settings_, path, resume)
        records = []
        for record in training:
            records.append(record)
            if stop is not None and record.epoch == stop:
                training.close()
        return flow, records

    whole, records = learn()
    assert records[0].best == pytest.approx(math.log(5), abs=1e-6)  # per sample
    assert records[-1].best < 0.2
    learn(tmp_path / "c.pt", stop=11)
    resumed, _ = learn(tmp_path / "c.pt", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values()))


def test_parts_of_the_recordings():
    data = recordings([3, 4, 5], context=True)
    some = data.take(torch.tensor([2, 0]))
    parts = data.values.split([3, 4, 5])
    assert torch.equal(some.values, torch.cat((parts[2], parts[0])))
    assert torch.equal(some.context, data.context[[2, 0]])  # pyright: ignore
    assert data.digest() != some.digest() != recordings([5, 3], context=True).digest()


def test_mistakes_get_sentences():
    with pytest.raises(ValueError, match="add up to 12 samples, got a sum of 11 and 5 as the shortest"):
        Windows(torch.zeros(12), torch.tensor([6, 5]))
    with pytest.raises(ValueError, match="a WaveNet"):
        Continuation(maf((3,)))
    with pytest.raises(ValueError, match="a WaveNet"):
        Continuation(Flow(Chain(), Normal((None,)), (None,)))
