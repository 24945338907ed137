# pyright: reportUnknownMemberType=false
"""Many workers of Ray, on this machine or on a cluster: each loads the run once, and what one loses another does again.

Files are scored by blocks of rows that do not depend on how many workers there are, each into a file of its own that
is there as a whole or not at all; so no row is lost or doubled, whoever is killed, and the scores are those of one
process.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import fluvial
from fluvial.core.errors import DataError, RunError, UsageError
from fluvial.core.files import make_folder, read_regular, write_atomically
from fluvial.core.numbers import whole
from fluvial.data.arrow import arrow
from fluvial.data.files import write
from fluvial.data.frames import from_frame
from fluvial.data.limits import decoding
from fluvial.data.named import PARQUET, about_others, table_paths
from fluvial.data.parquet import ParquetFiles, parquet_files
from fluvial.data.tables import Columns
from fluvial.kinds.tables.blocks import Notes, scored_blocks
from fluvial.kinds.tables.model import Model
from fluvial.kinds.tables.reasons import Reason
from fluvial.kinds.tables.written import escaped
from fluvial.tasks.fit import load_model
from fluvial.tasks.stream import Mean, fingerprint
from fluvial.terminal import Pace, note

_TAG = "_fluvial.json"  # readers of folders of Parquet pass over such names
_MOST = 1 << 24  # bytes that the tag may have
_BATCH = 1 << 14  # rows of a data set that are judged at once
_PATIENCE = 10.0  # seconds that a cluster has to answer
_NAMES = {"score": ("log_prob",), "detect": ("score", "p", "unusual", "column", "why")}


def score_files(
    run: Path, data: str, out: Path | None, options: Mapping[str, Any], workers: int | None, address: str | None
) -> list[str]:
    """Score the rows of Parquet files into a folder of such files, a block each; what there is to say, the mean last.

    Blocks that an earlier call of the same model, data and options has left there are not scored again.

    Args:
        run: a folder that all workers can read, as the data, and as ``out`` that they can write to.
        options: as of :func:`fluvial.tasks.stream.score_stream`.
        workers: None for as many as the cluster has processors.
        address: of a cluster; None for one on this machine, which ends with this call.

    Raises:
        UsageError: something here cannot be shared out, or there is no cluster at ``address``. DataError: rows do not
        fit the model. RunError: ``out`` holds something else, or no worker is left.
    """
    workers = None if workers is None else whole("--workers", workers, 1)
    model, folder = _shareable(run, out, options), Path(out or "").expanduser()
    paths = table_paths(data)
    if others := about_others(data):
        note(f"note: {others}")
    if not paths or any(path.suffix.lower() not in PARQUET for path in paths):
        raise UsageError(f"--engine ray reads Parquet, a file, a folder or a pattern, got {data}")
    files, shares = parquet_files([path.resolve() for path in paths]), "no_shares" not in options
    job = _Job(str(run.resolve()), files, folder.resolve(), shares, bool(options.get("escape_formulas")))
    starts = range(0, len(files), model.block_rows)
    _begin(folder, {"model": fingerprint(model), "files": files.marks, "shares": shares, "rows": model.block_rows})
    left, notes = [start for start in starts if not job.path(start).exists()], Notes()
    if len(left) < len(starts):
        note(f"{len(starts) - len(left):,} of {len(starts):,} blocks are there already; their notes are not repeated")
    if left:
        _share_out(job, left, workers, address, notes, Pace(len(files), "rows"))
    mean = sum((Mean.of(_log_prob(job.path(start))) for start in starts), Mean())
    if (rows := mean.count + mean.impossible) != len(files):
        raise RunError(
            f"{folder} has {rows:,} scores of {len(files):,} rows: the workers do not have the fluvial that this "
            "process has; remove the folder, and score again"
        )
    for name in (_TAG, *(p.name for p in folder.glob(".fluvial-*"))):  # what killed workers have left
        (folder / name).unlink()
    notes.add(model.about_scores)
    return [*(f"note: {sentence}" for sentence in notes.sentences), f"mean: {mean} nats a row"]


def score(run: str | Path, dataset: Any, *, workers: int = 1) -> Any:  # noqa: ANN401  (a data set of Ray's)
    """A data set of Ray with ``log_prob``, the log-density of each row in nats, beside its columns.

    A row's score may differ by the rounding of float32 among other rows, about 1e-6 of its size.

    Args:
        run: a folder that all workers can read.
        dataset: a ``ray.data.Dataset`` with the columns that the model was fitted to.
        workers: how many.

    Raises:
        UsageError: ray is not installed, the run is not of a table, or there are no workers. DataError, when rows are
        asked for: they do not fit the model, or have a column of that name.
    """
    return _mapped(run, dataset, "score", workers)


def detect(run: str | Path, dataset: Any, *, workers: int = 1) -> Any:  # noqa: ANN401  (a data set of Ray's)
    """A data set of Ray with ``score``, ``p``, ``unusual``, ``column`` and ``why`` beside its columns, as `detect` has.

    Args, Raises: as of :func:`score`; RunError: the fit held no rows out.
    """
    return _mapped(run, dataset, "detect", workers)


def _mapped(run: str | Path, dataset: Any, verb: str, workers: int) -> Any:  # noqa: ANN401
    workers = whole("workers", workers, 1)
    _of_table(Path(run))
    made = {"run": str(Path(run).resolve()), "verb": verb}
    pool = _ray("data").ActorPoolStrategy(size=workers)
    return dataset.map_batches(
        _Answers, fn_constructor_kwargs=made, batch_size=_BATCH, batch_format="pyarrow", compute=pool, num_cpus=1
    )


def _ray(module: str = "") -> Any:  # noqa: ANN401
    """Ray, or one of its modules.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(f"ray.{module}" if module else "ray")
    except ImportError:
        raise UsageError('--engine ray needs Ray, which is not installed: pip install "fluvial[ray]"') from None


