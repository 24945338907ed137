"""A fitted model of piano rolls in a few lines of text."""

from __future__ import annotations

import math

from fluvial.data.words import counted
from fluvial.kinds.music.model import RollModel
from fluvial.kinds.summary import fitted_line


def rolls_summary(model: RollModel) -> list[str]:
    """What a fit came to: nats per moment beside those of independent notes."""
    record, sizes = model.record, model.record["sizes"]
    moments = f"{counted(sizes['train_steps'], 'moment')} of {model.notes} notes"
    data = f"{counted(sizes['train'], 'piece')} to train on ({moments})"
    lines = [
        fitted_line(record, f"{data}, {sizes['held_out']:,} held out"),
        f"each moment is predicted from the {model.reads} before it, each note from those below it too",
    ]
    scores = record["scores"]
    if scores["held_out"] is None:
        lines.append("nothing was held out to judge it by")
    else:
        found = scores["held_out"]
        lines += [
            "log-likelihood of a moment of held-out pieces, nats, exactly:",
            f"  {'model':20}{found['per_step']:8.3f} ± {found['standard_error'] or math.nan:.3f}",
            f"  {'independent notes':20}{scores['independent']:8.3f}",
        ]
    return lines
