"""From a diagnosis to words: what a model can be trusted with, each check with its threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from fluvial.core.errors import RunError
from fluvial.tasks.diagnose import Diagnosis, RoundTrip
from fluvial.tasks.remedies import Remedy, remedies

Level = Literal["pass", "warn", "fail"]
FEW = 200  # held-out rows below which passing the checks says little
TOPICS = ("density", "sampling", "numerics")
LEVELS: tuple[Level, ...] = ("pass", "warn", "fail")
OVERALL: dict[Level, tuple[str, str]] = {
    "pass": ("good", "Nothing speaks against trusting this model."),
    "warn": ("with care", "This model can be trusted, with the reservations below."),
    "fail": ("do not trust", "Do not trust this model yet: something below is wrong."),
}
"""What the gravest check comes to, as a name and as a sentence."""
_NAMES = tuple(name for name, _ in OVERALL.values())


@dataclass(frozen=True)
class Check:
    """One finding as a sentence, with the rule that graded it; ``fault`` is what to look up remedies by."""

    topic: str
    level: Level
    sentence: str
    rule: str
    fault: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a report comes to, whatever the model is of; kept in the record of the run.

    Args:
        level: "good", "with care" or "do not trust"; ``sentence`` says so.
        reasons: the sentences of the checks that did not pass, failures first.
        remedies: what to try, each a sentence and a command.
    """

    level: str
    sentence: str
    reasons: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()

    @classmethod
    def of(cls, checks: tuple[Check, ...], record: Mapping[str, Any]) -> Verdict:
        """The verdict that the checks come to, with remedies for the model that the record describes."""
        bad = [c for level in ("fail", "warn") for c in checks if c.level == level]
        found = remedies(tuple(dict.fromkeys(c.fault for c in bad if c.fault)), record)
        return cls(*OVERALL[worst(checks)], tuple(c.sentence for c in bad), found)

    @classmethod
    def from_json(cls, data: object) -> Verdict | None:
        """The verdict in a record, None where there is none.

        Raises:
            RunError: it is not what :meth:`to_json` writes.
        """
        if data is None:
            return None
        try:
            named = cast("dict[str, Any]", data)
            remedies = tuple(Remedy(str(r["sentence"]), str(r["command"])) for r in named["remedies"])
            return cls(str(named["level"]), str(named["sentence"]), tuple(map(str, named["reasons"])), remedies)
        except (TypeError, KeyError, ValueError) as error:
            raise RunError(f"the verdict in the record is damaged: {error!r}") from None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    def is_at_least(self, level: str) -> bool:
        """Whether it is as good as ``level`` or better."""
        return self.level in _NAMES[: _NAMES.index(level) + 1]


def split_checks(record: Mapping[str, Any]) -> tuple[Check, ...]:
    """What the parts of the data come to, of whatever kind: nothing to say where judges chose nothing."""
    split = record.get("split") or {}
    if split.get("independent"):
        return ()
    told = split.get("sentence") or "The data that judge it also decided when to stop, so its scores are optimistic."
    return (Check("density", "warn", told, "warn unless the data that judge have chosen nothing", "few"),)


def judge(diagnosis: Diagnosis, names: tuple[str, ...], skipped: int = 0) -> tuple[Check, ...]:
    """All checks, by topic.

    Args:
        names: of the columns.
        skipped: training steps that were not finite.
    """
    checks = [*_density(diagnosis), *_sampling(diagnosis, names), *_numerics(diagnosis, skipped)]
    return tuple(checks)


def worst(checks: tuple[Check, ...], topic: str | None = None) -> Level:
    """The gravest level, of one topic or of all.

    >>> worst((Check("density", "pass", "", ""), Check("density", "warn", "", "")), "density")
    'warn'
    """
    levels: list[Level] = [c.level for c in checks if topic in (None, c.topic)]
    return _gravest(*levels)


def _density(d: Diagnosis) -> Iterator[Check]:
    held, gain, error = d.likelihood, *d.gain
    yield from _few("density", held.rows)
    per_column = (d.training.mean - held.mean) / d.x.shape[1]
    noise = (d.training.standard_error**2 + held.standard_error**2) ** 0.5 / d.x.shape[1]
    if held.impossible:
        share = f"{held.impossible} of {held.rows}"
        yield Check("density", "fail", f"{share} held-out rows are impossible under the model.", "none may be")
    else:
        beats = "more" if gain > 2 * error else "about as much" if gain > -2 * error else "less"
        yield Check(
            "density",
            "fail" if beats == "less" else "pass",
            f"Held-out rows are {abs(gain):.2f} ± {error:.2f} nats {'more' if gain >= 0 else 'less'} likely than "
            f"under {d.baseline_name}: the model explains {beats}.",
            f"fail: below {d.baseline_name} by more than 2 standard errors",
        )
        tail = held.trimmed_mean - held.mean
        yield Check(
            "density",
            grade(tail, 0.5, 5.0),
            f"The rows in the tails {'weigh on' if tail > 0.5 else 'do not dominate'} the mean log-likelihood: "
            f"without 1 % at either end it is {held.trimmed_mean:.2f} in place of {held.mean:.2f}.",
            "warn above a difference of 0.5 nats, fail above 5",
        )
        yield Check(
            "density",
            "pass" if per_column < 3 * noise else grade(per_column, 0.1, 0.5),
            f"Training rows score {per_column:+.2f} nats per column against held-out rows: "
            f"{'overfitted' if per_column > max(0.1, 3 * noise) else 'no overfitting to speak of'}.",
            "warn above 0.1, fail above 0.5, unless within 3 standard errors",
        )
    if d.calibration is None or d.latent is None:
        yield Check("density", "warn", "Calibration is not known: this density has no factorised noise.", "needs one")
        return
    c, j = d.calibration, d.calibration.worst
    off = _significant(float(c.statistic[j]), float(c.p_value[j]), len(c.statistic))
    yield Check(
        "density",
        off,
        f"{'Calibrated as far as chance allows' if off == 'pass' else 'Not calibrated'}: the worst "
        f"{'conditional' if c.conditional else 'position of the noise'}, {c.labels[j]}, is "
        f"{percent(float(c.statistic[j]))} off uniform.",
        "KS distance: warn above 5 %, fail above 10 %, if significant at 1 % (Bonferroni)",
    )
    off = _significant(d.latent.radius_statistic, d.latent.radius_p_value, 1)
    r, limit = d.latent.correlation, d.latent.limit
    if r is not None and limit is not None and r > limit:
        off = _gravest(off, grade(r, 0.1, 0.3))
    pairs = "" if r is None else f" and the largest correlation left is {r:.2f}"
    yield Check(
        "density",
        off,
        f"Seen from the noise, the joint shape {'fits' if off == 'pass' else 'does not fit'}: the radius is "
        f"{percent(d.latent.radius_statistic)} off chi-squared{pairs}.",
        "radius as above; correlation: warn above 0.1, fail above 0.3, if significant at 5 %",
    )


