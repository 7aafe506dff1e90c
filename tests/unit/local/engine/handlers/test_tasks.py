"""Tasks: creation, changes of data, endings, timers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def driver() -> EngineDriver:
    """A driver of an empty workspace."""
    return EngineDriver()


def test_defaults_of_a_new_task(driver: EngineDriver) -> None:
    """A task made of nothing has the documented values."""
    task = driver.do("CreateTask")
    assert (task.attributes, task.addons, task.priority, task.timeout, task.reason) == ("{}", "{}", 0, 86400, None)
    assert (task.task_channel_unique_name, task.virtual_start_time, task.version, task.counter) == (
        "default",
        driver.now,
        0,
        0,
    )
    assert task.task_queue_friendly_name == "Sample Queue" and task.task_queue_entered_date == driver.now
    assert task.workflow_friendly_name == "Default Fifo Workflow" and task.ignore_capacity is False
    assert task.age(driver.now + 5.5) == 5 and task.age(0) == 0
    assert driver.engine.task_attributes(driver.ws, task.sid) == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"attributes": "5"}, "not a JSON number"),
        ({"attributes": '"x"'}, "not a JSON string"),
        ({"attributes": "true"}, "not a JSON boolean"),
        ({"priority": -1}, "Priority must be between 0 and 2147483647"),
        ({"priority": 2**31}, "Priority must be between"),
        ({"priority": "high"}, "Priority must be an integer, not str"),
        ({"timeout": 0}, "Timeout must be between 1 and 1209600"),
        ({"timeout": 1209601}, "Timeout must be between"),
        ({"task_channel": "fax"}, "TaskChannel 'fax'"),
        ({"virtual_start_time": -2208988801.0}, "1900"),
        ({"virtual_start_time": float("nan")}, "VirtualStartTime must be a number"),
        ({"workflow_sid": "WW" + "0" * 32}, "WorkflowSid"),
        ({"routing_target": "WK" + "0" * 32}, "RoutingTarget"),
        ({"routing_target": "me"}, "RoutingTarget 'me'"),
        ({"ignore_capacity": True}, "IgnoreCapacity"),
        ({"task_queue_sid": "WQxxx"}, "TaskQueueSid 'WQxxx'"),
    ],
)
def test_bad_tasks_are_refused(driver: EngineDriver, fields: dict[str, Any], words: str) -> None:
    """Each fault is named, and nothing is made."""
    refusal = driver.refused("CreateTask", **fields)
    assert (refusal.status, refusal.code) == (400, 20001)
    assert words in refusal.message


def test_a_malformed_workflow_beside_a_routing_target(driver: EngineDriver) -> None:
    """The service's own words for that case."""
    ann = driver.worker("Ann")
    refusal = driver.refused("CreateTask", workflow_sid="WWxx", routing_target=ann)
    assert refusal.message == (
        "Value 'WWxx' provided for WorkflowSid as RoutingTarget has an invalid format."
        f" WorkspaceSid: {driver.ws}, AccountSid: {ACCOUNT}"
    )


def test_the_workflow_may_be_left_out_when_there_is_only_one(driver: EngineDriver) -> None:
    """With two workflows, or none, it has to be said which."""
    assert driver.get(driver.task()).workflow_sid == driver.engine.workflows(driver.ws)[0].sid
    driver.workflow(default={"queue": driver.engine.queues(driver.ws)[0].sid})
    assert "WorkflowSid field is required" in driver.refused("CreateTask").message
    assert "WorkflowSid field is required" in EngineDriver(template="NONE").refused("CreateTask").message


def test_sids_are_found_in_capitals_too(driver: EngineDriver) -> None:
    """The case of a sid's digits does not matter."""
    task = driver.task()
    shouted = task[:2] + task[2:].upper()
    assert driver.engine.task(driver.ws.replace("ws", "WS"), shouted).sid == task
    assert driver.do("UpdateTask", sid=shouted, priority=1).sid == task


