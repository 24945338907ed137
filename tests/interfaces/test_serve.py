"""The server: the answers of the library, sentences for everything else, and nobody else's answer for anybody."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer ones of starlette would rather have another client
    TestClient: Any = pytest.importorskip("fastapi.testclient").TestClient

from fluvial import fit, load
from fluvial.interfaces.cli import main
from fluvial.interfaces.server.app import application
from fluvial.interfaces.server.desk import Desk
from fluvial.interfaces.server.guard import Limits
from fluvial.interfaces.server.shelf import Shelf

RUNS = Path(__file__).parents[1] / "runs"
SMALL = {"options": {"hidden": (8,), "classes": 0}, "epochs": 1, "progress": False}
ODD = '<script>alert("x")</script>'
TOKEN = "a token of many signs"


def table(seed: int, rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", ODD], rows)
    return pd.DataFrame({"size": rng.normal(size=rows), "kind": kind, "<b>n</b>": rng.poisson(3, rows)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mixed"
    fit(table(0), "mixed", out=folder, **SMALL)
    return folder


@pytest.fixture(scope="module")
def client(run: Path):
    paths = [run, RUNS / "gaussian"]
    limits = Limits(body=20_000, rows=3000, draws=500)
    with TestClient(application(paths, limits=limits), base_url="http://localhost") as client:
        yield client


def rows(seed: int, number: int = 7) -> dict[str, Any]:
    return {"columns": {name: values.tolist() for name, values in table(seed, number).items()}}


def test_scores_are_the_librarys(client: Any, run: Path):
    expected = load(run).log_prob(table(1, 7))
    by_columns = client.post("/models/mixed/score", json=rows(1)).json()
    assert by_columns["columns"]["log_prob"] == pytest.approx(expected.tolist(), abs=1e-5)
    assert by_columns["unit"] == "nats"
    by_rows = client.post("/models/mixed/score", json={"rows": table(1, 7).to_dict("records")}).json()
    assert by_rows == by_columns


def test_a_gap_is_a_value_and_what_is_impossible_is_null(client: Any):
    found = client.post(
        "/models/mixed/score", json={"rows": [{"size": 0.1, "kind": "a", "<b>n</b>": 2}, {"kind": "new"}]}
    )
    values = found.json()["columns"]["log_prob"]
    assert values[0] is not None
    assert values[1] is None
    assert "never saw" in " ".join(found.json()["notes"])


@pytest.mark.parametrize("kind", ["parquet", "arrow.stream", "csv"])
def test_tables_come_and_go_as_files(client: Any, run: Path, kind: str):
    frame, file = table(2, 5), io.BytesIO()
    name = "text/csv" if kind == "csv" else f"application/vnd.apache.{kind}"
    if kind == "parquet":
        frame.to_parquet(file)
    elif kind == "csv":
        frame.to_csv(file, index=False)
    else:
        with pa.ipc.new_stream(file, (rows := pa.Table.from_pandas(frame)).schema) as writer:
            writer.write_table(rows)
    head = {"content-type": name, "accept": name}
    found = client.post("/models/mixed/score", content=file.getvalue(), headers=head)
    assert found.status_code == 200, found.text
    assert found.headers["content-type"].startswith(name)
    read = {
        "parquet": pd.read_parquet,
        "csv": pd.read_csv,
        "arrow.stream": lambda f: pa.ipc.open_stream(f).read_pandas(),
    }
    scores = read[kind](io.BytesIO(found.content))["log_prob"]
    np.testing.assert_allclose(scores.to_numpy(), load(run).log_prob(frame), atol=1e-5)


def test_samples_are_the_librarys_however_they_are_sent(client: Any):
    expected = load(RUNS / "gaussian").sample_columns(2500, seed=3)
    wish = {"n": 2500, "seed": 3}
    arrow = client.post("/models/gaussian/sample", json=wish, headers={"accept": "application/vnd.apache.arrow.stream"})
    found = pa.ipc.open_stream(arrow.content).read_all()
    text = pd.read_csv(
        io.StringIO(client.post("/models/gaussian/sample", json=wish, headers={"accept": "text/csv"}).text)
    )
    plain = client.post("/models/gaussian/sample", json=wish).json()["columns"]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].to_numpy(), values)
        np.testing.assert_array_equal(text[name].to_numpy(), values)
        assert plain[name] == values.tolist()


def test_given_and_probability(client: Any, run: Path):
    given = {"kind": "a", "size": {"low": 0.0}}
    found = client.post("/models/mixed/given", json={"n": 40, "seed": 1, "given": given}).json()["columns"]
    assert set(found["kind"]) == {"a"}
    assert min(found["size"]) >= 0
    asked = {"event": "size > 0 and kind == 'a'", "given": {"<b>n</b>": [2, 3]}, "draws": 400, "seed": 2}
    answer = client.post("/models/mixed/probability", json=asked).json()
    expected = load(run).probability(asked["event"], asked["given"], draws=400, seed=2)
    assert (answer["probability"], answer["error"]) == pytest.approx((expected.value, expected.error))
    assert client.post("/models/mixed/probability", json={"event": "size > 0", "draws": 9}).json()["exact"] is True


def test_detect_names_the_cell(client: Any):
    odd = {"columns": {"size": [0.0, 50.0], "kind": ["a", "a"], "<b>n</b>": [3, 3]}}
    found = client.post("/models/mixed/detect?rate=0.2", json=odd).json()["columns"]
    assert found["unusual"] == [False, True]
    assert found["column"][1] == "size"


def test_what_is_served_is_described(client: Any):
    assert [one["name"] for one in client.get("/models").json()] == ["mixed", "gaussian"]
    known = client.get("/models/mixed").json()
    assert next(c for c in known["columns"] if c["name"] == "kind")["categories"] == sorted(["a", ODD])
    paths = client.get("/openapi.json").json()["paths"]
    body = paths["/models/{name}/given"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"]["given"]["Length"] == {"low": 0.5}
    assert set(body["schema"]["properties"]) == {"n", "seed", "context", "given"}
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json()["models"] == ["mixed", "gaussian"]
    assert 'fluvial_rows_total{model="mixed",what="score"}' in client.get("/metrics").text


DEEP = '{"rows":' + "[" * 9000 + "]" * 9000 + "}"
ROW = '{"rows":[{"size":%s,"kind":"a","<b>n</b>":3}]}'
MALFORMED: dict[str, tuple[str, str, Any, int]] = {
    "no body": ("score", "", {}, 422),
    "not JSON": ("score", "size=3", {}, 422),
    "half of it": ("score", '{"rows": [', {}, 422),
    "nested": ("score", DEEP, {}, 422),
    "nested objects": ("score", '{"rows":[{"size":' * 1100, {}, 422),
    "NaN": ("score", ROW % "NaN", {}, 422),
    "infinity": ("score", ROW % "Infinity", {}, 422),
    "minus infinity": ("score", ROW % "-Infinity", {}, 422),
    "beyond float64": ("score", ROW % "1e999", {}, 422),
    "a long number": ("score", ROW % ("9" * 5000), {}, 422),
    "a list in a cell": ("score", ROW % "[1]", {}, 422),
    "an object in a cell": ("score", ROW % '{"a":1}', {}, 422),
    "text for a number": ("score", ROW % '"large"', {}, 422),
    "a bad escape": ("score", ROW % '"\\ud800"', {}, 422),
    "bytes that are not UTF-8": ("score", b'{"rows":[{"size":"\xff"}]}', {}, 422),
    "neither": ("score", "{}", {}, 422),
    "both": ("score", '{"rows":[],"columns":{}}', {}, 422),
    "no rows": ("score", '{"rows":[]}', {}, 422),
    "rows of nothing": ("score", '{"rows":[{}]}', {}, 422),
    "an unknown field": ("score", '{"path":"/etc/passwd"}', {}, 422),
    "a path for a table": ("score", '{"rows":"/etc/passwd"}', {}, 422),
    "uneven columns": ("score", '{"columns":{"size":[1,2],"kind":["a"],"<b>n</b>":[1]}}', {}, 422),
    "a missing column": ("score", '{"columns":{"size":[1]}}', {}, 422),
    "a pickle": ("score", b"\x80\x04\x95", {"content-type": "application/octet-stream"}, 415),
    "text": ("score", "{}", {"content-type": "text/plain"}, 415),
    "multipart": ("score", "x", {"content-type": "multipart/form-data; boundary=x"}, 415),
    "no Parquet": ("score", b"PAR1junkPAR1", {"content-type": "application/vnd.apache.parquet"}, 422),
    "no Arrow": ("score", b"\xff" * 64, {"content-type": "application/vnd.apache.arrow.stream"}, 422),
    "an empty CSV": ("score", "", {"content-type": "text/csv"}, 422),
    "a long body": ("score", "x" * 20_001, {}, 413),
    "a long length": ("score", "x", {"content-length": "99999999999999999999999999"}, 413),
    "a length that is none": ("score", "x", {"content-length": "-1"}, 413),
    "no model": ("../../etc/passwd", "{}", {}, 404),
    "another verb": ("train", "{}", {}, 404),
    "n of text": ("sample", '{"n":"many"}', {}, 422),
    "n of 0": ("sample", '{"n":0}', {}, 422),
    "n too large": ("sample", '{"n":3001}', {}, 422),
    "n beyond integers": ("sample", '{"n":1e300}', {}, 422),
    "a seed below 0": ("sample", '{"seed":-1}', {}, 422),
    "context that is not there": ("sample", '{"context":{"a":1}}', {}, 422),
    "no such column": ("given", '{"given":{"weight":1}}', {}, 422),
    "too many given": ("given", '{"n":501,"given":{"kind":"a"}}', {}, 422),
    "a range of text": ("given", '{"given":{"size":{"low":"x"}}}', {}, 422),
    "code for an event": ("probability", "{\"event\":\"__import__('os').system('true')\"}", {}, 422),
    "a deep event": ("probability", json.dumps({"event": "(" * 900 + "size > 0" + ")" * 900}), {}, 422),
    "no event": ("probability", "{}", {}, 422),
    "too many draws": ("probability", '{"event":"size > 0 and kind == \'a\'","draws":501}', {}, 422),
    "a rate that is none": ("detect?rate=2", json.dumps(rows(1)), {}, 422),
    "a rate of text": ("detect?rate=x", json.dumps(rows(1)), {}, 422),
    "a packed body": ("score", json.dumps(rows(1)), {"content-encoding": "gzip"}, 415),
    "no such question": ("fly", "{}", {}, 404),
    "another site's page": ("score", json.dumps(rows(1)), {"origin": "http://example.org"}, 421),
    "another name of this machine": ("score", json.dumps(rows(1)), {"host": "example.org"}, 421),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests_get_a_sentence(client: Any, what: str):
    question, body, headers, status = MALFORMED[what]
    headers = {"content-type": "application/json", **headers}
    found = client.post(f"/models/mixed/{question}", content=body, headers=headers)
    assert found.status_code == status, found.text
    sentence = found.json()["error"]
    assert "Traceback" not in sentence
    assert "/tmp" not in sentence
    assert found.headers["content-type"].startswith("application/json")
    assert found.headers["x-content-type-options"] == "nosniff"


def test_another_method_is_told_which_one_asks(client: Any):
    found = client.get("/models/mixed/score")
    assert found.status_code == 405
    assert (found.json(), found.headers["allow"]) == ({"error": "this is asked with POST, not with GET"}, "POST")


def test_a_body_that_does_not_say_its_length_is_counted(client: Any):
    found = client.post("/models/mixed/score", content=(b"x" * 1000 for _ in range(30)))
    assert found.status_code == 413
    assert "20,000 bytes" in found.json()["error"]


def test_a_token_opens_all_but_health(run: Path):
    with TestClient(application([run], TOKEN), base_url="http://example.org") as client:
        assert client.get("/health").status_code == 200
        for shown in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"authorization": "Bearer "}):
            refused = client.get("/models", headers=shown)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        assert client.get("/metrics").status_code == 401
        assert client.get("/models", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_tokens_are_compared_in_constant_time(run: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: asked.append((a, b)) or a == b)
    with TestClient(application([run], TOKEN)) as client:
        client.get("/models", headers={"authorization": "Bearer x"})
    assert asked == [(b"Bearer x", f"Bearer {TOKEN}".encode())]


def test_requests_at_once_get_their_own_answers(client: Any, run: Path):
    model = load(run)
    frames = [table(seed, 1 + seed % 5) for seed in range(60)]
    expected = [model.log_prob(frame) for frame in frames]

    def ask(frame: pd.DataFrame) -> list[float]:
        columns = {name: values.tolist() for name, values in frame.items()}
        return client.post("/models/mixed/score", json={"columns": columns}).json()["columns"]["log_prob"]

    with ThreadPoolExecutor(16) as pool:
        for found, wanted in zip(pool.map(ask, frames), expected):
            np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_waiting_requests_are_scored_together(run: Path):
    """While one batch is computed, the next gathers: nine requests are two calls of the model, not nine."""
    sizes: list[int] = []

    async def ask() -> list[np.ndarray]:
        async def later(function, *arguments):
            sizes.append(len(arguments[1]))
            await asyncio.sleep(0.01)
            return function(*arguments)

        one = Shelf.of([run], Desk(later)).served["mixed"]
        encoded = [one.model.schema.encode(_table(seed)) for seed in range(9)]
        gone = asyncio.ensure_future(one.batches.log_prob(encoded[0]))
        answers = [asyncio.ensure_future(one.batches.log_prob(each)) for each in encoded]
        await asyncio.sleep(0)
        gone.cancel()
        return await asyncio.gather(*answers)

    def _table(seed: int):
        from fluvial.data.tables import read

        return read(table(seed, 3))

    found = asyncio.run(ask())
    assert len(sizes) <= 2
    model = load(run)
    for seed, values in enumerate(found):
        np.testing.assert_allclose(values, model.log_prob(table(seed, 3)), atol=1e-5)


def test_a_run_that_is_replaced_is_taken_up_and_a_damaged_one_is_not(run: Path, tmp_path: Path):
    place, said = tmp_path / "mixed", list[str]()
    shutil.copytree(run, place)
    other = fit(table(5), "mixed", out=tmp_path / "other", **SMALL)

    async def watched() -> None:
        async def compute(function, *arguments):
            return function(*arguments)

        shelf = Shelf.of([place], Desk(compute))
        first = shelf.served["mixed"].model
        watching = asyncio.create_task(shelf.watch(lambda event, **_: said.append(event), 0.01))
        (place / "config.json").write_text("{")
        await _until(lambda: said == ["not reloaded"])
        assert shelf.served["mixed"].model is first
        for name in ("model.safetensors", "data.safetensors", "metrics.jsonl", "config.json"):
            os.replace(tmp_path / "other" / name, place / name)
        await _until(lambda: "reloaded" in said)
        served = shelf.served["mixed"].model
        np.testing.assert_array_equal(served.log_prob(table(6, 4)), other.log_prob(table(6, 4)))
        watching.cancel()

    asyncio.run(watched())


async def _until(holds, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_runs_that_cannot_be_served_are_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async def compute(function, *arguments):
        return function(*arguments)

    for paths, said in (([RUNS / "rolls"], "served are"), ([run, run], "two runs"), ([tmp_path], "no finished run")):
        with pytest.raises(ValueError, match=said):
            Shelf.of(paths, Desk(compute))
    wrong = {"--token": ["--host", "0.0.0.0"], "at least": ["--token", "short"], "a port": ["--port", "99999"]}
    for said, flags in wrong.items():
        assert main(["serve", str(run), *flags]) == 2
        assert said in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(run), "--port", str(taken.getsockname()[1])]) == 2
        assert "nothing can be served there" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="of signals")
def test_a_real_server_ends_what_it_has_begun_and_then_itself(run: Path):
    command = [sys.executable, "-m", "fluvial", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(line for line in process.stderr if "listening" in line).split()[-1]
        next(line for line in process.stderr if '"ready"' in line)
        body = json.dumps({"n": 60_000, "seed": 1}).encode()
        answers: list[int] = []

        def ask() -> None:
            wish = urllib.request.Request(f"{address}/models/mixed/sample", body, {"accept": "text/csv"})
            wish.add_header("content-type", "application/json")
            answers.append(len(urllib.request.urlopen(wish, timeout=60).read().splitlines()))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.3)  # in the middle of it
        process.send_signal(signal.SIGTERM)
        asking.join(60)
        rest = process.stderr.read()
        assert process.wait(60) == 0, rest
    assert answers == [60_001]
    assert '"stopped"' in rest
