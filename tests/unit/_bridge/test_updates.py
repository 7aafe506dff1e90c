"""Events: each changes what it says, and is announced once; what is old or unusable changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.tools import payloads
from tests.tools.seams import schema_of
from tests.unit._bridge.service import ENDINGS, Client, Service, copy, message
from twilio_taskrouter_worker._bridge.messages import EVENT_TYPES, Message
from twilio_taskrouter_worker._bridge.updates import _HANDLERS
from twilio_taskrouter_worker.errors import InvalidMessageError
from twilio_taskrouter_worker.transfer import Transfer


def test_every_event_type_is_handled() -> None:
    """The table of handlers and the list of the wire's types are the same."""
    assert set(_HANDLERS) == EVENT_TYPES


@pytest.mark.parametrize("event_type", ["init", "error", "connected", "task.exploded", ""])
def test_other_types_are_passed_over(client: Client, event_type: str) -> None:
    """Types that are not known, and those that sound like our own, do nothing."""
    assert client.hear(message(event_type, {"sid": "x"})) == []


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES - {"reservation.failed"}))
@pytest.mark.parametrize("payload", [None, [], "x", 1, {}])
def test_unusable_payloads(client: Client, event_type: str, payload: Any) -> None:
    """A payload that is not what it should be is refused, and nothing has changed."""
    before = client.state.record, dict(client.state.reservations)
    with pytest.raises(InvalidMessageError):
        client.hear(Message(event_type, payload))
    assert (client.state.record, dict(client.state.reservations)) == before


# -- the worker ------------------------------------------------------------------------------------------------------


def test_activity(client: Client, service: Service) -> None:
    """The activity changes with its event, on the worker and on the activities; once."""
    event = service.set_activity("Break")
    assert client.hear(event) == ["activity_updated"]
    assert client.worker.activity.name == client.worker.activity_name == "Break"
    assert [each.name for each in client.worker.activities.values() if each.is_current] == ["Break"]
    assert client.worker.version == str(service.worker["version"])
    assert client.hear(event) == []


def test_attributes(client: Client, service: Service) -> None:
    """The attributes change with theirs."""
    assert client.hear(service.set_attributes(a=1)) == ["attributes_updated"]
    assert client.worker.attributes == {"a": 1}


def test_late_events_of_the_worker(client: Client, service: Service) -> None:
    """An event that is older than one before it neither fires nor changes anything."""
    first, second = service.set_attributes(n=1), service.set_activity("Break")
    assert client.hear(second, first) == ["activity_updated"]
    assert client.worker.attributes == {"n": 1}
    third = service.set_attributes(n=2)
    assert client.hear(third, first, second, third) == ["attributes_updated"]
    assert client.worker.attributes == {"n": 2}


def test_two_events_of_one_version(client: Client, service: Service) -> None:
    """A change of activity and attributes in one step is announced by both events, each once."""
    activity = service.set_activity("Break")
    attributes = message("worker.attributes.update", service.worker)
    assert client.hear(activity, attributes, activity, attributes) == ["activity_updated", "attributes_updated"]


@pytest.mark.parametrize("answer_first", [True, False])
def test_answer_and_event_of_the_worker(client: Client, service: Service, answer_first: bool) -> None:
    """Whether the answer of a call or its event comes first, the state is the new one and the event fires once."""
    event = service.set_activity("Break")
    if answer_first:
        client.state.worker_answered(event.payload)
        assert client.worker.activity.name == "Break"
    assert client.hear(event) == ["activity_updated"]
    client.state.worker_answered(event.payload)
    assert client.worker.activity.name == "Break"
    assert client.hear(event) == []


def test_a_late_answer_does_not_go_back(client: Client, service: Service) -> None:
    """An answer that is older than the latest event changes nothing."""
    answer = service.set_attributes(n=1).payload
    client.hear(service.set_attributes(n=2))
    client.state.worker_answered(answer)
    assert client.worker.attributes == {"n": 2}


def test_a_late_answer_takes_back_no_counted_version(client: Client, service: Service) -> None:
    """The version counts on with a reservation, whose event may come before the answer of an earlier call."""
    event = service.set_activity("Break")
    answer = copy(service.worker)
    client.hear(event, service.create())
    counted = client.worker.version
    client.state.worker_answered(answer)
    assert (client.worker.activity_name, client.worker.version) == ("Break", counted)
    client.hear(service.set_attributes(a=1))
    assert client.worker.version == str(service.worker["version"])


