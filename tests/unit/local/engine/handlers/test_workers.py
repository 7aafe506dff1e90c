"""Workers: data, activity, deletion; and their channels."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def desk() -> Desk:
    """A desk with nobody at it."""
    return Desk()


def test_a_new_worker_starts_in_the_default_activity(desk: Desk) -> None:
    """Without an activity a worker starts Offline, with empty attributes and version 0."""
    worker = desk.do("CreateWorker", friendly_name="Ann")
    assert (worker.activity_name, worker.attributes, worker.version) == ("Offline", "{}", 0)
    assert desk.types() == ["worker.created"] and desk.types(worker.sid) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"friendly_name": "ANN"}, "Worker with the same friendly name already exists"),
        ({"friendly_name": "Bob", "activity_sid": "WAxxx"}, "WAxxx"),
        ({"friendly_name": "Bob", "attributes": "[]"}, "Attributes must be a JSON object, not a JSON array"),
        ({"friendly_name": "Bob", "attributes": "null"}, "not a JSON null"),
        ({"friendly_name": "Bob", "attributes": "{"}, "Attributes is not valid JSON"),
        ({"friendly_name": "Bob", "attributes": '{"a": NaN}'}, "Attributes is not valid JSON"),
        ({"friendly_name": "Bob", "attributes": '{"a": 1e999}'}, "Attributes is not valid JSON"),
        ({"friendly_name": "Bob", "attributes": "[" * 4000}, "Attributes is not valid JSON"),
        ({"friendly_name": "Bob", "attributes": '{"a": "' + "x" * 4090 + '"}'}, "at most 4096 characters"),
        ({"friendly_name": 5}, "FriendlyName must be a string, not int"),
        ({"friendly_name": None}, "FriendlyName must be a string, not NoneType"),
    ],
)
def test_bad_workers_are_refused(desk: Desk, fields: dict[str, Any], words: str) -> None:
    """Each fault is named."""
    desk.worker("Ann")
    refusal = desk.refused("CreateWorker", **fields)
    assert (refusal.status, refusal.code) == (400, 20001)
    assert words in refusal.message


def test_attributes_never_show_in_a_repr_or_a_refusal(desk: Desk) -> None:
    """What customers write into attributes stays out of texts that may be logged."""
    sid = desk.worker("Ann", secret="tell-nobody")
    assert "tell-nobody" not in repr(desk.worker_record(sid))
    assert "tell-nobody" not in repr([entry.command for entry in desk.journal])
    assert "tell-nobody" not in desk.refused("UpdateWorker", sid=sid, attributes='{"tell-nobody').message


def test_data_changes_count_one_version_per_request(desk: Desk) -> None:
    """Name, attributes and activity in one request make one version, an event for data and one for the activity."""
    sid = desk.worker("Ann")
    before = desk.worker_record(sid)
    desk.now += 5
    offline = desk.activity("Offline")
    after = desk.do("UpdateWorker", sid=sid, friendly_name="Eve", attributes='{"a":1}', activity_sid=offline)
    assert desk.types(sid) == ["worker.attributes.update", "worker.activity.update"]
    assert after.version == before.version + 1
    assert (after.date_updated, after.date_status_changed) == (desk.now, desk.now)
    data = desk.event("worker.activity.update").data
    assert data["previous_activity_name"] == "Available" and data["time_in_previous_activity"] == 5
    assert desk.engine.worker_attributes(desk.ws, sid) == {"a": 1}


def test_an_activity_change_leaves_the_date_of_update(desk: Desk) -> None:
    """Only the date of the status moves with the activity."""
    sid = desk.worker("Ann")
    before = desk.worker_record(sid)
    desk.now += 5
    after = desk.set_activity(sid, "Offline")
    assert after.date_updated == before.date_updated
    assert after.date_status_changed == desk.now
    assert after.version == before.version + 1


def test_nothing_new_is_no_change(desk: Desk) -> None:
    """The same name, attributes or activity again: no event, no version."""
    sid = desk.worker("Ann")
    before = desk.worker_record(sid)
    same = {"friendly_name": "Ann", "attributes": "{}", "activity_sid": before.activity_sid}
    assert desk.do("UpdateWorker", sid=sid, **same) == before
    assert desk.types() == []


def test_identical_attributes_can_count_as_a_change() -> None:
    """The switch turns the same attributes into an event and a version."""
    desk = Desk(rules=Rules(identical_attributes_change_version=True))
    sid = desk.worker("Ann")
    assert desk.do("UpdateWorker", sid=sid, attributes="{}").version == 1
    task = desk.task()
    before = desk.get(task).version
    assert desk.do("UpdateTask", sid=task, attributes="{}").version == before + 1


def test_if_match_guards_update_and_delete(desk: Desk) -> None:
    """Another version than the current one is refused with 412, the current one passes."""
    sid = desk.worker("Ann")
    for name in ("UpdateWorker", "DeleteWorker"):
        refusal = desk.refused(name, sid=sid, if_match=3)
        assert (refusal.status, refusal.code) == (412, 20412)
    assert desk.do("UpdateWorker", sid=sid, friendly_name="Eve", if_match=0).version == 1
    desk.do("DeleteWorker", sid=sid, if_match=1)


def test_rejecting_needs_an_unavailable_activity(desk: Desk) -> None:
    """The flag alone, or with an available activity, is refused."""
    sid = desk.worker("Ann", "Offline")
    assert desk.refused("UpdateWorker", sid=sid, reject_pending_reservations=True).status == 400
    available = desk.activity("Available")
    fields = {"activity_sid": available, "reject_pending_reservations": True}
    assert desk.refused("UpdateWorker", sid=sid, **fields).status == 400


def test_pending_reservations_stay_when_a_worker_leaves_without_the_flag(desk: Desk) -> None:
    """Going Offline stops new offers only; the same activity with the flag then rejects."""
    sid = desk.worker("Ann", capacity=2)
    first = desk.task()
    desk.set_activity(sid, "Offline")
    second = desk.task()
    assert (desk.status(first), desk.status(second)) == ("reserved", "pending")
    desk.set_activity(sid, "Offline", reject_pending_reservations=True)
    assert desk.types(sid) == ["reservation.rejected"]
    desk.set_activity(sid, "Available")
    assert {desk.status(first), desk.status(second)} == {"reserved"}


def test_the_strict_switch_keeps_a_worker_with_pending_reservations() -> None:
    """With the switch a worker who is being offered something cannot just leave."""
    desk = Desk(rules=Rules(refuse_unavailable_with_pending=True))
    sid = desk.worker("Ann")
    desk.task()
    offline = desk.activity("Offline")
    assert desk.refused("UpdateWorker", sid=sid, activity_sid=offline).status == 400
    desk.set_activity(sid, "Offline", reject_pending_reservations=True)
    assert desk.worker_record(sid).activity_name == "Offline"


def test_two_offers_of_one_task_are_both_rejected_once(desk: Desk) -> None:
    """Rejecting everything pending does not stumble over offers that end on the way."""
    queue = desk.engine.queues(desk.ws)[0].sid
    desk.do("UpdateTaskQueue", sid=queue, max_reserved_workers=2)
    ann, bob = desk.worker("Ann"), desk.worker("Bob")
    task = desk.task()
    desk.set_activity(ann, "Offline", reject_pending_reservations=True)
    assert desk.types(ann) == ["worker.activity.update", "reservation.rejected"]
    rejected = desk.event("reservation.rejected").task
    assert rejected and rejected.assignment_status == "reserved"
    assert desk.status(task) == "reserved" and len(desk.pending(bob)) == 1


def test_a_renamed_worker_keeps_its_reservations_under_the_new_name(desk: Desk) -> None:
    """Reservations show the worker's present name, and queues by name follow."""
    queue = desk.queue("Bobs", 'friendly_name == "Bob"')
    sid = desk.worker("Ann")
    desk.task()
    desk.do("UpdateWorker", sid=sid, friendly_name="Bob")
    assert desk.engine.reservations(desk.ws, worker_sid=sid)[0].worker_name == "Bob"
    assert [w.sid for w in desk.engine.queue_members(desk.ws, queue)] == [sid]
    desk.worker("Ann")


