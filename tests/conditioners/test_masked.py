"""Masked networks: degrees, plans, and what they may read."""

from __future__ import annotations

import contract
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import randomized

from fluvial.conditioners import MaskedMLP
from fluvial.conditioners.degrees import draw_degrees, make_plan
from fluvial.core.randomness import drawing_from


@given(lowest=st.integers(0, 1), highest=st.integers(1, 20), width=st.integers(1, 60), seed=st.integers(0, 10**6))
def test_drawn_degrees_are_all_there_and_in_range(lowest: int, highest: int, width: int, seed: int):
    with drawing_from(seed):
        degrees = draw_degrees(lowest, highest, width)
    assert degrees.shape == (width,)
    assert lowest <= degrees.min() <= degrees.max() <= highest
    assert len(degrees.unique()) == min(width, highest - lowest + 1)


def test_drawn_degrees_are_uniform():
    with drawing_from(0):
        drawn = torch.stack([draw_degrees(1, 4, 8) for _ in range(2000)])
    frequency = torch.bincount(drawn.flatten(), minlength=5)[1:] / drawn.numel()
    assert (frequency - 0.25).abs().max() < 0.01


def test_no_unit_of_a_narrow_network_reads_nothing():
    for seed in range(50):
        with drawing_from(seed):
            plan = make_plan(torch.arange(9), (3, 3), 1, drawn=True)
        assert plan.hidden[1].min() >= plan.hidden[0].min()


@given(
    d=st.integers(1, 17),
    c=st.integers(0, 2),
    width=st.integers(1, 30),
    residual=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=25, deadline=None)
def test_drawn_networks_are_autoregressive_and_step(d: int, c: int, width: int, residual: bool, seed: int):
    order = torch.randperm(d, generator=torch.Generator().manual_seed(seed)).tolist()
    net = MaskedMLP(d, 2, (width, width), c, order, "tanh", residual, drawn=seed)
    net = randomized(net).double()
    x, context = contract.rows(d), contract.contexts(c)
    contract.stepper_equals_forward(net, x, context)  # pyright: ignore
    if width > d or not c:  # else no unit may be left for the context alone
        contract.is_autoregressive(net, x, context)  # pyright: ignore


@given(d=st.integers(1, 9), classes=st.integers(2, 5), seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_one_network_reads_in_any_order(d: int, classes: int, seed: int):
    """Under another plan it is the network that was built in that order, with the same weights."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(d, generator=generator)
    one = randomized(MaskedMLP(d, 3, (12, 12), classes=classes, activation="tanh")).double()
    other = MaskedMLP(d, 3, (12, 12), classes=classes, activation="tanh", order=order.tolist()).double()
    other.load_state_dict(one.state_dict())
    x = torch.randint(classes, (6, d), generator=generator)
    torch.testing.assert_close(one.read(x, None, one.plan(order, drawn=False)), other(x), rtol=0, atol=0)
    with drawing_from(seed):
        plan = one.plan(order)
    step, previous = one.stepper(x, None, plan), None
    for i in order.tolist():
        torch.testing.assert_close(step(previous), one.read(x, None, plan)[:, :, i], rtol=0, atol=1e-12)
        previous = x[:, i]


def test_classes_enter_one_hot_and_what_is_no_class_as_zeros():
    net = MaskedMLP(2, 3, (4,), classes=3)
    assert net.encode(torch.tensor([[2, 0], [5, -1]])).tolist() == [[0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
    assert MaskedMLP(2, 1, (4,), classes=2).encode(torch.tensor([[1, 0]])).tolist() == [[1, -1]]


def test_dropout_acts_in_training_only():
    net = randomized(MaskedMLP(4, 2, (50,), dropout=0.5))
    x = torch.ones(3, 4)
    assert not torch.equal(net.train()(x), net(x))
    assert torch.equal(net.eval()(x), net(x))


def test_the_weights_of_earlier_runs_still_load():
    """Names and shapes of the state dict are part of the file format."""
    net = MaskedMLP(4, 2, (8, 8), 3, direct=True)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == {
        "layers.0.weight": (8, 7),
        "layers.0.bias": (8,),
        "layers.1.weight": (8, 8),
        "layers.1.bias": (8,),
        "last.weight": (8, 8),
        "last.bias": (8,),
        "direct.weight": (8, 4),
        "direct.bias": (8,),
    }


def test_mistakes_get_sentences():
    with pytest.raises(ValueError, match=r"dropout: .* got 1\.0"):
        MaskedMLP(3, 2, dropout=1.0)
