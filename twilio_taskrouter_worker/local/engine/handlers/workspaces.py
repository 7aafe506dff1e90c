"""Workspaces and their activities."""

from __future__ import annotations

import json

from .. import errors
from ..commands import (
    UNSET,
    CreateActivity,
    CreateTaskQueue,
    CreateWorkflow,
    CreateWorkspace,
    DeleteActivity,
    DeleteWorkspace,
    UpdateActivity,
    UpdateWorkspace,
)
from ..core import checks
from ..core.kernel import Kernel
from ..core.workspace import WorkspaceState
from ..events import ConfigurationEvent
from ..index import idle, membership
from ..model import FIFO, LIFO, Activity, Workspace
from ..rules import (
    BUILT_IN_CHANNELS,
    FIFO_QUEUE_NAME,
    FIFO_TARGET_WORKERS,
    FIFO_WORKFLOW_NAME,
    MULTI_TASK_ACTIVITIES,
    SINGLE_TASK_ACTIVITIES,
)
from . import channels, queues, workflows


def create(kernel: Kernel, command: CreateWorkspace) -> Workspace:
    """Create a workspace with its activities and task channels, and the resources of its template.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Its template is ``NONE``, ``FIFO`` or ``EMPTY`` (without activities), in any case.

    Raises:
        Rejected: 400, a parameter is invalid.
    """
    checks.name(command.friendly_name)
    template = checks.choice((command.template or "NONE").upper(), ("NONE", "FIFO", "EMPTY"), "Template")
    checks.url(command.event_callback_url, "EventCallbackUrl")
    order = checks.choice(command.prioritize_queue_order, (FIFO, LIFO), "PrioritizeQueueOrder")
    record = Workspace(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WS"),
        date_created=kernel.now,
        date_updated=kernel.now,
        friendly_name=command.friendly_name,
        default_activity_sid=None,
        default_activity_name=None,
        timeout_activity_sid=None,
        timeout_activity_name=None,
        event_callback_url=command.event_callback_url,
        events_filter=command.events_filter,
        multi_task_enabled=command.multi_task_enabled,
        prioritize_queue_order=order,
    )
    # Every check is above: from here on nothing is refused.
    ws = WorkspaceState(record)
    kernel.workspaces[record.sid] = ws
    made: list[Activity] = []
    if template != "EMPTY":
        names = MULTI_TASK_ACTIVITIES if command.multi_task_enabled else SINGLE_TASK_ACTIVITIES
        made = [_make_activity(kernel, ws, name, available) for name, available in names]
        # The first activity of both sets is the unavailable one called Offline.
        offline = made[0]
        ws.record = record.replaced(
            default_activity_sid=offline.sid,
            default_activity_name=offline.friendly_name,
            timeout_activity_sid=offline.sid,
            timeout_activity_name=offline.friendly_name,
        )
    # Emitted after the activities exist, because its snapshot shows the default activity.
    kernel.emit(ConfigurationEvent, "workspace.created", ws, record=ws.record)
    # The workspace comes first in the event log, although its activities had to exist before.
    for activity in made:
        kernel.emit(ConfigurationEvent, "activity.created", ws, record=activity)
    for unique_name, friendly_name in BUILT_IN_CHANNELS:
        channel = channels.make(kernel, ws, unique_name, friendly_name)
        kernel.emit(ConfigurationEvent, "task-channel.created", ws, record=channel)
    if template == "FIFO":
        _fifo(kernel, ws, made)
    return ws.record


def _fifo(kernel: Kernel, ws: WorkspaceState, activities: list[Activity]) -> None:
    """Create the queue and the workflow of the FIFO template."""
    # Only single-tasking workspaces have Reserved and Busy; elsewhere queues need no activities.
    by_name = {activity.friendly_name: activity.sid for activity in activities}
    queue = queues.create(
        kernel,
        CreateTaskQueue(
            workspace_sid=ws.record.sid,
            friendly_name=FIFO_QUEUE_NAME,
            target_workers=FIFO_TARGET_WORKERS,
            reservation_activity_sid=by_name.get("Reserved"),
            assignment_activity_sid=by_name.get("Busy"),
        ),
    )
    configuration = {"task_routing": {"filters": [], "default_filter": {"queue": queue.sid}}}
    workflows.create(
        kernel,
        CreateWorkflow(
            workspace_sid=ws.record.sid,
            friendly_name=FIFO_WORKFLOW_NAME,
            configuration=json.dumps(configuration),
        ),
    )


def update(kernel: Kernel, command: UpdateWorkspace) -> Workspace:
    """Change a workspace.

    Args:
        kernel: The engine's shared state; changed in place.
        command: An absent parameter keeps its value.

    Raises:
        Rejected: 404, there is no such workspace; 400, a parameter is invalid, or multi-tasking would be turned off.
    """
    ws = kernel.workspace(command.workspace_sid)
    record = ws.record
    changes = command.given("event_callback_url", "events_filter", "multi_task_enabled")
    checks.url(changes.get("event_callback_url"), "EventCallbackUrl")
    if command.friendly_name is not UNSET:
        changes["friendly_name"] = checks.name(command.friendly_name)
    # There is no way back: workers may hold several tasks.
    if record.multi_task_enabled and changes.get("multi_task_enabled") is False:
        raise errors.invalid("MultiTaskEnabled cannot be set to false once a workspace is multi-tasking")
    if command.prioritize_queue_order is not UNSET:
        order = checks.choice(command.prioritize_queue_order, (FIFO, LIFO), "PrioritizeQueueOrder")
        changes["prioritize_queue_order"] = order
    for kind in ("default", "timeout"):
        sid = getattr(command, f"{kind}_activity_sid")
        if sid is not UNSET:
            activity = ws.activity_named(sid, f"{kind.capitalize()}ActivitySid")
            changes[f"{kind}_activity_sid"] = activity.sid
            changes[f"{kind}_activity_name"] = activity.friendly_name
    # A new order of queues needs no update of indices: it is read whenever a task is chosen.
    changes = record.differing(changes)
    if not changes:
        return record
    ws.record = record.replaced(date_updated=kernel.now, **changes)
    # A worker with an open reservation may now have room for more.
    if "multi_task_enabled" in changes:
        idle.refresh_everybody(kernel, ws)
    kernel.emit(ConfigurationEvent, "workspace.updated", ws, record=ws.record)
    return ws.record


