"""Densities as Pyro's distributions: in models, in plates, as guides, under NUTS."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import zoo
from torch import Tensor

from fluvial import models
from fluvial.core import Density, Flow, Normal
from fluvial.transforms import Logit, Standardize

pyro = pytest.importorskip("pyro")
from pyro.distributions import Normal as PyroNormal  # noqa: E402
from pyro.infer import MCMC, NUTS, SVI, Trace_ELBO  # noqa: E402
from pyro.infer.autoguide import AutoNormal  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def test_sample_sites_and_plates():
    density = zoo.recipe("maf", 2, 3)
    context = torch.randn(5, 3)

    def model() -> tuple[Tensor, Tensor]:
        a = pyro.sample("a", density.given(context[0]))
        with pyro.plate("outer", 4, dim=-2), pyro.plate("inner", 5, dim=-1):
            return a, pyro.sample("b", density.given(context))

    trace = pyro.poutine.trace(model).get_trace()
    a, b = trace.nodes["_RETURN"]["value"]
    assert (a.shape, b.shape) == ((2,), (4, 5, 2))
    want = density.log_prob(a[None], context[:1]) + density.log_prob(b.flatten(0, 1), context.repeat(4, 1)).sum()
    torch.testing.assert_close(trace.log_prob_sum(), want[0])
    with pyro.plate("rows", 7):  # a plate of rows without a context, and a mask
        seen = pyro.sample("c", zoo.recipe("nsf", 2).given().mask(torch.arange(7) < 3))  # pyright: ignore
    assert seen.shape == (7, 2)


@pytest.mark.parametrize("name", ["made", "gaussian"])
def test_guides_get_their_true_gradient(name: str):
    """The ELBO's gradient, by draws where they carry one and else by REINFORCE, is that of the sum or integral."""
    guided: Density = zoo.randomized(models.recipe_of(name).build((1,), **zoo.SMALL[name])).eval()  # pyright: ignore
    prior = zoo.randomized(models.made((1,)), seed=3) if name == "made" else Normal((1,))

    def log_joint(z: Tensor) -> Tensor:
        return prior.log_prob(z) + PyroNormal(2 * z[:, 0], 1.0).log_prob(torch.tensor(1.7))

    def model() -> None:
        with pyro.plate("particles", 20_000):
            z = pyro.sample("z", prior.given())
            pyro.sample("x", PyroNormal(2 * z[:, 0], 1.0), obs=torch.tensor(1.7))

    def guide() -> None:
        with pyro.plate("particles", 20_000):
            pyro.sample("z", guided.given())

    parameters = list(guided.parameters())
    loss = Trace_ELBO().differentiable_loss(model, guide) / 20_000
    got = torch.autograd.grad(loss, parameters, allow_unused=True)
    points = torch.tensor([[0.0], [1.0]]) if name == "made" else torch.linspace(-12, 12, 4001)[:, None]
    log_q = guided.log_prob(points)
    weight = log_q.exp() * (1.0 if name == "made" else 24 / 4000)
    want = torch.autograd.grad((weight * (log_q - log_joint(points))).sum(), parameters, allow_unused=True)
    for a, b in zip(got, want):
        if b is not None and b.abs().max() > 0:
            torch.testing.assert_close(a, b, rtol=0.1, atol=0.05)


def bounded_prior() -> Density:
    """Normals with mean 1 and standard deviation 2, squeezed into (0, 4)."""
    return Flow(Logit(0.0, 4.0), Flow(Standardize(torch.ones(2), torch.full((2,), 2.0)), Normal((2,)), (2,)), (2,))


def test_nuts_moves_in_the_support():
    prior = bounded_prior()

    def model() -> None:
        z = pyro.sample("z", prior.given())
        pyro.sample("x", PyroNormal(z, 0.5).to_event(1), obs=torch.tensor([3.9, 0.1]))

    chain = MCMC(NUTS(model, max_tree_depth=4), num_samples=60, warmup_steps=40, disable_progbar=True)
    chain.run()
    z = chain.get_samples()["z"]
    assert z.shape == (60, 2)
    assert ((z > 0) & (z < 4)).all()
    assert z[:, 0].mean() > 3
    assert z[:, 1].mean() < 1


def test_automatic_guides_know_the_support():
    prior = bounded_prior()

    def model() -> None:
        with pyro.plate("rows", 3):
            pyro.sample("z", prior.given())

    guide = AutoNormal(model)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    for _ in range(5):
        svi.step()
    z = guide()["z"]
    assert z.shape == (3, 2)
    assert ((z > 0) & (z < 4)).all()


def test_a_distribution_made_before_pyro_says_so():
    code = (
        "from fluvial.core import Normal; p = Normal((1,)).given(); import sys; assert 'pyro' not in sys.modules\n"
        "import pyro; pyro.sample('z', Normal((1,)).given())\n"
        "try: pyro.sample('z', p)\n"
        "except TypeError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "import it first" in out.stdout
