"""What only a GPU can show; skipped elsewhere. The same laws as on the CPU, and steps that are recorded.

On a machine with one: ``python -m pytest -q tests/test_cuda.py tests/kernels/test_triton.py``.
"""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import replace

import contract
import pytest
import torch
import zoo
from training.toy import Gaussian, rows

from fluvial import models
from fluvial.core import Flow
from fluvial.core.errors import RunError
from fluvial.kernels import gpu, native, spline, spline_torch
from fluvial.training import Data, Settings, device, train
from fluvial.training.device import DeviceUpdate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
CUDA = torch.device("cuda")
DISCRETE = {recipe for recipe, _, _ in zoo.DISCRETE.values()}
RECIPES = [name for name in zoo.SMALL if name not in DISCRETE]
QUICK = Settings(epochs=6, batch_size=64, learning_rate=3e-3, device="cuda")
FLOWS = {
    "nsf": {"transforms": 2, "hidden": (16, 16)},
    "nsf_coupling": {"transforms": 2, "hidden": (16, 16)},
    "maf": {"transforms": 2, "hidden": (16, 16), "batch_norm": True},
    "realnvp": {"transforms": 2, "hidden": (16, 16), "batch_norm": True},
}


def on_cuda(*tensors):
    return [None if t is None else t.to(CUDA) for t in tensors]


def test_the_triton_kernels_run():
    assert gpu.status().startswith("Triton"), gpu.status()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("c", [0, zoo.CONTEXT])
@pytest.mark.parametrize("name", RECIPES)
def test_densities_are_those_of_the_cpu(name, c, dtype):
    here = zoo.recipe(name, 5, c).to(dtype)
    there = copy.deepcopy(here).to(CUDA)
    x, context = contract.rows(5, 9).to(dtype), contract.contexts(c, 9)
    context = None if context is None else context.to(dtype)
    tight = 1e-10 if dtype == torch.float64 else 1e-3
    far, far_context = on_cuda(x, context)
    want, got = here.log_prob(x, context), there.log_prob(far, far_context)
    torch.testing.assert_close(got.cpu(), want, rtol=tight, atol=tight)
    for p, q in zip(*(torch.autograd.grad(v.sum(), list(d.parameters())) for v, d in ((want, here), (got, there)))):
        torch.testing.assert_close(q.cpu(), p, rtol=10 * tight, atol=10 * tight)
    loose = (1e-5 if "mog" in name else 1e-8) if dtype == torch.float64 else 1e-2
    contract.samples_match_log_prob(there, far_context, 9, loose)
    with torch.no_grad():
        contract.samples_match_log_prob(there, far_context, 9, loose)
        if isinstance(there, Flow):
            back = there.decode(there.encode(far, far_context), far_context)
            torch.testing.assert_close(back, far, rtol=loose, atol=loose)


@pytest.mark.parametrize("name", zoo.DISCRETE)
def test_discrete_densities_are_those_of_the_cpu(name):
    here, x = zoo.discrete(name, zoo.CONTEXT).double(), zoo.outcomes(name)
    context = contract.contexts(zoo.CONTEXT, len(x))
    there, (far, far_context) = copy.deepcopy(here).to(CUDA), on_cuda(x, context)
    torch.testing.assert_close(
        there.log_prob(far, far_context).cpu(), here.log_prob(x, context), rtol=1e-10, atol=1e-10
    )
    with torch.no_grad():
        contract.samples_match_log_prob(there, far_context, len(x), 1e-10)


@pytest.mark.parametrize("name", [*zoo.TRANSFORMS, *zoo.COUPLINGS])
def test_transforms_invert(name):
    transform = zoo.randomized({**zoo.TRANSFORMS, **zoo.COUPLINGS}[name](7, zoo.CONTEXT)).double().to(CUDA).eval()
    x, context = on_cuda(contract.rows(7, 5), contract.contexts(zoo.CONTEXT, 5))
    x = (x + 3) % 6 - 3 if "circular" in name else x
    with torch.no_grad():
        contract.inverts(transform, x, context, 1e-7 if "mixture" in name else 1e-9)
    contract.inverts(transform, x, context, 1e-7 if "mixture" in name else 1e-9)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_spline_is_the_torch_source(inverse):
    g = torch.Generator().manual_seed(0)
    x, theta = 3 * torch.randn(300, 9, generator=g).double(), torch.randn(300, 23, 9, generator=g).double()
    x, theta = (t.to(CUDA).requires_grad_() for t in (x, theta))
    call = spline.inverse if inverse else spline.forward
    kind = spline_torch.InverseSpline if inverse else spline_torch.Spline
    pairs = []
    for y, log_det in (call(x, theta, 8, 2.3), kind.apply(x, theta, 8, 2.3)[:2]):
        pairs.append((y, log_det, *torch.autograd.grad((y.sin() + log_det).sum(), (x, theta))))
    for a, b in zip(*pairs):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)
    few = [t[:2, ..., :3].detach().requires_grad_() for t in (x, theta)]
    assert torch.autograd.gradgradcheck(lambda *args: call(*args, 8, 2.3), few)


