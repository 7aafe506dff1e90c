"""Workers: data, activity, deletion; and their channels."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def driver() -> EngineDriver:
    """A driver of an empty workspace."""
    return EngineDriver()


def test_a_new_worker_starts_in_the_default_activity(driver: EngineDriver) -> None:
    """Without an activity a worker starts Offline, with empty attributes and version 0."""
    worker = driver.do("CreateWorker", friendly_name="Ann")
    assert (worker.activity_name, worker.attributes, worker.version) == ("Offline", "{}", 0)
    assert driver.types() == ["worker.created"] and driver.types(worker.sid) == []


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
def test_bad_workers_are_refused(driver: EngineDriver, fields: dict[str, Any], words: str) -> None:
    """Each fault is named."""
    driver.worker("Ann")
    refusal = driver.refused("CreateWorker", **fields)
    assert (refusal.status, refusal.code) == (400, 20001)
    assert words in refusal.message


def test_attributes_never_show_in_a_repr_or_a_refusal(driver: EngineDriver) -> None:
    """What customers write into attributes stays out of texts that may be logged."""
    sid = driver.worker("Ann", secret="tell-nobody")
    assert "tell-nobody" not in repr(driver.worker_record(sid))
    assert "tell-nobody" not in repr([entry.command for entry in driver.journal])
    assert "tell-nobody" not in driver.refused("UpdateWorker", sid=sid, attributes='{"tell-nobody').message


def test_data_changes_count_one_version_per_request(driver: EngineDriver) -> None:
    """Name, attributes and activity in one request make one version, an event for data and one for the activity."""
    sid = driver.worker("Ann")
    before = driver.worker_record(sid)
    driver.now += 5
    offline = driver.activity("Offline")
    after = driver.do("UpdateWorker", sid=sid, friendly_name="Eve", attributes='{"a":1}', activity_sid=offline)
    assert driver.types(sid) == ["worker.attributes.update", "worker.activity.update"]
    assert after.version == before.version + 1
    assert (after.date_updated, after.date_status_changed) == (driver.now, driver.now)
    data = driver.event("worker.activity.update").data
    assert data["previous_activity_name"] == "Available" and data["time_in_previous_activity"] == 5
    assert driver.engine.worker_attributes(driver.ws, sid) == {"a": 1}


def test_an_activity_change_leaves_the_date_of_update(driver: EngineDriver) -> None:
    """Only the date of the status moves with the activity."""
    sid = driver.worker("Ann")
    before = driver.worker_record(sid)
    driver.now += 5
    after = driver.set_activity(sid, "Offline")
    assert after.date_updated == before.date_updated
    assert after.date_status_changed == driver.now
    assert after.version == before.version + 1


def test_repeated_values_are_not_a_change(driver: EngineDriver) -> None:
    """The same name, attributes or activity again: no event, no version."""
    sid = driver.worker("Ann")
    before = driver.worker_record(sid)
    same = {"friendly_name": "Ann", "attributes": "{}", "activity_sid": before.activity_sid}
    assert driver.do("UpdateWorker", sid=sid, **same) == before
    assert driver.types() == []


def test_identical_attributes_can_count_as_a_change() -> None:
    """The switch turns the same attributes into an event and a version."""
    driver = EngineDriver(rules=Rules(identical_attributes_change_version=True))
    sid = driver.worker("Ann")
    assert driver.do("UpdateWorker", sid=sid, attributes="{}").version == 1
    task = driver.task()
    before = driver.get(task).version
    assert driver.do("UpdateTask", sid=task, attributes="{}").version == before + 1


def test_if_match_guards_update_and_delete(driver: EngineDriver) -> None:
    """Another version than the current one is refused with 412, the current one passes."""
    sid = driver.worker("Ann")
    for name in ("UpdateWorker", "DeleteWorker"):
        refusal = driver.refused(name, sid=sid, if_match=3)
        assert (refusal.status, refusal.code) == (412, 20412)
    assert driver.do("UpdateWorker", sid=sid, friendly_name="Eve", if_match=0).version == 1
    driver.do("DeleteWorker", sid=sid, if_match=1)


def test_rejecting_needs_an_unavailable_activity(driver: EngineDriver) -> None:
    """The flag alone, or with an available activity, is refused."""
    sid = driver.worker("Ann", "Offline")
    assert driver.refused("UpdateWorker", sid=sid, reject_pending_reservations=True).status == 400
    available = driver.activity("Available")
    fields = {"activity_sid": available, "reject_pending_reservations": True}
    assert driver.refused("UpdateWorker", sid=sid, **fields).status == 400


def test_pending_reservations_stay_when_a_worker_leaves_without_the_flag(driver: EngineDriver) -> None:
    """Going Offline stops new offers only; the same activity with the flag then rejects."""
    sid = driver.worker("Ann", capacity=2)
    first = driver.task()
    driver.set_activity(sid, "Offline")
    second = driver.task()
    assert (driver.status(first), driver.status(second)) == ("reserved", "pending")
    driver.set_activity(sid, "Offline", reject_pending_reservations=True)
    assert driver.types(sid) == ["reservation.rejected"]
    driver.set_activity(sid, "Available")
    assert {driver.status(first), driver.status(second)} == {"reserved"}


def test_the_strict_switch_keeps_a_worker_with_pending_reservations() -> None:
    """With the switch a worker who is being offered something cannot just leave."""
    driver = EngineDriver(rules=Rules(refuse_unavailable_with_pending=True))
    sid = driver.worker("Ann")
    driver.task()
    offline = driver.activity("Offline")
    assert driver.refused("UpdateWorker", sid=sid, activity_sid=offline).status == 400
    driver.set_activity(sid, "Offline", reject_pending_reservations=True)
    assert driver.worker_record(sid).activity_name == "Offline"


def test_two_offers_of_one_task_are_both_rejected_once(driver: EngineDriver) -> None:
    """Rejecting everything pending does not stumble over offers that end on the way."""
    queue = driver.engine.queues(driver.ws)[0].sid
    driver.do("UpdateTaskQueue", sid=queue, max_reserved_workers=2)
    ann, bob = driver.worker("Ann"), driver.worker("Bob")
    task = driver.task()
    driver.set_activity(ann, "Offline", reject_pending_reservations=True)
    assert driver.types(ann) == ["worker.activity.update", "reservation.rejected"]
    rejected = driver.reservation_event("reservation.rejected").task
    assert rejected.assignment_status == "reserved"
    assert driver.status(task) == "reserved" and len(driver.pending(bob)) == 1


def test_a_renamed_worker_keeps_its_reservations_under_the_new_name(driver: EngineDriver) -> None:
    """Reservations show the worker's present name, and queues by name follow."""
    queue = driver.queue("Bobs", 'friendly_name == "Bob"')
    sid = driver.worker("Ann")
    driver.task()
    driver.do("UpdateWorker", sid=sid, friendly_name="Bob")
    assert driver.engine.reservations(driver.ws, worker_sid=sid)[0].worker_name == "Bob"
    assert [w.sid for w in driver.engine.queue_members(driver.ws, queue)] == [sid]
    driver.worker("Ann")


