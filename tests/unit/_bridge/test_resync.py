"""Taking over the lists: a quiet start at first, and afterwards exactly the events that were missed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit._bridge.service import ENDINGS, Client, Service, message
from twilio_taskrouter_worker._bridge.reload import Snapshot
from twilio_taskrouter_worker._bridge.resync import missing
from twilio_taskrouter_worker.errors import InvalidMessageError

# -- the first time --------------------------------------------------------------------------------------------------


def test_the_first_lists_announce_nothing(service: Service) -> None:
    """All that was there before is there, in the lists' order, and no event tells of it."""
    service.create()
    service.create()
    service.change("WR2", "accepted")
    client = Client(service)
    assert client.take_over() == []
    worker = client.worker
    assert [each.name for each in worker.activities.values()] == ["Available", "Break", "Offline"]
    assert [each.name for each in worker.channels.values()] == ["voice", "chat"]
    assert {sid: each.status for sid, each in worker.reservations.items()} == {"WR1": "pending", "WR2": "accepted"}
    assert worker.activity.name == "Available"


def test_created_while_the_first_lists_were_read(service: Service) -> None:
    """A reservation is either there at ready or announced, never both: the event it has coming decides."""
    client = Client(service)
    created, accepted = service.create(), service.change("WR1", "accepted")
    assert client.take_over(buffered=[created, accepted]) == []
    assert len(client.worker.reservations) == 0
    assert client.hear(created, accepted) == ["reservation_created WR1", "WR1 accepted"]


@pytest.mark.parametrize("payload", [None, [], {}, {"sid": None}])
def test_unusable_messages_in_the_buffer(service: Service, payload: Any) -> None:
    """A created event that cannot be read leaves the list alone."""
    service.create()
    client = Client(service)
    client.take_over(buffered=[message("reservation.created", payload)])
    assert "WR1" in client.worker.reservations


def test_created_before_init(service: Service) -> None:
    """A reservation in the first list whose event comes all the same is not announced."""
    client = Client(service)
    created = service.create()
    client.take_over()
    assert client.hear(created) == []


def test_an_answer_that_is_newer_than_the_lists(client: Client, service: Service) -> None:
    """A call made while the lists are read may be answered first: older lists do not take its result back."""
    snapshot, before = service.snapshot(), client.worker.attributes
    changed = service.set_attributes(a=1)
    client.state.worker_answered(changed.payload)
    assert client.take_over(snapshot) == []
    assert client.worker.attributes == {"a": 1}
    assert client.hear(changed) == ["attributes_updated"]
    # The lists of the next connection are the truth again, whatever their version.
    client.state.answered = None
    client.take_over(snapshot)
    assert client.worker.attributes == before


def test_buffered_events_that_the_list_knows(client: Client, service: Service) -> None:
    """Events that were on their way while the lists were read are replayed by version: what the list has is old."""
    service.create()
    events = [service.change("WR1", "accepted"), service.set_activity("Break"), service.update_task("WR1", priority=3)]
    client.take_over()
    announced = list(client.log)
    assert announced == ["activity_updated", "reservation_created WR1", "WR1 accepted"]
    assert client.hear(*events) == []
    assert client.hear(service.change("WR1", "wrapping")) == ["WR1 wrapup"]


# -- records that cannot be used -------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["activities", "channels", "reservations"])
@pytest.mark.parametrize("bad", [None, "x", {}, {"sid": "x"}])
def test_a_bad_record_costs_itself_only(service: Service, which: str, bad: Any) -> None:
    """It is reported as an error, and everything else of the list is there."""
    service.create()
    snapshot = service.snapshot()
    getattr(snapshot, which).insert(0, bad)
    client = Client(service)
    assert client.take_over(snapshot) == ["error"]
    assert (len(client.worker.activities), len(client.worker.channels), len(client.worker.reservations)) == (3, 2, 1)


def test_a_known_reservation_whose_record_is_bad(client: Client, service: Service) -> None:
    """It stays as it was, and hears its events as before."""
    client.hear(service.create())
    snapshot = service.snapshot()
    del snapshot.reservations[0]["version"]
    assert client.take_over(snapshot) == ["error"]
    assert client.hear(service.change("WR1", "accepted")) == ["WR1 accepted"]


