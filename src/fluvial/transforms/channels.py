"""Invertible 1x1 convolutions: linear maps of an image's channels, in three parametrisations."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fluvial.core import randomness
from fluvial.core.constants import on_cpu, placed, with_values
from fluvial.core.precision import full_precision
from fluvial.core.transform import EventShape, Transform
from fluvial.transforms.image import image_shape
from fluvial.transforms.normalization import ActNorm


class Matrix(nn.Module):
    """An invertible (C, C) matrix W with its log|det W|."""

    def forward(self) -> tuple[Tensor, Tensor]:
        """W and log|det W|."""
        raise NotImplementedError


class LUMatrix(Matrix):
    r"""W = P L (U + diag s): P fixed, L unit lower and U strictly upper triangular, sign(s) fixed, log|s| learned.

    log|det W| = sum log|s|, at no cost, and W cannot become singular.
    Kingma and Dhariwal 2018, arXiv 1807.03039, eq. 10-11.

    Args:
        start: (C, C), what W is at first.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        start = _square(start)
        permutation, lower, upper = torch.linalg.lu(start.double())
        scale = upper.diagonal()
        # L below the diagonal, log|s| on it, U above: C^2 numbers, none of them idle
        packed = lower.tril(-1) + torch.diag(scale.abs().log()) + upper.triu(1)
        self.packed: nn.Parameter = nn.Parameter(placed(packed.to(start.dtype)))
        self.register_buffer("permutation", placed(permutation.to(start.dtype)))
        self.register_buffer("sign", placed(scale.sign().to(start.dtype)))
        self.permutation: Tensor
        self.sign: Tensor

    def forward(self) -> tuple[Tensor, Tensor]:
        log_scale = self.packed.diagonal()
        upper = self.packed.triu(1) + torch.diag(self.sign * log_scale.exp())
        return self.permutation @ torch.addmm(upper, self.packed.tril(-1), upper), log_scale.sum()


class FullMatrix(Matrix):
    r"""W as it is, its determinant in float64: the rule of Glow's released code. W can drift towards a singular one.

    Args:
        start: (C, C), what W is at first.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.weight: nn.Parameter = nn.Parameter(placed(_square(start).clone()))

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.weight, torch.linalg.slogdet(self.weight.double())[1].to(self.weight.dtype)


class QRMatrix(Matrix):
    r"""W = Q (R + diag s): Q a product of Householder reflections, R strictly upper, sign(s) fixed, log|s| learned.

    Hoogeboom et al. 2019, arXiv 1901.11137, section 3.3. Unlike P in :class:`LUMatrix`, Q is learned.

    Args:
        start: (C, C), what W is at first.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        start = _square(start)
        vectors = torch.geqrf(start.double())[0].tril(-1)
        triangle = _reflections(vectors).t() @ start.double()
        scale = triangle.diagonal()
        # the reflections' vectors below the diagonal, log|s| on it, R above
        packed = vectors + torch.diag(scale.abs().log()) + triangle.triu(1)
        self.packed: nn.Parameter = nn.Parameter(placed(packed.to(start.dtype)))
        self.register_buffer("sign", placed(scale.sign().to(start.dtype)))
        self.sign: Tensor

    def forward(self) -> tuple[Tensor, Tensor]:
        log_scale = self.packed.diagonal()
        triangle = self.packed.triu(1) + torch.diag(self.sign * log_scale.exp())
        return _reflections(self.packed.tril(-1)) @ triangle, log_scale.sum()


MATRICES: dict[str, type[LUMatrix] | type[FullMatrix] | type[QRMatrix]] = {
    "lu": LUMatrix,
    "full": FullMatrix,
    "qr": QRMatrix,
}
"""Parametrisations by the names that a configuration uses."""


class PixelMap(NamedTuple):
    """z = weight (x - shift) at every pixel, float32 at least."""

    weight: Tensor
    """(C, C)."""
    shift: Tensor | None
    """(C,); None for 0."""
    log_det: Tensor
    """log|det weight|."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and its log-det of each row."""
        bias = None if self.shift is None else -(self.weight @ self.shift)
        return _per_pixel(x, self.weight, bias), _per_row(x, self.log_det)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x and its log-det of each row; the matrix is inverted in float64."""
        weight = torch.linalg.inv(self.weight.double()).to(self.weight.dtype)
        return _per_pixel(z, weight, self.shift), -_per_row(z, self.log_det)


class Conv1x1(Transform):
    r"""z = W norm(x) at every pixel: an invertible 1x1 convolution and, folded into it, the ActNorm before it.

    log_det = H W (log|det W| + the norm's). Folding makes the two one pass over the image, and leaves one
    activation for the backward pass instead of two. Both directions run in float32 at least, also under
    autocast; the inverse matrix is found in float64.

    Kingma and Dhariwal 2018, arXiv 1807.03039, sections 3.1 and 3.2.

    Args:
        matrix: W.
        norm: what comes before W; None for nothing.
    """

    def __init__(self, matrix: Matrix, norm: ActNorm | None = None) -> None:
        super().__init__()
        self.matrix, self.norm = matrix, norm
        with torch.no_grad():
            self.channels = matrix()[0].shape[0]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with full_precision(x):
            return self.pixel_map().forward(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with full_precision(z):
            return self.pixel_map().inverse(z)

    def pixel_map(self) -> PixelMap:
        """Matrix and norm in one."""
        weight, log_det = self.matrix()
        if self.norm is None:
            return PixelMap(weight, None, log_det)
        s = self.norm.s
        return PixelMap(weight * torch.exp(-s), self.norm.shift, log_det - s.sum())

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if self.norm is not None:
            self.norm.initialize(x, context)
        return self(x)[0]

    def output_shape(self, event_shape: EventShape) -> EventShape:
        if image_shape(event_shape)[0] != self.channels:
            raise ValueError(f"the matrix is for {self.channels} channels, but the event is {tuple(event_shape)}")
        return event_shape


def random_rotation(channels: int) -> Tensor:
    """A (C, C) orthogonal matrix, uniformly: what Glow's convolutions start from."""
    with on_cpu():
        q, r = torch.linalg.qr(randomness.normal((channels, channels), torch.float64))
    return (q * r.diagonal().sign()).to(torch.get_default_dtype())


def _per_pixel(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """weight x + bias: as a product, which is two to four times as fast here as torch's 1x1 convolution."""
    rows = x.to(weight.dtype).flatten(2)
    weight = weight.expand(x.shape[0], *weight.shape)
    return (weight.bmm(rows) if bias is None else torch.baddbmm(bias[:, None], weight, rows)).view_as(x)


def _per_row(x: Tensor, log_det: Tensor) -> Tensor:
    return (x.shape[2:].numel() * log_det).expand(x.shape[0])


def _reflections(v: Tensor) -> Tensor:
    """The product of the reflections at v's columns, (0, ..., 0, 1, v_below); the last column reflects nothing."""
    tau = 2 / (1 + v.square().sum(0))
    return torch.linalg.householder_product(v, torch.cat((tau[:-1], torch.zeros_like(tau[-1:]))))


def _square(start: Tensor) -> Tensor:
    if start.dim() != 2 or start.shape[0] != start.shape[1]:
        raise ValueError(f"start: expected a square matrix, got shape {tuple(start.shape)}")
    return with_values("start", start)
