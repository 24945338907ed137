"""Transforms: the steps between data and noise."""

from fluvial.transforms.autoregressive import Autoregressive
from fluvial.transforms.codes import CodeMap, Codes
from fluvial.transforms.columns import ColumnMap, Columns
from fluvial.transforms.coupling import Coupling, alternating_mask
from fluvial.transforms.dequantize import Dequantize
from fluvial.transforms.elementwise import Elementwise, Logit, Softplus, Standardize
from fluvial.transforms.linear import LULinear, Permute, Reverse, Whiten
from fluvial.transforms.normalization import ActNorm, BatchNorm, needs_statistics, refresh_statistics

__all__ = [
    "ActNorm",
    "Autoregressive",
    "BatchNorm",
    "CodeMap",
    "Codes",
    "ColumnMap",
    "Columns",
    "Coupling",
    "Dequantize",
    "Elementwise",
    "LULinear",
    "Logit",
    "Permute",
    "Reverse",
    "Softplus",
    "Standardize",
    "Whiten",
    "alternating_mask",
    "needs_statistics",
    "refresh_statistics",
]