def test_queues_may_be_blind_for_the_workers_own_fields() -> None:
    """With the switch off an expression over a worker's name sees nothing."""
    desk = Desk(rules=Rules(workers_see_own_fields=False))
    queue = desk.queue("Bobs", 'friendly_name == "Bob"')
    sid = desk.worker("Bob")
    desk.do("UpdateWorker", sid=sid, attributes='{"friendly_name": "Bob"}')
    assert [w.sid for w in desk.engine.queue_members(desk.ws, queue)] == [sid]


def test_a_worker_with_open_reservations_cannot_be_deleted(desk: Desk) -> None:
    """Deletion waits for the work to end, and frees the name."""
    sid = desk.worker("Ann")
    task, _ = desk.accepted(sid)
    assert "open reservations" in desk.refused("DeleteWorker", sid=sid).message
    desk.do("UpdateTask", sid=task, assignment_status="completed")
    desk.do("DeleteWorker", sid=sid)
    assert desk.types() == ["worker.deleted"]
    assert desk.engine.workers(desk.ws) == []
    desk.worker("Ann")
    waiting = desk.task()
    assert desk.status(waiting) == "reserved"


def test_at_most_so_many_workers_and_queues() -> None:
    """The limits of a workspace are switches."""
    desk = Desk(rules=Rules(max_workers=1, max_queues=1))
    desk.worker("Ann")
    assert desk.refused("CreateWorker", friendly_name="Bob").status == 400
    assert desk.refused("CreateTaskQueue", friendly_name="More").status == 400


