"""Task channels, and each worker's channel for them."""

from __future__ import annotations

from typing import Any

from .. import errors
from ..commands import UNSET, CreateTaskChannel, DeleteTaskChannel, UpdateTaskChannel, UpdateWorkerChannel
from ..core import checks
from ..core.kernel import Kernel
from ..core.state import WorkerState
from ..core.workspace import WorkspaceState
from ..events import ConfigurationEvent, WorkerChannelEvent
from ..index import idle
from ..model import TaskChannel, WorkerChannel
from ..rules import BUILT_IN_CHANNELS

_BUILT_IN = frozenset(name for name, _ in BUILT_IN_CHANNELS)


def make(
    kernel: Kernel, ws: WorkspaceState, unique_name: str, friendly_name: str, optimized: bool = False
) -> TaskChannel:
    """Add a task channel to a workspace, and a worker channel to each worker; nothing is emitted.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace.
        unique_name: Must be valid and not taken.
        friendly_name: Must be valid.
        optimized: Whether the idle time of workers counts per channel.
    """
    record = TaskChannel(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("TC"),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=ws.record.sid,
        unique_name=unique_name,
        friendly_name=friendly_name,
        channel_optimized_routing=optimized,
    )
    ws.task_channels[record.sid] = record
    ws.channel_names[unique_name] = record.sid
    # The indices of idle workers need no update: a channel has none before its first task (see idle.route).
    for worker in ws.workers.values():
        add_to_worker(kernel, worker, record)
    return record


def add_to_worker(kernel: Kernel, worker: WorkerState, task_channel: TaskChannel) -> None:
    """Give a worker a channel with a capacity of one, switched on.

    Args:
        kernel: The engine's shared state; changed in place.
        worker: A caller that has just created it refreshes its indices.
        task_channel: Must be new to the worker.
    """
    record = WorkerChannel(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WC"),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=worker.record.workspace_sid,
        worker_sid=worker.record.sid,
        task_channel_sid=task_channel.sid,
        task_channel_unique_name=task_channel.unique_name,
        configured_capacity=1,
        available=True,
        assigned_tasks=0,
        occupied=0,
        available_capacity_percentage=100,
        last_reserved_time=kernel.now,
    )
    worker.channel_documents[task_channel.unique_name] = {}
    # As of the worker's creation: a channel added later must not make the worker count as just reserved.
    worker.last_reserved[task_channel.sid] = (worker.record.date_created, 0)
    idle.set_channel(worker, record)


def create(kernel: Kernel, command: CreateTaskChannel) -> TaskChannel:
    """Create a task channel, and a channel for each worker.

    Args:
        kernel: The engine's shared state; changed in place.
        command: The names must be valid, and the unique name not taken.

    Raises:
        Rejected: 404, there is no such workspace; 400, a parameter is invalid or the limit of channels is reached.
    """
    ws = kernel.workspace(command.workspace_sid)
    checks.room(ws.task_channels, kernel.rules.max_task_channels, "task channels")
    checks.name(command.friendly_name)
    checks.unique_name(command.unique_name)
    if command.unique_name in ws.channel_names:
        raise errors.duplicate("TaskChannel", command.unique_name)
    record = make(kernel, ws, command.unique_name, command.friendly_name, command.channel_optimized_routing)
    kernel.emit(ConfigurationEvent, "task-channel.created", ws, record=record)
    return record


