"""Laws of columns: every kind of cell, each summing to one, read, drawn and found again."""

import math

import pytest
import torch
from torch import Tensor

from fluvial.transforms.columns import ColumnMap
from fluvial.transforms.law import Law
from fluvial.transforms.laws import Laws

NAN = math.nan
LAWS = {
    "labels": Law((0.0, 1.0, 2.0), labels=True),
    "labels, some missing": Law((0.0, 1.0), missing=True, labels=True),
    "labels, some unseen": Law((0.0, 1.0, 2.0), missing=True, labels=True, other=0.05),
    "whole": Law((18.0, 20.0), rest=ColumnMap(step=1.0, lower=0.0, curve=3.0, location=20.0, scale=9.0)),
    "heaped": Law(
        (0.0, 6.0, 12.0, 24.0),
        missing=True,
        rest=ColumnMap(step=1.0, lower=0.0, curve=3.0, location=20.0, scale=9.0),
        rounded=(6.0, 12.0, 24.0),
    ),
    "rounded": Law((0.5,), missing=True, rest=ColumnMap(step=0.005, lower=0.0, upper=1.0, scale=1.5)),
    "spike": Law((0.0,), rest=ColumnMap(lower=0.0, curve=40.0, location=-50.0, scale=150.0)),
    "heavy": Law(missing=True, rest=ColumnMap(curve=2.0, center=1.0, scale=1.3)),
    "calendar": Law(missing=True, rest=ColumnMap(step=1.0, lower=0.0, upper=40.0), periods=(7.0, 3.5, 365.2425)),
    "plain": Law(rest=ColumnMap(location=3.0, scale=2.0)),
    "bounded": Law((0.0, 1.0), rest=ColumnMap(lower=0.0, upper=1.0, location=0.3, scale=1.1)),
}


def theta_of(laws: Laws, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, sum(laws.sizes), dtype=torch.float64, generator=generator)


def cells(law: Law) -> tuple[Tensor, Tensor]:
    """Values that tile all a cell can be, and the width of each: 1 where a value has a probability of its own."""
    single = [*([-1.0] if law.other else []), *law.atoms, *([NAN] if law.missing else [])]
    rest = law.rest
    if rest is None or rest.step is not None:
        step = 1.0 if rest is None or rest.step is None else rest.step
        top = 200_000 if rest is None or rest.upper is None else round(rest.upper / step)
        grid = [] if rest is None else (torch.arange(top + 1).double() / round(1 / step)).tolist()
        values = torch.tensor([*(v for v in single if v != v or rest is None), *grid], dtype=torch.float64)
        return values, torch.where(values.isnan(), 1.0, step)
    t = torch.linspace(-26, 26, 400_001, dtype=torch.float64)
    edges = t.sinh()
    if rest.lower is not None:
        edges = (
            torch.sigmoid(t)
            if rest.upper is not None
            else torch.cat((torch.linspace(-700, -26.01, 100_000).double(), t)).exp()
        )
    values = torch.cat((torch.tensor(single, dtype=torch.float64), (edges[1:] + edges[:-1]) / 2))
    return values, torch.cat((torch.ones(len(single)), edges[1:] - edges[:-1]))


@pytest.mark.parametrize("name", LAWS)
def test_every_cell_together_has_probability_one(name):
    laws = Laws([LAWS[name]], components=3).double()
    values, widths = cells(LAWS[name])
    theta = theta_of(laws, 1)
    log_p = laws.log_prob(laws.read(values.unsqueeze(1)), theta.expand(len(values), -1)).squeeze(1)
    assert (log_p.exp() * widths).sum().item() == pytest.approx(1.0, abs=1e-6)


