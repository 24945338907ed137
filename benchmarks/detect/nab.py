"""The series of NAB, their windows of values as rows, by NAB's own score: ``python -m benchmarks.detect nab``

Each detector learns the part of a series that NAB leaves unjudged, its first 15 %, and scores each later point by the
window of values that ends there, read as a share of the learnt windows. What counts is whether scores of late are
larger than they have been (the anomaly likelihood of Ahmad et al. 2017, Neurocomputing 262, which all get here): a
level that has moved for good is then news once, and one threshold can serve all series.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zipfile
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from benchmarks.common import commit, data_folder, write_record
from benchmarks.detect.adbench import Score, detectors, quietly
from benchmarks.detect.nab_score import PROFILES, Judged, judge, probation, scored

_WINDOW = 10  # values
_LATE = 10  # scores that are held against all before them
_COMPARED = ("fluvial", "IForest", "KNN", "LOF", "ECOD", "PCA", "OCSVM", "HBOS")


class Series(NamedTuple):
    name: str
    values: np.ndarray
    judged: Judged


def series() -> list[Series]:
    """All 41 series of the archive, with their labelled windows."""
    found: list[Series] = []
    with zipfile.ZipFile(data_folder() / "nab" / "nab_shared.zip") as archive:
        labelled = json.loads(archive.read("combined_windows.json"))
        for name in sorted(n for n in archive.namelist() if n.endswith(".csv")):
            rows = list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            times = np.array([row["timestamp"] for row in rows], dtype="datetime64[s]")
            windows = [
                (int(np.searchsorted(times, left)), int(np.searchsorted(times, right, side="right")) - 1)
                for left, right in (np.array(pair, dtype="datetime64[s]") for pair in labelled[name])
            ]
            found.append(Series(name, np.array([float(row["value"]) for row in rows]), judge(len(rows), windows)))
    return found


def anomaly(score: Score, values: np.ndarray) -> np.ndarray:
    """How anomalous each point is, (N,), nats; 0 while it is not judged."""
    from fluvial.kinds.tables.unusual import Surprise

    rows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW)
    learnt = rows[: probation(len(values)) - _WINDOW + 1]
    if np.ptp(learnt) == 0:  # a flat line, about which detectors have nothing to say but that
        away = np.abs(values - learnt[0, 0])
        return np.where(np.arange(len(values)) < probation(len(values)), 0.0, away)
    scores, _ = quietly(score, learnt, rows)
    known = Surprise.of(scores[: len(learnt)])
    found = np.zeros(len(values))
    found[_WINDOW - 1 :] = likelihood(np.minimum(known(np.nan_to_num(scores, posinf=1e300)), np.log(len(learnt))))
    found[: probation(len(values))] = 0.0
    return found


def likelihood(scores: np.ndarray) -> np.ndarray:
    """-log P(the mean of as many ordinary scores is as high), (N,), nats, by the mean and spread of all before it."""
    late = np.convolve(np.pad(scores, (_LATE - 1, 0), mode="edge"), np.full(_LATE, 1 / _LATE), mode="valid")
    counts = np.arange(1, len(scores) + 1)
    mean = np.cumsum(scores) / counts
    spread = np.sqrt(np.maximum(np.cumsum(scores**2) / counts - mean**2, 1e-6))
    return -norm.logsf((late - mean) / spread)


def main(argv: list[str]) -> None:
    """Score all series by each detector."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect nab")
    parser.add_argument("--budget", type=float, default=5.0)
    parser.add_argument("--only", default="")
    given = parser.parse_args(argv)
    every, compared = series(), detectors(given.budget, None)
    content = {"series": len(every), "windows": sum(e.judged.windows for e in every), "values in a window": _WINDOW}
    table: dict[str, dict[str, float]] = {}
    for name in given.only.split(",") if given.only else _COMPARED:
        found = [(anomaly(compared[name], each.values), each.judged) for each in every]
        table[name] = {profile: scored(found, profile) for profile in PROFILES}
        print(name, {k: round(v, 1) for k, v in table[name].items()}, flush=True)
        write_record("detect-nab", {**content, "budget": given.budget, "commit": commit(), "scores": table})
