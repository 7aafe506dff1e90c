"""The events of the engine.

An event goes to the websocket sessions of its ``recipients`` if its type is one of :data:`BRIDGE_EVENTS`; every event
belongs in the workspace's event log and is a candidate for webhooks. The snapshots in an event are of one moment: after
the whole change that caused it, and before the routing that the change makes possible.

Each family of types has a class with its snapshots, so that a reader asks once for the family (``isinstance``) and then
has them all. Only the queue, the channel and the transfers can be missing, where there is none at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from .model import (
    Activity,
    Record,
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
WORKER_EVENTS = frozenset(
    {
        "worker.activity.update",
        "worker.attributes.update",
        "worker.capacity.update",
        "worker.channel.availability.update",
    }
)
RESERVATION_EVENTS = frozenset(
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
TASK_EVENTS = frozenset({"task.updated", "task.canceled", "task.wrapup", "task.completed"})
TRANSFER_EVENTS = frozenset(
    {
        "task.transfer-initiated",
        "task.transfer-attempt-failed",
        "task.transfer-failed",
        "task.transfer-completed",
        "task.transfer-canceled",
    }
)
RESERVATION_FAILED = "reservation.failed"
"""Sent to the worker a task was made for; its payload is the task, there is no reservation."""

BRIDGE_EVENTS = WORKER_EVENTS | RESERVATION_EVENTS | TASK_EVENTS | TRANSFER_EVENTS | {RESERVATION_FAILED}
"""The types that are sent to websocket sessions, if the event has recipients."""

LOG_EVENTS = BRIDGE_EVENTS | {
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

NO_DATA: Mapping[str, Any] = MappingProxyType({})


Configuration = Workspace | Activity | TaskChannel | TaskQueue | Workflow


# A dict and not slots: the initializer of a frozen class then writes the dict at once, field by field, where slots
# would cost a call for each. The engine makes several events with each command.
@attrs.frozen(slots=False)
class Event:
    """One event: what all families have. Only the families below are made, each with the records that it has."""

    type: str
    """One of :data:`LOG_EVENTS`."""
    at: float
    """Unix seconds: the time of the command, or the due time of the timer that caused it."""
    sequence: int
    """Grows by one with every event of the engine."""
    workspace_sid: str
    recipients: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    """Sids of the workers whose sessions receive it, in order."""
    data: Mapping[str, Any] = attrs.field(default=NO_DATA, kw_only=True)
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
        # Derived, so that neither an event nor a snapshot has to keep it.
        return f"EV{self.sequence:032x}"

    @property
    def bridge(self) -> bool:
        """Whether the event is sent to websocket sessions."""
        return bool(self.recipients) and self.type in BRIDGE_EVENTS

    @property
    def subject(self) -> Record:
        """The record that the event is about, which the event log names as its resource."""
        raise NotImplementedError

    def records(self) -> Iterator[Record]:
        """Iterate over all snapshots that the event has."""
        # What is not a record is left out, and so are snapshots that are None.
        return (value for value in vars(self).values() if isinstance(value, Record))


@attrs.frozen(slots=False)
class ConfigurationEvent(Event):
    """``workspace.…``, ``activity.…`` and ``task-channel.…``, and the changes of a task queue or workflow itself."""

    record: Configuration

    @property
    def subject(self) -> Configuration:
        """The record that was changed."""
        return self.record


@attrs.frozen(slots=False)
class WorkerEvent(Event):
    """``worker.…``."""

    worker: Worker

    @property
    def subject(self) -> Worker:
        """The worker."""
        return self.worker


@attrs.frozen(slots=False)
class WorkerChannelEvent(WorkerEvent):
    """``worker.capacity.update`` and ``worker.channel.availability.update``."""

    channel: WorkerChannel


@attrs.frozen(slots=False)
class TaskEvent(Event):
    """``task.…`` and ``reservation.failed``; also what every other event of a task has."""

    task: Task
    queue: TaskQueue | None
    """The queue that the task is in, if any."""

    @property
    def subject(self) -> Record:
        """The task."""
        return self.task


@attrs.frozen(slots=False)
class TransferEvent(TaskEvent):
    """``task.transfer-…``."""

    transfer: Transfer


@attrs.frozen(slots=False)
class WorkflowStepEvent(TaskEvent):
    """``workflow.…`` of a task on its way: entered, target-matched, timeout and skipped."""

    workflow: Workflow

    @property
    def subject(self) -> Workflow:
        """The workflow."""
        return self.workflow


@attrs.frozen(slots=False)
class QueueStepEvent(TaskEvent):
    """``task-queue.…`` of a task on its way: entered, moved and timeout."""

    queue: TaskQueue
    """The queue of the step."""

    @property
    def subject(self) -> TaskQueue:
        """The queue of the step."""
        return self.queue


@attrs.frozen(slots=False)
class ReservationEvent(TaskEvent):
    """``reservation.…``, but for ``reservation.failed``."""

    reservation: Reservation
    worker: Worker
    channel: WorkerChannel | None
    """The worker's channel of the task; None if the worker has it no longer."""
    task_transfer: Transfer | None
    """The transfer that made the reservation, if one did."""
    active_outgoing_task_transfer: Transfer | None
    """The open transfer started from the reservation, if any."""

    @property
    def subject(self) -> Reservation:
        """The reservation."""
        return self.reservation
