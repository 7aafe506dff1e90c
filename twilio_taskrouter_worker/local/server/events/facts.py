"""Samples for statistics over a span of time: one small fact per counted event."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...engine import Event
from ...engine.events import ReservationEvent, TaskEvent, WorkerEvent
from ..http.windows import Window

Values = tuple[Any, ...]
"""Those of a :class:`Fact`. Kept as plain tuples, which the garbage collector does not go through time and again."""

KEPT_FACTS = 100_000
"""How many facts are kept: some 20 MB. Statistics over a longer span count the latest ones only."""

# Everything that rest/figures counts, and nothing else: facts cost memory.
_COUNTED = frozenset(
    {
        "reservation.created",
        "reservation.accepted",
        "reservation.rejected",
        "reservation.timeout",
        "reservation.canceled",
        "reservation.rescinded",
        "task.created",
        "task.canceled",
        "task.completed",
        "task.deleted",
        "task.system-deleted",
        "task-queue.entered",
        "task-queue.moved",
        "workflow.entered",
        "workflow.timeout",
        "worker.activity.update",
    }
)


class Fact(NamedTuple):
    """One counted event, without its snapshots."""

    type: str
    at: float
    workspace_sid: str
    queue_sid: str | None = None
    previous_queue_sid: str | None = None
    """The queue that a moved task came from."""
    workflow_sid: str | None = None
    worker_sid: str | None = None
    channel_sid: str | None = None
    channel_name: str | None = None
    wait: float = 0.0
    """Seconds since the task was created."""
    wait_in_queue: float = 0.0
    """Seconds since the task entered its queue."""
    activity_sid: str | None = None
    """The activity that the worker left."""
    seconds: float = 0.0
    """How long the worker was in it."""


_AT = Fact._fields.index("at")


class Facts:
    """The latest facts, oldest first; the oldest is evicted when the limit is reached.

    Args:
        kept: The limit.
    """

    def __init__(self, kept: int = KEPT_FACTS) -> None:
        self._facts: deque[Values] = deque(maxlen=kept)
        self._new = 0
        """How many were noted since :meth:`take_new`."""

    def __len__(self) -> int:
        return len(self._facts)

    def note(self, event: Event) -> None:
        """Add the fact of an event, if it is a counted one.

        Args:
            event: Any event.
        """
        if event.type in _COUNTED and isinstance(event, (TaskEvent, WorkerEvent)):
            self._new += 1
            self._facts.append(tuple(_fact(event)))

    def all(self) -> list[Values]:
        """Return the facts, oldest first, for :meth:`add`."""
        return list(self._facts)

    def add(self, facts: Iterable[Iterable[Any]], up_to: float = math.inf) -> None:
        """Add facts that :meth:`all` or :meth:`take_new` returned; they do not count as new.

        Args:
            facts: The facts, oldest first; they may have passed through JSON.
            up_to: The latest time of those to add, in unix seconds.
        """
        self._facts.extend(fact for fact in map(tuple, facts) if fact[_AT] <= up_to)

    def take_new(self) -> list[Values]:
        """Return the facts added since the last call, oldest first; evicted ones are missing."""
        count, self._new = min(self._new, len(self._facts)), 0
        return list(itertools.islice(self._facts, len(self._facts) - count, None))

    def within(self, workspace_sid: str, span: Window) -> Iterator[Fact]:
        """Iterate over a workspace's facts in a span, latest first.

        Args:
            workspace_sid: The workspace.
            span: The span, both ends included.
        """
        for fact in map(Fact._make, reversed(self._facts)):
            if fact.at < span.start:
                return
            if fact.workspace_sid == workspace_sid and fact.at <= span.end:
                yield fact


def _fact(event: TaskEvent | WorkerEvent) -> Fact:
    if isinstance(event, WorkerEvent):
        return Fact(
            type=event.type,
            at=event.at,
            workspace_sid=event.workspace_sid,
            worker_sid=event.worker.sid,
            activity_sid=event.data["previous_activity_sid"],
            seconds=event.data["time_in_previous_activity"],
        )
    task = event.task
    entered = task.task_queue_entered_date
    return Fact(
        type=event.type,
        at=event.at,
        workspace_sid=event.workspace_sid,
        queue_sid=task.task_queue_sid,
        previous_queue_sid=event.data.get("previous_queue_sid"),
        workflow_sid=task.workflow_sid,
        worker_sid=event.reservation.worker_sid if isinstance(event, ReservationEvent) else None,
        channel_sid=task.task_channel_sid,
        channel_name=task.task_channel_unique_name,
        # Computed at the event: the task itself may be removed long before its figures are read.
        wait=event.at - task.date_created,
        wait_in_queue=event.at - (task.date_created if entered is None else entered),
    )
