"""Task queues and their members."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tools.seams import kernel_of
from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine.routing import matching


@pytest.fixture
def driver() -> EngineDriver:
    """A driver of an empty workspace."""
    return EngineDriver()


def members(driver: EngineDriver, queue: str) -> list[str]:
    """Return the names of a queue's members."""
    return [worker.friendly_name for worker in driver.engine.queue_members(driver.ws, queue)]


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
def test_bad_queues_are_refused(driver: EngineDriver, fields: dict[str, Any], words: str) -> None:
    """Each fault is named."""
    refusal = driver.refused("CreateTaskQueue", **fields)
    assert refusal.status == 400 and words in refusal.message


def test_single_tasking_needs_activities() -> None:
    """Where workers do one task at a time a queue must say what they do meanwhile."""
    driver = EngineDriver(multi_task=False)
    assert driver.refused("CreateTaskQueue", friendly_name="x").message == "Activity Sids cannot be empty"
    queue = driver.engine.queues(driver.ws)[0].sid
    assert driver.refused("UpdateTaskQueue", sid=queue, reservation_activity_sid=None).status == 400


def test_nobody_is_in_a_queue_without_expression(driver: EngineDriver) -> None:
    """A missing and an empty expression both match nobody."""
    driver.worker("Ann")
    for name, text in (("none", None), ("empty", "")):
        made = driver.do("CreateTaskQueue", friendly_name=name, target_workers=text)
        assert made.target_workers == text
        assert members(driver, made.sid) == []


def test_membership_follows_attributes_names_activities_and_expressions(driver: EngineDriver) -> None:
    """Whatever an expression reads, a change of it moves workers in and out."""
    skilled = driver.queue("Skilled", "level > 1")
    here = driver.queue("Here", 'activity_name == "Available"')
    ann = driver.worker("Ann", level=1)
    bob = driver.worker("Bob", "Offline", level=2)
    assert (members(driver, skilled), members(driver, here)) == (["Bob"], ["Ann"])
    driver.do("UpdateWorker", sid=ann, attributes='{"level": 3}')
    driver.set_activity(bob, "Available")
    assert (members(driver, skilled), members(driver, here)) == (["Ann", "Bob"], ["Ann", "Bob"])
    driver.do("UpdateTaskQueue", sid=skilled, target_workers='friendly_name == "Ann"')
    assert members(driver, skilled) == ["Ann"]
    driver.do("UpdateWorker", sid=ann, friendly_name="Eve")
    assert members(driver, skilled) == []


def test_members_are_counted_by_activity(driver: EngineDriver) -> None:
    """The numbers that a skip_if asks for follow the members."""
    queue = driver.queue("All")
    driver.worker("Ann")
    bob = driver.worker("Bob", "Offline")
    counts = matching.workers_scope(kernel_of(driver.engine).workspace(driver.ws).queue(queue))
    assert (counts.available, counts.unavailable) == (1, 1)
    driver.set_activity(bob, "Unavailable")
    counts = matching.workers_scope(kernel_of(driver.engine).workspace(driver.ws).queue(queue))
    assert counts.by_activity == {driver.activity("Available"): 1, driver.activity("Unavailable"): 1}


def test_an_expression_that_reaches_an_idle_worker_routes(driver: EngineDriver) -> None:
    """A waiting task is offered as soon as the queue's expression lets somebody in."""
    queue = driver.queue("Skilled", "level > 5")
    ann = driver.worker("Ann", level=3)
    task = driver.task(routing_target=queue)
    assert driver.status(task) == "pending"
    driver.do("UpdateTaskQueue", sid=queue, target_workers="level > 2")
    assert driver.types(ann) == ["reservation.created"]
    assert "task-queue.expression.updated" in driver.types()
    driver.do("UpdateTaskQueue", sid=queue, target_workers="")
    assert members(driver, queue) == []