def test_update_changes_what_is_given_and_counts_once(driver: EngineDriver) -> None:
    """All changes of one request are one version and one event; the same values again are nothing."""
    ann = driver.worker("Ann")
    task = driver.task()
    before = driver.get(task).version
    fields = {"attributes": '{"a":1}', "priority": 4, "task_channel": "voice", "virtual_start_time": driver.now - 9}
    changed = driver.do("UpdateTask", sid=task, **fields)
    assert driver.types(ann) == ["task.updated"]
    assert changed.version == before + 1
    assert (changed.attributes, changed.priority, changed.task_channel_unique_name) == ('{"a":1}', 4, "voice")
    assert driver.do("UpdateTask", sid=task, **fields) == changed
    assert driver.types() == []
    assert driver.reservation(driver.pending(ann)[0]).task_channel_sid != changed.task_channel_sid


def test_a_waiting_task_can_go_to_another_channel(driver: EngineDriver) -> None:
    """Where the worker has room on the new channel the task is offered at once."""
    ann = driver.worker("Ann")
    driver.task()
    waiting = driver.task()
    driver.do("UpdateTask", sid=waiting, task_channel="chat")
    assert driver.types(ann) == ["reservation.created"]
    assert driver.engine.channel(driver.ws, ann, "chat").occupied == 1
    assert driver.refused("UpdateTask", sid=waiting, task_channel="fax").status == 400


def test_a_task_that_is_over_does_not_change(driver: EngineDriver) -> None:
    """Canceled and completed are final."""
    task = driver.task()
    driver.do("UpdateTask", sid=task, assignment_status="canceled")
    assert driver.refused("UpdateTask", sid=task, priority=1).status == 400
    assert driver.do("UpdateTask", sid=task).assignment_status == "canceled"
    where = f"{task} in workspace {driver.ws} for account {ACCOUNT}"
    expected = {
        "canceled": f"Cannot cancel task {where} because it is not pending or reserved.",
        "wrapping": f"Cannot wrap up a task {where} because it's not currently assigned",
        "completed": f"Cannot complete task {where} because it is not currently assigned.",
    }
    for status, message in expected.items():
        assert driver.refused("UpdateTask", sid=task, assignment_status=status).message == message


@pytest.mark.parametrize("status", ["pending", "reserved", "assigned", "done"])
def test_only_three_statuses_can_be_asked_for(driver: EngineDriver, status: str) -> None:
    """The others come about by themselves."""
    assert driver.refused("UpdateTask", sid=driver.task(), assignment_status=status).status == 400


def test_an_assigned_task_cannot_be_canceled_and_a_pending_one_not_completed(driver: EngineDriver) -> None:
    """Each request has its states."""
    pending = driver.task(priority=-0)
    assert driver.refused("UpdateTask", sid=pending, assignment_status="completed").status == 400
    ann = driver.worker("Ann")
    driver.to(driver.pending(ann)[0], "accepted")
    assert driver.refused("UpdateTask", sid=pending, assignment_status="canceled").status == 400
    driver.do("UpdateTask", sid=pending, assignment_status="wrapping")
    assert driver.refused("UpdateTask", sid=pending, assignment_status="wrapping").status == 400
    driver.do("UpdateTask", sid=pending, assignment_status="completed")


def test_a_status_beside_attributes_wins(driver: EngineDriver) -> None:
    """The status is changed, the attributes are left."""
    task = driver.task({"a": 1})
    canceled = driver.do("UpdateTask", sid=task, assignment_status="canceled", attributes='{"b":2}', reason="r")
    assert (canceled.assignment_status, canceled.attributes, canceled.reason) == ("canceled", '{"a":1}', "r")


def test_if_match_guards_update_and_delete(driver: EngineDriver) -> None:
    """Another version than the current one is refused with 412."""
    task = driver.task()
    assert driver.refused("UpdateTask", sid=task, assignment_status="canceled", if_match=5).status == 412
    assert driver.refused("DeleteTask", sid=task, if_match=5).status == 412
    driver.do("DeleteTask", sid=task, if_match=0)


