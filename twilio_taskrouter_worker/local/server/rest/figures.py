"""The figures of statistics: current ones from the engine, and those of a span of time from the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ...engine import Engine, model
from ..events.facts import Fact
from ..http.dates import iso
from ..http.windows import Window

Figures = dict[str, Any]

_OPEN = (model.PENDING, model.RESERVED, model.ASSIGNED, model.WRAPPING)
_RESERVATION_COUNTERS = {
    "reservations_created": "reservation.created",
    "reservations_accepted": "reservation.accepted",
    "reservations_rejected": "reservation.rejected",
    "reservations_timed_out": "reservation.timeout",
    "reservations_canceled": "reservation.canceled",
    "reservations_rescinded": "reservation.rescinded",
}


# -- now -------------------------------------------------------------------------------------------------------------


def tasks_now(tasks: Iterable[model.Task], now: float) -> Figures:
    """Return the figures of open tasks: how many in each state, and the longest wait.

    Args:
        tasks: The tasks, ended ones included.
        now: Unix seconds by the engine's clock.
    """
    # Ended tasks stay listed for some minutes, but are not counted as current ones.
    open_tasks = [task for task in tasks if not task.final]
    waiting = [task for task in open_tasks if task.assignment_status == model.PENDING]
    # By creation: longest_relative_... is the same by the date of entry into the queue.
    longest = min(waiting, key=lambda task: task.date_created, default=None)
    states = Counter(task.assignment_status for task in open_tasks)
    priorities = Counter(task.priority for task in open_tasks)
    return {
        "longest_task_waiting_age": longest.age(now) if longest is not None else 0,
        "longest_task_waiting_sid": longest.sid if longest is not None else None,
        # Keys of a JSON object are texts.
        "tasks_by_priority": {str(priority): priorities[priority] for priority in sorted(priorities)},
        "tasks_by_status": {state: states[state] for state in _OPEN},
        "total_tasks": len(open_tasks),
    }


def longest_in_queue(tasks: Iterable[model.Task], now: float) -> Figures:
    """Return the task with the longest wait since it entered its queue.

    Args:
        tasks: The tasks.
        now: Unix seconds by the engine's clock.
    """
    waiting = [
        (task.task_queue_entered_date, task.sid)
        for task in tasks
        if task.assignment_status == model.PENDING and task.task_queue_entered_date is not None
    ]
    entered, sid = min(waiting, default=(None, None))
    return {
        "longest_relative_task_age_in_queue": int(now - entered) if entered is not None else 0,
        "longest_relative_task_sid_in_queue": sid,
    }


def activities_now(engine: Engine, workspace_sid: str, workers: Iterable[model.Worker]) -> list[Figures]:
    """Return the number of workers in each activity of their workspace.

    Args:
        engine: The engine.
        workspace_sid: The workspace.
        workers: The workers to count.

    Raises:
        Rejected: There is no such workspace.
    """
    counts = Counter(worker.activity_sid for worker in workers)
    return [
        {"sid": activity.sid, "friendly_name": activity.friendly_name, "workers": counts[activity.sid]}
        for activity in engine.activities(workspace_sid)
    ]


# -- in a span of time -----------------------------------------------------------------------------------------------


def reservations(facts: Iterable[Fact]) -> Figures:
    """Return the counters of reservations.

    Args:
        facts: The facts in the span.
    """
    counts = Counter(fact.type for fact in facts)
    return {name: counts[kind] for name, kind in _RESERVATION_COUNTERS.items()}


def span_of(span: Window) -> Figures:
    """Return the bounds of the span, as texts.

    Args:
        span: The span.
    """
    return {"start_time": iso(span.start), "end_time": iso(span.end)}


def tasks_past(facts: list[Fact], entered: str, thresholds: tuple[int, ...] | None) -> Figures:
    """Return the figures that statistics of queues, workflows and workspaces share.

    Args:
        facts: Those of the queue, workflow or workspace in the span.
        entered: The type of event by which a task came into it.
        thresholds: Seconds to split by; None: no split.
    """
    counts = Counter(fact.type for fact in facts)
    accepted = [fact for fact in facts if fact.type == "reservation.accepted"]
    canceled = [fact for fact in facts if fact.type == "task.canceled"]
    came = "tasks_created" if entered == "task.created" else "tasks_entered"
    return {
        **reservations(facts),
        came: counts[entered],
        "tasks_canceled": counts["task.canceled"],
        "tasks_completed": counts["task.completed"],
        "tasks_deleted": counts["task.deleted"] + counts["task.system-deleted"],
        "tasks_moved": counts["task-queue.moved"],
        "avg_task_acceptance_time": _durations(accepted, lambda fact: fact.wait)["avg"],
        "wait_duration_until_accepted": _durations(accepted, lambda fact: fact.wait),
        "wait_duration_until_canceled": _durations(canceled, lambda fact: fact.wait),
        "split_by_wait_time": None if thresholds is None else _split(thresholds, accepted, canceled),
    }


def timed_out_in_workflow(facts: list[Fact]) -> Figures:
    """Return the number of tasks that timed out in their workflow.

    Args:
        facts: The facts in the span.
    """
    return {"tasks_timed_out_in_workflow": sum(fact.type == "workflow.timeout" for fact in facts)}


def wait_in_queue(facts: list[Fact]) -> Figures:
    """Return the time that accepted tasks had spent in their queue.

    Args:
        facts: The facts in the span.
    """
    accepted = [fact for fact in facts if fact.type == "reservation.accepted"]
    return {"wait_duration_in_queue_until_accepted": _durations(accepted, lambda fact: fact.wait_in_queue)}


def activity_durations(
    engine: Engine, workspace_sid: str, workers: list[model.Worker], facts: list[Fact], span: Window
) -> list[Figures]:
    """Return the time that workers spent in each activity: ended stays in the span, and current ones.

    Parts of a stay outside of the span are not counted.

    Args:
        engine: The engine.
        workspace_sid: The workspace.
        workers: The workers, for current stays.
        facts: Their facts in the span, for ended stays.
        span: The span.

    Raises:
        Rejected: There is no such workspace.
    """
    stays: dict[str, list[float]] = {}
    for fact in facts:
        if fact.type == "worker.activity.update" and fact.activity_sid is not None:
            # A stay that began before the span counts from the start of the span.
            stays.setdefault(fact.activity_sid, []).append(min(fact.seconds, fact.at - span.start))
    for worker in workers:
        # A stay that goes on has no fact yet; it counts up to the end of the span.
        began = max(worker.date_status_changed, span.start)
        if began <= span.end:
            stays.setdefault(worker.activity_sid, []).append(span.end - began)
    return [
        {
            "sid": activity.sid,
            "friendly_name": activity.friendly_name,
            **_figures(stays.get(activity.sid, [])),
        }
        for activity in engine.activities(workspace_sid)
    ]


def _durations(facts: list[Fact], seconds: Callable[[Fact], float]) -> Figures:
    return _figures([seconds(fact) for fact in facts])


def _figures(values: list[float]) -> Figures:
    if not values:
        # Zeros and not null, as in the examples of Twilio's description.
        return {"avg": 0, "min": 0, "max": 0, "total": 0}
    total = sum(values)
    return {"avg": int(total / len(values)), "min": int(min(values)), "max": int(max(values)), "total": int(total)}


def _split(thresholds: tuple[int, ...], accepted: list[Fact], canceled: list[Fact]) -> Figures:
    def count(facts: list[Fact], limit: int, above: bool) -> int:
        # Exactly the limit counts as below.
        return sum((fact.wait > limit) == above for fact in facts)

    return {
        str(limit): {
            side: {
                "tasks_canceled": count(canceled, limit, above),
                "reservations_accepted": count(accepted, limit, above),
            }
            for side, above in (("above", True), ("below", False))
        }
        for limit in thresholds
    }
