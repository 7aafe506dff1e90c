"""Timers as data, in a deterministic order.

A heap orders timers by due time and number; a dict has the live ones by number. So a timer is cancelled at once, and
what it refers to is free: its place in the heap, which it would take a search to find, stays until it surfaces or the
heap is compacted. The entries of the heap are numbers only, which Python's garbage collector does not go through.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Iterator
from typing import Any

_COMPACT_FROM = 256  # places of cancelled timers that may lie in the heap before it is worth sweeping


class TimerKind(enum.Enum):
    """The kinds of timer; ``engine`` maps each to the function that runs."""

    RESERVATION_TIMEOUT = "reservation-timeout"
    TASK_TIMEOUT = "task-timeout"
    STEP_TIMEOUT = "step-timeout"
    TARGET_CHANGE = "target-change"
    RESERVATION_SLA = "sla"
    ASSIGNED_LIMIT = "assigned-limit"
    PURGE = "purge"
    VOICE_ANSWER = "voice"
    WORKER_OFFLINE = "offline"


class Timer:
    """One thing that is due at a time, unless it is cancelled."""

    __slots__ = ("due", "kind", "more", "number", "owner", "workspace")

    def __init__(
        self, number: int, due: float, kind: TimerKind, workspace: Any, owner: Any, more: tuple[Any, ...] = ()
    ) -> None:
        self.number: int = number
        self.due: float = due
        self.kind: TimerKind = kind
        self.workspace: Any = workspace
        """The state of the workspace; like the owner untyped, because the state refers to timers."""
        self.owner: Any = owner
        """The state of the task, reservation or worker."""
        self.more: tuple[Any, ...] = more
        """Further arguments of the function that runs; only a voice answer has any, its reason code."""


class Schedule:
    """Timers in order of their due times; those due at the same time in the order they were made."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._live: dict[int, Timer] = {}
        """By number; an entry of the heap whose number is missing here is that of a cancelled timer."""
        self.made: int = 0
        """How many timers were made; their numbers order those that are due at the same time."""

    def at(self, due: float, kind: TimerKind, workspace: Any, owner: Any, *more: Any) -> Timer:
        """Add a timer.

        Args:
            due: Unix seconds; a time in the past is due at once.
            kind: Decides which function of the engine runs.
            workspace: Its state.
            owner: The state of the task, reservation or worker that the timer is about.
            more: Further arguments of the function.

        Returns:
            The timer. Its owner keeps it to be able to cancel it.
        """
        self.made = number = self.made + 1
        timer = self._live[number] = Timer(number, due, kind, workspace, owner, more)
        heapq.heappush(self._heap, (due, number))
        return timer

    def put(self, timer: Timer) -> None:
        """Add a timer that has its number already, as restoring a snapshot does.

        Args:
            timer: Its number must be one that no other timer has or will have.
        """
        self._live[timer.number] = timer
        heapq.heappush(self._heap, (timer.due, timer.number))

    def cancel(self, timer: Timer | None) -> None:
        """Cancel a timer.

        Args:
            timer: None, and a timer that has run or is cancelled, are ignored.
        """
        if timer is None or self._live.pop(timer.number, None) is None:
            return
        # Most timers of a busy router are cancelled long before they are due; without this they would pile up.
        stale = len(self._heap) - len(self._live)
        if stale > _COMPACT_FROM and stale > len(self._live):
            self._heap = [entry for entry in self._heap if entry[1] in self._live]
            heapq.heapify(self._heap)

    def next_due(self) -> float | None:
        """Return when the first timer is due (unix seconds), or None if there is none."""
        heap = self._heap
        while heap and heap[0][1] not in self._live:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> Timer | None:
        """Remove and return the first timer that is due, or None.

        Args:
            now: Unix seconds; a timer due exactly then counts.
        """
        # Asked twice with every command: the first timer is rarely due, and a cancelled one may stay where it is then.
        if not self._heap or self._heap[0][0] > now:
            return None
        due = self.next_due()
        if due is None or due > now:
            return None
        return self._live.pop(heapq.heappop(self._heap)[1])

    def __contains__(self, timer: Timer) -> bool:
        """Return whether a timer is to run: it has not run, and is not cancelled."""
        return self._live.get(timer.number) is timer

    def first(self, count: int, wanted: Callable[[Timer], bool]) -> Iterator[Timer]:
        """Iterate over the first live timers in order.

        Args:
            count: How many at most.
            wanted: Decides which ones.
        """
        # For a view of the next timers: no sorting of thousands that are not shown.
        return iter(heapq.nsmallest(count, filter(wanted, self._live.values()), key=_order))

    def __iter__(self) -> Iterator[Timer]:
        """Iterate over the live timers in order."""
        return iter(sorted(self._live.values(), key=_order))


def _order(timer: Timer) -> tuple[float, int]:
    return timer.due, timer.number