def test_an_event_behind_an_answer(client: Client, service: Service) -> None:
    """An event that an answer has overtaken still fires, and the newer state stays."""
    event = service.set_attributes(n=1)
    client.state.worker_answered(service.set_attributes(n=2).payload)
    assert client.hear(event) == ["attributes_updated"]
    assert client.worker.attributes == {"n": 2}


def test_another_worker(client: Client, service: Service) -> None:
    """A payload about another worker is refused."""
    event = service.set_attributes(n=1)
    event.payload["sid"] = "WKother"
    with pytest.raises(InvalidMessageError, match="another worker"):
        client.hear(event)


def test_an_unknown_activity(client: Client, service: Service) -> None:
    """An activity that is not in the list is refused; a worker without an activity would be no worker."""
    before = client.worker.version
    with pytest.raises(InvalidMessageError, match="activity_sid that is not"):
        client.hear(service.set_activity("Vacation"))
    assert (client.worker.activity.name, client.worker.version) == ("Available", before)


# -- channels --------------------------------------------------------------------------------------------------------


def test_channels(client: Client, service: Service) -> None:
    """Capacity and availability change with their events, each fired once, and count the worker's version on."""
    voice, version = client.worker.channels.by_name("voice"), int(client.worker.version)
    event = service.set_capacity("voice", 7)
    assert client.hear(event, event) == ["WCvoice capacity_updated"]
    assert (voice.capacity, client.worker.version) == (7, str(version + 1))
    assert client.hear(service.set_availability("voice", False)) == ["WCvoice availability_updated"]
    assert (voice.available, client.worker.version) == (False, str(version + 2))
    assert client.worker.channels.by_name("voice") is voice


def test_an_unknown_channel(client: Client) -> None:
    """A channel that the worker does not have is refused, and no version is counted for it."""
    version = client.worker.version
    with pytest.raises(InvalidMessageError, match="a channel the worker does not have"):
        client.hear(message("worker.capacity.update", payloads.event("worker.capacity.update")))
    assert client.worker.version == version


# -- reservations ----------------------------------------------------------------------------------------------------


