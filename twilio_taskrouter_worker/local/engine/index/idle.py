"""The idle members of each queue, longest idle first, updated as workers change.

The invariant: ``worker.idle_keys[channel]`` is the worker's key exactly if it is free on that channel, and
``queue.idle[channel]``, where it exists, is the sorted list of ``worker.listed_keys[channel]`` of the members that have
one. The two keys of a worker are equal, but for the workers in ``kernel.moved``: ``refresh``, after any change of a
worker's readiness, changes the first only, and the lists follow when they are read, or when routing ends. So a worker
who completes one task and is given the next is never listed in between.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from ..core.kernel import Kernel
from ..core.state import IdleKey, QueueState, WorkerState
from ..core.workspace import WorkspaceState
from ..model import WorkerChannel


def free(ws: WorkspaceState, worker: WorkerState, task_channel_sid: str) -> bool:
    """Whether the worker's activity, switch and capacity allow one more task of this channel.

    Args:
        ws: The workspace of the worker.
        worker: Only read.
        task_channel_sid: The channel; a worker without it is never free.
    """
    activity, switch, room = readiness(ws, worker, task_channel_sid)
    return activity and switch and room


def readiness(ws: WorkspaceState, worker: WorkerState, task_channel_sid: str) -> tuple[bool, bool, bool]:
    """Return the three conditions of :func:`free` one by one: activity, switch, capacity.

    Args:
        ws: Where workers do one task at a time, any open reservation takes up the capacity.
        worker: Only read.
        task_channel_sid: The channel; for one the worker does not have, switch and capacity are False.
    """
    channel = worker.channels.get(task_channel_sid)
    # The task channel was deleted.
    if channel is None:
        return worker.record.available, False, False
    # A lowered capacity can be below the places taken.
    room = channel.occupied < channel.configured_capacity and (ws.record.multi_task_enabled or not worker.open)
    return worker.record.available, channel.available, room


def refresh(kernel: Kernel, ws: WorkspaceState, worker: WorkerState, only: str | None = None) -> None:
    """Update a worker's entries in the indices of its queues.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the worker.
        worker: Its readiness may have changed.
        only: Sid of the only task channel that is affected; None: all.
    """
    # Channels that never had a task have no index, so that unused channels cost nothing. Where workers do one task at
    # a time, a reservation on one channel affects all.
    if only is None or not ws.record.multi_task_enabled:
        channels: Iterable[str] = ws.routed
    else:
        channels = (only,) if only in ws.routed else ()
    for task_channel_sid in channels:
        key = _idle_key(ws, worker, task_channel_sid) if free(ws, worker, task_channel_sid) else None
        old = worker.idle_keys.get(task_channel_sid)
        if key != old:
            worker.idle_keys[task_channel_sid] = key
            kernel.moved[worker] = None


def update_lists(kernel: Kernel) -> None:
    """Bring the lists of idle members up to date.

    Args:
        kernel: Its ``moved`` is empty afterwards.
    """
    for worker in kernel.moved:
        for task_channel_sid, key in worker.idle_keys.items():
            old = worker.listed_keys.get(task_channel_sid)
            if key != old:
                worker.listed_keys[task_channel_sid] = key
                _move(worker.queues.values(), task_channel_sid, old, key)
    kernel.moved.clear()


def route(kernel: Kernel, ws: WorkspaceState, task_channel_sid: str) -> None:
    """Create and maintain the indices of a channel from now on, because a task uses it.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the channel.
        task_channel_sid: Nothing happens if its indices are maintained already.
    """
    if task_channel_sid not in ws.routed:
        ws.routed[task_channel_sid] = None
        for worker in ws.workers.values():
            refresh(kernel, ws, worker, task_channel_sid)


def refresh_everybody(kernel: Kernel, ws: WorkspaceState) -> None:
    """Update the indices for all workers, and request routing for each, after a change that affects them all.

    Args:
        kernel: The engine's shared state.
        ws: The workspace that has changed.
    """
    for worker in ws.workers.values():
        refresh(kernel, ws, worker)
        kernel.wake(ws, worker)


def _idle_key(ws: WorkspaceState, worker: WorkerState, task_channel_sid: str) -> IdleKey:
    # Idle time counts per channel, or over all channels of the worker.
    if ws.task_channels[task_channel_sid].channel_optimized_routing:
        last = worker.last_reserved[task_channel_sid]
    else:
        # Never empty: the built-in task channels cannot be deleted.
        last = max(worker.last_reserved.values())
    return (last[0], last[1], worker.record.sid)


def _move(queues: Iterable[QueueState], task_channel_sid: str, old: IdleKey | None, new: IdleKey | None) -> None:
    """Replace a worker's key in the indices of a channel; None: there is none."""
    for queue in queues:
        index = queue.idle.get(task_channel_sid)
        if index is None:
            continue
        # Present, by the invariant: a key is found by bisection, not by a search.
        if old is not None:
            del index[bisect_left(index, old)]
        if new is not None:
            # A sorted list, not a heap: members leave from any place, and candidates are read in order. An insertion
            # moves pointers only, of at most 15,000 workers (Rules.max_workers).
            insort(index, new)


