"""The resources in REST answers: dates in ISO 8601, absolute URLs, no versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine import model
from ..http.dates import iso

Shape = dict[str, Any]
Shaper = Callable[[Any, str, float], Shape]
"""Takes a record, the URL of ``/v1`` as the client sees it, and the time."""

_STATISTICS = (
    ("statistics", "Statistics"),
    ("real_time_statistics", "RealTimeStatistics"),
    ("cumulative_statistics", "CumulativeStatistics"),
)


def _links(url: str, *names: tuple[str, str]) -> dict[str, Any]:
    return {name: f"{url}/{path}" for name, path in names}


def _dates(record: model.Record) -> Shape:
    return {"date_created": iso(record.date_created), "date_updated": iso(record.date_updated)}


def workspace(record: model.Workspace, base: str, now: float) -> Shape:
    """Return a workspace.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    url = f"{base}/Workspaces/{record.sid}"
    return {
        "account_sid": record.account_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        **_dates(record),
        "default_activity_sid": record.default_activity_sid,
        "default_activity_name": record.default_activity_name,
        "timeout_activity_sid": record.timeout_activity_sid,
        "timeout_activity_name": record.timeout_activity_name,
        # Empty and not null, as in the example of Twilio's description; the filter beside it is null.
        "event_callback_url": record.event_callback_url or "",
        "events_filter": record.events_filter,
        "multi_task_enabled": record.multi_task_enabled,
        "prioritize_queue_order": record.prioritize_queue_order,
        "default_operating_unit_sid": record.operating_unit_sid,
        "url": url,
        "links": _links(
            url,
            ("activities", "Activities"),
            ("events", "Events"),
            ("tasks", "Tasks"),
            ("task_queues", "TaskQueues"),
            ("workers", "Workers"),
            ("workflows", "Workflows"),
            ("task_channels", "TaskChannels"),
            *_STATISTICS,
        ),
    }


def activity(record: model.Activity, base: str, now: float) -> Shape:
    """Return an activity.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "available": record.available,
        **_dates(record),
        "url": f"{home}/Activities/{record.sid}",
        "links": {"workspace": home},
    }


def worker(record: model.Worker, base: str, now: float) -> Shape:
    """Return a worker.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    url = f"{home}/Workers/{record.sid}"
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "activity_sid": record.activity_sid,
        "activity_name": record.activity_name,
        "available": record.available,
        "attributes": record.attributes,
        "operating_unit_sid": record.operating_unit_sid,
        **_dates(record),
        "date_status_changed": iso(record.date_status_changed),
        "url": url,
        "links": {
            "workspace": home,
            "activity": f"{home}/Activities/{record.activity_sid}",
            "channels": f"{url}/Channels",
            # Twilio has two names for this address.
            "worker_channels": f"{url}/Channels",
            "reservations": f"{url}/Reservations",
            "worker_statistics": f"{url}/Statistics",
            # Those of all workers, as in Twilio's own answers; worker_statistics is that of this one.
            **_links(f"{home}/Workers", *_STATISTICS),
        },
    }


def worker_channel(record: model.WorkerChannel, base: str, now: float) -> Shape:
    """Return a worker channel.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "worker_sid": record.worker_sid,
        "sid": record.sid,
        "task_channel_sid": record.task_channel_sid,
        "task_channel_unique_name": record.task_channel_unique_name,
        "assigned_tasks": record.assigned_tasks,
        "available": record.available,
        "available_capacity_percentage": record.available_capacity_percentage,
        "configured_capacity": record.configured_capacity,
        **_dates(record),
        "url": f"{home}/Workers/{record.worker_sid}/Channels/{record.sid}",
    }


def task_channel(record: model.TaskChannel, base: str, now: float) -> Shape:
    """Return a task channel.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "unique_name": record.unique_name,
        "friendly_name": record.friendly_name,
        "channel_optimized_routing": record.channel_optimized_routing,
        **_dates(record),
        "url": f"{home}/TaskChannels/{record.sid}",
        "links": {"workspace": home},
    }


