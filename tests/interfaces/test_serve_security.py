"""The server among clients that mean harm, or are slow, or go away: they get a sentence, and others notice nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("plotly")
uvicorn: Any = pytest.importorskip("uvicorn")

from fluvial.interfaces.server.app import application  # noqa: E402
from fluvial.interfaces.server.guard import Limits  # noqa: E402

RUNS = Path(__file__).parents[1] / "runs"
BODY, PATIENCE = 400_000, 6.0
SCORED = "/models/gaussian/score"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = application([RUNS / "gaussian", RUNS / "images"], limits=Limits(body=BODY, patience=PATIENCE))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, server_header=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(30)


def raw(port: int, *lines: str, body: bytes = b"", wait: float = 300.0) -> bytes:
    """All that the server answers to a request as it stands."""
    with socket.create_connection(("127.0.0.1", port), wait) as line:
        line.sendall("\r\n".join((*lines, "", "")).encode("latin-1") + body)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while part := line.recv(65536):
                found += part
    return found


def asked(port: int, path: str, method: str = "GET", **head: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    return raw(port, f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "connection: close", *lines)


def answers(port: int) -> bool:
    """Whether somebody else is answered at once."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/models", timeout=200) as found:
        return found.status == 200


def in_flight(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=200) as found:
        lines = found.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith("fluvial_requests_in_flight ")).split()[1])


TRAVERSALS = (
    "/page/../app.py",
    "/page/%2e%2e/app.py",
    "/page/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/page/....//....//etc/passwd",
    "/page//etc/passwd",
    "/page/page.js/../../app.py",
    "/page/page.js%00.css",
    "/page/..%5c..%5capp.py",
    "/page/",
    "//etc/passwd",
    "/models/..%2f..%2fgaussian",
    "/models/%2e%2e",
    "/models/gaussian/../../../etc/passwd",
)


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_page(port: int, path: str):
    found = asked(port, path)
    assert b" 404 " in found.splitlines()[0], found
    assert b"import" not in found
    assert b"root:" not in found


def test_what_is_served_is_the_page_and_nothing_beside_it(port: int):
    page = asked(port, "/")
    assert b" 200 " in page.splitlines()[0]
    head, _, body = page.partition(b"\r\n\r\n")
    policy = next(line for line in head.decode().splitlines() if line.startswith("content-security-policy"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert head.count(b"content-security-policy") == 1
    assert b"<script>" not in body  # nothing inline
    assert b" on" not in body.replace(b" one", b"")
    for name in body.decode().split('"')[1::2]:
        if name.startswith("page/"):
            assert b" 200 " in asked(port, f"/{name}").splitlines()[0], name


INJECTED = "a%0d%0aset-cookie:%20stolen=1%0d%0a%0d%0a<script>"


def test_no_request_writes_a_header_or_a_line_of_the_log(port: int, capfd: pytest.CaptureFixture[str]):
    capfd.readouterr()
    found = [asked(port, f"/models/{INJECTED}"), asked(port, f"/models/{INJECTED}/score", "POST")]
    found.append(asked(port, SCORED, "POST", content_type="a<script>", content_length="0"))
    found.append(asked(port, "/models", accept="text/csv; \x0b set-cookie: a=b"))
    found.append(asked(port, "/models", x_request_id="mine", accept="text/html"))
    for answer in found:
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"stolen" not in head
        assert b"cookie" not in head
        assert b"mine" not in head
        assert b"text/html" not in head
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert lines
    assert all(json.loads(line)["event"] for line in lines)


SMUGGLED = {
    "two lengths": ("content-length: 5", "content-length: 9"),
    "a length and chunks": ("content-length: 5", "transfer-encoding: chunked"),
    "a line that is folded": ("content-length: 2", "x-a: b\r\n folded: c"),
    "a name with a blank": ("content-length : 2",),
    "a zero byte": ("content-length: 2", "x-a: \x00"),
}


@pytest.mark.parametrize("what", SMUGGLED)
def test_no_request_hides_in_another(port: int, what: str):
    hidden = b"0\r\n\r\nGET /models HTTP/1.1\r\nhost: localhost\r\n\r\n"
    head = ("host: localhost", "connection: close", *SMUGGLED[what])
    found = raw(port, f"POST {SCORED} HTTP/1.1", *head, body=hidden)
    assert found.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in found
    assert answers(port)


def test_a_head_without_end_is_refused(port: int):
    found = raw(port, "GET /models HTTP/1.1", "host: localhost", "x-a: " + "a" * 200_000)
    assert not found or b" 4" in found.splitlines()[0]
    assert answers(port)


def test_a_slow_client_keeps_nobody_waiting_and_is_sent_away(port: int):
    with socket.create_connection(("127.0.0.1", port), 300) as slow:
        slow.sendall(f"POST {SCORED} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{{".encode())
        began = time.monotonic()
        assert answers(port)
        assert time.monotonic() - began < PATIENCE
        found = b""
        while b"seconds" not in found and (part := slow.recv(65536)):  # head and body may come apart
            found += part
        assert time.monotonic() - began < 50 * PATIENCE
    assert b" 408 " in found.splitlines()[0]
    assert b"took longer than 6 seconds" in found


def test_a_huge_body_is_refused_before_it_has_come(port: int):
    head = ("host: localhost", f"content-length: {10 << 30}")
    assert b" 413 " in raw(port, f"POST {SCORED} HTTP/1.1", *head, body=b"x" * 1000).splitlines()[0]
    chunks = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    endless = raw(port, f"POST {SCORED} HTTP/1.1", "host: localhost", "transfer-encoding: chunked", body=chunks * 120)
    assert not endless or b" 413 " in endless.splitlines()[0]
    assert answers(port)


def test_clients_that_go_in_the_middle_leave_nothing_behind(port: int):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), 300) as line:
            line.sendall(f"POST {SCORED} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n\r\n{{".encode())
    wish = json.dumps({"n": 200_000}).encode()
    for _ in range(3):
        leaving = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
        head = {"content-type": "application/json", "accept": "text/csv"}
        leaving.request("POST", "/models/gaussian/sample", wish, head)
        leaving.sock.close()  # before the answer
    end = time.monotonic() + 300
    while in_flight(port) > 1 and time.monotonic() < end:
        time.sleep(0.1)
    assert in_flight(port) == 1  # the question itself
    assert answers(port)


REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("gaussian", "score", b'{"rows":' + b"[" * 9000),
    ("gaussian", "score", b'{"rows":[{"x":NaN}]}'),
    ("gaussian", "score", b"\xff\xfe"),
    ("gaussian", "sample", b'{"n":-1}'),
    ("gaussian", "sample", b'{"seed":1e400}'),
    ("gaussian", "marginals", b'{"n":0}'),
    ("gaussian", "marginals", b'{"pair":["a","b"]}'),
    ("gaussian", "marginals", b'{"pair":["a"]}'),
    ("gaussian", "marginals", b'{"given":{"a":{"low":{"low":1}}}}'),
    ("gaussian", "probability", b'{"event":"__import__(\'os\')"}'),
    ("gaussian", "detect?rate=nan", b'{"rows":[{"x":1}]}'),
    ("gaussian", "forecast", b"{}"),
    ("images", "sample", b'{"n":1e9}'),
    ("images", "sample", b'{"temperature":Infinity}'),
    ("images", "sample", b'{"context":{"a":{"b":1}}}'),
    ("images", "interpolate", b'{"seeds":[1]}'),
    ("images", "interpolate", b'{"seeds":[0,1],"n":99}'),
    ("images", "score", b'{"rows":[]}'),
    ("nobody", "score", b"{}"),
)


def posted(port: int, name: str, question: str, body: bytes) -> http.client.HTTPResponse:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    line.request("POST", f"/models/{name}/{question}", body, {"content-type": "application/json"})
    return line.getresponse()


@pytest.mark.parametrize(("name", "question", "body"), REFUSED)
def test_malformed_questions_get_a_sentence(port: int, name: str, question: str, body: bytes):
    found = posted(port, name, question, body)
    assert 400 <= found.status < 500
    sentence = json.loads(found.read())["error"]
    assert sentence
    assert "Traceback" not in sentence


@pytest.mark.skipif(sys.platform != "linux", reason="of /proc")
def test_malformed_requests_leave_memory_flat(port: int):
    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def all_of_them(times: int) -> None:
        for _ in range(times):
            for name, question, body in REFUSED:
                posted(port, name, question, body).read()
            posted(port, "gaussian", "score", b"x" * (BODY - 1)).read()

    all_of_them(5)
    before = resident()
    all_of_them(20)
    assert resident() - before < 4  # what was sent comes to twice that
