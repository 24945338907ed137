"""From the diagnosis of a model of a table to words, each check with its rule and what chance alone gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fluvial.examine.calibration import Latent
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
    gravest,
    percent,
    remembered,
    skipped_steps,
    z_of,
    z_score,
)
from fluvial.kinds.tables.diagnose import TOLERANCE, Diagnosis
from fluvial.kinds.tables.drawn import Drawn

_FAR = 0.1  # a Kolmogorov-Smirnov distance that fails where it is not chance
_CORRELATED = 0.3


def judge(diagnosis: Diagnosis, names: tuple[str, ...], skipped: int = 0) -> tuple[Check, ...]:
    """All checks, by topic.

    Args:
        names: of the columns.
        skipped: training steps that were not finite.
    """
    checks = [*_density(diagnosis), *_calibration(diagnosis, names), *_sampling(diagnosis, names)]
    return (*checks, *_numerics(diagnosis, skipped))


def _density(d: Diagnosis) -> Iterator[Check]:
    held, gain, error = d.likelihood, *d.gain
    yield from _few("density", held.rows)
    if held.impossible:
        share = f"{held.impossible} of {held.rows}"
        said = f"{share} held-out rows are impossible under the model."
        yield Check("density", "fail", said, "none may be", "impossible")
        return
    z = z_score(gain, 0.0, error)
    beats = "less" if z < -SIGMAS else "more" if z > SIGMAS else "about as much"
    yield Check(
        "density",
        "fail" if beats == "less" else "pass",
        f"Held-out rows are {abs(gain):.2f} ± {error:.2f} nats {'more' if gain >= 0 else 'less'} likely than under "
        f"{d.baseline_name} (z {z:+.1f}): the model explains {beats}.",
        f"fail: below {d.baseline_name} by more than {SIGMAS:g} standard errors; within them, as much",
        "underfitted",
    )
    tail = held.trimmed_mean - held.mean
    yield Check(
        "density",
        grade(abs(tail), 0.5, 5.0),
        f"The rows in the tails {'weigh on' if abs(tail) > 0.5 else 'do not dominate'} the mean log-likelihood: "
        f"without 1 % at either end it is {held.trimmed_mean:.2f} in place of {held.mean:.2f}.",
        "warn above a difference of 0.5 nats on either side, fail above 5",
        "tails",
    )
    yield _gap(d)


def _gap(d: Diagnosis) -> Check:
    """Training rows against held-out ones."""
    known, held, columns = d.training, d.likelihood, d.x.shape[1]
    gap = (known.mean - held.mean) / columns
    error = (known.standard_error**2 + held.standard_error**2) ** 0.5 / columns
    z = z_score(gap, 0.0, error)
    level = graded(z, abs(gap), 0.5)
    said = "no overfitting to be seen" if level == "pass" else "overfitted"
    if level != "pass" and z < 0:
        said = "held-out rows are the easier ones, so the parts of the data are not alike"
    return Check(
        "density",
        level,
        f"Training rows score {gap:+.2f} ± {error:.2f} nats per column against held-out rows (z {z:+.1f}): {said}.",
        f"{BEYOND}; fail above 0.5 nats too",
        "overfitted" if z > 0 else "",
    )


def _calibration(d: Diagnosis, names: tuple[str, ...]) -> Iterator[Check]:
    if d.calibration is None or d.latent is None:
        yield Check("density", "warn", "Calibration is not known: this density has no factorised noise.", "needs one")
        return
    c, j, n = d.calibration, d.calibration.worst, len(d.calibration.u)
    distance, z = float(c.statistic[j]), z_of(float(c.p_value[j]), len(c.statistic))
    off = graded(z, distance, _FAR)
    where = f"the worst conditional, {c.labels[j]},"
    if not c.conditional:
        where = f"the worst position of the noise, {c.labels[j]} (it mixes columns and is none of them),"
    yield Check(
        "density",
        off,
        f"{'Calibrated as far as chance allows' if off == 'pass' else 'Not calibrated'}: {where} is "
        f"{percent(distance)} off uniform; chance reaches {percent(by_chance(n, len(c.statistic)))} "
        f"(z {z:.1f} for the worst of {len(c.labels)}).",
        f"KS distance: {BEYOND} (Bonferroni); fail above {percent(_FAR)} too",
        "misfit",
    )
    yield _joint(d.latent, n, names if c.conditional else ())


def _joint(latent: Latent, n: int, names: Sequence[str]) -> Check:
    """The joint shape of the noise: its radius, and the correlations left in it; ``names`` where positions have any."""
    distance, z = latent.radius_statistic, z_of(latent.radius_p_value)
    off, r, limit = graded(z, distance, _FAR), latent.correlation, latent.limit
    if r is not None and limit is not None and r > limit:
        off = gravest(off, "fail" if r > _CORRELATED else "warn")
    pairs = "" if r is None else f", and the largest correlation left is {r:.2f}, by chance up to {limit:.2f}"
    if latent.pair is not None and names:
        pairs += f" (of {names[latent.pair[0]]} and {names[latent.pair[1]]})"
    return Check(
        "density",
        off,
        f"Seen from the noise, the joint shape {'fits' if off == 'pass' else 'does not fit'}: the radius is "
        f"{percent(distance)} off chi-squared, by chance up to {percent(by_chance(n))} (z {z:.1f}){pairs}.",
        f"radius: as above; correlation: {BEYOND} (Bonferroni), fail above {_CORRELATED:g} too",
        "misfit",
    )


def judge_draws(d: Drawn, names: tuple[str, ...], skipped: int = 0) -> tuple[Check, ...]:
    """The checks of a model that only draws."""
    return (*_sampling(d, names), *skipped_steps(skipped))


def _sampling(d: Drawn, names: tuple[str, ...]) -> Iterator[Check]:
    if d.bad_samples:
        share = f"{d.bad_samples} of {d.sample_rows}"
        yield Check("sampling", "fail", f"{share} samples are not finite.", "none may be", "unstable")
    yield from _few("sampling", len(d.x))
    yield classified(d.classifiers, "rows")
    m, tests = d.marginals, len(d.marginals.statistic)
    distance, z = float(m.statistic[m.worst]), z_of(float(m.p_value[m.worst]), tests)
    off = graded(z, distance, _FAR)
    yield Check(
        "sampling",
        off,
        f"{'No column differs from the data by more than chance allows' if off == 'pass' else 'Columns differ'}: the "
        f"worst, {names[m.worst]}, is {percent(distance)} off; chance reaches "
        f"{percent(by_chance(len(d.x) / 2, tests))} (z {z:.1f} for the worst of {tests}).",
        f"two-sample KS distance: {BEYOND} (Bonferroni); fail above {percent(_FAR)} too",
        "misfit",
    )
    yield remembered(d.memorisation, "row")


def _numerics(d: Diagnosis, skipped: int) -> Iterator[Check]:
    for what, trip in (("held-out rows", d.round_trip), ("samples", d.round_trip_of_samples)):
        if trip is not None:
            yield came_back(what, trip, "standard deviations", TOLERANCE, 0.001)
            if trip.changed is not None and what == "held-out rows":
                share = trip.changed / trip.rows
                yield Check(
                    "numerics",
                    grade(share, 0.01, 0.05),
                    f"{trip.rows - trip.changed} of {trip.rows} held-out rows come back to their own grid values.",
                    "warn below 99 %, fail below 95 %",
                    "unstable",
                )
    yield from skipped_steps(skipped)


def _few(topic: str, rows: int) -> Iterator[Check]:
    return few(topic, rows, unseen=f": differences below {percent(by_chance(rows / 2))} of a distribution go unseen")
