"""Every key of every payload, and the attribute it becomes, as data.

The sections are those of the description of the event bridge's protocol (6.1 to 6.7); ``COUNTS`` says how many keys
each of them has there. ``updated`` are the fields that the JS SDK copies when an object is updated (5.1); the client
takes all of them, and those that the JS SDK sets once only as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

COUNTS = {"6.1": 12, "6.2": 19, "6.3": 13, "6.4": 7, "6.5": 13, "6.6": 14, "6.7": 13}
"""Keys of each section that are read; a row with two keys counts twice."""

COUNTS_UNREAD = {"6.2": 3, "6.3": 4, "6.5": 1, "6.7": 2}
"""Keys of each section that are there and not read."""

COUNTS_LOCAL = {"6.1": 5, "6.2": 2, "6.4": 1}
"""Attributes of each section that do not come from the payload."""

COUNTS_UPDATED = {"Worker": 6, "Reservation": 5, "Task": 17, "Channel": 6, "Transfer": 3}
"""Fields of 5.1 that are single keys; nested objects (task, transfers) have tests of their own."""


@dataclass(frozen=True)
class Attribute:
    """One key of one kind of payload."""

    section: str
    owner: str
    key: str
    kind: str
    names: tuple[str, ...]
    """The attributes that show it: the first one, and its duplicates."""
    required: bool = True
    updated: bool = False

    @property
    def id(self) -> str:
        """What the row is called in a test's name."""
        return f"{self.owner}.{self.key}"


def _table(section: str, owner: str, text: str) -> tuple[Attribute, ...]:
    """Rows of ``key | kind | attributes | marks``; marks are ``optional`` and ``updated``."""
    rows = []
    for line in text.strip().splitlines():
        key, kind, names, *marks = (part.strip() for part in line.split("|"))
        marked = marks[0].split() if marks else []
        rows.append(
            Attribute(section, owner, key, kind, tuple(names.split()), "optional" not in marked, "updated" in marked)
        )
    return tuple(rows)


WORKER = _table(
    "6.1",
    "Worker",
    """
    account_sid         | text        | account_sid
    activity_name       | text        | activity_name
    activity_sid        | text        | activity_sid worker_activity_sid
    attributes          | JSON text   | attributes                                | updated
    available           | boolean     | available                                 | updated
    date_created        | seconds     | date_created
    date_status_changed | seconds     | date_status_changed date_activity_changed | updated
    date_updated        | seconds     | date_updated                              | updated
    friendly_name       | text        | friendly_name name                        | updated
    sid                 | text        | sid worker_sid
    workspace_sid       | text        | workspace_sid
    version             | version     | version                                   | updated
    """,
)

TASK = _table(
    "6.2",
    "Task",
    """
    addons                   | JSON text    | add_ons                  | updated
    age                      | integer      | age                      | updated
    attributes               | JSON text    | attributes               | updated
    date_created             | seconds      | date_created
    date_updated             | seconds      | date_updated             | updated
    priority                 | integer      | priority                 | updated
    queue_name               | text or null | queue_name               | updated
    queue_sid                | text or null | queue_sid                | updated
    reason                   | text or null | reason                   | updated
    routing_target           | text or null | routing_target           | updated
    sid                      | text         | sid
    assignment_status        | text         | status                   | updated
    task_channel_unique_name | text         | task_channel_unique_name | updated
    task_channel_sid         | text         | task_channel_sid         | updated
    timeout                  | integer      | timeout                  | updated
    workflow_name            | text or null | workflow_name            | updated
    workflow_sid             | text or null | workflow_sid             | updated
    version                  | version      | version                  | updated
    virtual_start_time       | seconds      | virtual_start_time       | updated
    """,
)

RESERVATION = _table(
    "6.3",
    "Reservation",
    """
    account_sid                   | text            | account_sid
    date_created                  | seconds         | date_created
    date_updated                  | seconds         | date_updated         | updated
    reservation_status            | text            | status               | updated
    sid                           | text            | sid
    task                          | task            | task
    reservation_timeout           | integer or null | timeout              | updated
    worker_sid                    | text            | worker_sid
    workspace_sid                 | text            | workspace_sid
    version                       | version         | version              | updated
    canceled_reason_code          | integer or null | canceled_reason_code | optional updated
    task_transfer                 | transfer        | transfer             | optional
    active_outgoing_task_transfer | transfer        | task.transfers.outgoing | optional
    """,
)

