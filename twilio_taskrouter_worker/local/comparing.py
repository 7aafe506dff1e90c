"""The comparison of two routers: which tasks were routed differently."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING, Any

import attrs

from .._display.tables import Table
from .engine import Engine, Event, model
from .engine.events import ReservationEvent, TaskEvent
from .journal import Place, walk
from .moments import View
from .time_machine import TimeMachine

if TYPE_CHECKING:
    import pandas

__all__ = ["Comparison", "TaskCourse", "TaskDifference", "compare"]

_COMPARED = ("queue", "worker", "wait", "outcome")


@attrs.define(kw_only=True)
class TaskCourse:
    """What happened to one task."""

    sid: str
    """Sid of the task."""
    queue: str | None = None
    """Name of the queue it is in, or was in last."""
    worker: str | None = None
    """Name of the worker who accepted it last, or else to whom it is offered."""
    wait: float | None = None
    """Seconds from its creation to its first acceptance; None: nobody has accepted it, or only before the comparison
    begins and it has changed since."""
    outcome: str = model.PENDING
    """Its status, or the last one before it was deleted."""
    reason: str | None = None
    """The reason for its end."""
    attributes: str = attrs.field(default="{}", repr=False)
    """JSON text."""


@attrs.frozen
class TaskDifference:
    """One task in both."""

    a: TaskCourse | None
    """None: it is not in the first one."""
    b: TaskCourse | None
    """None: it is not in the second one."""

    @property
    def differing(self) -> tuple[str, ...]:
        """What differs: names among ``queue``, ``worker``, ``wait`` and ``outcome``; all if it is in one only."""
        # A missing course is compared as this object itself, which equals nothing else: all names differ then.
        return tuple(name for name in _COMPARED if self._of(self.a, name) != self._of(self.b, name))

    def pair(self, name: str) -> tuple[Any, Any]:
        """Return a value in the first and in the second one; None where the task is not there.

        Args:
            name: Of an attribute of :class:`TaskCourse`.
        """
        return getattr(self.a, name, None), getattr(self.b, name, None)

    def _of(self, course: TaskCourse | None, name: str) -> object:
        return self if course is None else getattr(course, name)


@attrs.frozen(repr=False)
class Comparison:
    """What happened differently in two routers. ``str()`` is a table; a notebook shows it as one."""

    a: str
    """What the first one is."""
    b: str
    """What the second one is."""
    tasks: tuple[TaskDifference, ...]
    """Every task of either, in order of creation."""

    @property
    def differing(self) -> list[TaskDifference]:
        """The tasks for which something happened differently."""
        return [task for task in self.tasks if task.differing]

    def __repr__(self) -> str:
        return f"<Comparison: {len(self.differing)} of {len(self.tasks)} tasks differ>"

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().to_html()

    def _table(self) -> Table:
        found = self.differing
        waits = _change(*(_text(_mean(self._values(side, "wait"))) for side in (0, 1)))
        title = f"{len(found)} of {len(self.tasks)} tasks differ, mean wait {waits or 'unknown'} ({self.a} -> {self.b})"
        rows = [
            [
                next(sid for sid in task.pair("sid") if sid is not None),
                *(_change(*map(_text, task.pair(name))) for name in _COMPARED),
            ]
            for task in found
        ]
        return Table(title, ("task", *_COMPARED), rows)

    def _values(self, side: int, name: str) -> list[float]:
        values = (task.pair(name)[side] for task in self.tasks)
        # A task that was not accepted has no wait, and does not count in the mean.
        return [value for value in values if value is not None]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON, all tasks included."""
        return {
            "a": self.a,
            "b": self.b,
            "tasks": [
                {
                    "a": None if task.a is None else attrs.asdict(task.a),
                    "b": None if task.b is None else attrs.asdict(task.b),
                    "differing": list(task.differing),
                }
                for task in self.tasks
            ],
        }

    def to_frame(self) -> pandas.DataFrame:
        """Return it as a pandas data frame: a row for each task, and columns ``queue_a``, ``queue_b`` and so on.

        Raises:
            ModuleNotFoundError: Pandas is not installed; the extra ``pandas`` brings it.
        """
        try:
            import pandas
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(
                'to_frame() needs pandas, which is not installed: pip install "twilio_taskrouter_worker[pandas]"',
                name="pandas",
            ) from missing
        names = ("sid", *_COMPARED, "reason")
        columns = [*(f"{name}_{side}" for name in names for side in "ab"), "differs"]
        rows = [[*chain.from_iterable(map(task.pair, names)), bool(task.differing)] for task in self.tasks]
        return pandas.DataFrame(rows, columns=columns)


def compare(a: TimeMachine[object] | View, b: TimeMachine[object] | View) -> Comparison:
    """Compare what happened to each task in two routers, for example in a router and in its fork.

    Forks are compared from the moment on where they part; routers that have nothing in common, from their beginnings.
    Tasks that are there at that moment are the same by their sid; later ones if their attributes are the same, in order
    of creation. Blocks the caller for about a tenth of a millisecond for each entry of both journals since that moment.

    Args:
        a: A running router, or a view of one.
        b: Another one, or the same at another moment.

    Raises:
        TypeError: One is neither a router nor a view.
        StateError: A router is not running, or was reset meanwhile.
    """
    for side in (a, b):
        if not isinstance(side, (TimeMachine, View)):
            raise TypeError(f"compare() takes routers and views, not {type(side).__name__}")
    one, other = a._place(), b._place()
    courses = [_Courses(path) for path in _paths(_chain(one), _chain(other))]
    return Comparison(str(one), str(other), tuple(_paired(*courses)))


