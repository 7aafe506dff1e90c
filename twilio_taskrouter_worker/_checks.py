"""Checks of single arguments, for the client and the local TaskRouter alike.

Each takes the argument's name and its value, and returns the value as it is used or sent. A value of the wrong type
raises TypeError, any other invalid value ValueError; both say what the argument must be, and what it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from ._callables import lazy_kind
from ._json import copied

__all__ = [
    "at_least",
    "between",
    "boolean",
    "boolean_or_string",
    "function",
    "instant",
    "integer",
    "json_object",
    "non_empty",
    "non_negative",
    "number",
    "one_of",
    "optional",
    "seconds",
    "seconds_between",
    "string",
    "timeout",
    "validator",
    "wrong_type",
]

Check = Callable[[str, Any], Any]

DAY = 86400
# Python's waits raise OverflowError for infinity, and beyond ``threading.TIMEOUT_MAX`` (292 years on Linux).
LONGEST_WAIT = 3650.0 * DAY


def wrong_type(name: str, right: str, value: object) -> TypeError:
    """Create the error for a value of the wrong type; it names the type, never the value.

    Args:
        name: Name of the argument.
        right: The valid types, in words.
        value: The value.

    Returns:
        The error, to be raised by the caller.
    """
    return TypeError(f"{name} must be {right}, not {type(value).__name__}")


def string(name: str, value: object) -> str:
    """Check a string.

    Args:
        name: Name of the argument.
        value: Its value; an instance of a subclass, such as a member of an Enum, is valid.

    Returns:
        The string, an exact ``str``.

    Raises:
        TypeError: It has another type.
    """
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    # Its text: ``str()`` and formatting give the name of a member where an Enum is a subclass of str.
    return value if type(value) is str else str.__str__(value)


def non_empty(name: str, value: object) -> str:
    """Check a string that must not be empty, such as a sid; sids are opaque, so nothing else is checked.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The string.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty.
    """
    text = string(name, value)
    if not text:
        raise ValueError(f"{name} must not be empty")
    return text


def boolean(name: str, value: object) -> bool:
    """Check a boolean.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The boolean.

    Raises:
        TypeError: It has another type.
    """
    if not isinstance(value, bool):
        raise wrong_type(name, "True or False", value)
    return value


def boolean_or_string(name: str, value: object) -> bool | str:
    """Check a boolean or string.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The value.

    Raises:
        TypeError: It has another type.
    """
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise wrong_type(name, "True, False or a string", value)
    return string(name, value)


def integer(name: str, value: object) -> int:
    """Check a whole number.

    Args:
        name: Name of the argument.
        value: Its value; a float without a fraction is valid.

    Returns:
        The number.

    Raises:
        TypeError: It is not a whole number.
    """
    # As the JS SDK does, where every number is a float.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "a whole number", value)
    return value


def at_least(low: int) -> Callable[[str, object], int]:
    """Create a check for a whole number with a minimum.

    Args:
        low: Smallest valid number.

    Returns:
        The check.

    Raises:
        TypeError: By the check, if the value is not a whole number.
        ValueError: By the check, if it is smaller.
    """

    def check(name: str, value: object) -> int:
        whole = integer(name, value)
        if whole < low:
            raise ValueError(f"{name} must be {low} or more, not {whole}")
        return whole

    return check


non_negative = at_least(0)


def between(low: int, high: int, unit: str = "") -> Callable[[str, object], int]:
    """Create a check for a whole number in a range.

    Args:
        low: Smallest valid number.
        high: Largest valid number.
        unit: Unit for the error text; empty for none.

    Returns:
        The check.

    Raises:
        TypeError: By the check, if the value is not a whole number.
        ValueError: By the check, if it is out of range.
    """

    def check(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, f"a whole number{unit and ' of ' + unit}", value)
        if not low <= value <= high:
            raise ValueError(f"{name} must be between {low} and {high}{unit and ' ' + unit}, not {value}")
        return value

    return check


def number(name: str, value: object, right: str = "a number") -> float:
    """Check a number; NaN and the infinities are numbers.

    Args:
        name: Name of the argument.
        value: Its value.
        right: The valid values, in words.

    Returns:
        The number, an int or a float.

    Raises:
        TypeError: It has another type.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(name, right, value)
    return value


def seconds_between(low: float, high: float) -> Callable[[str, object], float]:
    """Create a check for a number of seconds in a range.

    Args:
        low: Smallest valid number of seconds.
        high: Largest valid number of seconds.

    Returns:
        The check.

    Raises:
        TypeError: By the check, if the value is not a number.
        ValueError: By the check, if it is out of range or not a number (NaN).
    """
    right = f"a number of seconds from {low:g} to {high:g}"

    def check(name: str, value: object) -> float:
        if not low <= number(name, value, right) <= high:
            raise ValueError(f"{name} must be {right}, not {value!r}")
        return float(number(name, value))

    return check


def seconds(name: str, value: object) -> float:
    """Check a number of seconds, more than 0 and less than a day.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The number.

    Raises:
        TypeError: It is not a number.
        ValueError: It is out of range.
    """
    span = number(name, value, "a number of seconds")
    if not 0 < span < DAY:
        raise ValueError(f"{name} must be between 0 and {DAY} seconds, not {span}")
    return span


