"""Pictures of a workspace: the timeline of its tasks, and the tables of its live panel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._display.tables import Description, Table, moment, table_of
from .._display.timeline import Bar, Lane, Phase, Timeline
from .engine import Event, model
from .engine.events import ReservationEvent, TaskEvent, WorkerEvent

__all__ = ["LATEST", "panel", "timeline"]

LATEST = 10
"""Events in the live panel."""

TASKS = 20
"""Open tasks in the live panel."""

_WAITING = "(waiting)"
"""Name of the lane of tasks that are with no worker."""

_PHASES: dict[str, Phase | None] = {
    "reservation.created": "offered",
    "reservation.accepted": "working",
    "reservation.wrapup": "wrapping",
    "reservation.completed": None,
    "reservation.rejected": None,
    "reservation.timeout": None,
    "reservation.canceled": None,
    "reservation.rescinded": None,
}
"""The phase that begins with an event of a reservation; None for those that end it."""


def timeline(
    events: Iterable[Event],
    workers: Sequence[model.Worker],
    activities: Sequence[model.Activity],
    start: float | None,
    end: float,
) -> Timeline:
    """Draw who had which task when.

    Args:
        events: The events of a workspace, oldest first.
        workers: Its workers as they are now.
        activities: Its activities as they are now.
        start: Beginning of the drawing in unix seconds; None for the first event of a task or reservation.
        end: The present time.
    """
    drawing = _Drawing({each.sid: each for each in workers}, {each.sid: each for each in activities})
    for event in events:
        drawing.add(event)
    return drawing.finish(start, end)


class _Drawing:
    """Collects the bars while it goes through the events."""

    def __init__(self, workers: dict[str, model.Worker], activities: dict[str, model.Activity]) -> None:
        self._workers = workers
        self._activities = activities
        # By worker, or "" for the lane of waiting tasks.
        self._bars: dict[str, list[Bar]] = {"": [], **{sid: [] for sid in workers}}
        self._names = {"": _WAITING, **{sid: worker.friendly_name for sid, worker in workers.items()}}
        self._first: float | None = None
        # Spans that have not ended: by sid of the reservation, task or worker.
        self._open: dict[str, tuple[str, float, Phase, str, str]] = {}
        self._held: dict[str, set[str]] = {}
        """Open reservations by task."""
        self._changed: set[str] = set()
        """Workers whose activity is known from an event on."""

    def add(self, event: Event) -> None:
        """Take an event into account."""
        if isinstance(event, ReservationEvent):
            self._reservation(event)
        elif isinstance(event, TaskEvent):
            if event.type == "task.created":
                self._wait(event.task, event.at)
            elif event.type in ("task.canceled", "task.completed", "task.deleted", "task.system-deleted"):
                self._close(event.task.sid, event.at, event.task.assignment_status)
        elif isinstance(event, WorkerEvent) and event.type in ("worker.created", "worker.activity.update"):
            self._activity(event)

    def _reservation(self, event: ReservationEvent) -> None:
        reservation, task = event.reservation, event.task
        phase, sid = _PHASES[event.type], reservation.sid
        self._begin_at(event.at)
        outcome = "" if phase is not None else event.type.partition(".")[2]
        # Each phase of a reservation is a bar of its own, which the next event ends.
        self._close(sid, event.at, outcome)
        held = self._held.setdefault(task.sid, set())
        if phase is None:
            held.discard(sid)
            # With another open reservation the task is still with somebody.
            if not held and task.assignment_status == model.PENDING:
                self._wait(task, event.at)
            return
        held.add(sid)
        self._close(task.sid, event.at, f"offered to {reservation.worker_name}")
        self._names.setdefault(reservation.worker_sid, reservation.worker_name)
        self._open[sid] = (reservation.worker_sid, event.at, phase, _short(task.sid), f"{phase}: {task.sid}")

    def _wait(self, task: model.Task, at: float) -> None:
        self._begin_at(at)
        self._open[task.sid] = ("", at, "waiting", _short(task.sid), f"waiting: {task.sid}")

    def _activity(self, event: WorkerEvent) -> None:
        worker = event.worker
        self._names.setdefault(worker.sid, worker.friendly_name)
        before = self._activities.get(event.data.get("previous_activity_sid", ""))
        # The log begins later than the worker, who until this event was in the activity that it names as the previous
        # one.
        if worker.sid not in self._changed and before is not None and not before.available:
            self._unavailable(worker.sid, 0.0, before.friendly_name)
        self._changed.add(worker.sid)
        self._close(worker.sid, event.at, "")
        if not worker.available:
            self._unavailable(worker.sid, event.at, worker.activity_name)

    def _unavailable(self, sid: str, since: float, activity: str) -> None:
        self._open[sid] = (sid, since, "unavailable", activity, activity)

    def _begin_at(self, at: float) -> None:
        if self._first is None:
            self._first = at

    def _close(self, sid: str, at: float, outcome: str) -> None:
        # None: it began before the log does.
        opened = self._open.pop(sid, None)
        if opened is not None:
            lane, start, phase, label, note = opened
            if phase != "unavailable":
                note = f"{note}, {moment(start)} to {moment(at)}{f', {outcome}' if outcome else ''}"
            self._bars.setdefault(lane, []).append(Bar(start, at, phase, label, note))

    def finish(self, start: float | None, end: float) -> Timeline:
        """Return the timeline, with what is open drawn to its end."""
        for sid, worker in self._workers.items():
            # Without a change in the log the present activity was there all the time.
            if not worker.available and sid not in self._changed:
                self._unavailable(sid, 0.0, worker.activity_name)
        # A copy: closing takes it out.
        for sid in list(self._open):
            self._close(sid, end, "")
        begin = start if start is not None else self._first if self._first is not None else end
        lanes = []
        for sid, bars in self._bars.items():
            # Every worker has a lane, also without a bar; the lane of waiting tasks only exists if a task waited.
            shown = [bar for bar in bars if bar.end >= begin]
            if shown or sid:
                lanes.append(Lane(self._names[sid], shown))
        return Timeline(begin, end, lanes)


def _short(sid: str) -> str:
    """The last characters of a sid, by which it is recognized beside others."""
    return f"…{sid[-4:]}"


def panel(
    title: str,
    now: float,
    workers: Sequence[tuple[model.Worker, int, int]],
    tasks: Sequence[model.Task],
    events: Iterable[Event],
) -> Description:
    """Make the tables of a router's live panel.

    Args:
        title: Title of the first table.
        now: The present time by the router's clock, in unix seconds.
        workers: Each with the number of its sessions and of its open reservations.
        tasks: The open tasks.
        events: The latest events.
    """
    rows = [(each.friendly_name, each.activity_name, sessions, held) for each, sessions, held in workers]
    waiting = sum(task.assignment_status == model.PENDING for task in tasks)
    columns = ("sid", "assignment_status", "task_queue_friendly_name", "task_channel_unique_name", "priority")
    return Description(
        (
            Table(f"{title}, {moment(now)} UTC", ("worker", "activity", "sessions", "open reservations"), rows),
            table_of(tasks[:TASKS], f"{len(tasks)} open tasks, {waiting} of them waiting", columns),
            Table("Latest events", ("time", "event", "about"), [_described(event) for event in events]),
        )
    )


def _described(event: Event) -> tuple[str, str, str]:
    names = [event.worker.friendly_name] if isinstance(event, (WorkerEvent, ReservationEvent)) else []
    sids = [event.task.sid] if isinstance(event, TaskEvent) else []
    if isinstance(event, ReservationEvent):
        sids.append(event.reservation.sid)
    return moment(event.at), event.type, " ".join([*names, *sids])