def _of_table(run: Path) -> Model:
    model = load_model(run)
    if not isinstance(model, Model):
        raise UsageError(f"{run} is not a run of a table, and only tables are scored by Ray")
    return model


def _shareable(run: Path, out: Path | None, options: Mapping[str, Any]) -> Model:
    """The model of a run; UsageError where its scores cannot be shared out as they are asked for."""
    _ray()
    model = _of_table(run)
    if out is None or out.suffix:
        raise UsageError("--engine ray writes a folder of Parquet files: name one with --out, without an ending")
    if "drop_missing" in options:
        raise UsageError("--engine ray scores every row, so that each block is known beforehand: no --drop-missing")
    if model.draws_to_score:
        raise UsageError(
            "the model draws noise to score with, which depends on the rows before: score without --engine"
        )
    return model


def _begin(folder: Path, tag: Mapping[str, Any]) -> None:
    """A folder that is new, empty, or holds blocks of the same scores."""
    make_folder(folder)
    text = json.dumps({"version": fluvial.__version__, **tag}).encode()
    mark = folder / _TAG
    if not mark.exists() and not any(folder.iterdir()):
        write_atomically(mark, text)
    if not mark.exists() or read_regular(mark, _MOST) != text:
        raise RunError(f"{folder} holds something else than blocks of these scores: name a new folder, or remove it")


def _log_prob(path: Path) -> np.ndarray:
    with decoding(path, "a whole block of scores; remove it, and score again"):
        return arrow("pyarrow.parquet").read_table(path, columns=["log_prob"])["log_prob"].to_numpy()


def _share_out(
    job: _Job, starts: list[int], workers: int | None, address: str | None, notes: Notes, pace: Pace
) -> None:
    """Have all blocks scored, each by one of the workers."""
    ray, data = _ray(), _ray("data")
    own = not ray.is_initialized()
    if own:
        _begin_ray(ray, workers, address)
    try:
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        count = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(starts))
        blocks = data.from_items([{"start": start} for start in starts], override_num_blocks=len(starts))
        pool = data.ActorPoolStrategy(size=count)  # what a worker that is lost had begun, another one does again
        done = blocks.map_batches(_Blocks, fn_constructor_args=(job,), batch_size=1, compute=pool, num_cpus=1)
        for block in done.iter_rows():
            if block["error"]:
                raise DataError(block["error"])
            notes.add(json.loads(block["notes"]))
            pace.add(block["rows"])
    except ray.exceptions.RayError as error:
        line = str(error).strip().splitlines()[-1]
        raise RunError(f"the workers have ended ({line:.200}); the same command goes on with what is left") from None
    finally:
        if own:
            ray.shutdown()


