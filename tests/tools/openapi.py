"""Twilio's own description of the REST API, as a judge of answers."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema

_FILE = Path(__file__).parent.parent / "data" / "openapi" / "twilio_taskrouter_v1.json"
_METHODS = ("get", "post", "put", "patch", "delete")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_formats = jsonschema.FormatChecker(formats=())
_formats.checks("date-time")(lambda value: not isinstance(value, str) or bool(_ISO.fullmatch(value)))
# An address that is not set is empty in some answers.
_formats.checks("uri")(
    lambda value: not value or not isinstance(value, str) or value.startswith(("http://", "https://"))
)
_UNDESCRIBED = ("operating_unit_sid", "default_operating_unit_sid")
"""What the live service answers with besides."""


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """Return the whole description."""
    loaded: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return loaded


def operations() -> dict[str, tuple[str, str]]:
    """Return method and path of each operation, by its name."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    }


def check_answer(method: str, path: str, status: int, body: Any) -> str:
    """Assert that an answer is as described, every documented key included, and return the operation's name."""
    found = [methods[method.lower()] for methods in _paths(path) if method.lower() in methods]
    assert found, f"{method} {path} is not described"
    operation = found[0]
    assert str(status) in operation["responses"], f"{operation['operationId']} answered {status}"
    content = operation["responses"][str(status)].get("content")
    if content is None:
        assert body in (None, "", b""), body
        return str(operation["operationId"])
    schema = _closed(content["application/json"]["schema"])
    jsonschema.Draft202012Validator(schema, format_checker=_formats).validate(body)
    return str(operation["operationId"])


def _paths(path: str) -> list[dict[str, Any]]:
    """The methods of the templates that a path fits, those with fewer variables first."""
    fitting = [
        (template, methods)
        for template, methods in description()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return [methods for _, methods in sorted(fitting, key=lambda found: found[0].count("{"))]


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The description's schema as a JSON Schema that also insists on every documented key, and on no other."""
    if "$ref" in schema:
        return _closed(description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    closed = {key: value for key, value in schema.items() if key not in ("nullable", "example", "x-twilio")}
    if "properties" in schema:
        closed["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        closed["required"] = sorted(schema["properties"])
        closed["properties"].update(dict.fromkeys(_UNDESCRIBED, {"type": "string", "pattern": "^OU[0-9a-fA-F]{32}$"}))
        closed["additionalProperties"] = False
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    if closed.get("format") == "uri-map":
        closed["additionalProperties"] = {"type": ["string", "null"], "format": "uri"}
    if schema.get("nullable"):
        return {"anyOf": [closed, {"type": "null"}]}
    return closed
