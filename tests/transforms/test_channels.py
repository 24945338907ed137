"""Matrices of channels, and the convolution that carries them."""

from __future__ import annotations

import pytest
import torch
import zoo

from fluvial.core import Chain
from fluvial.transforms import MATRICES, ActNorm, Conv1x1, FullMatrix, LUMatrix, QRMatrix, random_rotation


@pytest.mark.parametrize("channels", [1, 2, 5, 12])
@pytest.mark.parametrize("kind", MATRICES)
def test_matrices_start_where_they_are_told_and_know_their_determinant(kind: str, channels: int):
    torch.manual_seed(channels)
    for start in (
        random_rotation(channels).double(),
        torch.eye(channels).double(),
        torch.randn(channels, channels).double(),
        torch.eye(channels).flip(0).double(),
    ):
        matrix = MATRICES[kind](start)
        weight, log_det = matrix()
        torch.testing.assert_close(weight, start, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(log_det, torch.linalg.slogdet(start)[1], rtol=1e-9, atol=1e-9)
        moved, log_det = zoo.randomized(matrix)()
        torch.testing.assert_close(log_det, torch.linalg.slogdet(moved)[1], rtol=1e-9, atol=1e-9)
        assert (moved - start).abs().max() > 1e-3


def test_lu_weight_is_its_factors():
    """Glow, eq. 10: W = P L (U + diag s), log|det W| = sum log|s|, with as many parameters as W has entries."""
    torch.manual_seed(0)
    matrix = zoo.randomized(LUMatrix(random_rotation(6).double()))
    packed = matrix.packed.detach()
    p, s = matrix.permutation, matrix.sign * packed.diagonal().exp()
    lower, upper = packed.tril(-1) + torch.eye(6), packed.triu(1)
    torch.testing.assert_close(matrix()[0], p @ lower @ (upper + torch.diag(s)))
    torch.testing.assert_close(matrix()[1], s.abs().log().sum())
    assert ((p == 0) | (p == 1)).all()
    for kind in MATRICES.values():
        assert sum(q.numel() for q in kind(torch.eye(6)).parameters()) == 36


def test_the_full_determinant_is_found_in_float64():
    """A product of 64 numbers of 1e-3 underflows float32 many times over."""
    matrix = FullMatrix(1e-3 * random_rotation(64))
    torch.testing.assert_close(matrix()[1].item(), 64 * torch.tensor(1e-3).double().log().item(), rtol=1e-5, atol=0)


def test_reflections_stay_orthogonal():
    torch.manual_seed(0)
    matrix = zoo.randomized(QRMatrix(random_rotation(5).double()), scale=2.0)
    with torch.no_grad():
        matrix.packed.copy_(matrix.packed.tril(-1))  # R = 0, |s| = 1
    weight = matrix()[0]
    torch.testing.assert_close(weight @ weight.T, torch.eye(5).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", MATRICES)
def test_a_permutation_shuffles_the_channels(kind: str):
    order = torch.tensor([2, 0, 3, 1])
    step, x = Conv1x1(MATRICES[kind](torch.eye(4)[order])), torch.randn(2, 4, 3, 3)
    z, log_det = step(x)
    torch.testing.assert_close(z, x[:, order], rtol=1e-5, atol=1e-6)
    assert log_det.abs().max() < 1e-5


def test_the_folded_actnorm_is_the_chain_of_both():
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(6, 4, 5, 5).double()
    norm = ActNorm((4, 5, 5), factor=3.0).double()
    folded = Conv1x1(LUMatrix(random_rotation(4)).double(), norm)
    z = folded.initialize(x)
    before = norm(x)[0]
    assert before.mean((0, 2, 3)).abs().max() < 1e-12
    torch.testing.assert_close(before.var((0, 2, 3), correction=0), torch.ones(4).double())
    apart = Chain(norm, Conv1x1(folded.matrix))
    torch.testing.assert_close(apart(x), folded(x))
    torch.testing.assert_close(apart.inverse(z), folded.inverse(z))
    assert torch.equal(folded.initialize(9 * x), folded(9 * x)[0])  # once


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: LUMatrix(torch.zeros(2, 3)), r"square matrix, got shape \(2, 3\)"),
        (lambda: Conv1x1(LUMatrix(torch.eye(3))).output_shape((2, 4, 4)), "for 3 channels"),
        (lambda: Conv1x1(LUMatrix(torch.eye(3))).output_shape((3,)), r"expected an image's shape \(C, H, W\)"),
    ],
)
def test_mistakes_get_sentences(build, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        build()
