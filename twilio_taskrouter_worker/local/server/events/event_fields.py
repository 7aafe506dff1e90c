"""The content of an event in the event log and in webhooks: its fields, its resource, and a sentence.

:data:`FIELDS` is the one table of the fields of each event; the documentation is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ...engine import Event, model
from ...engine.events import (
    RESERVATION_EVENTS,
    RESERVATION_FAILED,
    TRANSFER_EVENTS,
    TaskEvent,
    WorkerChannelEvent,
    WorkerEvent,
)
from ...engine.rules import REASON_TTL

Fields = dict[str, str]

# By the class of an event's subject: the type of the resource, its path below the workspace, and how a sentence names
# the kind.
_RESOURCES: dict[type[model.Record], tuple[str, str, str]] = {
    model.Workspace: ("workspace", "", "Workspace"),
    model.Activity: ("activity", "/Activities/{sid}", "Activity"),
    model.Worker: ("worker", "/Workers/{sid}", "Worker"),
    model.Task: ("task", "/Tasks/{sid}", "Task"),
    model.Reservation: ("reservation", "/Tasks/{task_sid}/Reservations/{sid}", "Reservation"),
    model.TaskQueue: ("taskqueue", "/TaskQueues/{sid}", "TaskQueue"),
    model.TaskChannel: ("task-channel", "/TaskChannels/{sid}", "Task channel"),
    model.Workflow: ("workflow", "/Workflows/{sid}", "Workflow"),
}


def resource(event: Event) -> tuple[str, str, str]:
    """Return type and sid of an event's resource, and its path below ``/v1``.

    Args:
        event: The event.
    """
    record = event.subject
    kind, path, _ = _RESOURCES[type(record)]
    home = f"Workspaces/{event.workspace_sid}"
    return kind, record.sid, home + path.format(sid=record.sid, task_sid=getattr(record, "task_sid", ""))


def description(event: Event) -> str:
    """Return one sentence about an event.

    Args:
        event: The event.
    """
    if event.type == "worker.activity.update" and isinstance(event, WorkerEvent):
        return f"Worker {event.worker.friendly_name} updated to {event.worker.activity_name} Activity"
    if event.type == "task.canceled" and isinstance(event, TaskEvent) and event.task.reason == REASON_TTL:
        return REASON_TTL
    record = event.subject
    _, _, kind = _RESOURCES[type(record)]
    # Queues are named by their sid, other resources by their name if they have one.
    name = record.sid if isinstance(record, model.TaskQueue) else getattr(record, "friendly_name", record.sid)
    change = event.type.partition(".")[2]
    return f"{kind} {name} {change.replace('.', ' ').replace('-', ' ')}"


def fields(event: Event, workspace_name: str) -> Fields:
    """Return the fields of an event as texts, under the names of the event log; fields without a value are left out.

    Args:
        event: The event.
        workspace_name: The name of its workspace at that time.
    """
    found = {"workspace_sid": event.workspace_sid, "workspace_name": workspace_name}
    for field in FIELDS[event.type]:
        value = field.read(event)
        if value is not None:
            found[field.name] = _text(value)
    return found


def callback_params(event: Event, account_sid: str, workspace_name: str) -> Fields:
    """Return the form of an event callback: the fields with their names in CamelCase, and the event's own parameters.

    Args:
        event: The event.
        account_sid: The account.
        workspace_name: The name of its workspace at that time.
    """
    kind, sid, _ = resource(event)
    common = {
        "EventType": event.type,
        "AccountSid": account_sid,
        "EventDescription": description(event),
        "ResourceType": kind,
        "ResourceSid": sid,
        "Timestamp": str(int(event.at)),
        "TimestampMs": str(int(event.at * 1000)),
        "Sid": event.sid,
    }
    return {**common, **{camel(name): value for name, value in fields(event, workspace_name).items()}}


def camel(name: str) -> str:
    """Return the name of a field in webhooks.

    Args:
        name: Its name in the event log.
    """
    return "".join(part.capitalize() for part in name.split("_"))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Dates are whole unix seconds.
    return str(int(value)) if isinstance(value, float) else str(value)


# -- fields -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Field:
    """One field of events."""

    name: str
    """Name in the event log; webhooks have it in CamelCase."""
    read: Callable[[Event], Any]
    """Returns its value for an event; None: this event does not have it."""
    when: str = ""
    """When an event that lists it has it; empty: always."""


def _of(record: str, **names: str) -> tuple[Field, ...]:
    """Return fields that are attributes of one record, by their names."""

    def reading(attribute: str) -> Callable[[Event], Any]:
        return lambda event: getattr(getattr(event, record), attribute, None)

    return tuple(Field(name, reading(attribute)) for name, attribute in names.items())


def _when(condition: str, *fields: Field) -> tuple[Field, ...]:
    return tuple(attrs.evolve(field, when=condition) for field in fields)


def _data(name: str, key: str, when: str = "") -> Field:
    return Field(name, lambda event: event.data.get(key), when)


def _reason(status: str) -> Callable[[Event], Any]:
    def read(event: Event) -> Any:
        # One field of the record is two fields here: the reason of a cancellation and that of a completion.
        return event.task.reason if isinstance(event, TaskEvent) and event.task.assignment_status == status else None

    return read


def _age(event: Event) -> Any:
    return event.task.age(event.at) if isinstance(event, TaskEvent) else None


def _free(event: Event) -> Any:
    if not isinstance(event, WorkerChannelEvent):
        return None
    # Lowering the capacity leaves the reservations that exceed it.
    return max(0, event.channel.configured_capacity - event.channel.occupied)


_ACTIVITY = _of("record", activity_sid="sid", activity_name="friendly_name", activity_available="available")
_UNIT_OF_WORKER = _of("worker", operating_unit_sid="operating_unit_sid")
_WORKER = _of(
    "worker",
    worker_sid="sid",
    worker_name="friendly_name",
    worker_attributes="attributes",
    worker_activity_sid="activity_sid",
    worker_activity_name="activity_name",
    worker_version="version",
)
_ACTIVITY_CHANGE = (
    _data("worker_previous_activity_sid", "previous_activity_sid"),
    _data("worker_previous_activity_name", "previous_activity_name"),
    _data("worker_time_in_previous_activity", "time_in_previous_activity"),
    Field("worker_time_in_previous_activity_ms", lambda event: event.data["time_in_previous_activity"] * 1000),
)
_CAPACITY = _of("channel", worker_channel_capacity="configured_capacity", worker_channel_consumed_capacity="occupied")
_CHANNEL = (
    *_of(
        "channel",
        task_channel_sid="task_channel_sid",
        task_channel_unique_name="task_channel_unique_name",
        worker_channel_available="available",
        worker_channel_task_count="occupied",
    ),
    *_CAPACITY,
    Field("worker_channel_available_capacity", _free),
    _data("worker_channel_previous_capacity", "previous_capacity"),
)


def _queue(record: str) -> tuple[Field, ...]:
    return _of(
        record,
        task_queue_sid="sid",
        task_queue_name="friendly_name",
        task_queue_target_expression="target_workers",
        operating_unit_sid="operating_unit_sid",
    )


_TASK_CHANNEL = _of(
    "record",
    task_channel_sid="sid",
    task_channel_unique_name="unique_name",
    task_channel_name="friendly_name",
    task_channel_optimized_routing="channel_optimized_routing",
)
_WORKFLOW = _of("record", workflow_sid="sid", workflow_name="friendly_name")
_WORKFLOW_OF_TASK = _when(
    "the task has a workflow", *_of("task", workflow_sid="workflow_sid", workflow_name="workflow_friendly_name")
)
_TASK = (
    *_of("task", task_sid="sid", task_attributes="attributes"),
    Field("task_age", _age),
    *_of(
        "task",
        task_priority="priority",
        task_assignment_status="assignment_status",
        task_version="version",
        task_date_created="date_created",
        task_virtual_start_time="virtual_start_time",
        task_ignore_capacity="ignore_capacity",
        task_channel_sid="task_channel_sid",
        task_channel_unique_name="task_channel_unique_name",
    ),
    *_when("the task has one", *_of("task", task_routing_target="routing_target")),
    Field("task_canceled_reason", _reason(model.CANCELED), "the task is canceled, with a reason"),
    Field("task_completed_reason", _reason(model.COMPLETED), "the task is completed, with a reason"),
    *_WORKFLOW_OF_TASK,
    *_when("the task is in a queue", *_queue("queue"), *_of("task", task_queue_entered_date="task_queue_entered_date")),
)
_AGAIN = (_data("task_re_evaluated_reason", "re_evaluated_reason", "the task is on its way again"),)
_KNOWN_WORKER = (
    _data("known_worker_sid", "known_worker_sid", "the step asks for a worker by sid"),
    _data("known_worker_friendly_name", "known_worker_name", "the step asks for a worker by name"),
)
_TARGET = (
    _data("workflow_filter_name", "filter", "the filter has a name"),
    _data("workflow_filter_expression", "filter_expression", "it is not the default filter"),
    _data("workflow_filter_target_name", "target_name", "the target has a name"),
    _data("workflow_filter_target_expression", "target_expression", "the target has an expression"),
)
_MOVE = (
    _data("previous_task_queue_sid", "previous_queue_sid"),
    _data("previous_task_queue_name", "previous_queue_name"),
    _data("previous_task_priority", "previous_priority"),
    _data("target_changed_reason", "target_changed_reason"),
)
_RESERVATION = (
    *_of(
        "reservation",
        reservation_sid="sid",
        reservation_status="reservation_status",
        reservation_version="version",
    ),
    *_when("a voice instruction failed", *_of("reservation", reservation_reason_code="canceled_reason_code")),
)


def _transfer(record: str) -> tuple[Field, ...]:
    return (
        *_of(
            record,
            task_transfer_sid="sid",
            transfer_type="transfer_type",
            transfer_mode="transfer_mode",
            transfer_to="transfer_to",
            transfer_status="transfer_status",
            transfer_started="date_created",
            transfer_initiating_worker_sid="initiating_worker_sid",
            transfer_initiating_reservation_sid="initiating_reservation_sid",
        ),
        *_when("the transfer has failed", *_of(record, transfer_failed_reason="transfer_failed_reason")),
    )


_OF_RESERVATIONS = (
    *_RESERVATION,
    *_TASK,
    *_WORKER,
    *_UNIT_OF_WORKER,
    *_when("the worker still has the channel", *_CAPACITY),
    *_when("a transfer made the reservation", *_transfer("task_transfer")),
)

FIELDS: Mapping[str, tuple[Field, ...]] = {
    **dict.fromkeys(("workspace.created", "workspace.updated", "workspace.deleted"), ()),
    **dict.fromkeys(("activity.created", "activity.updated", "activity.deleted"), _ACTIVITY),
    **dict.fromkeys(("worker.created", "worker.attributes.update", "worker.deleted"), (*_WORKER, *_UNIT_OF_WORKER)),
    "worker.activity.update": (*_WORKER, *_UNIT_OF_WORKER, *_ACTIVITY_CHANGE),
    **dict.fromkeys(
        ("worker.capacity.update", "worker.channel.availability.update"), (*_WORKER, *_UNIT_OF_WORKER, *_CHANNEL)
    ),
    **dict.fromkeys(("task-channel.created", "task-channel.updated", "task-channel.deleted"), _TASK_CHANNEL),
    **dict.fromkeys(
        ("task-queue.created", "task-queue.updated", "task-queue.deleted", "task-queue.expression.updated"),
        _queue("record"),
    ),
    "task-queue.timeout": _TASK,
    "task-queue.entered": (*_TASK, *_AGAIN, *_KNOWN_WORKER),
    "task-queue.moved": (*_TASK, *_MOVE, *_AGAIN, *_KNOWN_WORKER),
    **dict.fromkeys(("workflow.created", "workflow.updated", "workflow.deleted"), _WORKFLOW),
    **dict.fromkeys(("workflow.timeout", "workflow.skipped"), _TASK),
    "workflow.entered": (*_TASK, *_AGAIN),
    "workflow.target-matched": (*_TASK, *_TARGET, *_AGAIN, *_KNOWN_WORKER),
    **dict.fromkeys(
        ("task.created", "task.updated", "task.wrapup", "task.completed", "task.deleted", "task.system-deleted"), _TASK
    ),
    "task.canceled": (*_TASK, Field("reason", _reason(model.CANCELED), "the task is canceled, with a reason")),
    RESERVATION_FAILED: _TASK,
    **dict.fromkeys(TRANSFER_EVENTS, (*_TASK, *_transfer("transfer"))),
    **dict.fromkeys(RESERVATION_EVENTS, _OF_RESERVATIONS),
    "reservation.created": (*_OF_RESERVATIONS, *_AGAIN, *_KNOWN_WORKER),
}
"""The fields of each type of event, in addition to ``workspace_sid`` and ``workspace_name``, which all events have."""
