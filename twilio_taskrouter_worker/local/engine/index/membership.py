"""The members of each queue, updated as workers and expressions change.

The invariant: a worker is in ``queue.members``, and the queue in ``worker.queues``, exactly if the queue's expression
is true for ``worker.queue_scope``. A change of a worker tests again only the expressions that read a changed input.
"""

from __future__ import annotations

from ..core.kernel import Kernel
from ..core.state import QueueState, WorkerState
from ..core.workspace import WorkspaceState
from . import idle


def match(queue: QueueState, worker: WorkerState) -> bool:
    """Update one membership by the queue's expression.

    Args:
        queue: Changed in place.
        worker: Changed in place.

    Returns:
        Whether the worker has become a member; the caller wakes it then.
    """
    sid = worker.record.sid
    # Evaluated without regard to activity: an unavailable worker is a member as well.
    was = sid in queue.members
    belongs = queue.expression.matches(worker.queue_scope)
    if belongs and not was:
        enrol(queue, worker)
    elif was and not belongs:
        expel(queue, worker)
    return belongs and not was


def enrol(queue: QueueState, worker: WorkerState) -> None:
    """Make a worker a member of a queue.

    Args:
        queue: Changed in place.
        worker: Must not be a member.
    """
    queue.members[worker.record.sid] = worker
    worker.queues[queue.record.sid] = queue
    _count(queue, worker.record.activity_sid)
    idle.join(queue, worker)


def _count(queue: QueueState, activity_sid: str) -> None:
    queue.activity_counts[activity_sid] = queue.activity_counts.get(activity_sid, 0) + 1


def expel(queue: QueueState, worker: WorkerState) -> None:
    """Remove a worker from a queue.

    Args:
        queue: Changed in place.
        worker: Must be a member.

    Raises:
        KeyError: The worker is not a member.
    """
    del queue.members[worker.record.sid]
    del worker.queues[queue.record.sid]
    _uncount(queue, worker.record.activity_sid)
    # Last, and before any idle key of the worker changes: the key is needed to find the entry.
    idle.leave(queue, worker)


def _uncount(queue: QueueState, activity_sid: str) -> None:
    queue.activity_counts[activity_sid] -= 1
    # No zeros: the counts are part of the digest, and deleted activities would stay in them for ever.
    if not queue.activity_counts[activity_sid]:
        del queue.activity_counts[activity_sid]


def activity_changed(worker: WorkerState, before: str) -> None:
    """Count a worker under its new activity in the queues it is in.

    Args:
        worker: Has its new activity already.
        before: Sid of the previous activity.
    """
    after = worker.record.activity_sid
    # The members themselves depend on the activity only if the expression reads it; see rematch.
    for queue in worker.queues.values():
        _uncount(queue, before)
        _count(queue, after)


def rematch(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, *, attributes: bool, fields: bool, activity: bool
) -> None:
    """Update a worker's memberships after a change, and wake the worker if it has joined a queue.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the worker.
        worker: Has its new values already.
        attributes: Its attributes have changed.
        fields: Its name has changed.
        activity: Its activity has changed, or the name of that activity.
    """
    joined = False
    for queue in ws.queues.values():
        expression = queue.expression
        if (
            # An attribute takes precedence over a field of the same name, so any named input may be affected.
            (attributes and (expression.worker_attributes or expression.names))
            or (fields and expression.uses_worker_fields)
            or (activity and expression.uses_activity)
        ):
            # No short circuit: every queue must be matched.
            joined = match(queue, worker) or joined
    if joined:
        kernel.wake(ws, worker)


def match_new_worker(ws: WorkspaceState, worker: WorkerState) -> None:
    """Find the queues of a new worker.

    Args:
        ws: The workspace of the worker.
        worker: Its attributes, fields and channels must be set; the caller wakes it.
    """
    # The idle keys do not exist yet, so enrolling adds nothing to the idle indices; idle.refresh does that
    # afterwards.
    for queue in ws.queues.values():
        match(queue, worker)
