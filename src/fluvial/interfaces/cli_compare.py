"""The command that sets models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fluvial.interfaces.whole import Whole
from fluvial.terminal import say


def compare(
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    models: Annotated[list[str] | None, Parameter(negative=())] = None,
    budget: str = "2m",
    samples: Annotated[list[Path] | None, Parameter(negative=())] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    seed: Whole = 0,
) -> None:
    """Fit several models to a table or to images under the same budget, judge them by what none saw, on one page.

    Parameters
    ----------
    data
        A table or images, as fluvial fit takes them.
    models
        Names of models, or kde, separated by commas. Where none is named: nsf,vae_iaf,gan,gaussian;
        mixed,vae_iaf,gan where there are labels or gaps; of images multiscale,vae_iaf,gan.
    budget
        Time for each fit, such as 90s or 5m.
    samples
        What another tool drew, a table or images, to be judged beside the models; can be repeated.
    out
        Folder for the runs and the page; the same command goes on with the runs that it holds. Without one, a new
        temporary folder.
    seed
        Seed of the split, of the fits and of all draws.
    """
    from fluvial.tasks.compare import compare as run

    named = [name for each in models or () for name in each.split(",") if name]
    outside = {path.name: str(path) for path in samples or ()}
    say(repr(run(data, named or None, budget=budget, samples=outside, out=out, seed=seed)))
