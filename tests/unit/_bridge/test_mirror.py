"""The directories of a worker, what becomes of ended reservations, and calls on their way out."""

from __future__ import annotations

import json
from concurrent.futures import Future
from typing import Any

import pytest

from tests.unit._bridge.service import Client, Service
from twilio_taskrouter_worker._bridge import routes
from twilio_taskrouter_worker._bridge.mirror import Mirror
from twilio_taskrouter_worker._bridge.timings import Timings
from twilio_taskrouter_worker.errors import InvalidMessageError

LINGER = Timings().linger


# -- directories -----------------------------------------------------------------------------------------------------


def test_a_directory_is_a_mapping(client: Client, service: Service) -> None:
    """It reads like a dict from sid to object, in the order of the service, and cannot be written to."""
    activities = client.worker.activities
    assert list(activities) == list(activities.keys()) == ["WAAvailable", "WABreak", "WAOffline"]
    assert [each.sid for each in activities.values()] == list(activities)
    assert [sid for sid, _ in activities.items()] == list(activities)
    assert (len(activities), "WABreak" in activities, "x" in activities) == (3, True, False)
    assert activities["WABreak"].name == "Break"
    assert activities.get("x") is None
    with pytest.raises(KeyError):
        activities["x"]
    with pytest.raises(TypeError):
        activities["x"] = activities["WABreak"]  # type: ignore[index]


def test_it_is_live_but_its_iterators_are_not(client: Client, service: Service) -> None:
    """The same object shows what comes and goes; a loop over it goes on over what was there."""
    reservations = client.worker.reservations
    client.hear(service.create(), service.create())
    seen = []
    for sid in reservations:
        seen.append(sid)
        client.hear(service.create())
    for sid, reservation in reservations.items():
        assert reservation.sid == sid
        client.hear(service.change(sid, "rejected"))
    assert seen == ["WR1", "WR2"]
    assert (len(reservations), reservations is client.worker.reservations) == (0, True)


def test_by_name(client: Client) -> None:
    """Activities and channels are found by name; a name that is not there is refused with those that are."""
    assert client.worker.activities.by_name("Break").sid == "WABreak"
    assert client.worker.channels.by_name("chat").sid == "WCchat"
    assert client.worker.activities["Break"] is client.worker.activities["WABreak"]
    assert "Break" in client.worker.activities and "Lunch" not in client.worker.activities
    assert list(client.worker.activities) == ["WAAvailable", "WABreak", "WAOffline"]
    assert client.worker.activities._ipython_key_completions_() == ["Available", "Break", "Offline"]
    with pytest.raises(KeyError, match="'Lunch'; there are 'Available', 'Break', 'Offline'"):
        client.worker.activities.by_name("Lunch")
    # The case of its letters is not what makes a name another one.
    with pytest.raises(KeyError, match="did you mean 'Available'"):
        client.worker.activities["AVAILABLE"]
    with pytest.raises(KeyError, match="there are none"):
        Client(Service()).worker.activities.by_name("Lunch")


def test_repr(client: Client, service: Service) -> None:
    """A repr has the number and the sids, and nothing of a customer's."""
    assert repr(client.worker.reservations) == "<Directory of 0>"
    client.hear(service.create())
    assert repr(client.worker.reservations) == "<Directory of 1: WR1>"
    assert repr(client.worker.channels) == "<Named of 2: 'voice', 'chat'>"


# -- the worker's record ---------------------------------------------------------------------------------------------


def test_nothing_is_known_before_the_first_lists() -> None:
    """Before the first ready there is no activity and no version, and counting one on does nothing."""
    state = Client(Service()).state
    state.count_version()
    assert (state.worker_activity_sid, state.worker_version, state.record) == (None, None, None)


def test_an_answer_about_another_worker(client: Client, service: Service) -> None:
    """An answer must be about this worker, and in an activity that is known."""
    for wrong in ({"sid": "WKother"}, {"activity_sid": "WAother"}):
        with pytest.raises(InvalidMessageError):
            client.state.worker_answered({**service.worker, **wrong, "version": 99})
    assert client.worker.version == str(service.worker["version"])
    assert client.state.worker_answered(service.set_attributes(a=1).payload) is client.worker


def test_an_answer_that_overtakes_a_creation(client: Client, service: Service) -> None:
    """A creation that the answer's version includes is counted once more, until the event of the change says better."""
    creation, changed = service.create(), service.set_attributes(a=1)
    client.state.worker_answered(changed.payload)
    client.hear(creation)
    client.hear(changed)
    assert client.worker.version == str(service.worker["version"])
    client.hear(service.create())
    assert client.worker.version == str(service.worker["version"])


# -- ended reservations ----------------------------------------------------------------------------------------------


