"""Timers as data, in a deterministic order.

A heap orders timers by due time and number. A cancelled timer stays in the heap, marked, until it surfaces or the heap
is compacted: removing it at once would take a search.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Iterator
from typing import Any

_COMPACT_FROM = 256  # cancelled timers that may lie in the heap before it is worth sweeping


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

    __slots__ = ("args", "cancelled", "due", "kind")

    def __init__(self, due: float, kind: TimerKind, args: tuple[Any, ...]) -> None:
        self.due: float = due
        self.kind: TimerKind = kind
        self.args: tuple[Any, ...] = args
        self.cancelled: bool = False


class Schedule:
    """Timers in order of their due times; those due at the same time in the order they were made."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self.made: int = 0
        """How many timers were made; their numbers order those that are due at the same time."""
        self._cancelled = 0

    def at(self, due: float, kind: TimerKind, *args: Any) -> Timer:
        """Add a timer.

        Args:
            due: Unix seconds; a time in the past is due at once.
            kind: Decides which function of the engine runs.
            args: The function's arguments after the kernel: workspace, owner, and more if the kind has them.

        Returns:
            The timer. Its owner keeps it to be able to cancel it.
        """
        self.made += 1
        timer = Timer(due, kind, args)
        heapq.heappush(self._heap, (due, self.made, timer))
        return timer

    def put(self, number: int, due: float, kind: TimerKind, *args: Any) -> Timer:
        """Add a timer with a given number, as restoring a snapshot does.

        Args:
            number: Its rank among timers that are due at the same time.
            due: Unix seconds.
            kind: Decides which function of the engine runs.
            args: The function's arguments after the kernel.
        """
        # ``made`` stays: the snapshot sets it, so that new timers come after all restored ones.
        timer = Timer(due, kind, args)
        # The number is unique, so that timers themselves are never compared.
        heapq.heappush(self._heap, (due, number, timer))
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Cancel a timer.

        Args:
            timer: None, and a timer that has run or is cancelled, are ignored.
        """
        if timer is None or timer.cancelled:
            return
        timer.cancelled = True
        # The heap keeps the entry until it surfaces; it must not keep the task alive as well.
        timer.args = ()
        self._cancelled += 1
        # Most timers of a busy router are cancelled long before they are due; without this they would pile up.
        if self._cancelled > _COMPACT_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].cancelled]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_due(self) -> float | None:
        """Return when the first timer is due (unix seconds), or None if there is none."""
        heap = self._heap
        while heap and heap[0][2].cancelled:
            heapq.heappop(heap)
            self._cancelled -= 1
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
        timer = heapq.heappop(self._heap)[2]
        # It is no longer in the heap: a later cancel of it must not count.
        timer.cancelled = True
        return timer

    def first(self, count: int, wanted: Callable[[Timer], bool]) -> Iterator[Timer]:
        """Iterate over the first live timers in order.

        Args:
            count: How many at most.
            wanted: Decides which ones.
        """
        # For a view of the next timers: a search of the heap, and no sorting of thousands that are not shown.
        live = (entry for entry in self._heap if not entry[2].cancelled and wanted(entry[2]))
        return (timer for _, _, timer in heapq.nsmallest(count, live, key=lambda entry: entry[:2]))

    def __iter__(self) -> Iterator[Timer]:
        """Iterate over the live timers in order."""
        return (timer for _, timer in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Timer]]:
        """Iterate over the live timers in order, each with its number."""
        # A heap is only partly sorted.
        # By due time and number only, since timers cannot be compared.
        entries = sorted(self._heap, key=lambda entry: entry[:2])
        return ((number, timer) for _, number, timer in entries if not timer.cancelled)
