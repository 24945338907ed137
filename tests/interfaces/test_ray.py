"""Workers of Ray: each row once, whoever is killed, with the scores of one process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fluvial import fit, load
from fluvial.core import batched
from fluvial.data.named import table_paths
from fluvial.data.parquet import parquet_files
from fluvial.interfaces import ray as on_ray
from fluvial.interfaces.cli import main

ROWS = 2500
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = np.random.default_rng(0).normal(size=(300, 3))
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"hidden": (16,), "transforms": 1}
    fit(pd.DataFrame(x, columns=["a", "b", "c"]), "maf", epochs=1, out=folder, options=options, progress=False)
    return folder


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    x = pd.DataFrame(np.random.default_rng(1).normal(size=(ROWS, 3)), columns=["c", "a", "b"])
    Path("parts").mkdir()
    for i in range(8):
        x[i * 320 : (i + 1) * 320].to_parquet(f"parts/{i}.parquet")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers whose blocks have 512 rows, and which are killed behind a block where a file asks for it."""
    import ray

    def small() -> None:
        batched._ELEMENTS = 1
        scored = on_ray._Blocks._written

        def dying(self: Any, start: int) -> tuple[int, str, str]:
            answer = scored(self, start)
            mark = Path(self.job.folder).with_name(f"kill at {start}")
            if mark.exists():
                mark.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        on_ray._Blocks._written = dying

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"worker_process_setup_hook": small})
    yield ray
    ray.shutdown()


def test_blocks_are_scored_as_one_process_scores_them(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batched, "_ELEMENTS", 1)
    job = on_ray._Job(str(run), parquet_files(table_paths("parts")), Path.cwd(), True, False)
    answered = on_ray._Blocks(job)({"start": np.array([1024, 0, 512, 2048, 1536, 4096])})
    assert answered["rows"] == [512, 512, 512, ROWS - 2048, 512, 0]
    assert answered["error"][:5] == [""] * 5
    assert "no rows any more from row 4,097 on" in answered["error"][5]
    assert main(["score", str(run), "parts", "-o", "one.parquet"]) == 0
    found = pd.concat(pd.read_parquet(job.path(start)) for start in range(0, ROWS, 512)).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, pd.read_parquet("one.parquet"), check_exact=True)


@needs_ray
def test_a_worker_that_is_killed_loses_no_row(run: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(batched, "_ELEMENTS", 1)
    marks = [Path(f"kill at {start}") for start in (512, 1536)]
    for mark in marks:
        mark.touch()
    command = ["score", str(run), "parts", "--engine", "ray", "--workers", "2", "-o", "out"]
    assert main(command) == 0
    assert not any(mark.exists() for mark in marks)
    said = capsys.readouterr().err.splitlines()[-1]
    assert main(["score", str(run), "parts", "-o", "one.parquet"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == said
    pd.testing.assert_frame_equal(pd.read_parquet("out"), pd.read_parquet("one.parquet"), check_exact=True)
    assert sorted(p.name for p in Path("out").iterdir()) == [f"{start:012d}.parquet" for start in range(0, ROWS, 512)]
    assert main(command) == 2
    assert "holds something else" in capsys.readouterr().err


@needs_ray
@pytest.mark.parametrize("verb", ["score", "detect"])
def test_data_sets_of_ray_get_their_answers_beside_them(run: Path, cluster: Any, verb: str):
    import ray.data

    parts = [pd.read_parquet(f"parts/{i}.parquet") for i in range(8)]
    answered = getattr(on_ray, verb)(run, ray.data.from_pandas(parts), workers=2)
    found = answered.to_pandas().sort_values("a").reset_index(drop=True)
    rows = pd.concat(parts).sort_values("a").reset_index(drop=True)
    pd.testing.assert_frame_equal(found[list(rows)], rows, check_dtype=False)
    model = load(run)
    expected = pd.DataFrame({"log_prob": model.log_prob(rows)}) if verb == "score" else model.detect(rows).frame()
    for name in expected:
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)


@needs_ray
def test_a_row_that_does_not_fit_is_named(run: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys):
    assert main(["score", str(run), "parts", "--engine", "ray", "-o", "other"]) == 2
    assert "other has 512 scores of 2,500 rows" in capsys.readouterr().err  # workers with other blocks
    monkeypatch.setattr(batched, "_ELEMENTS", 1)
    broken = pd.read_parquet("parts/7.parquet")
    broken.loc[broken.index[-1], "a"] = np.nan
    broken.to_parquet("parts/7.parquet")
    assert main(["score", str(run), "parts", "--engine", "ray", "-o", "out"]) == 2
    assert "of which the first counts as 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--engine", "ray", "-o", "x.parquet"], "folder"),
        (["--engine", "ray"], "folder"),
        (["--engine", "ray", "-o", "x", "--drop-missing"], "--drop-missing"),
        (["--engine", "ray", "-o", "x", "--workers", "0"], "--workers: expected a whole number of at least 1, got 0"),
        (["--workers", "2"], "--engine ray"),
    ],
)
def test_what_cannot_be_shared_out_is_said(run: Path, flags: list[str], said: str, monkeypatch, capsys):
    monkeypatch.setattr(on_ray, "_ray", lambda module="": None)
    assert main(["score", str(run), "parts", *flags]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("address", "why"), [("there", "no instance\n"), ("127.0.0.1:1", "refused")])
def test_a_cluster_that_is_not_there_is_said(run: Path, address: str, why: str, monkeypatch, capsys):
    def init(address: str, **_: object) -> None:
        assert address == "there", "Ray tries for minutes where nobody listens"
        raise ConnectionError("no instance\nmore")

    absent = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setattr(on_ray, "_ray", lambda module="": absent)
    assert main(["score", str(run), "parts", "--engine", "ray", "-o", "x", "--address", address]) == 2
    said = capsys.readouterr().err
    assert f"there is no cluster of Ray at --address {address}: " in said
    assert why in said
