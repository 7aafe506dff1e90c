"""The simulated time: a queue of steps, each run at its moment, in an order that depends on the seed alone."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["Scheduler", "Timer"]

Step = Callable[[], object]


class Timer:
    """A step that waits for its moment. It has the interface of the library's own timers."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Step | None) -> None:
        self.at = at
        self.action = action

    def cancel(self) -> None:
        """Never run the step; idempotent."""
        self.action = None


class Scheduler:
    """Runs steps in the order of their times; steps of the same time in the order in which they were added."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the start of the simulation: everybody's monotonic clock."""
        self.steps = 0
        """How many steps were run."""
        self._number = 0
        self._queue: list[tuple[float, int, Timer]] = []

    def at(self, when: float, action: Step) -> Timer:
        """Run a step at a moment, or at once if that has passed.

        Args:
            when: The moment, on this clock.
            action: The step.

        Returns:
            The timer, which can be cancelled.
        """
        timer = Timer(when, action)
        self._number += 1
        heapq.heappush(self._queue, (when, self._number, timer))
        return timer

    def after(self, delay: float, action: Step) -> Timer:
        """Run a step after a delay in seconds.

        Args:
            delay: The seconds.
            action: The step.

        Returns:
            The timer, which can be cancelled.
        """
        return self.at(self.now + delay, action)

    def run(self, until: float, after_each: Step) -> None:
        """Run all steps up to a moment, and then stand at it.

        Args:
            until: The moment.
            after_each: Called after each step.
        """
        queue = self._queue
        while queue and queue[0][0] <= until:
            when, _, timer = heapq.heappop(queue)
            action = timer.action
            if action is None:
                continue
            # Cleared first: the library takes a timer without an action for one that has run.
            timer.action = None
            if when > self.now:
                self.now = when
            self.steps += 1
            action()
            after_each()
        self.now = max(self.now, until)
