"""Checks of single arguments: what passes, and what is refused in which words."""

from __future__ import annotations

import math
from collections import UserDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest

from twilio_taskrouter_worker import _checks

SECRET = "customer's secret"


class Name(str, Enum):
    """Names as programs keep them; ``str()`` of a member is ``Name.COLD``."""

    COLD = "COLD"
    OTHER = "other"


class Number(Enum):
    """Not a string."""

    ONE = 1


@dataclass
class Point:
    """Which orjson would render."""

    x: int


# -- single values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "good", "sent"),
    [
        (_checks.string, "", ""),
        (_checks.boolean, False, False),
        (_checks.integer, 0, 0),
        (_checks.integer, -3, -3),
        (_checks.integer, 2.0, 2),
        (_checks.integer, 10**30, 10**30),
        (_checks.boolean_or_string, True, True),
        (_checks.boolean_or_string, "onEnter", "onEnter"),
        (_checks.non_negative, 0, 0),
        (_checks.non_negative, 7.0, 7),
        (_checks.one_of("WARM", "COLD"), "COLD", "COLD"),
        (_checks.one_of("WARM", "COLD"), Name.COLD, "COLD"),
        (_checks.string, Name.OTHER, "other"),
        (_checks.non_empty, Name.OTHER, "other"),
        (_checks.boolean_or_string, Name.OTHER, "other"),
    ],
)
def test_good_values(check: Any, good: Any, sent: Any) -> None:
    """What is right goes out as it is; whole floats as integers, and members of an Enum as their text."""
    assert check("x", good) == sent
    assert type(check("x", good)) is type(sent)


@pytest.mark.parametrize(
    ("check", "bad", "error", "says"),
    [
        (_checks.string, 1, TypeError, "x must be a string, not int"),
        (_checks.boolean, 1, TypeError, "x must be True or False, not int"),
        (_checks.boolean, "true", TypeError, "x must be True or False, not str"),
        (_checks.integer, True, TypeError, "x must be a whole number, not bool"),
        (_checks.integer, 1.5, TypeError, "x must be a whole number, not float"),
        (_checks.integer, math.inf, TypeError, "x must be a whole number, not float"),
        (_checks.integer, math.nan, TypeError, "x must be a whole number, not float"),
        (_checks.integer, "1", TypeError, "x must be a whole number, not str"),
        (_checks.boolean_or_string, 1, TypeError, "x must be True, False or a string, not int"),
        (_checks.non_negative, -1, ValueError, "x must be 0 or more, not -1"),
        (_checks.non_negative, True, TypeError, "x must be a whole number, not bool"),
        (_checks.one_of("WARM", "COLD"), "warm", ValueError, "x must be 'WARM' or 'COLD', not 'warm'"),
        (_checks.one_of("WARM", "COLD"), 1, TypeError, "x must be a string, not int"),
    ],
)
def test_bad_values(check: Any, bad: Any, error: type[Exception], says: str) -> None:
    """What is wrong is refused by name, with what it must be and what it is."""
    with pytest.raises(error) as refused:
        check("x", bad)
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("given", "waits"), [(None, None), (0, 0), (-1, -1), (1.5, 1.5), (1e10, 3650 * 86400), (math.inf, 3650 * 86400)]
)
def test_timeouts(given: Any, waits: Any) -> None:
    """A timeout longer than a thread can wait for is cut; None waits without limit."""
    assert _checks.timeout("x", given) == waits


@pytest.mark.parametrize(("bad", "error"), [("1", TypeError), (True, TypeError), (math.nan, ValueError)])
def test_bad_timeouts(bad: Any, error: type[Exception]) -> None:
    """Anything else is refused by name."""
    with pytest.raises(error, match="x must be a number of seconds or None, not"):
        _checks.timeout("x", bad)


