"""The command that puts fitted tables behind a door: serve."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fluvial.interfaces.whole import Whole
from fluvial.terminal import note

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST, _PORTS = 16, 65536
_GRACE = 30  # seconds that requests in flight have once the server is asked to stop


def serve(
    *runs: Path,
    port: Whole = 8000,
    host: str = "127.0.0.1",
    token: Annotated[str | None, Parameter(env_var="FLUVIAL_TOKEN")] = None,
    body: Whole = 16,
    timeout: float = 60.0,
) -> None:
    """A page to look at fitted models and play with them, and their answers over HTTP.

    The page is at the address that is printed. Bodies are JSON, CSV, Arrow or Parquet; /openapi.json describes all,
    /metrics counts for Prometheus. A run that is fitted again in its folder is taken up within a second or two.
    Stops on Ctrl-C or TERM, once requests are answered.

    Parameters
    ----------
    runs
        Run folders of fits of tables, series, images or sound, served by their names.
    port
        To listen on.
    host
        Address to listen on. Any but this machine's own needs a token.
    token
        What clients must send as "Authorization: Bearer TOKEN"; better given as FLUVIAL_TOKEN, since other users of the
        machine can see the words of a command.
    body
        MiB that a request may have.
    timeout
        Seconds that a body may take to arrive, and an answer to be given.
    """
    from fluvial.core.errors import UsageError

    if not runs:
        raise UsageError("name the run folders to serve")
    if token is not None and not (token.isascii() and token.isprintable() and len(token) >= _SHORTEST):
        raise UsageError(f"--token: expected at least {_SHORTEST} printable ASCII characters")
    if token is None and host not in _LOOPBACK:
        raise UsageError(f"--host {host} lets other machines ask: give a --token, or FLUVIAL_TOKEN in the environment")
    if not (0 < timeout < float("inf") and body > 0 and 0 <= port < _PORTS):
        raise UsageError(f"expected a port below {_PORTS}, and --body and --timeout above 0")
    # before torch loads: requests are computed on one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import uvicorn

        from fluvial.interfaces.server.app import application
        from fluvial.interfaces.server.guard import Limits
    except ImportError as error:
        if error.name not in ("uvicorn", "fastapi", "prometheus_client", "starlette", "plotly"):
            raise
        raise UsageError(f'the server needs {error.name}: pip install "fluvial[serve]"') from None
    with _listening(host, port) as door:
        app = application(list(runs), token, Limits(body=body << 20, patience=timeout))
        config = uvicorn.Config(
            app,  # pyright: ignore[reportArgumentType]  (uvicorn's own types of ASGI are closer than ASGI)
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        note(f"listening on http://{f'[{host}]' if ':' in host else host}:{door.getsockname()[1]}")
        with contextlib.suppress(KeyboardInterrupt):  # the way to stop it, which uvicorn passes on in the end
            uvicorn.Server(config).run(sockets=[door])


def _listening(host: str, port: int) -> socket.socket:
    from fluvial.core.errors import UsageError

    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--host {host} --port {port}: nothing can be served there: {reason}") from None
