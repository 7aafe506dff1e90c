"""The events of the engine.

An event goes to the websocket sessions of its ``recipients`` if its type is one of :data:`BRIDGE_EVENTS`; every event
belongs in the workspace's event log and is a candidate for webhooks. The snapshots in an event are of one moment: after
the whole change that caused it, and before the routing that the change makes possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from .model import (
    Activity,
    Reservation,
    Task,
    TaskChannel,
    TaskQueue,
    Transfer,
    Worker,
    WorkerChannel,
    Workflow,
    Workspace,
)

# The types by the record that they are about.
WORKER_EVENTS: Final = frozenset(
    {
        "worker.activity.update",
        "worker.attributes.update",
        "worker.capacity.update",
        "worker.channel.availability.update",
    }
)
RESERVATION_EVENTS: Final = frozenset(
    {
        "reservation.created",
        "reservation.accepted",
        "reservation.rejected",
        "reservation.timeout",
        "reservation.canceled",
        "reservation.rescinded",
        "reservation.wrapup",
        "reservation.completed",
    }
)
TASK_EVENTS: Final = frozenset({"task.updated", "task.canceled", "task.wrapup", "task.completed"})
TRANSFER_EVENTS: Final = frozenset(
    {
        "task.transfer-initiated",
        "task.transfer-attempt-failed",
        "task.transfer-failed",
        "task.transfer-completed",
        "task.transfer-canceled",
    }
)
RESERVATION_FAILED: Final = "reservation.failed"
"""Sent to the worker a task was made for; its payload is the task, there is no reservation."""

BRIDGE_EVENTS: Final = WORKER_EVENTS | RESERVATION_EVENTS | TASK_EVENTS | TRANSFER_EVENTS | {RESERVATION_FAILED}
"""The types that are sent to websocket sessions, if the event has recipients."""

LOG_EVENTS: Final = BRIDGE_EVENTS | {
    "workspace.created",
    "workspace.updated",
    "workspace.deleted",
    "activity.created",
    "activity.updated",
    "activity.deleted",
    "worker.created",
    "worker.deleted",
    "task.created",
    "task.deleted",
    "task.system-deleted",
    "task-queue.created",
    "task-queue.updated",
    "task-queue.deleted",
    "task-queue.entered",
    "task-queue.timeout",
    "task-queue.moved",
    "task-queue.expression.updated",
    "task-channel.created",
    "task-channel.updated",
    "task-channel.deleted",
    "workflow.created",
    "workflow.updated",
    "workflow.deleted",
    "workflow.entered",
    "workflow.target-matched",
    "workflow.timeout",
    "workflow.skipped",
}
"""Every type the engine emits."""

NO_DATA: Final[Mapping[str, Any]] = MappingProxyType({})


@attrs.frozen(slots=False, kw_only=True)
class Event:
    """One event, with snapshots of the records it concerns."""

    type: str
    at: float
    """Unix seconds: the time of the command, or the due time of the timer that caused it."""
    sequence: int
    """Grows by one with every event of the engine."""
    workspace_sid: str
    recipients: tuple[str, ...] = ()
    """Sids of the workers whose sessions receive it, in order."""
    workspace: Workspace | None = None
    activity: Activity | None = None
    worker: Worker | None = None
    channel: WorkerChannel | None = None
    task_channel: TaskChannel | None = None
    queue: TaskQueue | None = None
    workflow: Workflow | None = None
    task: Task | None = None
    reservation: Reservation | None = None
    task_transfer: Transfer | None = None
    """In a reservation event: the transfer that made the reservation."""
    active_outgoing_task_transfer: Transfer | None = None
    """In a reservation event: the open transfer started from the reservation."""
    transfer: Transfer | None = None
    """In a ``task.transfer-…`` event: the transfer."""
    data: Mapping[str, Any] = NO_DATA
    """Further facts, which depend on the type.

    * ``worker.activity.update``: ``previous_activity_sid``, ``previous_activity_name``, ``time_in_previous_activity``
      (seconds);
    * ``worker.capacity.update``: ``previous_capacity``;
    * ``workflow.target-matched``: ``filter`` (label), ``filter_expression``, ``target`` (index), ``target_name``,
      ``target_expression``;
    * ``task-queue.moved``: ``previous_queue_sid``, ``previous_queue_name``, ``previous_priority``,
      ``target_changed_reason``;
    * these two, ``workflow.entered``, ``task-queue.entered`` and ``reservation.created``: ``re_evaluated_reason``, and
      ``known_worker_sid`` or ``known_worker_name`` where the step asks for one.
    """

    @property
    def sid(self) -> str:
        """The event's sid, unique within the engine."""
        return f"EV{self.sequence:032x}"

    @property
    def bridge(self) -> bool:
        """Whether the event is sent to websocket sessions."""
        return bool(self.recipients) and self.type in BRIDGE_EVENTS


_OPTIONAL: Final = tuple(field.name for field in attrs.fields(Event) if field.default is not attrs.NOTHING)
for _name in _OPTIONAL:
    # Absent fields read as the class attribute set here, so that an event costs only the fields it has.
    setattr(Event, _name, attrs.fields_dict(Event)[_name].default)


def made(fields: dict[str, Any]) -> Event:
    """Return an event with these fields, bypassing its initializer, since the engine makes several with each command.

    Args:
        fields: by name, the required ones included. The event takes ownership of the dict.
    """
    event = object.__new__(Event)
    object.__setattr__(event, "__dict__", fields)
    return event
