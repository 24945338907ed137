"""VAEs against truths that can be integrated: two latent variables, a few cells."""

from __future__ import annotations

import contract
import pytest
import tiny
import torch
import zoo
from torch import Tensor

from fluvial.core import Density, Flow, Inverse, Normal, UsageError
from fluvial.core.randomness import drawing_from
from fluvial.models import maf
from fluvial.models.likelihoods import CellLikelihood, Features, bits, grey_levels
from fluvial.models.posteriors import diagonal, posterior, through
from fluvial.models.vae import VAE, prior_estimate
from fluvial.transforms import Autoregressive
from fluvial.transforms.laws import Laws

BITS = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
POSTERIORS = {
    "diagonal": lambda: diagonal(2, 8),
    "iaf-gated": lambda: posterior(2, 8, transforms=2, hidden=(16,)),
    "iaf-affine": lambda: posterior(2, 8, transforms=2, hidden=(16,), gated=False),
    "any flow": lambda: through(diagonal(2, 8), zoo.recipe("realnvp", 2, 8)),
}


def vae(name: str, likelihood: Density | None = None, prior: Density | None = None, encoder=None, **options) -> VAE:
    with drawing_from(1, lend=True):
        model = VAE(
            prior or Normal((2,)),
            likelihood or bits((3,), 2, (16,), "tanh"),
            POSTERIORS[name](),
            encoder or Features((3,), (8,), activation="tanh"),
            **options,
        )
    zoo.randomized(model, scale=0.2)  # posteriors much narrower than the truth have weights without a variance
    zoo.randomized(model.likelihood, scale=0.8)
    return model.double().eval()


def cells(**options) -> VAE:
    laws = Laws(tiny.LAWS, 3)
    return vae("iaf-gated", CellLikelihood(laws, 2, (16,), "tanh"), encoder=Features((3,), (8,), laws=laws), **options)


def truth(model: VAE, x: Tensor) -> Tensor:
    """log p(x) of each row by quadrature over two latent variables."""
    axis = torch.linspace(-8, 8, 81, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    weight = model.prior.log_prob(z) + 2 * (axis[1] - axis[0]).log()
    with torch.no_grad():
        return torch.stack(
            [(model.likelihood.log_prob(row.expand(len(z), -1), z) + weight).logsumexp(0) for row in x.double()]
        )


def estimates(model: VAE, x: Tensor, samples: int, times: int = 400) -> Tensor:
    """``times`` estimates of the bound of each row, (times, B)."""
    with torch.no_grad(), drawing_from(0):
        return model.log_prob(x.double().repeat(times, 1), samples=samples).view(times, -1)


@pytest.mark.parametrize("name", POSTERIORS)
def test_the_bound_lies_below_the_truth_and_grows_towards_it(name: str):
    model = vae(name)
    want, means = truth(model, BITS), []
    assert abs(want.exp().sum() - 1) < 1e-3
    for samples in (1, 4, 16):
        found = estimates(model, BITS, samples)
        error = found.std(0) / len(found) ** 0.5
        assert (found.mean(0) < want + 4 * error).all()
        means.append(found.mean())
    assert means[0] < means[1] < means[2] < want.mean()


@pytest.mark.parametrize("name", POSTERIORS)
def test_importance_weights_and_prior_draws_give_the_truth(name: str):
    model = vae(name)
    want = truth(model, BITS)
    weights = estimates(model, BITS, 1, 20_000).exp()
    error = weights.std(0) / len(weights) ** 0.5
    assert ((weights.mean(0) - want.exp()).abs() < 4.5 * error).all()
    assert abs(weights.mean(0).sum() - 1) < 4.5 * error.square().sum().sqrt()
    simple = prior_estimate(model, BITS.double().repeat(50, 1), 200).view(50, -1)
    assert ((simple.logsumexp(0) - torch.tensor(50.0).log() - want).abs() < 0.05).all()


def test_cells_of_a_table_as_they_are_sum_to_one():
    model, x = cells(), tiny.cells()
    want = truth(model, x)
    assert abs(want.exp().sum() - 1) < 1e-3
    found = estimates(model, x, 50, 20)
    assert (found.mean(0) < want + 4 * found.std(0) / 20**0.5).all()
    assert abs(found.exp().mean(0).sum() - 1) < 0.02
    with drawing_from(0):
        drawn = model.sample(4000)
    share = ((drawn.nan_to_num(nan=9.0).unsqueeze(1) == x.nan_to_num(nan=9.0)).all(2)).double().mean(0)
    assert abs(share.sum() - 1) < 1e-12
    assert (share - want.exp()).abs().max() < 0.04


def test_grey_levels_sum_to_one():
    model = vae("diagonal", grey_levels((1,), 2, (8,), levels=16), encoder=Features((1,), (8,)))
    assert abs(truth(model, torch.arange(16.0).unsqueeze(1)).exp().sum() - 1) < 1e-3
    assert model.reconstruct(torch.arange(16.0).unsqueeze(1)).shape == (16, 1)


def test_a_prior_may_be_a_flow():
    model = vae("iaf-gated", prior=maf((2,), transforms=2, hidden=(8,)))
    weights = estimates(model, BITS, 1, 4000).exp()
    error = weights.std(0) / len(weights) ** 0.5
    assert ((weights.mean(0) - truth(model, BITS).exp()).abs() < 4.5 * error).all()


def test_a_context_reaches_all_parts():
    with drawing_from(1, lend=True):
        model = VAE(Normal((2,)), bits((3,), 5, (16,)), diagonal(2, 8), Features((3,), (8,), 3), context_shape=(3,))
    model = zoo.randomized(model).double().eval()
    x, context = BITS[:5].double(), contract.contexts(3)
    contract.doors_of_densities(model, x, context)
    with drawing_from(0):
        first = model.log_prob(x, context)
    with drawing_from(0):
        assert (first - model.log_prob(x, context + 1)).abs().min() > 1e-6
    assert model.decode(model.encode(x, context), context).shape == x.shape


def test_the_posterior_is_maf_read_backwards():
    flow = posterior(3, 4, transforms=1, gated=False)
    (step,) = flow.transform  # pyright: ignore
    assert isinstance(step, Inverse)
    assert isinstance(step.transform, Autoregressive)
    assert type(step.transform) is type(maf((3,), transforms=1).transform[0])  # pyright: ignore
    flow = zoo.randomized(flow).double()
    z, h = contract.rows(3), contract.contexts(4)
    for a, b in zip(step.inverse(z, h), step.transform(z, h)):
        assert torch.equal(a, b)


@pytest.mark.parametrize("seed", range(3))
def test_iaf_is_at_least_as_tight_as_the_diagonal(seed: int):
    """The same likelihood, of a bent ridge, kept fixed: only posteriors are fitted, with the same steps."""
    with drawing_from(seed, lend=True):
        likelihood = zoo.randomized(bits((6,), 2, (16,), "tanh"), seed, 4.0)
        x = likelihood.sample(256, Normal((2,)).sample(256)).detach()
    bounds = []
    for transforms in (0, 2):
        with drawing_from(seed, lend=True):
            q = posterior(2, 32, transforms=transforms, hidden=(32,))
            model = VAE(Normal((2,)), likelihood.requires_grad_(False), q, Features((6,), (32,), activation="elu"))
            optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 5e-3)
            for _ in range(200):
                optimizer.zero_grad()
                (-model.bound(x)).backward()
                optimizer.step()
            with torch.no_grad():
                bounds.append(model.log_prob(x.repeat(40, 1)).mean())
    assert bounds[1] > bounds[0]


