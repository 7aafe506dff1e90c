"""Checks of single values; each raises Rejected(400) that names the parameter, the value and what would be right."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sized
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
    # JSON does not distinguish 5 from 5.0, so an integer is accepted where a number is asked for.
    return frozenset(plain | {int} if wanted is float else plain), wanted is float, _WORDS[wanted]


# Once, at import: evaluating annotations is far slower than checking values. A command is found by its exact class,
# so every command is a direct subclass.
_FIELDS = {cls: _checks_of(cls) for cls in Command.__subclasses__()}
_valid: dict[type[Command], set[tuple[type, ...]]] = {cls: set() for cls in _FIELDS}
"""Combinations of types that were found right, without those that have a float, which may be NaN."""


def types(command: Command) -> None:
    """Check that every field of a command has a value of its annotated type.

    Commands are made from parsed requests and journals, where annotations alone guarantee nothing.

    Args:
        command: The command to check; each field's annotation decides.

    Raises:
        Rejected: 400, a field has a value of another type, or a number is NaN or infinite.
    """
    cls = type(command)
    # All fields, in their order: a command is not slotted.
    values = vars(command).values()
    combination = tuple(map(type, values))
    # Nearly every command is like one before it.
    if combination in _valid[cls]:
        return
    for (name, allowed, number, words), value in zip(_FIELDS[cls], values, strict=True):
        # The set lookup decides nearly all values. The second test admits subclasses, but not bool for an int.
        fits = type(value) in allowed or (isinstance(value, tuple(allowed)) and not isinstance(value, bool))
        if not fits or (number and isinstance(value, float) and not math.isfinite(value)):
            # Clients know the parameter by its REST name: friendly_name is FriendlyName.
            parameter = "".join(part.capitalize() for part in name.split("_"))
            raise invalid(f"{parameter} must be {words}, not {type(value).__name__}")
    if float not in combination:
        _valid[cls].add(combination)


def name(value: str, parameter: str = "FriendlyName") -> str:
    """Return a friendly name if it is valid.

    Args:
        value: The name as given.
        parameter: REST name of the parameter, for the error message.

    Raises:
        Rejected: 400, the name is blank or too long.
    """
    # Only checked without its blanks: the name is kept as it was given.
    if not value.strip():
        raise invalid(f"{parameter} must not be empty")
    if len(value) > rules.MAX_NAME:
        raise invalid(f"{parameter} must have at most {rules.MAX_NAME} characters, not {len(value)}")
    return value


def free_name(value: str, taken: Mapping[str, str], refusal: Rejected, own: str | None = None, key: str = "") -> str:
    """Return a friendly name if it is valid and not taken.

    Args:
        value: The name as given.
        taken: Sid by name, or by the key that names are compared by.
        refusal: Raised if the name is taken.
        own: Sid of the resource that has, or is to get, the name; None for one that does not exist yet.
        key: The form in which names are compared, such as lower case; empty: the name itself.

    Raises:
        Rejected: 400, the name is invalid, or *refusal*.
    """
    name(value)
    # Falls back to own for a free name, so that a resource may also be given the name it has.
    if taken.get(key or value, own) != own:
        raise refusal
    return value


def unique_name(value: str) -> str:
    """Return the unique name of a task channel if it is valid.

    Args:
        value: The name as given.

    Raises:
        Rejected: 400, it is blank, too long, or contains a character that is not allowed.
    """
    name(value, "UniqueName")
    # The rules of the service are those of an identifier in ASCII, but for '$'.
    plain = value.replace("$", "_")
    if not (plain.isascii() and plain.isidentifier()):
        raise invalid(f"UniqueName '{value}' must be of letters, digits, '_' and '$' and must not start with a digit")
    return value


def integer(value: int, low: int, high: int, parameter: str) -> int:
    """Return an integer if it is within its limits.

    Args:
        value: The number as given.
        low: The smallest valid value.
        high: The largest valid value.
        parameter: REST name of the parameter, for the error message.

    Raises:
        Rejected: 400, the value is out of range.
    """
    if not low <= value <= high:
        raise invalid(f"{parameter} must be between {low} and {high}, not {value}")
    return value


def room(taken: Sized, limit: int, kind: str) -> None:
    """Check that a workspace may have one more resource of a kind.

    Args:
        taken: The existing ones.
        limit: How many there may be.
        kind: Plural of the kind, for the error message.

    Raises:
        Rejected: 400, the limit is reached.
    """
    if len(taken) >= limit:
        raise invalid(f"A workspace can have at most {limit} {kind}")


def choice(value: str, allowed: Collection[str], parameter: str) -> str:
    """Return a value if it is one of the allowed ones.

    Args:
        value: The value as given; the case matters.
        allowed: The valid values, in the order in which the error message lists them.
        parameter: REST name of the parameter, for the error message.

    Raises:
        Rejected: 400, the value is not allowed.
    """
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
    """Parse the text of a JSON object.

    Args:
        text: Strict JSON: no NaN, no number beyond a double.
        parameter: REST name of the parameter, for the error message.

    Raises:
        Rejected: 400, the text is not a JSON object. The message has the position of the error but does not quote the
            text, which is the customer's data.
    """
    try:
        # The hooks refuse what Python's decoder accepts beyond JSON: NaN and Infinity, and numbers such as 1e999,
        # which would become Infinity and could not be written back.
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise invalid(
            f"{parameter} is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    # From the two hooks above, or nested too deeply for the decoder.
    except (ValueError, RecursionError):
        raise invalid(f"{parameter} is not valid JSON") from None
    if not isinstance(value, dict):
        raise invalid(f"{parameter} must be a JSON object, not a JSON {_kind(value)}")
    return value


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact(document: Mapping[str, Any]) -> str:
    """Return a document as the service stores it: JSON without white space.

    Args:
        document: A parsed document, from :func:`json_object` or made by the engine.
    """
    text = _encode(document)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can only contain half a surrogate pair as an escape.
        return json.dumps(document, separators=(",", ":"))
    return text


def url(value: object, parameter: str) -> None:
    """Check the address of a callback.

    Args:
        value: None and an empty string mean that there is no callback.
        parameter: REST name of the parameter, for the error message.

    Raises:
        Rejected: 400, it is not an http or https URL with a host.
    """
    if value is None or value == "":
        return
    # urlsplit() drops line breaks and leading blanks, and then says nothing about them.
    if isinstance(value, str) and value.isprintable() and value == value.strip():
        try:
            parts = urlsplit(value)
            # The port is read here, and raises if it is beyond 65535.
            if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
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
    """Parse the attributes of a worker or task.

    Args:
        text: The JSON text of the parameter ``Attributes``.

    Raises:
        Rejected: 400, the text is too long or not a JSON object.
    """
    # The limit counts the text as sent, white space included.
    if len(text) > rules.MAX_ATTRIBUTES:
        raise invalid(f"Attributes must have at most {rules.MAX_ATTRIBUTES} characters, not {len(text)}")
    return json_object(text, "Attributes")


def expression(
    text: str, context: ExpressionContext, semantics: Semantics, where: str, longest: int | None = None
) -> Expression:
    """Compile an expression.

    Args:
        text: The expression as given.
        context: Where it is used, which decides what its paths mean.
        semantics: The switches of the expression language.
        where: Begins the error message: the parameter, or the place in a configuration.
        longest: The most characters it may have; None: no limit of its own.

    Raises:
        Rejected: 400, it does not parse; the message has the position of the error.
    """
    try:
        return compile_expression(text, context, semantics, longest=longest)
    except ExpressionSyntaxError as error:
        raise invalid(f"{where}: {error}") from error


def version(record: Any, if_match: int | None) -> None:
    """Check the precondition of an ``If-Match`` header.

    Args:
        record: A record with a version: a worker, task or reservation.
        if_match: The version the client expects; negative: the header was unreadable; None: no precondition.

    Raises:
        Rejected: 412, the current version is another one.
    """
    # An unreadable header is negative here, so it matches no version: the client asked for a check and must not get
    # none.
    if if_match is not None and if_match != record.version:
        raise version_mismatch(record.sid, record.version, if_match)
