"""The page at ``GET /``: files that hold nothing of any model, which ask for everything as other clients do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources

from fastapi import FastAPI
from fastapi.responses import Response

from fluvial.core.errors import UsageError

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from another host, and nothing inline that is run."""
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_KEPT = "max-age=86400"  # of the library of charts, whose address has its version


def add_page(app: FastAPI) -> None:
    """The page and its files.

    Raises:
        UsageError: the library that draws its charts is not installed.
    """
    charts, version = _charts()
    folder = resources.files("fluvial.interfaces.server").joinpath("static")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    page = files.pop("index.html").replace(b"plotly.min.js", f"plotly-{version}.js".encode())
    for path, body in {"/": page, **{f"/page/{name}": body for name, body in files.items()}}.items():
        kind = _TYPES[path[path.rfind(".") :]] if "." in path else "text/html"
        headers = {"content-security-policy": POLICY} if path == "/" else {}
        app.get(path, include_in_schema=False)(_giving(body, kind, headers))
    app.get(f"/page/plotly-{version}.js", include_in_schema=False)(
        _giving(charts, "text/javascript", {"cache-control": _KEPT})
    )


def _giving(body: bytes, kind: str, headers: dict[str, str]) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(body, media_type=f"{kind}; charset=utf-8", headers=headers)

    return answer


def _charts() -> tuple[bytes, str]:
    """The script that draws charts, as Plotly's Python package brings it along, and its version."""
    try:
        from plotly.offline import get_plotlyjs, get_plotlyjs_version
    except ImportError as error:
        raise UsageError(f'the page needs {error.name}: pip install "fluvial[serve]"') from None
    return get_plotlyjs().encode(), get_plotlyjs_version()
