"""Moving a worker to another activity."""

from __future__ import annotations

from .core.kernel import Kernel
from .core.state import WorkerState, WorkspaceState
from .handlers import queues
from .index import idle
from .model import Activity, Worker


def move(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, activity: Activity, *, part_of_update: bool = False
) -> None:
    """Put a worker into an activity, with all that follows; nothing happens if it is there already.

    Args:
        part_of_update: the caller counts the version and emits the event, as one of several changes.
    """
    before = worker.record
    if before.activity_sid == activity.sid:
        return
    worker.record = before.replaced(
        activity_sid=activity.sid,
        activity_name=activity.friendly_name,
        available=activity.available,
        date_status_changed=kernel.now,
        version=before.version + (not part_of_update),
    )
    worker.fields["activity_sid"] = activity.sid
    worker.fields["activity_name"] = activity.friendly_name
    queues.activity_changed(worker, before.activity_sid)
    queues.rematch(kernel, ws, worker, attributes=False, fields=False, activity=True)
    idle.refresh(kernel, ws, worker)
    if activity.available:
        kernel.wake(ws, worker)
    if not part_of_update:
        emit_moved(kernel, ws, worker, before)


def emit_moved(kernel: Kernel, ws: WorkspaceState, worker: WorkerState, before: Worker) -> None:
    """Emit a worker's change of activity; the worker hears it."""
    data = {
        "previous_activity_sid": before.activity_sid,
        "previous_activity_name": before.activity_name,
        "time_in_previous_activity": kernel.now - before.date_status_changed,
    }
    kernel.emit("worker.activity.update", ws, (before.sid,), worker=worker.record, data=data)
