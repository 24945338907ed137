"""A fitted model of piano rolls in a few lines of text."""

from __future__ import annotations

from fluvial.data.words import counted
from fluvial.kinds.music.model import SHIFT, RollModel
from fluvial.kinds.summary import fitted_line, held_out_lines


def rolls_summary(model: RollModel) -> list[str]:
    """What a fit came to: nats per moment beside those of independent notes."""
    record, sizes = model.record, model.record["sizes"]
    moments = f"{counted(sizes['train_steps'], 'moment')} of {model.notes} notes"
    data = f"{counted(sizes['train'], 'piece')} to train on ({moments})"
    scores = record["scores"]
    heading = "log-likelihood of a moment of held-out pieces, nats, exactly:"
    return [
        fitted_line(record, f"{data}, {sizes['held_out']:,} held out"),
        f"each moment is predicted from the {model.reads} before it, each note from those below it too",
        f"training pieces are moved by up to {SHIFT} notes up or down, at each step anew; what is scored stays",
        *held_out_lines(heading, scores["held_out"], {"independent notes": scores["independent"]}),
    ]
