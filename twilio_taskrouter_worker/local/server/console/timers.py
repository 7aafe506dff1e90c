"""The next timers of a workspace, for people."""

from __future__ import annotations

from typing import Any

from ...engine import Engine, model

SHOWN = 50

_TEXTS = {
    "reservation-timeout": "the reservation of {worker} times out",
    "task-timeout": "the task is canceled unless somebody accepts it",
    "step-timeout": "the task goes on to the next target of its workflow",
    "target-change": "an expression that reads the time may change for the task",
    "sla": "the target of the task's service level is missed",
    "assigned-limit": "the task has been assigned for as long as it may be",
    "purge": "the ended task is deleted",
    "voice": "the call of {worker}'s reservation is answered",
    "offline": "{worker} goes offline, being disconnected",
}
"""By the kind of the timer."""


def rows(engine: Engine, workspace_sid: str) -> list[dict[str, Any]]:
    """Return the next timers, in order.

    Args:
        engine: The engine.
        workspace_sid: The workspace.

    Raises:
        Rejected: The workspace does not exist.
    """
    return [_row(due, kind, record) for due, kind, record in engine.timers(workspace_sid, SHOWN)]


def _row(due: float, kind: str, record: model.Record) -> dict[str, Any]:
    row: dict[str, Any] = {"due": due, "kind": kind, "sid": record.sid}
    worker = ""
    if isinstance(record, model.Reservation):
        row |= {"task_sid": record.task_sid, "worker_sid": record.worker_sid}
        worker = record.worker_name
    elif isinstance(record, model.Task):
        row["task_sid"] = record.sid
    elif isinstance(record, model.Worker):
        row["worker_sid"] = record.sid
        worker = record.friendly_name
    row["text"] = _TEXTS[kind].format(worker=worker)
    return row
