"""Training: objectives, the one loop, checkpoints and run folders."""

from fluvial.training.objectives import negative_log_likelihood, reverse_kl, score
from fluvial.training.settings import Settings
from fluvial.training.trainer import Data, Record, Rows, train
from fluvial.training.windows import Continuation, Windows

__all__ = [
    "Continuation",
    "Data",
    "Record",
    "Rows",
    "Settings",
    "Windows",
    "negative_log_likelihood",
    "reverse_kl",
    "score",
    "train",
]