@pytest.mark.parametrize("bad", [None, {}, {"sid": "WKother"}])
def test_a_bad_worker(client: Client, service: Service, bad: Any) -> None:
    """Without a usable worker nothing is taken over, and nothing has changed."""
    snapshot = service.snapshot()
    snapshot.worker = bad if not bad else {**snapshot.worker, **bad}
    snapshot.activities = snapshot.activities[:1]
    with pytest.raises(InvalidMessageError):
        client.take_over(snapshot)
    assert len(client.worker.activities) == 3


def test_a_worker_in_an_unlisted_activity(client: Client, service: Service) -> None:
    """The worker's activity must be among the activities."""
    snapshot = service.snapshot()
    snapshot.activities = snapshot.activities[1:]
    with pytest.raises(InvalidMessageError, match="not in the workspace's list"):
        client.take_over(snapshot)
    assert (len(client.worker.activities), client.worker.activity.name) == (3, "Available")


# -- what was missed -------------------------------------------------------------------------------------------------


def test_nothing_missed(client: Client, service: Service) -> None:
    """Lists that say what is known announce nothing, however often."""
    client.hear(service.create(), service.change("WR1", "accepted"), service.update_task("WR1", priority=8))
    assert client.take_over() == client.take_over() == []


def test_identity_and_listeners_stay(client: Client, service: Service) -> None:
    """Every object of before is the same object after, with what it says renewed."""
    client.hear(service.create())
    before = [
        *client.worker.activities.values(),
        *client.worker.channels.values(),
        *client.worker.reservations.values(),
    ]
    task = client.worker.reservations["WR1"].task
    service.set_activity("Break")
    service.set_capacity("chat", 9)
    service.change("WR1", "accepted")
    service.activities[1]["friendly_name"] = "Pause"
    client.take_over()
    after = [*client.worker.activities.values(), *client.worker.channels.values(), *client.worker.reservations.values()]
    assert [id(each) for each in after] == [id(each) for each in before]
    assert client.worker.reservations["WR1"].task is task
    assert [each.name for each in client.worker.activities.values() if each.is_current] == ["Pause"]
    assert client.worker.channels.by_name("chat").capacity == 9
    assert task.status == "assigned"


def test_lists_that_became_shorter_longer_and_sorted_anew(client: Client, service: Service) -> None:
    """What is gone is gone, what is new is there, and the order is the list's."""
    available = client.worker.activities.by_name("Available")
    service.activities = [service.activities[2], {**service.activities[1], "sid": "WAx"}, service.activities[0]]
    service.channels.reverse()
    del service.channels[1]
    client.take_over()
    assert list(client.worker.activities) == ["WAOffline", "WAx", "WAAvailable"]
    assert list(client.worker.channels) == ["WCchat"]
    assert client.worker.activities["WAAvailable"] is available


def test_the_worker_changed(client: Client, service: Service) -> None:
    """A changed activity, and changed attributes, are announced, each once."""
    service.set_activity("Break")
    assert client.take_over() == ["activity_updated"]
    service.set_attributes(a=1)
    assert client.take_over() == ["attributes_updated"]
    service.set_activity("Offline")
    service.set_attributes(a=2)
    assert client.take_over() == ["activity_updated", "attributes_updated"]
    service.worker.update(friendly_name="Danielle", version=service.worker["version"] + 1)
    assert client.take_over() == ["attributes_updated"]
    assert client.worker.name == "Danielle"


def test_the_service_counts_the_worker(client: Client, service: Service) -> None:
    """Versions that were counted on by ourselves are put right by the list."""
    created, rejected = service.create(), service.change("WR1", "rejected")
    client.take_over()
    client.hear(created, rejected)
    assert client.worker.version == str(service.worker["version"] + 1)
    client.take_over()
    assert client.worker.version == str(service.worker["version"])


def test_channels_changed(client: Client, service: Service) -> None:
    """Changed capacity and availability are announced by channel; assigned tasks have no event."""
    service.set_capacity("voice", 5)
    service.set_availability("voice", False)
    service.set_capacity("chat", 6)
    service.channels[1]["assigned_tasks"] = 1
    assert client.take_over() == ["WCvoice capacity_updated", "WCvoice availability_updated", "WCchat capacity_updated"]
    service.channels[1]["assigned_tasks"] = 2
    assert client.take_over() == []


