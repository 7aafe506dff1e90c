"""Who could take a task now: the idle members of each queue, longest idle first, kept as workers change."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from ..core.kernel import Kernel
from ..core.state import IdleKey, QueueState, WorkerState
from ..core.workspace import WorkspaceState
from ..model import WorkerChannel


def free(ws: WorkspaceState, worker: WorkerState, task_channel_sid: str) -> bool:
    """Whether the worker's activity, switch and capacity allow one more task of this channel."""
    activity, switch, room = readiness(ws, worker, task_channel_sid)
    return activity and switch and room


def readiness(ws: WorkspaceState, worker: WorkerState, task_channel_sid: str) -> tuple[bool, bool, bool]:
    """Return whether the worker's activity, the switch of this channel, and its capacity allow one more task."""
    channel = worker.channels.get(task_channel_sid)
    if channel is None:
        return worker.record.available, False, False
    room = channel.occupied < channel.configured_capacity and (ws.record.multi_task_enabled or not worker.open)
    return worker.record.available, channel.available, room


def refresh(kernel: Kernel, ws: WorkspaceState, worker: WorkerState, only: str | None = None) -> None:
    """Bring a worker's place in the indices up to date, in all channels or in one."""
    # Channels that no task ever came on have no index, so that what nobody uses costs nothing.
    if only is None or not ws.record.multi_task_enabled:
        channels: Iterable[str] = ws.routed
    else:
        channels = (only,) if only in ws.routed else ()
    for task_channel_sid in channels:
        key: IdleKey | None = None
        if free(ws, worker, task_channel_sid):
            key = _idle_key(ws, worker, task_channel_sid)
        old = worker.idle_keys.get(task_channel_sid)
        if key == old:
            continue
        worker.idle_keys[task_channel_sid] = key
        for queue in worker.queues.values():
            index = queue.idle.get(task_channel_sid)
            if index is not None:
                _move(index, old, key)


def route(kernel: Kernel, ws: WorkspaceState, task_channel_sid: str) -> None:
    """Begin to keep the indices of a channel, because there is a task on it."""
    if task_channel_sid not in ws.routed:
        ws.routed[task_channel_sid] = None
        for worker in ws.workers.values():
            refresh(kernel, ws, worker, task_channel_sid)


def refresh_everybody(kernel: Kernel, ws: WorkspaceState) -> None:
    """Recompute who is free, after a change that concerns all workers."""
    for worker in ws.workers.values():
        refresh(kernel, ws, worker)
        kernel.wake(ws, worker)


def _idle_key(ws: WorkspaceState, worker: WorkerState, task_channel_sid: str) -> IdleKey:
    if ws.task_channels[task_channel_sid].channel_optimized_routing:
        last = worker.last_reserved[task_channel_sid]
    else:
        last = max(worker.last_reserved.values())
    return (last[0], last[1], worker.record.sid)


def _move(index: list[IdleKey], old: IdleKey | None, new: IdleKey | None) -> None:
    if old is not None:
        del index[bisect_left(index, old)]
    if new is not None:
        insort(index, new)


def join(queue: QueueState, worker: WorkerState) -> None:
    """Put a worker that has become a member into the queue's indices."""
    for task_channel_sid, index in queue.idle.items():
        _move(index, None, worker.idle_keys.get(task_channel_sid))


def leave(queue: QueueState, worker: WorkerState) -> None:
    """Take a worker that is no longer a member out of the queue's indices."""
    for task_channel_sid, index in queue.idle.items():
        _move(index, worker.idle_keys.get(task_channel_sid), None)


def idle_members(queue: QueueState, task_channel_sid: str) -> list[IdleKey]:
    """Return the members that could take a task of this channel now, longest idle first; not to be changed."""
    index = queue.idle.get(task_channel_sid)
    if index is None:
        keys = (worker.idle_keys.get(task_channel_sid) for worker in queue.members.values())
        index = queue.idle[task_channel_sid] = sorted(key for key in keys if key is not None)
    return index


def forget_channel(ws: WorkspaceState, task_channel_sid: str) -> None:
    """Drop what is kept about a task channel that is going away."""
    ws.routed.pop(task_channel_sid, None)
    for queue in ws.queues.values():
        queue.idle.pop(task_channel_sid, None)
    for worker in ws.workers.values():
        worker.idle_keys.pop(task_channel_sid, None)


def percentage(occupied: int, capacity: int) -> int:
    """Return the free part of a channel in whole percent, rounded down, between 0 and 100."""
    if capacity <= 0:
        return 0
    return min(100, max(0, (capacity - occupied) * 100 // capacity))


def set_channel(worker: WorkerState, channel: WorkerChannel) -> None:
    """Put a changed worker channel in place, also where expressions look for it."""
    worker.channels[channel.task_channel_sid] = channel
    document = worker.channel_documents[channel.task_channel_unique_name]
    document["configured_capacity"] = channel.configured_capacity
    document["assigned_tasks"] = channel.assigned_tasks
    document["available_capacity_percentage"] = channel.available_capacity_percentage


def occupy(kernel: Kernel, worker: WorkerState, task_channel_sid: str, *, occupied: int = 0, assigned: int = 0) -> None:
    """Add to the number of places taken, and of accepted reservations, of a worker's channel."""
    channel = worker.channels.get(task_channel_sid)
    if channel is None:
        return
    taken = channel.occupied + occupied
    changes: dict[str, object] = {"occupied": taken, "assigned_tasks": channel.assigned_tasks + assigned}
    changes["available_capacity_percentage"] = percentage(taken, channel.configured_capacity)
    if occupied > 0:
        kernel.reserve_count += 1
        worker.last_reserved[task_channel_sid] = (kernel.now, kernel.reserve_count)
        changes["last_reserved_time"] = kernel.now
    set_channel(worker, channel.replaced(**changes))
