"""Training: objectives, the one loop, checkpoints and run folders."""

from fluvial.training.objectives import negative_log_likelihood, reverse_kl, score
from fluvial.training.settings import Settings
from fluvial.training.trainer import Data, Record, train

__all__ = ["Data", "Record", "Settings", "negative_log_likelihood", "reverse_kl", "score", "train"]