def update(kernel: Kernel, command: UpdateTaskChannel) -> TaskChannel:
    """Change a task channel.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Turning optimized routing on or off changes which worker counts as the longest idle.

    Raises:
        Rejected: 404, there is no such workspace or task channel; 400, a parameter is invalid.
    """
    ws = kernel.workspace(command.workspace_sid)
    record = ws.task_channel(command.task_channel)
    changes: dict[str, Any] = {}
    if command.friendly_name is not UNSET and command.friendly_name != record.friendly_name:
        changes["friendly_name"] = checks.name(command.friendly_name)
    optimized = command.channel_optimized_routing
    if optimized is not UNSET and optimized != record.channel_optimized_routing:
        changes["channel_optimized_routing"] = optimized
    # Without a change there is no event and no new date.
    if not changes:
        return record
    record = ws.task_channels[record.sid] = record.replaced(date_updated=kernel.now, **changes)
    if "channel_optimized_routing" in changes:
        # The switch is part of every idle key of this channel.
        for worker in ws.workers.values():
            idle.refresh(kernel, ws, worker)
    kernel.emit(ConfigurationEvent, "task-channel.updated", ws, record=record)
    return record


def delete(kernel: Kernel, command: DeleteTaskChannel) -> None:
    """Delete a task channel that is not built in and has no open tasks.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the channel by sid or unique name.

    Raises:
        Rejected: 404, there is no such workspace or task channel; 400, the channel is built in or has open tasks.
    """
    ws = kernel.workspace(command.workspace_sid)
    record = ws.task_channel(command.task_channel)
    if record.unique_name in _BUILT_IN:
        raise errors.invalid(f"TaskChannel '{record.unique_name}' is built in and cannot be deleted")
    # Ended tasks keep only the sid and name; they do not prevent the deletion.
    for task in ws.tasks.values():
        if task.record.task_channel_sid == record.sid and not task.record.final:
            raise errors.invalid(f"TaskChannel '{record.unique_name}' still has tasks")
    # The indices first: they refer to the keys that the workers lose below.
    idle.forget_channel(ws, record.sid)
    for worker in ws.workers.values():
        # A reservation on this channel may still be open: its task has moved to another channel.
        del worker.channels[record.sid]
        del worker.last_reserved[record.sid]
        del worker.channel_documents[record.unique_name]
    del ws.task_channels[record.sid]
    del ws.channel_names[record.unique_name]
    for worker in ws.workers.values():
        # The idle time over all channels may have been that of the deleted one.
        idle.refresh(kernel, ws, worker)
    kernel.emit(ConfigurationEvent, "task-channel.deleted", ws, record=record)


def update_worker_channel(kernel: Kernel, command: UpdateWorkerChannel) -> WorkerChannel:
    """Change the capacity or the switch of a worker's channel.

    Each value that changes emits an event and increases the worker's version by one.

    Args:
        kernel: The engine's shared state; changed in place.
        command: An absent parameter keeps its value.

    Raises:
        Rejected: 404, there is no such workspace, worker or channel; 400, the capacity is out of range.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.worker_sid)
    before = ws.worker_channel(worker, command.channel)
    after = before
    types: list[str] = []
    if command.capacity is not UNSET:
        # Zero is valid: no new reservations. Below the places taken is valid too: nothing is withdrawn.
        checks.integer(command.capacity, 0, kernel.rules.max_capacity, "Capacity")
        if command.capacity != before.configured_capacity:
            free = idle.percentage(before.occupied, command.capacity)
            after = after.replaced(configured_capacity=command.capacity, available_capacity_percentage=free)
            types.append("worker.capacity.update")
    if command.available is not UNSET and command.available != before.available:
        after = after.replaced(available=command.available)
        types.append("worker.channel.availability.update")
    if not types:
        return before
    after = after.replaced(date_updated=kernel.now)
    idle.set_channel(worker, after)
    # By one for each event: clients count the events to know the worker's version.
    worker.record = worker.record.replaced(version=worker.record.version + len(types))
    # The worker may have become free, or have lost its only place.
    idle.refresh(kernel, ws, worker, after.task_channel_sid)
    kernel.wake(ws, worker)
    data = {"previous_capacity": before.configured_capacity}
    record = worker.record
    for type in types:
        kernel.emit(WorkerChannelEvent, type, ws, recipients=(record.sid,), data=data, worker=record, channel=after)
    return after
