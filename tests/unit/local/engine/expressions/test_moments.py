"""The values of the present time, and when comparisons with them change."""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine.expressions import (
    TARGET,
    TASK,
    TargetScope,
    TaskScope,
    WorkerScope,
    compile_expression,
)

MONDAY = datetime(2026, 3, 2, tzinfo=timezone.utc).timestamp()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def matches(text: str, at: float, attributes: Iterable[tuple[str, Any]] = ()) -> bool:
    """Test a filter at a time."""
    return compile_expression(text, TASK).matches(TaskScope(dict(attributes), lambda: at))


@given(st.integers(0, 4_000_000_000))
def test_values_are_those_of_the_calendar(at: int) -> None:
    """Hour, minute, HHMM and day of the week agree with the calendar in UTC."""
    moment = datetime.fromtimestamp(at, timezone.utc)
    assert matches(f"taskrouter.currentHour == {moment.hour}", at)
    assert matches(f"taskrouter.currentMin == {moment.minute}", at)
    assert matches(f"taskrouter.currentTime == {moment.hour * 100 + moment.minute}", at)
    assert matches(f"taskrouter.dayOfWeek == '{moment:%a}'", at)


def test_a_leading_zero_is_not_octal() -> None:
    """0800 is the number 800, as it is documented."""
    assert matches("taskrouter.currentTime >= 0800", MONDAY + 8 * HOUR)
    assert not matches("taskrouter.currentTime >= 0800", MONDAY + 8 * HOUR - 1)


def test_opening_hours() -> None:
    """The usual filter: open on working days from nine to five."""
    text = (
        "taskrouter.currentTime >= 0900 AND taskrouter.currentTime < 1700"
        " AND taskrouter.dayOfWeek IN ['Mon', 'Tue', 'Wed', 'Thu', 'Fri']"
    )
    for day in range(7):
        open_hours = [hour for hour in range(24) if matches(text, MONDAY + day * DAY + hour * HOUR)]
        assert open_hours == (list(range(9, 17)) if day < 5 else [])


def test_without_a_clock_they_are_missing() -> None:
    """Where no time is known the values are NULL."""
    assert compile_expression("taskrouter.currentHour == null", TASK).matches(TaskScope({}))


def test_targets_see_them_and_other_names_are_attributes() -> None:
    """In a target as well; what is not one of the four is an attribute in a filter."""
    scope = TargetScope(TaskScope({}, lambda: MONDAY), WorkerScope({"day": "Mon"}))
    assert compile_expression("taskrouter.dayOfWeek == worker.day", TARGET).matches(scope)
    assert matches("taskrouter.other == 1", MONDAY, {"taskrouter": {"other": 1}}.items())


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("a == 1", 0, None),
        ("taskrouter.currentTime >= 800", 0, 8 * HOUR),
        ("taskrouter.currentTime >= 800", 8 * HOUR, 24 * HOUR),
        ("800 <= taskrouter.currentTime", 8 * HOUR - 0.5, 8 * HOUR),
        ("taskrouter.currentTime >= 2500", 0, None),
        ("taskrouter.currentHour == 5", 5 * HOUR, 6 * HOUR),
        ("taskrouter.currentMin != 30", 31 * MINUTE, 90 * MINUTE),
        ("taskrouter.dayOfWeek IN ['Sat', 'Sun']", 0, 2 * DAY),
        ("taskrouter.dayOfWeek == 'Mon' AND taskrouter.currentTime < 100", 0, HOUR),
        ("taskrouter.currentHour == opens", 0.5, HOUR),
        ("taskrouter.currentMin == taskrouter.currentHour", 0, MINUTE),
    ],
)
def test_when_it_may_change_next(text: str, now: float, expected: float | None) -> None:
    """The time is the next step at which a comparison has another outcome, not just the next minute."""
    thursday = datetime(2026, 3, 5, tzinfo=timezone.utc).timestamp()
    change = compile_expression(text, TASK).next_change(thursday + now)
    assert (None if change is None else change - thursday) == expected


@given(
    st.sampled_from(
        [
            "taskrouter.currentTime >= 930 AND taskrouter.currentTime < 1701",
            "taskrouter.currentHour IN [3, 4, 22] OR taskrouter.dayOfWeek == 'Sun'",
            "taskrouter.currentMin < 7",
        ]
    ),
    st.integers(0, 7 * 1440),
    st.integers(0, 59),
)
def test_nothing_changes_before_the_time_that_is_named(text: str, minutes: int, seconds: int) -> None:
    """Between now and the next change the outcome is the same at every minute."""
    expression = compile_expression(text, TASK)
    now = MONDAY + minutes * 60 + seconds
    change = expression.next_change(now)
    assert change is not None and now < change <= now + 8 * DAY
    outcome = matches(text, now)
    moment = datetime.fromtimestamp(now, timezone.utc).replace(second=0) + timedelta(minutes=1)
    while moment.timestamp() < change:
        assert matches(text, moment.timestamp()) is outcome
        moment += timedelta(minutes=1)