def test_update_counts_versions_and_keeps_what_is_not_given(driver: EngineDriver) -> None:
    """A change is a version; the same values again are none; activities can be set and cleared."""
    queue = driver.queue("Q")
    offline = driver.activity("Offline")
    changed = driver.do("UpdateTaskQueue", sid=queue, friendly_name="R", assignment_activity_sid=offline)
    assert (changed.friendly_name, changed.assignment_activity_name, changed.version) == ("R", "Offline", 1)
    assert driver.do("UpdateTaskQueue", sid=queue, friendly_name="R") == changed
    assert driver.types() == []
    cleared = driver.do("UpdateTaskQueue", sid=queue, assignment_activity_sid=None)
    assert (cleared.assignment_activity_sid, cleared.assignment_activity_name) == (None, None)
    assert driver.refused("UpdateTaskQueue", sid=queue, friendly_name="Sample Queue").status == 400
    assert driver.refused("UpdateTaskQueue", sid=queue, target_workers="1=").status == 400


def test_a_renamed_queue_is_renamed_in_its_tasks(driver: EngineDriver) -> None:
    """Tasks show the queue's present name."""
    queue = driver.queue("Q")
    task = driver.task(routing_target=queue)
    driver.task()
    driver.do("UpdateTaskQueue", sid=queue, friendly_name="R")
    assert driver.get(task).task_queue_friendly_name == "R"


def test_a_changed_order_turns_the_line_round(driver: EngineDriver) -> None:
    """A queue that becomes LIFO serves the newest of its waiting tasks first."""
    queue = driver.queue("Q")
    tasks = []
    for _ in range(3):
        driver.now += 1
        tasks.append(driver.task(routing_target=queue))
    driver.do("UpdateTaskQueue", sid=queue, task_order="LIFO")
    driver.worker("Ann")
    assert [driver.status(task) for task in tasks] == ["pending", "pending", "reserved"]


def test_a_queue_in_use_cannot_be_deleted(driver: EngineDriver) -> None:
    """Workflows, tasks, and tasks that may still come keep a queue."""
    named, on_the_way, plain = driver.queue("Named"), driver.queue("On the way"), driver.queue("Plain")
    flow = driver.workflow({"expression": "1==1", "targets": [{"queue": named, "timeout": 10}, {"queue": on_the_way}]})
    assert "referenced by workflow" in driver.refused("DeleteTaskQueue", sid=named).message
    task = driver.task(workflow_sid=flow)
    new = json.dumps({"task_routing": {"default_filter": {"queue": named}}})
    driver.do("UpdateWorkflow", sid=flow, configuration=new)
    assert "still has tasks" in driver.refused("DeleteTaskQueue", sid=on_the_way).message
    driver.do("DeleteTask", sid=task)
    driver.do("DeleteTaskQueue", sid=on_the_way)
    waiting = driver.task(routing_target=plain)
    assert "still has tasks" in driver.refused("DeleteTaskQueue", sid=plain).message
    driver.do("UpdateTask", sid=waiting, assignment_status="canceled")
    ann = driver.worker("Ann")
    driver.do("DeleteTaskQueue", sid=plain)
    assert driver.types() == ["task-queue.deleted"]
    assert plain not in [queue.sid for queue in driver.engine.queues_of_worker(driver.ws, ann)]
    assert driver.refused("DeleteTaskQueue", sid=plain).status == 404


def test_a_queue_a_transfer_may_return_to_cannot_be_deleted(driver: EngineDriver) -> None:
    """While a task is handed to another queue the queue it came from stays."""
    driver.do("DeleteWorkflow", sid=driver.engine.workflows(driver.ws)[0].sid)
    home = driver.queue("Home")
    ann = driver.worker("Ann")
    _, reservation = driver.accepted(ann, routing_target=home)
    driver.transfer(reservation, driver.queue("Other", "level == 1"))
    assert "still has tasks" in driver.refused("DeleteTaskQueue", sid=home).message
