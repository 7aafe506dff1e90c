"""Tasks: creation, changes of data, endings, timers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.desk import ACCOUNT, Desk
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def desk() -> Desk:
    """A desk with nobody at it."""
    return Desk()


def test_defaults_of_a_new_task(desk: Desk) -> None:
    """A task made of nothing has the documented values."""
    task = desk.do("CreateTask")
    assert (task.attributes, task.addons, task.priority, task.timeout, task.reason) == ("{}", "{}", 0, 86400, None)
    assert (task.task_channel_unique_name, task.virtual_start_time, task.version, task.counter) == (
        "default",
        desk.now,
        0,
        0,
    )
    assert task.task_queue_friendly_name == "Sample Queue" and task.task_queue_entered_date == desk.now
    assert task.workflow_friendly_name == "Default Fifo Workflow" and task.ignore_capacity is False
    assert task.age(desk.now + 5.5) == 5 and task.age(0) == 0
    assert desk.engine.task_attributes(desk.ws, task.sid) == {}


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
def test_bad_tasks_are_refused(desk: Desk, fields: dict[str, Any], words: str) -> None:
    """Each fault is named, and nothing is made."""
    refusal = desk.refused("CreateTask", **fields)
    assert (refusal.status, refusal.code) == (400, 20001)
    assert words in refusal.message


def test_a_malformed_workflow_beside_a_routing_target(desk: Desk) -> None:
    """The service's own words for that case."""
    ann = desk.worker("Ann")
    refusal = desk.refused("CreateTask", workflow_sid="WWxx", routing_target=ann)
    assert refusal.message == (
        "Value 'WWxx' provided for WorkflowSid as RoutingTarget has an invalid format."
        f" WorkspaceSid: {desk.ws}, AccountSid: {ACCOUNT}"
    )


def test_the_workflow_may_be_left_out_when_there_is_only_one(desk: Desk) -> None:
    """With two workflows, or none, it has to be said which."""
    assert desk.get(desk.task()).workflow_sid == desk.engine.workflows(desk.ws)[0].sid
    desk.workflow(default={"queue": desk.engine.queues(desk.ws)[0].sid})
    assert "WorkflowSid field is required" in desk.refused("CreateTask").message
    assert "WorkflowSid field is required" in Desk(template="NONE").refused("CreateTask").message


def test_sids_are_found_in_capitals_too(desk: Desk) -> None:
    """The case of a sid's digits does not matter."""
    task = desk.task()
    shouted = task[:2] + task[2:].upper()
    assert desk.engine.task(desk.ws.replace("ws", "WS"), shouted).sid == task
    assert desk.do("UpdateTask", sid=shouted, priority=1).sid == task


def test_update_changes_what_is_given_and_counts_once(desk: Desk) -> None:
    """All changes of one request are one version and one event; the same values again are nothing."""
    ann = desk.worker("Ann")
    task = desk.task()
    before = desk.get(task).version
    fields = {"attributes": '{"a":1}', "priority": 4, "task_channel": "voice", "virtual_start_time": desk.now - 9}
    changed = desk.do("UpdateTask", sid=task, **fields)
    assert desk.types(ann) == ["task.updated"]
    assert changed.version == before + 1
    assert (changed.attributes, changed.priority, changed.task_channel_unique_name) == ('{"a":1}', 4, "voice")
    assert desk.do("UpdateTask", sid=task, **fields) == changed
    assert desk.types() == []
    assert desk.reservation(desk.pending(ann)[0]).task_channel_sid != changed.task_channel_sid


def test_a_waiting_task_can_go_to_another_channel(desk: Desk) -> None:
    """Where the worker has room on the new channel the task is offered at once."""
    ann = desk.worker("Ann")
    desk.task()
    waiting = desk.task()
    desk.do("UpdateTask", sid=waiting, task_channel="chat")
    assert desk.types(ann) == ["reservation.created"]
    assert desk.engine.channel(desk.ws, ann, "chat").occupied == 1
    assert desk.refused("UpdateTask", sid=waiting, task_channel="fax").status == 400


def test_a_task_that_is_over_does_not_change(desk: Desk) -> None:
    """Canceled and completed are final."""
    task = desk.task()
    desk.do("UpdateTask", sid=task, assignment_status="canceled")
    assert desk.refused("UpdateTask", sid=task, priority=1).status == 400
    assert desk.do("UpdateTask", sid=task).assignment_status == "canceled"
    where = f"{task} in workspace {desk.ws} for account {ACCOUNT}"
    expected = {
        "canceled": f"Cannot cancel task {where} because it is not pending or reserved.",
        "wrapping": f"Cannot wrap up a task {where} because it's not currently assigned",
        "completed": f"Cannot complete task {where} because it is not currently assigned.",
    }
    for status, message in expected.items():
        assert desk.refused("UpdateTask", sid=task, assignment_status=status).message == message


@pytest.mark.parametrize("status", ["pending", "reserved", "assigned", "done"])
def test_only_three_statuses_can_be_asked_for(desk: Desk, status: str) -> None:
    """The others come about by themselves."""
    assert desk.refused("UpdateTask", sid=desk.task(), assignment_status=status).status == 400


