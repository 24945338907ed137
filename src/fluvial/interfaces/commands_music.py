"""What is printed of a model of piano rolls, and what ``score`` and ``sample`` do with one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fluvial.core.errors import UsageError
from fluvial.core.files import own_file
from fluvial.data.rolls import read_rolls, write_rolls
from fluvial.data.words import counted
from fluvial.interfaces.scored import Scored
from fluvial.interfaces.summary import details, trained
from fluvial.interfaces.words import Draw
from fluvial.tasks.music import RollModel
from fluvial.terminal import say

_PIECES = 4  # drawn where no number is given


def score(fitted: RollModel, data: str | list[str], context: Mapping[str, object] | None) -> Scored:
    """log p of each piece, and of a moment of it; pieces that the file splits into parts have a mean for each part."""
    _no_context(context)
    rolls = read_rolls(data)
    found = fitted.score(rolls)
    columns = {
        "piece": np.array(found.names),
        "steps": found.steps,
        "log_prob": found.log_prob,
        "log_prob_per_step": found.log_prob / found.steps,
    }
    parts = rolls.split if (rolls.split != "").any() else None
    return Scored(columns, [], "nats a moment", found.log_prob, found.steps, parts)


def sample(fitted: RollModel, wish: Draw, *, temperature: float = 1.0) -> None:
    """New pieces as one .npz archive, in the run folder where no other place is given."""
    _no_context(wish.context)
    pieces = fitted.sample(_PIECES if wish.number is None else wish.number, temperature=temperature, seed=wish.seed)
    out = wish.out or own_file(wish.run / "samples.npz")
    write_rolls(out, pieces)
    say(out)


def rolls_summary(model: RollModel) -> str:
    """What a fit came to: nats per moment beside those of independent notes."""
    record, sizes = model.record, model.record["sizes"]
    lines = [
        f"{record['model']['model']}: {counted(sizes['train'], 'piece')} to train on "
        f"({counted(sizes['train_steps'], 'moment')} of {model.notes} notes), {sizes['held_out']:,} held out, "
        f"{trained(record)}",
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
    return "\n".join(lines)


def rolls_details(model: RollModel) -> str:
    """All that a run folder says about its model."""
    return details(model.record, [])


def _no_context(context: Mapping[str, object] | None) -> None:
    if context:
        raise UsageError("context: piano rolls have no labels")
