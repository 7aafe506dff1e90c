"""What is known of a task: the table of attributes, and tasks as data (what a Workspace reads)."""

from __future__ import annotations

from ._bridge import wire
from ._bridge.wire import Resource, Wire

__all__ = ["TaskFields", "TaskInfo"]


class TaskFields(Resource):
    """The attributes of a task, for a worker's own and for those that are only read."""

    __slots__ = ()

    add_ons = Wire("addons", wire.OBJECT_TEXT)
    """Results of add-ons, as parsed JSON."""
    age = Wire("age", wire.AGE)
    """Seconds since it was created, as of the latest message about it."""
    attributes = Wire("attributes", wire.OBJECT_TEXT)
    """The task's attributes, as parsed JSON. Treat them as read-only; ``Task.set_attributes`` changes them."""
    date_created = Wire("date_created", wire.SECONDS)
    """When it was created, in UTC."""
    date_updated = Wire("date_updated", wire.SECONDS)
    """When it last changed, in UTC."""
    priority = Wire("priority", wire.INTEGER)
    """Its priority; higher goes first."""
    queue_name = Wire("queue_name", wire.OPTIONAL_TEXT)
    """Name of the queue it is in; None if it is in none."""
    queue_sid = Wire("queue_sid", wire.OPTIONAL_TEXT)
    """Sid of that queue; None if it is in none."""
    reason = Wire("reason", wire.OPTIONAL_TEXT)
    """Why it was canceled or completed; None if nobody said so."""
    routing_target = Wire("routing_target", wire.OPTIONAL_TEXT)
    """Sid of the worker, queue or workflow it was created for; None for ordinary routing."""
    sid = Wire("sid", wire.TEXT)
    """Its sid."""
    status = Wire("assignment_status", wire.TEXT)
    """``pending``, ``reserved``, ``assigned``, ``wrapping``, ``completed`` or ``canceled``."""
    task_channel_unique_name = Wire("task_channel_unique_name", wire.TEXT)
    """Unique name of its channel."""
    task_channel_sid = Wire("task_channel_sid", wire.TEXT)
    """Sid of its channel."""
    timeout = Wire("timeout", wire.INTEGER)
    """Seconds it may wait before it is canceled."""
    workflow_name = Wire("workflow_name", wire.OPTIONAL_TEXT)
    """Name of its workflow; None if it has none."""
    workflow_sid = Wire("workflow_sid", wire.OPTIONAL_TEXT)
    """Sid of its workflow; None if it has none."""
    version = Wire("version", wire.VERSION)
    """Version, a decimal number as text."""
    virtual_start_time = Wire("virtual_start_time", wire.SECONDS)
    """From when its age counts for routing, in UTC."""


class TaskInfo(TaskFields):
    """One task, as it was when it was read: the attributes of a Task, without its events and methods."""

    __slots__ = ()
