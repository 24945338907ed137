"""Transforms: the steps between data and noise."""

from fluvial.transforms.autoregressive import Autoregressive, Spine, spine
from fluvial.transforms.channels import MATRICES, Conv1x1, FullMatrix, LUMatrix, Matrix, QRMatrix, random_rotation
from fluvial.transforms.codes import CodeMap, Codes
from fluvial.transforms.columns import ColumnMap, Columns
from fluvial.transforms.constrained import Constrained
from fluvial.transforms.coupling import Coupling, MaskedCoupling, alternating_mask, checkerboard_mask
from fluvial.transforms.dequantize import Dequantize, VariationalDequantize
from fluvial.transforms.elementwise import Elementwise, Logit, Softplus, Standardize
from fluvial.transforms.groups import Groups
from fluvial.transforms.image import Checkerboard, FactorOut, Flatten, OrderedSqueeze, Squeeze
from fluvial.transforms.linear import LULinear, Permute, Reverse, Whiten
from fluvial.transforms.normalization import (
    ActNorm,
    BatchNorm,
    ImageBatchNorm,
    needs_statistics,
    refresh_statistics,
)
from fluvial.transforms.pyramid import Pyramid
from fluvial.transforms.reversible import Reversible

__all__ = [
    "MATRICES",
    "ActNorm",
    "Autoregressive",
    "BatchNorm",
    "Checkerboard",
    "CodeMap",
    "Codes",
    "ColumnMap",
    "Columns",
    "Constrained",
    "Conv1x1",
    "Coupling",
    "Dequantize",
    "Elementwise",
    "FactorOut",
    "Flatten",
    "FullMatrix",
    "Groups",
    "ImageBatchNorm",
    "LULinear",
    "LUMatrix",
    "Logit",
    "MaskedCoupling",
    "Matrix",
    "OrderedSqueeze",
    "Permute",
    "Pyramid",
    "QRMatrix",
    "Reverse",
    "Reversible",
    "Softplus",
    "Spine",
    "Squeeze",
    "Standardize",
    "VariationalDequantize",
    "Whiten",
    "alternating_mask",
    "checkerboard_mask",
    "needs_statistics",
    "random_rotation",
    "refresh_statistics",
    "spine",
]
