"""The report on a model of sound: one page to hear, to see, and to judge it by."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.examine.page import Report, Sentences
from fluvial.examine.verdict import BEYOND, SIGMAS, Check, few, graded, z_score
from fluvial.kinds.scores import spaced
from fluvial.kinds.sound.diagnose import SoundDiagnosis, diagnose_sound, separation
from fluvial.kinds.sound.model import SoundModel
from fluvial.kinds.sound.read import write_sound

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOPICS: dict[str, Sentences] = {
    "density": ("Its probabilities can be trusted.", "Use its probabilities with care.", "Do not rely on it yet."),
    "sampling": (
        "Its recordings have the right spectrum.",
        "Listen before you use its recordings.",
        "Its spectrum is wrong.",
    ),
}
_APART = 0.1  # distance of the PIT from uniform that fails where it is not chance
_DECIBELS = 12.0  # distance of mean spectra that does


def sound_report(model: SoundModel) -> Report:
    """Examine ``model`` with the recordings that its run kept.

    Raises:
        RunError: it kept none.
    """
    d = diagnose_sound(model, int(model.record.get("seed") or 0))
    real = d.real.recordings
    players = [(label, _wav(real[i], d.real.rate), _wav(d.drawn[i], d.real.rate)) for i, label in enumerate(d.labels)]
    numbers = {
        "receptive_field": {"samples": model.receptive_field, "ms": 1000 * model.receptive_field / model.rate},
        "bits_per_recording": d.bits.tolist(),
        "pit": d.pit.tolist(),
        "pit_band": d.band.tolist(),
        "pit_distance": d.distance,
        "frequencies": d.frequencies.tolist(),
        "mean_spectra": d.spectra.tolist(),
    }
    facts = {"players": players, **_facts(model)}
    figures, checks = _figures(model, d), judge_sound(model, d)
    return Report(checks, _TOPICS, figures, numbers, facts, f"{__package__}/report.html.j2")


def judge_sound(model: SoundModel, d: SoundDiagnosis) -> tuple[Check, ...]:
    """What the page says of the model, with the rules that it goes by."""
    scores = model.record.get("scores") or {}
    checks = [*few("density", len(d.bits), "recordings")]
    if scores.get("held_out"):
        checks.append(_beats(scores))
    said = f"Its predictions are {100 * d.distance:.1f} % from calibrated"
    if d.off is None:
        checks.append(Check("density", "warn", f"{said}; one recording does not show what chance gives.", "needs two"))
    else:
        level = graded(d.off, d.distance, _APART)
        rule = f"of the histogram's bars, from resampling recordings: {BEYOND} (Bonferroni); fail above 10 % too"
        checks.append(
            Check("density", level, f"{said}; its worst bar is {d.off:.1f} standard errors off.", rule, "misfit")
        )
    apart = separation(d)
    said = f"Mean spectra of drawn and held-out recordings are {apart:.1f} dB apart"
    if d.spectra_by_chance is None:
        checks.append(
            Check("sampling", "warn", f"{said}; too few are held out to show what chance gives.", "needs six")
        )
    else:
        mean, error = d.spectra_by_chance
        z = z_score(apart, mean, error)
        said += f"; parts of the held-out ones are {mean:.1f} ± {error:.1f} dB from the rest (z {z:+.1f})."
        rule = f"{BEYOND}; fail above {_DECIBELS:g} dB too"
        checks.append(Check("sampling", graded(max(z, 0.0), apart, _DECIBELS), said, rule, "misfit"))
    return tuple(checks)


def _beats(scores: Mapping[str, Any]) -> Check:
    """The model beside linear prediction."""
    bits, line = scores["held_out"]["bits_per_sample"], scores["linear_prediction"]["bits_per_sample"]
    better, error = line - bits, scores["held_out"]["standard_error"]
    z = z_score(better, 0.0, error or 0.0)
    level = "pass" if error and z > SIGMAS else "warn" if bits < scores["histogram"] else "fail"
    said = f"It needs {abs(better):.2f} bits per sample {'less' if better > 0 else 'more'} than linear prediction"
    said += f" (± {error:.2f}, z {z:+.1f})." if error else "; one recording does not show how surely."
    rule = f"pass if less by {SIGMAS:g} standard errors; fails above the histogram"
    return Check("density", level, said, rule, "underfitted")


def _figures(model: SoundModel, d: SoundDiagnosis) -> dict[str, Figure]:
    from fluvial.examine.drawing import training_curve
    from fluvial.kinds.sound import figures

    scores = model.record.get("scores") or {}
    references: dict[str, float] = {}
    if scores.get("held_out"):
        line = scores["linear_prediction"]
        references = {"linear prediction": line["bits_per_sample"], "histogram": scores["histogram"]}
    drawn = {
        "training": training_curve(model.metrics, "bits per sample", math.log(2), references),
        "recordings": figures.recordings(d),
        "spectrograms": figures.spectrograms(d),
        "spectrum": figures.spectrum(d),
        "calibration": figures.calibration(d),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _facts(model: SoundModel) -> dict[str, Any]:
    record, sizes, reads = model.record, model.record.get("sizes") or {}, model.receptive_field
    scores = record.get("scores") or {}
    held_out, line = scores.get("held_out"), scores.get("linear_prediction") or {}
    rows: list[tuple[str, str]] = []
    if held_out:
        own = spaced(held_out["bits_per_sample"], held_out["standard_error"])
        rows = [
            ("this model ± standard error over recordings", own),
            (f"adaptive linear prediction of order {line['order']}", f"{line['bits_per_sample']:.3f}"),
            ("histogram of the codes (order 0)", f"{scores['histogram']:.3f}"),
            ("the codes as they are", f"{np.log2(model.schema.levels):.0f}"),
        ]
    counts = {k: f"{sizes.get(k, 0):,}" for k in ("train", "train_samples", "held_out", "held_out_samples")}
    return {
        **counts,
        "rate": f"{model.rate:,}",
        "levels": f"{model.schema.levels:,}",
        "given": list(model.schema.context),
        "bits": rows[0][1] if rows else "",
        "linear": rows[1][1] if rows else "",
        "histogram": rows[2][1] if rows else "",
        "scores": rows,
        "reads": f"{reads:,} samples",
        "reads_ms": f"{1000 * reads / model.rate:.1f} ms",
    }


def _wav(wave: np.ndarray, rate: int) -> str:
    file = io.BytesIO()
    write_sound(file, wave, rate)
    return base64.b64encode(file.getvalue()).decode("ascii")
