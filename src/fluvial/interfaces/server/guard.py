"""What every request passes: who asks, how much it sends, how long it takes; and the line that is logged of it."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fluvial.interfaces.server.metrics import Metrics
from fluvial.terminal import note

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OPEN = ("/health", "/ready", "/")
"""Paths that need no token: the page holds nothing of any model, and asks for the token itself."""
_FILES = "/page/"  # of the page
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Limits:
    """What one request, and all at once, may take.

    Args:
        body: bytes of a body. patience: seconds for a body to arrive, and for a whole answer. at_once: requests.
        rows: that are drawn for one request and sent as they come; draws: that are made at once.
    """

    body: int = 16 << 20
    patience: float = 60.0
    at_once: int = 128
    rows: int = 1_000_000
    draws: int = 100_000


class RefusedError(Exception):
    """A request that goes no further: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def log(event: str, **known: object) -> None:
    """One line of JSON on standard error, which holds no control characters whatever a client has sent."""
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **known}
    note(json.dumps(line, allow_nan=False, default=str))


@dataclass
class Guard:
    """Around the whole application.

    Args:
        token: that clients show as ``Authorization: Bearer TOKEN``; None where only this machine can ask, by a name of
            its own, so that no page of another site that a browser shows can.
    """

    app: App
    metrics: Metrics
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    now: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = _Seen(scope, send)
        self.now += 1
        self.metrics.in_flight.set(self.now)
        try:
            self._admit(scope)
            body = await self._body(scope, receive)
            async with asyncio.timeout(self.limits.patience):
                await self.app(scope, _once(body, receive), seen.send)
        except RefusedError as error:
            await seen.refuse(error.status, error.sentence)
        except TimeoutError:
            await seen.refuse(503, f"no answer within {self.limits.patience:g} seconds: ask for less at once")
        except Exception as error:  # whatever it is, the client gets a sentence and the log the reason
            log("failed", id=seen.id, kind=type(error).__name__, why=str(error))
            await seen.refuse(500, f"this failed on the server, which has noted why under {seen.id}")
        finally:
            self.now -= 1
            self.metrics.in_flight.set(self.now)
            self.metrics.count(seen.route, seen.status, time.monotonic() - seen.began)
            seen.tell()

    def _admit(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self.token is None:
            hosts = [headers.get(b"host", b""), *([headers[b"origin"]] if b"origin" in headers else [])]
            if not all(map(_is_local, hosts)):
                raise RefusedError(421, "without a token this server answers to localhost alone; start it with --token")
        elif scope["path"] not in OPEN and not scope["path"].startswith(_FILES):
            shown = headers.get(b"authorization", b"")
            if not hmac.compare_digest(shown, b"Bearer " + self.token.encode()):
                raise RefusedError(401, "a token is needed: send the header Authorization: Bearer TOKEN")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise RefusedError(415, "a packed body is not read here: send it as it is, without Content-Encoding")
        if self.now > self.limits.at_once:
            raise RefusedError(429, f"more than {self.limits.at_once} requests at once: try again in a moment")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """All of it, so that a slow client keeps nothing but its own connection busy."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:20]) > self.limits.body:
            raise self._too_long
        parts, size = list[bytes](), 0
        try:
            async with asyncio.timeout(self.limits.patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "the connection ended before the body did")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.limits.body:
                        raise self._too_long
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise RefusedError(408, f"the body took longer than {self.limits.patience:g} seconds to arrive") from None

    @property
    def _too_long(self) -> RefusedError:
        return RefusedError(413, f"a body has at most {self.limits.body:,} bytes here: send it in parts")


def _is_local(address: bytes) -> bool:
    """Whether a host, or the origin of a page, is this machine.

    >>> _is_local(b"localhost:8000"), _is_local(b"http://[::1]:8000"), _is_local(b"localhost.example.org")
    (True, True, False)
    """
    host = address.decode("latin-1").removeprefix("http://")
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host) in _LOCAL


class _Seen:
    """What is known of one request, for its line in the log."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self._send, self.status, self.began = scope, send, 0, time.monotonic()
        self.id, self.sent, self.ended = secrets.token_hex(8), 0, False

    @property
    def route(self) -> str:
        """The pattern of the path, of which there are few, and not the path, of which there may be any number."""
        return getattr(self.scope.get("route"), "path", "none")

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = dict(message["headers"])
            safe = [(name, value) for name, value in _SAFE if name not in own]
            message["headers"] = [*message["headers"], (b"x-request-id", self.id.encode()), *safe]
        self.sent += len(message.get("body", b""))
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        """Answer with a sentence, unless an answer has been given; one that has begun is cut off, which clients see."""
        if self.ended:
            return
        if self.status:
            raise ConnectionAbortedError(sentence)
        body = json.dumps({"error": sentence}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 401:
            head.append((b"www-authenticate", b"Bearer"))
        if status in (408, 413):
            head.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body})

    def tell(self) -> None:
        known = {"id": self.id, "method": self.scope["method"], "path": self.scope["path"][:200]}
        log("request", **known, status=self.status, sent=self.sent, seconds=round(time.monotonic() - self.began, 4))


_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def _once(body: bytes, receive: Receive) -> Receive:
    """The body in one message; then whatever else comes, such as that the client has gone."""
    given = False

    async def next_message() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
