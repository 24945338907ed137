"""Conditioners: networks that predict the parameters of univariate maps."""

from fluvial.conditioners.conditioner import Conditioner
from fluvial.conditioners.conv import ContextConv, ConvNet, PriorConv, ResidualConvNet, ScaledConv
from fluvial.conditioners.degrees import Plan
from fluvial.conditioners.encoder import ContextEncoder, ContextMap
from fluvial.conditioners.frames import Frames
from fluvial.conditioners.gated import GatedConvNet
from fluvial.conditioners.intervals import ChordIntervals, PastIntervals
from fluvial.conditioners.masked import MaskedLinear, MaskedMLP
from fluvial.conditioners.mlp import ACTIVATIONS, MLP
from fluvial.conditioners.pictures import ImageDecoder, ImageEncoder
from fluvial.conditioners.pixelcnn import PixelCNN
from fluvial.conditioners.predictor import PixelMLP, PixelPredictor
from fluvial.conditioners.wavenet import WaveNet

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "ChordIntervals",
    "Conditioner",
    "ContextConv",
    "ContextEncoder",
    "ContextMap",
    "ConvNet",
    "Frames",
    "GatedConvNet",
    "ImageDecoder",
    "ImageEncoder",
    "MaskedLinear",
    "MaskedMLP",
    "PastIntervals",
    "PixelCNN",
    "PixelMLP",
    "PixelPredictor",
    "Plan",
    "PriorConv",
    "ResidualConvNet",
    "ScaledConv",
    "WaveNet",
]
