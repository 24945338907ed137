"""What all reports share: one self-contained page with a verdict, its figures, and its numbers as JSON."""

from __future__ import annotations

import base64
import io
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvial.core import RunError, UsageError
from fluvial.tasks.verdict import Check, Level, worst
from fluvial.training.checkpoint import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Words = tuple[str, str, str]
"""What to say where a topic passes, warns and fails."""

OVERALL: Words = (
    "Nothing speaks against trusting this model.",
    "This model can be trusted, with the reservations below.",
    "Do not trust this model yet: something below is wrong.",
)
_LEVELS: tuple[Level, ...] = ("pass", "warn", "fail")
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


def write_page(
    folder: Path,
    template: str,
    figures: Mapping[str, Figure],
    checks: tuple[Check, ...],
    topics: Mapping[str, Words],
    numbers: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Path:
    """Write ``report.html``, which opens from disk without a network, ``report.json`` and ``figures/``.

    Args:
        template: extends ``page.html.j2``; there, ``picture(name, caption)`` is a figure, or nothing without it.
        topics: of the checks, in order, with their words.
        numbers: the JSON's content beside the verdict and the checks.
        facts: what the template reads.

    Returns:
        The path of the page.

    Raises:
        RunError: a file cannot be written.
    """
    pictures = {name: picture(figure) for name, figure in figures.items()}
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder / 'figures'} could not be made: {error.strerror or error}") from None
    for name, drawn in pictures.items():
        write_atomically(folder / "figures" / f"{name}.png", drawn.png)
    verdict = {topic: worst(checks, topic) for topic in topics}
    content = {"verdict": verdict, "checks": [asdict(c) for c in checks], **numbers}
    write_atomically(folder / "report.json", (json.dumps(content, indent=2, default=str) + "\n").encode())
    page = folder / "report.html"
    write_atomically(page, _render(template, pictures, checks, topics, facts).encode())
    return page


def picture(figure: Figure) -> Picture:
    """The figure as PNG."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # names in scripts that the font lacks
        figure.savefig(buffer, format="png")
    width = int(figure.get_figwidth() * figure.dpi)
    return Picture(figure.get_suptitle().replace(r"\$", "$"), buffer.getvalue(), min(width, 1000))


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


def _render(
    template: str,
    pictures: Mapping[str, Picture],
    checks: tuple[Check, ...],
    topics: Mapping[str, Words],
    facts: Mapping[str, Any],
) -> str:
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
        (topic, level, words[_LEVELS.index(level)], [c for c in checks if c.topic == topic])
        for topic, words in topics.items()
        for level in [worst(checks, topic)]
    ]
    overall = worst(checks)
    return environment.get_template(template).render(
        style=Markup(_read("report.css")),
        cards=cards,
        marks=_MARKS,
        overall=overall,
        verdict=OVERALL[_LEVELS.index(overall)],
        picture=shown,
        pictures=pictures,
        **facts,
    )


def _read(name: str) -> str:
    """A file that lies beside this one."""
    return resources.files("fluvial.interfaces").joinpath(name).read_text(encoding="utf-8")


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
    """Percent signs stay on the line of their numbers."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")
