"""Training: objectives, the one loop, checkpoints and run folders."""

from fluvial.core.batched import score
from fluvial.training.objectives import OBJECTIVES, Objective, negative_log_likelihood, reverse_kl
from fluvial.training.passes import Passes
from fluvial.training.progress import Record
from fluvial.training.rows import Rows
from fluvial.training.settings import Settings
from fluvial.training.trainer import Data, train
from fluvial.training.windows import Continuation, Windows

__all__ = [
    "OBJECTIVES",
    "Continuation",
    "Data",
    "Objective",
    "Passes",
    "Record",
    "Rows",
    "Settings",
    "Windows",
    "negative_log_likelihood",
    "reverse_kl",
    "score",
    "train",
]