def _begin_ray(ray: Any, workers: int | None, address: str | None) -> None:  # noqa: ANN401
    """A cluster on this machine, or the one at ``address``; UsageError if there is none."""
    where = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
    host, _, port = (address or "").rpartition(":")
    try:
        if host and port.isdigit():  # where nobody listens Ray would try again and again
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
        ray.init(log_to_driver=False, logging_level="ERROR", **where)
    except (OSError, RuntimeError, ValueError) as error:
        line = str(error).strip().splitlines()[0]
        place = f"there is no cluster of Ray at --address {address}" if address else "Ray does not begin here"
        raise UsageError(f"{place}: {line:.200}") from None


class _Job:
    """What all workers have to know."""

    def __init__(self, run: str, files: ParquetFiles, folder: Path, shares: bool, safe: bool) -> None:
        self.run, self.files, self.folder, self.shares, self.safe = run, files, folder, shares, safe

    def path(self, start: int) -> Path:
        return self.folder / f"{start:012d}.parquet"


class _Blocks:
    """A worker that scores blocks of rows into files, by the numbers of their first rows."""

    def __init__(self, job: _Job) -> None:
        self.job, self.model = job, _of_table(Path(job.run))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        answers = [self._written(int(start)) for start in batch["start"]]
        rows, notes, errors = zip(*answers)
        return {"rows": list(rows), "notes": list(notes), "error": list(errors)}

    def _written(self, start: int) -> tuple[int, str, str]:
        """Rows of a block, and what there is to say of them; what the user has to mend is an answer, not a crash."""
        notes = Notes()
        try:
            blocks = scored_blocks(self.model, self.job.files, notes, start, shares=self.job.shares)
            for scores in islice(blocks, 1):
                write(escaped(scores.columns) if self.job.safe else scores.columns, self.job.path(start))
                return len(scores.names), json.dumps(notes.sentences), ""
        except DataError as error:
            return 0, "[]", str(error)
        return 0, "[]", f"{self.job.files.paths[0]} has no rows any more from row {start + 1:,} on"


class _Answers:
    """A worker that puts answers beside rows of Arrow."""

    def __init__(self, run: str, verb: str) -> None:
        from fluvial.kinds.tables.detect import Detector

        self.model, self.verb = _of_table(Path(run)), verb
        self.detector = Detector.of(self.model) if verb == "detect" else None
        self.rate = self.detector.limit(None, []) if self.detector is not None else 0.0

    def __call__(self, rows: Any) -> Any:  # noqa: ANN401  (a table of Arrow)
        taken = [name for name in _NAMES[self.verb] if name in rows.column_names]
        if taken:
            raise DataError(f"the data set has a column {taken[0]!r}, where the answer would stand: rename it")
        for name, values in self._columns(rows).items():
            rows = rows.append_column(name, arrow("pyarrow").array(values))
        return rows

    def _columns(self, rows: Any) -> Columns:  # noqa: ANN401
        table = from_frame(rows)
        encoded = self.model.schema.encode(table)
        if self.detector is None:
            return {"log_prob": self.model.score_encoded(encoded, shares=False).log_prob}
        scores = self.detector.scores(encoded)
        p = self.detector.p(scores)
        flagged = p <= self.rate
        told = self.detector.reasons(table, encoded, np.flatnonzero(flagged).tolist())
        why = [told.get(row, Reason("", "")) for row in range(len(p))]
        words = [[each.column for each in why], [each.sentence for each in why]]
        found = (scores, p, flagged, *(np.array(each, dtype=object) for each in words))
        return dict(zip(_NAMES["detect"], found))
