"""Task queues and their members."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.local.engine.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """A desk with nobody at it."""
    return Desk()


def members(desk: Desk, queue: str) -> list[str]:
    """Return the names of a queue's members."""
    return [worker.friendly_name for worker in desk.engine.queue_members(desk.ws, queue)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"friendly_name": "Sample Queue"}, "already exists"),
        ({"friendly_name": "x", "target_workers": "skill-level > 1"}, "TargetWorkers"),
        ({"friendly_name": "x", "max_reserved_workers": 0}, "between 1 and 50"),
        ({"friendly_name": "x", "max_reserved_workers": 51}, "between 1 and 50"),
        ({"friendly_name": "x", "max_reserved_workers": True}, "must be an integer"),
        ({"friendly_name": "x", "task_order": "fifo"}, "TaskOrder"),
        ({"friendly_name": "x", "reservation_activity_sid": "WAxxx"}, "WAxxx"),
    ],
)
def test_bad_queues_are_refused(desk: Desk, fields: dict[str, Any], words: str) -> None:
    """Each fault is named."""
    refusal = desk.refused("CreateTaskQueue", **fields)
    assert refusal.status == 400 and words in refusal.message


def test_single_tasking_needs_activities() -> None:
    """Where workers do one task at a time a queue must say what they do meanwhile."""
    desk = Desk(multi_task=False)
    assert desk.refused("CreateTaskQueue", friendly_name="x").message == "Activity Sids cannot be empty"
    queue = desk.engine.queues(desk.ws)[0].sid
    assert desk.refused("UpdateTaskQueue", sid=queue, reservation_activity_sid=None).status == 400


def test_nobody_is_in_a_queue_without_expression(desk: Desk) -> None:
    """A missing and an empty expression both match nobody."""
    desk.worker("Ann")
    for name, text in (("none", None), ("empty", "")):
        made = desk.do("CreateTaskQueue", friendly_name=name, target_workers=text)
        assert made.target_workers == text
        assert members(desk, made.sid) == []


def test_membership_follows_attributes_names_activities_and_expressions(desk: Desk) -> None:
    """Whatever an expression reads, a change of it moves workers in and out."""
    skilled = desk.queue("Skilled", "level > 1")
    here = desk.queue("Here", 'activity_name == "Available"')
    ann = desk.worker("Ann", level=1)
    bob = desk.worker("Bob", "Offline", level=2)
    assert (members(desk, skilled), members(desk, here)) == (["Bob"], ["Ann"])
    desk.do("UpdateWorker", sid=ann, attributes='{"level": 3}')
    desk.set_activity(bob, "Available")
    assert (members(desk, skilled), members(desk, here)) == (["Ann", "Bob"], ["Ann", "Bob"])
    desk.do("UpdateTaskQueue", sid=skilled, target_workers='friendly_name == "Ann"')
    assert members(desk, skilled) == ["Ann"]
    desk.do("UpdateWorker", sid=ann, friendly_name="Eve")
    assert members(desk, skilled) == []


def test_members_are_counted_by_activity(desk: Desk) -> None:
    """The numbers that a skip_if asks for follow the members."""
    queue = desk.queue("All")
    desk.worker("Ann")
    bob = desk.worker("Bob", "Offline")
    counts = desk.engine.queue_counts(desk.ws, queue)
    assert (counts.available, counts.unavailable) == (1, 1)
    desk.set_activity(bob, "Unavailable")
    counts = desk.engine.queue_counts(desk.ws, queue)
    assert counts.by_activity == {desk.activity("Available"): 1, desk.activity("Unavailable"): 1}


def test_an_expression_that_reaches_an_idle_worker_routes(desk: Desk) -> None:
    """A waiting task is offered as soon as the queue's expression lets somebody in."""
    queue = desk.queue("Skilled", "level > 5")
    ann = desk.worker("Ann", level=3)
    task = desk.task(routing_target=queue)
    assert desk.status(task) == "pending"
    desk.do("UpdateTaskQueue", sid=queue, target_workers="level > 2")
    assert desk.types(ann) == ["reservation.created"]
    assert "task-queue.expression.updated" in desk.types()
    desk.do("UpdateTaskQueue", sid=queue, target_workers="")
    assert members(desk, queue) == []


