"""Data through pipes, and names and values that hold commas."""

import io
import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.core.errors import DataError
from fluvial.interfaces.streams import seekable
from fluvial.kinds.typed import listed_names, parse_context

NAMES = st.text("ab,= ", min_size=1, max_size=5).map(str.strip).filter(bool)
VALUES = st.text("xy,. 1", max_size=6).map(str.strip)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".npy"])
def test_standard_input_and_fifos_are_read_like_files(tmp_path, monkeypatch, suffix):
    from fluvial.data.tables import read

    frame = pd.DataFrame({"a": np.arange(5.0), "b": np.arange(5.0) ** 2})
    file, fifo = tmp_path / f"t{suffix}", tmp_path / "fifo"
    if suffix == ".npy":
        np.save(file, frame.to_numpy())
    else:
        {".csv": lambda f: frame.to_csv(f, index=False), ".parquet": frame.to_parquet, ".feather": frame.to_feather}[
            suffix
        ](file)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(file.read_bytes()))
    writer.start()
    with seekable(["-", str(fifo), str(file)]) as names:
        tables = [read(name) for name in names]
    writer.join()
    assert names[2] == str(file)
    for table in tables:
        assert np.array_equal(np.stack(list(table.columns.values()), 1), frame.to_numpy())
    assert not os.path.exists(names[0])


def test_an_error_names_the_stream_and_not_a_copy_of_it(monkeypatch):
    from fluvial.data.tables import read

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"PAR1 and no more")))
    with pytest.raises(DataError, match="standard input"), seekable(["-"]) as (name,):
        read(name)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="standard input is empty"), seekable(["-"]) as (name,):
        read(name)


def test_a_stream_without_end_is_cut_off(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("FLUVIAL_LIMIT", str(3 << 20))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.FileIO("/dev/zero"))))
    with pytest.raises(DataError, match=r"^standard input fills more than 3,145,728 bytes"), seekable(["-"]):
        pass
    assert not list(tmp_path.iterdir())


@given(st.dictionaries(NAMES.filter(lambda n: "=" not in n), VALUES, min_size=1, max_size=3), st.booleans())
def test_what_is_written_as_context_is_read_as_it_was(values, apart):
    texts = [f"{name}={value}" for name, value in values.items()]
    # with names that are no text of another's, or each in a flag of its own, nothing is ambiguous
    if not apart and any(f",{a}=" in f",{b}={v}"[1:] or a in b for a in values for b, v in values.items() if a != b):
        return
    assert parse_context(texts if apart else [",".join(texts)], values) == values


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_columns_with_commas_can_be_named(names):
    assert listed_names(names, names) == tuple(names)


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="there is no /dev/stdin")
def test_a_file_behind_standard_input_is_read_like_any(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,x\n2,y\n" * 10)
    code = (
        "from fluvial.data.tables import read; from fluvial.interfaces.streams import seekable\n"
        "with seekable(['/dev/stdin']) as (name,): print(read(name).columns['a'].sum())"
    )
    with (tmp_path / "t.csv").open() as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "30"


def test_the_module_hands_on_its_exit_code():
    done = subprocess.run(
        [sys.executable, "-m", "fluvial", "score", "nowhere", "x.csv"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "there is no run folder nowhere" in done.stderr
