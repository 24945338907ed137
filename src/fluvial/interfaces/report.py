"""The report: one page that says how far a model can be trusted, its figures, and its numbers as JSON."""

from __future__ import annotations

import base64
import io
import json
import math
import platform
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import fluvial
from fluvial.core import RunError, UsageError
from fluvial.data.columns import Column
from fluvial.tasks.baseline import COVARIANCE
from fluvial.tasks.diagnose import Diagnosis, Likelihood, diagnose, numbers
from fluvial.tasks.model import Model
from fluvial.tasks.verdict import TOPICS, Check, judge, worst
from fluvial.training import Data
from fluvial.training.checkpoint import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKS = {"pass": "✓", "warn": "!", "fail": "✕"}
_VERDICTS = {
    "overall": {
        "pass": "Nothing speaks against trusting this model.",
        "warn": "This model can be trusted, with the reservations below.",
        "fail": "Do not trust this model yet: something below is wrong.",
    },
    "density": {
        "pass": "Its densities can be trusted.",
        "warn": "Use its densities with care.",
        "fail": "Do not rely on its densities.",
    },
    "sampling": {
        "pass": "Its samples look like the data.",
        "warn": "Look closely before you use its samples.",
        "fail": "Its samples differ from the data.",
    },
    "numerics": {
        "pass": "Its arithmetic holds.",
        "warn": "Its arithmetic holds, with exceptions.",
        "fail": "Its arithmetic fails on some rows.",
    },
}
_LISTED = 200  # columns in the data table at most
_SCORES = (
    ("standardised units, nats", "standardised"),
    ("bits per dimension (−log₂ p / D), data units", "bits_per_dimension"),
    ("median, nats, data units", "median"),
)
_PROBABILITIES = (("bits per column (−log₂ P / D)", "bits_per_dimension"), ("median, nats", "median"))


@dataclass(frozen=True)
class Picture:
    """A figure as the page embeds it; ``width`` in CSS pixels."""

    title: str
    png: bytes
    width: int

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode("ascii")


def write_report(model: Model, folder: Path) -> Path:
    """Examine ``model`` with the rows that its run kept, and write ``report.html``, ``report.json`` and ``figures/``.

    The page is self-contained: it opens from disk without a network.

    Returns:
        The path of the page.

    Raises:
        RunError: the run kept no rows, or a file cannot be written.
        UsageError: matplotlib, jinja2 or scikit-learn is not installed.
    """
    need_extras()
    train, held_out = _rows(model, "train"), _rows(model, "held_out")
    if train is None:
        raise RunError("the run has kept no rows to examine the model with: fit it again to get a report")
    truly = held_out is not None
    if held_out is None:
        train, held_out = _halves(train)
    names = model.schema.names
    diagnosis = diagnose(model.density, train, held_out, names, seed=int(model.record.get("seed") or 0))
    skipped = int(_at(model.record, "training", "skipped") or 0)
    checks = judge(diagnosis, names, skipped)
    if not truly:
        checks += (Check("density", "warn", "No rows were held out, so nothing here is a test.", "hold out some"),)
    figures = _figures(model, diagnosis)
    facts = _facts(model, diagnosis, train, truly)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder / 'figures'} could not be made: {error.strerror or error}") from None
    pictures = {name: picture(figure) for name, figure in figures.items()}
    for name, drawn in pictures.items():
        write_atomically(folder / "figures" / f"{name}.png", drawn.png)
    write_atomically(folder / "report.json", _json(model, diagnosis, checks).encode())
    page = folder / "report.html"
    write_atomically(page, _render(diagnosis, checks, pictures, facts).encode())
    return page


def _figures(model: Model, d: Diagnosis) -> dict[str, Figure]:
    from fluvial.interfaces import figures

    labels = [_label(c) for c in model.schema.columns]
    epochs = [m for m in model.metrics if m["ended"]]
    drawn: dict[str, Figure | None] = {
        "training": None,
        "pairs": None if d.discrete else figures.pairs(d, labels),
        "rows": figures.rows(d, labels) if d.discrete else None,
        "dependence": figures.dependence(d) if d.discrete else None,
        "marginals": figures.marginals(d, labels),
        "calibration": None if d.calibration is None else figures.calibration(d.calibration),
        "noise": None if d.latent is None else figures.noise(d.latent),
        "round_trip": figures.round_trip(d),
        "memorisation": figures.memorisation(d.memorisation),
    }
    if len(epochs) > 1:
        train, held_out = ([m["train"] for m in epochs], [m["held_out"] for m in epochs])
        drawn["training"] = figures.training_curve(
            [m["epoch"] for m in epochs], train, held_out, epochs[-1]["best_epoch"]
        )
    return {name: figure for name, figure in drawn.items() if figure is not None}