WAYS = [
    ("pending", ["accepted"], ["accepted"]),
    ("pending", ["accepted", "wrapping"], ["accepted", "wrapup"]),
    ("pending", ["accepted", "wrapping", "completed"], ["accepted", "completed"]),
    ("pending", ["rejected"], ["rejected"]),
    ("pending", ["timeout"], ["timeout"]),
    ("pending", ["canceled"], ["canceled"]),
    ("pending", ["rescinded"], ["rescinded"]),
    ("accepted", ["wrapping"], ["wrapup"]),
    ("accepted", ["completed"], ["completed"]),
    ("accepted", ["canceled"], ["canceled"]),
    ("wrapping", ["completed"], ["completed"]),
]


@pytest.mark.parametrize(("before", "way", "told"), WAYS)
def test_a_reservation_went_on(client: Client, service: Service, before: str, way: list[str], told: list[str]) -> None:
    """What a reservation went through unheard is announced once, as far as it is certain, and events of it that are
    replayed are not announced again."""
    client.hear(service.create())
    for status in {"accepted": ["accepted"], "wrapping": ["accepted", "wrapping"]}.get(before, []):
        client.hear(service.change("WR1", status))
    reservation = client.worker.reservations["WR1"]
    missed = [service.change("WR1", status) for status in way]
    announced = client.take_over()
    assert [each for each in announced if each.startswith("WR1")] == [f"WR1 {event}" for event in told]
    assert ("WR1" in client.worker.reservations) == (way[-1] not in ENDINGS)
    assert (reservation.status, reservation.version) == (way[-1], str(service.reservation("WR1")["version"]))
    assert client.hear(*missed) == client.take_over() == []


def test_reservations_that_came_while_disconnected(client: Client, service: Service) -> None:
    """A new one is announced as created, and with what it went through since; one that came and went is not."""
    for _ in range(4):
        service.create()
    service.change("WR2", "accepted")
    service.change("WR3", "accepted")
    service.change("WR3", "wrapping")
    service.change("WR4", "rejected")
    assert client.take_over() == [
        "reservation_created WR1",
        "reservation_created WR2",
        "WR2 accepted",
        "reservation_created WR3",
        "WR3 accepted",
        "WR3 wrapup",
    ]
    assert list(client.worker.reservations) == ["WR1", "WR2", "WR3"]


def test_endings_come_first_and_then_the_order_of_the_list(client: Client, service: Service) -> None:
    """First what ended, then what changed, then what is new: capacity is free before it is taken."""
    client.hear(service.create(), service.create(), service.create())
    service.create()
    service.change("WR1", "accepted")
    service.change("WR2", "rejected")
    service.change("WR3", "accepted")
    told = [each for each in client.take_over() if not each.startswith("WT")]
    assert told == ["WR2 rejected", "WR1 accepted", "WR3 accepted", "reservation_created WR4"]


@pytest.mark.parametrize(
    ("status", "answered", "told"),
    [
        ("pending", None, ["WR1 canceled"]),
        ("accepted", None, ["WR1 completed"]),
        ("wrapping", None, ["WR1 completed"]),
        ("pending", "accepted", ["WR1 accepted", "WR1 completed"]),
        ("pending", "rejected", ["WR1 rejected"]),
        ("accepted", "completed", ["WR1 completed"]),
    ],
)
def test_a_reservation_that_vanished(
    client: Client, service: Service, status: str, answered: str | None, told: list[str]
) -> None:
    """Where the service no longer knows it, it went with its task: canceled while pending, else completed; unless the
    answer of a call has told how."""
    client.hear(service.create())
    for each in {"accepted": ["accepted"], "wrapping": ["accepted", "wrapping"]}.get(status, []):
        client.hear(service.change("WR1", each))
    reservation = client.worker.reservations["WR1"]
    if answered:
        service.change("WR1", answered)
        reservation._answered(service.bare("WR1"))
    service.open.clear()
    service.over.clear()
    assert client.take_over() == told
    assert len(client.worker.reservations) == 0
    assert reservation.status in ENDINGS
    assert client.take_over() == []


