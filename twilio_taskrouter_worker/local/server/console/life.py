"""The life of a task, step by step, and why it is where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine import Engine, Event, Rejected
from ...engine.events import ReservationEvent, TaskEvent
from ..events import event_fields
from ..events.event_log import Entry, EventLog

WORKERS_SHOWN = 100
"""How many workers an explanation shows, those nearest to taking the task: each takes a tenth of a millisecond."""


def of_task(engine: Engine, log: EventLog, workspace_sid: str, task_sid: str) -> dict[str, Any]:
    """Return the steps of a task's life up to a moment, and the explanation of its present state.

    Args:
        engine: The engine, of the present or of an earlier moment.
        log: The event log of the present.
        workspace_sid: The workspace of the task.
        task_sid: The task.
    """
    # The log is that of the present: a past engine has not emitted the later ones yet.
    entries = [entry for entry in _entries(log, workspace_sid, task_sid) if entry.event.sequence <= engine.sequence]
    steps = [_step(engine, entry) for entry in reversed(entries)]
    try:
        explanation = engine.explain(workspace_sid, task_sid, WORKERS_SHOWN).to_dict()
    except Rejected:
        explanation = None  # it was deleted, or does not exist yet
    return {
        "sid": task_sid,
        "life": steps,
        # The log keeps the latest events only; the page says so if the beginning is missing.
        "complete": any(step["type"] == "task.created" for step in steps),
        "explain": explanation,
    }


def _entries(log: EventLog, workspace_sid: str, task_sid: str) -> Iterator[Entry]:
    """Iterate over the events of a task, latest first."""
    for entry in log.backwards(workspace_sid, float("-inf")):
        if isinstance(entry.event, TaskEvent) and entry.event.task.sid == task_sid:
            yield entry


def _step(engine: Engine, entry: Entry) -> dict[str, Any]:
    event = entry.event
    step: dict[str, Any] = {
        "at": event.at,
        "sid": event.sid,
        "type": event.type,
        "text": event_fields.description(event),
        "who": _actor(engine, entry),
        "data": event_fields.fields(event, entry.workspace_name),
    }
    if isinstance(event, ReservationEvent):
        step["reservation_sid"] = event.reservation.sid
        step["worker_sid"] = event.reservation.worker_sid
        step["worker_name"] = event.reservation.worker_name
        step["text"] += f" for {event.reservation.worker_name}"
    if isinstance(event, TaskEvent) and event.task.task_queue_sid is not None:
        step["queue_sid"] = event.task.task_queue_sid
        step["queue_name"] = event.task.task_queue_friendly_name
    why = _reason(event)
    if why:
        step["why"] = why
    return step


def _actor(engine: Engine, entry: Entry) -> dict[str, Any] | None:
    """Return the cause of an event; None: a timer, routing itself, or the Python API."""
    sid = entry.actor_sid
    if sid == entry.event.workspace_sid:
        return None if entry.address is None else {"sid": None, "name": "REST"}
    try:
        # The present name: the log has the actor's sid only.
        name = engine.worker(entry.event.workspace_sid, sid).friendly_name
    except Rejected:
        name = sid  # it was deleted
    return {"sid": sid, "name": name}


def _reason(event: Event) -> str:
    """Return why it happened, in words; empty if that is plain."""
    data = event.data
    if event.type == "workflow.target-matched":
        label = data.get("filter")
        expression = data.get("filter_expression")
        why = "the default filter" if expression is None else f"filter {label!r} matches: {expression}"
        target = data.get("target_expression")
        return f"{why}; target {data.get('target', 0) + 1}" + (f" wants {target}" if target else "")
    if event.type in ("task.canceled", "task.completed", "task.wrapup") and isinstance(event, TaskEvent):
        return event.task.reason or ""
    if event.type == "reservation.canceled" and isinstance(event, ReservationEvent):
        code = event.reservation.canceled_reason_code
        return "" if code is None else f"reason code {code}"
    reasons = (data.get("target_changed_reason"), data.get("re_evaluated_reason"))
    return next((str(reason) for reason in reasons if reason), "")
