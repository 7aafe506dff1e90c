"""Reading request parameters: one table per request, the same for REST's forms and the bridge's JSON.

REST sends text only, the bridge sends JSON values; each converter takes both. Absent parameters are left out of the
result, so that the command's own default (mostly UNSET) applies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import attrs

from ...._json import dumps
from ...engine.rules import MAX_EXPRESSION
from . import multipart, refusals
from .dates import from_iso

Given = Mapping[str, Any]
"""Parameters by their names on the wire; a list where REST repeated one."""

# The longest request of Twilio's, a conference instruction, has some 40.
MOST_FIELDS = 1000
_SID_DIGITS = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_TRUE = frozenset({"true", "1", "yes"})


class _Bad(ValueError):
    """A converter refuses a value; the text names a valid one."""


@attrs.frozen
class Param:
    """One parameter: its name on the wire, the command's field, and how its value is read."""

    name: str
    field: str
    convert: Callable[[Any], Any]
    required: bool = False
    also: tuple[str, ...] = ()
    """Other names that clients use for it."""


def read(table: Iterable[Param], given: Given) -> dict[str, Any]:
    """Return the command's fields for the given parameters.

    Args:
        table: The parameters of the request.
        given: Their values.

    Raises:
        Rejected: One is missing or invalid (400).
    """
    fields: dict[str, Any] = {}
    for param in table:
        # The first name that is given wins; the others are ignored, as unknown parameters are.
        for name in (param.name, *param.also):
            if name in given:
                fields[param.field] = convert(name, given[name], param.convert)
                break
        else:
            if param.required:
                raise refusals.invalid(f"The required parameter {param.name} is missing")
    return fields


def convert(name: str, value: Any, converter: Callable[[Any], Any]) -> Any:
    """Convert one value.

    Args:
        name: The parameter, for the message.
        value: Its value.
        converter: The converter.

    Raises:
        Rejected: The value is invalid (400).
    """
    try:
        return converter(value)
    except _Bad as error:
        raise refusals.invalid(f"The value of {name} is invalid: {error}") from None


def parse_form(body: bytes) -> dict[str, Any]:
    """Return the parameters of a form body or query; a repeated one becomes a list.

    Args:
        body: The body or query.

    Raises:
        Rejected: It is not UTF-8, or has too many parameters (400).
    """
    try:
        # Blank values are kept: an empty parameter clears a field, which an absent one leaves unchanged.
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError:
        raise refusals.invalid("The parameters are not UTF-8 text") from None
    except ValueError:
        raise refusals.invalid(f"There are more than {MOST_FIELDS} parameters") from None
    return _collected(pairs)


def parse_multipart(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the parameters of a ``multipart/form-data`` body, as :func:`parse_form` does.

    Args:
        body: The body.
        content_type: The request's Content-Type header.

    Raises:
        Rejected: It is garbled, not text, or has too many parameters (400).
    """
    return _collected(multipart.fields(body, content_type, MOST_FIELDS))


def _collected(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for name, value in pairs:
        if name not in form:
            form[name] = value
        elif isinstance(form[name], list):
            form[name].append(value)
        else:
            form[name] = [form[name], value]
    return form


def if_match(header: str | None) -> int | None:
    """Return the version in an If-Match header.

    Args:
        header: The header; None: it is missing.

    Returns:
        The version; None without a header and for ``*``; -1 for an invalid one, which matches no version, so that it is
        refused after the resource was found.
    """
    if header is None or header.strip() == "*":
        return None
    # Bare as the JS SDK sends it, quoted as ETag has it here, or weak as a proxy may make it. 18 digits fit into 64
    # bits.
    match = re.fullmatch(r'(?:W/)?(")?([0-9]{1,18})(?(1)")', header.strip(), re.ASCII)
    return -1 if match is None else int(match.group(2))


# -- converters ----------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """Convert a string.

    Args:
        value: The value.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, str):
        return value
    raise _Bad("it must be one string")


def expression(value: Any) -> str:
    """Convert an expression, or a text compared with expressions; its length bounds the work.

    Args:
        value: The value.

    Raises:
        ValueError: It is too long, or not a string.
    """
    given = text(value)
    if len(given) > MAX_EXPRESSION:
        raise _Bad(f"it must have at most {MAX_EXPRESSION} characters, not {len(given)}")
    return given


def optional_text(value: Any) -> str | None:
    """Convert a string; an empty one (and JSON's null) clears the field.

    Args:
        value: The value.

    Raises:
        ValueError: It is something else.
    """
    return text(value) or None if value is not None else None


def boolean(value: Any) -> bool:
    """Convert a JSON boolean, or a text: ``true``, ``1`` and ``yes`` are true, any other is false.

    Args:
        value: The value.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value == 1
    return text(value).strip().lower() in _TRUE


def integer(value: Any) -> int:
    """Convert a JSON integer, or its text.

    Args:
        value: The value.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # JSON has one type of number: 5.0 is an integer to a client in another language.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # Not int() alone, which also takes "1_000", digits of other scripts, and any length.
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value, re.ASCII):
        return int(value)
    # A parameter that is given more than once is a list.
    raise _Bad(f"it must be an integer, not {value!r:.60}")


def date(value: Any) -> float:
    """Convert an ISO 8601 text to unix seconds.

    Args:
        value: The value.

    Raises:
        ValueError: It is something else.
    """
    try:
        return from_iso(text(value))
    except _Bad:
        raise
    except (ValueError, OverflowError):
        raise _Bad("it must be a date in ISO 8601, such as 2023-08-02T12:34:56Z") from None


def document(value: Any) -> str:
    """Convert a JSON document to text: a text stays unchanged, the bridge's JSON value is serialized.

    Args:
        value: The value.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        try:
            return dumps(value).decode()
        except ValueError as error:
            raise _Bad(str(error)) from None
    raise _Bad("it must be a JSON object")


def sid(*prefixes: str) -> Callable[[Any], str]:
    """Return a converter for a sid; it raises ValueError for any other text.

    Args:
        prefixes: The allowed prefixes.
    """

    def well_formed(value: Any) -> str:
        given = text(value)
        # Digits in either case: the pattern of Twilio's description takes both.
        if given[:2] in prefixes and _SID_DIGITS.fullmatch(given[2:]):
            return given
        shown = " or ".join(prefixes)
        raise _Bad(f"'{given[:60]}' is not a sid ({shown} and 32 hexadecimal digits)")

    return well_formed


def choice(*allowed: str) -> Callable[[Any], str]:
    """Return a converter for one of several words; it raises ValueError for any other text.

    Args:
        allowed: The words.
    """

    def word(value: Any) -> str:
        given = text(value)
        if given in allowed:
            return given
        raise _Bad(f"'{given[:60]}' is none of {', '.join(allowed)}")

    return word


def words(*allowed: str) -> Callable[[Any], tuple[str, ...]]:
    """Return a converter for some of several words: a repeated parameter, or one text with commas.

    Args:
        allowed: The words.
    """
    one = choice(*allowed)

    def several(value: Any) -> tuple[str, ...]:
        # Twilio takes repeated parameters and commas, also together.
        parts: Sequence[Any] = value if isinstance(value, list) else [value]
        return tuple(one(word.strip()) for part in parts for word in text(part).split(","))

    return several