def test_created(client: Client, service: Service) -> None:
    """A reservation is there when it is announced, with its task, and counts the worker's version on; once."""
    version = int(client.worker.version)
    event = service.create()
    assert client.hear(event, event) == ["reservation_created WR1"]
    reservation = client.worker.reservations["WR1"]
    assert (reservation.status, reservation.task.sid, reservation.task.reservation_sid) == ("pending", "WT1", "WR1")
    assert client.worker.version == str(version + 1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_way_of_a_reservation(client: Client, service: Service, ending: str) -> None:
    """Accepted, wrapping, over: one object throughout, each event once, and it is gone when its ending is heard."""
    client.hear(service.create())
    reservation = client.worker.reservations["WR1"]
    task = reservation.task
    for status, event in (("accepted", "accepted"), ("wrapping", "wrapup"), (ending, ending)):
        change = service.change("WR1", status)
        assert client.hear(change, change) == [f"WR1 {event}"]
        assert (reservation.status, reservation.version) == (status, str(service.reservation("WR1")["version"]))
        assert reservation.task is task
        assert task.status == service.reservation("WR1")["task"]["assignment_status"]
    assert "WR1" not in client.worker.reservations


def test_late_events_of_a_reservation(client: Client, service: Service) -> None:
    """After its end a reservation hears nothing more, whatever comes late, and does not come back."""
    events = [service.create(), *(service.change("WR1", status) for status in ("accepted", "wrapping", "completed"))]
    client.hear(*events)
    reservation = client.ended["WR1"]
    assert client.hear(*events, *reversed(events)) == []
    assert (reservation.status, len(client.worker.reservations)) == ("completed", 0)


def test_reordered_events_of_a_reservation(client: Client, service: Service) -> None:
    """An event that comes after a later one is dropped."""
    client.hear(service.create())
    accepted, wrapup = service.change("WR1", "accepted"), service.change("WR1", "wrapping")
    assert client.hear(wrapup, accepted) == ["WR1 wrapup"]
    assert client.worker.reservations["WR1"].status == "wrapping"


@pytest.mark.parametrize("answer_first", [True, False])
def test_answer_and_event_of_a_reservation(client: Client, service: Service, answer_first: bool) -> None:
    """The answer changes the reservation, never ends it and fires nothing; the event fires once in either order."""
    client.hear(service.create())
    reservation = client.worker.reservations["WR1"]
    event = service.change("WR1", "rejected")
    if answer_first:
        reservation._answered(service.bare("WR1"))
        assert (reservation.status, "WR1" in client.worker.reservations) == ("rejected", True)
    assert client.hear(event) == ["WR1 rejected"]
    reservation._answered(service.bare("WR1"))
    assert client.hear(event) == []
    assert (reservation.status, reservation.timeout) == ("rejected", service.reservation("WR1")["reservation_timeout"])


def test_a_late_answer_of_a_reservation(client: Client, service: Service) -> None:
    """An answer that an event has overtaken changes nothing."""
    client.hear(service.create())
    reservation = client.worker.reservations["WR1"]
    accepted = service.change("WR1", "accepted")
    answer = service.bare("WR1")
    client.hear(accepted, service.change("WR1", "wrapping"))
    reservation._answered(answer)
    assert (reservation.status, reservation.version) == ("wrapping", "2")


@pytest.mark.parametrize("event", ["accepted", "wrapup"])
def test_an_open_reservation_that_is_unknown(client: Client, service: Service, event: str) -> None:
    """That a reservation goes on which nobody knows is reported."""
    service.create()
    change = service.change("WR1", "accepted")
    with pytest.raises(InvalidMessageError, match="a reservation the worker does not have"):
        client.hear(Message(f"reservation.{event}", change.payload))


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_a_reservation_that_is_unknown(client: Client, service: Service, ending: str) -> None:
    """That one ends which nobody knows is no news."""
    service.create()
    assert client.hear(service.change("WR1", ending)) == []


def test_the_reason_of_a_cancellation(client: Client, service: Service) -> None:
    """A canceled reservation says which error of Twilio's canceled it; without one, None."""
    client.hear(service.create(), service.create())
    first, second = client.worker.reservations.values()
    service.open["WR1"]["canceled_reason_code"] = 13223
    client.hear(service.change("WR1", "canceled"), service.change("WR2", "canceled"))
    assert (first.canceled_reason_code, second.canceled_reason_code) == (13223, None)


def test_a_reservation_with_transfers(client: Client, service: Service) -> None:
    """A reservation brings its transfers, and later events renew them; null is as good as absent."""
    event = service.create()
    incoming = service.transfer("WR1", 1)
    event.payload.update(task_transfer=incoming, active_outgoing_task_transfer=None)
    client.hear(event)
    reservation = client.worker.reservations["WR1"]
    transfer = reservation.transfer
    assert transfer is not None and transfer is reservation.task.transfers.incoming
    assert (transfer.status, reservation.task.transfers.outgoing) == ("initiated", None)
    change = service.change("WR1", "accepted")
    change.payload.update(
        task_transfer={**incoming, "transfer_status": "complete"},
        active_outgoing_task_transfer=service.transfer("WR1", 2),
    )
    client.hear(change)
    assert (reservation.transfer, transfer.status) == (transfer, "complete")
    outgoing = reservation.task.transfers.outgoing
    assert outgoing is not None and outgoing.task_sid == "WT1"
    change = service.change("WR1", "wrapping")
    change.payload["task_transfer"] = service.transfer("WR1", 3)
    client.hear(change)
    assert reservation.transfer is not None and reservation.transfer.sid == "TT3"


@pytest.mark.parametrize("part", ["task", "task_transfer", "active_outgoing_task_transfer"])
def test_a_bad_part_refuses_the_whole(client: Client, service: Service, part: str) -> None:
    """A reservation whose task or transfer is unusable is refused as a whole: nothing is half updated."""
    client.hear(service.create())
    reservation = client.worker.reservations["WR1"]
    change = service.change("WR1", "accepted")
    good = change.payload.get(part)
    change.payload[part] = {"sid": "x"}
    with pytest.raises(InvalidMessageError):
        client.hear(change)
    assert (reservation.status, reservation.version, reservation.task.status) == ("pending", "0", "reserved")
    change.payload[part] = good
    assert client.hear(change) == ["WR1 accepted"]


@pytest.mark.parametrize("key", ["task", "reservation_timeout"])
def test_an_event_of_the_short_form(client: Client, service: Service, key: str) -> None:
    """The short form is for answers; an event that lacks a part is refused by name."""
    event = service.create()
    del event.payload[key]
    with pytest.raises(InvalidMessageError, match=f"lacks {key}$"):
        client.hear(event)


@pytest.mark.parametrize("payload", [None, {"sid": "WT1", "reason": "no"}])
def test_reservation_failed(client: Client, payload: Any) -> None:
    """The payload is handed on as it came."""
    heard: list[Any] = []
    client.state.worker.on("reservation_failed", heard.append)
    assert client.hear(message("reservation.failed", payload)) == ["reservation_failed"]


# -- tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event_type", "event"),
    [
        ("task.updated", "updated"),
        ("task.wrapup", "wrapup"),
        ("task.completed", "completed"),
        ("task.canceled", "canceled"),
    ],
)
def test_task_events(client: Client, service: Service, event_type: str, event: str) -> None:
    """A task's event renews it and is announced once."""
    client.hear(service.create())
    change = Message(event_type, service.update_task("WR1", priority=9).payload)
    assert client.hear(change, change) == [f"WT1 {event}"]
    assert client.worker.reservations["WR1"].task.priority == 9