def test_ended_reservations_are_let_go(client: Client, service: Service) -> None:
    """Each is kept for its 5 s and no longer, one by one; the other reservations of a task are not touched."""
    client.hear(service.create("WTx"), service.create("WTx"), service.create())
    client.hear(service.change("WR1", "rejected"))
    client.now = 1.0
    client.hear(service.change("WR3", "rejected"))
    assert set(client.state.ended) == {"WR1", "WR3"}
    client.state.forget_ended(LINGER - 0.001)
    assert set(client.state.ended) == {"WR1", "WR3"}
    client.state.forget_ended(LINGER)
    assert set(client.state.ended) == {"WR3"}
    assert [each.reservation_sid for each in client.state.tasks("WTx")] == ["WR2"]
    client.state.forget_ended(LINGER + 1.0)
    assert (client.state.ended, set(client.state._tasks)) == ({}, {"WTx"})
    assert not client.state._ended_at


def test_ended_reservations_are_let_go_at_the_moment_named(client: Client, service: Service) -> None:
    """At ``forget_at`` there is something to forget, however its sum is rounded: else a thread would spin."""
    client.now = 255.069
    client.hear(service.create(), service.change("WR1", "rejected"))
    at = client.state.forget_at
    assert at is not None
    assert at - client.now < LINGER
    client.state.forget_ended(at)
    assert (client.state.ended, client.state.forget_at) == ({}, None)


def test_many_reservations_leave_nothing(client: Client, service: Service) -> None:
    """After hundreds of reservations nothing of them is kept."""
    for number in range(300):
        client.now = float(number)
        client.hear(service.create(), service.change(f"WR{number + 1}", "rejected"))
    assert len(client.state.ended) == len(client.state._ended_at) == len(client.state._tasks) == 5


@pytest.mark.parametrize("when", ["never", "before the end", "after the end"])
def test_a_task_lingers_for_its_listeners(client: Client, service: Service, when: str) -> None:
    """A task that nobody holds and nobody listens to is let go at once; a listener keeps it for its 5 s, also one that
    was added after the end."""
    client.hear(service.create())
    if when == "before the end":
        client.worker.reservations["WR1"].task.on("updated", print)
    client.hear(service.change("WR1", "rejected"))
    if when == "after the end":
        client.ended["WR1"].task.on("updated", print)
    client._held.clear()
    assert client.hear(service.update_task("WR1")) == ([] if when == "never" else ["WT1 updated"])
    client.now = LINGER
    assert client.hear(service.update_task("WR1")) == []
    assert (client.state.ended, client.state._tasks, client.state._kept) == ({}, {}, {})


def test_a_task_that_the_user_holds_gets_its_events(client: Client, service: Service) -> None:
    """Who holds the task, or its reservation, may listen to it at any time of the 5 s."""
    client.hear(service.create(), service.change("WR1", "rejected"))
    task = client.ended["WR1"].task
    client._held.clear()
    assert client.hear(service.update_task("WR1")) == ["WT1 updated"]
    assert task.version == str(service.over["WR1"]["task"]["version"])


# -- calls -----------------------------------------------------------------------------------------------------------


def test_calls_have_the_sids(client: Client) -> None:
    """A call gets the sids of the workspace and the worker, and those it names itself."""
    client.state.workspace_sid = "WS1"
    client.state.call(routes.COMPLETE_TASK, {"reason": "done"}, str, version=lambda: "3", task="WT1")
    (request,) = client.calls
    assert (request.route, request.then) == (routes.COMPLETE_TASK, str)
    assert request.params == {"AssignmentStatus": "completed", "Reason": "done"}
    assert request.version is not None and request.version() == "3"
    assert request.sids == {"ws": "WS1", "wk": client.service.worker["sid"], "task": "WT1"}
    assert request.url == "Workspaces/WS1/Tasks/WT1"


@pytest.mark.parametrize(
    ("reject", "params"),
    [(None, {}), (True, {"RejectPendingReservations": True}), (False, {"RejectPendingReservations": False})],
)
def test_setting_an_activity(client: Client, service: Service, reject: bool | None, params: dict[str, Any]) -> None:
    """One POST with the worker's version; its answer moves the worker, and gives the activity."""
    activity = client.worker.activities.by_name("Break")
    activity.set_as_current(reject_pending_reservations=reject)
    (request,) = client.calls
    assert (request.route, request.params) == (routes.SET_ACTIVITY, {"ActivitySid": "WABreak", **params})
    assert request.version is not None and request.version() == str(service.worker["version"])
    assert request.subjects == (service.worker["sid"],)
    assert request.then(service.set_activity("Break").payload) is activity
    assert activity.is_current


