"""The laws that every transform, univariate map, conditioner and density obeys. float64 unless said otherwise."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load, save
from scipy.stats import chisquare
from torch import Tensor

from fluvial.conditioners import Conditioner
from fluvial.core import Density, Flow, Transform
from fluvial.core.randomness import drawing_from


def rows(d: int, n: int = 5, seed: int = 1, scale: float = 1.5) -> Tensor:
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def contexts(c: int, n: int = 5, seed: int = 2) -> Tensor | None:
    return rows(c, n, seed, 1.0) if c else None


def positions(conditioner: Conditioner, x: Tensor) -> list[int]:
    """The positions of x in the order in which they become known."""
    return list(range(x.shape[1])) if conditioner.order is None else conditioner.order.tolist()


def images(shape: tuple[int, ...], n: int = 3, seed: int = 1, scale: float = 1.5) -> Tensor:
    return scale * torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inverts(transform: Transform, x: Tensor, context: Tensor | None, tolerance: float) -> None:
    """Law 1: both round trips return, the two log-dets cancel, shapes are as announced."""
    z, log_det = transform(x, context)
    back, log_det_back = transform.inverse(z, context)
    assert log_det.shape == log_det_back.shape == (len(x),)
    assert tuple(z.shape[1:]) == tuple(transform.output_shape(tuple(x.shape[1:])))
    assert (back - x).abs().max() < tolerance
    assert (log_det + log_det_back).abs().max() < tolerance * 10
    again, _ = transform(back, context)
    assert (again - z).abs().max() < tolerance * 10


def log_det_is_jacobians(transform: Transform, x: Tensor, context: Tensor | None, tolerance: float = 1e-9) -> None:
    """Law 2: log_det equals slogdet of autograd's Jacobian, in both directions."""
    for direction, rows in ((transform.forward, x), (transform.inverse, transform(x, context)[0].detach())):
        for i in range(len(rows)):
            row_context = None if context is None else context[i : i + 1]

            def one(v: Tensor, f=direction, c=row_context) -> Tensor:
                return f(v.unsqueeze(0), c)[0].squeeze(0)

            jacobian = torch.autograd.functional.jacobian(one, rows[i])
            want = torch.linalg.slogdet(jacobian.reshape(rows[i].numel(), -1))[1]
            got = direction(rows[i : i + 1], row_context)[1][0]
            assert abs(want - got) < tolerance * max(1, abs(want)), (direction, want, got)


def integrates_to_one(
    density: Density, context: Tensor | None = None, reach: float = 40.0, tolerance: float = 1e-3
) -> None:
    """Law 3, in one or two dimensions: the integral of the density is 1, given a context too."""
    (d,) = density.event_shape
    points = 40001 if d == 1 else 801
    # sinh spacing: fine around 0, far-reaching tails
    u = torch.linspace(-1, 1, points, dtype=torch.float64)
    bend = 6.0
    axis, weight = reach * torch.sinh(bend * u) / torch.sinh(torch.tensor(bend)), torch.cosh(bend * u)
    weight = weight * reach * bend / torch.sinh(torch.tensor(bend, dtype=torch.float64)) * (u[1] - u[0])
    if d == 1:
        x, w = axis.unsqueeze(1), weight
    else:
        x = torch.cartesian_prod(axis, axis)
        w = torch.outer(weight, weight).flatten()
    with torch.no_grad():
        total = sum(
            (density.log_prob(a, None if context is None else context.expand(len(a), -1)).exp() * b).sum()
            for a, b in zip(x.split(200_000), w.split(200_000))
        )
    assert abs(total - 1) < tolerance, float(total)


def sums_to_one(density: Density, outcomes: Tensor, context: Tensor | None) -> None:
    """Law 3 for discrete values: all outcomes together, and nothing else, given a context (1, C) too."""
    context = None if context is None else context.expand(outcomes.shape[0], -1)
    assert abs(density.log_prob(outcomes, context).exp().sum() - 1) < 1e-12
    for value in (-1.0, 0.5, 7.0):
        rows = outcomes.clone()
        rows[:, 1] = value
        assert (density.log_prob(rows, context) == -torch.inf).all()


