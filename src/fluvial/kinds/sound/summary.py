"""A fitted model of sound in a few lines of text."""

from __future__ import annotations

from fluvial.data.words import counted
from fluvial.kinds.scores import spaced
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.summary import fitted_line


def sound_summary(model: SoundModel) -> list[str]:
    """What a fit came to: bits per sample beside those of simple predictors."""
    record, sizes = model.record, model.record["sizes"]
    reads = sizes["receptive_field"]
    data = f"{counted(sizes['train'], 'recording')} to train on ({counted(sizes['train_samples'], 'sample')})"
    lines = [
        fitted_line(record, f"{data}, {sizes['held_out']:,} held out"),
        f"{model.rate:,} Hz, {model.schema.levels:,} levels; each sample is predicted from the {reads:,} before it, "
        f"{1000 * reads / model.rate:.0f} ms",
    ]
    scores = record["scores"]
    if scores["held_out"] is None:
        lines.append("nothing was held out to judge it by")
    else:
        held_out, line = scores["held_out"], scores["linear_prediction"]
        lines += [
            "bits per sample of held-out recordings, exactly:",
            f"  {'model':24}{spaced(held_out['bits_per_sample'], held_out['standard_error'], 6)}",
            f"  {'linear prediction, ' + str(line['order']):24}{line['bits_per_sample']:6.3f}",
            f"  {'histogram':24}{scores['histogram']:6.3f}",
        ]
    return lines
