"""Task queues as data: what a Workspace lists."""

from __future__ import annotations

from datetime import datetime

from ._bridge import schema
from ._bridge.schema import Resource, Wire

__all__ = ["TaskQueue"]


class TaskQueue(Resource):
    """One task queue, as it was when it was read. It has no events and does not change."""

    __slots__ = ()
    _columns = ("name", "target_workers", "task_order", "max_reserved_workers", "sid")

    account_sid: Wire[str] = Wire("account_sid", schema.TEXT)
    """Sid of the account."""
    assignment_activity_name: Wire[str | None] = Wire("assignment_activity_name", schema.OPTIONAL_TEXT)
    """Name of the activity on assignment (single-tasking workspaces); None if there is none."""
    assignment_activity_sid: Wire[str | None] = Wire("assignment_activity_sid", schema.OPTIONAL_TEXT)
    """Sid of that activity; None if there is none."""
    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When the queue was created, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When the queue last changed, in UTC."""
    lifo_queue: Wire[bool] = Wire("lifo_queue", schema.BOOLEAN)
    """Whether the order is LIFO."""
    max_reserved_workers: Wire[int] = Wire("max_reserved_workers", schema.INTEGER)
    """Number of workers reserved for a task at the same time."""
    name: Wire[str] = Wire("friendly_name", schema.TEXT)
    """The queue's name."""
    reservation_activity_name: Wire[str | None] = Wire("reservation_activity_name", schema.OPTIONAL_TEXT)
    """Name of the activity on reservation (single-tasking workspaces); None if there is none."""
    reservation_activity_sid: Wire[str | None] = Wire("reservation_activity_sid", schema.OPTIONAL_TEXT)
    """Sid of that activity; None if there is none."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """The queue's sid."""
    target_workers: Wire[str | None] = Wire("target_workers", schema.OPTIONAL_TEXT)
    """The expression that selects its workers; None selects none."""
    task_order: Wire[str] = Wire("task_order", schema.TEXT)
    """``FIFO`` or ``LIFO``."""
    workspace_sid: Wire[str] = Wire("workspace_sid", schema.TEXT)
    """Sid of the workspace."""

    @property
    def queue_sid(self) -> str:
        """The same as ``sid``."""
        return self.sid

    @property
    def queue_name(self) -> str:
        """The same as ``name``."""
        return self.name

    def _shown(self) -> str:
        return f"{self.name!r} {self.sid}"