# -- objects and dates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", [{"a": [1, {"b": None}]}, MappingProxyType({"a": 1}), UserDict(a=1), {}])
def test_mappings(mapping: Any) -> None:
    """Any mapping goes out as a plain dict; later changes of it do not matter."""
    sent = _checks.json_object("x", mapping)
    assert type(sent) is dict
    assert sent == dict(mapping)
    assert sent is not mapping


@pytest.mark.parametrize("bad", ["{}", [("a", 1)], None, 1])
def test_objects_that_are_not_mappings(bad: Any) -> None:
    """A JSON text, or a list of pairs, is not a mapping."""
    with pytest.raises(TypeError, match="x must be a mapping, not"):
        _checks.json_object("x", bad)


@pytest.mark.parametrize(
    ("key", "kind"), [(1, "int"), (None, "NoneType"), (True, "bool"), (1.5, "float"), ((1,), "tuple")]
)
@pytest.mark.parametrize("around", [lambda inner: inner, lambda inner: {"a": [inner]}, lambda inner: {"a": (inner,)}])
def test_keys_are_strings(key: Any, kind: str, around: Callable[[Any], Any]) -> None:
    """A key of another type is refused, at any depth, instead of becoming a string in silence."""
    with pytest.raises(TypeError, match=f"x must have strings as keys, not {kind}"):
        _checks.json_object("x", around({key: SECRET}))


def test_tuples_and_strings_of_an_enum_are_sent() -> None:
    """They are lists and strings in JSON, and no reason to refuse anything."""
    assert _checks.json_object("x", {Name.OTHER: [(1, Name.OTHER)]}) == {"other": [[1, "other"]]}


def test_values_that_json_does_not_have() -> None:
    """Values that JSON does not have are refused in words that do not show them."""
    circle: dict[str, Any] = {"a": SECRET}
    circle["b"] = circle["c"] = circle
    for bad, error, what in (
        ({"a": {SECRET}}, TypeError, ", which set is not"),
        ({SECRET: [1, (SECRET.encode(),)]}, TypeError, ", which bytes is not"),
        (circle, ValueError, "; it is nested too deeply, or contains itself"),
        ({"a": [math.nan, SECRET]}, ValueError, ", which nan is not"),
        ({"a": {SECRET: -math.inf}}, ValueError, ", which -inf is not"),
        ({"a": datetime.now(timezone.utc)}, TypeError, ", which datetime is not"),
        ({"a": uuid4()}, TypeError, ", which UUID is not"),
        ({"a": Number.ONE}, TypeError, ", which Number is not"),
        ({"a": Point(1)}, TypeError, ", which Point is not"),
    ):
        with pytest.raises(error) as refused:
            _checks.json_object("x", bad)
        assert str(refused.value) == f"x must be JSON-serializable{what}"
        assert refused.value.__cause__ is None
        assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        (datetime(2026, 1, 1, 10, 30, 15, tzinfo=timezone.utc), "2026-01-01T10:30:15Z"),
        (datetime(2026, 1, 1, 10, 30, 15, 999_999, tzinfo=timezone.utc), "2026-01-01T10:30:15Z"),
        (datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00Z"),
        (datetime(1, 1, 1, tzinfo=timezone.utc), "0001-01-01T00:00:00Z"),
    ],
)
def test_dates(moment: datetime, sent: str) -> None:
    """Dates go out in UTC with whole seconds, a fraction cut, wherever they come from."""
    assert _checks.instant("x", moment) == sent


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        ("2026-01-01T10:30:15Z", TypeError, "x must be a datetime, not str"),
        (1767261600, TypeError, "x must be a datetime, not int"),
        (datetime(2026, 1, 1), ValueError, "time zone"),  # noqa: DTZ001
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), ValueError, "between the years 1 and 9999"),
    ],
)
def test_bad_dates(bad: Any, error: type[Exception], says: str) -> None:
    """Text, numbers, dates without a time zone and dates outside the calendar are refused with what would be right."""
    with pytest.raises(error, match=says):
        _checks.instant("x", bad)