def delete(kernel: Kernel, command: DeleteWorkspace) -> None:
    """Delete a workspace with everything in it; a single event is emitted.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the workspace.

    Raises:
        Rejected: 404, there is no such workspace.
    """
    ws = kernel.workspace(command.workspace_sid)
    # Their timers would otherwise run on a workspace that no longer exists.
    for task in ws.tasks.values():
        for timer in task.timers():
            kernel.schedule.cancel(timer)
    for worker in ws.workers.values():
        kernel.schedule.cancel(worker.offline_timer)
    del kernel.workspaces[ws.record.sid]
    kernel.emit(ConfigurationEvent, "workspace.deleted", ws, record=ws.record)


def _make_activity(kernel: Kernel, ws: WorkspaceState, name: str, available: bool) -> Activity:
    record = Activity(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WA"),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=ws.record.sid,
        friendly_name=name,
        available=available,
    )
    # Emitted by the caller, after the workspace's own event where both are new.
    ws.activities[record.sid] = record
    return record


def _free_activity_name(ws: WorkspaceState, name: str, own: str | None = None) -> str:
    # There are few activities, so no register of their names is kept.
    taken = {activity.friendly_name.casefold(): activity.sid for activity in ws.activities.values()}
    return checks.free_name(name, taken, errors.duplicate("Activity", name), own, name.casefold())


def create_activity(kernel: Kernel, command: CreateActivity) -> Activity:
    """Create an activity.

    Args:
        kernel: The engine's shared state; changed in place.
        command: The name must be unique without regard to case.

    Raises:
        Rejected: 404, there is no such workspace; 400, the name is invalid or taken, or the limit of activities is
            reached.
    """
    ws = kernel.workspace(command.workspace_sid)
    checks.room(ws.activities, kernel.rules.max_activities, "activities")
    name = _free_activity_name(ws, command.friendly_name)
    record = _make_activity(kernel, ws, name, command.available)
    kernel.emit(ConfigurationEvent, "activity.created", ws, record=record)
    return record


def update_activity(kernel: Kernel, command: UpdateActivity) -> Activity:
    """Rename an activity, and update the name in every record that has a copy of it.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Without a name nothing changes.

    Raises:
        Rejected: 404, there is no such workspace or activity; 400, the name is invalid or taken.
    """
    ws = kernel.workspace(command.workspace_sid)
    record = ws.activity(command.sid)
    name = command.friendly_name
    if name is UNSET or name == record.friendly_name:
        return record
    _free_activity_name(ws, name, record.sid)
    record = ws.activities[record.sid] = record.replaced(friendly_name=name, date_updated=kernel.now)
    # Copies of the name are updated without new versions or events: nothing of their own has changed.
    for kind in ("default", "timeout"):
        if getattr(ws.record, f"{kind}_activity_sid") == record.sid:
            ws.record = ws.record.replaced(**{f"{kind}_activity_name": name})
    for queue in ws.queues.values():
        for kind in ("reservation", "assignment"):
            if getattr(queue.record, f"{kind}_activity_sid") == record.sid:
                queue.record = queue.record.replaced(**{f"{kind}_activity_name": name})
    for worker in ws.workers.values():
        if worker.record.activity_sid == record.sid:
            worker.record = worker.record.replaced(activity_name=name)
            worker.fields["activity_name"] = name
            # Expressions can read activity_name, so a new name can change memberships.
            membership.rematch(kernel, ws, worker, attributes=False, fields=False, activity=True)
            # Those of waiting tasks' targets too, whether or not a queue's does.
            kernel.wake(ws, worker)
    kernel.emit(ConfigurationEvent, "activity.updated", ws, record=record)
    return record


def delete_activity(kernel: Kernel, command: DeleteActivity) -> None:
    """Delete an activity that is not in use.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the activity.

    Raises:
        Rejected: 404, there is no such workspace or activity; 400, a worker, a queue or the workspace uses the
            activity.
    """
    ws = kernel.workspace(command.workspace_sid)
    record = ws.activity(command.sid)
    sid = record.sid
    user: str | None = None
    if sid in (ws.record.default_activity_sid, ws.record.timeout_activity_sid):
        user = "the workspace's default or timeout activity"
    # Any one user is enough for the message; the last one found is named.
    for queue in ws.queues.values():
        if sid in (queue.record.reservation_activity_sid, queue.record.assignment_activity_sid):
            user = f"an activity of task queue {queue.record.sid}"
    for worker in ws.workers.values():
        if worker.record.activity_sid == sid:
            user = f"the current activity of worker {worker.record.sid}"
    if user is not None:
        raise errors.invalid(f"Activity {sid} cannot be deleted because it is {user}")
    del ws.activities[sid]
    kernel.emit(ConfigurationEvent, "activity.deleted", ws, record=record)
