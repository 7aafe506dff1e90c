"""Requests: their paths, their parameters' names and checks."""

from __future__ import annotations

import math
from collections import UserDict
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from twilio_taskrouter_worker._bridge import routes
from twilio_taskrouter_worker._bridge.routes import Parameter, Route

SECRET = "customer's secret"


# -- paths -----------------------------------------------------------------------------------------------------------


def test_sids_go_into_the_path() -> None:
    """Each placeholder takes its sid; sids that the route does not need are passed over."""
    assert routes.GET_RESERVATION.url(ws="WS1", wk="WK1", reservation="WR1", task="WT1") == (
        "Workspaces/WS1/Workers/WK1/Reservations/WR1"
    )


@pytest.mark.parametrize(
    ("sid", "segment"), [("a/b", "a%2Fb"), ("../x", "..%2Fx"), ("a b?c#d%", "a%20b%3Fc%23d%25"), ("é", "%C3%A9")]
)
def test_sids_are_escaped(sid: str, segment: str) -> None:
    """A sid is opaque: whatever it holds, it stays one segment of the path."""
    assert routes.GET_TASK.url(ws="WS1", task=sid) == f"Workspaces/WS1/Tasks/{segment}"


@pytest.mark.parametrize("sid", ["", ".", ".."])
def test_sids_that_would_climb(sid: str) -> None:
    """Escaping cannot help an empty segment or dots; they are refused by name."""
    with pytest.raises(ValueError, match="task should be a sid"):
        routes.GET_TASK.url(ws="WS1", task=sid)


@pytest.mark.parametrize("sid", [None, 1, b"WT1", ["WT1"]])
def test_sids_are_strings(sid: Any) -> None:
    """Anything but a string is a TypeError by name."""
    with pytest.raises(TypeError, match=r"task should be a sid \(a string\)"):
        routes.GET_TASK.url(ws="WS1", task=sid)


TUNNELLED = {
    "GET_WORKER": ("GET", "K", "v1"),
    "SET_ATTRIBUTES": ("POST", "K", "v1"),
    "SET_ACTIVITY": ("POST", "K", "v1"),
    "LIST_ACTIVITIES": ("GET", "W/Activities", "v1"),
    "LIST_CHANNELS": ("GET", "K/WorkerChannels", "v1"),
    "LIST_RESERVATIONS": ("GET", "K/Reservations", "v2"),
    "GET_RESERVATION": ("GET", "K/Reservations/WR1", "v1"),
    "ACCEPT": ("POST", "K/Reservations/WR1", "v1"),
    "REJECT": ("POST", "K/Reservations/WR1", "v1"),
    "COMPLETE_RESERVATION": ("POST", "K/Reservations/WR1", "v1"),
    "WRAP": ("POST", "K/Reservations/WR1", "v1"),
    "CALL": ("POST", "K/Reservations/WR1", "v1"),
    "DEQUEUE": ("POST", "K/Reservations/WR1", "v1"),
    "REDIRECT": ("POST", "K/Reservations/WR1", "v1"),
    "CONFERENCE": ("POST", "K/Reservations/WR1", "v1"),
    "UPDATE_WORKER_PARTICIPANT": ("POST", "K/WorkerParticipant", "v2"),
    "CREATE_TASK": ("POST", "W/Tasks", "v1"),
    "GET_TASK": ("GET", "W/Tasks/WT1", "v1"),
    "COMPLETE_TASK": ("POST", "W/Tasks/WT1", "v1"),
    "WRAP_UP": ("POST", "W/Tasks/WT1", "v1"),
    "SET_TASK_ATTRIBUTES": ("POST", "W/Tasks/WT1", "v1"),
    "SET_VIRTUAL_START_TIME": ("POST", "W/Tasks/WT1", "v1"),
    "CREATE_TRANSFER": ("POST", "K/Transfers", "v2"),
    "CANCEL_TRANSFER": ("POST", "K/Transfers/TT1", "v2"),
    "UPDATE_CUSTOMER_PARTICIPANT": ("POST", "K/CustomerParticipant", "v2"),
    "HOLD_WORKER": ("POST", "K/HoldWorkerParticipant", "v2"),
    "KICK_WORKER": ("POST", "K/KickWorkerParticipant", "v2"),
    "SUPERVISE": ("POST", "W/Tasks/WT1/Reservations/WR1", "v1"),
    "LIST_WORKERS": ("GET", "W/Workers", "v1"),
    "LIST_TASK_QUEUES": ("GET", "W/TaskQueues", "v1"),
    "GET_TASK_QUEUE": ("GET", "W/TaskQueues/WQ1", "v1"),
}