def _sampling(d: Diagnosis, names: tuple[str, ...]) -> Iterator[Check]:
    if d.bad_samples:
        share = f"{d.bad_samples} of {d.sample_rows}"
        yield Check("sampling", "fail", f"{share} samples are not finite.", "none may be")
    yield from _few("sampling", len(d.x))
    best = max(d.classifiers, key=lambda c: c.auc)
    told: Level = "pass" if best.p_value > 0.01 / len(d.classifiers) else grade(best.auc, 0.55, 0.65)
    yield Check(
        "sampling",
        told,
        f"{'No classifier tells' if told == 'pass' else 'A classifier can tell'} samples from held-out rows: "
        f"AUC {best.auc:.3f} at best ({best.name}), chance is 0.500 ± {best.auc_error:.3f}.",
        "AUC: warn above 0.55, fail above 0.65, if significant at 1 % (Bonferroni)",
    )
    m = d.marginals
    off = _significant(float(m.statistic[m.worst]), float(m.p_value[m.worst]), len(m.statistic))
    yield Check(
        "sampling",
        off,
        f"{'No column differs from the data by more than chance allows' if off == 'pass' else 'Columns differ'}: the "
        f"worst, {names[m.worst]}, is {percent(float(m.statistic[m.worst]))} off.",
        "two-sample KS distance: warn above 5 %, fail above 10 %, if significant at 1 % (Bonferroni)",
    )
    near = d.memorisation
    level: Level = "pass" if near.closer < 0.5 + 3 * near.error else grade(near.closer, 0.6, 0.75)
    strays = near.closer < 0.5 - 3 * near.error
    said = "it repeats training rows" if level != "pass" else "it strays from them" if strays else "none are memorised"
    yield Check(
        "sampling",
        level,
        f"{percent(near.closer)} of samples are nearer to a training row than the median held-out row is (50 % is "
        f"expected): {said}.",
        "warn above 60 %, fail above 75 %, unless within 3 standard errors",
    )


def _numerics(d: Diagnosis, skipped: int) -> Iterator[Check]:
    for what, trip in (("held-out rows", d.round_trip), ("samples", d.round_trip_of_samples)):
        if trip is not None:
            yield _trip(what, trip)
            if trip.changed is not None and what == "held-out rows":
                share = trip.changed / trip.rows
                yield Check(
                    "numerics",
                    grade(share, 0.01, 0.05),
                    f"{trip.rows - trip.changed} of {trip.rows} held-out rows come back to their own grid values.",
                    "warn below 99 %, fail below 95 %",
                )
    if skipped:
        yield Check("numerics", "warn", f"{skipped} training steps were not finite and were skipped.", "warn above 0")


def _few(topic: str, rows: int) -> Iterator[Check]:
    if rows < FEW:
        unseen = percent(1.63 * (2 / rows) ** 0.5)
        said = f"Only {rows} held-out rows judge it: differences below {unseen} of a distribution go unseen."
        yield Check(topic, "warn", said, f"warn below {FEW} rows")


def _trip(what: str, trip: RoundTrip) -> Check:
    end = f"within {trip.largest:.1g} standard deviations" if not trip.failed else f"but {trip.failed} that do not"
    return Check(
        "numerics",
        grade(trip.failed / trip.rows, 0.0, 0.001),
        f"All {trip.rows} {what} come back from their noise, {end}.",
        "a row fails above 0.001 standard deviations; fail above 0.1 % of rows",
    )


def _gravest(*levels: Level) -> Level:
    return LEVELS[max((LEVELS.index(level) for level in levels), default=0)]


def grade(value: float, warn: float, fail: float) -> Level:
    """Fail above ``fail`` or without a value, warn above ``warn``, else pass."""
    return "fail" if not value <= fail else "warn" if value > warn else "pass"


def _significant(distance: float, p_value: float, tests: int) -> Level:
    return "pass" if p_value > 0.01 / tests else grade(distance, 0.05, 0.1)


def percent(share: float) -> str:
    """A share as a reader wants it.

    >>> percent(0.0123)
    '1.2 %'
    """
    return f"{100 * share:.1f} %"
