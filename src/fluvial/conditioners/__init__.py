"""Conditioners: networks that predict the parameters of univariate maps."""

from fluvial.conditioners.conditioner import Conditioner
from fluvial.conditioners.conv import ContextConv, ConvNet, PriorConv, ResidualConvNet, ScaledConv
from fluvial.conditioners.encoder import ContextEncoder, ContextMap
from fluvial.conditioners.gated import GatedConvNet
from fluvial.conditioners.masked import MaskedLinear, MaskedMLP
from fluvial.conditioners.mlp import ACTIVATIONS, MLP

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Conditioner",
    "ContextConv",
    "ContextEncoder",
    "ContextMap",
    "ConvNet",
    "GatedConvNet",
    "MaskedLinear",
    "MaskedMLP",
    "PriorConv",
    "ResidualConvNet",
    "ScaledConv",
]