def test_every_route() -> None:
    """Method, path and API version of each request are those of the wire, and there is no other."""
    sids = {"ws": "WS1", "wk": "WK1", "reservation": "WR1", "task": "WT1", "transfer": "TT1", "queue": "WQ1"}
    found = {
        name: (route.method, route.url(**sids), route.api_version)
        for name, route in vars(routes).items()
        if isinstance(route, Route)
    }
    long = {"W": "Workspaces/WS1", "K": "Workspaces/WS1/Workers/WK1"}
    assert found == {
        name: (method, long[path[0]] + path[1:], version) for name, (method, path, version) in TUNNELLED.items()
    }


# -- single values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "good", "sent"),
    [
        (routes.string, "", ""),
        (routes.boolean, False, False),
        (routes.integer, 0, 0),
        (routes.integer, -3, -3),
        (routes.integer, 2.0, 2),
        (routes.integer, 10**30, 10**30),
        (routes.boolean_or_string, True, True),
        (routes.boolean_or_string, "onEnter", "onEnter"),
        (routes.non_negative, 0, 0),
        (routes.non_negative, 7.0, 7),
        (routes.one_of("WARM", "COLD"), "COLD", "COLD"),
    ],
)
def test_good_values(check: Any, good: Any, sent: Any) -> None:
    """What is right goes out as it is; whole floats as integers."""
    assert check("x", good) == sent
    assert type(check("x", good)) is type(sent)


@pytest.mark.parametrize(
    ("check", "bad", "error", "says"),
    [
        (routes.string, 1, TypeError, "x should be a string, not int"),
        (routes.boolean, 1, TypeError, "x should be True or False, not int"),
        (routes.boolean, "true", TypeError, "x should be True or False, not str"),
        (routes.integer, True, TypeError, "x should be a whole number, not bool"),
        (routes.integer, 1.5, TypeError, "x should be a whole number, not float"),
        (routes.integer, math.inf, TypeError, "x should be a whole number, not float"),
        (routes.integer, math.nan, TypeError, "x should be a whole number, not float"),
        (routes.integer, "1", TypeError, "x should be a whole number, not str"),
        (routes.boolean_or_string, 1, TypeError, "x should be True, False or a string, not int"),
        (routes.non_negative, -1, ValueError, "x should be 0 or more, not -1"),
        (routes.non_negative, True, TypeError, "x should be a whole number, not bool"),
        (routes.one_of("WARM", "COLD"), "warm", ValueError, "x should be 'WARM' or 'COLD', not 'warm'"),
        (routes.one_of("WARM", "COLD"), 1, TypeError, "x should be a string, not int"),
    ],
)
def test_bad_values(check: Any, bad: Any, error: type[Exception], says: str) -> None:
    """What is wrong is refused by name, with what it should be and what it is."""
    with pytest.raises(error) as refused:
        check("x", bad)
    assert str(refused.value) == says


# -- objects and dates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", [{"a": [1, {"b": None}]}, MappingProxyType({"a": 1}), UserDict(a=1), {}])
def test_mappings(mapping: Any) -> None:
    """Any mapping goes out as a plain dict; later changes of it do not matter."""
    sent = routes.json_object("x", mapping)
    assert type(sent) is dict
    assert sent == dict(mapping)
    assert sent is not mapping


@pytest.mark.parametrize("bad", ["{}", [("a", 1)], None, 1])
def test_what_is_no_mapping(bad: Any) -> None:
    """A JSON text, or a list of pairs, is not a mapping."""
    with pytest.raises(TypeError, match="x should be a mapping, not"):
        routes.json_object("x", bad)