def draws_what_it_says(density: Density, outcomes: Tensor, context: Tensor | None, n: int = 4000) -> None:
    """Law 5 for discrete values: frequencies of samples pass a chi-square test against the probabilities."""
    torch.manual_seed(1)
    x = density.sample(n, None if context is None else context.expand(n, -1))
    seen = (x.unsqueeze(1) == outcomes).all(2).sum(0)
    assert seen.sum() == n
    p = density.log_prob(outcomes, None if context is None else context.expand(outcomes.shape[0], -1)).exp()
    order = p.argsort(descending=True)
    # rare outcomes share the cell of the last frequent one
    cell = torch.arange(len(p)).clamp(max=int((p * n > 5).sum()) - 1)
    counts = [torch.zeros(len(p), dtype=p.dtype).index_add(0, cell, v[order]) for v in (seen.double(), n * p.detach())]
    kept = counts[1] > 0
    assert chisquare(counts[0][kept].numpy(), counts[1][kept].numpy()).pvalue > 1e-4


def reads_what_comes_before(conditioner: Conditioner, outcomes: Tensor, context: Tensor | None) -> None:
    """Law 4 for discrete values: another value at one position changes theta at all later ones and nowhere else."""
    rank = torch.tensor(positions(conditioner, outcomes)).argsort()
    context = None if context is None else context.expand(outcomes.shape[0], -1)
    theta = conditioner(outcomes, context)
    for i in range(outcomes.shape[1]):
        others = outcomes.clone()
        others[:, i] = (others[:, i] + 1) % (outcomes[:, i].max() + 1)
        change = (conditioner(others, context) - theta).nan_to_num().abs().amax((0, 1))
        later = (rank > rank[i]) & (outcomes[:, i].max() > 0)
        assert torch.equal(change > 0, later)
    if context is not None:
        change = (conditioner(outcomes, context + 1) - theta).nan_to_num().abs().amax((0, 1))
        assert (change > 0).all()


def is_autoregressive(conditioner: Conditioner, x: Tensor, context: Tensor | None) -> None:
    """Law 4: theta_i reads exactly the positions before i (all of them), and the context reaches every output."""
    order = positions(conditioner, x)
    jacobian = torch.autograd.functional.jacobian(lambda v: conditioner(v, context).sum((0, 1)), x)
    reads = jacobian.abs().sum(1)[order][:, order] > 0  # (output, input) in visiting order
    assert torch.equal(reads, torch.ones_like(reads).tril(-1))
    if context is not None:
        by_context = torch.autograd.functional.jacobian(lambda c: conditioner(x, c).sum((0, 1)), context)
        assert (by_context.abs().sum((1, 2)) > 0).all()


def stepper_equals_forward(
    conditioner: Conditioner, x: Tensor, context: Tensor | None, tolerance: float = 1e-12
) -> None:
    """Law 5: reading one position at a time gives the same theta, with and without gradients."""
    want = conditioner(x, context)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            for step in (conditioner.stepper(x, context), Conditioner.stepper(conditioner, x, context)):
                previous = None
                for i in positions(conditioner, x):
                    torch.testing.assert_close(step(previous), want[:, :, i], rtol=0, atol=tolerance)
                    previous = x[:, i]


