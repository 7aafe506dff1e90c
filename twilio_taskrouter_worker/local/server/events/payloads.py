"""The resources on the event bridge: dates in integer seconds, versions, and names of its own."""

from __future__ import annotations

from typing import Any

from ...engine import Event, model
from ...engine.events import ReservationEvent, TaskEvent, TransferEvent, WorkerChannelEvent, WorkerEvent

Shape = dict[str, Any]


def worker(record: model.Worker) -> Shape:
    """Return a worker.

    Args:
        record: The engine's record.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "attributes": record.attributes,
        "activity_sid": record.activity_sid,
        "activity_name": record.activity_name,
        "available": record.available,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
        "date_status_changed": int(record.date_status_changed),
        "version": record.version,
    }


def activity(record: model.Activity) -> Shape:
    """Return an activity.

    Args:
        record: The engine's record.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "available": record.available,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
    }


def channel(record: model.WorkerChannel) -> Shape:
    """Return a worker channel; ``available`` is a number here.

    Args:
        record: The engine's record.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "worker_sid": record.worker_sid,
        "sid": record.sid,
        "task_channel_sid": record.task_channel_sid,
        "task_channel_unique_name": record.task_channel_unique_name,
        "configured_capacity": record.configured_capacity,
        # The SDK's schema for a worker channel has a number, and a boolean everywhere else.
        "available": int(record.available),
        "assigned_tasks": record.assigned_tasks,
        "available_capacity_percentage": record.available_capacity_percentage,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
        # Milliseconds, the only such date on the bridge.
        "last_reserved_time": int(record.last_reserved_time * 1000),
    }


def task_queue(record: model.TaskQueue) -> Shape:
    """Return a task queue.

    Args:
        record: The engine's record.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "target_workers": record.target_workers,
        "max_reserved_workers": record.max_reserved_workers,
        "task_order": record.task_order,
        # The bridge has the order twice, as a word and as a boolean.
        "lifo_queue": record.task_order == model.LIFO,
        "reservation_activity_sid": record.reservation_activity_sid,
        "reservation_activity_name": record.reservation_activity_name,
        "assignment_activity_sid": record.assignment_activity_sid,
        "assignment_activity_name": record.assignment_activity_name,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
        "version": record.version,
    }


def nested_task(record: model.Task, now: float) -> Shape:
    """Return a task as a part of a reservation.

    Args:
        record: The engine's record.
        now: Unix seconds by the engine's clock, for the age.
    """
    return {
        "sid": record.sid,
        "assignment_status": record.assignment_status,
        "attributes": record.attributes,
        "addons": record.addons,
        "age": record.age(now),
        "priority": record.priority,
        "reason": record.reason,
        "timeout": record.timeout,
        "workflow_sid": record.workflow_sid,
        "workflow_name": record.workflow_friendly_name,
        "queue_sid": record.task_queue_sid,
        "queue_name": record.task_queue_friendly_name,
        "task_channel_sid": record.task_channel_sid,
        "task_channel_unique_name": record.task_channel_unique_name,
        "routing_target": record.routing_target,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
        "virtual_start_time": int(record.virtual_start_time),
        "version": record.version,
    }


def task(record: model.Task, now: float) -> Shape:
    """Return a task on its own.

    Args:
        record: The engine's record.
        now: Unix seconds by the engine's clock, for the age.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        # The copy inside of a reservation has neither account, workspace nor counter, as in recorded payloads.
        **nested_task(record, now),
        "counter": record.counter,
    }


def transfer(record: model.Transfer) -> Shape:
    """Return a transfer on its own.

    Args:
        record: The engine's record.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        **nested_transfer(record),
    }


def nested_transfer(record: model.Transfer) -> Shape:
    """Return a transfer as a part of a reservation; with ``task_sid``, which one official client needs there.

    Args:
        record: The engine's record.
    """
    shape = {
        "sid": record.sid,
        "task_sid": record.task_sid,
        "transfer_type": record.transfer_type,
        "transfer_mode": record.transfer_mode,
        "transfer_to": record.transfer_to,
        "transfer_status": record.transfer_status,
        "initiating_reservation_sid": record.initiating_reservation_sid,
        "initiating_worker_sid": record.initiating_worker_sid,
        "initiating_queue_sid": record.initiating_queue_sid,
        "initiating_workflow_sid": record.initiating_workflow_sid,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
    }
    if record.transfer_failed_reason is not None:
        shape["transfer_failed_reason"] = record.transfer_failed_reason
    return shape


def short_reservation(record: model.Reservation) -> Shape:
    """Return a reservation as the answer to its update: without its task, and never with a transfer.

    Args:
        record: The engine's record.
    """
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "task_sid": record.task_sid,
        "worker_sid": record.worker_sid,
        "worker_name": record.worker_name,
        "reservation_status": record.reservation_status,
        "task_channel_sid": record.task_channel_sid,
        "worker_previous_activity_sid": record.worker_previous_activity_sid,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
        "version": record.version,
    }


def reservation(
    record: model.Reservation,
    task_record: model.Task,
    now: float,
    incoming: model.Transfer | None,
    outgoing: model.Transfer | None,
) -> Shape:
    """Return a reservation with its task. Absent transfers and reason codes are left out, not null.

    Args:
        record: The engine's record.
        task_record: Its task.
        now: Unix seconds by the engine's clock, for the task's age.
        incoming: The transfer that created it, if any.
        outgoing: The open transfer that it initiated, if any.
    """
    shape = {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "worker_sid": record.worker_sid,
        "worker_name": record.worker_name,
        "reservation_status": record.reservation_status,
        "reservation_timeout": record.reservation_timeout,
        "worker_previous_activity_sid": record.worker_previous_activity_sid,
        "date_created": int(record.date_created),
        "date_updated": int(record.date_updated),
        "version": record.version,
        "task": nested_task(task_record, now),
    }
    # Never null: the JS SDK takes a null transfer for an object, and tests that a plain cancel has no code.
    if record.canceled_reason_code is not None:
        shape["canceled_reason_code"] = record.canceled_reason_code
    if incoming is not None:
        shape["task_transfer"] = nested_transfer(incoming)
    if outgoing is not None:
        shape["active_outgoing_task_transfer"] = nested_transfer(outgoing)
    return shape


def reservation_view(view: model.ReservationView, now: float) -> Shape:
    """Return a reservation as an item of a list.

    Args:
        view: The reservation with its task and transfers.
        now: Unix seconds by the engine's clock, for the task's age.
    """
    return reservation(view.reservation, view.task, now, view.task_transfer, view.active_outgoing_task_transfer)


def payload(event: Event) -> Shape:
    """Return the payload of an event's frame.

    Args:
        event: An event that the bridge has.

    Raises:
        TypeError: It is not one.
    """
    # Each family before the one that it belongs to. The task's age is that at the event, not at the moment of sending.
    if isinstance(event, ReservationEvent):
        return reservation(
            event.reservation, event.task, event.at, event.task_transfer, event.active_outgoing_task_transfer
        )
    if isinstance(event, TransferEvent):
        return transfer(event.transfer)
    if isinstance(event, TaskEvent):
        return task(event.task, event.at)
    if isinstance(event, WorkerChannelEvent):
        return channel(event.channel)
    if isinstance(event, WorkerEvent):
        return worker(event.worker)
    raise TypeError(f"The bridge has no event {event.type}")
