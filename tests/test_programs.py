"""Models as programs of torch: made without values, derived by torch.func, exported to where fluvial is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import contract
import pytest
import torch
import zoo
from torch import Tensor, nn
from torch.func import functional_call, hessian, jacfwd, jacrev, jvp, stack_module_state, vmap
from zoo import CONTEXT

from fluvial import models
from fluvial.conditioners import frugal
from fluvial.core import Density, Flow
from fluvial.transforms import Coupling

IMAGE = (3, 4, 4)


def _image(name: str) -> Density:
    flow = zoo.image_recipe(name, IMAGE, CONTEXT)
    return flow if name == "multiscale" else zoo.continuous(flow)


DENSITIES: dict[str, Callable[[], Density]] = {
    **{name: lambda name=name: zoo.recipe(name, 4, CONTEXT) for name in zoo.SMALL},
    **{f"{name}-image": lambda name=name: _image(name) for name in zoo.SMALL_IMAGES},
    **{f"{name}-discrete": lambda name=name: zoo.discrete(name, CONTEXT) for name in zoo.DISCRETE},
}


def case(name: str) -> tuple[Density, Tensor, Tensor]:
    density = DENSITIES[name]().double()
    shape: tuple[int, ...] = density.event_shape  # pyright: ignore
    generator = torch.Generator().manual_seed(1)
    whole = torch.randint(0, 2, (5, *shape), generator=generator).double()
    return density, contract.images(shape, 5) if density.reparameterized else whole, contract.rows(CONTEXT, seed=2)


def fresh(name: str) -> Density:
    """The same model, not randomised."""
    shape = {"context_shape": (CONTEXT,)}
    if name.endswith("-image"):
        return models.recipe_of(name[:-6], IMAGE).build(IMAGE, **shape, **zoo.SMALL_IMAGES[name[:-6]])
    if name.endswith("-discrete"):
        recipe, options, classes = zoo.DISCRETE[name[:-9]]
        return models.recipe_of(recipe).build((len(classes),), **shape, **{**zoo.SMALL[recipe], **options})
    return models.recipe_of(name).build((4,), **shape, **zoo.SMALL[name])


@pytest.mark.parametrize("name", DENSITIES)
def test_models_made_without_values_are_filled_by_their_state(name: str):
    want = zoo.randomized(fresh(name)).eval()
    with torch.device("meta"):
        emptied, assigned = fresh(name).eval(), fresh(name).eval()
    assert all(t.is_meta for t in (*emptied.parameters(), *emptied.buffers()))
    emptied.to_empty(device="cpu")
    with torch.no_grad():  # what memory holds may be right by chance
        for buffer in emptied.buffers():
            buffer.fill_(1)
    emptied.load_state_dict(want.state_dict())
    assigned.load_state_dict(want.state_dict(), assign=True)
    x = torch.randint(0, 2, (5, *want.event_shape)).float()  # pyright: ignore
    context = torch.randn(5, CONTEXT)
    for density in (emptied, assigned):
        drawn = []
        for each in (want, density):
            torch.manual_seed(0)
            drawn.append((each.log_prob(x, context), each.sample(5, context)))
        for a, b in zip(*drawn):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_masks_without_values_get_a_sentence():
    with pytest.raises(ValueError, match="mask: a tensor on the meta device has no values"):
        Coupling(nn.Identity(), zoo.UNIVARIATES["affine"], torch.ones(3, device="meta") > 0)


@pytest.mark.parametrize("name", DENSITIES)
def test_derivatives_of_torch_func_agree(name: str):
    density, x, context = case(name)
    twice = hessian(lambda v: density.log_prob(v[None], context[:1])[0])(x[0])
    torch.testing.assert_close(twice, jacrev(jacrev(lambda v: density.log_prob(v[None], context[:1])[0]))(x[0]))
    for f, v in ((lambda v: density.log_prob(v, context), x), (lambda c: density.log_prob(x, c), context)):
        forward, reverse = jacfwd(f)(v), jacrev(f)(v)
        torch.testing.assert_close(forward, reverse)
        along = jvp(f, (v,), (torch.ones_like(v),))[1]
        torch.testing.assert_close(along, reverse.flatten(1).sum(1))
        with torch.autograd.forward_ad.dual_level():  # the same without torch.func
            dual = f(torch.autograd.forward_ad.make_dual(v, torch.ones_like(v)))
            tangent = torch.autograd.forward_ad.unpack_dual(dual).tangent
            torch.testing.assert_close(torch.zeros_like(along) if tangent is None else tangent, along)


class Both(nn.Module):
    """Scores and, for flows, draws."""

    def __init__(self, density: Density) -> None:
        super().__init__()
        self.density = density

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        log_p = self.density.log_prob(x, context)
        if not isinstance(self.density, Flow):
            return (log_p,)
        z = self.density.encode(x, context)
        return log_p, self.density.decode(z, context)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("name", DENSITIES)
def test_many_models_are_one_call(name: str, grad: bool):
    """vmap over stacked parameters and buffers."""
    _, x, context = case(name)
    members = [Both(DENSITIES[name]().double()) for _ in range(2)]
    for p in members[1].parameters():
        p.data.mul_(1.1)
    state = stack_module_state(members)  # pyright: ignore
    with torch.set_grad_enabled(grad):
        got = vmap(lambda p, b: functional_call(members[0], (p, b), (x, context)))(*state)
        for i, member in enumerate(members):
            for a, b in zip(got, member(x, context)):
                torch.testing.assert_close(a[i], b, rtol=1e-6, atol=1e-6)


def test_functions_that_save_memory_give_way_to_torch_func(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frugal, "_WORTH", 0)  # wide activations are computed again, even in small networks
    chain = zoo.randomized(zoo.CHANNEL_TRANSFORMS["reversible"](IMAGE, 0)).double()
    x = contract.images(IMAGE, 2)
    torch.testing.assert_close(jacfwd(lambda v: chain(v)[1])(x), jacrev(lambda v: chain(v)[1])(x))


@pytest.mark.parametrize("grad", [True, False])
def test_scoring_an_inverse_flow_exports_with_and_without_gradients(grad: bool):
    density, x, context = case("iaf")
    density.requires_grad_(grad)
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(density, (x, context), dynamic_shapes=({0: rows}, {0: rows}))
    torch.testing.assert_close(program.module()(x[:3], context[:3]), density(x[:3], context[:3]))


def test_an_exported_file_runs_without_fluvial(tmp_path: Path):
    density = zoo.randomized(models.nsf((3,), transforms=1, hidden=(8,), context_shape=(CONTEXT,))).double()
    x, context = contract.rows(3), contract.rows(CONTEXT)
    want = density(x, context).detach()
    torch.export.save(torch.export.export(density, (x, context)), tmp_path / "nsf.pt2")
    torch.save((x, context, want), tmp_path / "case.pt")
    code = (
        "import sys, torch; sys.modules['fluvial'] = None  # any import of it fails\n"
        "x, context, want = torch.load('case.pt'); program = torch.export.load('nsf.pt2').module()\n"
        "torch.testing.assert_close(program(x, context).detach(), want)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


ONNX = (
    "gaussian",
    "nsf_coupling",
    "maf_mog",
    "mixed",
    "flowpp-image",
    "glow-image",
    "multiscale-image",
    "pixelcnn-discrete",
)


@pytest.mark.parametrize("name", [*ONNX, "wavenet_made"])
def test_onnx_scores_as_torch_does(name: str):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    if name == "wavenet_made":
        made = models.wavenet_made((None,), values=3, layers=2, channels=4, gates=4, skips=4)
        density, given = zoo.randomized(made).eval(), (torch.randint(0, 2, (5, 12)).float(),)
    else:
        density, *rows = case(name)
        density, given = density.float(), tuple(r.float() for r in rows)
    program = torch.onnx.export(density, given, dynamo=True, verbose=False)
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    inputs = {i.name: t.numpy() for i, t in zip(session.get_inputs(), given)}
    got = torch.from_numpy(session.run(None, inputs)[0])
    torch.testing.assert_close(got, density(*given).detach(), rtol=1e-4, atol=1e-4)
