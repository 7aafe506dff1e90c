"""The rows of the console's tables, as JSON texts made from the engine's records."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ...._json import dumps
from ...engine import Engine, model

Encoded = str
"""A row as JSON text: encoded once, however many snapshots and viewers it goes to."""
Parts = Any
"""The immutable record that a row is made from, or a tuple of several: while they are the same, so is the row."""
Found = tuple[str, Parts]
"""The sid of a row, and its parts."""


@attrs.frozen
class Table:
    """One table of the console: how its rows are found, and how one is written."""

    name: str
    find: Callable[[Engine, str], Iterator[Found]]
    """Returns all rows of a workspace."""
    write: Callable[[Engine, Parts], dict[str, Any]]
    """Returns one row, from its parts."""


def encoded(document: Any) -> Encoded:
    """Return a document as JSON text.

    Args:
        document: The document.
    """
    return dumps(document).decode()


def _picked(*names: str) -> Callable[[object], dict[str, Any]]:
    values = operator.attrgetter(*names)
    return lambda record: dict(zip(names, values(record), strict=True))


def _simple(name: str, read: Callable[[Engine, str], list[Any]], *names: str) -> Table:
    """Return a table with one row for each record of a kind, which shows some of its fields."""
    picked = _picked("sid", *names)

    def find(engine: Engine, workspace_sid: str) -> Iterator[Found]:
        # One record is the row's only part: comparing it needs no tuple, for the most frequent tables.
        return ((record.sid, record) for record in read(engine, workspace_sid))

    return Table(name, find, lambda engine, record: picked(record))


_worker = _picked(
    "sid",
    "friendly_name",
    "activity_sid",
    "activity_name",
    "available",
    "attributes",
    "date_created",
    "date_updated",
    "date_status_changed",
    "version",
)
_channel = _picked("sid", "task_channel_sid", "configured_capacity", "available", "assigned_tasks", "occupied")


def _find_workers(engine: Engine, workspace_sid: str) -> Iterator[Found]:
    # The queues are parts of every worker: a changed one may have other members.
    queues = engine.queues(workspace_sid)
    for worker in engine.workers(workspace_sid):
        # A number among the parts: small integers are the same objects in CPython, and others only cause a needless
        # row.
        sessions = engine.open_sessions(workspace_sid, worker.sid)
        yield worker.sid, (worker, sessions, *engine.channels(workspace_sid, worker.sid), *queues)


def _write_worker(engine: Engine, parts: Parts) -> dict[str, Any]:
    worker, sessions, *others = parts
    queues = engine.queues_of_worker(worker.workspace_sid, worker.sid)
    channels = [each for each in others if isinstance(each, model.WorkerChannel)]
    return {
        **_worker(worker),
        "sessions": sessions,
        "queues": [queue.sid for queue in queues],
        "channels": [
            {
                **_channel(channel),
                "unique_name": channel.task_channel_unique_name,
                "available_capacity_percentage": channel.available_capacity_percentage,
            }
            for channel in channels
        ],
    }


TABLES = (
    _simple("activities", Engine.activities, "friendly_name", "available"),
    _simple("channels", Engine.task_channels, "unique_name", "friendly_name"),
    _simple(
        "queues",
        Engine.queues,
        "friendly_name",
        "target_workers",
        "task_order",
        "max_reserved_workers",
        "reservation_activity_sid",
        "assignment_activity_sid",
        "date_created",
        "date_updated",
        "version",
    ),
    _simple(
        "workflows",
        Engine.workflows,
        "friendly_name",
        "configuration",
        "assignment_callback_url",
        "fallback_assignment_callback_url",
        "task_reservation_timeout",
        "date_updated",
    ),
    Table("workers", _find_workers, _write_worker),
    _simple(
        "tasks",
        Engine.tasks,
        "assignment_status",
        "attributes",
        "priority",
        "reason",
        "timeout",
        "workflow_sid",
        "task_queue_sid",
        "task_queue_entered_date",
        "task_channel_sid",
        "task_channel_unique_name",
        "routing_target",
        "date_created",
        "date_updated",
        "virtual_start_time",
        "version",
    ),
    _simple(
        "reservations",
        Engine.reservations,
        "task_sid",
        "worker_sid",
        "worker_name",
        "reservation_status",
        "reservation_timeout",
        "canceled_reason_code",
        "transfer_sid",
        "on_hold",
        "date_created",
        "date_updated",
        "version",
    ),
)
"""In the order in which a page needs them: what others refer to comes first."""