def picture(figure: Figure) -> Picture:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # names in scripts that the font lacks
        figure.savefig(buffer, format="png")
    width = int(figure.get_figwidth() * figure.dpi)
    return Picture(figure.get_suptitle().replace(r"\$", "$"), buffer.getvalue(), min(width, 1000))


def _facts(model: Model, d: Diagnosis, train: Data, held_out: bool) -> dict[str, Any]:
    """What the page says besides the diagnosis."""
    record, sizes = model.record, model.record.get("sizes") or {}
    counts = {"train": sizes.get("train") or len(train), "held_out": sizes.get("held_out") or d.likelihood.rows}
    seen, columns = d.likelihood.rows, _columns(model, train)
    return {
        "title": _title(record),
        "quantity": "log-probability" if d.discrete else "log-density",
        "parameters": f"{sum(p.numel() for p in model.density.parameters()):,}",
        "held_out": held_out,
        "rows": {
            "train": f"{counts['train']:,}",
            "held_out": f"{counts['held_out']:,}" if held_out else "no",
            "examined": f"{seen:,}" if held_out and seen < counts["held_out"] else "",
        },
        "columns": columns[:_LISTED],
        "unlisted": max(0, len(columns) - _LISTED),
        "units": any(c["unit"] for c in columns),
        "context_columns": model.schema.context,
        "notes": record.get("warnings") or [],
        "scores": _scores(model, d),
        "covariance": d.x.shape[1] <= COVARIANCE,
        "gain": _plus_minus(*d.gain),
        "detectable": f"{100 * 1.63 * math.sqrt(2 / len(d.x)):.0f} %",
        "command": record.get("command") or "",
        "seed": record.get("seed"),
        "versions": record.get("versions") or _versions(),
        "record": json.dumps(record, indent=2, ensure_ascii=False, default=str),
    }


def _scores(model: Model, d: Diagnosis) -> list[tuple[str, list[str]]]:
    """The table of likelihoods, from the whole held-out set where the fit recorded it."""
    kept = [_kept(model.record, key, likelihood) for key, likelihood in _likelihoods(d)]
    mean = [_plus_minus(s["log_likelihood"], s["standard_error"]) for s in kept]
    rest = [(label, [_number(s[key]) for s in kept]) for label, key in (_PROBABILITIES if d.discrete else _SCORES)]
    unit = "" if d.discrete else "data units, "
    return [(f"{unit}nats ± standard error", mean), *rest, ("rows", [f"{s['rows']:,}" for s in kept])]


def _likelihoods(d: Diagnosis) -> tuple[tuple[str, Likelihood], ...]:
    return ("held_out", d.likelihood), ("baseline", d.baseline), ("train", d.training)


def _kept(record: Mapping[str, Any], key: str, likelihood: Likelihood) -> dict[str, Any]:
    return _at(record, "scores", key) or {**asdict(likelihood), "log_likelihood": likelihood.mean}


def _columns(model: Model, train: Data) -> list[dict[str, Any]]:
    """One row of the data table for each column."""
    described = [_described(c, "modelled", train.x[:, i].numpy()) for i, c in enumerate(model.schema.columns)]
    if train.context is not None:
        for i, c in enumerate(model.schema.context):
            described.append(_described(c, "context", train.context[:, i].numpy()))
    described += [_described(left.column, "left out", np.empty(0)) for left in model.schema.dropped]
    return described


def _described(column: Column, role: str, values: np.ndarray) -> dict[str, Any]:
    low = median = high = None
    if len(values) and not column.categories:
        low, median, high = (float(v) for v in np.quantile(values, [0, 0.5, 1]))
    return {
        "name": column.name,
        "role": role,
        "kind": column.kind,
        "unit": column.unit,
        "low": low,
        "median": median,
        "high": high,
        "support": _support(column),
    }