def join(queue: QueueState, worker: WorkerState) -> None:
    """Add a new member of a queue to the queue's indices.

    Args:
        queue: The queue that the worker has joined.
        worker: Has an entry only in the channels on which it is free.
    """
    for task_channel_sid in queue.idle:
        _move((queue,), task_channel_sid, None, worker.listed_keys.get(task_channel_sid))


def leave(queue: QueueState, worker: WorkerState) -> None:
    """Remove a former member of a queue from the queue's indices.

    Args:
        queue: The queue that the worker leaves.
        worker: Must still have the keys with which it was added.
    """
    for task_channel_sid in queue.idle:
        _move((queue,), task_channel_sid, worker.listed_keys.get(task_channel_sid), None)


def idle_members(kernel: Kernel, queue: QueueState, task_channel_sid: str) -> list[IdleKey]:
    """Return the keys of the members that could take a task of this channel now, longest idle first.

    The list is the index itself; the caller must not change it.

    Args:
        kernel: The engine's shared state; its ``moved`` is empty afterwards.
        queue: Its index is built on first use.
        task_channel_sid: The channel of the task.
    """
    update_lists(kernel)
    index = queue.idle.get(task_channel_sid)
    if index is None:
        # Built from the keys of all members, and kept up to date from then on.
        keys = (worker.idle_keys.get(task_channel_sid) for worker in queue.members.values())
        index = queue.idle[task_channel_sid] = sorted(key for key in keys if key is not None)
    return index


def forget_channel(ws: WorkspaceState, task_channel_sid: str) -> None:
    """Remove the indices of a task channel that is being deleted.

    Args:
        ws: Changed in place.
        task_channel_sid: The channel; it must have no open task.
    """
    ws.routed.pop(task_channel_sid, None)
    for queue in ws.queues.values():
        queue.idle.pop(task_channel_sid, None)
    for worker in ws.workers.values():
        worker.idle_keys.pop(task_channel_sid, None)
        worker.listed_keys.pop(task_channel_sid, None)


def percentage(occupied: int, capacity: int) -> int:
    """Return the free part of a channel in whole percent, rounded down, between 0 and 100.

    Args:
        occupied: Places taken; may exceed the capacity after that was lowered.
        capacity: Configured capacity; 0 gives 0.
    """
    if occupied >= capacity:
        return 0
    # In whole numbers: int((1 - 4 / 5) * 100) is 19.
    return (capacity - occupied) * 100 // capacity


def set_channel(worker: WorkerState, channel: WorkerChannel) -> None:
    """Replace a worker channel, in the worker and in the document that expressions read.

    Args:
        worker: Changed in place.
        channel: The new record.
    """
    worker.channels[channel.task_channel_sid] = channel
    # Changed in place, since the worker's scopes refer to this very document.
    document = worker.channel_documents[channel.task_channel_unique_name]
    document["configured_capacity"] = channel.configured_capacity
    document["assigned_tasks"] = channel.assigned_tasks
    document["available_capacity_percentage"] = channel.available_capacity_percentage


def occupy(
    kernel: Kernel,
    ws: WorkspaceState,
    worker: WorkerState,
    task_channel_sid: str,
    *,
    occupied: int = 0,
    assigned: int = 0,
) -> None:
    """Change the counts of a worker's channel.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the worker.
        worker: Nothing happens if the task channel was deleted.
        task_channel_sid: The channel of the reservation.
        occupied: Added to the places taken; a positive number makes the worker the latest to be reserved.
        assigned: Added to the accepted reservations.
    """
    channel = worker.channels.get(task_channel_sid)
    if channel is None:
        return
    last = channel.last_reserved_time
    # An offer counts from when it is made, so that a worker who rejects goes behind those who wait longer.
    if occupied > 0:
        # The count orders workers who were reserved at the same time.
        kernel.reserve_count += 1
        last = kernel.now
        worker.last_reserved[task_channel_sid] = (last, kernel.reserve_count)
    taken = channel.occupied + occupied
    set_channel(
        worker,
        channel.replaced(
            occupied=taken,
            assigned_tasks=channel.assigned_tasks + assigned,
            available_capacity_percentage=percentage(taken, channel.configured_capacity),
            last_reserved_time=last,
        ),
    )
    # A target expression may have become true for a worker who had a free place all along.
    if ws.figures_read:
        kernel.recounted[worker] = ws