def test_gradients_through_vmap_and_compile_know_the_operator():
    x, theta = torch.randn(4, 6, 3, device=CUDA), torch.randn(4, 6, 23, 3, device=CUDA)
    each = torch.stack([spline.forward(a, b, 8, 3.0)[0] for a, b in zip(x, theta)])
    torch.testing.assert_close(torch.vmap(lambda a, b: spline.forward(a, b, 8, 3.0)[0])(x, theta), each)


@pytest.mark.parametrize("family", ["maf", "nsf"])
def test_the_sweep_is_the_walk(family):
    flow = models.recipe_of(family).build((40,), transforms=2, hidden=(24, 50))
    flow = zoo.randomized(flow, scale=0.6).double().to(CUDA).eval()
    z = torch.randn(70, 40, dtype=torch.float64, device=CUDA)
    with torch.no_grad():
        got = flow.decode(z)
        with native.torch_only():
            want = flow.decode(z)
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def trained(name, settings=QUICK, **paths):
    torch.manual_seed(0)
    density = models.build({"model": name, "event_shape": [2], "columns": [{"step": 0.1}, {}], "options": FLOWS[name]})
    data, held_out = rows(400), rows(100, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a step that cannot be recorded warns
        records = list(train(density, data, held_out, settings, **paths))
    return density, records


@pytest.fixture
def counted(monkeypatch):
    """How many steps were replayed."""
    replays = []
    replay = device._Recorded.replay
    monkeypatch.setattr(device._Recorded, "replay", lambda *args: (replays.append(1), replay(*args))[1])
    return replays


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("name", FLOWS)
def test_a_recorded_step_gives_the_same_bits(name, amp, counted, monkeypatch):
    settings = replace(QUICK, amp=amp)
    recorded, records = trained(name, settings)
    assert len(counted) > 20
    monkeypatch.setattr(device, "WARM", 10**9)
    alone, _ = trained(name, settings)
    assert all(torch.equal(p, q) for p, q in zip(recorded.state_dict().values(), alone.state_dict().values()))
    assert records[-1].best < records[0].best
    assert records[-1].rows_per_second > 0


def test_training_on_a_gpu_learns_what_the_cpu_learns():
    there, a = trained("nsf", replace(QUICK, epochs=15))
    _, b = trained("nsf", replace(QUICK, epochs=15, device="cpu"))
    assert next(there.parameters()).is_cuda
    assert a[-1].best == pytest.approx(b[-1].best, abs=0.05)  # the noise of the cells is another one


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    whole, _ = trained("nsf")
    monkeypatch.setattr("fluvial.training.trainer._PULSE", 0.0)
    torch.manual_seed(0)
    broken = models.build({"model": "nsf", "event_shape": [2], "columns": [{"step": 0.1}, {}], "options": FLOWS["nsf"]})
    training = train(broken, rows(400), rows(100, 1), QUICK, tmp_path / "c.pt")
    for _ in range(17):
        next(training)
    with pytest.raises(KeyboardInterrupt):
        training.throw(KeyboardInterrupt)
    resumed, _ = trained("nsf", checkpoint=tmp_path / "c.pt", resume=True)
    assert all(torch.equal(p, q) for p, q in zip(whole.state_dict().values(), resumed.state_dict().values()))


class Cell(Gaussian):
    """A loss that is not finite where a row is huge."""

    def log_prob(self, x, context=None):
        z = (x - self.mean) * torch.exp(-self.log_scale)
        return (-0.5 * z.square().square() - self.log_scale).sum(1)


def test_steps_that_are_not_finite_are_left_out_of_a_recording():
    x = rows(640).x
    x[::160] = 1e30
    density = Cell()
    records = list(train(density, Data(x), rows(50, 1), QUICK))
    assert 6 <= records[-1].skipped <= 24
    assert torch.isfinite(density.mean).all()
    assert all(math.isfinite(r.train) for r in records[1:])


def test_training_that_never_recovers_ends_with_a_sentence():
    with pytest.raises(RunError, match="did not stay finite"):
        list(train(Cell(), Data(torch.full((640, 2), 1e30)), None, replace(QUICK, epochs=1000)))


class Waiting(Cell):
    def log_prob(self, x, context=None):
        return super().log_prob(x) * (1 if x[0, 0].item() < 1e30 else 2)


def test_a_model_that_waits_for_the_device_trains_unrecorded_and_says_so():
    with pytest.warns(UserWarning, match="cannot be recorded"):
        records = list(train(Waiting(), rows(400), rows(50, 1), QUICK))
    assert records[-1].epoch == 6
    assert records[-1].best < records[0].best


def test_orders_drawn_anew_are_never_frozen():
    density = models.made((4,), orders=3, hidden=(16,))
    assert not DeviceUpdate(density.to(CUDA), QUICK, 0.0, CUDA).records


def test_rows_that_do_not_fit_come_in_time(monkeypatch):
    whole, _ = trained("nsf")
    monkeypatch.setattr("fluvial.training.trainer._ROOM", 0.0)
    streamed, _ = trained("nsf")
    assert all(torch.equal(p, q) for p, q in zip(whole.state_dict().values(), streamed.state_dict().values()))
