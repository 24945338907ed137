"""Squeezes, masks and scales: where each pixel goes, and sentences for shapes that cannot be."""

from __future__ import annotations

import pytest
import torch
import zoo

from fluvial.core import Chain, Flow, Inverse, Normal
from fluvial.transforms import (
    ActNorm,
    Checkerboard,
    Coupling,
    FactorOut,
    Flatten,
    ImageBatchNorm,
    MaskedCoupling,
    OrderedSqueeze,
    Reverse,
    Squeeze,
    checkerboard_mask,
)
from fluvial.univariate import Affine, Shift


def numbered(channels: int, height: int, width: int) -> torch.Tensor:
    """One image whose pixels are their own row-major numbers."""
    return torch.arange(float(channels * height * width)).view(1, channels, height, width)


def test_squeeze_is_channel_major_then_position():
    z, log_det = Squeeze()(numbered(2, 2, 4))
    assert z[0, :, 0, 0].tolist() == [0, 1, 4, 5, 8, 9, 12, 13]
    assert log_det.tolist() == [0]


def test_half_of_an_ordered_squeeze_is_a_checkerboard():
    x = numbered(3, 4, 6)
    z, _ = OrderedSqueeze()(x)
    even = checkerboard_mask(4, 6, 0).expand(3, -1, -1)
    assert set(z[0, :6].flatten().tolist()) == set(x[0][even].tolist())
    assert z[0, :3, 0, 0].tolist() == [0, 24, 48]  # position by position, all channels of each


def test_a_checkerboard_puts_even_pixels_first():
    x = numbered(2, 3, 4)
    z, _ = Checkerboard()(x)
    even = checkerboard_mask(3, 4, 0).expand(2, -1, -1)
    assert z[0, :2].flatten().tolist() == x[0][even].tolist()
    assert z[0, 2:].flatten().tolist() == x[0][~even].tolist()


@pytest.mark.parametrize(("height", "width"), [(3, 5), (4, 4), (1, 2), (5, 1)])
def test_checkerboards_alternate_and_complement(height: int, width: int):
    even, odd = checkerboard_mask(height, width, 0), checkerboard_mask(height, width, 1)
    assert torch.equal(even, ~odd)
    assert bool(even[0, 0, 0])
    if width > 1:
        assert (even[..., 1:] != even[..., :-1]).all()
    if height > 1:
        assert (even[:, 1:] != even[:, :-1]).all()


def test_what_a_masked_coupling_keeps_and_sees():
    seen = []

    class Net(torch.nn.Module):
        def forward(self, x, context):
            seen.append(x)
            return torch.stack((x.sum((1, 2, 3), keepdim=True).expand_as(x), torch.ones_like(x)), 1)

    mask = checkerboard_mask(3, 3, 0)
    x = 1 + numbered(2, 3, 3)
    z, log_det = MaskedCoupling(Net(), Affine(), mask)(x)
    assert torch.equal(z[0][mask.expand(2, 3, 3)], x[0][mask.expand(2, 3, 3)])
    assert torch.equal(seen[0], x * mask)
    moved = (z - x)[0][~mask.expand(2, 3, 3)]
    assert moved.abs().min() > 0
    assert abs(log_det.item()) == pytest.approx(moved.numel() * 3 * torch.tanh(torch.tensor(1 / 3)).item())


def test_every_pixel_depends_on_every_pixel_after_a_few_couplings():
    """Masks complement each other: a dense Jacobian, and every number changed."""
    shape = (1, 3, 3)
    steps = [zoo.randomized(zoo._board(shape, 0, Affine(), i), i) for i in range(3)]
    chain = Chain(*steps).double()
    x = numbered(*shape).double() / 9
    jacobian = torch.autograd.functional.jacobian(lambda v: chain(v)[0], x).view(9, 9)
    assert (jacobian.abs() > 1e-12).all()
    assert ((chain(x)[0] - x).abs() > 1e-9).all()


def test_no_latent_gets_lost():
    shape = (4, 2, 2)
    inner = (2, 2, 2)
    step = FactorOut(shape, Chain(ActNorm(inner), Flatten(inner)))
    x = numbered(*shape)
    z, _ = step(x)
    assert sorted(z[0].tolist()) == x.flatten().tolist()
    assert z[0, :8].tolist() == x[0, 2:].flatten().tolist()  # what is finished comes first
    assert torch.equal(step.inverse(z)[0], x)


