"""The attributes of a task, and tasks as data (the results of a Workspace)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ._bridge import schema
from ._bridge.schema import Resource, Wire

__all__ = ["TaskFields", "TaskInfo"]


class TaskFields(Resource):
    """The attributes of a task, for a worker's own and for those that are only read."""

    __slots__ = ()
    _columns = ("sid", "status", "priority", "age", "queue_name", "task_channel_unique_name")

    add_ons: Wire[Mapping[str, Any]] = Wire("addons", schema.OBJECT_TEXT)
    """Results of add-ons, as parsed JSON; read-only."""
    age: Wire[int] = Wire("age", schema.AGE)
    """Seconds since it was created, as of the latest message about it."""
    attributes: Wire[Mapping[str, Any]] = Wire("attributes", schema.OBJECT_TEXT)
    """The task's attributes, as parsed JSON: read-only, also what is nested in them. ``{**attributes, ...}`` makes a
    changed copy for ``Task.set_attributes``."""
    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When it was created, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When it last changed, in UTC."""
    priority: Wire[int] = Wire("priority", schema.INTEGER)
    """Its priority; higher goes first."""
    queue_name: Wire[str | None] = Wire("queue_name", schema.OPTIONAL_TEXT)
    """Name of the queue it is in; None if it is in none."""
    queue_sid: Wire[str | None] = Wire("queue_sid", schema.OPTIONAL_TEXT)
    """Sid of that queue; None if it is in none."""
    reason: Wire[str | None] = Wire("reason", schema.OPTIONAL_TEXT)
    """The reason for its cancellation or completion; None if none was given."""
    routing_target: Wire[str | None] = Wire("routing_target", schema.OPTIONAL_TEXT)
    """Sid of the worker, queue or workflow it was created for; None for ordinary routing."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """Its sid."""
    status: Wire[str] = Wire("assignment_status", schema.TEXT)
    """``pending``, ``reserved``, ``assigned``, ``wrapping``, ``completed`` or ``canceled``."""
    task_channel_unique_name: Wire[str] = Wire("task_channel_unique_name", schema.TEXT)
    """Unique name of its channel."""
    task_channel_sid: Wire[str] = Wire("task_channel_sid", schema.TEXT)
    """Sid of its channel."""
    timeout: Wire[int] = Wire("timeout", schema.INTEGER)
    """Seconds it may wait before it is canceled."""
    workflow_name: Wire[str | None] = Wire("workflow_name", schema.OPTIONAL_TEXT)
    """Name of its workflow; None if it has none."""
    workflow_sid: Wire[str | None] = Wire("workflow_sid", schema.OPTIONAL_TEXT)
    """Sid of its workflow; None if it has none."""
    version: Wire[str] = Wire("version", schema.VERSION)
    """Version, a decimal number as text."""
    virtual_start_time: Wire[datetime | None] = Wire("virtual_start_time", schema.SECONDS)
    """From when its age counts for routing, in UTC."""

    def _shown(self) -> str:
        where = "" if self.queue_name is None else f" in {self.queue_name!r}"
        return f"{self.sid} {self.status}{where}"


class TaskInfo(TaskFields):
    """One task, as it was when it was read: the attributes of a Task, without its events and methods."""

    __slots__ = ()