def test_a_task_of_two_reservations(client: Client, service: Service) -> None:
    """Each reservation has a task object of its own, and each hears the task's events."""
    client.hear(service.create("WTx"), service.create("WTx"))
    assert client.hear(service.update_task("WR1", priority=9)) == ["WTx updated", "WTx updated"]
    assert {each.task.priority for each in client.worker.reservations.values()} == {9}


def test_late_task_events(client: Client, service: Service) -> None:
    """An event of a task that is older than one before is dropped; an answer in between does not matter."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    first, second = service.update_task("WR1", priority=1), service.update_task("WR1", priority=2)
    assert client.hear(second, first) == ["WT1 updated"]
    third, fourth = service.update_task("WR1", priority=3), service.update_task("WR1", priority=4)
    task._answered(fourth.payload)
    assert client.hear(third) == ["WT1 updated"]
    assert task.priority == 4
    task._answered(third.payload)
    assert task.priority == 4
    assert client.hear(fourth) == ["WT1 updated"]


def test_a_reservation_with_an_older_task(client: Client, service: Service) -> None:
    """A reservation's event whose task is older than the task's own latest event leaves the task as it is."""
    client.hear(service.create())
    accepted, updated = service.change("WR1", "accepted"), service.update_task("WR1", priority=9)
    assert client.hear(updated, accepted) == ["WT1 updated", "WR1 accepted"]
    assert client.worker.reservations["WR1"].task.priority == 9
    assert client.take_over() == []


def test_task_events_are_announced_for_a_while_after_the_reservation(client: Client, service: Service) -> None:
    """For 5 s after a reservation's end events of its task are announced, then not; as in the JS SDK."""
    client.hear(service.create(), service.change("WR1", "completed"))
    client.now = 4.99
    assert client.hear(service.task_event("WR1", "task.completed")) == ["WT1 completed"]
    client.now = 5.0
    assert client.hear(service.update_task("WR1")) == []
    assert (client.state._tasks, client.state.ended) == ({}, {})


def test_a_task_of_nobody(client: Client, service: Service) -> None:
    """A task that the worker does not have is passed over."""
    service.create()
    assert client.hear(service.update_task("WR1")) == []


# -- transfers -------------------------------------------------------------------------------------------------------

TRANSFER_ENDINGS = [
    ("task.transfer-failed", "failed", "failed"),
    ("task.transfer-completed", "complete", "completed"),
    ("task.transfer-canceled", "canceled", "canceled"),
]


def transfer_event(event_type: str, transfer: dict[str, Any]) -> Message:
    return message(event_type, transfer)


@pytest.mark.parametrize(("event_type", "status", "event"), TRANSFER_ENDINGS)
def test_the_way_of_a_transfer(client: Client, service: Service, event_type: str, status: str, event: str) -> None:
    """Initiated, then ended: announced on the task and on the transfer, once, whatever comes again."""
    client.hear(service.create())
    initiated = transfer_event("task.transfer-initiated", service.transfer("WR1", 1))
    ended = transfer_event(event_type, service.transfer("WR1", 1, status))
    assert client.hear(initiated, initiated) == ["WT1 transfer_initiated"]
    transfer = client.worker.reservations["WR1"].task.transfers.outgoing
    assert client.hear(ended, ended, initiated) == [f"WT1 transfer_{event}", f"TT1 {event}"]
    assert transfer is not None and transfer.status == status
    assert client.worker.reservations["WR1"].task.transfers.outgoing is transfer