def test_free_bits_leave_a_small_divergence_alone():
    model = vae("diagonal", free_bits=50.0)
    gradients = torch.autograd.grad(model.bound(BITS.double()), list(model.posterior.parameters()), allow_unused=True)
    with drawing_from(0):
        free = model.bound(BITS.double())
    model.free_bits = 0.0
    with drawing_from(0):
        assert free < model.bound(BITS.double())
    assert all(g is not None for g in gradients)  # the reconstruction still teaches them


def test_latent_variables_and_back():
    model = cells()
    x = tiny.cells()[:6]
    z = model.encode(x)
    assert z.shape == (6, 2)
    assert torch.equal(model.encode(x), z)
    path = model.interpolate(x[:2], x[4:], 5)
    assert path.shape == (5, 2, 3)
    same = torch.nan_to_num(path[0], nan=9.0) == torch.nan_to_num(model.reconstruct(x[:2]), nan=9.0)
    assert same.all()
    with pytest.raises(UsageError, match="at least 2, got 1"):
        model.interpolate(x[:2], x[4:], 1)


def test_gradients_reach_every_parameter():
    model = cells()
    grads = torch.autograd.grad(model.bound(tiny.cells()), list(model.parameters()), allow_unused=True)
    assert all(g is not None for g in grads)
    assert all(torch.isfinite(g).all() for g in grads)  # pyright: ignore


def test_parts_that_do_not_fit_get_sentences():
    with pytest.raises(ValueError, match="prior is over"):
        VAE(Normal((3,)), bits((3,), 2), diagonal(2, 8), Features((3,), (8,)))
    with pytest.raises(ValueError, match="likelihood reads 4 numbers"):
        VAE(Normal((2,)), bits((3,), 4), diagonal(2, 8), Features((3,), (8,)))
    with pytest.raises(ValueError, match="carry no gradients"):
        VAE(Normal((3,)), bits((3,), 3), Flow(zoo.HEADS["codes"](3, 0), zoo.recipe("made", 3), (3,)), Features((3,)))
    with pytest.raises(UsageError, match="at least 1 draw"):
        vae("diagonal").log_prob(BITS, samples=0)
