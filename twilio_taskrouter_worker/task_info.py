"""The attributes of a task, and tasks as data (the results of a Workspace)."""

from __future__ import annotations

from ._bridge import schema
from ._bridge.schema import Resource, Wire

__all__ = ["TaskFields", "TaskInfo"]


class TaskFields(Resource):
    """The attributes of a task, for a worker's own and for those that are only read."""

    __slots__ = ()

    add_ons = Wire("addons", schema.OBJECT_TEXT)
    """Results of add-ons, as parsed JSON; read-only."""
    age = Wire("age", schema.AGE)
    """Seconds since it was created, as of the latest message about it."""
    attributes = Wire("attributes", schema.OBJECT_TEXT)
    """The task's attributes, as parsed JSON: read-only, also what is nested in them. ``{**attributes, ...}`` makes a
    changed copy for ``Task.set_attributes``."""
    date_created = Wire("date_created", schema.SECONDS)
    """When it was created, in UTC."""
    date_updated = Wire("date_updated", schema.SECONDS)
    """When it last changed, in UTC."""
    priority = Wire("priority", schema.INTEGER)
    """Its priority; higher goes first."""
    queue_name = Wire("queue_name", schema.OPTIONAL_TEXT)
    """Name of the queue it is in; None if it is in none."""
    queue_sid = Wire("queue_sid", schema.OPTIONAL_TEXT)
    """Sid of that queue; None if it is in none."""
    reason = Wire("reason", schema.OPTIONAL_TEXT)
    """The reason for its cancellation or completion; None if none was given."""
    routing_target = Wire("routing_target", schema.OPTIONAL_TEXT)
    """Sid of the worker, queue or workflow it was created for; None for ordinary routing."""
    sid = Wire("sid", schema.TEXT)
    """Its sid."""
    status = Wire("assignment_status", schema.TEXT)
    """``pending``, ``reserved``, ``assigned``, ``wrapping``, ``completed`` or ``canceled``."""
    task_channel_unique_name = Wire("task_channel_unique_name", schema.TEXT)
    """Unique name of its channel."""
    task_channel_sid = Wire("task_channel_sid", schema.TEXT)
    """Sid of its channel."""
    timeout = Wire("timeout", schema.INTEGER)
    """Seconds it may wait before it is canceled."""
    workflow_name = Wire("workflow_name", schema.OPTIONAL_TEXT)
    """Name of its workflow; None if it has none."""
    workflow_sid = Wire("workflow_sid", schema.OPTIONAL_TEXT)
    """Sid of its workflow; None if it has none."""
    version = Wire("version", schema.VERSION)
    """Version, a decimal number as text."""
    virtual_start_time = Wire("virtual_start_time", schema.SECONDS)
    """From when its age counts for routing, in UTC."""


class TaskInfo(TaskFields):
    """One task, as it was when it was read: the attributes of a Task, without its events and methods."""

    __slots__ = ()
