"""Write what README, the page of models and ``fluvial fit --help`` say of the models, from the models' records.

python docs/model_tables.py
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from fluvial.models import Recipe, recipes

ROOT = Path(__file__).parents[1]
GROUPS = (
    ("tables", "any", "tables as they are"),
    ("tables", "real", "tables of numbers"),
    ("tables", "whole", "tables of labels, or of zeros and ones"),
    ("images", "whole", "images"),
    ("sound", "whole", "sound"),
    ("piano rolls", "whole", "piano rolls"),
    ("series", "any", "series"),
)
BEGIN, END = "<!-- from the models' records, by docs/model_tables.py -->", "<!-- as far as here -->"


def grouped() -> list[tuple[str, list[Recipe]]]:
    """What models are for, in words, and these models, the default first."""
    return [
        (words, sorted((r for r in recipes(kind) if r.values == values), key=lambda r: not r.default))
        for kind, values, words in GROUPS
    ]


def readme() -> str:
    """All models: what each is, is for, and costs."""
    rows = [
        (f"`{r.name}`", words + " (default)" * r.default, r.says, _linked(r.paper), r.score, r.draw)
        for words, group in grouped()
        for r in group
    ]
    return _table(("name", "for", "what", "paper", "score a row", "draw a row"), rows)


def composition(images: bool) -> str:
    """What the models of images, or all others, are composed of."""
    rows = [(f"`{r.name}`", r.steps, r.base) for _, group in grouped() for r in group if (r.kind == "images") == images]
    return _table(("name", "from data to noise", "base"), rows)


def flag() -> str:
    """What the help says of the flag --model."""
    told = "; ".join(f"{_listed([r.name for r in group])} for {words}" for words, group in grouped())
    text = f"{told}. The first of each is the default."
    return textwrap.indent(textwrap.fill(text, 112), " " * 8)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _linked(papers: str) -> str:
    """Papers, joined by "and", as links to arXiv."""
    parts = (paper.partition(", arXiv ") for paper in papers.split(", and "))
    return " and ".join(f"[{name}](https://arxiv.org/abs/{number})" if number else name for name, _, number in parts)


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _between_marks(*tables: str) -> Callable[[str], str]:
    """A page with its tables written anew."""

    def page(text: str) -> str:
        left = iter(tables)
        return re.sub(f"{BEGIN}\n.*?{END}", lambda _: f"{BEGIN}\n{next(left)}\n{END}", text, flags=re.S)

    return page


def _help(text: str) -> str:
    return re.sub(r"(?<=\n    model\n).*?(?=\n    context\n)", lambda _: flag(), text, count=1, flags=re.S)


WRITTEN: dict[str, Callable[[str], str]] = {
    "README.md": _between_marks(readme()),
    "docs/models.md": _between_marks(composition(images=False), composition(images=True)),
    "src/fluvial/interfaces/cli.py": _help,
}
"""Each file, and what it should be from what it is."""

if __name__ == "__main__":
    for name, written in WRITTEN.items():
        path = ROOT / name
        path.write_text(written(path.read_text()))
