"""JSON by the standard library, with the rules that hold for every parser."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker import _json
from twilio_taskrouter_worker._json import _std_dumps, _std_loads, copied, dumps, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    """What is rendered is read back the same, and as any other reader of JSON reads it."""
    text = dumps(value)
    assert loads(text) == loads(text.decode()) == json.loads(text) == value


def test_compact_utf8() -> None:
    """The rendering has no white space."""
    assert loads(dumps({"ä": [1, 2]})) == {"ä": [1, 2]}
    assert b" " not in dumps({"a": [1, 2], "b": None})


@pytest.mark.parametrize(
    "text",
    ["1e999", "[-1e400]", "NaN", "Infinity", "-Infinity", '{"a": NaN}', "{", "", "1 2", "'a'", b"\xff", b'"\xff"'],
)
def test_invalid_json(text: str | bytes) -> None:
    """Constants that JSON does not have, broken text and bytes that are not UTF-8 are a ValueError."""
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, b"[" * 200_000])
def test_nested_too_deeply_to_read(text: str | bytes) -> None:
    """Deep nesting is a ValueError, not a crash."""
    with pytest.raises(ValueError):
        loads(text)


def test_nested_too_deeply_to_render() -> None:
    """So it is on the way out, and for a value that contains itself."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError):
        dumps(deep)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError):
        dumps(circle)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("-inf")}])
def test_numbers_that_json_does_not_have(value: Any) -> None:
    """The standard library's encoder refuses them too."""
    with pytest.raises(ValueError):
        _std_dumps(value)


@pytest.mark.parametrize("value", [object(), {"a": object()}, b"x", {1, 2}])
def test_values_that_json_does_not_have(value: Any) -> None:
    """Other Python types are a TypeError."""
    with pytest.raises(TypeError):
        dumps(value)


def test_strings_that_are_no_text() -> None:
    """A lone surrogate is escaped, and read back; the bytes are UTF-8 all the same."""
    text = _std_dumps({"a": "\ud800"})
    assert _std_loads(text) == {"a": "\ud800"}
    assert text.decode("utf-8")


def test_big_integers() -> None:
    """Integers keep all their digits on the way out, and where the standard library reads them."""
    assert _std_loads(dumps(10**40)) == 10**40


def test_copies_follow_one_set_of_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever parser is installed: NaN is refused and not null, and a date is refused and not a string."""
    monkeypatch.setattr(_json, "dumps", lambda value: b"null")
    monkeypatch.setattr(_json, "loads", lambda text: None)
    assert copied({"a": (1, 10**40)}) == {"a": [1, 10**40]}
    with pytest.raises(ValueError):
        copied([float("nan")])
    with pytest.raises(TypeError):
        copied([datetime.now(timezone.utc)])