def test_reason_of_completion_stays_when_none_is_given(driver: EngineDriver) -> None:
    """Completing without a reason keeps that of the wrap-up."""
    task, _ = driver.accepted(driver.worker("Ann"))
    driver.do("UpdateTask", sid=task, assignment_status="wrapping", reason="one")
    assert driver.do("UpdateTask", sid=task, assignment_status="completed").reason == "one"


def test_the_log_has_an_update_after_completion(driver: EngineDriver) -> None:
    """As observed live; no session hears it."""
    ann = driver.worker("Ann")
    task, _ = driver.accepted(ann)
    driver.do("UpdateTask", sid=task, assignment_status="completed")
    assert driver.types() == ["task.completed", "reservation.completed", "task.updated"]
    assert driver.types(ann) == ["task.completed", "reservation.completed"]


def test_nobody_accepts_in_the_tasks_time(driver: EngineDriver) -> None:
    """At the end of its life a reserved task is canceled with its reservations."""
    ann = driver.worker("Ann")
    task = driver.task(timeout=60)
    driver.advance(60)
    assert driver.types(ann) == ["task.canceled", "reservation.canceled"]
    assert driver.get(task).reason == "Task TTL Exceeded"
    pending = driver.task(timeout=30, task_channel="voice", routing_target=driver.queue("Empty", ""))
    driver.advance(30)
    assert driver.get(pending).reason == "Task TTL Exceeded"


def test_a_task_that_is_over_is_purged_after_five_minutes(driver: EngineDriver) -> None:
    """It stays to be looked at for a while, then it is gone with its reservations and transfers."""
    ann = driver.worker("Ann")
    task, reservation = driver.accepted(ann)
    bob = driver.worker("Bob")
    transfer = driver.transfer(reservation, bob)
    driver.to(driver.pending(bob)[0], "rejected")
    driver.do("UpdateTask", sid=task, assignment_status="completed")
    driver.advance(299)
    assert driver.status(task) == "completed"
    assert [t.sid for t in driver.engine.transfers(driver.ws, task)] == [transfer.sid]
    driver.advance(1)
    assert driver.types() == []
    assert driver.engine.tasks(driver.ws) == [] and driver.engine.reservations(driver.ws) == []
    assert driver.refused("UpdateTask", sid=task).status == 404
    fields = {"worker_sid": ann, "task_sid": task}
    assert driver.refused("CancelTransfer", sid=transfer.sid, **fields).status == 404
    assert driver.engine.reservations(driver.ws, worker_sid=ann) == []


def test_a_task_assigned_for_a_day_is_removed(driver: EngineDriver) -> None:
    """The system deletes it, completing the reservation."""
    ann = driver.worker("Ann")
    task, _ = driver.accepted(ann)
    driver.advance(86399)
    assert driver.status(task) == "assigned"
    driver.advance(1)
    assert driver.types() == ["reservation.completed", "task.system-deleted"]
    assert driver.engine.tasks(driver.ws) == []


def test_wrapping_stops_the_day(driver: EngineDriver) -> None:
    """A task that is being wrapped up is not removed."""
    task, _ = driver.accepted(driver.worker("Ann"))
    driver.do("UpdateTask", sid=task, assignment_status="wrapping")
    driver.advance(200000)
    assert driver.status(task) == "wrapping"


def test_deleting_a_reserved_and_a_finished_task(driver: EngineDriver) -> None:
    """Pending reservations are canceled; what is over is only removed."""
    ann = driver.worker("Ann")
    driver.do("DeleteTask", sid=driver.task())
    assert driver.types(ann) == ["reservation.canceled"]
    task, _ = driver.accepted(ann)
    driver.do("UpdateTask", sid=task, assignment_status="completed")
    driver.do("DeleteTask", sid=task)
    assert driver.types() == ["task.deleted"]
    driver.advance(1000)
    assert driver.engine.next_deadline() is None


def test_events_can_come_reservation_first() -> None:
    """The switch turns the order of task and reservation events round."""
    driver = EngineDriver(rules=Rules(task_events_first=False))
    ann = driver.worker("Ann")
    _, reservation = driver.accepted(ann)
    driver.to(reservation, "completed")
    assert driver.types(ann) == ["reservation.completed", "task.completed"]