def some(law: Law) -> Tensor:
    values, _ = cells(law)
    return values[:: max(1, len(values) // 101)].unsqueeze(1)


@pytest.mark.parametrize("name", [name for name in LAWS if not LAWS[name].other])  # others are never drawn
def test_the_staircase_finds_each_cell_again(name):
    laws = Laws([LAWS[name]], components=3).double()
    x = some(LAWS[name])
    theta = theta_of(laws, 1).expand(len(x), -1)
    reading = laws.read(x)
    start, mass = laws.below(reading, theta), laws.mass(reading, theta)
    z = start + mass / 2
    found = laws.quantile(theta, z)
    again = laws.read(found)
    assert torch.equal(found.isnan(), x.isnan())
    assert torch.allclose(laws.below(again, theta) + laws.mass(again, theta) / 2, z, rtol=0, atol=1e-9)
    near = (z > 1e-3) & (z < 1 - 1e-3) & ~x.isnan()  # far out, many values share the digits of one z
    assert torch.allclose(found[near & (x.abs() < 1e3)], x[near & (x.abs() < 1e3)], rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in LAWS if not LAWS[name].other])
def test_draws_have_the_law_s_own_probabilities(name):
    laws = Laws([LAWS[name]], components=3).double()
    n = 40_000
    theta = theta_of(laws, 1).expand(n, -1)
    u = torch.rand(n, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = laws.draw(theta, u)
    start = laws.below(laws.read(x), theta)
    # P(start of a draw's cell <= t) is at least t, and no more than t and the mass of the cell at t
    for t in (0.1, 0.3, 0.5, 0.8):
        at = torch.full((1, 1), t, dtype=torch.float64)
        cell = laws.read(laws.quantile(theta[:1], at))
        up_to = (
            float(laws.below(cell, theta[:1]) + laws.mass(cell, theta[:1])) if float(laws.mass(cell, theta[:1])) else t
        )
        assert float((start < t).double().mean()) == pytest.approx(max(t, up_to), abs=4 * 0.5 / math.sqrt(n))


def test_what_no_law_allows_has_probability_zero():
    laws = Laws([LAWS["labels"], LAWS["spike"], LAWS["plain"]], components=3).double()
    rows = torch.tensor([[7.0, 1.0, 0.0], [0.0, -3.0, 0.0], [0.0, 1.0, NAN], [0.0, 1.0, 1e300]], dtype=torch.float64)
    log_p = laws.log_prob(laws.read(rows), theta_of(laws, 4))
    assert log_p[0, 0] == log_p[1, 1] == log_p[2, 2] == -math.inf
    assert not log_p.isnan().any()


def test_infinity_is_no_atom():
    laws = Laws([LAWS["labels"], LAWS["plain"]], components=3).double()
    theta = theta_of(laws, 2)
    ends = torch.tensor([[0.0, math.inf], [0.0, -math.inf]], dtype=torch.float64)
    assert laws.log_prob(laws.read(ends), theta)[:, 1].tolist() == [-math.inf, -math.inf]


def test_labels_that_the_law_does_not_know_share_what_is_set_aside():
    laws = Laws([LAWS["labels, some unseen"], LAWS["labels"]], components=3)
    rows = torch.tensor([[-1.0, 0.0], [7.0, 0.0], [0.0, -1.0], [NAN, 0.0], [0.0, NAN]], dtype=torch.float64)
    theta = theta_of(laws, 1).expand(5, -1).float()
    log_p, reading = laws.log_prob(laws.read(rows), theta), laws.read(rows)
    assert log_p[:2, 0].exp().tolist() == pytest.approx([0.05, 0.05])
    assert log_p[2, 1] == log_p[4, 1] == -math.inf
    assert laws.below(reading, theta)[0, 0].item() == pytest.approx(0.95)  # behind all others
    with pytest.raises(ValueError, match="labels alone"):
        Law((1.0,), rest=ColumnMap(), other=0.1)


def test_gradients_are_finite_wherever_a_cell_is_possible():
    laws = Laws(list(LAWS.values()), components=3)
    columns = [some(law).flatten()[torch.arange(64) % len(some(law))] for law in LAWS.values()]
    rows = torch.stack(columns, 1)
    theta = theta_of(laws, 64).float().requires_grad_()
    laws.log_prob(laws.read(rows), theta).sum().backward()
    assert theta.grad is not None
    assert theta.grad.isfinite().all()


def test_a_hidden_column_is_like_no_value():
    laws = Laws(list(LAWS.values()), components=3)
    for i, law in enumerate(LAWS.values()):
        one = laws.column(i)
        assert (one.describe(one.read(some(law)))[:, 0] == 1).all()


def test_features_tell_where_a_value_lies_in_each_period_and_nothing_where_missing():
    laws = Laws(list(LAWS.values()), components=3)
    rows = torch.stack([some(law).flatten()[torch.arange(8) % len(some(law))] for law in LAWS.values()], 1)
    at = list(LAWS).index("calendar")
    rows[:, at] = torch.tensor([3.0, 10.0, 17.0, 4.0, 18.0, NAN, NAN, 7.0 * 10**9 + 3], dtype=torch.float64)
    whole = laws.describe(laws.read(rows)).split(laws.features, 1)
    for i in range(len(LAWS)):
        one = laws.column(i)
        assert torch.equal(one.describe(one.read(rows[:, i : i + 1])), whole[i])
    circles = whole[at][:, -6:]
    angle = 2 * math.pi * rows[:5, at : at + 1] / torch.tensor([7.0, 3.5, 365.2425])
    expected = torch.stack((angle.sin(), angle.cos()), 2).flatten(1).float()
    assert torch.allclose(circles[:5], expected, atol=1e-6)
    assert not circles[5:7].any()
    assert torch.allclose(circles[7, :4], circles[0, :4], atol=1e-6)  # far from 1970, and still to the digit


def test_the_resting_theta_gives_the_shares_of_atoms():
    laws = Laws([LAWS["labels"], LAWS["spike"], LAWS["heaped"]], components=4)
    x = torch.tensor([[0.0, 0.0, 12.0], [0.0, 5.0, 11.0], [1.0, 0.0, 24.0], [2.0, 0.0, 24.0]] * 100).double()
    theta = laws.resting(laws.read(x)).unsqueeze(0)
    reading = laws.read(torch.tensor([[0.0, 0.0, 24.0]]))
    shares = laws.shares(theta)[0]
    assert laws.log_prob(reading, theta).exp()[0, :2].tolist() == pytest.approx([0.5, 0.75], abs=0.01)
    assert shares[2, :5].tolist() == pytest.approx([0.0, 0.0, 0.25, 0.5, 0.0], abs=0.01)


def test_a_law_of_nothing_is_refused():
    with pytest.raises(ValueError, match="always missing"):
        Law(missing=True)
    with pytest.raises(ValueError, match="ascending"):
        Law((1.0, 0.0))
    with pytest.raises(ValueError, match="periods"):
        Law((1.0,), periods=(0.0,))
    for atoms, rounded in (((1.0,), (1.0,)), ((1.0, 2.0), (1.0, 3.0))):
        with pytest.raises(ValueError, match="rounded"):
            Law(atoms, rest=ColumnMap(step=1.0), rounded=rounded)


def test_components_start_where_the_values_are():
    apart = torch.cat((torch.randn(300, 1), 200.0 + torch.randn(100, 1))).double()
    x = torch.cat((apart, apart.round()), 1)
    plain, whole = (Law(rest=ColumnMap(step=step, location=50.0, scale=87.0)) for step in (None, 1.0))
    laws = Laws([plain, whole], components=8)
    reading = laws.read(x)
    log_p = laws.log_prob(reading, laws.resting(reading).expand(400, -1)).mean(0)
    best = -0.5 * math.log(2 * math.pi * math.e) - (0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert log_p.tolist() == pytest.approx([best, best], abs=0.6)  # evenly spaced ones are at -6.0


def test_components_start_where_values_are_that_most_rows_do_not_share():
    amounts = torch.where(torch.arange(1000) % 10 > 0, 0.0, 1000.0 + torch.arange(1000)).double().unsqueeze(1)
    laws = Laws([Law((0.0,), rest=ColumnMap(step=1.0, location=1500.0, scale=300.0))], components=4)
    terms = laws.terms(laws.resting(laws.read(amounts)).unsqueeze(0))
    assert terms.means.abs().max() < 2.0
    assert terms.scales.max() < 0.0