def test_update_counts_versions_and_keeps_what_is_not_given(desk: Desk) -> None:
    """A change is a version; the same values again are none; activities can be set and cleared."""
    queue = desk.queue("Q")
    offline = desk.activity("Offline")
    changed = desk.do("UpdateTaskQueue", sid=queue, friendly_name="R", assignment_activity_sid=offline)
    assert (changed.friendly_name, changed.assignment_activity_name, changed.version) == ("R", "Offline", 1)
    assert desk.do("UpdateTaskQueue", sid=queue, friendly_name="R") == changed
    assert desk.types() == []
    cleared = desk.do("UpdateTaskQueue", sid=queue, assignment_activity_sid=None)
    assert (cleared.assignment_activity_sid, cleared.assignment_activity_name) == (None, None)
    assert desk.refused("UpdateTaskQueue", sid=queue, friendly_name="Sample Queue").status == 400
    assert desk.refused("UpdateTaskQueue", sid=queue, target_workers="1=").status == 400


def test_a_renamed_queue_is_renamed_in_its_tasks(desk: Desk) -> None:
    """Tasks show the queue's present name."""
    queue = desk.queue("Q")
    task = desk.task(routing_target=queue)
    desk.task()
    desk.do("UpdateTaskQueue", sid=queue, friendly_name="R")
    assert desk.get(task).task_queue_friendly_name == "R"


def test_a_changed_order_turns_the_line_round(desk: Desk) -> None:
    """A queue that becomes LIFO serves the newest of its waiting tasks first."""
    queue = desk.queue("Q")
    tasks = []
    for _ in range(3):
        desk.now += 1
        tasks.append(desk.task(routing_target=queue))
    desk.do("UpdateTaskQueue", sid=queue, task_order="LIFO")
    desk.worker("Ann")
    assert [desk.status(task) for task in tasks] == ["pending", "pending", "reserved"]


def test_a_queue_in_use_cannot_be_deleted(desk: Desk) -> None:
    """Workflows, tasks, and tasks that may still come keep a queue."""
    named, on_the_way, plain = desk.queue("Named"), desk.queue("On the way"), desk.queue("Plain")
    flow = desk.workflow({"expression": "1==1", "targets": [{"queue": named, "timeout": 10}, {"queue": on_the_way}]})
    assert "referenced by workflow" in desk.refused("DeleteTaskQueue", sid=named).message
    task = desk.task(workflow_sid=flow)
    new = json.dumps({"task_routing": {"default_filter": {"queue": named}}})
    desk.do("UpdateWorkflow", sid=flow, configuration=new)
    assert "still has tasks" in desk.refused("DeleteTaskQueue", sid=on_the_way).message
    desk.do("DeleteTask", sid=task)
    desk.do("DeleteTaskQueue", sid=on_the_way)
    waiting = desk.task(routing_target=plain)
    assert "still has tasks" in desk.refused("DeleteTaskQueue", sid=plain).message
    desk.do("UpdateTask", sid=waiting, assignment_status="canceled")
    ann = desk.worker("Ann")
    desk.do("DeleteTaskQueue", sid=plain)
    assert desk.types() == ["task-queue.deleted"]
    assert plain not in [queue.sid for queue in desk.engine.queues_of_worker(desk.ws, ann)]
    assert desk.refused("DeleteTaskQueue", sid=plain).status == 404


def test_a_queue_a_transfer_may_return_to_cannot_be_deleted(desk: Desk) -> None:
    """While a task is handed to another queue the queue it came from stays."""
    desk.do("DeleteWorkflow", sid=desk.engine.workflows(desk.ws)[0].sid)
    home = desk.queue("Home")
    ann = desk.worker("Ann")
    _, reservation = desk.accepted(ann, routing_target=home)
    desk.transfer(reservation, desk.queue("Other", "level == 1"))
    assert "still has tasks" in desk.refused("DeleteTaskQueue", sid=home).message
