"""Workspaces and activities."""

from __future__ import annotations

import json

import pytest

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from twilio_taskrouter_worker.local.engine import Engine, Rejected, commands


def test_template_none_has_activities_and_channels_only() -> None:
    """A plain workspace comes with three activities and five channels, and its default and timeout are Offline."""
    driver = EngineDriver(template="NONE")
    activities = [(a.friendly_name, a.available) for a in driver.engine.activities(driver.ws)]
    assert activities == [("Offline", False), ("Available", True), ("Unavailable", False)]
    channels = [(c.unique_name, c.friendly_name) for c in driver.engine.task_channels(driver.ws)]
    assert channels[0] == ("default", "Default") and len(channels) == 5
    assert driver.engine.queues(driver.ws) == [] and driver.engine.workflows(driver.ws) == []
    workspace = driver.engine.workspace(driver.ws)
    assert workspace.default_activity_name == workspace.timeout_activity_name == "Offline"
    assert workspace.default_activity_sid == driver.activity("Offline")


def test_template_fifo_has_a_queue_and_a_workflow() -> None:
    """The FIFO template's queue and workflow have the documented values."""
    driver = EngineDriver(template="fifo")
    (queue,) = driver.engine.queues(driver.ws)
    (flow,) = driver.engine.workflows(driver.ws)
    assert (queue.friendly_name, queue.target_workers) == ("Sample Queue", "1==1")
    assert (queue.task_order, queue.max_reserved_workers) == ("FIFO", 1)
    assert (flow.friendly_name, flow.task_reservation_timeout) == ("Default Fifo Workflow", 120)
    assert flow.assignment_callback_url is None
    assert json.loads(flow.configuration)["task_routing"]["default_filter"] == {"queue": queue.sid}


def test_single_tasking_workspace_has_the_old_activities() -> None:
    """A legacy workspace has four activities, and its sample queue uses two of them."""
    driver = EngineDriver(multi_task=False)
    names = [a.friendly_name for a in driver.engine.activities(driver.ws)]
    assert names == ["Offline", "Idle", "Busy", "Reserved"]
    (queue,) = driver.engine.queues(driver.ws)
    assert (queue.reservation_activity_name, queue.assignment_activity_name) == ("Reserved", "Busy")


@pytest.mark.parametrize(
    "fields",
    [
        {"friendly_name": ""},
        {"friendly_name": "x" * 65},
        {"friendly_name": "x", "template": "LIFO"},
        {"friendly_name": "x", "prioritize_queue_order": "random"},
    ],
)
def test_bad_workspaces_are_refused(fields: dict[str, str]) -> None:
    """Names and words that are out of range are refused before anything is made."""
    assert EngineDriver().refused("CreateWorkspace", **fields).status == 400


def test_update_changes_what_is_given() -> None:
    """Only given fields change; None clears; the same values again are no change."""
    driver = EngineDriver()
    fields = {"friendly_name": "New", "event_callback_url": "http://x", "events_filter": "task.created"}
    driver.do("UpdateWorkspace", **fields, default_activity_sid=driver.activity("Available"))
    assert driver.types() == ["workspace.updated"]
    changed = driver.do("UpdateWorkspace", event_callback_url=None, timeout_activity_sid=driver.activity("Unavailable"))
    assert (changed.friendly_name, changed.event_callback_url, changed.events_filter) == ("New", None, "task.created")
    assert (changed.default_activity_name, changed.timeout_activity_name) == ("Available", "Unavailable")
    assert driver.do("UpdateWorkspace", friendly_name="New") == changed
    assert driver.types() == []


def test_multi_tasking_can_be_switched_on_but_not_off() -> None:
    """A workspace becomes multi-tasking once and for all, and its busy workers are then free for more."""
    driver = EngineDriver(multi_task=False)
    worker = driver.worker("Ann", "Idle", capacity=2)
    for _ in range(2):
        driver.task()
    assert len(driver.pending(worker)) == 1
    assert driver.do("UpdateWorkspace", multi_task_enabled=True).multi_task_enabled is True
    driver.set_activity(worker, "Idle")
    assert len(driver.pending(worker)) == 2
    assert driver.refused("UpdateWorkspace", multi_task_enabled=False).status == 400


