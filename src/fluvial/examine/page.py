"""What all reports share: one self-contained page with a verdict, its figures, and its numbers as JSON."""

from __future__ import annotations

import base64
import io
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import fluvial
from fluvial.core import UsageError
from fluvial.core.files import own_folder, write_atomically
from fluvial.examine.verdict import LEVELS, Check, Verdict, worst

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Sentences = tuple[str, str, str]
"""What to say where a topic passes, warns and fails."""

Vector = Literal["pdf", "svg"]
"""Formats of figures for papers."""
_UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}  # so that the same figure is the same file
_MARKS = {"pass": "✓", "warn": "!", "fail": "✕"}


@dataclass(frozen=True)
class Picture:
    """A figure as the page embeds it; ``width`` in CSS pixels."""

    title: str
    png: bytes
    width: int

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Report:
    """What a report says of a model.

    Args:
        topics: of the checks, in order, with their words.
        numbers: the JSON's content beside the verdict, the checks and the record.
        facts: what the template reads beside what all templates do.
        template: extends ``page.html.j2``, "PACKAGE/FILE"; there, ``picture(name, caption)`` is a figure, or nothing
            without it. The page itself shows the figures one after the other.
    """

    checks: tuple[Check, ...]
    topics: Mapping[str, Sentences]
    figures: Mapping[str, Figure] = field(default_factory=dict[str, "Figure"])
    numbers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    template: str = "page.html.j2"


def write_page(
    folder: Path,
    report: Report,
    verdict: Verdict,
    record: Mapping[str, Any],
    parameters: int,
    vector: Vector | None = None,
) -> Path:
    """Write ``report.html``, which opens from disk without a network, ``report.json`` and ``figures/``.

    Args:
        record: of the fit; ``parameters`` is how many the model has.
        vector: a format for papers that figures are written in too, beside PNG.

    Returns:
        The path of the page.

    Raises:
        RunError: a file cannot be written.
    """
    pictures = {name: picture(figure) for name, figure in report.figures.items()}
    drawings = own_folder(folder / "figures")
    for name, drawn in pictures.items():
        write_atomically(drawings / f"{name}.png", drawn.png)
        if vector:
            write_atomically(drawings / f"{name}.{vector}", _saved(report.figures[name], vector))
    content = {
        "verdict": {topic: worst(report.checks, topic) for topic in report.topics},
        "overall": verdict.to_json(),
        "checks": [asdict(c) for c in report.checks],
        **report.numbers,
        "record": record,
    }
    write_atomically(folder / "report.json", (json.dumps(content, indent=2, default=str) + "\n").encode())
    page = folder / "report.html"
    write_atomically(page, _render(report, pictures, verdict, shared_facts(record, parameters)).encode())
    return page


def shared_facts(record: Mapping[str, Any], parameters: int) -> dict[str, Any]:
    """What the pages of all kinds say: title, date, parts of the data, and how it was made."""
    data, machine, training = (record.get(k) or {} for k in ("data", "machine", "training"))
    name, model = data.get("name"), (record.get("model") or {}).get("model") or "model"
    threads = training.get("threads")
    where = [machine.get("processor"), machine.get("system"), f"{threads} threads" if threads else "", ""]
    hashed = next((f"{kind.upper()} {data[kind]}" for kind in ("sha256", "blake2b") if data.get(kind)), "")
    return {
        "title": f"{name}: {model}" if name else f"fluvial {model}",
        "date": str(record.get("date") or "")[:10],
        "model_name": model,
        "exact": record.get("exact"),
        "parameters": f"{parameters:,}",
        "split": (record.get("split") or {}).get("sentence") or "",
        "notes": record.get("warnings") or [],
        "command": record.get("command") or "",
        "seed": record.get("seed"),
        "versions": record.get("versions") or {"fluvial": fluvial.__version__},
        "data": f"{name}, {hashed}" if hashed else "",
        "machine": ", ".join(w for w in where if w),
        "record": json.dumps(record, indent=2, ensure_ascii=False, default=str),
    }