def test_inner_actnorms_and_statistics_are_reached():
    shape = (4, 2, 2)
    inner = (2, 2, 2)
    step = FactorOut(shape, Chain(ActNorm(inner), ImageBatchNorm(inner), Flatten(inner)))
    x = 5 + 3 * torch.randn(50, *shape)
    z = step.initialize(x).view(50, 4, 4)
    assert z[:, 2:].mean((0, 2)).abs().max() < 1e-5
    norm = step.inner.transforms[1]  # pyright: ignore
    step.measure(2 * x)
    torch.testing.assert_close(norm.variance.flatten(), torch.full((2,), 4.0), rtol=1e-4, atol=1e-4)


def test_realnvp_without_scales_is_nice():
    """s = 0 leaves additive couplings: the same images, log-dets of 0."""
    torch.manual_seed(0)
    mask = torch.arange(4) < 2
    net = zoo.randomized(zoo.ConvNet(2, (1, 2), 8))

    class WithoutScale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x, context):
            t = self.net(x, context)
            return torch.cat((t, torch.zeros_like(t)), 1)

    affine, shift = Coupling(WithoutScale(), Affine(), mask), Coupling(net, Shift(), mask)
    x = torch.randn(3, 4, 5, 5)
    for a, b in zip(affine(x), shift(x)):
        torch.testing.assert_close(a, b)
    assert affine(x)[1].abs().max() == 0


@pytest.mark.parametrize("zeros_count", [False, True])
def test_image_batchnorm_follows_the_batch_and_then_its_average(zeros_count: bool):
    torch.manual_seed(0)
    kept = checkerboard_mask(4, 4, 0)
    norm = ImageBatchNorm((2, 4, 4), kept, zeros_count)
    x = 3 + 2 * torch.randn(40, 2, 4, 4)
    moved = x[:, :, ~kept[0]]  # (40, 2, 8)
    z, log_det = norm.train()(x)
    assert torch.equal(z[:, :, kept[0]], x[:, :, kept[0]])
    if zeros_count:  # the released code: half of the numbers are zeros
        all_ = x * ~kept
        mean, variance = all_.mean((0, 2, 3)), all_.var((0, 2, 3), correction=0)
    else:
        mean, variance = moved.mean((0, 2)), moved.var((0, 2), correction=0)
        assert z[:, :, ~kept[0]].mean((0, 2)).abs().max() < 1e-5
        assert (z[:, :, ~kept[0]].var((0, 2), correction=0) - 1).abs().max() < 1e-3
    assert log_det[0].item() == pytest.approx(-0.5 * 8 * (variance + 1e-4).log().sum().item(), rel=1e-4)
    torch.testing.assert_close(norm.mean.flatten(), 0.1 * mean)
    torch.testing.assert_close(norm.variance.flatten(), 0.9 + 0.1 * variance)
    norm.measure(x)  # exact statistics: evaluation equals training on all rows
    for a, b in zip(norm.eval()(x), norm.train()(x)):
        torch.testing.assert_close(a, b)
    with pytest.raises(RuntimeError, match=r"call density.eval\(\) before sampling"):
        norm.train().inverse(z)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Chain(Reverse(), Squeeze()).output_shape((1, 3, 3)), r"1 \(Squeeze\): height and width must be even"),
        (lambda: OrderedSqueeze().output_shape((1, 2, 3)), "must be even, got 2 x 3"),
        (lambda: Checkerboard().output_shape((1, 2, 3)), "the width must be even, got 2 x 3"),
        (lambda: Squeeze().output_shape((4,)), r"shape \(C, H, W\)"),
        (lambda: Flow(Squeeze(), Normal((1, 4, 4)), (1, 4, 4)), r"to \(4, 2, 2\), but the base is a density over"),
        (lambda: Flatten((1, 2, 2)).output_shape((1, 2, 3)), r"expected events of shape \(1, 2, 2\)"),
        (lambda: FactorOut((1, 2, 2), Flatten((1, 2, 2))), "at least 2 channels"),
        (lambda: FactorOut((4, 2, 2), ActNorm((2, 2, 2))), "must end flat"),
        (lambda: FactorOut((4, 2, 2), Flatten((2, 2, 2))).output_shape((4, 4, 4)), "expected events of shape"),
        (lambda: Inverse(Squeeze()).output_shape((6, 2, 2)), "expected a multiple of 4 channels, got 6"),
        (lambda: Inverse(Squeeze(), (1, 4, 4)).output_shape((8, 2, 2)), r"takes events of shape \(4, 2, 2\), got"),
        (lambda: MaskedCoupling(torch.nn.Identity(), Affine(), torch.ones(1, 2, 2).bool()), "got only True"),
        (lambda: zoo._board((2, 4, 4), 0, Affine()).output_shape((2, 4, 5)), r"mask of shape \(1, 4, 4\) does not fit"),
    ],
)  # fmt: skip
def test_mistakes_get_sentences(build, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        build()
