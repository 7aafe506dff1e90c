"""When the next snapshot of a service is due: more often makes earlier moments faster to reach, and costs more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .collector import paused
from .engine import Engine

DISTANCE = 2_000
"""The smallest number of entries between two snapshots. Applying as many takes some tenths of a second."""
LONGEST_DISTANCE = 4_000
"""The largest one, however long a snapshot takes and however fast entries come."""
SHARE = 5
"""A slow snapshot is made less often: up to that distance, snapshots take at most a fifth of the processor's time."""
MOST_TASKS = 20_000
"""With more tasks, a snapshot would block the service for more than half a second, so it is postponed."""


class Pace:
    """Decides when a snapshot is due. Belongs to the thread that makes the snapshots."""

    def __init__(self) -> None:
        self.latest: int = 0
        """The number of the entry after which the latest snapshot was made."""
        self._distance = DISTANCE
        self._made_at = time.thread_time()

    def due(self, count: int, engine: Engine) -> bool:
        """Return whether to make a snapshot now.

        Args:
            count: The number of the latest entry.
            engine: The engine, for its size.
        """
        if count - self.latest < self._distance:
            return False
        # Counted only now, because it makes a list of all tasks.
        if sum(len(engine.tasks(workspace.sid)) for workspace in engine.workspaces()) > MOST_TASKS:
            # Asked again after as many further entries; making a snapshot sets the distance again.
            self._distance += DISTANCE
            return False
        return True

    @contextmanager
    def making(self, count: int) -> Iterator[None]:
        """Measure the making of a snapshot, for the distance to the next one.

        Args:
            count: The number of the latest entry.
        """
        began = time.thread_time()
        # A pass of the collector would count as a slow snapshot, and make the next ones rare.
        with paused():
            yield
        now = time.thread_time()
        # Scales the distance so that the time for snapshots stays at 1/SHARE of the processor's time between two.
        slower = (now - began) * SHARE / max(0.001, began - self._made_at)
        self._distance = max(DISTANCE, min(int((count - self.latest) * slower), LONGEST_DISTANCE))
        self.latest, self._made_at = count, now
