"""What the event log and webhooks say about an event: its fields, its resource, and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...engine import Event, model

Fields = dict[str, Any]

# Which record of an event is its resource, and the path of that record below its workspace, by the event's group.
_RESOURCES: Final[dict[str, tuple[str, str]]] = {
    "workspace": ("workspace", ""),
    "activity": ("activity", "/Activities/{sid}"),
    "worker": ("worker", "/Workers/{sid}"),
    "task": ("task", "/Tasks/{sid}"),
    "reservation": ("reservation", "/Tasks/{task_sid}/Reservations/{sid}"),
    "task-queue": ("queue", "/TaskQueues/{sid}"),
    "task-channel": ("task_channel", "/TaskChannels/{sid}"),
    "workflow": ("workflow", "/Workflows/{sid}"),
}


def resource(event: Event) -> tuple[str, str, str]:
    """Return type and sid of an event's resource, and its path below ``/v1``."""
    group = event.type.partition(".")[0]
    attribute, path = _RESOURCES[group]
    record = getattr(event, attribute)
    if record is None:  # reservation.failed has a task only
        group, record, path = "task", event.task, _RESOURCES["task"][1]
    home = f"Workspaces/{event.workspace_sid}"
    return group, record.sid, home + path.format(sid=record.sid, task_sid=getattr(record, "task_sid", ""))


def description(event: Event) -> str:
    """Return one sentence about an event."""
    if event.type == "worker.activity.update" and event.worker is not None:
        return f"Worker {event.worker.friendly_name} updated to {event.worker.activity_name} Activity"
    group, _, change = event.type.partition(".")
    record = getattr(event, _RESOURCES[group][0])
    name = getattr(record, "friendly_name", None) or resource(event)[1]
    return f"{group.replace('-', ' ').capitalize()} {name} {change.replace('.', ' ').replace('-', ' ')}"


def fields(event: Event, workspace_name: str) -> Fields:
    """Return the facts of an event under the names of the event log; webhooks have the same in CamelCase."""
    found: Fields = {"workspace_sid": event.workspace_sid, "workspace_name": workspace_name}
    for attribute, describe in _DESCRIBED:
        record = getattr(event, attribute)
        if record is not None:
            found.update(describe(record, event))
    return found


def callback_params(event: Event, account_sid: str, workspace_name: str) -> dict[str, str]:
    """Return the form that an event callback posts; what has no value is not in it."""
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
    own = {_camel(name): value for name, value in fields(event, workspace_name).items() if value is not None}
    return {**common, **{name: _form_text(value) for name, value in own.items()}}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _form_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _task(record: model.Task, event: Event) -> Fields:
    found = {
        "task_sid": record.sid,
        "task_attributes": record.attributes,
        "task_age": record.age(event.at),
        "task_priority": record.priority,
        "task_assignment_status": record.assignment_status,
        "task_queue_sid": record.task_queue_sid,
        "task_queue_name": record.task_queue_friendly_name,
        "workflow_sid": record.workflow_sid,
        "workflow_name": record.workflow_friendly_name,
        "task_channel_sid": record.task_channel_sid,
        "task_channel_unique_name": record.task_channel_unique_name,
    }
    reasons = {model.CANCELED: "task_canceled_reason", model.COMPLETED: "task_completed_reason"}
    if record.assignment_status in reasons:
        found[reasons[record.assignment_status]] = record.reason
    return found


def _worker(record: model.Worker, event: Event) -> Fields:
    found = {
        "worker_sid": record.sid,
        "worker_name": record.friendly_name,
        "worker_attributes": record.attributes,
        "worker_activity_sid": record.activity_sid,
        "worker_activity_name": record.activity_name,
        "worker_version": record.version,
    }
    if event.type == "worker.activity.update":
        seconds = event.data["time_in_previous_activity"]
        found["worker_previous_activity_sid"] = event.data["previous_activity_sid"]
        found["worker_time_in_previous_activity"] = int(seconds)
        found["worker_time_in_previous_activity_ms"] = int(seconds * 1000)
    return found


def _channel(record: model.WorkerChannel, event: Event) -> Fields:
    return {
        "worker_channel_available": record.available,
        "worker_channel_available_capacity": max(0, record.configured_capacity - record.occupied),
        "worker_channel_previous_capacity": event.data.get("previous_capacity"),
        "worker_channel_task_count": record.occupied,
        "task_channel_sid": record.task_channel_sid,
        "task_channel_unique_name": record.task_channel_unique_name,
    }


def _task_channel(record: model.TaskChannel, event: Event) -> Fields:
    return {
        "task_channel_sid": record.sid,
        "task_channel_unique_name": record.unique_name,
        "task_channel_name": record.friendly_name,
        "task_channel_optimized_routing": record.channel_optimized_routing,
    }


def _queue(record: model.TaskQueue, event: Event) -> Fields:
    return {
        "task_queue_sid": record.sid,
        "task_queue_name": record.friendly_name,
        "task_queue_target_expression": record.target_workers,
    }


def _workflow(record: model.Workflow, event: Event) -> Fields:
    return {"workflow_sid": record.sid, "workflow_name": record.friendly_name}


def _activity(record: model.Activity, event: Event) -> Fields:
    return {
        "activity_sid": record.sid,
        "activity_name": record.friendly_name,
        "activity_available": record.available,
    }


def _reservation(record: model.Reservation, event: Event) -> Fields:
    return {"reservation_sid": record.sid, "reservation_status": record.reservation_status}


def _transfer(record: model.Transfer, event: Event) -> Fields:
    found = {
        "transfer_sid": record.sid,
        "transfer_mode": record.transfer_mode,
        "transfer_type": record.transfer_type,
        "transfer_to": record.transfer_to,
        "transfer_status": record.transfer_status,
        "transfer_initiating_worker_sid": record.initiating_worker_sid,
        "transfer_initiating_reservation_sid": record.initiating_reservation_sid,
    }
    if record.transfer_failed_reason is not None:
        found["transfer_failed_reason"] = record.transfer_failed_reason
    return found


_DESCRIBED: Final[tuple[tuple[str, Callable[[Any, Event], Fields]], ...]] = (
    ("task", _task),
    ("worker", _worker),
    ("channel", _channel),
    ("task_channel", _task_channel),
    ("queue", _queue),
    ("workflow", _workflow),
    ("activity", _activity),
    ("reservation", _reservation),
    ("transfer", _transfer),
)