def survives_copies(density: Density, x: Tensor, context: Tensor | None, fresh: Density) -> None:
    """Law 6: deepcopy, state dict and file give the same density; evaluating twice changes nothing."""
    want = density.log_prob(x, context)
    torch.testing.assert_close(density.log_prob(x, context), want, rtol=0, atol=0)
    torch.testing.assert_close(copy.deepcopy(density).log_prob(x, context), want, rtol=0, atol=0)
    state = load(save({k: v.contiguous() for k, v in density.state_dict().items()}))
    fresh.load_state_dict(state)
    torch.testing.assert_close(fresh.log_prob(x, context), want, rtol=0, atol=0)
    buffer = io.BytesIO()
    torch.save(density.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    torch.testing.assert_close(fresh.log_prob(x, context), want, rtol=0, atol=0)


def samples_match_log_prob(density: Density, context: Tensor | None, n: int, tolerance: float) -> None:
    """Law 5: the log-density that comes with a sample is the sample's."""
    x, log_p = density.sample_and_log_prob(n, context)
    assert x.shape == (n, *density.event_shape)
    assert torch.isfinite(x).all()
    assert (density.log_prob(x, context) - log_p).abs().max() < tolerance


def draws_come_with_what_log_prob_says(density: Density, context: Tensor | None, n: int = 5) -> None:
    """Law 5 where ``exact`` is False: log p of a draw is what ``log_prob`` says with the same noise; it is finite."""
    with drawing_from(0):
        x, log_p = density.sample_and_log_prob(n, context)
    with drawing_from(0):
        density.sample(n, context)
        assert torch.equal(density.log_prob(x, context), log_p)
    assert x.shape == (n, *density.event_shape)
    assert torch.isfinite(log_p).all()


def bounds_lie_below(density: Density, x: Tensor, context: Tensor | None, times: int = 400) -> None:
    """The mean of a bound lies below the log of its mean weight, which estimates log p, and above -inf."""
    with torch.no_grad(), drawing_from(0):
        many = density.log_prob(x.repeat(times, 1), None if context is None else context.repeat(times, 1))
    many = many.view(times, -1)
    assert torch.isfinite(many).all()
    assert (many.mean(0) < many.logsumexp(0) - torch.tensor(float(times)).log()).all()


def copies_draw_the_same(density: Density, x: Tensor, context: Tensor | None, fresh: Density) -> None:
    """Law 6 for what draws noise: copies and states give the same numbers from the same seed."""
    fresh.load_state_dict(load(save({k: v.contiguous() for k, v in density.state_dict().items()})))
    found = []
    for each in (density, density, copy.deepcopy(density), fresh):
        with drawing_from(0):
            found.append(each.log_prob(x, context))
    assert all(torch.equal(found[0], other) for other in found)


def loss_reaches_every_parameter(loss: Callable[[], Tensor], density: Density) -> None:
    """Law 6 for objectives: a finite gradient of every parameter."""
    grads = torch.autograd.grad(loss(), list(density.parameters()), allow_unused=True)
    unused = [name for (name, _), g in zip(density.named_parameters(), grads) if g is None]
    assert not unused, unused
    assert all(torch.isfinite(g).all() for g in grads)  # pyright: ignore


def gradients_are_right(density: Density, x: Tensor, context: Tensor | None) -> None:
    """Law 6: gradcheck of log_prob with respect to x and to the parameters, and every parameter gets a gradient."""

    def of_x(v: Tensor) -> Tensor:
        return density.log_prob(v, context)

    assert torch.autograd.gradcheck(of_x, (x.clone().requires_grad_(),), atol=1e-5, rtol=1e-4)
    parameters_get_gradients(density, x, context)


def parameters_get_gradients(density: Density, x: Tensor, context: Tensor | None) -> None:
    """Law 6: the gradient with respect to the parameters, along a random direction, and none is left out."""
    params = dict(density.named_parameters())
    grads = torch.autograd.grad(density.log_prob(x, context).sum(), list(params.values()), allow_unused=True)
    unused = [name for name, g in zip(params, grads) if g is None]
    assert not unused, unused
    direction = [
        torch.randn(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(7)) for p in params.values()
    ]
    step = 1e-6

    def moved(t: float) -> Tensor:
        shifted = {k: p + t * v for (k, p), v in zip(params.items(), direction)}
        return torch.func.functional_call(density, shifted, (x, context)).sum()

    numeric = (moved(step) - moved(-step)) / (2 * step)
    exact = sum((g * v).sum() for g, v in zip(grads, direction))
    torch.testing.assert_close(exact, numeric, rtol=1e-4, atol=1e-4)


def refuses(call: Callable[..., object], *arguments: object) -> None:
    """ValueError, and a sentence that says what was expected: no traceback of torch's, no result."""
    with pytest.raises(ValueError, match=r"\S+ \S+ \S+") as caught:
        call(*arguments)
    assert not isinstance(caught.value, UnicodeError)


def _misfits(x: Tensor, any_length: bool = False) -> list[Tensor]:
    """x with its first axis too wide, too narrow, or of the wrong rank; rows of no axis; complex numbers."""
    wrong = [x.unsqueeze(1), x.flatten(1)[:, 0], x.to(torch.complex64), torch.tensor(1.0)]
    if not any_length:
        wrong += [torch.cat((x, x[:, :1]), 1), x[:, :-1]]
    return wrong


def doors_of_densities(density: Density, x: Tensor, context: Tensor | None) -> None:
    """Every public method refuses wrong widths, ranks, rows, contexts and numbers of draws."""
    reads = [density.log_prob, density.forward, density.parts, density.initialize, density.measure]
    draws = [density.sample, density.sample_and_log_prob]
    noise = density.sample(len(x), context)
    if isinstance(density, Flow):
        noise = density.encode(x, context)
        reads.append(density.encode)
        for bad in _misfits(noise):
            refuses(density.decode, bad, context)
    extra = torch.zeros(len(x), 2) if context is None else torch.cat((context, context[:, :1]), 1)
    wrong = [extra] if context is None else [None, extra, context[:, :-1], context[:-1], context.unsqueeze(1)]
    for call in reads:
        for bad in _misfits(x):
            refuses(call, bad, context)
        refuses(call, x.tolist(), context)
        for bad in wrong:
            refuses(call, x, bad)
    for call in draws:
        for n in (-1, 2.5, (4,), "3"):
            refuses(call, n, None if context is None else context[:1])
        for bad in wrong:
            refuses(call, len(x), bad)
    if isinstance(density, Flow):
        for bad in wrong:
            refuses(density.decode, noise, bad)
    refuses(density.of_length, -1)


def doors_of_transforms(
    transform: Transform, x: Tensor, context: Tensor | None, any_width: bool = False, any_rank: bool = False
) -> None:
    """Both directions, and what else takes x, refuse what does not fit, unless a step takes any width or rank."""
    z = transform(x, context)[0]
    reads = [transform.forward, transform.parts, transform.log_mass, transform.initialize, transform.measure]
    for call, value in (*((c, x) for c in reads), (transform.inverse, z)):
        for bad in [] if any_width else _misfits(value)[any_rank:]:
            refuses(call, bad, context)
        for bad in (value.to(torch.complex64), torch.tensor(1.0)):
            refuses(call, bad, context)
        refuses(call, value.tolist(), context)
        if context is not None:
            refuses(call, value, context[:-1])
        if transform.context_features:
            refuses(call, value, None)
            refuses(call, value, torch.cat((context, context[:, :1]), 1))
        if transform.context_features == 0:
            refuses(call, value, torch.zeros(len(value), 2))


def one_context_serves_all_draws(density: Density, context: Tensor) -> None:
    """A context of one row means that row for each draw."""
    for draw in (density.sample, lambda n, c: density.sample_and_log_prob(n, c)[0]):
        drawn = []
        for given in (context[:1], context[:1].expand(4, *context.shape[1:])):
            torch.manual_seed(3)
            drawn.append(draw(4, given))
        assert torch.equal(*drawn)


def rows_keep_their_scores(density: Density, x: Tensor, context: Tensor | None, tolerance: float) -> None:
    """One at a time, by twos or all at once: a row's score is its own, up to rounding."""
    with torch.no_grad():
        want = density.log_prob(x, context)
        for size in (1, 2):
            contexts = [None] * len(x) if context is None else context.split(size)
            got = torch.cat([density.log_prob(a, c) for a, c in zip(x.split(size), contexts)])
            torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


def far_rows_are_impossible_not_nan(density: Density, context: Tensor | None = None) -> None:
    """Numbers at the end of float32, infinities and NaN: -inf or finite, never NaN, nor +inf."""
    far = torch.tensor([3.4e38, -3.4e38, 1e25, -1e25, torch.inf, -torch.inf, torch.nan])
    x = torch.zeros(2 * len(far), *density.event_shape)
    x.flatten(1)[: len(far), 0] = far
    x[len(far) :] = far.view(-1, *[1] * (x.dim() - 1))
    with torch.no_grad():
        given = None if context is None else context[:1].expand(len(x), *context.shape[1:])
        log_p = density.log_prob(x, given)
        assert not log_p.isnan().any()
        assert (log_p < torch.inf).all()
        parts = density.parts(x, given)
        assert parts is None or not parts.isnan().any()


def any_real_dtype_is_read(density: Density, x: Tensor, context: Tensor | None) -> None:
    """Whole numbers, bits and half precision score as the same numbers in float32; float64 as well, up to float32."""
    x = x.round().clamp(0, 1)
    with torch.no_grad():
        want = density.log_prob(x, context)
        for dtype in (torch.int64, torch.uint8, torch.bool, torch.float16, torch.bfloat16, torch.float64):
            given = None if context is None else context.double()
            torch.testing.assert_close(density.log_prob(x.to(dtype), given).float(), want, rtol=1e-3, atol=1e-3)


def half_models_work_both_ways(density: Density, x: Tensor, context: Tensor | None) -> None:
    """A model in half precision scores and draws; so rough numbers are near the right ones."""
    for dtype in (torch.float16, torch.bfloat16):
        half = copy.deepcopy(density).to(dtype)
        with torch.no_grad():
            assert half.log_prob(x, context).shape == (len(x),)
            drawn = half.sample(len(x), context)
            assert half.log_prob(drawn, context).shape == (len(x),)
            assert drawn.shape == x.shape
