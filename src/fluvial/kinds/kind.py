"""What a kind of data is: all that a fit, the questions to a model, its report and the command line ask of one."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from fluvial.examine.page import Report
    from fluvial.kinds.fitted import Fitted, Scores
    from fluvial.kinds.ground import Ground
    from fluvial.kinds.job import Job
    from fluvial.training.saved import Saved


class File(str):
    """A file of data, which may come through standard input."""


@dataclass(frozen=True)
class Option:
    """What ``fit``, ``score`` or ``sample`` take for this kind of data and not for all.

    Args:
        name: of the argument in Python.
        of: what the command line reads: str, int, float, bool (a flag), Path, File, or list[str] for one that can be
            repeated.
        help: what it does, as ``--help`` says it.
        parse: from what was typed to the argument.
        flag: on the command line, where it is not the name.
    """

    name: str
    of: Any
    help: str
    parse: Callable[[Any], Any] = field(default=lambda typed: typed)
    flag: str = ""

    @property
    def word(self) -> str:
        """As it is typed, without its dashes."""
        return (self.flag or self.name).replace("_", "-")


TEMPERATURE = Option(
    "temperature", float, "below 1 likely ones become likelier, which is another density than the fitted one."
)


@dataclass(frozen=True)
class Opened:
    """Data that the command line has named, read once.

    Args:
        data: as ``fit`` takes them.
        model: the one for them where none is named.
        context: names of what to condition on.
        options: arguments of ``fit`` for this kind of data.
        about: how the data were read, to be printed; empty where there is nothing to say.
    """

    data: object
    model: str
    context: tuple[str, ...]
    options: dict[str, Any]
    about: str = ""


@dataclass(frozen=True)
class Draw:
    """What the command line's ``sample`` is asked for, whatever the run is of; None where it is left open."""

    run: Path
    number: int | None
    context: Mapping[str, object] | None
    out: Path | None
    seed: int


class Kind(ABC):
    """A kind of data. Another one is a subclass that is named in ``kinds.every.KINDS``, or registered there.

    What has no body here is all that a new one has to say; the rest is as most kinds have it.

    Attributes:
        name: what it is called, and what the schema of a run says.
        give: what a user should give, in words.
        fits, scores, samples: what ``fit``, ``score`` and ``sample`` take for it alone.
        look: the figure of its report that shows most.
        decisive: those of ``fits`` that say of which kind data are that could be of several.
    """

    name: ClassVar[str]
    give: ClassVar[str]
    fits: ClassVar[tuple[Option, ...]] = ()
    scores: ClassVar[tuple[Option, ...]] = ()
    samples: ClassVar[tuple[Option, ...]] = ()
    look: ClassVar[str] = ""
    decisive: ClassVar[tuple[str, ...]] = ()

    @property
    def default(self) -> str:
        """The name of the model for such data where none is named."""
        from fluvial.models import default_of

        return default_of(self.name)

    @abstractmethod
    def claims(self, source: object) -> bool:
        """Whether this source is of this kind."""

    def open(self, source: Any, context: Sequence[str] | None, options: Mapping[str, Any]) -> Opened:
        """The data that the command line names, with the flags that it was given."""
        from fluvial.kinds.typed import listed_names

        return Opened(source, self.default, listed_names(context), dict(options))

    @abstractmethod
    def fit(self, data: object, model: Any, job: Job, **arguments: Any) -> Fitted:
        """Learn the density of data: ``context``, ``options`` of the model, and what stands in ``fits``."""

    def by_folder(self, source: Any) -> tuple[Any, dict[str, Any]]:
        """Data labelled by the sub-folders that they lie in, and what ``fit`` takes to be given these labels.

        Raises:
            UsageError: data of this kind have none.
        """
        from fluvial.core.errors import UsageError

        raise UsageError(f"{self.name} are not labelled by folders, as images and sound are: got {source}")

    @abstractmethod
    def restore(self, saved: Saved, path: str | os.PathLike[str]) -> Fitted:
        """The model in a run folder that has been read."""

    @abstractmethod
    def summary(self, model: Any) -> list[str]:
        """What a fit came to, in lines."""

    def details(self, model: Any) -> list[str]:
        """What else there is to say of a run, in lines."""
        return []

    def score(self, model: Any, data: Any, context: Mapping[str, object] | None, **options: Any) -> Scores:
        """What the command line's ``score`` writes and says."""
        return model.score(data, context, **options) if model.context_names else model.score(data, **options)

    @abstractmethod
    def sample(self, model: Any, wish: Draw, **options: Any) -> Iterable[Path]:
        """Write what the command line's ``sample`` asks for; the paths of the files."""

    @abstractmethod
    def examine(self, model: Any) -> Report:
        """What a report says of a model.

        Raises:
            RunError: the run kept too little to examine it with.
        """

    def ground(self, data: object, seed: int) -> Ground:
        """Data in two parts, by which models are compared."""
        from fluvial.core.errors import UsageError

        raise UsageError(f"compare is about tables and images; this is about {self.name}")

    def takes(self, verb: str) -> dict[str, Option]:
        """The options of "fit", "score" or "sample", by name."""
        found: tuple[Option, ...] = {"fit": self.fits, "score": self.scores, "sample": self.samples}[verb]
        return {option.name: option for option in found}


def no_context(context: object, why: str) -> None:
    """UsageError, a sentence, if there is something to condition on."""
    from fluvial.core.errors import UsageError  # loads torch, which --help can do without

    if context:
        raise UsageError(f"context: {why}")
