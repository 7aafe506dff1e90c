"""Deleted resources to which tasks, reservations and workers still refer."""

from __future__ import annotations

import json

from tests.unit.local.engine.driver import EngineDriver


def fax(driver: EngineDriver) -> str:
    """Make a task channel and return its sid."""
    return str(driver.do("CreateTaskChannel", friendly_name="Fax", unique_name="fax").sid)


def test_a_channel_whose_task_has_moved_to_another_one() -> None:
    """Its reservation is answered and ends all the same; the worker is free for the next task of another channel."""
    driver = EngineDriver()
    channel = fax(driver)
    ann = driver.worker("Ann")
    task = driver.task(task_channel="fax")
    (reservation,) = driver.pending(ann)
    driver.do("UpdateTask", sid=task, task_channel="default")
    driver.do("DeleteTaskChannel", task_channel=channel)
    driver.to(reservation, "accepted")
    driver.to(reservation, "completed")
    assert driver.status(task) == "completed"
    assert "fax" not in {each.task_channel_unique_name for each in driver.engine.channels(driver.ws, ann)}
    driver.task()
    assert len(driver.pending(ann)) == 1


def test_an_ended_task_of_a_deleted_channel_is_explained() -> None:
    """Nobody can be free for it, and the channel is said to be missing."""
    driver = EngineDriver()
    channel = fax(driver)
    driver.worker("Ann")
    task = driver.task(task_channel="fax")
    driver.do("UpdateTask", sid=task, assignment_status="canceled")
    driver.do("DeleteTaskChannel", task_channel=channel)
    found = driver.engine.explain(driver.ws, task)
    assert [queue.free for queue in found.queues] == [0]
    failed = {check.name: check.detail for check in found.workers[0].checks if not check.passed}
    assert failed["capacity"] == "channel fax no longer exists"


def test_the_activity_that_a_worker_was_in_before_a_reservation() -> None:
    """A worker who does one task at a time stays where it is once its earlier activity was deleted."""
    driver = EngineDriver(multi_task=False)
    tea = driver.do("CreateActivity", friendly_name="Tea", available=True).sid
    ann = driver.worker("Ann", "Tea")
    task = driver.task()
    during = driver.worker_record(ann).activity_name
    assert during != "Tea"
    driver.do("DeleteActivity", sid=tea)
    driver.do("UpdateTask", sid=task, assignment_status="canceled")
    assert (driver.pending(ann), driver.worker_record(ann).activity_name) == ([], during)


def test_a_queue_beside_one_that_an_earlier_configuration_still_uses() -> None:
    """A task that entered with an earlier configuration keeps the queues of that one only."""
    driver = EngineDriver()
    used, unused = driver.queue("Used", "1==2"), driver.queue("Unused", "1==2")
    workflow = driver.workflow({"expression": "1==1", "targets": [{"queue": used}]})
    task = driver.task(workflow_sid=workflow)
    sample = driver.engine.queues(driver.ws)[0].sid
    configuration = json.dumps({"task_routing": {"default_filter": {"queue": sample}}})
    driver.do("UpdateWorkflow", sid=workflow, configuration=configuration)
    assert driver.refused("DeleteTaskQueue", sid=used).status == 400
    driver.do("DeleteTaskQueue", sid=unused)
    assert driver.get(task).task_queue_sid == used
