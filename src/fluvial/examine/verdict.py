"""What a model can be trusted with, whatever it is of: checks against chance, each with its rule, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal, cast

from fluvial.core.errors import RunError
from fluvial.examine.remedies import Remedy, remedies, untrained
from fluvial.examine.round_trip import RoundTrip
from fluvial.examine.two_sample import ClassifierTest, Memorisation

Level = Literal["pass", "warn", "fail"]
FEW = 200  # held-out rows below which passing the checks says little
SIGMAS = 3.0
"""Standard errors from what is expected, on either side, up to which a finding may be chance."""
BEYOND = f"warn beyond {SIGMAS:g} standard errors from chance on either side"
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
        if untrained(record):
            said = "It has not learnt anything: no epoch was trained before its budget ended."
            checks = (Check("training", "fail", said, "fail: no epoch", "untrained"), *checks)
        bad = [c for level in ("fail", "warn") for c in checks if c.level == level]
        found = remedies(tuple(dict.fromkeys(c.fault for c in bad if c.fault)), record)
        return cls(*OVERALL[worst(checks)], tuple(dict.fromkeys(c.sentence for c in bad)), found)

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
        remedies = [asdict(r) for r in self.remedies]
        return {"level": self.level, "sentence": self.sentence, "reasons": list(self.reasons), "remedies": remedies}

    def is_at_least(self, level: str) -> bool:
        """Whether it is as good as ``level`` or better."""
        return self.level in _NAMES[: _NAMES.index(level) + 1]


def split_checks(record: Mapping[str, Any]) -> tuple[Check, ...]:
    """What the parts of the data come to, of whatever kind: nothing to say where judges chose nothing."""
    split = record.get("split") or {}
    if split.get("independent"):
        return ()
    said = split.get("sentence") or "The data that judge it also decided when to stop, so its scores are optimistic."
    return (Check("density", "warn", said, "warn unless the data that judge have chosen nothing", "few"),)


def worst(checks: tuple[Check, ...], topic: str | None = None) -> Level:
    """The gravest level, of one topic or of all.

    >>> worst((Check("density", "pass", "", ""), Check("density", "warn", "", "")), "density")
    'warn'
    """
    levels: list[Level] = [c.level for c in checks if topic in (None, c.topic)]
    return gravest(*levels)


def few(topic: str, n: int, what: str = "rows", unseen: str = "") -> Iterator[Check]:
    """A reservation where the data that judge are few; ``unseen`` is what they cannot show, in words."""
    if n < FEW:
        yield Check(topic, "warn", f"Only {n} held-out {what} judge it{unseen}.", f"warn below {FEW} {what}", "few")


def skipped_steps(skipped: int) -> Iterator[Check]:
    """A reservation where training steps were not finite."""
    if skipped:
        said = f"{skipped} training steps were not finite and were skipped."
        yield Check("numerics", "warn", said, "warn above 0", "unstable")


def came_back(what: str, trip: RoundTrip, unit: str, tolerance: float, share: float) -> Check:
    """Whether all came back from their noise; ``share`` of them may fail before the check does."""
    end = f"within {trip.largest:.1g} {unit}" if not trip.failed else f"but {trip.failed} that do not"
    return Check(
        "numerics",
        grade(trip.failed / trip.rows, 0.0, share),
        f"All {trip.rows} {what} come back from their noise, {end}.",
        f"one fails above {tolerance:g} {unit}; fail above {percent(share)} of them",
        "unstable",
    )


def classified(tests: Sequence[ClassifierTest], things: str) -> Check:
    """Whether a classifier distinguishes samples from held-out ``things``, and how far from chance that is."""
    best = max(tests, key=lambda c: abs(c.auc - 0.5))
    z = z_score(best.auc, 0.5, best.auc_error)
    level = graded(z_of(p_of(z), len(tests)), abs(best.auc - 0.5), 0.15)
    said = "No classifier distinguishes" if level == "pass" else "A classifier can distinguish"
    if level != "pass" and z < 0:
        said = "A classifier is worse than a guess, as if samples and held-out data were not independent, at telling"
    return Check(
        "sampling",
        level,
        f"{said} samples from held-out {things}: AUC {best.auc:.3f} ({best.name}), chance is 0.500 ± "
        f"{best.auc_error:.3f}, z {z:+.1f}.",
        f"{BEYOND} (Bonferroni for {len(tests)}); fail if the AUC is off 0.5 by more than 0.15 too",
        "misfit",
    )


def remembered(near: Memorisation, thing: str) -> Check:
    """Whether samples keep closer to training data than new data do, or farther from them."""
    z = z_score(near.closer, 0.5, near.error)
    level = graded(z, abs(near.closer - 0.5), 0.25)
    repeats = z > 0 and near.repeats
    said = (
        "it repeats them"
        if repeats
        else "it strays from them"
        if z < 0
        else "it keeps to their middle and repeats none"
    )
    said = "none are memorised" if level == "pass" else said
    return Check(
        "sampling",
        level,
        f"{percent(near.closer)} of samples are nearer to a training {thing} than the median held-out {thing} is "
        f"(expected 50 ± {100 * near.error:.1f} %, z {z:+.1f}): {said}.",
        f"{BEYOND}; fail if off 50 % by more than 25 points too",
        "overfitted" if repeats else "misfit",
    )


def gravest(*levels: Level) -> Level:
    return LEVELS[max((LEVELS.index(level) for level in levels), default=0)]


def grade(value: float, warn: float, fail: float) -> Level:
    """Fail above ``fail`` or without a value, warn above ``warn``, else pass."""
    return "fail" if not value <= fail else "warn" if value > warn else "pass"


def graded(z: float, effect: float, far: float) -> Level:
    """Pass within ``SIGMAS`` standard errors of chance, on either side; beyond, fail if the effect is above ``far``."""
    return "pass" if abs(z) <= SIGMAS else "warn" if effect <= far else "fail"


def z_score(value: float, expected: float, error: float) -> float:
    """How many standard errors ``value`` is off; 0 where it is not off at all, infinite where it cannot vary.

    >>> round(z_score(0.542, 0.5, 0.009), 1), z_score(2.0, 2.0, 0.0)
    (4.7, 0.0)
    """
    if value == expected:
        return 0.0
    off = value - expected
    return off / error if error > 0 and math.isfinite(off) else math.copysign(math.inf, off)


def z_of(p_value: float, tests: int = 1) -> float:
    """The z-score, 0 or more, whose two sides have the probability of the best of so many tests (Bonferroni).

    >>> round(z_of(0.0027), 2), z_of(0.9, 5), round(z_of(0.0027, 10), 2)
    (3.0, 0.0, 2.21)
    """
    p = min(1.0, p_value * tests)
    return abs(NormalDist().inv_cdf(p / 2)) if p > 1e-300 else math.inf


def p_of(z: float) -> float:
    """The probability of both sides beyond z."""
    return math.erfc(abs(z) / math.sqrt(2))


def by_chance(n: float, tests: int = 1) -> float:
    """The Kolmogorov-Smirnov distance that n rows reach by chance, at the worst of so many tests, ``SIGMAS`` out.

    >>> round(by_chance(418, 8), 3)
    0.102
    """
    return math.sqrt(-0.5 * math.log(p_of(SIGMAS) / 2 / tests) / n)


def percent(share: float) -> str:
    """A share as a reader wants it.

    >>> percent(0.0123)
    '1.2 %'
    """
    return f"{100 * share:.1f} %"
