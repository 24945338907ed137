"""Sentences for structures that cannot be, and walking an autoregressive step."""

from __future__ import annotations

import contract
import pytest
import torch
import zoo
from zoo import CONTEXT, randomized

from fluvial.conditioners import MaskedMLP
from fluvial.core import Inverse
from fluvial.transforms import Autoregressive, Coupling, Dequantize, Logit, Permute, Softplus, Standardize
from fluvial.univariate import Affine, RQSpline, TanhScale


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Coupling(torch.nn.Identity(), Affine(), torch.tensor([True, True])), "entries to keep"),
        (lambda: Permute(torch.tensor([0, 0])), "permutation of 0..1"),
        (lambda: Standardize(torch.zeros(2), torch.tensor([1.0, 0.0])), "must be positive"),
        (lambda: Logit(1.0, 1.0), "lower must be less than upper"),
        (lambda: Logit(alpha=0.5), "alpha"),
        (lambda: Softplus(curve=0.0), "curve"),
        (lambda: Dequantize(0.0), "step"),
        (lambda: Inverse(Dequantize()), "only a bijective transform"),
        (lambda: RQSpline(bins=1), "2 to 500"),
        (lambda: RQSpline(bound=0.0), "bound"),
        (lambda: TanhScale(0.0), "positive"),
        (lambda: MaskedMLP(3, 2, hidden=()), "at least one unit"),
        (lambda: MaskedMLP(3, 2, order=[0, 0, 1]), "permutation of 0..2"),
        (lambda: MaskedMLP(3, 2, hidden=(4, 5), residual=True), "one width"),
        (lambda: zoo.COUPLINGS["coupling-uneven"](5, 0).output_shape((4,)), "mask has 5 entries"),
    ],
)
def test_mistakes_get_sentences(build, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        build()


def test_walking_yields_positions_in_order():
    order = [2, 0, 1]
    step = zoo.randomized(Autoregressive(MaskedMLP(3, 2, (8,), order=order), Affine())).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    z, log_det = step(x)
    walked = list(step.walk(z))
    for (value, _), i in zip(walked, order):
        torch.testing.assert_close(value, x[:, i])
    torch.testing.assert_close(sum(part for _, part in walked), -log_det)
    assert step.parts(x) is None  # its positions do not follow the event's order


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", ["autoregressive-spline", "coupling-affine"])
def test_many_rows_at_a_time_without_gradients_change_nothing(name: str, c: int):
    transform = randomized({**zoo.TRANSFORMS, **zoo.COUPLINGS}[name](4, c)).double()
    x, context = contract.rows(4, 2500), contract.contexts(c, 2500)
    want = transform(x, context)
    with torch.no_grad():
        got = transform(x, context)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b)


EVERY = {**zoo.TRANSFORMS, **zoo.COUPLINGS, **zoo.IMAGE_TRANSFORMS}


@pytest.mark.parametrize("c", [0, CONTEXT])
@pytest.mark.parametrize("name", EVERY)
@torch.no_grad()
def test_a_row_does_not_depend_on_its_neighbours(name: str, c: int):
    """In evaluation, both ways: log p of a row would else be no function of it, and no log-det would be right."""
    shape = (4, 4, 4) if name in zoo.IMAGE_TRANSFORMS else 4
    transform = randomized(EVERY[name](shape, c)).double().eval()  # pyright: ignore[reportArgumentType]
    x = contract.images((4, 4, 4), 4) if name in zoo.IMAGE_TRANSFORMS else contract.rows(4, 4)
    x, context = x.tanh(), contract.contexts(c, 4)
    z = transform(x, context)[0]
    for direction, values in ((transform.forward, x), (transform.inverse, z)):
        together = direction(values, context)
        for i in range(4):
            alone = direction(values[i : i + 1], None if context is None else context[i : i + 1])
            for a, b in zip(alone, together):
                torch.testing.assert_close(a[0], b[i], rtol=1e-6, atol=1e-6)  # steep inverses magnify rounding
