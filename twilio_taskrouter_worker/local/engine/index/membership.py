"""Which workers are members of which queue: kept as workers and expressions change, never recomputed for everyone."""

from __future__ import annotations

from ..core.kernel import Kernel
from ..core.state import QueueState, WorkerState
from ..core.workspace import WorkspaceState
from . import idle


def match(queue: QueueState, worker: WorkerState) -> bool:
    """Make a worker a member of a queue or not, by its expression; return whether it has become one."""
    sid = worker.record.sid
    was = sid in queue.members
    belongs = queue.expression.matches(worker.queue_scope)
    if belongs and not was:
        enrol(queue, worker)
    elif was and not belongs:
        expel(queue, worker)
    return belongs and not was


def enrol(queue: QueueState, worker: WorkerState) -> None:
    """Make a worker a member of a queue."""
    queue.members[worker.record.sid] = worker
    worker.queues[queue.record.sid] = queue
    _count(queue, worker.record.activity_sid)
    idle.join(queue, worker)


def _count(queue: QueueState, activity_sid: str) -> None:
    queue.activity_counts[activity_sid] = queue.activity_counts.get(activity_sid, 0) + 1


def expel(queue: QueueState, worker: WorkerState) -> None:
    """Take a worker out of a queue."""
    del queue.members[worker.record.sid]
    del worker.queues[queue.record.sid]
    _uncount(queue, worker.record.activity_sid)
    idle.leave(queue, worker)


def _uncount(queue: QueueState, activity_sid: str) -> None:
    queue.activity_counts[activity_sid] -= 1
    if not queue.activity_counts[activity_sid]:
        del queue.activity_counts[activity_sid]


def activity_changed(worker: WorkerState, before: str) -> None:
    """Count a worker, whose activity has changed, under its new activity in the queues it is in."""
    after = worker.record.activity_sid
    for queue in worker.queues.values():
        _uncount(queue, before)
        _count(queue, after)


def rematch(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, *, attributes: bool, fields: bool, activity: bool
) -> None:
    """Bring a worker's memberships up to date after changes of the given kinds; wake it if it has joined a queue."""
    joined = False
    for queue in ws.queues.values():
        expression = queue.expression
        if (
            (attributes and (expression.worker_attributes or expression.names))
            or (fields and expression.uses_worker_fields)
            or (activity and expression.uses_activity)
        ):
            joined = match(queue, worker) or joined
    if joined:
        kernel.wake(ws, worker)


def match_new_worker(ws: WorkspaceState, worker: WorkerState) -> None:
    """Find the queues of a worker that has just been made."""
    for queue in ws.queues.values():
        match(queue, worker)
