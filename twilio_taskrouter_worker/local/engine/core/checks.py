"""Checks of single values; each raises Rejected(400) that names the parameter, the value and what would be right."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sized
from types import UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import attrs

from .. import rules
from ..commands import Command
from ..errors import Rejected, invalid, version_mismatch
from ..expressions import Expression, ExpressionContext, ExpressionSyntaxError, Semantics, compile_expression

_WORDS: dict[type, str] = {str: "a string", bool: "a boolean", int: "an integer", float: "a number", dict: "an object"}
_Check = tuple[str, frozenset[type], bool, str]


def _checks_of(cls: type[Command]) -> list[_Check]:
    """Return for each field its name, the types of its values, whether it is a number, and the words for its type."""
    hints = get_type_hints(cls)
    return [(field.name, *_check_of(hints[field.name])) for field in attrs.fields(cls)]


def _check_of(hint: Any) -> tuple[frozenset[type], bool, str]:
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    plain = {dict if get_origin(member) is Mapping else member for member in members}
    wanted = next(member for member in plain if member in _WORDS)
    # An integer will do for a number.
    return frozenset(plain | {int} if wanted is float else plain), wanted is float, _WORDS[wanted]


_FIELDS = {cls: _checks_of(cls) for cls in Command.__subclasses__()}


def types(command: Command) -> None:
    """Check that every field of a command holds a value of its type, since commands come from parsed requests."""
    for name, allowed, number, words in _FIELDS[type(command)]:
        value = getattr(command, name)
        fits = type(value) in allowed or (isinstance(value, tuple(allowed)) and not isinstance(value, bool))
        if not fits or (number and isinstance(value, float) and not math.isfinite(value)):
            parameter = "".join(part.capitalize() for part in name.split("_"))
            raise invalid(f"{parameter} must be {words}, not {type(value).__name__}")


def name(value: str, parameter: str = "FriendlyName") -> str:
    """Check a friendly name."""
    if not value.strip():
        raise invalid(f"{parameter} must not be empty")
    if len(value) > rules.MAX_NAME:
        raise invalid(f"{parameter} must have at most {rules.MAX_NAME} characters, not {len(value)}")
    return value


def free_name(value: str, taken: Mapping[str, str], refusal: Rejected, own: str | None = None, key: str = "") -> str:
    """Check a friendly name, which nothing else may have.

    Args:
        taken: sid by name, or by what names are compared by.
        refusal: raised when the name is taken.
        own: sid of what has, or is to have, the name.
        key: what this name is compared by, where that is not the name.
    """
    name(value)
    if taken.get(key or value, own) != own:
        raise refusal
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


def room(taken: Sized, limit: int, kind: str) -> None:
    """Check that a workspace can have one more of something."""
    if len(taken) >= limit:
        raise invalid(f"A workspace can have at most {limit} {kind}")


def choice(value: str, allowed: tuple[str, ...], parameter: str) -> str:
    """Check one of a few words."""
    if value not in allowed:
        raise invalid(f"{parameter} '{value}' is not one of {', '.join(allowed)}")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode


def json_object(text: str, parameter: str) -> dict[str, Any]:
    """Parse a JSON object. The refusal tells where the fault is but not what is written there."""
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise invalid(
            f"{parameter} is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except (ValueError, RecursionError):
        raise invalid(f"{parameter} is not valid JSON") from None
    if not isinstance(value, dict):
        raise invalid(f"{parameter} must be a JSON object, not a JSON {_kind(value)}")
    return value


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact(document: Mapping[str, Any]) -> str:
    """Return a document that :func:`json_object` gave as the service keeps it: JSON without white space."""
    text = _encode(document)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair can only stand in JSON as an escape.
        return json.dumps(document, separators=(",", ":"))
    return text


def url(value: object, parameter: str) -> None:
    """Check an address that somebody is to be called at; an empty one stands for none."""
    if value is None or value == "":
        return
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is not None and parts.scheme in ("http", "https") and parts.hostname:
            return
    except ValueError:
        pass  # such as a bracket that is never closed
    raise invalid(f"'{value}' is not a valid {parameter}")


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


def expression(
    text: str, context: ExpressionContext, semantics: Semantics, where: str, longest: int | None = None
) -> Expression:
    """Compile an expression; ``where`` begins the refusal."""
    try:
        return compile_expression(text, context, semantics, longest=longest)
    except ExpressionSyntaxError as error:
        raise invalid(f"{where}: {error}") from error


def version(record: Any, if_match: int | None) -> None:
    """Refuse a change that was meant for another version of a worker, task or reservation."""
    if if_match is not None and if_match != record.version:
        raise version_mismatch(record.sid, record.version, if_match)
