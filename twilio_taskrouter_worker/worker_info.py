"""The attributes of a worker, and workers as data (the results of a Workspace)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ._bridge import schema
from ._bridge.schema import Resource, Wire

__all__ = ["WorkerFields", "WorkerInfo"]


class WorkerFields(Resource):
    """The attributes of a worker, for the client's own and for those that are only read."""

    __slots__ = ()
    _columns = ("name", "activity_name", "available", "date_status_changed", "sid")

    account_sid: Wire[str] = Wire("account_sid", schema.TEXT)
    """Sid of the account."""
    activity_name: Wire[str] = Wire("activity_name", schema.TEXT)
    """Name of the activity."""
    activity_sid: Wire[str] = Wire("activity_sid", schema.TEXT)
    """Sid of the activity."""
    attributes: Wire[Mapping[str, Any]] = Wire("attributes", schema.OBJECT_TEXT)
    """The worker's attributes, as parsed JSON: read-only, also what is nested in them. ``{**attributes, ...}`` makes a
    changed copy for ``set_attributes``."""
    available: Wire[bool] = Wire("available", schema.BOOLEAN)
    """Whether the activity is an available one, in which tasks are offered."""
    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When the worker was created, in UTC."""
    date_status_changed: Wire[datetime | None] = Wire("date_status_changed", schema.SECONDS)
    """When the activity last changed, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When the worker last changed, in UTC."""
    friendly_name: Wire[str] = Wire("friendly_name", schema.TEXT)
    """The worker's name."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """The worker's sid."""
    workspace_sid: Wire[str] = Wire("workspace_sid", schema.TEXT)
    """Sid of the workspace."""
    version: Wire[str] = Wire("version", schema.VERSION)
    """Version, a decimal number as text."""

    def _shown(self) -> str:
        return f"{self.friendly_name!r} {self.sid} {self.activity_name!r}"

    @property
    def name(self) -> str:
        """The same as ``friendly_name``.

        Raises:
            NotReadyError: Of a Worker that has not been ready yet.
        """
        return self.friendly_name

    @property
    def worker_sid(self) -> str:
        """The same as ``sid``.

        Raises:
            NotReadyError: Of a Worker that has not been ready yet.
        """
        return self.sid

    @property
    def worker_activity_sid(self) -> str:
        """The same as ``activity_sid``.

        Raises:
            NotReadyError: Of a Worker that has not been ready yet.
        """
        return self.activity_sid

    @property
    def date_activity_changed(self) -> datetime | None:
        """The same as ``date_status_changed``.

        Raises:
            NotReadyError: Of a Worker that has not been ready yet.
        """
        return self.date_status_changed


class WorkerInfo(WorkerFields):
    """One worker, as it was when it was read. It has no events and does not change."""

    __slots__ = ()
