"""The documentation's page of mixed tables beside the field: ``python -m benchmarks.tables.page``, from the records."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.common import DOCS
from benchmarks.tables import imputation, mixed, prediction
from benchmarks.tables.mixed import lines
from benchmarks.tables.page_words import GAPS, INTRODUCTION, MEASURES, PREDICTIONS, RANKS, SHORT, SINGLE

PAGE = DOCS / "tables-benchmarks.md"
NAMES = {"fluvial": "**fluvial**", "argn": "TabularARGN", "copula": "GaussianCopula", "ctgan": "CTGAN", "tvae": "TVAE"}
NAMES |= {"arf": "ARF", "real": "*the rows learnt from*"}
NAMES |= {
    "iterative": "IterativeImputer",
    "neighbours": "KNNImputer",
    "forests": "miceforest",
    "trees": "boosted trees",
}
TABLES = {"redwine": "red wine", "miniboone40": "MINIBOONE"}
BETTER = {
    "shapes": ("column shapes", lambda v: -v),
    "pairs": ("pair trends", lambda v: -v),
    "two_sample_auc": ("two-sample AUC", lambda v: np.maximum(v, 0.5)),
    "trained_on": ("trained on draws", lambda v: -v),
    "nearest": ("nearest row", lambda v: np.abs(np.log(np.maximum(v, 1e-6)))),
}
"""Measures, and what of them is to be small."""
_GAPS = ["set", "engine", "crps", "accuracy", "log_score", "label_log_score", "draws"]
_PREDICTED = ["set", "target", "engine", "budget", "auc", "accuracy", "log_loss", "crps", "calibration_error"]


def write() -> None:
    """Write the page."""
    parts = [INTRODUCTION, RANKS, ranks(), MEASURES, measures(), SINGLE, costs(), GAPS, gaps(), PREDICTIONS]
    PAGE.write_text("\n".join([*parts, predictions(), SHORT]).rstrip() + "\n")
    print(PAGE.read_text())


def cells() -> pd.DataFrame:
    """The drawn tables' records, one a row."""
    frame = pd.DataFrame(lines(mixed.RECORD))
    return frame[frame["budget"] == mixed.BUDGET]


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Ranks of the engines, by table and measure: the mean over the seeds in which all of them have a record."""
    found = []
    for (name, seed), group in frame[frame["engine"] != "real"].groupby(["set", "seed"]):
        if len(group) == len(mixed.ENGINES):
            for measure, (_, small) in BETTER.items():
                places = small(group.set_index("engine")[measure]).rank()
                found += [(name, seed, measure, engine, place) for engine, place in places.items()]
    table = pd.DataFrame(found, columns=["set", "seed", "measure", "engine", "rank"])
    return table.groupby(["set", "measure", "engine"], as_index=False)["rank"].mean()


def ranks() -> str:
    """Mean ranks and their standard errors over the tables."""
    table = ranked(cells())
    rows = []
    for engine in (e for e in mixed.ENGINES if e in set(table["engine"])):
        own = [table[(table["engine"] == engine) & (table["measure"] == m)]["rank"] for m in BETTER]
        rows.append([NAMES[engine], *(f"{r.mean():.1f} ± {r.std() / len(r) ** 0.5:.1f}" for r in own)])
    names = [n for n in mixed.SETS if n in set(table["set"])]
    over = ", ".join(TABLES.get(n, n) for n in names)
    return f"Over {over}:\n\n" + _table(["engine", *(title for title, _ in BETTER.values())], rows)


def measures() -> str:
    """Every measure of every table."""
    frame, parts = cells(), []
    for name in (n for n in mixed.SETS if n in set(frame["set"])):
        rows = []
        for engine in ("real", *mixed.ENGINES):
            own = frame[(frame["set"] == name) & (frame["engine"] == engine)]
            if len(own):
                rows.append([NAMES[engine], *(_spread(own[m]) for m in BETTER)])
        seeds = frame[frame["set"] == name]["seed"].nunique()
        parts.append(f"\n### {TABLES.get(name, name)}, {_counted(seeds)}\n")
        parts.append(_table(["engine", *(title for title, _ in BETTER.values())], rows))
    return "\n".join(parts)


def costs() -> str:
    """Seconds to fit, rows drawn a second, and memory, of the largest table."""
    frame = cells()
    frame = frame[(frame["set"] == "adult") & (frame["engine"] != "real")]
    rows = []
    for engine in (e for e in mixed.ENGINES if e in set(frame["engine"])):
        own = frame[frame["engine"] == engine]
        fit, draw = (own["seconds"].map(lambda s, k=k: s[k]).mean() for k in ("fit", "draw"))
        learnt, drawn = (own["rows"].map(lambda r, k=k: r[k]).mean() for k in (1, 0))
        rows.append([NAMES[engine], f"{learnt:,.0f}", f"{fit:.0f}", f"{drawn / draw:,.0f}"])
    return _table(["engine", "rows learnt from", "seconds to fit", "rows drawn a second"], rows)


def gaps() -> str:
    """Filled gaps, by table and filler."""
    frame, rows = pd.DataFrame(lines(imputation.RECORD), columns=_GAPS), []
    for name in (n for n in imputation.SETS if n in set(frame["set"])):
        for engine in imputation.ENGINES:
            own = frame[(frame["set"] == name) & (frame["engine"] == engine)]
            if len(own):
                scores = [_spread(own[m]) for m in _GAPS[2:6]]
                rows.append([TABLES.get(name, name), NAMES[engine], *scores, f"{own['draws'].mean():.0f}"])
    return _table(["table", "filler", "CRPS", "accuracy", "log score, numbers", "log score, labels", "draws"], rows)


def predictions() -> str:
    """Predicted labels and numbers, by target and predictor."""
    records = lines(prediction.RECORD)
    flat = [
        {"set": r["set"], "target": target, "engine": r["engine"], "budget": r["budget"], **scores}
        for r in records
        for target, scores in r["targets"].items()
    ]
    frame, rows = pd.DataFrame(flat, columns=_PREDICTED), []
    for name, target in prediction.TASKS:
        for engine, budget in (("trees", 0.0), ("fluvial", prediction.BUDGET), ("fluvial", 0.0)):
            own = frame[(frame["target"] == target) & (frame["engine"] == engine) & (frame["budget"] == budget)]
            if len(own):
                kept = [_spread(own[m], 4) for m in ("auc", "accuracy", "log_loss")]
                kept += [_spread(own["crps"], 1), _spread(own["calibration_error"], 4)]
                who = NAMES[engine] + (f", {budget:.0f} s" if budget else ", to the end" if engine == "fluvial" else "")
                rows.append([f"{target} of {name}", who, *kept, f"{len(own)}"])
    return _table(["target", "predictor", "AUC", "accuracy", "log loss", "CRPS", "calibration error", "seeds"], rows)


def _spread(values: pd.Series, digits: int = 3) -> str:
    """Mean and standard error."""
    values = values.dropna()
    if not len(values):
        return ""
    error = f" ± {values.std() / len(values) ** 0.5:.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{error}"


def _counted(seeds: int) -> str:
    return "one seed" if seeds == 1 else f"{seeds} seeds"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)) + "\n"


if __name__ == "__main__":
    write()