# -- channels ------------------------------------------------------------------------------------------------------


def test_capacity_and_switch_are_events_and_versions(desk: Desk) -> None:
    """Each changed value is one event and one version of the worker; the same value is neither."""
    sid = desk.worker("Ann")
    channel = desk.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=4, available=False)
    assert desk.types(sid) == ["worker.capacity.update", "worker.channel.availability.update"]
    assert desk.event("worker.capacity.update").data["previous_capacity"] == 1
    assert desk.worker_record(sid).version == 2
    assert (channel.configured_capacity, channel.available, channel.available_capacity_percentage) == (4, False, 100)
    assert desk.do("UpdateWorkerChannel", worker_sid=sid, channel=channel.sid, capacity=4) == channel
    assert desk.types() == []


def test_a_channel_is_found_by_each_of_its_names(desk: Desk) -> None:
    """Unique name, task channel sid and worker channel sid lead to the same channel; others nowhere."""
    sid = desk.worker("Ann")
    channel = desk.engine.channel(desk.ws, sid, "voice")
    assert desk.engine.channel(desk.ws, sid, channel.task_channel_sid) == channel
    assert desk.engine.channel(desk.ws, sid, channel.sid.replace("WC", "WC").upper()) == channel
    refusal = desk.refused("UpdateWorkerChannel", worker_sid=sid, channel="fax", capacity=1)
    assert refusal.status == 404
    assert desk.refused("UpdateWorkerChannel", worker_sid=sid, channel="voice", capacity=-1).status == 400


def test_more_capacity_brings_waiting_tasks(desk: Desk) -> None:
    """Raising the capacity, or switching the channel on, routes at once; lowering takes nothing away."""
    sid = desk.worker("Ann", capacity=0)
    tasks = [desk.task() for _ in range(3)]
    desk.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=2)
    assert len(desk.pending(sid)) == 2
    channel = desk.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=1)
    assert len(desk.pending(sid)) == 2 and channel.available_capacity_percentage == 0
    desk.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=3, available=False)
    assert desk.status(tasks[2]) == "pending"
    desk.do("UpdateWorkerChannel", worker_sid=sid, channel="default", available=True)
    assert desk.status(tasks[2]) == "reserved"


def test_a_new_task_channel_reaches_every_worker(desk: Desk) -> None:
    """Each worker gets a channel with one place; tasks of it are routed; it goes when its tasks are over."""
    sid = desk.worker("Ann")
    made = desk.do("CreateTaskChannel", friendly_name="Fax", unique_name="fax")
    assert desk.types() == ["task-channel.created"]
    channel = desk.engine.channel(desk.ws, sid, "fax")
    assert (channel.configured_capacity, channel.available, channel.task_channel_sid) == (1, True, made.sid)
    task = desk.task(task_channel="fax")
    assert desk.status(task) == "reserved"
    assert "still has tasks" in desk.refused("DeleteTaskChannel", task_channel="fax").message
    desk.to(desk.pending(sid)[0], "accepted")
    desk.do("UpdateTask", sid=task, assignment_status="completed")
    desk.do("DeleteTaskChannel", task_channel=made.sid)
    assert desk.types() == ["task-channel.deleted"]
    assert len(desk.engine.channels(desk.ws, sid)) == 5
    assert desk.refused("UpdateTaskChannel", task_channel="fax", friendly_name="x").status == 404


@pytest.mark.parametrize("unique_name", ["default", "1fax", "fax-line", "", "fäx", "x" * 65])
def test_bad_unique_names_are_refused(desk: Desk, unique_name: str) -> None:
    """A unique name is a free identifier."""
    assert desk.refused("CreateTaskChannel", friendly_name="Fax", unique_name=unique_name).status == 400


def test_a_unique_name_may_hold_dollars(desk: Desk) -> None:
    """Letters, digits, underscore and dollar make a unique name."""
    assert desk.do("CreateTaskChannel", friendly_name="x", unique_name="$fax_2").unique_name == "$fax_2"


def test_built_in_channels_can_be_renamed_but_not_deleted(desk: Desk) -> None:
    """The five channels stay, whatever they are called."""
    assert desk.refused("DeleteTaskChannel", task_channel="voice").status == 400
    changed = desk.do("UpdateTaskChannel", task_channel="voice", friendly_name="Phone", channel_optimized_routing=True)
    assert (changed.friendly_name, changed.channel_optimized_routing) == ("Phone", True)
    assert desk.types() == ["task-channel.updated"]
    assert desk.do("UpdateTaskChannel", task_channel="voice", friendly_name="Phone") == changed
    assert desk.types() == []


def test_records_are_frozen(desk: Desk) -> None:
    """What is handed out cannot be changed."""
    record = desk.worker_record(desk.worker("Ann"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record.version = 9  # type: ignore[misc]
