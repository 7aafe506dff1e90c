"""JSON in and out: ``orjson`` where it is installed, the standard library otherwise.

``NaN`` and ``Infinity`` are refused (they are not JSON), and so are numbers too large for a float, which could not be
written again. Nesting too deep for the parser is an ordinary :class:`ValueError`, and bytes must be UTF-8.

orjson differs in three points. It reads integers of more than 64 bits as floats, as JavaScript does; it renders NaN as
null; and it renders objects that JSON does not have, such as dates. What a caller passes in is therefore copied with
``copied`` first, which has one set of rules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

__all__ = ["NotJson", "NotUtf8", "copied", "dumps", "finite", "loads"]


class NotJson(ValueError):
    """The parser refused a text; the message has the reason, and nothing of the text."""


class NotUtf8(NotJson):
    """The bytes are not UTF-8 text."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def finite(text: str) -> float:
    """Parse a number with a fraction or an exponent.

    Args:
        text: The number.

    Returns:
        The number.

    Raises:
        ValueError: It is too large for a float.
    """
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=finite)
_scan = json.scanner.make_scanner(_decoder)  # type: ignore[attr-defined]
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def _std_loads(text: str | bytes) -> Any:
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        try:
            # What decode() does about white space around the value costs as much as a short value itself.
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except StopIteration:
            pass
        return _decoder.decode(text)
    except UnicodeDecodeError:
        failure: ValueError = NotUtf8("it is not UTF-8")
    except RecursionError:
        failure = ValueError("JSON is nested too deeply")
    except json.JSONDecodeError as error:
        failure = NotJson(error.msg)
    except ValueError as error:
        failure = error
    # Outside of the handlers: a parser's own exception carries the whole text, a customer's, and would stay attached.
    raise failure


def _std_dumps(value: Any) -> bytes:
    try:
        return _encoder.encode(value).encode("utf-8")
    except RecursionError:
        raise ValueError("the value is nested too deeply for JSON, or contains itself") from None


def copied(value: Any) -> Any:
    """Render a value and read it back, by the rules of the standard library whichever parser is installed.

    Args:
        value: The value.

    Returns:
        A copy of plain dicts, lists, strings, numbers, booleans and None.

    Raises:
        TypeError: It contains a type that JSON does not have.
        ValueError: It contains a number that JSON does not have, is nested too deeply, or contains itself.
    """
    return _std_loads(_std_dumps(value))


loads: Callable[[str | bytes], Any] = _std_loads
"""Parse one JSON text; raise :class:`ValueError` where it is not JSON."""

dumps: Callable[[Any], bytes] = _std_dumps
"""Render as compact UTF-8 JSON; raise :class:`TypeError` or :class:`ValueError` if JSON cannot represent the value."""

try:
    import orjson  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    pass
else:  # pragma: no cover - the extra "speed" is tried in a run of its own

    def _fast_loads(text: str | bytes) -> Any:
        try:
            return orjson.loads(text)
        except ValueError:
            pass
        # Once more with the standard library: its errors have our texts, and it accepts lone surrogates, which orjson
        # refuses.
        return _std_loads(text)

    def _fast_dumps(value: Any) -> bytes:
        try:
            return bytes(orjson.dumps(value))
        except TypeError:
            # Big integers and keys that are not strings: the standard library knows them.
            return _std_dumps(value)

    loads = _fast_loads
    dumps = _fast_dumps
