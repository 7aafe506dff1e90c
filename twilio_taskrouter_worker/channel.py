"""Channels: how many tasks of one kind a worker takes at a time."""

from __future__ import annotations

from datetime import datetime

from ._bridge import schema
from ._bridge.owner import Owner
from ._bridge.schema import Record, Resource, Wire
from ._listening import Listenable
from .events import ChannelEvent, Waits, names

__all__ = ["Channel"]


class Channel(Resource, Listenable[ChannelEvent, "Channel"]):
    """One channel of the worker: its capacity for one task channel.

    Events: ``capacity_updated``, ``availability_updated``; callbacks get the channel, and run on the worker's dispatch
    thread. The object and its listeners stay across reconnects. Attributes are live and may be read on any thread.
    """

    __slots__ = ("_listeners", "_state")
    _columns = ("name", "assigned_tasks", "capacity", "available", "sid")
    _arguments = dict.fromkeys(names(ChannelEvent), "channel: Channel")

    account_sid: Wire[str] = Wire("account_sid", schema.TEXT)
    """Sid of the account."""
    assigned_tasks: Wire[int] = Wire("assigned_tasks", schema.INTEGER)
    """Number of accepted reservations on this channel."""
    available: Wire[bool] = Wire("available", schema.FLAG)
    """Whether the channel is switched on, regardless of the worker's activity."""
    available_capacity_percentage: Wire[int] = Wire("available_capacity_percentage", schema.INTEGER)
    """Share of the capacity that is free, 0 to 100."""
    capacity: Wire[int] = Wire("configured_capacity", schema.INTEGER)
    """Number of reservations the worker can hold on this channel."""
    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When it was created, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When it last changed, in UTC."""
    last_reserved_time: Wire[datetime | None] = Wire("last_reserved_time", schema.MILLISECONDS)
    """When the worker was last reserved on this channel, in UTC; None if never."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """Its sid."""
    task_channel_sid: Wire[str] = Wire("task_channel_sid", schema.TEXT)
    """Sid of the task channel."""
    task_channel_unique_name: Wire[str] = Wire("task_channel_unique_name", schema.TEXT)
    """Unique name of the task channel, e.g. ``voice``."""
    worker_sid: Wire[str] = Wire("worker_sid", schema.TEXT)
    """Sid of the worker."""
    workspace_sid: Wire[str] = Wire("workspace_sid", schema.TEXT)
    """Sid of the workspace."""

    def __init__(self, state: Owner, record: Record) -> None:
        super().__init__(record)
        self._state = state

    def _shown(self) -> str:
        return f"{self.name!r} {self.sid} {self.assigned_tasks}/{self.capacity}"

    @property
    def name(self) -> str:
        """The task channel's unique name, under which ``worker.channels.by_name`` finds it.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        return self.task_channel_unique_name

    def _waiting(self) -> Waits:
        return self._state.waiting
