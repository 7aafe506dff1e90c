"""The ledger of a service in another process: both sides are put into the order of time before they count."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.chaos.ledger import Ledger
from tests.tools.wait import eventually

MOST_UNANNOUNCED = 10_000
"""Reservations whose announcement may still be timed; some came and went while their worker was away."""


class MergedLedger(Ledger):
    """A Ledger whose entries of the clients wait until the service has reported everything that came before them.

    Both processes read the same monotonic clock, and the service reports a reservation before any client can know it.
    """

    def __init__(self) -> None:
        super().__init__()
        # Guards the three below.
        self._entries = threading.Lock()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._created: dict[str, float] = {}
        self._complete_until = 0.0
        self.seconds: deque[float] = deque(maxlen=10_000)
        """How long the latest live announcements took, from the change in the service to the callback."""
        self.events = 0
        """How many events the clients' callbacks got."""

    # -- the service's side, on the thread that reads its facts ------------------------------------------------------

    def report(self, at: float, kind: str, fact: Any) -> None:
        """Take what the service did at a time."""
        if kind == "opened":
            self._add(at, partial(self.opened, *fact))
        elif kind == "happened":
            self._add(at, partial(self.happened, fact))
            for each in fact:
                if each.type == "reservation.created" and each.reservation is not None:
                    self._created[each.reservation.sid] = at
                    if len(self._created) > MOST_UNANNOUNCED:
                        del self._created[next(iter(self._created))]
        self._complete_until = at
        self._apply()

    def _apply(self) -> None:
        while True:
            with self._entries:
                if not self._heap or self._heap[0][0] > self._complete_until:
                    return
                _, _, entry = heapq.heappop(self._heap)
            entry()

    def _add(self, at: float, entry: Callable[[], None]) -> None:
        with self._entries:
            heapq.heappush(self._heap, (at, next(self._numbers), entry))

    # -- the clients' side -------------------------------------------------------------------------------------------

    def ready(self, worker_sid: str, *, certain: bool) -> None:
        """As in the base class, later."""
        self._add(time.monotonic(), partial(super().ready, worker_sid, certain=certain))

    def announce(self, worker_sid: str, sid: str, status: str, *, live: bool) -> None:
        """As in the base class, later."""
        now = time.monotonic()
        self.events += 1
        self._add(now, partial(self._announce_at, now, worker_sid, sid, status, live))

    def _announce_at(self, at: float, worker_sid: str, sid: str, status: str, live: bool) -> None:
        created = self._created.pop(sid, None)
        if live and created is not None:
            self.seconds.append(at - created)
        super().announce(worker_sid, sid, status, live=live)

    def tell(self, worker_sid: str, sid: str, event: str, *, live: bool) -> None:
        """As in the base class, later."""
        self.events += 1
        self._add(time.monotonic(), partial(super().tell, worker_sid, sid, event, live=live))

    def catch_up(self) -> None:
        """Wait until everything that has happened so far counts."""
        now = time.monotonic()
        eventually(lambda: self._complete_until > now and not self._older_than(now), 30, "the ledger did not catch up")

    def _older_than(self, moment: float) -> bool:
        with self._entries:
            return bool(self._heap) and self._heap[0][0] <= moment
