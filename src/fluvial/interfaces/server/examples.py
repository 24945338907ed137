"""What the OpenAPI description says of each question: what its body holds, with an example."""

from __future__ import annotations

from typing import Any

import msgspec

from fluvial.interfaces.server.bodies import JSON, TABLES, Event, Rows, Sample

_ROWS: dict[str, Any] = {"rows": [{"Sex": "M", "Length": 0.53, "Rings": 9}]}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "score": _ROWS,
    "detect": _ROWS,
    "sample": {"n": 100, "seed": 1},
    "given": {"n": 100, "seed": 1, "given": {"Sex": ["M", "F"], "Length": {"low": 0.5}}},
    "probability": {"event": "Rings > 12 and Sex == 'M'", "given": {"Length": {"low": 0.5, "high": 0.6}}},
}
_BODIES: dict[str, type[Rows | Sample | Event]] = {
    "score": Rows,
    "detect": Rows,
    "sample": Sample,
    "given": Sample,
    "probability": Event,
}
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
    kind = _BODIES[question]
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    inner = parts.get(kind.__name__, schema)
    content: dict[str, Any] = {JSON: {"schema": _inlined(inner, parts), "example": _EXAMPLES[question]}}
    if kind is Rows:
        content |= {name: {"schema": {"type": "string", "format": "binary"}} for name in TABLES if name != JSON}
    return {"responses": _ANSWERS, "openapi_extra": {"requestBody": {"required": True, "content": content}}}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401  (plain JSON)
    """A schema with those that it refers to in their places."""
    if isinstance(schema, list):
        return [_inlined(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(value, parts) for name, value in schema.items()}
