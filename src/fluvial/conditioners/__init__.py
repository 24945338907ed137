"""Conditioners: networks that predict the parameters of univariate maps."""

from fluvial.conditioners.conditioner import Conditioner
from fluvial.conditioners.degrees import Plan
from fluvial.conditioners.encoder import ContextEncoder, ContextMap
from fluvial.conditioners.masked import MaskedLinear, MaskedMLP
from fluvial.conditioners.mlp import ACTIVATIONS, MLP

__all__ = ["ACTIVATIONS", "MLP", "Conditioner", "ContextEncoder", "ContextMap", "MaskedLinear", "MaskedMLP", "Plan"]
