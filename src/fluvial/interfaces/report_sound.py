"""The report on a model of sound: one page to hear, to see, and to judge it by."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from fluvial.data.audio import write_sound
from fluvial.interfaces.page import Report, Words
from fluvial.tasks.diagnose_sound import SoundDiagnosis, diagnose_sound, separation
from fluvial.tasks.sound import SoundModel
from fluvial.tasks.verdict import Check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOPICS: dict[str, Words] = {
    "density": ("Its probabilities can be trusted.", "Use its probabilities with care.", "Do not rely on it yet."),
    "sampling": ("Its recordings have the right spectrum.", "Listen before you use its recordings.", ""),
}
_APART = 0.02  # distance of the PIT from uniform that is small
_DECIBELS = 6.0  # distance of mean spectra that is small


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
    return Report("report_sound.html.j2", figures, checks, _TOPICS, numbers, facts)


def judge_sound(model: SoundModel, d: SoundDiagnosis) -> tuple[Check, ...]:
    """What the page says of the model, with the rules that it goes by."""
    checks: list[Check] = []
    scores = model.record.get("scores") or {}
    if scores.get("held_out"):
        bits, line = scores["held_out"]["bits_per_sample"], scores["linear_prediction"]["bits_per_sample"]
        better, error = line - bits, scores["held_out"]["standard_error"]
        level = "pass" if better > 2 * error else "warn" if bits < scores["histogram"] else "fail"
        told = f"It needs {abs(better):.2f} bits per sample {'less' if better > 0 else 'more'} than linear prediction."
        checks.append(Check("density", level, told, "less by two standard errors; fails above the histogram"))
    told = f"Its predictions are {100 * d.distance:.1f} % from calibrated."
    checks.append(Check("density", "pass" if d.distance < _APART else "warn", told, "below 2 %"))
    apart = separation(d)
    told = f"Mean spectra of drawn and held-out recordings are {apart:.1f} dB apart."
    checks.append(Check("sampling", "pass" if apart < _DECIBELS else "warn", told, "below 6 dB"))
    return tuple(checks)


def _figures(model: SoundModel, d: SoundDiagnosis) -> dict[str, Figure]:
    from fluvial.interfaces import figures_sound as figures

    scores = model.record.get("scores") or {}
    references: dict[str, float] = {}
    if scores.get("held_out"):
        line = scores["linear_prediction"]
        references = {"linear prediction": line["bits_per_sample"], "histogram": scores["histogram"]}
    drawn = {
        "training": figures.training_curve([m for m in model.metrics if m["ended"]], references),
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
        own = f"{held_out['bits_per_sample']:.3f} ± {held_out['standard_error']:.3f}"
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
        "exact": model.exact,
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