def test_only_reservations_missing_in_the_list_are_looked_up(client: Client, service: Service) -> None:
    """A reservation is looked up where the list lacks it, and it is not yet known how it ended."""
    client.hear(service.create(), service.create(), service.create())
    service.change("WR2", "rejected")
    snapshot = service.snapshot()
    assert missing(client.state, snapshot) == ["WR2"]
    snapshot.ended["WR2"] = None
    assert missing(client.state, snapshot) == []
    snapshot.reservations = [None, "x", {}]
    assert missing(client.state, snapshot) == ["WR1", "WR3"]


def test_looked_up_and_open_after_all(client: Client, service: Service) -> None:
    """One that the list lacked and that is open when it is looked up stays, with its change."""
    client.hear(service.create())
    service.change("WR1", "accepted")
    snapshot = service.snapshot()
    snapshot.ended["WR1"] = snapshot.reservations.pop()
    assert client.take_over(snapshot) == ["WR1 accepted"]
    assert "WR1" in client.worker.reservations


def test_looked_up_in_the_short_form(client: Client, service: Service) -> None:
    """An answer without the task tells how the reservation ended; its task stays as it was known."""
    client.hear(service.create())
    service.change("WR1", "completed")
    snapshot = service.snapshot()
    snapshot.ended["WR1"] = service.bare("WR1")
    task = client.worker.reservations["WR1"].task
    assert client.take_over(snapshot) == ["WR1 accepted", "WR1 completed"]
    assert task.status == "reserved"


@pytest.mark.parametrize("bad", [{}, {"sid": "WR1"}, {"sid": 1}, "x"])
def test_looked_up_and_unusable(client: Client, service: Service, bad: Any) -> None:
    """An answer that cannot be used is reported, and the reservation is over all the same."""
    client.hear(service.create())
    service.change("WR1", "rejected")
    snapshot = service.snapshot()
    snapshot.ended["WR1"] = bad
    assert client.take_over(snapshot) == ["error", "WR1 canceled"]


def test_looked_up_and_answered_with_another_reservation(client: Client, service: Service) -> None:
    """An answer about another reservation is reported, and changes neither the one that was asked for nor the other."""
    client.hear(service.create(), service.create())
    service.change("WR1", "completed")
    snapshot = service.snapshot()
    snapshot.ended["WR1"] = {**service.open["WR2"], "version": 7, "reservation_status": "canceled"}
    assert client.take_over(snapshot) == ["error"]
    assert {sid: each.status for sid, each in client.worker.reservations.items()} == {
        "WR1": "pending",
        "WR2": "pending",
    }
    assert missing(client.state, snapshot) == []


def test_a_list_with_an_ended_reservation(client: Client, service: Service) -> None:
    """A reservation that the list has as ended is ended, if it was known, and left out, if it was not."""
    client.hear(service.create())
    service.create()
    service.change("WR1", "rejected")
    service.change("WR2", "rejected")
    snapshot = service.snapshot()
    snapshot.reservations = [service.over["WR1"], service.over["WR2"]]
    assert client.take_over(snapshot) == ["WR1 rejected"]
    assert len(client.worker.reservations) == 0
    first = Client(service)
    assert (
        first.take_over(Snapshot(snapshot.worker, snapshot.activities, snapshot.channels, snapshot.reservations)) == []
    )
    assert len(first.worker.reservations) == 0


def test_one_that_ended_does_not_come_back(client: Client, service: Service) -> None:
    """A list that still has a reservation whose end was heard does not bring it back."""
    client.hear(service.create())
    snapshot = service.snapshot()
    client.hear(service.change("WR1", "rejected"))
    assert client.take_over(snapshot) == []
    assert len(client.worker.reservations) == 0


