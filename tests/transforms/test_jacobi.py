"""The inverse by passes over all positions: the walk's numbers, in as many passes as said."""

import pytest
import torch
import zoo
from contract import rows
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import randomized

from fluvial.conditioners import MaskedMLP
from fluvial.models import nsf
from fluvial.transforms import Autoregressive, Jacobi
from fluvial.univariate import Affine, ExpScale, RQSpline


def steep(d: int, univariate=None, **options) -> Autoregressive:
    univariate = univariate or Affine()
    net = MaskedMLP(d, univariate.size, (16, 16), activation="tanh", **options)
    return Autoregressive(randomized(net, scale=1.5), univariate).double().eval()


@settings(max_examples=15, deadline=None)
@given(d=st.integers(1, 17), seed=st.integers(0, 10**6), spline=st.booleans(), turned=st.booleans())
def test_with_no_tolerance_it_is_the_walk(d, seed, spline, turned):
    order = torch.randperm(d, generator=torch.Generator().manual_seed(seed)).tolist() if turned else None
    transform, z = steep(d, RQSpline() if spline else None, order=order), rows(d, 6, seed)
    with torch.no_grad():
        want = transform._walked(z, None)
        transform.solver = Jacobi(0.0)
        got = transform.inverse(z)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert 1 <= transform.passes <= d + 1


@pytest.mark.parametrize("name", [n for n in zoo.TRANSFORMS if n.startswith("autoregressive")])
def test_every_autoregressive_transform(name):
    transform = randomized(zoo.TRANSFORMS[name](6, zoo.CONTEXT)).double().eval()
    z, context = rows(6), rows(zoo.CONTEXT, seed=2)
    if "circular" in name:
        z = (z + 3) % 6 - 3
    with torch.no_grad():
        want = transform.inverse(z, context)
        transform.solver = Jacobi(1e-12)
        got = transform.inverse(z, context)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_passes_are_as_few_as_the_dependencies_are_weak():
    torch.manual_seed(0)
    z = torch.randn(50, 64, dtype=torch.float64)
    passes = []
    for scale in (0.0, 0.1, 0.6):
        net = randomized(MaskedMLP(64, 2, (64, 64)), scale=scale)
        transform = Autoregressive(net, Affine()).double().eval()
        transform.solver = Jacobi(1e-9)
        with torch.no_grad():
            x, _ = transform.inverse(z)
            torch.testing.assert_close(transform(x)[0], z, rtol=1e-6, atol=1e-6)
        passes.append(transform.passes)
    assert passes[0] <= 2 < passes[1] < passes[2] < 65


def test_too_few_passes_are_a_sentence():
    transform = steep(12)
    transform.solver = Jacobi(0.0, most=2)
    with (
        torch.no_grad(),
        pytest.raises(RuntimeError, match=r"not found in 2 passes.*; allow more passes, 13 are always"),
    ):
        transform.inverse(rows(12))


def test_guesses_out_of_range_do_no_harm():
    transform = steep(9, Affine(ExpScale()))
    transform.conditioner.last.weight.data *= 200
    z = 0.1 * rows(9, 20)
    with torch.no_grad():
        want = transform.inverse(z)[0]
        transform.solver = Jacobi(0.0)
        fine = torch.isfinite(want).all(1)
        got = transform.inverse(z[fine])[0]
    assert fine.any()
    torch.testing.assert_close(got, want[fine], rtol=1e-6, atol=1e-6)


def test_a_guess_that_overflowed_does_not_reach_what_comes_before():
    """Masked products multiply it by 0, and 0 * inf is not a number: the solution is there all the same."""

    def invert(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first = z[:, 0] + 0.0 * x[:, 1]
        log_scale = 1000 * (1 - x[:, 0])  # of the first guess, 0, more than any number holds
        return torch.stack((first, z[:, 1] * log_scale.exp()), 1), torch.stack((0 * first, log_scale), 1)

    z = torch.tensor([[1.0, 3.0], [1.001, -2.0]], dtype=torch.float64)
    x, log_det, passes = Jacobi(0.0).solve(invert, z)
    assert passes <= 3
    torch.testing.assert_close(x, torch.stack((z[:, 0], z[:, 1] * (1000 * (1 - z[:, 0])).exp()), 1))
    torch.testing.assert_close(log_det, 1000 * (1 - z[:, 0]))


def test_where_a_gradient_is_wanted_the_walk_is_taken():
    transform, z = steep(5), rows(5).requires_grad_()
    want = torch.autograd.grad(transform.inverse(z)[0].sum(), z)[0]
    transform.solver = Jacobi()
    torch.testing.assert_close(torch.autograd.grad(transform.inverse(z)[0].sum(), z)[0], want)
    assert transform.passes is None


def test_a_flow_samples_with_it():
    flow = randomized(nsf((6,), transforms=2, hidden=(16, 16))).double().eval()
    z = rows(6, 30)
    with torch.no_grad():
        want = flow.decode(z)
        for m in flow.modules():
            if isinstance(m, Autoregressive):
                m.solver = Jacobi(1e-10)
        torch.testing.assert_close(flow.decode(z), want, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("options", "part"), [({"tolerance": -1.0}, "at least 0"), ({"most": 0}, "at least one pass")])
def test_wrong_numbers_get_sentences(options, part):
    with pytest.raises(ValueError, match=part):
        Jacobi(**options)