def test_queues_may_be_blind_for_the_workers_own_fields() -> None:
    """With the switch off an expression over a worker's name sees nothing."""
    driver = EngineDriver(rules=Rules(workers_see_own_fields=False))
    queue = driver.queue("Bobs", 'friendly_name == "Bob"')
    sid = driver.worker("Bob")
    driver.do("UpdateWorker", sid=sid, attributes='{"friendly_name": "Bob"}')
    assert [w.sid for w in driver.engine.queue_members(driver.ws, queue)] == [sid]


def test_a_worker_with_open_reservations_cannot_be_deleted(driver: EngineDriver) -> None:
    """Deletion waits for the work to end, and frees the name."""
    sid = driver.worker("Ann")
    task, _ = driver.accepted(sid)
    assert "open reservations" in driver.refused("DeleteWorker", sid=sid).message
    driver.do("UpdateTask", sid=task, assignment_status="completed")
    driver.do("DeleteWorker", sid=sid)
    assert driver.types() == ["worker.deleted"]
    assert driver.engine.workers(driver.ws) == []
    driver.worker("Ann")
    waiting = driver.task()
    assert driver.status(waiting) == "reserved"


def test_limits_on_workers_and_queues() -> None:
    """The limits of a workspace are switches."""
    driver = EngineDriver(rules=Rules(max_workers=1, max_queues=1))
    driver.worker("Ann")
    assert driver.refused("CreateWorker", friendly_name="Bob").status == 400
    assert driver.refused("CreateTaskQueue", friendly_name="More").status == 400


# -- channels ------------------------------------------------------------------------------------------------------