def test_an_assigned_task_cannot_be_canceled_and_a_pending_one_not_completed(desk: Desk) -> None:
    """Each request has its states."""
    pending = desk.task(priority=-0)
    assert desk.refused("UpdateTask", sid=pending, assignment_status="completed").status == 400
    ann = desk.worker("Ann")
    desk.to(desk.pending(ann)[0], "accepted")
    assert desk.refused("UpdateTask", sid=pending, assignment_status="canceled").status == 400
    desk.do("UpdateTask", sid=pending, assignment_status="wrapping")
    assert desk.refused("UpdateTask", sid=pending, assignment_status="wrapping").status == 400
    desk.do("UpdateTask", sid=pending, assignment_status="completed")


def test_a_status_beside_attributes_wins(desk: Desk) -> None:
    """The status is changed, the attributes are left."""
    task = desk.task({"a": 1})
    canceled = desk.do("UpdateTask", sid=task, assignment_status="canceled", attributes='{"b":2}', reason="r")
    assert (canceled.assignment_status, canceled.attributes, canceled.reason) == ("canceled", '{"a":1}', "r")


def test_if_match_guards_update_and_delete(desk: Desk) -> None:
    """Another version than the current one is refused with 412."""
    task = desk.task()
    assert desk.refused("UpdateTask", sid=task, assignment_status="canceled", if_match=5).status == 412
    assert desk.refused("DeleteTask", sid=task, if_match=5).status == 412
    desk.do("DeleteTask", sid=task, if_match=0)


def test_reason_of_completion_stays_when_none_is_given(desk: Desk) -> None:
    """Completing without a reason keeps that of the wrap-up."""
    task, _ = desk.accepted(desk.worker("Ann"))
    desk.do("UpdateTask", sid=task, assignment_status="wrapping", reason="one")
    assert desk.do("UpdateTask", sid=task, assignment_status="completed").reason == "one"


def test_the_log_has_an_update_after_completion(desk: Desk) -> None:
    """As observed live; no session hears it."""
    ann = desk.worker("Ann")
    task, _ = desk.accepted(ann)
    desk.do("UpdateTask", sid=task, assignment_status="completed")
    assert desk.types() == ["task.completed", "reservation.completed", "task.updated"]
    assert desk.types(ann) == ["task.completed", "reservation.completed"]


def test_nobody_accepts_in_the_tasks_time(desk: Desk) -> None:
    """At the end of its life a reserved task is canceled with its reservations."""
    ann = desk.worker("Ann")
    task = desk.task(timeout=60)
    desk.advance(60)
    assert desk.types(ann) == ["task.canceled", "reservation.canceled"]
    assert desk.get(task).reason == "Task TTL Exceeded"
    pending = desk.task(timeout=30, task_channel="voice", routing_target=desk.queue("Empty", ""))
    desk.advance(30)
    assert desk.get(pending).reason == "Task TTL Exceeded"


def test_a_task_that_is_over_is_purged_after_five_minutes(desk: Desk) -> None:
    """It stays to be looked at for a while, then it is gone with its reservations and transfers."""
    ann = desk.worker("Ann")
    task, reservation = desk.accepted(ann)
    bob = desk.worker("Bob")
    transfer = desk.transfer(reservation, bob)
    desk.to(desk.pending(bob)[0], "rejected")
    desk.do("UpdateTask", sid=task, assignment_status="completed")
    desk.advance(299)
    assert desk.status(task) == "completed"
    assert [t.sid for t in desk.engine.transfers(desk.ws, task)] == [transfer.sid]
    desk.advance(1)
    assert desk.types() == []
    assert desk.engine.tasks(desk.ws) == [] and desk.engine.reservations(desk.ws) == []
    assert desk.refused("UpdateTask", sid=task).status == 404
    fields = {"worker_sid": ann, "task_sid": task}
    assert desk.refused("CancelTransfer", sid=transfer.sid, **fields).status == 404
    assert desk.engine.reservations(desk.ws, worker_sid=ann) == []


def test_a_task_assigned_for_a_day_is_removed(desk: Desk) -> None:
    """The system deletes it, completing the reservation."""
    ann = desk.worker("Ann")
    task, _ = desk.accepted(ann)
    desk.advance(86399)
    assert desk.status(task) == "assigned"
    desk.advance(1)
    assert desk.types() == ["reservation.completed", "task.system-deleted"]
    assert desk.engine.tasks(desk.ws) == []


def test_wrapping_stops_the_day(desk: Desk) -> None:
    """A task that is being wrapped up is not removed."""
    task, _ = desk.accepted(desk.worker("Ann"))
    desk.do("UpdateTask", sid=task, assignment_status="wrapping")
    desk.advance(200000)
    assert desk.status(task) == "wrapping"


def test_deleting_a_reserved_and_a_finished_task(desk: Desk) -> None:
    """Pending reservations are canceled; what is over is only removed."""
    ann = desk.worker("Ann")
    desk.do("DeleteTask", sid=desk.task())
    assert desk.types(ann) == ["reservation.canceled"]
    task, _ = desk.accepted(ann)
    desk.do("UpdateTask", sid=task, assignment_status="completed")
    desk.do("DeleteTask", sid=task)
    assert desk.types() == ["task.deleted"]
    desk.advance(1000)
    assert desk.engine.next_deadline() is None


def test_events_can_come_reservation_first() -> None:
    """The switch turns the order of task and reservation events round."""
    desk = Desk(rules=Rules(task_events_first=False))
    ann = desk.worker("Ann")
    _, reservation = desk.accepted(ann)
    desk.to(reservation, "completed")
    assert desk.types(ann) == ["reservation.completed", "task.completed"]
