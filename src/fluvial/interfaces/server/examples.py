"""What the OpenAPI description says of each question: what its body holds, with an example."""

from __future__ import annotations

from typing import Any

import msgspec

from fluvial.interfaces.server.bodies import (
    JSON,
    TABLES,
    Ahead,
    Change,
    Event,
    Forecast,
    Marginals,
    Past,
    Pictures,
    Recording,
    Rows,
    Sample,
    Way,
)

_ROWS: dict[str, Any] = {"rows": [{"Sex": "M", "Length": 0.53, "Rings": 9}]}
_RANGE: dict[str, Any] = {"Sex": ["M", "F"], "Length": {"low": 0.5}}
_RATE: dict[str, Any] = {
    "name": "rate",
    "in": "query",
    "description": "share of ordinary rows that may be flagged, 0.01 where it is left out",
    "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
}
_ESCAPED: dict[str, Any] = {
    "name": "escape_formulas",
    "in": "query",
    "description": "true: an apostrophe before text that a spreadsheet would run as a formula",
    "schema": {"type": "boolean"},
}
_BODIES: dict[str, tuple[Any, ...]] = {
    "score": (Rows,),
    "detect": (Rows,),
    "sample": (Sample, Pictures, Recording),
    "given": (Sample,),
    "probability": (Event, Ahead),
    "marginals": (Marginals,),
    "forecast": (Forecast,),
    "past": (Past,),
    "interpolate": (Way,),
    "edit": (Change,),
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "score": _ROWS,
    "detect": _ROWS,
    "sample": {"n": 100, "seed": 1},
    "given": {"n": 100, "seed": 1, "given": _RANGE},
    "probability": {"event": "Rings > 12 and Sex == 'M'", "given": {"Length": {"low": 0.5, "high": 0.6}}},
    "marginals": {"n": 1000, "given": _RANGE, "pair": ["Length", "Rings"]},
    "forecast": {"horizon": 24, "quantiles": [0.1, 0.5, 0.9]},
    "past": {"steps": 72},
    "interpolate": {"seeds": [0, 1], "n": 8},
    "edit": {"seed": 0, "moves": {"brightness": 1.0}},
}
QUESTIONS = tuple(_BODIES)
"""What can be asked; which model answers what, it says itself (``answers`` in ``GET /models/NAME``)."""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {JSON: {"example": {"error": "a sentence"}}}}
    for status, said in {
        401: "no token, or another one",
        404: "there is no such model",
        413: "the body is too long",
        422: "the body cannot be read, or does not fit the model",
    }.items()
}


def described(question: str) -> dict[str, Any]:
    """Arguments of a route."""
    kinds = _BODIES[question]
    whole, parts = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    inner = [parts.get(kind.__name__, schema) for kind, schema in zip(kinds, whole)]
    schema = _inlined(inner[0] if len(inner) == 1 else {"anyOf": inner}, parts)
    content: dict[str, Any] = {JSON: {"schema": schema, "example": _EXAMPLES[question]}}
    if kinds[0] is Rows:
        content |= {name: {"schema": {"type": "string", "format": "binary"}} for name in TABLES if name != JSON}
    more = {"detect": [_RATE, _ESCAPED], "sample": [_ESCAPED], "given": [_ESCAPED]}.get(question, [])
    body = {"required": True, "content": content}
    return {"responses": _ANSWERS, "openapi_extra": {"requestBody": body, "parameters": [*_NAME, *more]}}


_NAME = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401  (plain JSON)
    """A schema with those that it refers to in their places."""
    if isinstance(schema, list):
        return [_inlined(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(value, parts) for name, value in schema.items()}