def test_a_failed_attempt_can_come_again(client: Client, service: Service) -> None:
    """Attempts fail any number of times, each announced once; the transfer goes on."""
    client.hear(service.create(), transfer_event("task.transfer-initiated", service.transfer("WR1", 1)))
    attempt = transfer_event(
        "task.transfer-attempt-failed", service.transfer("WR1", 1, transfer_failed_reason="rejected")
    )
    both = ["WT1 transfer_attempt_failed", "TT1 attempt_failed"]
    assert client.hear(attempt, attempt) == both
    client.hear(service.update_task("WR1", assignment_status="reserved"))
    assert client.hear(attempt) == both
    transfer = client.worker.reservations["WR1"].task.transfers.outgoing
    assert transfer is not None
    assert (transfer.status, transfer.transfer_failed_reason) == ("initiated", "rejected")


def test_the_end_before_the_beginning(client: Client, service: Service) -> None:
    """A transfer whose end comes first has ended; its beginning is no news then."""
    client.hear(service.create())
    ended = transfer_event("task.transfer-failed", service.transfer("WR1", 1, "failed"))
    initiated = transfer_event("task.transfer-initiated", service.transfer("WR1", 1))
    assert client.hear(ended, initiated) == ["WT1 transfer_failed", "TT1 failed"]
    transfer = client.worker.reservations["WR1"].task.transfers.outgoing
    assert transfer is not None and transfer.status == "failed"


def test_events_of_an_earlier_transfer(client: Client, service: Service) -> None:
    """What comes late of the transfer before goes to its own object, and leaves the current one alone."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    client.hear(transfer_event("task.transfer-initiated", service.transfer("WR1", 1)))
    first = task.transfers.outgoing
    client.hear(transfer_event("task.transfer-initiated", service.transfer("WR1", 2)))
    second = task.transfers.outgoing
    assert first is not None and second is not None and first is not second
    canceled = transfer_event("task.transfer-canceled", service.transfer("WR1", 1, "canceled"))
    assert client.hear(canceled, canceled) == ["WT1 transfer_canceled", "TT1 canceled"]
    assert (first.status, task.transfers.outgoing, second.status) == ("canceled", second, "initiated")
    assert client.hear(transfer_event("task.transfer-initiated", service.transfer("WR1", 1))) == []
    assert client.hear(transfer_event("task.transfer-completed", service.transfer("WR1", 2, "complete"))) == [
        "WT1 transfer_completed",
        "TT2 completed",
    ]


@pytest.mark.parametrize("dates", [(None, None), (None, 5), (5, None)])
def test_transfers_without_dates(client: Client, service: Service, dates: tuple[Any, Any]) -> None:
    """Where dates cannot say which transfer is the newer one, the one that comes later is."""
    client.hear(service.create())
    for number, date in enumerate(dates, 1):
        transfer = service.transfer("WR1", number, date_created=date)
        assert client.hear(transfer_event("task.transfer-initiated", transfer)) == ["WT1 transfer_initiated"]
    outgoing = client.worker.reservations["WR1"].task.transfers.outgoing
    assert outgoing is not None and outgoing.sid == "TT2"


def test_a_transfer_that_began_before_the_current_one(client: Client, service: Service) -> None:
    """That an unknown older transfer was started is no news, and does not become the current one."""
    client.hear(service.create(), transfer_event("task.transfer-initiated", service.transfer("WR1", 2)))
    assert client.hear(transfer_event("task.transfer-initiated", service.transfer("WR1", 1))) == []
    outgoing = client.worker.reservations["WR1"].task.transfers.outgoing
    assert outgoing is not None and outgoing.sid == "TT2"


def test_transfers_of_others(client: Client, service: Service) -> None:
    """A transfer from a reservation, or of a task, that is not the worker's is passed over."""
    client.hear(service.create(), service.create())
    for wrong in ({"initiating_reservation_sid": "WR2"}, {"initiating_reservation_sid": "WRx"}, {"task_sid": "WT2"}):
        assert client.hear(transfer_event("task.transfer-initiated", {**service.transfer("WR1", 1), **wrong})) == []