def picture(figure: Figure) -> Picture:
    """The figure as PNG."""
    width = int(figure.get_figwidth() * figure.dpi)
    return Picture(
        figure.get_suptitle().replace(r"\$", "$").replace("\n", " "), _saved(figure, "png"), min(width, 1000)
    )


def _saved(figure: Figure, form: str) -> bytes:
    """The figure as the bytes of a file, the same for the same figure."""
    from matplotlib.collections import PathCollection

    for points in figure.findobj(PathCollection):
        points.set_rasterized(True)  # thousands of points are many megabytes as curves
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # names in scripts that the font lacks
        figure.savefig(buffer, format=form, metadata=_UNDATED.get(form))
    return buffer.getvalue()


def need_extras() -> None:
    """UsageError, a sentence, unless all that a report needs is installed."""
    try:
        import jinja2  # noqa: F401  # pyright: ignore
        import matplotlib  # noqa: F401  # pyright: ignore
        import sklearn  # noqa: F401  # pyright: ignore
    except ImportError as error:
        raise UsageError(
            f'the report needs {error.name}, which is not installed: pip install "fluvial[report]"'
        ) from None


def _render(report: Report, pictures: Mapping[str, Picture], verdict: Verdict, shared: Mapping[str, Any]) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def shown(name: str, caption: str) -> str:
        if name not in pictures:
            return ""
        drawn = pictures[name]
        source = f'<img src="data:image/png;base64,{drawn.base64}" alt="%s"\n width="{drawn.width}">'
        return Markup(f"<figure>{source}<figcaption>%s</figcaption></figure>") % (drawn.title, caption)

    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_read))
    environment.filters["number"] = number  # pyright: ignore[reportArgumentType]
    environment.filters["tight"] = _tight  # pyright: ignore[reportArgumentType]
    cards = [
        (topic, level, words[LEVELS.index(level)], [c for c in report.checks if c.topic == topic])
        for topic, words in report.topics.items()
        for level in [worst(report.checks, topic)]
        if any(c.topic == topic for c in report.checks)
    ]
    return environment.get_template(report.template).render(
        style=Markup(_read("report.css")),
        cards=cards,
        marks=_MARKS,
        overall=worst(report.checks),
        verdict=verdict,
        picture=shown,
        pictures=pictures,
        **shared,
        **report.facts,
    )


def _read(name: str) -> str:
    """A file beside this one, or, with a package before it, one of that package."""
    package, _, file = name.rpartition("/")
    return resources.files(package or "fluvial.examine").joinpath(file).read_text(encoding="utf-8")


def numbers(value: Any) -> Any:  # noqa: ANN401
    """A diagnosis as plain JSON: arrays of one number per column stay, those of one per row go.

    Numbers that are not finite become None, since JSON has none.
    """
    if is_dataclass(value):
        named = {f.name: getattr(value, f.name) for f in fields(value)}
        return {k: numbers(v) for k, v in named.items() if k not in _PER_ROW}
    if isinstance(value, np.ndarray):
        return numbers(value.tolist())
    if isinstance(value, (tuple, list)):
        return [numbers(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_PER_ROW = frozenset({"log_p", "errors", "u", "scores", "x", "samples", "held_out", "context"})


def number(value: float | None) -> str:
    """A number to read: four digits at most, no exponent where none is needed.

    >>> number(13.28222), number(0.0000042), number(float("-inf")), number(12.0), number(None)
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


def plus_minus(value: float | None, error: float | None) -> str:
    """A value as far as its error lets it be known.

    >>> plus_minus(13.28222, 0.2186), plus_minus(-1234.5, 38.2)
    ('13.28 ± 0.22', '−1,234 ± 38')
    """
    if value is None or error is None or not (math.isfinite(value) and math.isfinite(error)):
        return "not finite"
    digits = 0 if error == 0 else max(0, 1 - math.floor(math.log10(error)))
    return f"{value:,.{digits}f} ± {error:.{digits}f}".replace("-", "−")


def _tight(sentence: str) -> str:
    """Percent signs, errors and z-scores stay on the line of their numbers."""
    space = "\N{NO-BREAK SPACE}"
    return sentence.replace(" %", f"{space}%").replace(" ± ", f"{space}±{space}").replace("z ", f"z{space}")
