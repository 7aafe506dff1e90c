"""Reading request parameters, from forms and from JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine import Rejected
from twilio_taskrouter_worker.local.server import params
from twilio_taskrouter_worker.local.server.dates import from_iso, iso
from twilio_taskrouter_worker.local.server.params import Param


def message(error: pytest.ExceptionInfo[Rejected]) -> str:
    assert (error.value.status, error.value.code) == (400, 20001)
    return error.value.message


def test_absent_parameters_are_left_out() -> None:
    """Only what was sent becomes a field, so that a command's defaults stand."""
    table = (Param("Priority", "priority", params.integer), Param("Reason", "reason", params.text))
    assert params.read(table, {"Priority": "3", "Unknown": "x"}) == {"priority": 3}


def test_required_parameters() -> None:
    """A required parameter that is missing is named."""
    with pytest.raises(Rejected) as error:
        params.read((Param("FriendlyName", "friendly_name", params.text, required=True),), {})
    assert "FriendlyName" in message(error)


def test_other_names() -> None:
    """A parameter is found under each of its names, the first one winning."""
    table = (Param("TaskChannel", "task_channel", params.text, also=("TaskChannelSid",)),)
    assert params.read(table, {"TaskChannelSid": "TC1"}) == {"task_channel": "TC1"}
    assert params.read(table, {"TaskChannelSid": "TC1", "TaskChannel": "chat"}) == {"task_channel": "chat"}


@pytest.mark.parametrize(
    ("converter", "value", "result"),
    [
        (params.boolean, "true", True),
        (params.boolean, "1", True),
        (params.boolean, "YES", True),
        (params.boolean, "false", False),
        (params.boolean, "anything", False),
        (params.boolean, True, True),
        (params.boolean, 1, True),
        (params.boolean, 0, False),
        (params.integer, "12", 12),
        (params.integer, " -3 ", -3),
        (params.integer, 7, 7),
        (params.integer, 7.0, 7),
        (params.text, "", ""),
        (params.optional_text, "", None),
        (params.optional_text, None, None),
        (params.document, '{"a": 1}', '{"a": 1}'),
        (params.document, {"a": [1, None]}, '{"a":[1,null]}'),
        (params.date, "2023-08-02T12:34:56Z", 1690979696.0),
        (params.date, "2023-08-02T14:34:56.5+0200", 1690979696.5),
        (params.date, "2023-08-02T14:34:56+02:00", 1690979696.0),
        (params.date, "2023-08-02T12:34", 1690979640.0),
        (params.date, "2023-08-02", 1690934400.0),
        (params.sid("WA", "WK"), "WK" + "0" * 32, "WK" + "0" * 32),
        (params.choice("a", "b"), "a", "a"),
        (params.words("a", "b"), "a, b", ("a", "b")),
        (params.words("a", "b"), ["a", "b,a"], ("a", "b", "a")),
    ],
)
def test_good_values(converter: Any, value: Any, result: Any) -> None:
    """REST's texts and the bridge's JSON values are read alike."""
    read = params.convert("Name", value, converter)
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("converter", "value"),
    [
        (params.boolean, ["true"]),
        (params.boolean, None),
        (params.integer, "1.5"),
        (params.integer, "x"),
        (params.integer, True),
        (params.integer, 1.5),
        (params.integer, "9" * 30),
        (params.integer, "٣"),
        (params.text, ["a", "b"]),
        (params.text, 5),
        (params.document, [1]),
        (params.document, None),
        (params.date, "02.08.2023"),
        (params.date, "2023-02-30T00:00:00Z"),
        (params.date, 1690979696),
        (params.sid("WA"), "WA1"),
        (params.sid("WA"), "WK" + "0" * 32),
        (params.sid("WA"), "WA" + "g" * 32),
        (params.choice("a"), "b"),
        (params.words("a"), "a,b"),
    ],
)
def test_bad_values(converter: Any, value: Any) -> None:
    """A value that cannot be is refused with the parameter's name."""
    with pytest.raises(Rejected) as error:
        params.convert("Name", value, converter)
    assert message(error).startswith("The value of Name is invalid: ")


@pytest.mark.parametrize(
    ("header", "version"),
    [(None, None), ("*", None), ("3", 3), ('"3"', 3), ('W/"12"', 12), (" 0 ", 0)],
)
def test_if_match(header: str | None, version: int | None) -> None:
    """Bare and quoted versions are read; no header and a star ask for no check."""
    assert params.if_match(header) == version


@pytest.mark.parametrize("header", ["", "abc", '"3', '3"', "-1", "1, 2", "9" * 40])
def test_if_match_that_equals_nothing(header: str) -> None:
    """What cannot be a version never matches: 412."""
    with pytest.raises(Rejected) as error:
        params.if_match(header)
    assert (error.value.status, error.value.code) == (412, 20412)


def test_form() -> None:
    """Repeated parameters become a list, blank ones stay, and plus is a space."""
    assert params.parse_form(b"a=1&b=&a=2&a=3&c=x+y%21") == {"a": ["1", "2", "3"], "b": "", "c": "x y!"}


@given(st.binary(max_size=60))
def test_any_form_is_read_or_refused(body: bytes) -> None:
    """No bytes make anything but a form or a 400."""
    try:
        params.parse_form(body)
    except Rejected as refusal:
        assert refusal.status == 400


@given(st.integers(min_value=-2_208_988_800, max_value=4_102_444_800))
def test_dates_come_back(moment: int) -> None:
    """A whole second survives its own text, from 1900 on."""
    shown = iso(moment)
    assert shown is not None
    assert from_iso(shown) == moment


def test_fractions_are_cut() -> None:
    """REST shows whole seconds, never a later one."""
    assert iso(0.999) == "1970-01-01T00:00:00Z"
    assert iso(-0.5) == "1969-12-31T23:59:59Z"
    assert iso(None) is None