def test_rejecting_needs_an_unavailable_activity(client: Client) -> None:
    """The worker would be offered the rejected tasks at once; refused before any request."""
    with pytest.raises(ValueError, match="'Available' is available"):
        client.worker.activities.by_name("Available").set_as_current(reject_pending_reservations=True)
    with pytest.raises(TypeError, match="reject_pending_reservations must be True or False"):
        client.worker.activities.by_name("Break").set_as_current(reject_pending_reservations=1)  # type: ignore[arg-type]
    assert client.calls == []


# -- transfers under way ---------------------------------------------------------------------------------------------


def transfer_messages(service: Service) -> list[Any]:
    from tests.unit._bridge.service import message

    return [
        message("task.transfer-initiated", service.transfer("WR1", 1)),
        message("task.transfer-failed", service.transfer("WR1", 1, "failed")),
    ]


def test_events_are_held_until_the_transfer_has_its_answer(client: Client, service: Service) -> None:
    """While transfer() waits for its answer, events of the task's transfers are held back, and released in order."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    task.transfer("WKother")
    events = transfer_messages(service)
    assert client.hear(*events) == []
    assert client.released == []
    then = client.calls[-1].then
    assert then(service.transfer("WR1", 1)) is task
    outgoing = task.transfers.outgoing
    assert outgoing is not None and outgoing.status == "initiated"
    task._transfer_started()
    (take,) = client.released
    released = take()
    assert [each.event_type for each in released] == [each.event_type for each in events]
    assert client.hear(*released) == ["WT1 transfer_initiated", "WT1 transfer_failed", "TT1 failed"]
    assert task.transfers.outgoing is outgoing


def test_two_transfers_under_way(client: Client, service: Service) -> None:
    """With two calls under way events are held until both are over."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    task.transfer("WKother")
    task.transfer("WKthird")
    client.hear(transfer_messages(service)[0])
    task._transfer_started()
    assert client.released == []
    task._transfer_started()
    (take,) = client.released
    assert len(take()) == 1


def test_an_event_before_the_turn_of_those_released(client: Client, service: Service) -> None:
    """One that comes between the end of the call and the turn of the held events stays behind them."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    initiated, failed = transfer_messages(service)
    task.transfer("WKother")
    client.hear(initiated)
    client.calls[-1].then(service.transfer("WR1", 1))
    task._transfer_started()
    assert client.hear(failed) == []
    # The second release is for the case that the first one was lost with its connection.
    first, second = client.released
    assert client.hear(*first()) == ["WT1 transfer_initiated", "WT1 transfer_failed", "TT1 failed"]
    assert second() == []


def test_a_transfer_begins_before_the_turn_of_those_released(client: Client, service: Service) -> None:
    """Then they are held until its call has ended."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    task.transfer("WKother")
    client.hear(transfer_messages(service)[0])
    task._transfer_started()
    task.transfer("WKthird")
    first = client.released.pop()
    assert first() == []
    task._transfer_started()
    (second,) = client.released
    assert len(second()) == 1


def test_a_transfer_that_cannot_be_asked_for(service: Service) -> None:
    """A call that cannot be made holds nothing back."""
    client = Client(service)
    client.take_over()
    client.hear(service.create())

    def refuse(*call: Any) -> Future[Any]:
        raise RuntimeError("no")

    client.state._caller = refuse
    task = client.worker.reservations["WR1"].task
    with pytest.raises(RuntimeError):
        task.transfer("WKother")
    assert client.hear(transfer_messages(service)[0]) == ["WT1 transfer_initiated"]


def test_a_bad_answer_to_a_transfer(client: Client, service: Service) -> None:
    """An answer that is no transfer is refused; the task has none then."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    task.transfer("WKother")
    with pytest.raises(InvalidMessageError):
        client.calls[-1].then({"sid": "TT1"})
    assert task.transfers.outgoing is None


def test_snapshots_of_all_parts(client: Client, service: Service) -> None:
    """to_dict() of every object is plain data that JSON can carry, transfers included."""
    event = service.create()
    event.payload.update(
        task_transfer=service.transfer("WR1", 1), active_outgoing_task_transfer=service.transfer("WR1", 2)
    )
    client.hear(event)
    reservation = client.worker.reservations["WR1"]
    data = json.loads(json.dumps(reservation.to_dict()))
    assert data["transfer"]["sid"] == data["task"]["transfers"]["incoming"]["sid"] == "TT1"
    assert data["task"]["transfers"]["outgoing"]["sid"] == "TT2"
    for each in (client.worker, *client.worker.activities.values(), *client.worker.channels.values()):
        json.dumps(each.to_dict())


def test_a_state_needs_no_connection() -> None:
    """A Mirror is made of a worker, a way to call and the waits; it starts nothing."""
    client = Client(Service())
    assert isinstance(client.state, Mirror)
    assert (client.futures, client.calls) == ([], [])