def test_keys_are_strings() -> None:
    """A key of another type is refused instead of becoming a string in silence."""
    with pytest.raises(TypeError, match="x should have strings as keys, not int"):
        routes.json_object("x", {1: SECRET})


def test_what_json_cannot_carry() -> None:
    """Values that JSON does not have are refused in words that do not show them."""
    circle: dict[str, Any] = {"a": SECRET}
    circle["b"] = circle
    for bad, error in (
        ({"a": {SECRET}}, TypeError),
        ({"a": SECRET.encode()}, TypeError),
        (circle, ValueError),
    ):
        with pytest.raises(error) as refused:
            routes.json_object("x", bad)
        assert str(refused.value) == "x should hold only what JSON can carry"
        assert refused.value.__cause__ is None
        assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        (datetime(2026, 1, 1, 10, 30, 15, tzinfo=timezone.utc), "2026-01-01T10:30:15Z"),
        (datetime(2026, 1, 1, 10, 30, 15, 999_999, tzinfo=timezone.utc), "2026-01-01T10:30:15Z"),
        (datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00Z"),
    ],
)
def test_dates(moment: datetime, sent: str) -> None:
    """Dates go out in UTC with whole seconds, a fraction cut, wherever they come from."""
    assert routes.instant("x", moment) == sent


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        ("2026-01-01T10:30:15Z", TypeError, "x should be a datetime, not str"),
        (1767261600, TypeError, "x should be a datetime, not int"),
        (datetime(2026, 1, 1), ValueError, "time zone"),  # noqa: DTZ001
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), ValueError, "between the years 1 and 9999"),
    ],
)
def test_bad_dates(bad: Any, error: type[Exception], says: str) -> None:
    """Text, numbers, dates without a time zone and dates outside the calendar are refused with what would be right."""
    with pytest.raises(error, match=says):
        routes.instant("x", bad)


# -- options ---------------------------------------------------------------------------------------------------------


def test_encode() -> None:
    """What was given goes out under its wire name, in the table's order; None, and what is missing, does not."""
    route = Route(
        "POST",
        "",
        parameters={
            "first": Parameter("First"),
            "second": Parameter("Second", routes.boolean),
            "third": Parameter("T"),
        },
        fixed={"Status": "done"},
    )
    assert list(route.encode({"third": "c", "second": False, "first": None}).items()) == [
        ("Status", "done"),
        ("Second", False),
        ("T", "c"),
    ]
    assert route.encode({}) == {"Status": "done"}
    with pytest.raises(TypeError, match="second should be True or False"):
        route.encode({"second": "no"})


def test_required() -> None:
    """An argument that every request has is refused where it is None, by name."""
    assert routes.COMPLETE_TASK.encode({"reason": "done"}) == {"AssignmentStatus": "completed", "Reason": "done"}
    with pytest.raises(TypeError, match="reason should be a string, not NoneType"):
        routes.COMPLETE_TASK.encode({"reason": None})
    with pytest.raises(TypeError, match="on_hold should be True or False, not NoneType"):
        routes.HOLD_WORKER.encode({"task_sid": "WT1", "target_worker_sid": "WK1"})


def test_zero_is_sent() -> None:
    """A transfer's priority 0, and False, are values and not absence."""
    of = {"reservation_sid": "WR1", "task_sid": "WT1", "to": "WK2"}
    assert routes.CREATE_TRANSFER.encode({**of, "priority": 0})["Priority"] == 0
    assert routes.UPDATE_CUSTOMER_PARTICIPANT.encode({**of, "hold": False})["Hold"] is False


def test_wire_names_are_pascal_case_and_unique() -> None:
    """In no table do two options share a name, and each name is spelt as the service spells them."""
    for name, route in vars(routes).items():
        if isinstance(route, Route):
            names = [*route.fixed, *(parameter.wire for parameter in route.parameters.values())]
            assert len(names) == len(set(names)), name
            assert all(each[0].isupper() and "_" not in each for each in names), name