def test_delete_removes_everything_and_its_timers() -> None:
    """Nothing in a deleted workspace is found any more, and none of its timers is left."""
    driver = EngineDriver()
    driver.worker("Ann")
    for _ in range(2):
        driver.task()
    done = driver.task()
    driver.do("UpdateTask", sid=done, assignment_status="canceled")
    driver.do("DeleteWorkspace")
    assert driver.types() == ["workspace.deleted"]
    assert driver.engine.workspaces() == []
    assert driver.engine.next_deadline() is None
    refusal = driver.refused("CreateTask")
    assert (refusal.status, refusal.code) == (404, 20404)
    assert refusal.message == f"The requested resource /Workspaces/{driver.ws} was not found"


def test_activities_are_unique_whatever_their_case() -> None:
    """Names of activities are compared without regard to case."""
    driver = EngineDriver()
    made = driver.do("CreateActivity", friendly_name="Lunch", available=True)
    assert driver.types() == ["activity.created"]
    assert made.available and driver.engine.activity(driver.ws, made.sid) == made
    assert driver.refused("CreateActivity", friendly_name="LUNCH").status == 400
    assert driver.refused("UpdateActivity", sid=made.sid, friendly_name="offline").status == 400
    assert driver.refused("UpdateActivity", sid="WA" + "0" * 32, friendly_name="x").status == 404


def test_a_renamed_activity_has_its_new_name_everywhere() -> None:
    """Workspace, workers, queues and memberships follow the new name."""
    driver = EngineDriver()
    available, offline = driver.activity("Available"), driver.activity("Offline")
    queue = driver.queue("Ready", 'activity_name == "Ready"', reservation_activity_sid=available)
    worker = driver.worker("Ann")
    assert driver.engine.queue_members(driver.ws, queue) == []
    renamed = driver.do("UpdateActivity", sid=available, friendly_name="Ready")
    assert driver.types() == ["activity.updated"]
    assert driver.do("UpdateActivity", sid=available, friendly_name="Ready") == renamed
    driver.do("UpdateActivity", sid=offline, friendly_name="Home")
    assert driver.worker_record(worker).activity_name == "Ready"
    assert [w.sid for w in driver.engine.queue_members(driver.ws, queue)] == [worker]
    assert driver.engine.queue(driver.ws, queue).reservation_activity_name == "Ready"
    assert driver.engine.workspace(driver.ws).default_activity_name == "Home"


def test_a_waiting_task_is_offered_to_the_workers_of_a_renamed_activity() -> None:
    """A target expression can ask for the name of the activity, whether or not a queue does."""
    driver = EngineDriver()
    target = {"queue": driver.engine.queues(driver.ws)[0].sid, "expression": 'worker.activity_name == "Ready"'}
    task = driver.task(workflow_sid=driver.workflow({"expression": "1==1", "targets": [target]}))
    worker = driver.worker("Ann")
    assert driver.status(task) == "pending"
    driver.do("UpdateActivity", sid=driver.activity("Available"), friendly_name="Ready")
    assert driver.reservation(driver.pending(worker)[0]).task_sid == task


def test_an_activity_in_use_cannot_be_deleted() -> None:
    """Default, timeout, queue and current activities stay; others go."""
    driver = EngineDriver()
    used = driver.do("CreateActivity", friendly_name="Used").sid
    driver.queue("Q", reservation_activity_sid=used)
    driver.worker("Ann")
    for name in ("Offline", "Used", "Available"):
        assert "cannot be deleted" in driver.refused("DeleteActivity", sid=driver.activity(name)).message
    driver.do("DeleteActivity", sid=driver.activity("Unavailable"))
    assert driver.types() == ["activity.deleted"]


def test_at_most_a_hundred_activities() -> None:
    """The documented limit holds."""
    driver = EngineDriver()
    for number in range(97):
        driver.do("CreateActivity", friendly_name=f"Activity {number}")
    assert driver.refused("CreateActivity", friendly_name="One more").status == 400


def test_workspaces_do_not_know_each_other() -> None:
    """A sid of one workspace leads nowhere in another."""
    driver = EngineDriver()
    worker = driver.worker("Ann")
    other = driver.do("CreateWorkspace", friendly_name="Other").sid
    engine: Engine = driver.engine
    with pytest.raises(Rejected) as caught:
        engine.apply(commands.UpdateWorker(workspace_sid=other, sid=worker), driver.now)
    assert caught.value.status == 404
    assert [w.friendly_name for w in engine.workspaces()] == ["Desk", "Other"]
    assert engine.workspace(other).account_sid == ACCOUNT
