"""From the diagnosis of a model of images to words, each check with its threshold."""

from __future__ import annotations

from collections.abc import Iterator

from fluvial.tasks.diagnose import RoundTrip
from fluvial.tasks.diagnose_image import TOLERANCE, ImageDiagnosis
from fluvial.tasks.verdict import FEW, Check, Level, grade, percent


def judge_image(d: ImageDiagnosis, skipped: int = 0) -> tuple[Check, ...]:
    """All checks, by topic.

    Args:
        skipped: training steps that were not finite.
    """
    return (*_density(d), *_foreign(d), *_sampling(d), *_numerics(d, skipped))


def _density(d: ImageDiagnosis) -> Iterator[Check]:
    mean, error = float(d.bits.mean()), d.error
    if not mean < float("inf"):
        yield Check("density", "fail", "Some held-out images are impossible under the model.", "none may be")
        return
    if len(d.bits) < FEW:
        said = f"Only {len(d.bits)} held-out images judge it."
        yield Check("density", "warn", said, f"warn below {FEW} images")
    level = grade(mean + 2 * error, *sorted((d.compressor, d.histogram)))
    yield Check(
        "density",
        level,
        f"A held-out image takes {mean:.3f} ± {error:.3f} bits per dimension; a lossless compressor needs "
        f"{d.compressor:.3f}, pixels one by one {d.histogram:.3f}.",
        "warn unless below both by 2 standard errors, fail unless below one",
    )
    gap = mean - float(d.train_bits.mean())
    noise = (error**2 + float(d.train_bits.var(ddof=1)) / len(d.train_bits)) ** 0.5
    said = "overfitted" if gap > max(3 * noise, 0.02 * mean) else "no overfitting to speak of"
    yield Check(
        "density",
        "pass" if gap < 3 * noise else grade(gap / mean, 0.02, 0.1),
        f"Training images take {abs(gap):.3f} bits per dimension {'less' if gap > 0 else 'more'}: {said}.",
        "warn above 2 % of the bits, fail above 10 %, unless within 3 standard errors",
    )
    if d.scales:
        at, worst = max(enumerate(d.scales), key=lambda s: s[1].distance)
        yield Check(
            "density",
            grade(worst.distance, 0.05, 0.15),
            f"The noise of held-out images {'fits' if worst.distance <= 0.05 else 'does not fit'} the base: at worst, "
            f"scale {at + 1} of {len(d.scales)}, it is {percent(worst.distance)} off.",
            "KS distance of all numbers of a scale: warn above 5 %, fail above 15 %",
        )


def _foreign(d: ImageDiagnosis) -> Iterator[Check]:
    """Likelihood that prefers foreign images is a property to be told, not an error of the fit."""
    fooled = max(d.foreign, key=lambda f: f.likelier)
    trap = fooled.likelier > 0.5
    yield Check(
        "density",
        "warn" if trap else "pass",
        f"{'Do not detect foreign images by likelihood alone: ' if trap else 'Foreign images are unlikely: '}"
        f"{fooled.name} is likelier than {percent(fooled.likelier)} of held-out images.",
        "warn above 50 %",
    )
    missed = [f.name for f in d.foreign if min(f.typicality, f.excess) > 0.05]
    yield Check(
        "density",
        "warn" if missed else "pass",
        f"Typicality and the bits beyond a compressor {'miss ' + ', '.join(missed) if missed else 'tell them all'}.",
        "warn where the median p-value of both is above 5 %",
    )


def _sampling(d: ImageDiagnosis) -> Iterator[Check]:
    if d.bad_samples:
        said = f"{d.bad_samples} of {d.drawn} samples are not finite."
        yield Check("sampling", "fail", said, "none may be")
    best = max(d.classifiers, key=lambda c: c.auc)
    told: Level = "pass" if best.p_value > 0.01 / len(d.classifiers) else grade(best.auc, 0.6, 0.9)
    yield Check(
        "sampling",
        told,
        f"{'No simple classifier tells' if told == 'pass' else 'A simple classifier can tell'} samples from held-out "
        f"images: AUC {best.auc:.3f} at best ({best.name}), chance is 0.500 ± {best.auc_error:.3f}.",
        "AUC: warn above 0.6, fail above 0.9, if significant at 1 % (Bonferroni)",
    )
    near = d.memorisation
    repeats = near.closer > 0.5 + 3 * near.error
    strays = near.closer < 0.5 - 3 * near.error
    said = "it repeats training images" if repeats else "it strays from them" if strays else "none are memorised"
    yield Check(
        "sampling",
        grade(near.closer, 0.6, 0.75) if repeats else "pass",
        f"{percent(near.closer)} of samples are nearer to a training image than the median held-out image is "
        f"(50 % is expected): {said}.",
        "warn above 60 %, fail above 75 %, unless within 3 standard errors",
    )


def _numerics(d: ImageDiagnosis, skipped: int) -> Iterator[Check]:
    yield _trip("held-out images", d.round_trip)
    yield _trip("samples", d.round_trip_of_samples)
    if skipped:
        yield Check("numerics", "warn", f"{skipped} training steps were not finite and were skipped.", "warn above 0")


def _trip(what: str, trip: RoundTrip) -> Check:
    end = f"within {trip.largest:.1g} of the pixels' range" if not trip.failed else f"but {trip.failed} that do not"
    return Check(
        "numerics",
        grade(trip.failed / trip.rows, 0.0, 0.01),
        f"All {trip.rows} {what} come back from their noise, {end}.",
        f"an image fails above {TOLERANCE:g}; fail above 1 % of images",
    )
