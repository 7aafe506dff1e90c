"""Checks of single values; each raises Rejected(400) that names the parameter, the value and what would be right."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import attrs

from .. import rules
from ..commands import Command, Unset
from ..errors import invalid
from ..expressions import Expression, ExpressionContext, ExpressionSyntaxError, Semantics, compile_expression


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_TYPES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "str": ("a string", lambda v: isinstance(v, str)),
    "bool": ("a boolean", lambda v: isinstance(v, bool)),
    "int": ("an integer", _whole),
    "float": ("a number", _number),
    "Mapping[str, Any]": ("an object", lambda v: isinstance(v, dict)),
}


def _checker(annotation: str) -> tuple[str, Callable[[object], bool]]:
    """Return the words for a field's type and the test of a value, from the annotation's text."""
    name = annotation.removesuffix(" | None")
    optional = name != annotation
    unset = name.endswith("OrUnset")
    name = {"StrOrUnset": "str", "OptionalStrOrUnset": "str", "IntOrUnset": "int"}.get(name, name)
    name = {"BoolOrUnset": "bool", "FloatOrUnset": "float"}.get(name, name)
    optional = optional or annotation.startswith("Optional")
    words, test = _TYPES[name]

    def check(value: object) -> bool:
        if value is None:
            return optional
        if isinstance(value, Unset):
            return unset
        return test(value)

    return words, check


_Fields = list[tuple[str, str, Callable[[object], bool]]]
_fields_of: dict[type[Command], _Fields] = {}


def _fields(cls: type[Command]) -> _Fields:
    return [(f.name, *_checker(str(f.type))) for f in attrs.fields(cls)]


for _cls in Command.__subclasses__():
    _fields_of[_cls] = _fields(_cls)


def types(command: Command) -> None:
    """Check that every field of a command holds a value of its type, since commands come from parsed requests."""
    for name, words, test in _fields_of[type(command)]:
        value = getattr(command, name)
        if not test(value):
            parameter = "".join(part.capitalize() for part in name.split("_"))
            raise invalid(f"{parameter} must be {words}, not {type(value).__name__}")


def name(value: str, parameter: str = "FriendlyName") -> str:
    """Check a friendly name."""
    if not value.strip():
        raise invalid(f"{parameter} must not be empty")
    if len(value) > rules.MAX_NAME:
        raise invalid(f"{parameter} must have at most {rules.MAX_NAME} characters, not {len(value)}")
    return value


def unique_name(value: str) -> str:
    """Check the unique name of a task channel."""
    name(value, "UniqueName")
    plain = value.replace("$", "_")
    if not (plain.isascii() and plain.isidentifier()):
        raise invalid(f"UniqueName '{value}' must be of letters, digits, '_' and '$' and must not start with a digit")
    return value


def integer(value: int, low: int, high: int, parameter: str) -> int:
    """Check an integer against its limits."""
    if not low <= value <= high:
        raise invalid(f"{parameter} must be between {low} and {high}, not {value}")
    return value


def choice(value: str, allowed: tuple[str, ...], parameter: str) -> str:
    """Check one of a few words."""
    if value not in allowed:
        raise invalid(f"{parameter} '{value}' is not one of {', '.join(allowed)}")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def json_object(text: str, parameter: str) -> dict[str, Any]:
    """Parse a JSON object. The refusal tells where the fault is but not what is written there."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise invalid(
            f"{parameter} is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except (ValueError, RecursionError):
        raise invalid(f"{parameter} is not valid JSON") from None
    if not isinstance(value, dict):
        raise invalid(f"{parameter} must be a JSON object, not a JSON {_kind(value)}")
    return value


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return kinds[type(value)]


def attributes(text: str) -> dict[str, Any]:
    """Check and parse the attributes of a worker or task."""
    if len(text) > rules.MAX_ATTRIBUTES:
        raise invalid(f"Attributes must have at most {rules.MAX_ATTRIBUTES} characters, not {len(text)}")
    return json_object(text, "Attributes")


def expression(text: str, context: ExpressionContext, semantics: Semantics, where: str) -> Expression:
    """Compile an expression; ``where`` begins the refusal."""
    try:
        return compile_expression(text, context, semantics)
    except ExpressionSyntaxError as error:
        raise invalid(f"{where}: {error}") from error
