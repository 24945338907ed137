"""From the diagnosis of a model of images to words, each check with its threshold."""

from __future__ import annotations

from collections.abc import Iterator

from fluvial.examine.verdict import (
    BEYOND,
    SIGMAS,
    Check,
    by_chance,
    came_back,
    classified,
    few,
    grade,
    graded,
    percent,
    remembered,
    skipped_steps,
    z_score,
)
from fluvial.kinds.images.diagnose import TOLERANCE, ImageDiagnosis
from fluvial.kinds.images.drawn import ImageDraws


def judge_image(d: ImageDiagnosis, skipped: int = 0) -> tuple[Check, ...]:
    """All checks, by topic.

    Args:
        skipped: training steps that were not finite.
    """
    return (*_density(d), *_foreign(d), *_sampling(d), *_numerics(d, skipped))


def _density(d: ImageDiagnosis) -> Iterator[Check]:
    mean, error = float(d.bits.mean()), d.error
    if not mean < float("inf"):
        said = "Some held-out images are impossible under the model."
        yield Check("density", "fail", said, "none may be", "impossible")
        return
    yield from few("density", len(d.bits), "images")
    level = grade(mean + SIGMAS * error, *sorted((d.compressor, d.histogram)))
    yield Check(
        "density",
        level,
        f"A held-out image takes {mean:.3f} ± {error:.3f} bits per dimension; a lossless compressor needs "
        f"{d.compressor:.3f}, pixels one by one {d.histogram:.3f}.",
        f"warn unless below both by {SIGMAS:g} standard errors, fail unless below one",
        "underfitted",
    )
    gap = mean - float(d.train_bits.mean())
    noise = (error**2 + float(d.train_bits.var(ddof=1)) / len(d.train_bits)) ** 0.5
    z = z_score(gap, 0.0, noise)
    level = graded(z, abs(gap) / mean, 0.1)
    said = "no overfitting to be seen" if level == "pass" else "overfitted"
    if level != "pass" and z < 0:
        said = "held-out images are the easier ones, so the parts of the data are not alike"
    yield Check(
        "density",
        level,
        f"Training images take {abs(gap):.3f} ± {noise:.3f} bits per dimension {'less' if gap > 0 else 'more'} "
        f"(z {z:+.1f}): {said}.",
        f"{BEYOND}; fail above 10 % of the bits too",
        "overfitted" if z > 0 else "",
    )
    if d.scales:
        at, worst = max(enumerate(d.scales), key=lambda s: s[1].distance)
        chance = by_chance(worst.numbers * d.drawn, len(d.scales))
        fits = worst.distance <= chance
        yield Check(
            "density",
            "pass" if fits else "fail" if worst.distance > 0.15 else "warn",
            f"The noise of held-out images {'fits' if fits else 'does not fit'} the base: at worst, scale {at + 1} of "
            f"{len(d.scales)}, it is {percent(worst.distance)} off; chance reaches {percent(chance)}.",
            f"KS distance of all numbers of a scale: {BEYOND} (Bonferroni); fail above 15 % too",
            "misfit",
        )


def _foreign(d: ImageDiagnosis) -> Iterator[Check]:
    """Likelihood that prefers foreign images is a property to know of, not an error of the fit."""
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


def judge_draws(d: ImageDraws, skipped: int = 0) -> tuple[Check, ...]:
    """The checks of a model that only draws."""
    return (*few("sampling", len(d.held_out), "images"), *_sampling(d), *skipped_steps(skipped))


def _sampling(d: ImageDraws) -> Iterator[Check]:
    if d.bad_samples:
        said = f"{d.bad_samples} of {d.drawn} samples are not finite."
        yield Check("sampling", "fail", said, "none may be", "unstable")
    yield classified(d.classifiers, "images")
    yield remembered(d.memorisation, "image")


def _numerics(d: ImageDiagnosis, skipped: int) -> Iterator[Check]:
    for what, trip in (("held-out images", d.round_trip), ("samples", d.round_trip_of_samples)):
        if trip is not None:
            yield came_back(what, trip, "of the pixels' range", TOLERANCE, 0.01)
    yield from skipped_steps(skipped)
