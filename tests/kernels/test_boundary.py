"""What does not fit never reaches native code: each argument of each kernel, wrong in each way, is a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor
from zoo import randomized

from fluvial.conditioners import MaskedMLP, WaveNet, sweeping
from fluvial.kernels import affine, laws, native, sweep, wavenet
from fluvial.kernels.maps import Map
from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law
from fluvial.transforms.laws import Laws

pytestmark = pytest.mark.skipif(not native.active(), reason=native.status())
AFFINE, SPLINE, CLASSES = Map("tanh", 3.0), Map("spline", 5.0, bins=3), Map("categorical")
SPLINE_OPERATOR = torch.ops.fluvial.spline


def wrong(tensor: Tensor) -> Iterator[Tensor]:
    """One more and one less along each axis, an axis more, another dtype."""
    for axis, n in enumerate(tensor.shape):
        yield torch.cat((tensor, tensor.narrow(axis, 0, 1)), axis)
        yield tensor.narrow(axis, 0, n - 1)
    yield tensor.unsqueeze(0)
    yield tensor.half()


def variants(arguments: tuple[object, ...], keep: tuple[int, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The arguments with one tensor of them wrong."""
    for i, argument in enumerate(arguments):
        if isinstance(argument, Tensor) and i not in keep:
            yield from ((*arguments[:i], bad, *arguments[i + 1 :]) for bad in wrong(argument))
        if isinstance(argument, list):
            for nested in variants(tuple(argument)):
                yield (*arguments[:i], list(nested), *arguments[i + 1 :])


def refuses(call: Callable[..., object], *arguments: object, keep: tuple[int, ...] = ()) -> None:
    call(*arguments)  # what is right is not refused
    for bad in variants(arguments, keep):
        if call is SPLINE_OPERATOR and bad[1].shape == (5, 9, 3):  # on a circle
            continue
        with pytest.raises(ValueError, match=r"needs|does not fit"):
            call(*bad)


def masked(univariate: Map, context: int = 0, classes: int = 0, direct: bool = False) -> sweep.Net:
    size = {"tanh": 2, "spline": 8, "categorical": classes}[univariate.kind]
    net = randomized(MaskedMLP(4, size, (6, 6), context, [2, 0, 3, 1], "silu", direct=direct, classes=classes))
    given = torch.randn(5, context) if context else None
    return sweeping._prepare(net, given)  # pyright: ignore


def wave(upsample: int, context: int) -> WaveNet:
    return WaveNet(6, 6, context=context, upsample=upsample, stacks=1, layers=2, channels=4, gates=3, skips=5)


@torch.no_grad()
def test_affine():
    refuses(lambda x, theta: affine.run(AFFINE, x, theta, False), torch.randn(5, 3), torch.randn(5, 2, 3))


def test_spline():
    x, theta = torch.randn(5, 3), torch.randn(5, 8, 3)
    refuses(SPLINE_OPERATOR, x, theta, 3, 5.0, False)
    results = torch.ops.fluvial.spline(x, theta, 3, 5.0, False)
    refuses(lambda *given: torch.ops.fluvial.spline_vjp(x, theta, *given, 3, 5.0, False), *results, x, x)
    with pytest.raises(ValueError, match="bins: a compiled kernel needs 2 to 500, got 501"):
        torch.ops.fluvial.spline(x, torch.randn(5, 1502, 3), 501, 5.0, False)


def test_laws():
    known = Laws([Law((0.0, 1.0), missing=True, labels=True), Law((2.0,), rest=ColumnMap(step=1.0))], 3)
    cells = known.read(torch.tensor([[0.0, 2.0], [1.0, 5.0]]))
    table, theta = known._table, torch.randn(2, sum(known.sizes))
    tensors = (*table[:-1], cells.atom, cells.x, *cells[3:], theta)

    def call(*given: Tensor) -> Tensor:
        described = laws.Table(*given[:8], components=table.components)
        return laws.log_prob(described, laws.Cells(*given[8:14]), given[14], lambda t: t)

    refuses(call, *tensors)
    moved = {"components": 4}, {"masses": table.masses + 1}, {"starts": table.starts + 1}, {"rest": table.rest * 2}
    for change in moved:
        with pytest.raises(ValueError, match="needs"):
            laws.log_prob(table._replace(**change), laws.Cells(*tensors[8:14]), theta, lambda t: t)


