"""The command line: fit, score, sample, questions to tables, report, info, and of images interpolate and edit.

Results go to stdout or a file, all else to stderr.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import fluvial
from fluvial.interfaces import cli_compare, cli_detect, cli_images, cli_questions, cli_series, cli_serve
from fluvial.interfaces.flags import Each as _Each
from fluvial.interfaces.flags import Flag as _Flag
from fluvial.interfaces.flags import parsed, streams, with_options
from fluvial.interfaces.signals import Stopped, number_of, stopping
from fluvial.interfaces.streams import check_out, seekable
from fluvial.interfaces.whole import Whole
from fluvial.interfaces.words import (
    command,
    how_to_go_on,
    one_or_more,
    parse_assignments,
    started,
)
from fluvial.terminal import note, say, worker

if TYPE_CHECKING:
    from fluvial.kinds.fitted import Fitted


class Interrupted(Stopped):
    """A fit that a signal has ended and that can be resumed."""

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(number)
        self.folder = folder


app = App(
    name="fluvial",
    help=(
        "Exact probability densities from data: fit, score, sample, and a report you can trust.\n\n"
        "Tables may be larger than memory, and folders: Parquet, CSV, Feather. torchrun -m fluvial fit shares a fit "
        "out among processes, score --engine ray a scoring among machines; serve shows a page, and answers over HTTP."
    ),
    version=fluvial.__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)


def fit(
    *data: str,
    model: str | None = None,
    context: _Each = None,
    out: Path | None = None,
    epochs: Whole | None = None,
    budget: str | None = None,
    holdout: float = 0.1,
    seed: Whole = 0,
    resume: _Flag = False,
    set: _Each = None,  # noqa: A002  (the flag's name)
    force: _Flag = False,
    require: Literal["good", "with-care"] | None = None,
    figures: Literal["pdf", "svg"] | None = None,
    device: str | None = None,
    options: dict[str, Any],
) -> int:
    """Learn the density of a table, of sound, of images or of piano rolls, and write a run folder with a report.

    Parameters
    ----------
    data
        CSV, Parquet, Feather, .npy or .npz file; or sound files or images, or a folder of them; or an idx, .npy or .npz
        file of images; or a .mat or .npz file of piano rolls; a dash for standard input. Without any, the bundled table
        of abalones.
    model
        mixed, gan, vae or vae_iaf for tables as they are; nsf, flow_gan, gaussian, iaf, made_mog, maf, maf_mog, nice,
        nsf_coupling or realnvp for tables of numbers; made or pixelcnn for tables of labels, or of zeros and ones;
        multiscale, flowpp, glow, gan, flow_gan, vae, vae_iaf, nice or realnvp for images; wavenet for sound;
        wavenet_intervals or wavenet_made for piano rolls; wavenet_mixed for series. The first of each is the default.
    context
        A column, or label of recordings, to condition on; can be repeated, or separated by commas.
    out
        Run folder, by default runs/TABLE-MODEL.
    epochs
        Passes over the rows. Without it and --budget, as many as help.
    budget
        Time for reading the data, preparing and training, such as 90s, 5m or 1h. Scoring and the report come after it;
        how long the report takes is printed.
    holdout
        Share of the rows, recordings, images or pieces that do nothing but judge the model; as many again, a tenth at
        most, decide when to stop.
    seed
        Decides the split, the initial weights, the order of rows and all noise.
    resume
        Go on with the interrupted fit in the run folder.
    set
        An option of the model or of training, such as transforms=8 or learning_rate=2e-3; can be repeated.
    force
        Replace the run in the run folder.
    require
        The worst verdict of the report that will do; with a worse one the exit code is 3. The run is kept.
    figures
        A format for papers that the report's figures are written in too, beside PNG.
    device
        cpu, cuda or another torch device.
    """
    from fluvial.core.workers import joined
    from fluvial.examine.page import need_extras
    from fluvial.interfaces.fitting import opened, resumable, run_fit, run_folder

    if require:
        need_extras()  # a verdict needs them, which is better known before the training than after
    piped = streams("fit", options)
    with joined(), seekable([*data, *(options[name] for name in piped)]) as files:
        typed = {**options, **dict(zip(piped, files[len(data) :]))}
        source = opened(one_or_more(files[: len(data)]), model, context, typed)
        folder = out or run_folder(source, resume, force)
        try:
            fitted = run_fit(
                source,
                out=folder,
                epochs=epochs,
                budget=budget,
                seed=seed,
                resume=resume,
                assignments=parse_assignments(set or []),
                force=force,
                device=device,
                holdout=holdout,
            )
        except KeyboardInterrupt as error:
            if resumable(folder):
                raise Interrupted(number_of(error), folder) from None
            raise
    return 0 if worker() else _conclude(fitted, folder, require, figures)


def _conclude(fitted: Fitted, folder: Path, require: str | None, figures: Literal["pdf", "svg"] | None) -> int:
    """Print what a fit came to, write its report, and judge it; the exit code."""
    from fluvial.kinds.report import write_report
    from fluvial.kinds.summary import summarised, verdict_lines

    for warning in fitted.record["warnings"]:
        note(f"note: {warning}")
    say(summarised(fitted, folder))
    began = time.monotonic()
    try:
        page, verdict = write_report(fitted, folder, figures)
    except ValueError as error:
        if not _is_ours(error):
            raise
        note(f"no report: {error}")
        return _unmet(f"the fit has no verdict, and --require {require} asks for one") if require else 0
    say(f"report: {page} ({time.monotonic() - began:.0f} s)")
    say("\n".join(verdict_lines(verdict)))
    if require and not verdict.is_at_least(require.replace("-", " ")):
        return _unmet(f"the verdict is {verdict.level!r}, and --require {require} asks for better")
    return 0


def score(
    run: Path,
    /,
    *data: str,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    context: _Each = None,
    escape_formulas: _Flag = False,
    engine: Literal["ray"] | None = None,
    workers: Whole | None = None,
    address: str | None = None,
    options: dict[str, Any],
) -> None:
    """Log-density of each row of a table, in nats and units of the data; of sound and images, bits per number too.

    Models that predict one column after the other (made; made_mog; gaussian; maf and maf_mog with transforms=1)
    also give each column's share. The mean with its standard error goes to stderr.

    Parameters
    ----------
    run
        Run folder of a fit.
    data
        A table with the columns that the model was fitted to, in any order; or sound, images or piano rolls as for the
        fit. A dash for standard input. Parquet, CSV and Feather, also a folder or a pattern of such files, may be
        larger than memory.
    out
        File for the scores: .csv, .parquet, .feather, .npy or .npz; by default CSV on stdout. A long scoring into
        .parquet that was interrupted goes on when it is asked for again.
    context
        For sound and images, labels of all the files, NAME=VALUE; can be repeated, or separated by commas. By default
        they are found as in the fit.
    escape_formulas
        Put an apostrophe before text and names that a spreadsheet would run as formulas.
    engine
        ray has Parquet scored by many workers, each of which loads the run once, into the folder that --out names.
    workers
        How many, of ray; by default as many as there are processors.
    address
        Of a cluster of ray; by default one on this machine.
    """
    from fluvial.core.errors import UsageError
    from fluvial.kinds.tables.written import escaped, write_columns
    from fluvial.tasks.fit import load_model
    from fluvial.tasks.score import score as score_data
    from fluvial.tasks.stream import score_stream

    model = load_model(run)
    own = parsed(model.kind, "score", options, "--")
    if engine is not None:
        from fluvial.interfaces.ray import score_files

        if len(data) != 1 or context:
            raise UsageError("--engine ray takes one table: a file, a folder or a pattern")
        note("\n".join(score_files(run, data[0], out, {**own, "escape_formulas": escape_formulas}, workers, address)))
        return
    if workers is not None or address is not None:
        raise UsageError("--workers and --address are about --engine ray")
    check_out(out, *data)
    with seekable(data) as files:
        source = one_or_more(files)
        if (said := score_stream(model, source, out, own, escape_formulas)) is not None:
            note("\n".join(said))
            return
        found = score_data(model, source, context, own)
    for sentence in found.warnings:
        note(f"note: {sentence}")
    write_columns(escaped(found.columns) if escape_formulas else found.columns, out)
    for mean in found.means:
        note(mean)


def sample(
    run: Path,
    /,
    *,
    number: Annotated[Whole | None, Parameter(name=["--number", "-n"])] = None,
    context: _Each = None,
    contexts: str | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    seed: Whole | None = None,
    options: dict[str, Any],
) -> None:
    """New rows, in the columns, types and bounds of the table of the fit; or new recordings, images or piano rolls.

    Parameters
    ----------
    run
        Run folder of a fit.
    number
        How many; by default 1000 rows, 4 recordings or piano rolls, 64 images.
    context
        What to condition on, NAME=VALUE, such as Sex=M; can be repeated, or separated by commas. By default
        it is drawn from the training data.
    contexts
        A table of such values, a draw for each of its rows; a dash for standard input.
    out
        For rows a .csv, .parquet, .feather, .npy or .npz file, by default CSV on stdout. For sound a folder of WAV
        files; for images a .png file with all on one sheet, or a folder; for piano rolls an .npz file: by default
        these go into the run folder.
    seed
        A seed gives the same ones again; without it a new one is taken and printed.
    """
    import secrets

    from fluvial.kinds.kind import Draw
    from fluvial.tasks.fit import load_model
    from fluvial.tasks.sample import sample as draw

    chosen, model = secrets.randbelow(2**31) if seed is None else seed, load_model(run)
    own = parsed(model.kind, "sample", options, "--")
    with seekable([contexts] if contexts else []) as files:
        for path in draw(model, Draw(run, number, None, out, chosen), context, next(iter(files), None), own):
            say(path)
    if seed is None:
        note(f"drawn with --seed {chosen}")


for _command in (fit, score, sample):
    app.command(with_options(_command.__name__, _command))
app.command(cli_questions.probability)
app.command(cli_questions.impute)
app.command(cli_questions.predict)
app.command(cli_compare.compare)
app.command(cli_detect.detect)
app.command(cli_detect.augment)
app.command(cli_series.forecast)
app.command(cli_series.backtest)
app.command(cli_serve.serve)
app.command(cli_images.interpolate)
app.command(cli_images.edit)


@app.command
def report(run: Path, /, *, figures: Literal["pdf", "svg"] | None = None) -> None:
    """Write the report of a run again.

    Parameters
    ----------
    run
        Run folder of a fit.
    figures
        A format for papers that the figures are written in too, beside PNG.
    """
    from fluvial.kinds.report import write_report
    from fluvial.kinds.summary import verdict_lines
    from fluvial.tasks.fit import load_model

    page, verdict = write_report(load_model(run), run, figures)
    say("\n".join([str(page), *verdict_lines(verdict)]))


@app.command
def info(source: str | None = None, /) -> None:
    """What a run folder holds, or how a table is read; without either, what is installed.

    Parameters
    ----------
    source
        Run folder of a fit, for model, columns, sizes and scores; or the file of a table, for each column's kind, and
        why.
    """
    if source is None:
        from fluvial.interfaces.installation import installation

        say(installation())
        return
    if Path(source).is_file() or Path(source).suffix:
        from fluvial.interfaces.fitting import described

        say(described(source))
        return
    from fluvial.kinds.summary import detailed
    from fluvial.tasks.fit import load_model

    say(detailed(load_model(source), Path(source)))


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    The exit code is 0; 2 after an error, which is named; 3 where ``fit --require`` asks for a better verdict; 130 when
    interrupted, 143 and 129 when told to stop by TERM and HUP.
    """
    # before torch loads: threads that find the cores busy sleep instead of spinning, which can cost minutes
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    argv = sys.argv[1:] if argv is None else argv
    command.set(tuple(argv))
    started.set(time.monotonic())
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  (it is where the caller has closed it)
        return _fail("standard output is closed, so nothing could be printed: send it to a file, or to /dev/null")
    if "TORCHELASTIC_RUN_ID" in os.environ and argv[:1] != ["fit"]:
        return _fail(f"the workers of torchrun share a fit, and {shlex.join(argv)} would be done by each: leave it out")
    try:
        with stopping():
            code = app(_with_stream(argv), exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(" ".join(str(error).split()))
    except KeyboardInterrupt as error:
        note(how_to_go_on(argv, error.folder) if isinstance(error, Interrupted) else "interrupted")
        return 128 + number_of(error)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # nothing but our own output is written without a sentence of its own
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(f"the output could not be written: {error.strerror or error}")
    except ValueError as error:
        if not _is_ours(error):
            raise
        return 2 if worker() and _is_echo(error) else _fail(str(error))
    return code if isinstance(code, int) else 0


def _is_ours(error: ValueError) -> bool:
    from fluvial.core.errors import FluvialError

    return isinstance(error, FluvialError)


def _is_echo(error: ValueError) -> bool:
    """Whether it only says that another worker has ended, as the first one does too."""
    from fluvial.core.workers import LostWorkerError

    return isinstance(error, LostWorkerError)


def _with_stream(argv: list[str]) -> list[str]:
    """The words with standard input by its name where a dash stands for data, which would be read as an option."""
    return ["/dev/stdin" if word == "-" and before[:1] != "-" else word for before, word in zip(["", *argv], argv)]


def _fail(message: str) -> int:
    note(f"fluvial{f', worker {worker()}' if worker() else ''}: {message}", own=True)
    return 2


def _unmet(message: str) -> int:
    note(f"fluvial: {message}")
    return 3
