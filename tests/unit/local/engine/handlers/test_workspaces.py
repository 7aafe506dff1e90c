"""Workspaces and activities."""

from __future__ import annotations

import json

import pytest

from tests.unit.local.engine.desk import ACCOUNT, Desk
from twilio_taskrouter_worker.local.engine import Engine, Rejected, commands


def test_template_none_has_activities_and_channels_only() -> None:
    """A plain workspace comes with three activities and five channels, and its default and timeout are Offline."""
    desk = Desk(template="NONE")
    activities = [(a.friendly_name, a.available) for a in desk.engine.activities(desk.ws)]
    assert activities == [("Offline", False), ("Available", True), ("Unavailable", False)]
    channels = [(c.unique_name, c.friendly_name) for c in desk.engine.task_channels(desk.ws)]
    assert channels[0] == ("default", "Default") and len(channels) == 5
    assert desk.engine.queues(desk.ws) == [] and desk.engine.workflows(desk.ws) == []
    workspace = desk.engine.workspace(desk.ws)
    assert workspace.default_activity_name == workspace.timeout_activity_name == "Offline"
    assert workspace.default_activity_sid == desk.activity("Offline")


def test_template_fifo_has_a_queue_and_a_workflow() -> None:
    """The FIFO template's queue and workflow have the documented values."""
    desk = Desk(template="fifo")
    (queue,) = desk.engine.queues(desk.ws)
    (flow,) = desk.engine.workflows(desk.ws)
    assert (queue.friendly_name, queue.target_workers) == ("Sample Queue", "1==1")
    assert (queue.task_order, queue.max_reserved_workers) == ("FIFO", 1)
    assert (flow.friendly_name, flow.task_reservation_timeout) == ("Default Fifo Workflow", 120)
    assert flow.assignment_callback_url is None
    assert json.loads(flow.configuration)["task_routing"]["default_filter"] == {"queue": queue.sid}


def test_single_tasking_workspace_has_the_old_activities() -> None:
    """A legacy workspace has four activities, and its sample queue uses two of them."""
    desk = Desk(multi_task=False)
    names = [a.friendly_name for a in desk.engine.activities(desk.ws)]
    assert names == ["Offline", "Idle", "Busy", "Reserved"]
    (queue,) = desk.engine.queues(desk.ws)
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
    assert Desk().refused("CreateWorkspace", **fields).status == 400


def test_update_changes_what_is_given() -> None:
    """Only given fields change; None clears; the same values again are no change."""
    desk = Desk()
    fields = {"friendly_name": "New", "event_callback_url": "http://x", "events_filter": "task.created"}
    desk.do("UpdateWorkspace", **fields, default_activity_sid=desk.activity("Available"))
    assert desk.types() == ["workspace.updated"]
    changed = desk.do("UpdateWorkspace", event_callback_url=None, timeout_activity_sid=desk.activity("Unavailable"))
    assert (changed.friendly_name, changed.event_callback_url, changed.events_filter) == ("New", None, "task.created")
    assert (changed.default_activity_name, changed.timeout_activity_name) == ("Available", "Unavailable")
    assert desk.do("UpdateWorkspace", friendly_name="New") == changed
    assert desk.types() == []


def test_multi_tasking_can_be_switched_on_but_not_off() -> None:
    """A workspace becomes multi-tasking once and for all, and its busy workers are then free for more."""
    desk = Desk(multi_task=False)
    worker = desk.worker("Ann", "Idle", capacity=2)
    for _ in range(2):
        desk.task()
    assert len(desk.pending(worker)) == 1
    assert desk.do("UpdateWorkspace", multi_task_enabled=True).multi_task_enabled is True
    desk.set_activity(worker, "Idle")
    assert len(desk.pending(worker)) == 2
    assert desk.refused("UpdateWorkspace", multi_task_enabled=False).status == 400


def test_delete_removes_everything_and_its_timers() -> None:
    """Nothing in a deleted workspace is found any more, and none of its timers is left."""
    desk = Desk()
    desk.worker("Ann")
    for _ in range(2):
        desk.task()
    done = desk.task()
    desk.do("UpdateTask", sid=done, assignment_status="canceled")
    desk.do("DeleteWorkspace")
    assert desk.types() == ["workspace.deleted"]
    assert desk.engine.workspaces() == []
    assert desk.engine.next_deadline() is None
    refusal = desk.refused("CreateTask")
    assert (refusal.status, refusal.code) == (404, 20404)
    assert refusal.message == f"The requested resource /Workspaces/{desk.ws} was not found"


def test_activities_are_unique_whatever_their_case() -> None:
    """Names of activities are compared without regard to case."""
    desk = Desk()
    made = desk.do("CreateActivity", friendly_name="Lunch", available=True)
    assert desk.types() == ["activity.created"]
    assert made.available and desk.engine.activity(desk.ws, made.sid) == made
    assert desk.refused("CreateActivity", friendly_name="LUNCH").status == 400
    assert desk.refused("UpdateActivity", sid=made.sid, friendly_name="offline").status == 400
    assert desk.refused("UpdateActivity", sid="WA" + "0" * 32, friendly_name="x").status == 404


def test_a_renamed_activity_has_its_new_name_everywhere() -> None:
    """Workspace, workers, queues and memberships follow the new name."""
    desk = Desk()
    available, offline = desk.activity("Available"), desk.activity("Offline")
    queue = desk.queue("Ready", 'activity_name == "Ready"', reservation_activity_sid=available)
    worker = desk.worker("Ann")
    assert desk.engine.queue_members(desk.ws, queue) == []
    renamed = desk.do("UpdateActivity", sid=available, friendly_name="Ready")
    assert desk.types() == ["activity.updated"]
    assert desk.do("UpdateActivity", sid=available, friendly_name="Ready") == renamed
    desk.do("UpdateActivity", sid=offline, friendly_name="Home")
    assert desk.worker_record(worker).activity_name == "Ready"
    assert [w.sid for w in desk.engine.queue_members(desk.ws, queue)] == [worker]
    assert desk.engine.queue(desk.ws, queue).reservation_activity_name == "Ready"
    assert desk.engine.workspace(desk.ws).default_activity_name == "Home"


def test_an_activity_in_use_cannot_be_deleted() -> None:
    """Default, timeout, queue and current activities stay; others go."""
    desk = Desk()
    used = desk.do("CreateActivity", friendly_name="Used").sid
    desk.queue("Q", reservation_activity_sid=used)
    desk.worker("Ann")
    for name in ("Offline", "Used", "Available"):
        assert "cannot be deleted" in desk.refused("DeleteActivity", sid=desk.activity(name)).message
    desk.do("DeleteActivity", sid=desk.activity("Unavailable"))
    assert desk.types() == ["activity.deleted"]


def test_at_most_a_hundred_activities() -> None:
    """The documented limit holds."""
    desk = Desk()
    for number in range(97):
        desk.do("CreateActivity", friendly_name=f"Activity {number}")
    assert desk.refused("CreateActivity", friendly_name="One more").status == 400


def test_workspaces_do_not_know_each_other() -> None:
    """A sid of one workspace leads nowhere in another."""
    desk = Desk()
    worker = desk.worker("Ann")
    other = desk.do("CreateWorkspace", friendly_name="Other").sid
    engine: Engine = desk.engine
    with pytest.raises(Rejected) as caught:
        engine.apply(commands.UpdateWorker(workspace_sid=other, sid=worker), desk.now)
    assert caught.value.status == 404
    assert [w.friendly_name for w in engine.workspaces()] == ["Desk", "Other"]
    assert engine.workspace(other).account_sid == ACCOUNT
