"""Which score tells anomalies best, on the sets that scores are chosen on, from fits that ``adbench --keep`` has kept.

``python -m benchmarks.detect scores RUNS``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import fluvial
from benchmarks.common import commit, write_record
from benchmarks.detect.adbench import encoded, judged
from benchmarks.detect.sets import DEVELOPMENT, split
from fluvial import Model
from fluvial.kinds.tables.detect import Detector
from fluvial.kinds.tables.near import places_of
from fluvial.kinds.tables.unusual import _scores, together
from fluvial.models import AnyOrder

_MOST = 1000  # test rows of a set


def candidates(model: Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of encoded rows, (N,), by name; larger for stranger rows."""
    log_p, typical = model.log_prob_rows(x), np.median(model.log_prob_rows(model.rows["train.x"][:_MOST]))
    squares, ratio, tails = _scores(model, x, None)
    unusual = Detector.of(model).unusual
    assert unusual.near is not None
    assert isinstance(model.density, AnyOrder)
    narrow, wide = unusual.near(places_of(model.density, x, None))
    surprises = [surprise(each) for surprise, each in zip(unusual.surprises, (squares, ratio, tails, narrow, wide))]
    return {
        "default": together(surprises),
        "added up": np.sum(surprises, axis=0),
        "without near ones": together(surprises[:3]),
        "near, narrow": narrow,
        "near, wide": wide,
        "noise": squares,
        "log-ratio": ratio,
        "tails of columns one by one": tails,
        "-log p": -log_p,
        "typicality": np.abs(log_p - typical),
    }


def main(argv: list[str]) -> None:
    """Judge each score on each kept fit."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    names: list[str] = []
    for name in DEVELOPMENT:
        for told in ("mixture", "normals"):
            if not (run := Path(argv[0]) / f"{name}-{told}-0").exists():
                continue
            model, parts = fluvial.load(run), split(name, 0, told == "normals")
            some = np.random.default_rng(0).permutation(len(parts.test))[:_MOST]
            rows = encoded(model, parts.test[some]).x
            scores = {k: np.nan_to_num(v, posinf=1e6, neginf=-1e6) for k, v in candidates(model, rows).items()}
            names = list(scores)
            found.setdefault(told, {})[name] = {k: judged(v, parts.labels[some]) for k, v in scores.items()}
            print(name, told, {k: round(v["auroc"], 3) for k, v in found[told][name].items()}, flush=True)
    means = {
        told: {k: {m: float(np.mean([s[k][m] for s in sets.values()])) for m in ("auroc", "ap")} for k in names}
        for told, sets in found.items()
    }
    write_record("detect-scores", {"commit": commit(), "rows of a set": _MOST, "means": means, "sets": found})