# -- where they part -------------------------------------------------------------------------------------------------

_Part = tuple[Place, int, int]
"""Entries of a journal: those after a number, up to another one."""


def _chain(place: Place) -> list[Place]:
    """Return a place, and before it those where its journal and the ones before began."""
    found = [place]
    while found[-1].began is not None:
        found.append(found[-1].began)
    return found


def _paths(a: list[Place], b: list[Place]) -> tuple[list[_Part], list[_Part]]:
    """Return the parts of journals that lead from the last common moment to each end."""
    # Both chains go backwards in time, so the first match is the latest common journal.
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            if one.source is other.source:
                cut = min(one.number, other.number)
                return _path(a[: i + 1], cut), _path(b[: j + 1], cut)
    return _path(a[:1], None), _path(b[:1], None)


def _path(places: list[Place], cut: int | None) -> list[_Part]:
    # The places are in order from the latest; the common journal is the last one.
    *later, first = places
    start = first.first() if cut is None else cut
    parts = [(first, start, first.number), *((place, place.first(), place.number) for place in reversed(later))]
    # The journal before a fork is not read if the fork begins where the two part.
    return parts[1:] if later and start == first.number else parts


class _Courses:
    """What happened to each task along a path."""

    def __init__(self, path: list[_Part]) -> None:
        self.courses: dict[str, TaskCourse] = {}
        engine: Engine | None = None
        for place, after, up_to in path:
            if engine is None:
                engine = place.engine(after)
                self._begin(engine)
            # The engine of the first part goes on: a fork's journal begins with the state that its parent had there.
            for step in walk(place.ask, after, up_to, engine):
                for event in step.events:
                    self._note(event)
        self._end(engine)

    def _begin(self, engine: Engine) -> None:
        self._update(engine)
        self.known = frozenset(self.courses)
        """The tasks that are there at the common moment."""
        for workspace in engine.workspaces():
            for reservation in engine.reservations(workspace.sid):
                course = self.courses.get(reservation.task_sid)
                if course is None or not (reservation.open or reservation.reservation_status == model.COMPLETED):
                    continue
                course.worker = reservation.worker_name
                # The last change of an accepted reservation was its acceptance; for a wrapping one that time is not
                # known.
                if reservation.reservation_status == model.ACCEPTED:
                    course.wait = (
                        reservation.date_updated - engine.task(workspace.sid, reservation.task_sid).date_created
                    )

    def _end(self, engine: Engine | None) -> None:
        if engine is not None:
            self._update(engine)

    def _update(self, engine: Engine) -> None:
        for workspace in engine.workspaces():
            for task in engine.tasks(workspace.sid):
                self._course(task)

    def _course(self, task: model.Task) -> TaskCourse:
        course = self.courses.get(task.sid)
        if course is None:
            course = self.courses[task.sid] = TaskCourse(sid=task.sid, attributes=task.attributes)
        course.queue = task.task_queue_friendly_name
        course.outcome = task.assignment_status
        course.reason = task.reason
        return course

    def _note(self, event: Event) -> None:
        if not isinstance(event, TaskEvent):
            return
        course = self._course(event.task)
        if not isinstance(event, ReservationEvent):
            return
        reservation = event.reservation
        if event.type == "reservation.accepted":
            course.worker = reservation.worker_name
            if course.wait is None:
                course.wait = event.at - event.task.date_created
        # Until the first acceptance the worker is the one to whom the task is offered at present, if any.
        elif course.wait is None:
            course.worker = reservation.worker_name if event.type == "reservation.created" else None


def _paired(a: _Courses, b: _Courses) -> Iterator[TaskDifference]:
    """Iterate over the tasks of both: first those in the first one, in order of creation, then the others."""
    left = dict(b.courses)
    by_attributes: defaultdict[str, deque[TaskCourse]] = defaultdict(deque)
    for course in b.courses.values():
        if course.sid not in b.known:
            by_attributes[course.attributes].append(course)
    for course in a.courses.values():
        other: TaskCourse | None = None
        if course.sid in a.known:
            other = left.pop(course.sid, None)
        # Later sids differ, or name other tasks, so later tasks are matched by their attributes.
        elif alike := by_attributes[course.attributes]:
            other = left.pop(alike.popleft().sid)
        yield TaskDifference(course, other)
    for course in left.values():
        yield TaskDifference(None, course)


# -- as text ---------------------------------------------------------------------------------------------------------


def _mean(values: list[float]) -> float | None:
    return fmean(values) if values else None


def _text(value: object) -> str:
    return "" if value is None else f"{value:.1f} s" if isinstance(value, float) else str(value)


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before or '-'} -> {after or '-'}"