ACTIVITY = _table(
    "6.4",
    "Activity",
    """
    account_sid   | text    | account_sid
    available     | boolean | available
    date_created  | seconds | date_created
    date_updated  | seconds | date_updated
    friendly_name | text    | name
    sid           | text    | sid
    workspace_sid | text    | workspace_sid
    """,
)

CHANNEL = _table(
    "6.5",
    "Channel",
    """
    account_sid                   | text         | account_sid
    assigned_tasks                | integer      | assigned_tasks                | updated
    available                     | 0 or 1       | available                     | updated
    available_capacity_percentage | integer      | available_capacity_percentage | updated
    configured_capacity           | integer      | capacity                      | updated
    date_created                  | seconds      | date_created
    date_updated                  | seconds      | date_updated                  | updated
    last_reserved_time            | milliseconds | last_reserved_time            | updated
    sid                           | text         | sid
    task_channel_sid              | text         | task_channel_sid
    task_channel_unique_name      | text         | task_channel_unique_name name
    worker_sid                    | text         | worker_sid
    workspace_sid                 | text         | workspace_sid
    """,
)

TASK_QUEUE = _table(
    "6.6",
    "TaskQueue",
    """
    sid                       | text         | sid queue_sid
    account_sid               | text         | account_sid
    workspace_sid             | text         | workspace_sid
    friendly_name             | text         | name queue_name
    assignment_activity_name  | text or null | assignment_activity_name
    assignment_activity_sid   | text or null | assignment_activity_sid
    reservation_activity_name | text or null | reservation_activity_name
    reservation_activity_sid  | text or null | reservation_activity_sid
    target_workers            | text or null | target_workers
    max_reserved_workers      | integer      | max_reserved_workers
    task_order                | text         | task_order
    lifo_queue                | boolean      | lifo_queue
    date_created              | seconds      | date_created
    date_updated              | seconds      | date_updated
    """,
)

TRANSFER = _table(
    "6.7",
    "Transfer",
    """
    date_created               | seconds      | date_created
    date_updated               | seconds      | date_updated           | updated
    initiating_reservation_sid | text         | reservation_sid
    initiating_worker_sid      | text         | worker_sid
    initiating_queue_sid       | text or null | queue_sid
    initiating_workflow_sid    | text or null | workflow_sid
    sid                        | text         | sid
    transfer_mode              | text         | mode
    transfer_to                | text         | to
    transfer_type              | text         | type
    transfer_status            | text         | status                 | updated
    transfer_failed_reason     | text or null | transfer_failed_reason | optional updated
    task_sid                   | task of      | task_sid               | optional
    """,
)

TABLES = {
    "Worker": WORKER,
    "Task": TASK,
    "Reservation": RESERVATION,
    "Activity": ACTIVITY,
    "Channel": CHANNEL,
    "TaskQueue": TASK_QUEUE,
    "Transfer": TRANSFER,
}

LONG_FORM = frozenset({"task", "reservation_timeout"})
"""Keys that a reservation has in lists and events, but not in the answers to its updates."""

UNREAD = {
    "Task": ("account_sid", "workspace_sid", "counter"),
    "Reservation": ("worker_name", "worker_previous_activity_sid", "task_sid", "task_channel_sid"),
    "Channel": ("version",),
    "Transfer": ("account_sid", "workspace_sid"),
}
"""Keys that payloads have and the client does not read."""

LOCAL = {
    "Worker": ("activity", "activities", "channels", "reservations", "connect_activity_sid"),
    "Task": ("reservation_sid", "transfers"),
    "Activity": ("is_current",),
}
"""Attributes that do not come from the payload."""