# -- tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"attributes": '{"a": 1}'}, ["WT1 updated"]),
        ({"priority": 77}, ["WT1 updated"]),
        ({"virtual_start_time": 5}, ["WT1 updated"]),
        ({"task_channel_sid": "TCx"}, ["WT1 updated"]),
        ({"assignment_status": "assigned"}, ["WT1 updated"]),
        ({"assignment_status": "wrapping"}, ["WT1 wrapup"]),
        ({"assignment_status": "completed", "priority": 77}, ["WT1 completed"]),
        ({"assignment_status": "canceled"}, ["WT1 canceled"]),
        ({"age": 1_000_000}, []),
    ],
)
def test_a_task_changed(client: Client, service: Service, changes: dict[str, Any], told: list[str]) -> None:
    """What changed of a task is announced once, and the event that tells the same is not."""
    client.hear(service.create())
    event = service.update_task("WR1", **changes)
    assert client.take_over() == told
    assert client.hear(event) == client.take_over() == []


def test_a_task_that_went_along_with_its_reservation(client: Client, service: Service) -> None:
    """The steps of a task that belong to its reservation's are announced by that, its own endings besides."""
    client.hear(service.create())
    service.change("WR1", "accepted")
    assert client.take_over() == ["WR1 accepted"]
    service.change("WR1", "wrapping")
    assert client.take_over() == ["WT1 wrapup", "WR1 wrapup"]
    service.change("WR1", "completed")
    assert client.take_over() == ["WT1 completed", "WR1 completed"]


# -- answers that are ahead ------------------------------------------------------------------------------------------


def test_lost_events_behind_answers(client: Client, service: Service) -> None:
    """An event that is lost after the answer of its call came is announced by the next lists, though nothing differs
    from what is known."""
    client.hear(service.create(), service.change("WR1", "accepted"))
    reservation = client.worker.reservations["WR1"]
    client.state.worker_answered(service.set_attributes(a=1).payload)
    reservation.task._answered(service.update_task("WR1", priority=4).payload)
    service.change("WR1", "wrapping")
    reservation._answered(service.bare("WR1"))
    assert client.take_over() == ["attributes_updated", "WT1 wrapup", "WR1 wrapup"]
    assert client.take_over() == []


def test_events_between_do_not_hide_the_change_of_an_answer(client: Client, service: Service) -> None:
    """Events of earlier changes that come after an answer do not count its change as announced."""
    client.hear(service.create())
    task = client.worker.reservations["WR1"].task
    worker_event, task_event = service.set_attributes(a=1), service.update_task("WR1", priority=3)
    reservation_event = service.change("WR1", "accepted")
    client.state.worker_answered(service.set_activity("Break").payload)
    task._answered(service.update_task("WR1", priority=4).payload)
    client.hear(worker_event, task_event, reservation_event)
    assert (task.priority, client.worker.activity.name) == (4, "Break")
    assert client.take_over() == ["activity_updated", "WT1 updated"]


def test_a_call_while_the_lists_are_read(client: Client, service: Service) -> None:
    """A reservation completed by a call after its list was read is ended by its event, not by the list, and once."""
    client.hear(service.create(), service.change("WR1", "accepted"))
    reservation = client.worker.reservations["WR1"]
    snapshot = service.snapshot()
    completed = service.change("WR1", "completed")
    reservation._answered(service.bare("WR1"))
    assert client.take_over(snapshot) == []
    assert reservation.status == "completed"
    assert client.hear(completed) == ["WR1 completed"]
    assert len(client.worker.reservations) == 0


def test_a_list_that_is_behind(client: Client, service: Service) -> None:
    """A list that is older than what was announced changes nothing, and nothing is announced twice."""
    client.hear(service.create())
    snapshot = service.snapshot()
    events = [service.change("WR1", "accepted"), service.update_task("WR1", priority=2)]
    client.hear(*events)
    assert client.take_over(snapshot) == []
    reservation = client.worker.reservations["WR1"]
    assert (reservation.status, reservation.task.priority) == ("accepted", 2)
    assert client.hear(*events) == []


def test_a_list_with_another_task(client: Client, service: Service) -> None:
    """A record that gives a known reservation another task is reported, and changes nothing."""
    client.hear(service.create())
    before = client.state.reservations["WR1"].to_dict()
    service.change("WR1", "accepted")
    snapshot = service.snapshot()
    snapshot.reservations[0]["task"]["sid"] = "WTother"
    assert client.take_over(snapshot) == ["error"]
    assert client.state.reservations["WR1"].to_dict() == before
