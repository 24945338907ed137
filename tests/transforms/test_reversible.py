"""Reversible: the gradients of the plain chain, memory that does not grow with depth, refusals in sentences."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import zoo
from torch import Tensor, nn

from fluvial import models
from fluvial.conditioners import MLP, GatedConvNet
from fluvial.core import Chain, Flow, Normal
from fluvial.core.errors import RunError
from fluvial.transforms import (
    ActNorm,
    BatchNorm,
    Conv1x1,
    Coupling,
    Dequantize,
    Elementwise,
    LUMatrix,
    Reverse,
    Reversible,
    alternating_mask,
    random_rotation,
)
from fluvial.univariate import Affine, RQSpline, TanhScale

SHAPE = (3, 8, 8)


def glow(reversible: bool, steps: int = 4, dtype: torch.dtype = torch.float32, c: int = 2) -> Flow:
    density = zoo.image_recipe("glow", SHAPE, c, steps=steps, reversible=reversible).to(dtype)
    return zoo.continuous(density).train()


def images(n: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return (256 * torch.rand(n, *SHAPE, generator=g)).to(dtype), torch.randn(n, 2, generator=g).to(dtype)


def gradients(density: torch.nn.Module, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
    """Loss, and gradients with respect to the parameters, x and the context."""
    inputs = [t.clone().requires_grad_() for t in (x, context) if t is not None]
    loss = -density(*inputs).mean()
    return loss.detach(), list(torch.autograd.grad(loss, [*density.parameters(), *inputs]))


def distance(a: list[Tensor], b: list[Tensor]) -> float:
    """Of all gradients together, relative."""
    difference = sum((u - v).double().square().sum() for u, v in zip(a, b))
    return float((difference / sum(v.double().square().sum() for v in b)).sqrt())  # pyright: ignore


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-10)])
def test_gradients_are_the_plain_ones(dtype: torch.dtype, tolerance: float):
    plain, rebuilt = glow(False, dtype=dtype), glow(True, dtype=dtype)
    rebuilt.load_state_dict(plain.state_dict())  # the same names
    x, context = images(dtype=dtype)
    (loss, want), (other, got) = gradients(plain, x, context), gradients(rebuilt, x, context)
    assert torch.equal(loss, other)
    assert distance(got, want) < tolerance
    assert distance(got[-2:-1], want[-2:-1]) < 3 * tolerance  # of x alone
    assert distance(got[-1:], want[-1:]) < 3 * tolerance  # of the context alone


def test_gradients_pass_gradcheck():
    torch.manual_seed(0)
    net = MLP((2,), (RQSpline(4).size, 2), (8,), activation="tanh")
    chain = Chain(Coupling(net, RQSpline(4), alternating_mask(4, 0)), Reverse(), Elementwise(Affine(), (4,)))
    step = zoo.randomized(Reversible(chain)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(step, x)


def test_each_conditioner_runs_once_in_the_backward_pass():
    density, (x, context) = glow(True, steps=3), images()
    runs = []
    for m in density.modules():
        if isinstance(m, Coupling):
            m.conditioner.register_forward_hook(lambda *_: runs.append(1))
    loss = -density(x, context).mean()
    forward = len(runs)
    loss.backward()
    assert forward == 2 * 3 + 1  # the couplings of two levels, and the prior between them
    assert len(runs) == forward + 2 * 3


def saved_bytes(density: torch.nn.Module, *inputs: Tensor) -> int:
    """What the forward pass keeps for the backward one, without the parameters."""
    own = {p.untyped_storage().data_ptr() for p in density.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(t: Tensor) -> Tensor:
        kept[t.untyped_storage().data_ptr()] = t
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = density(*inputs).mean()
    assert loss.requires_grad
    return sum(t.untyped_storage().nbytes() for p, t in kept.items() if p not in own)


def test_memory_is_flat_in_depth():
    x, context = images()
    flat = [saved_bytes(glow(True, steps), x, context) for steps in (2, 4, 16)]
    plain = [saved_bytes(glow(False, steps), x, context) for steps in (2, 4, 16)]
    assert flat[0] == flat[1] == flat[2]
    assert plain[2] > 3 * plain[1] > 4 * plain[0]
    assert flat[2] < plain[2] / 20


def test_dropout_is_replayed():
    torch.manual_seed(0)
    mask = torch.arange(4) < 2
    steps = [
        Coupling(GatedConvNet((2, 4, 4), (2, 2), 8, 1, 2, dropout=0.5), Affine(), mask if i % 2 else ~mask)
        for i in range(3)
    ]
    steps = [zoo.randomized(s, seed=i) for i, s in enumerate(steps)]
    x = torch.randn(5, 4, 4, 4).double()
    results = []
    for chain in (Chain(*steps), Reversible(Chain(*steps))):
        torch.manual_seed(3)
        results.append(gradients(Total(chain.double().train()), x))
        after = torch.rand(1)
        results[-1][1].append(after.double())  # the stream of random numbers goes on alike
    # not the same bits: where no gradient is asked for, an affine map is another kernel
    torch.testing.assert_close(results[1][0], results[0][0], rtol=1e-12, atol=0)
    assert distance(results[1][1], results[0][1]) < 1e-10


class Total(torch.nn.Module):
    def __init__(self, transform: torch.nn.Module) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_det = self.transform(x, context)
        return log_det - 0.5 * z.flatten(1).square().sum(1)


def test_autocast():
    plain, rebuilt, (x, context) = glow(False), glow(True), images(8)
    rebuilt.load_state_dict(plain.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        (loss, want), (other, got) = gradients(plain, x, context), gradients(rebuilt, x, context)
    assert torch.equal(loss, other)
    assert loss.dtype == torch.float32
    assert distance(got, want) < 0.02  # a rounding of bfloat16 is 0.004


def test_compiled_models_keep_the_gradients():
    density = zoo.continuous(zoo.image_recipe("glow", (1, 4, 4), 2, levels=1, steps=2, reversible=True))
    x, context = images()
    x = x[:, :1, :4, :4]
    torch._dynamo.reset()
    compiled = torch.compile(density, backend="aot_eager")
    (loss, want), (other, got) = gradients(density, x, context), gradients(compiled, x, context)
    torch.testing.assert_close(loss, other)
    assert distance(got, want) < 1e-5


def test_two_processes(tmp_path: Path):
    """Gradients averaged over two processes are those of the whole batch; ActNorm is set by one and sent to both."""
    command = [sys.executable, str(Path(__file__).with_name("ddp.py"))]
    both = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in both:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def test_a_chain_too_steep_gets_a_sentence():
    torch.manual_seed(0)
    mask = alternating_mask(4, 0)
    steps = [
        zoo.randomized(Coupling(MLP((2,), (2, 2), (8,)), Affine(TanhScale(8.0)), mask if i % 2 else ~mask), i, 1.6)
        for i in range(6)
    ]
    density = Flow(Reversible(Chain(*steps)), Normal((4,)), (4,))
    x = torch.randn(20, 4)
    loss = density(x).mean()
    assert torch.isfinite(density.encode(x)).all()
    with pytest.raises(RunError, match="too steep to invert"):
        loss.backward()


def test_a_loss_that_is_not_finite_is_left_to_the_trainer():
    density, (x, context) = glow(True), images()
    density(x * float("nan"), context).mean().backward()
    assert all(p.grad is not None for p in density.parameters())


def test_changed_parameters_are_noticed():
    density, (x, context) = glow(True), images()
    loss = density(x, context).mean()
    with torch.no_grad():
        next(density.parameters()).add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_frozen_parameters_and_copies():
    density, (x, context) = glow(True), images()
    twin = pickle.loads(pickle.dumps(copy.deepcopy(density)))  # as processes that are spawned send it
    frozen = {n for n, _ in twin.named_parameters() if "matrix" in n}
    for n, p in twin.named_parameters():
        p.requires_grad_(n not in frozen)
    density(x, context).mean().backward()
    twin(x, context).mean().backward()
    for (n, p), q in zip(density.named_parameters(), twin.parameters()):
        assert (q.grad is None) == (n in frozen)
        if q.grad is not None:
            torch.testing.assert_close(p.grad, q.grad)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([Reverse(), Dequantize()], r"transform 1 \(Dequantize\) is not bijective"),
        ([BatchNorm(3)], "uses statistics of the batch"),
        (
            [
                Coupling(
                    torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.Unflatten(1, (1, 2))),
                    Affine(),
                    torch.tensor([True, False, False]),
                )
            ],
            "uses statistics of the batch",
        ),
    ],
)
def test_what_cannot_be_rebuilt_gets_a_sentence(steps: list, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        Reversible(Chain(*steps))


def test_evaluation_is_the_plain_chain():
    chain = Chain(Conv1x1(LUMatrix(random_rotation(3)), ActNorm(SHAPE)))
    step, (x, _) = Reversible(chain), images()
    with torch.no_grad():
        for a, b in zip(step(x), chain(x)):
            assert torch.equal(a, b)
        for a, b in zip(step.inverse(x), chain.inverse(x)):
            assert torch.equal(a, b)
    assert torch.equal(Reversible(Chain())(x)[0], x)


def test_recipes_take_it():
    density = models.build({"model": "glow", "event_shape": [1, 4, 4], "options": {"reversible": True, "steps": 2}})
    assert sum(isinstance(m, Reversible) for m in density.modules()) == 2


def test_torchs_own_dropout_is_refused():
    net = nn.Sequential(nn.Linear(1, 2), nn.Dropout(0.5), nn.Unflatten(1, (2, 1)))
    chain = Chain(Elementwise(Affine(), (1,), net))
    with pytest.raises(ValueError, match=r"holds torch's Dropout.*randomness\.Dropout"):
        Reversible(chain)