EXAMPLES = {
    "Worker": "rest.worker",
    "Task": "rest.task",
    "Reservation": "rest.reservation.with-transfers",
    "Activity": "rest.activity",
    "Channel": "rest.channel",
    "TaskQueue": "rest.taskqueue",
    "Transfer": "rest.transfer",
}
"""The example payload of each kind, which has every key that is required."""

FIXED = frozenset({"sid", "worker_sid", "account_sid", "workspace_sid", "task_sid", "initiating_reservation_sid"})
"""Keys that say which object a payload is about, or to whom it belongs: they never change."""

_never_texts = {"a boolean": True, "an array": [], "an object": {}, "a decimal number": 1.5, "an integer": 1}

WRONG: Mapping[str, Mapping[str, Any]] = {
    "text": {**_never_texts, "null": None},
    "text or null": _never_texts,
    "boolean": {"null": None, "an integer": 1, "a text": "true", "an array": [], "an object": {}},
    "0 or 1": {"null": None, "a text": "1", "a decimal number": 1.0, "an array": [], "an object": {}},
    "integer": {
        "null": None, "a text": "1", "a decimal number": 1.5, "a boolean": True, "an array": [], "an object": {},
    },
    "integer or null": {"a text": "1", "a decimal number": 1.5, "a boolean": True, "an array": [], "an object": {}},
    "version": {
        "null": None, "not decimal": "1a", "empty": "", "a sign": "-1", "another script's digits": "\u0663",
        "a decimal number": 1.5, "a boolean": True, "an array": [], "an object": {},
    },
    "JSON text": {
        **_never_texts, "not JSON": "{", "the text of an array": "[]", "the text of a number": "1", "NaN": '{"a": NaN}',
        "nested too deeply": '{"a":' * 100_000,
    },
    "seconds": {
        "a text": "yesterday", "empty": "", "a boolean": True, "an array": [], "an object": {},
        "too late": 253402300800, "too early": -62135596801, "huge": 1e300, "no such day": "2026-02-30T00:00:00Z",
    },
    "milliseconds": {
        "a text": "yesterday", "empty": "", "a boolean": True, "an array": [], "an object": {},
        "too late": 253402300800000, "huge": 10**400,
    },
    "task": {"null": None, "a text": "WT", "an integer": 1, "an array": [], "an object without keys": {}},
    "transfer": {"a text": "TT", "an integer": 1, "an array": [], "an object without keys": {}},
    "task of": {"null": None, "an integer": 1, "an array": [], "an object": {}},
}  # fmt: skip
"""For each kind, the values that cannot be, by what is wrong with them."""


def shown(kind: str, value: Any) -> Any:
    """What Python shows of a value on the wire."""
    if kind == "JSON text":
        return json.loads(value) if value else {}
    if kind == "version":
        return str(value)
    if kind == "0 or 1":
        return value != 0
    if kind in ("seconds", "milliseconds") and value is not None:
        scale = 1000 if kind == "milliseconds" else 1
        return datetime.fromtimestamp(value / scale, timezone.utc)
    return value


def changed(row: Attribute, value: Any) -> Any:
    """Another value for the same key, as the wire would carry it."""
    if row.key == "reservation_status":
        return "wrapping"
    if row.key == "transfer_status":
        return "canceled"
    others: dict[str, Callable[[], Any]] = {
        "text": lambda: f"{value} and more",
        "text or null": lambda: f"{value} and more",
        "boolean": lambda: not value,
        "0 or 1": lambda: 1 - value,
        "integer": lambda: value + 3,
        "integer or null": lambda: -13223,
        "version": lambda: value + 7,
        "JSON text": lambda: '{"new": {"list": [1, 2.5, null, true], "text": "\\u00fc"}}',
        "seconds": lambda: value + 3600,
        "milliseconds": lambda: value + 3_600_001,
    }
    return others[row.kind]()


def changed_payload(owner: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with every key changed that can change, its version included; nested objects stay as they are."""
    result = dict(payload)
    for row in TABLES[owner]:
        if row.key not in FIXED and row.kind not in ("task", "transfer") and (row.required or row.key in payload):
            result[row.key] = changed(row, payload[row.key])
    return result