def timeout(name: str, value: object) -> float | None:
    """Check a number of seconds, or None for no limit.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The number, at most ten years, since longer waits overflow; None for no limit.

    Raises:
        TypeError: It is not a number or None.
        ValueError: It is not a number (NaN).
    """
    if value is None:
        return None
    span = number(name, value, "a number of seconds or None")
    # NaN: it would pass ``min``, and every comparison with a deadline would be false.
    if span != span:
        raise ValueError(f"{name} must be a number of seconds or None, not {span}")
    return min(span, LONGEST_WAIT)


def one_of(*values: str) -> Callable[[str, object], str]:
    """Create a check for one of several strings.

    Args:
        *values: The valid strings.

    Returns:
        The check.

    Raises:
        TypeError: By the check, if the value is not a string.
        ValueError: By the check, if it is another string.
    """
    right = " or ".join(map(repr, values)) if len(values) == 2 else f"one of {', '.join(values)}"

    def check(name: str, value: object) -> str:
        text = string(name, value)
        if text not in values:
            raise ValueError(f"{name} must be {right}, not {text!r}")
        return text

    return check


def optional(check: Check) -> Check:
    """Create a check that also accepts None.

    Args:
        check: The check of other values.

    Returns:
        The check.

    Raises:
        TypeError, ValueError: By the check, as by the given one.
    """
    return lambda name, value: None if value is None else check(name, value)


def validator(check: Check) -> Callable[[Any, Any, Any], None]:
    """Convert a check into a validator of attrs.

    Args:
        check: The check.

    Returns:
        The validator.

    Raises:
        TypeError, ValueError: By the validator, as by the check.
    """

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        check(attribute.name, value)

    return validate


def function(name: str, value: object, right: str = "a function") -> Callable[..., Any]:
    """Check a function that is called for its result.

    Args:
        name: Name of the argument.
        value: Its value.
        right: The valid values, in words.

    Returns:
        The function.

    Raises:
        TypeError: It is not callable, or a call would not run it.
    """
    if not callable(value):
        raise wrong_type(name, right, value)
    if kind := lazy_kind(value):
        raise TypeError(f"{name} must be {right}, not a {kind} function, which a call does not run")
    return value


def json_object(name: str, value: object) -> dict[str, Any]:
    """Check a JSON-serializable mapping, and copy it: later changes of the mapping have no effect.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The copy, as plain dicts and lists.

    Raises:
        TypeError: It is not a mapping, or contains a type that JSON does not have. The text has the type, never a
            value.
        ValueError: It is nested too deeply, or contains a number that JSON does not have.
    """
    if not isinstance(value, Mapping):
        raise wrong_type(name, "a mapping", value)
    plain = dict(value)
    try:
        # Rendered and read back: what is inside may change before it is sent.
        copy: dict[str, Any] = copied(plain)
        # json silently turns other keys into strings. Few copies differ, so few are walked.
        refusal = None if copy == plain else _key_refusal(name, plain)
        if refusal is None:
            return copy
    except (TypeError, ValueError, RecursionError):
        refusal = _key_refusal(name, plain) or _value_refusal(name, plain)
    # Outside of the handler: the encoder's exception can show a customer's value, and would stay attached.
    raise refusal


def _walk(plain: dict[str, Any]) -> Iterator[object]:
    """Yield every value in there, the containers too, each of them once, as one may contain itself."""
    seen: set[int] = set()
    rest: list[Any] = [plain]
    while rest:
        value = rest.pop()
        if isinstance(value, (dict, list, tuple)):
            if id(value) in seen:
                continue
            seen.add(id(value))
            rest.extend(value.values() if isinstance(value, dict) else value)
        yield value


def _key_refusal(name: str, plain: dict[str, Any]) -> Exception | None:
    for value in _walk(plain):
        for key in value if isinstance(value, dict) else ():
            if not isinstance(key, str):
                return TypeError(f"{name} must have strings as keys, not {type(key).__name__}")
    return None


def _value_refusal(name: str, plain: dict[str, Any]) -> Exception:
    for value in _walk(plain):
        if not isinstance(value, (dict, list, tuple, str, int, float, bool, type(None))):
            return TypeError(f"{name} must be JSON-serializable, which {type(value).__name__} is not")
        if isinstance(value, float) and not math.isfinite(value):
            return ValueError(f"{name} must be JSON-serializable, which {value} is not")
    return ValueError(f"{name} must be JSON-serializable; it is nested too deeply, or contains itself")


def instant(name: str, value: object) -> str:
    """Check a date with a time zone.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The date in the service's format: UTC, whole seconds (a fraction is truncated).

    Raises:
        TypeError: It is not a datetime.
        ValueError: It has no time zone, or is out of range.
    """
    if not isinstance(value, datetime):
        raise wrong_type(name, "a datetime", value)
    if value.tzinfo is None:
        raise ValueError(
            f"{name} must be a datetime with a time zone, e.g. datetime.now(timezone.utc); this one has none"
        )
    try:
        # Overflows at the ends of the calendar, where the offset leads out of it.
        utc = value.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError:
        raise ValueError(f"{name} must be a date between the years 1 and 9999 in UTC") from None
    # Not strftime, which on Linux writes a year before 1000 with fewer than four digits.
    return f"{utc.isoformat(timespec='seconds')}Z"