@torch.no_grad()
@pytest.mark.parametrize(("univariate", "context", "classes"), [(AFFINE, 0, 0), (SPLINE, 2, 0), (CLASSES, 2, 3)])
@pytest.mark.parametrize("direct", [False, True])
def test_sweep(univariate: Map, context: int, classes: int, direct: bool):
    net, z = masked(univariate, context, classes, direct), torch.rand(5, 4)
    numbers = [int(net.layout.natural), net.activation, 0, sweep.ENCODINGS.index(net.encoding), net.numbers]
    settings = [*numbers, sweep.MAPS.index(univariate.kind), univariate.bins]
    z = z.double() if univariate.staircase else z
    tensors = (z, net.weights, net.biases, net.out, net.out_bias, net.direct, net.layout.order, net.layout.ends)

    def call(*given: object) -> object:
        return torch.ops.fluvial.sweep(*given, settings, univariate.a, univariate.b)

    keep = (0,) if univariate.staircase or not context else ()  # any dtype, any number of rows
    refuses(call, *tensors, keep=keep)
    for bad in (torch.zeros(5, 3), torch.zeros(5), torch.zeros(4, 4) if context else torch.zeros(5, 5)):
        with pytest.raises(ValueError, match="needs"):
            call(bad.to(z.dtype), *tensors[1:])


@torch.no_grad()
def test_sweep_follows_no_index_out_of_memory():
    net, z = masked(AFFINE), torch.zeros(5, 4)
    order, ends = net.layout.order, net.layout.ends
    wrong = [(order + 1, ends), (order * 0, ends), (order, ends + 1), (order, ends - 1), (order, ends.flip(1))]
    for o, e in wrong:
        with pytest.raises(ValueError, match=r"order|ends"):
            sweep.invert(net._replace(layout=sweep.Layout(o, e, False)), AFFINE, z)  # at the latest
    for change in ({"numbers": 2}, {"residual": True}, {"numbers": 0}, {"biases": net.biases[:1]}):
        with pytest.raises(ValueError, match="network"):
            sweep.invert(net._replace(**change), AFFINE, z)
    for univariate in (Map("shift"), Map("spline", 5.0, bins=8), Map("bernoulli"), Map("unknown")):
        with pytest.raises(ValueError, match="theta"):
            sweep.invert(net, univariate, z.double() if univariate.staircase else z)


@torch.no_grad()
def test_gradient_of_the_sweep():
    net, z = masked(AFFINE), torch.randn(5, 4)
    x, log_det, kept = sweep.invert(net, AFFINE, z, keep=True)
    refuses(lambda *tensors: sweep.pull(net, AFFINE, *tensors), z, x, kept, x, log_det)


@torch.no_grad()
@pytest.mark.parametrize(("upsample", "context"), [(0, 0), (0, 2), (2, 2)])
def test_wavenet(monkeypatch: pytest.MonkeyPatch, upsample: int, context: int):
    net, built = wave(upsample, context), []
    monkeypatch.setattr(wavenet, "Generator", lambda *args: built.append(args))
    given = torch.randn(5, 3, context) if upsample else torch.randn(5, context)
    from fluvial.conditioners import generating

    generating._generator(net, torch.zeros(5, 4), given if context else None)
    monkeypatch.undo()
    described, rest, batch, given = built[0]
    generator = wavenet.Generator(described, rest, batch, given)
    names = [f.name for f in fields(described) if isinstance(getattr(described, f.name), Tensor)]
    for name in names:
        for bad in wrong(getattr(described, name)):
            if name == "taps" and bad.shape[1] == 3:  # another kernel
                continue
            with pytest.raises(ValueError, match="needs"):
                wavenet.Generator(replace(described, **{name: bad}), rest, batch, given)
    for bad in ([rest[0][:, 1:], *rest[1:]], rest[1:]):
        with pytest.raises(ValueError, match="needs"):
            wavenet.Generator(described, bad, batch, given)
    for bad in (torch.randn(4, 3, 2), torch.randn(5, 1), None if context else torch.randn(5, 2)):
        with pytest.raises(ValueError, match="needs"):
            wavenet.Generator(described, rest, batch, bad)
    for call in (
        lambda: generator.theta(torch.zeros(4, 1)),
        lambda: generator.theta(torch.zeros(5, 2)),
        lambda: generator.draw(CLASSES, torch.zeros(4, 2, 1)),
        lambda: generator.draw(CLASSES, torch.zeros(5, 2, 2)),
        lambda: generator.draw(CLASSES, torch.zeros(5, 2, 1), torch.zeros(5, 1, 1)),
        lambda: generator.draw(Map("logistics", 4, -7.0, bins=3), torch.zeros(5, 2, 1)),
    ):
        with pytest.raises(ValueError, match="needs"):
            call()