def test_capacity_and_switch_are_events_and_versions(driver: EngineDriver) -> None:
    """Each changed value is one event and one version of the worker; the same value is neither."""
    sid = driver.worker("Ann")
    channel = driver.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=4, available=False)
    assert driver.types(sid) == ["worker.capacity.update", "worker.channel.availability.update"]
    assert driver.event("worker.capacity.update").data["previous_capacity"] == 1
    assert driver.worker_record(sid).version == 2
    assert (channel.configured_capacity, channel.available, channel.available_capacity_percentage) == (4, False, 100)
    assert driver.do("UpdateWorkerChannel", worker_sid=sid, channel=channel.sid, capacity=4) == channel
    assert driver.types() == []


def test_a_channel_is_found_by_each_of_its_names(driver: EngineDriver) -> None:
    """Unique name, task channel sid and worker channel sid lead to the same channel; others nowhere."""
    sid = driver.worker("Ann")
    channel = driver.engine.channel(driver.ws, sid, "voice")
    assert driver.engine.channel(driver.ws, sid, channel.task_channel_sid) == channel
    assert driver.engine.channel(driver.ws, sid, channel.sid.replace("WC", "WC").upper()) == channel
    refusal = driver.refused("UpdateWorkerChannel", worker_sid=sid, channel="fax", capacity=1)
    assert refusal.status == 404
    assert driver.refused("UpdateWorkerChannel", worker_sid=sid, channel="voice", capacity=-1).status == 400


def test_more_capacity_brings_waiting_tasks(driver: EngineDriver) -> None:
    """Raising the capacity, or switching the channel on, routes at once; lowering takes nothing away."""
    sid = driver.worker("Ann", capacity=0)
    tasks = [driver.task() for _ in range(3)]
    driver.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=2)
    assert len(driver.pending(sid)) == 2
    channel = driver.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=1)
    assert len(driver.pending(sid)) == 2 and channel.available_capacity_percentage == 0
    driver.do("UpdateWorkerChannel", worker_sid=sid, channel="default", capacity=3, available=False)
    assert driver.status(tasks[2]) == "pending"
    driver.do("UpdateWorkerChannel", worker_sid=sid, channel="default", available=True)
    assert driver.status(tasks[2]) == "reserved"


def test_a_new_task_channel_reaches_every_worker(driver: EngineDriver) -> None:
    """Each worker gets a channel with one place; tasks of it are routed; it goes when its tasks are over."""
    sid = driver.worker("Ann")
    made = driver.do("CreateTaskChannel", friendly_name="Fax", unique_name="fax")
    assert driver.types() == ["task-channel.created"]
    channel = driver.engine.channel(driver.ws, sid, "fax")
    assert (channel.configured_capacity, channel.available, channel.task_channel_sid) == (1, True, made.sid)
    task = driver.task(task_channel="fax")
    assert driver.status(task) == "reserved"
    assert "still has tasks" in driver.refused("DeleteTaskChannel", task_channel="fax").message
    driver.to(driver.pending(sid)[0], "accepted")
    driver.do("UpdateTask", sid=task, assignment_status="completed")
    driver.do("DeleteTaskChannel", task_channel=made.sid)
    assert driver.types() == ["task-channel.deleted"]
    assert len(driver.engine.channels(driver.ws, sid)) == 5
    assert driver.refused("UpdateTaskChannel", task_channel="fax", friendly_name="x").status == 404


@pytest.mark.parametrize("unique_name", ["default", "1fax", "fax-line", "", "fäx", "x" * 65])
def test_bad_unique_names_are_refused(driver: EngineDriver, unique_name: str) -> None:
    """A unique name is a free identifier."""
    assert driver.refused("CreateTaskChannel", friendly_name="Fax", unique_name=unique_name).status == 400


def test_a_unique_name_may_hold_dollars(driver: EngineDriver) -> None:
    """Letters, digits, underscore and dollar make a unique name."""
    assert driver.do("CreateTaskChannel", friendly_name="x", unique_name="$fax_2").unique_name == "$fax_2"


def test_built_in_channels_can_be_renamed_but_not_deleted(driver: EngineDriver) -> None:
    """The five channels stay, whatever they are called."""
    assert driver.refused("DeleteTaskChannel", task_channel="voice").status == 400
    changed = driver.do(
        "UpdateTaskChannel", task_channel="voice", friendly_name="Phone", channel_optimized_routing=True
    )
    assert (changed.friendly_name, changed.channel_optimized_routing) == ("Phone", True)
    assert driver.types() == ["task-channel.updated"]
    assert driver.do("UpdateTaskChannel", task_channel="voice", friendly_name="Phone") == changed
    assert driver.types() == []


def test_records_are_frozen(driver: EngineDriver) -> None:
    """What is handed out cannot be changed."""
    record = driver.worker_record(driver.worker("Ann"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record.version = 9  # type: ignore[misc]
