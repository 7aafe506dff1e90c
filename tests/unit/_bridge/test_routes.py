"""Requests: their paths, their parameters' names and checks."""

from __future__ import annotations

from typing import Any

import pytest

from twilio_taskrouter_worker import _checks
from twilio_taskrouter_worker._bridge import routes
from twilio_taskrouter_worker._bridge.routes import Parameter, Route

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


@pytest.mark.parametrize("sid", ["", ".", "..", "\ud800"])
def test_sids_that_would_climb(sid: str) -> None:
    """Escaping cannot help an empty segment, dots or half a character; they are refused by the argument's name."""
    for route, placeholder, name in (
        (routes.GET_TASK, "task", "task_sid"),
        (routes.GET_WORKER, "wk", "worker_sid"),
        (routes.GET_TASK_QUEUE, "queue", "queue_sid"),
    ):
        with pytest.raises(ValueError) as refused:
            route.url(**{"ws": "WS1", placeholder: sid})
        assert str(refused.value) == f"{name} must be a sid, not {sid!r}"


@pytest.mark.parametrize("sid", [None, 1, b"WT1", ["WT1"]])
def test_sids_are_strings(sid: Any) -> None:
    """Anything but a string is a TypeError by name."""
    with pytest.raises(TypeError, match=r"task_sid must be a sid \(a string\)"):
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


# -- options ---------------------------------------------------------------------------------------------------------


def test_encode() -> None:
    """What was given goes out under its wire name, in the table's order; None, and what is missing, does not."""
    route = Route(
        "POST",
        "",
        parameters={
            "first": Parameter("First"),
            "second": Parameter("Second", _checks.boolean),
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
    with pytest.raises(TypeError, match="second must be True or False"):
        route.encode({"second": "no"})


def test_required() -> None:
    """An argument that every request has is refused where it is None, by name."""
    assert routes.COMPLETE_TASK.encode({"reason": "done"}) == {"AssignmentStatus": "completed", "Reason": "done"}
    with pytest.raises(TypeError, match="reason must be a string, not NoneType"):
        routes.COMPLETE_TASK.encode({"reason": None})
    with pytest.raises(TypeError, match="on_hold must be True or False, not NoneType"):
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
