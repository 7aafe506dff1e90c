"""Reading request parameters, from forms and from JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine import Rejected
from twilio_taskrouter_worker.local.server.http import forms
from twilio_taskrouter_worker.local.server.http.dates import from_iso, iso
from twilio_taskrouter_worker.local.server.http.forms import Param


def message(error: pytest.ExceptionInfo[Rejected]) -> str:
    assert (error.value.status, error.value.code) == (400, 20001)
    return error.value.message


def test_absent_parameters_are_left_out() -> None:
    """Only what was sent becomes a field, so that a command's defaults stand."""
    table = (Param("Priority", "priority", forms.integer), Param("Reason", "reason", forms.text))
    assert forms.read(table, {"Priority": "3", "Unknown": "x"}) == {"priority": 3}


def test_required_parameters() -> None:
    """A required parameter that is missing is named."""
    with pytest.raises(Rejected) as error:
        forms.read((Param("FriendlyName", "friendly_name", forms.text, required=True),), {})
    assert "FriendlyName" in message(error)


def test_other_names() -> None:
    """A parameter is found under each of its names, the first one winning."""
    table = (Param("TaskChannel", "task_channel", forms.text, also=("TaskChannelSid",)),)
    assert forms.read(table, {"TaskChannelSid": "TC1"}) == {"task_channel": "TC1"}
    assert forms.read(table, {"TaskChannelSid": "TC1", "TaskChannel": "chat"}) == {"task_channel": "chat"}


@pytest.mark.parametrize(
    ("converter", "value", "result"),
    [
        (forms.boolean, "true", True),
        (forms.boolean, "1", True),
        (forms.boolean, "YES", True),
        (forms.boolean, "false", False),
        (forms.boolean, "anything", False),
        (forms.boolean, True, True),
        (forms.boolean, 1, True),
        (forms.boolean, 0, False),
        (forms.integer, "12", 12),
        (forms.integer, " -3 ", -3),
        (forms.integer, 7, 7),
        (forms.integer, 7.0, 7),
        (forms.text, "", ""),
        (forms.optional_text, "", None),
        (forms.optional_text, None, None),
        (forms.document, '{"a": 1}', '{"a": 1}'),
        (forms.document, {"a": [1, None]}, '{"a":[1,null]}'),
        (forms.date, "2023-08-02T12:34:56Z", 1690979696.0),
        (forms.date, "2023-08-02T14:34:56.5+0200", 1690979696.5),
        (forms.date, "2023-08-02T14:34:56+02:00", 1690979696.0),
        (forms.date, "2023-08-02T12:34", 1690979640.0),
        (forms.date, "2023-08-02", 1690934400.0),
        (forms.sid("WA", "WK"), "WK" + "0" * 32, "WK" + "0" * 32),
        (forms.choice("a", "b"), "a", "a"),
        (forms.words("a", "b"), "a, b", ("a", "b")),
        (forms.words("a", "b"), ["a", "b,a"], ("a", "b", "a")),
    ],
)
def test_good_values(converter: Any, value: Any, result: Any) -> None:
    """REST's texts and the bridge's JSON values are read alike."""
    read = forms.convert("Name", value, converter)
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("converter", "value"),
    [
        (forms.boolean, ["true"]),
        (forms.boolean, None),
        (forms.integer, "1.5"),
        (forms.integer, "x"),
        (forms.integer, True),
        (forms.integer, 1.5),
        (forms.integer, "9" * 30),
        (forms.integer, "٣"),
        (forms.text, ["a", "b"]),
        (forms.text, 5),
        (forms.document, [1]),
        (forms.document, None),
        (forms.date, "02.08.2023"),
        (forms.date, "2023-02-30T00:00:00Z"),
        (forms.date, 1690979696),
        (forms.sid("WA"), "WA1"),
        (forms.sid("WA"), "WK" + "0" * 32),
        (forms.sid("WA"), "WA" + "g" * 32),
        (forms.choice("a"), "b"),
        (forms.words("a"), "a,b"),
    ],
)
def test_bad_values(converter: Any, value: Any) -> None:
    """A value that cannot be is refused with the parameter's name."""
    with pytest.raises(Rejected) as error:
        forms.convert("Name", value, converter)
    assert message(error).startswith("The value of Name is invalid: ")


@pytest.mark.parametrize(
    ("header", "version"),
    [(None, None), ("*", None), ("3", 3), ('"3"', 3), ('W/"12"', 12), (" 0 ", 0)],
)
def test_if_match(header: str | None, version: int | None) -> None:
    """Bare and quoted versions are read; no header and a star ask for no check."""
    assert forms.if_match(header) == version


@pytest.mark.parametrize("header", ["", "abc", '"3', '3"', "-1", "1, 2", "9" * 40])
def test_if_match_that_equals_nothing(header: str) -> None:
    """What is no version never matches: the engine refuses it once the resource was found."""
    assert forms.if_match(header) == -1


def test_form() -> None:
    """Repeated parameters become a list, blank ones stay, and plus is a space."""
    assert forms.parse_form(b"a=1&b=&a=2&a=3&c=x+y%21") == {"a": ["1", "2", "3"], "b": "", "c": "x y!"}


@given(st.binary(max_size=60))
def test_any_form_is_read_or_refused(body: bytes) -> None:
    """No bytes make anything but a form or a 400."""
    try:
        forms.parse_form(body)
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


def test_a_document_that_json_does_not_have() -> None:
    """Numbers without a JSON form are refused, and so is what is neither a text nor an object."""
    assert forms.document({"a": 1}) == '{"a":1}'
    for value in ({"a": float("nan")}, [1]):
        with pytest.raises(ValueError):
            forms.document(value)