@pytest.mark.parametrize("task_sid", [None, 1])
def test_a_transfer_of_no_task(client: Client, service: Service, task_sid: Any) -> None:
    """The event must say which task it is about."""
    client.hear(service.create())
    with pytest.raises(InvalidMessageError, match="lacks task_sid"):
        client.hear(transfer_event("task.transfer-initiated", {**service.transfer("WR1", 1), "task_sid": task_sid}))


def test_transfer_events_after_the_reservation(client: Client, service: Service) -> None:
    """Once the reservation is over, its transfers are not heard of."""
    client.hear(service.create(), service.change("WR1", "completed"))
    assert client.hear(transfer_event("task.transfer-completed", service.transfer("WR1", 1, "complete"))) == []


# -- payloads about something else -------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", ["created", "accepted", "wrapup", "canceled"])
def test_an_event_with_another_task(client: Client, service: Service, event_type: str) -> None:
    """The task of a reservation never changes: an event that names another one is refused, and changes nothing."""
    client.hear(service.create())
    reservation = client.state.reservations["WR1"]
    before = reservation.to_dict()
    payload = service.change("WR1", "accepted").payload
    payload["task"]["sid"] = "WTother"
    with pytest.raises(InvalidMessageError, match="another one"):
        client.hear(message(f"reservation.{event_type}", payload))
    assert client.state.reservations["WR1"].to_dict() == before
    assert set(client.state._tasks) == {"WT1"}


def test_answers_about_something_else(client: Client, service: Service) -> None:
    """An answer about something else than what was asked about is refused, and changes nothing."""
    client.hear(service.create(), service.change("WR1", "accepted"))
    reservation = client.state.reservations["WR1"]
    with client.state.lock:
        transfer = reservation.task._outgoing(schema_of(Transfer).read(service.transfer("WR1", 1)))
    before = reservation.to_dict()
    wrong_task = copy(service.reservation("WR1"))
    wrong_task["task"]["sid"] = "WTother"
    for use, payload in (
        (reservation._answered, {**service.bare("WR1"), "sid": "WRother"}),
        (reservation._answered, wrong_task),
        (reservation.task._answered, {**service.reservation("WR1")["task"], "sid": "WTother"}),
        (transfer._canceled, {**service.transfer("WR1", 2, "canceled")}),
    ):
        with pytest.raises(InvalidMessageError, match="another one"):
            use(payload)
        assert reservation.to_dict() == before


def test_attributes_with_an_activity_that_is_new(client: Client, service: Service) -> None:
    """An activity that was made after the list was read cannot be shown: the attributes change, the activity stays."""
    service.worker.update(activity_sid="WANew", activity_name="New", available=False)
    assert client.hear(service.set_attributes(a=1)) == ["attributes_updated"]
    assert client.worker.attributes == {"a": 1}
    assert client.worker.version == str(service.worker["version"])
    assert (client.worker.activity.name, client.worker.activity_name, client.worker.available) == (
        "Available", "Available", True,
    )  # fmt: skip
    assert client.hear(service.set_activity("Break")) == ["activity_updated"]
    assert client.worker.activity.name == "Break"


# -- who accepted ----------------------------------------------------------------------------------------------------


class Between:
    """The lock of the records; as it is taken for the first time, something else comes first."""

    def __init__(self, first: Callable[[], object]) -> None:
        self._lock, self._first = threading.Lock(), [first]

    def __enter__(self) -> None:
        if self._first:
            self._first.pop()()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("order", ["event, call", "refusal, event", "event, refusal", "refusal within the event"])
def test_another_session_accepts_first(client: Client, service: Service, order: str) -> None:
    """The acceptance counts once, whichever of its event and this session's refused call comes first."""
    client.hear(service.create())
    (reservation,) = client.state.reservations.values()
    accepted = service.change("WR1", "accepted")
    if order == "event, call":
        client.hear(accepted)
    reservation.accept()
    refused = client.calls[-1].explain
    assert refused is not None
    if order == "refusal within the event":
        client.state.lock = Between(refused)  # type: ignore[assignment]
    elif order == "refusal, event":
        assert refused().startswith("It was pending at its last update")
    if order != "event, call":
        assert client.hear(accepted) == ["WR1 accepted"]
    if order in ("event, call", "event, refusal"):
        assert refused().startswith("It is accepted already")
    assert client.worker.health().foreign_accepts == 1
