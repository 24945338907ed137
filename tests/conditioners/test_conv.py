"""Convolutional conditioners against their papers' formulas, and their one initialisation."""

from __future__ import annotations

import copy

import pytest
import torch
import zoo
from torch.nn import functional as F

from fluvial.conditioners import ConvNet, GatedConvNet, ResidualConvNet, ScaledConv, frugal
from fluvial.core import initializing
from fluvial.transforms import Coupling, checkerboard_mask
from fluvial.univariate import Affine


def images(n: int = 16, channels: int = 3) -> torch.Tensor:
    return 2 + 3 * torch.randn(n, channels, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("border", [False, True])
def test_a_scaled_convolution_is_a_convolution_and_an_actnorm(factor: float, border: bool):
    torch.manual_seed(0)
    layer, x = zoo.randomized(ScaledConv(3, 4, 3, factor, border=border), scale=0.2), images()
    padded = F.pad(x, [1] * 4)
    if border:  # one more channel: 1 where the image is padded
        outside = 1 - F.pad(torch.ones_like(x[:, :1]), [1] * 4)
        plain = F.conv2d(torch.cat((padded, outside), 1), torch.cat((layer.weight, layer.border), 1))
    else:
        plain = F.conv2d(padded, layer.weight)
    want = (plain + layer.bias[:, None, None]) * torch.exp(factor * layer.log_gain)[:, None, None]
    torch.testing.assert_close(layer(x), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_initialisation_normalises_every_hidden_layer_once(factor: float):
    torch.manual_seed(0)
    net, x = ConvNet(3, (2, 3), 8, factor=factor, border=True), images()
    outputs = {}
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda _m, _i, out, name=name: outputs.update({name: out.clone()}))
    before = net(x)
    assert not any(bool(m.initialized) for m in (net.first, net.middle))
    with initializing(net):
        net(x)
    for name in ("first", "middle"):
        assert outputs[name].mean((0, 2, 3)).abs().max() < 1e-5
        assert (outputs[name].var((0, 2, 3), correction=0) - 1).abs().max() < 1e-3
    assert torch.equal(net(x), before)  # the last layer is 0 all the same
    state = copy.deepcopy(net.state_dict())
    fresh = ConvNet(3, (2, 3), 8, factor=factor, border=True)
    fresh.load_state_dict(state)
    for twin in (net, copy.deepcopy(net), fresh):
        with initializing(twin):
            twin(9 * x)
        assert all(torch.equal(v, state[k]) for k, v in twin.state_dict().items())


def test_initialisation_reaches_networks_through_their_coupling():
    step = Coupling(ConvNet(2, (2, 1), 8), Affine(), torch.tensor([True, True, False]))
    step.initialize(images())
    assert bool(step.conditioner.first.initialized)  # pyright: ignore
    assert bool(step.conditioner.middle.initialized)  # pyright: ignore
    assert not step.conditioner.first.listening  # pyright: ignore


@pytest.mark.parametrize("x", [torch.ones(4, 3, 2, 2), torch.ones(1, 3, 1, 1)], ids=["constant", "one pixel"])
def test_initialisation_survives_inputs_without_variance(x: torch.Tensor):
    net = ConvNet(3, (2, 3), 8)
    with initializing(net):
        assert torch.isfinite(net(x)).all()


def test_sizes_of_glows_network():
    """3x3 of C/2 + 1 channels, 1x1, 3x3, with the border's channel, and per output a bias and a gain."""
    net = ConvNet(6, (2, 6), 512, border=True)
    want = 9 * 7 * 512 + 512 * 512 + 9 * 513 * 12 + 2 * (512 + 512 + 12)
    assert sum(p.numel() for p in net.parameters()) == want


def test_realnvps_scale_is_bounded_by_one_learned_number():
    torch.manual_seed(0)
    mask = checkerboard_mask(6, 5, 0)
    net, x = ResidualConvNet(3, 3, 8, 2, mask), images()
    assert net(x)[:, 1].abs().max() == 0  # a checkerboard starts volume-preserving ...
    assert net(x)[:, 0].abs().max() > 0  # ... and not at the identity
    channels = ResidualConvNet(3, 3, 8, 2)
    assert 0 < channels(x)[:, 1].abs().max() <= 1
    with torch.no_grad():
        channels.bound.fill_(0.3)
    assert channels(1000 * x)[:, 1].abs().max() <= 0.3


def test_realnvps_network_sees_its_input_both_ways_and_the_mask():
    net = ResidualConvNet(3, 3, 8, 1, checkerboard_mask(6, 5, 0)).eval()
    seen = []
    net.first.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    x = images(1)
    net(x)
    h = 2 * net.norm(x)
    torch.testing.assert_close(seen[0], torch.relu(torch.cat((h, -h, checkerboard_mask(6, 5, 0)[None].float()), 1)))


def test_weight_norm_does_not_see_the_direction_s_length():
    net, x = zoo.randomized(ResidualConvNet(3, 3, 8, 1)).eval(), images()
    want = net(x)
    with torch.no_grad():
        net.first.direction.mul_(5.0)
    torch.testing.assert_close(net(x), want)


@pytest.mark.parametrize("heads", [0, 2])
def test_gated_networks(heads: int):
    """Identity at the start; with attention every pixel reads every pixel, without it only near ones."""
    torch.manual_seed(0)
    net, x = GatedConvNet((3, 6, 5), (2, 3), 8, 1, heads), images(2)
    assert net(x).abs().max() == 0
    net = zoo.randomized(net).double()
    x = x.double().requires_grad_()
    (gradient,) = torch.autograd.grad(net(x)[0, :, :, 0, 0].sum(), x)
    reads = gradient[0].abs().sum(0) > 0
    assert bool(reads[:4, :4].all())
    assert bool(reads[-1, -1]) == (heads > 0)
    assert gradient[1].abs().max() == 0  # and none of another image


def test_a_context_may_be_a_vector_or_an_image():
    net, x = zoo.randomized(ConvNet(3, (2, 3), 8, context=2)), images(2)
    context = torch.randn(2, 2)
    whole = context[:, :, None, None].expand(2, 2, 6, 5)
    torch.testing.assert_close(net(x, context), net(x, whole))
    assert (net(x, context) - net(x, -context)).abs().max() > 1e-3


def test_widths_that_do_not_fit_get_a_sentence():
    with pytest.raises(ValueError, match="multiple of the 4 heads, got 10"):
        GatedConvNet((3, 4, 4), (2, 3), 10, 1, 4)


def test_large_batches_are_initialised_in_parts():
    """What fits in memory sets the layers; the rest passes through the layers so set."""
    torch.manual_seed(0)
    step, largest = Coupling(ConvNet(2, (2, 1), 8), Affine(), torch.tensor([True, True, False])), []
    step.conditioner.register_forward_hook(lambda _m, inputs, _o: largest.append(inputs[0].shape[0]))
    x = torch.randn(6000, 3, 6, 5) + torch.arange(6000.0).view(-1, 1, 1, 1) / 3000
    z = step.initialize(x)
    assert z.shape == x.shape
    assert len(largest) == 3
    torch.testing.assert_close(z, step(x)[0])


@pytest.mark.parametrize("width", [4, 16])
def test_gradients_of_the_frugal_convolutions_are_those_of_the_plain_ones(width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frugal, "_WORTH", 0)
    torch.manual_seed(0)
    net = zoo.randomized(ConvNet(2, (2, 3), width)).double()
    x = torch.randn(3, 2, 5, 4, dtype=torch.float64, requires_grad=True)

    def plain(x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(net.middle(torch.relu(net.first(x))))
        return net.last(h).unflatten(1, net.out)

    weights_and_biases = list(net.parameters())
    weights = torch.randn(3, 2, 3, 5, 4, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((f(x) * weights).sum(), [x, *weights_and_biases]) for f in (net, plain))
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)
    if width == 4:
        assert torch.autograd.gradgradcheck(net, x)


def test_the_wide_first_layer_is_not_kept():
    net, x = ConvNet(2, (2, 3), 32), torch.randn(128, 2, 8, 8)
    kept: dict[int, int] = {}

    def note(t: torch.Tensor) -> torch.Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        y = net(x)
    wide = [n for n in kept.values() if n >= 4 * 128 * 32 * 64]
    assert len(wide) == 1
    assert y.requires_grad