def _support(column: Column) -> str:
    if column.categories:
        return ", ".join(map(str, column.categories[:12])) + (" …" if len(column.categories) > 12 else "")
    parts: list[str] = []
    if column.lower is not None or column.upper is not None:
        low, high = (_number(v) if v is not None else "∞" for v in (column.lower, column.upper))
        parts.append(f"{'−' if column.lower is None else ''}{low} to {high}")
    if column.step is not None:
        parts.append(f"steps of {_number(column.step)}")
    return ", ".join(parts)


def _json(model: Model, d: Diagnosis, checks: tuple[Check, ...]) -> str:
    content = {
        "verdict": {topic: worst(checks, topic) for topic in TOPICS},
        "checks": [asdict(c) for c in checks],
        "columns": list(model.schema.names),
        "diagnosis": numbers(d),
        "record": model.record,
    }
    return json.dumps(content, indent=2, default=str) + "\n"


def _render(d: Diagnosis, checks: tuple[Check, ...], pictures: Mapping[str, Picture], facts: Mapping[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["number"] = _number  # pyright: ignore[reportArgumentType]
    environment.filters["tight"] = _tight  # pyright: ignore[reportArgumentType]
    source, style = (read_template(name) for name in ("report.html.j2", "report.css"))
    overall = worst(checks)
    cards = [
        (topic, worst(checks, topic), _VERDICTS[topic][worst(checks, topic)], [c for c in checks if c.topic == topic])
        for topic in TOPICS
    ]
    return environment.from_string(source).render(
        d=d,
        style=Markup(style),
        cards=cards,
        marks=_MARKS,
        overall=overall,
        verdicts={"overall": _VERDICTS["overall"][overall]},
        pictures=pictures,
        **facts,
    )


def read_template(name: str) -> str:
    """A file that lies beside this one."""
    return resources.files("fluvial.interfaces").joinpath(name).read_text(encoding="utf-8")


def _number(value: float | None) -> str:
    """A number to read: four digits at most, no exponent where none is needed.

    >>> _number(13.28222), _number(0.0000042), _number(float("-inf")), _number(12.0), _number(None)
    ('13.28', '4.2e-06', 'not finite', '12', '')
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return "not finite"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}".replace("-", "−")
    text = f"{value:,.2f}" if 1 <= abs(value) < 1e5 else f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.2g}"
    return text.replace("-", "−") if "e" not in text else text


def _tight(sentence: str) -> str:
    """Percent signs stay on the line of their numbers."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def _plus_minus(value: float | None, error: float | None) -> str:
    """A value as far as its error lets it be known.

    >>> _plus_minus(13.28222, 0.2186), _plus_minus(-1234.5, 38.2)
    ('13.28 ± 0.22', '−1,234 ± 38')
    """
    if value is None or error is None or not (math.isfinite(value) and math.isfinite(error)):
        return "not finite"
    digits = 0 if error == 0 else max(0, 1 - math.floor(math.log10(error)))
    return f"{value:,.{digits}f} ± {error:.{digits}f}".replace("-", "−")


def _title(record: Mapping[str, Any]) -> str:
    return f"fluvial {_at(record, 'model', 'model') or 'model'}"


def _label(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def _rows(model: Model, name: str) -> Data | None:
    x, context = model.rows.get(f"{name}.x"), model.rows.get(f"{name}.context")
    if x is None or not len(x):
        return None
    return Data(torch.from_numpy(x), None if context is None else torch.from_numpy(context))


def _halves(data: Data) -> tuple[Data, Data]:
    """Rows to compare with where none were held out: every other one."""
    first, second = (Data(data.x[i::2], None if data.context is None else data.context[i::2]) for i in (0, 1))
    return first, second


def _at(record: Mapping[str, Any], outer: str, inner: str) -> Any:  # noqa: ANN401
    return (record.get(outer) or {}).get(inner)


def _versions() -> dict[str, str]:
    return {"fluvial": fluvial.__version__, "torch": str(torch.__version__), "python": platform.python_version()}


def need_extras() -> None:
    try:
        import jinja2  # noqa: F401  # pyright: ignore
        import matplotlib  # noqa: F401  # pyright: ignore
        import sklearn  # noqa: F401  # pyright: ignore
    except ImportError as error:
        raise UsageError(
            f'the report needs {error.name}, which is not installed: pip install "fluvial[report]"'
        ) from None