def task_queue(record: model.TaskQueue, base: str, now: float) -> Shape:
    """Return a task queue.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    url = f"{home}/TaskQueues/{record.sid}"
    links = {"workspace": home, **_links(url, *_STATISTICS)}
    links["list_statistics"] = f"{home}/TaskQueues/Statistics"
    links["bulk_real_time_statistics"] = f"{home}/TaskQueues/RealTimeStatistics"
    for name in ("assignment_activity", "reservation_activity"):
        sid = getattr(record, f"{name}_sid")
        # Queues of multi-tasking workspaces have none, but the keys are there.
        links[name] = f"{home}/Activities/{sid}" if sid else None
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "target_workers": record.target_workers,
        "max_reserved_workers": record.max_reserved_workers,
        "task_order": record.task_order,
        "reservation_activity_sid": record.reservation_activity_sid,
        "reservation_activity_name": record.reservation_activity_name,
        "assignment_activity_sid": record.assignment_activity_sid,
        "assignment_activity_name": record.assignment_activity_name,
        "operating_unit_sid": record.operating_unit_sid,
        **_dates(record),
        "url": url,
        "links": links,
    }


def workflow(record: model.Workflow, base: str, now: float) -> Shape:
    """Return a workflow.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    url = f"{base}/Workspaces/{record.workspace_sid}/Workflows/{record.sid}"
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "friendly_name": record.friendly_name,
        "configuration": record.configuration,
        "document_content_type": record.document_content_type,
        "assignment_callback_url": record.assignment_callback_url,
        "fallback_assignment_callback_url": record.fallback_assignment_callback_url,
        "task_reservation_timeout": record.task_reservation_timeout,
        **_dates(record),
        "url": url,
        "links": _links(url, *_STATISTICS),
    }


def task(record: model.Task, base: str, now: float) -> Shape:
    """Return a task.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock, for the age.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    url = f"{home}/Tasks/{record.sid}"
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "assignment_status": record.assignment_status,
        "attributes": record.attributes,
        "addons": record.addons,
        "age": record.age(now),
        "priority": record.priority,
        "reason": record.reason,
        "timeout": record.timeout,
        "workflow_sid": record.workflow_sid,
        "workflow_friendly_name": record.workflow_friendly_name,
        "task_queue_sid": record.task_queue_sid,
        "task_queue_friendly_name": record.task_queue_friendly_name,
        "task_queue_entered_date": iso(record.task_queue_entered_date),
        "task_channel_sid": record.task_channel_sid,
        "task_channel_unique_name": record.task_channel_unique_name,
        "routing_target": record.routing_target,
        "ignore_capacity": record.ignore_capacity,
        "virtual_start_time": iso(record.virtual_start_time),
        **_dates(record),
        "url": url,
        "links": {
            "workspace": home,
            "workflow": f"{home}/Workflows/{record.workflow_sid}" if record.workflow_sid else None,
            "task_queue": f"{home}/TaskQueues/{record.task_queue_sid}" if record.task_queue_sid else None,
            "reservations": f"{url}/Reservations",
        },
    }


def _reservation(record: model.Reservation, home: str, url: str) -> Shape:
    return {
        "account_sid": record.account_sid,
        "workspace_sid": record.workspace_sid,
        "sid": record.sid,
        "task_sid": record.task_sid,
        "worker_sid": record.worker_sid,
        "worker_name": record.worker_name,
        "reservation_status": record.reservation_status,
        **_dates(record),
        "url": f"{url}/Reservations/{record.sid}",
        "links": {
            "task": f"{home}/Tasks/{record.task_sid}",
            "worker": f"{home}/Workers/{record.worker_sid}",
            "workspace": home,
        },
    }


def task_reservation(record: model.Reservation, base: str, now: float) -> Shape:
    """Return a reservation, below its task's path.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    return _reservation(record, home, f"{home}/Tasks/{record.task_sid}")


def worker_reservation(record: model.Reservation, base: str, now: float) -> Shape:
    """Return a reservation, below its worker's path.

    Args:
        record: The engine's record.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    home = f"{base}/Workspaces/{record.workspace_sid}"
    return _reservation(record, home, f"{home}/Workers/{record.worker_sid}")
