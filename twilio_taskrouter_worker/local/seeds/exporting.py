"""Writes the state of an engine as a seed document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, Protocol

from ..engine import model
from ..engine.rules import BUILT_IN_CHANNELS
from .configuration import with_names
from .form import FORMAT

_BUILT_IN = dict(BUILT_IN_CHANNELS)


class Source(Protocol):
    """A source of workspaces: the engine, or any object with the same lists and fields."""

    def workspaces(self) -> Sequence[model.Workspace]: ...

    def activities(self, workspace_sid: str) -> Sequence[model.Activity]: ...

    def task_channels(self, workspace_sid: str) -> Sequence[model.TaskChannel]: ...

    def queues(self, workspace_sid: str) -> Sequence[model.TaskQueue]: ...

    def workflows(self, workspace_sid: str) -> Sequence[model.Workflow]: ...

    def workers(self, workspace_sid: str) -> Sequence[model.Worker]: ...

    def channels(self, workspace_sid: str, worker_sid: str) -> Sequence[model.WorkerChannel]: ...

    def tasks(self, workspace_sid: str) -> Sequence[model.Task]: ...


def export(source: Source, *, tasks: bool = False) -> dict[str, Any]:
    """Return a document from which the same workspaces can be created.

    Args:
        source: The engine, or a :class:`~.remote.RemoteService`; only read.
        tasks: Include the open tasks, as they would be created anew, without their reservations.

    Raises:
        SeedError: A remote source cannot be read.
    """
    return {
        "format": FORMAT,
        "workspaces": [_Exporter(source, workspace).document(tasks) for workspace in source.workspaces()],
    }


class _Exporter:
    """Describes one workspace, and keeps the names of its sids."""

    def __init__(self, source: Source, workspace: model.Workspace) -> None:
        self._source = source
        self._workspace = workspace
        sid = workspace.sid
        # Read once: a remote source would be asked for every task.
        self._names = _by_sid(source.queues(sid))
        self._targets = {
            "worker": _by_sid(source.workers(sid)),
            "task_queue": self._names,
            "workflow": _by_sid(source.workflows(sid)),
        }

    def document(self, tasks: bool) -> dict[str, Any]:
        """Describe everything in the workspace."""
        workspace, source, sid = self._workspace, self._source, self._workspace.sid
        found: dict[str, Any] = {
            "friendly_name": workspace.friendly_name,
            "multi_task_enabled": workspace.multi_task_enabled,
            "prioritize_queue_order": workspace.prioritize_queue_order,
            # REST has an empty string for an address that is not set.
            **_unless_none(
                event_callback_url=workspace.event_callback_url or None, events_filter=workspace.events_filter
            ),
            "default_activity": workspace.default_activity_name,
            "timeout_activity": workspace.timeout_activity_name,
            "activities": [
                {"friendly_name": activity.friendly_name, "available": activity.available}
                for activity in source.activities(sid)
            ],
            "task_channels": [_channel(channel) for channel in source.task_channels(sid) if _own(channel)],
            "task_queues": [_queue(queue) for queue in source.queues(sid)],
            "workflows": [self._workflow(workflow) for workflow in source.workflows(sid)],
            # Sids are left out everywhere: loading makes new ones.
            "workers": [self._worker(worker) for worker in source.workers(sid)],
        }
        if tasks:
            # Ended tasks would come back as new ones.
            found["tasks"] = [self._task(task) for task in source.tasks(sid) if not task.final]
        return found

    def _workflow(self, workflow: model.Workflow) -> dict[str, Any]:
        return {
            "friendly_name": workflow.friendly_name,
            "task_reservation_timeout": workflow.task_reservation_timeout,
            **_unless_none(
                assignment_callback_url=workflow.assignment_callback_url,
                fallback_assignment_callback_url=workflow.fallback_assignment_callback_url,
            ),
            "configuration": with_names(json.loads(workflow.configuration), self._names),
        }

    def _worker(self, worker: model.Worker) -> dict[str, Any]:
        found: dict[str, Any] = {
            "friendly_name": worker.friendly_name,
            "activity": worker.activity_name,
            "attributes": json.loads(worker.attributes),
        }
        channels = {
            channel.task_channel_unique_name: {
                "capacity": channel.configured_capacity,
                "available": channel.available,
            }
            for channel in self._source.channels(worker.workspace_sid, worker.sid)
            # A new worker has these values anyway.
            if (channel.configured_capacity, channel.available) != (1, True)
        }
        return {**found, "channels": channels} if channels else found

    def _task(self, task: model.Task) -> dict[str, Any]:
        # In UTC with an offset, so that the file means the same on any machine.
        start = datetime.fromtimestamp(task.virtual_start_time, timezone.utc)
        found: dict[str, Any] = {
            "attributes": json.loads(task.attributes),
            **_unless_none(workflow=task.workflow_friendly_name),
            "task_channel": task.task_channel_unique_name,
            "priority": task.priority,
            "timeout": task.timeout,
            "virtual_start_time": start.isoformat(timespec="microseconds"),
        }
        for kind, names in self._targets.items():
            if task.routing_target in names:
                found["routing_target"] = {kind: names[task.routing_target]}
                if kind == "worker":
                    # Only a task for one worker has either.
                    found["ignore_capacity"] = task.ignore_capacity
                    found.update(_unless_none(task_queue=task.task_queue_friendly_name))
        return found


def _by_sid(records: Iterable[Any]) -> dict[str, str]:
    return {record.sid: record.friendly_name for record in records}


def _own(channel: model.TaskChannel) -> bool:
    """Whether a channel differs from those that every workspace has."""
    # Built-in channels exist in every workspace; only changed ones have to be listed.
    return channel.channel_optimized_routing or _BUILT_IN.get(channel.unique_name) != channel.friendly_name


def _channel(channel: model.TaskChannel) -> dict[str, Any]:
    return {
        "unique_name": channel.unique_name,
        "friendly_name": channel.friendly_name,
        "channel_optimized_routing": channel.channel_optimized_routing,
    }


def _queue(queue: model.TaskQueue) -> dict[str, Any]:
    return {
        "friendly_name": queue.friendly_name,
        "target_workers": queue.target_workers,
        "max_reserved_workers": queue.max_reserved_workers,
        "task_order": queue.task_order,
        **_unless_none(
            reservation_activity=queue.reservation_activity_name,
            assignment_activity=queue.assignment_activity_name,
        ),
    }


def _unless_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
