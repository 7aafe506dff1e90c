"""Checks of single arguments, for the client and the local TaskRouter alike.

Each takes the argument's name and its value, and returns the value as it is used or sent. A value of the wrong type
raises TypeError, any other invalid value ValueError; both say what the argument must be, and what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ._json import dumps, loads

__all__ = [
    "activity",
    "between",
    "boolean",
    "boolean_or_string",
    "function",
    "instant",
    "integer",
    "json_object",
    "non_empty",
    "non_negative",
    "one_of",
    "optional",
    "seconds",
    "string",
    "timeout",
    "validator",
    "wrong_type",
]

Check = Callable[[str, Any], Any]

DAY = 86400
LONGEST_WAIT = 3650.0 * DAY


def wrong_type(name: str, right: str, value: object) -> TypeError:
    """The error for a value of the wrong type; it names the type, never the value."""
    return TypeError(f"{name} must be {right}, not {type(value).__name__}")


def string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    return value


def non_empty(name: str, value: object) -> str:
    """A string with something in it, such as a sid: sids are opaque, so nothing else is asked of them."""
    if not string(name, value):
        raise ValueError(f"{name} must not be empty")
    return str(value)


def boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(name, "True or False", value)
    return value


def boolean_or_string(name: str, value: object) -> bool | str:
    if not isinstance(value, (bool, str)):
        raise wrong_type(name, "True, False or a string", value)
    return value


def integer(name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "a whole number", value)
    return value


def non_negative(name: str, value: object) -> int:
    number = integer(name, value)
    if number < 0:
        raise ValueError(f"{name} must be 0 or more, not {number}")
    return number


def between(low: int, high: int, unit: str = "") -> Callable[[str, object], int]:
    """A check for a whole number from ``low`` to ``high``."""

    def check(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, f"a whole number{unit and ' of ' + unit}", value)
        if not low <= value <= high:
            raise ValueError(f"{name} must be between {low} and {high}{unit and ' ' + unit}, not {value}")
        return value

    return check


def seconds(name: str, value: object) -> float:
    """A number of seconds, more than none and less than a day."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(name, "a number of seconds", value)
    if not 0 < value < DAY:
        raise ValueError(f"{name} must be between 0 and {DAY} seconds, not {value}")
    return value


def timeout(name: str, value: object) -> float | None:
    """A number of seconds, or None for no limit; more than a waiting thread can be given is cut to ten years."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(name, "a number of seconds or None", value)
    if value != value:
        raise ValueError(f"{name} must be a number of seconds or None, not {value}")
    return min(value, LONGEST_WAIT)


def activity(name: str, value: object) -> object:
    """An activity: its name, its sid, or an Activity."""
    if not isinstance(value, str):
        from .activity import Activity

        if not isinstance(value, Activity):
            raise wrong_type(name, "an activity's name or sid, or an Activity", value)
    elif not value:
        raise ValueError(f"{name} must be an activity's name or sid, not empty")
    return value


def one_of(*values: str) -> Callable[[str, object], str]:
    """A check for one of these strings."""
    right = " or ".join(map(repr, values)) if len(values) == 2 else f"one of {', '.join(values)}"

    def check(name: str, value: object) -> str:
        if string(name, value) not in values:
            raise ValueError(f"{name} must be {right}, not {value!r}")
        return str(value)

    return check


def optional(check: Check) -> Check:
    """The same check, which lets None pass."""
    return lambda name, value: None if value is None else check(name, value)


def validator(check: Check) -> Callable[[Any, Any, Any], None]:
    """The check as a validator of attrs."""

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        check(attribute.name, value)

    return validate


def function(name: str, value: object, right: str = "a function") -> Callable[..., Any]:
    if not callable(value):
        raise wrong_type(name, right, value)
    return value


def json_object(name: str, value: object) -> dict[str, Any]:
    """A mapping that JSON can carry, as a copy: later changes of the mapping do not matter.

    The errors name the type of what JSON cannot carry, and quote neither keys nor values.
    """
    if not isinstance(value, Mapping):
        raise wrong_type(name, "a mapping", value)
    plain = dict(value)
    for key in plain:
        if not isinstance(key, str):
            raise TypeError(f"{name} must have strings as keys, not {type(key).__name__}")
    try:
        # Rendered and read back: what is inside may change before it is sent.
        return dict(loads(dumps(plain)))
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
    # Outside of the handler: the encoder's exception can show a customer's value, and would stay attached.
    raise kind(f"{name} must hold only what JSON can carry{_uncarried(plain)}")


_JSON = (str, int, float, bool, type(None))


def _uncarried(plain: dict[str, Any]) -> str:
    """The type of a value in there that has no counterpart in JSON, as the end of a sentence."""
    seen: set[int] = set()
    rest: list[Any] = [plain]
    while rest:
        value = rest.pop()
        if not isinstance(value, (dict, list, tuple)):
            if not isinstance(value, _JSON):
                return f", which {type(value).__name__} is not"
        elif id(value) not in seen:
            seen.add(id(value))
            rest.extend(value.values() if isinstance(value, dict) else value)
    return ""


def instant(name: str, value: object) -> str:
    """A date as the service takes it: UTC, whole seconds (a fraction is cut)."""
    if not isinstance(value, datetime):
        raise wrong_type(name, "a datetime", value)
    if value.tzinfo is None:
        raise ValueError(
            f"{name} must be a datetime with a time zone, e.g. datetime.now(timezone.utc); this one has none"
        )
    try:
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        raise ValueError(f"{name} must be a date between the years 1 and 9999 in UTC") from None
