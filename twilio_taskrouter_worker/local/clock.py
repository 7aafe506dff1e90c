"""The time of a local TaskRouter: real, moved forward, or standing still until it is told to go on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime

__all__ = ["Clock"]


Drive = Callable[[Callable[[], None]], None]
"""What a running router offers to its clock: it makes the move, and does the work of all timers on the way."""


class Clock:
    """What time it is for tasks, reservations and every timer of a local TaskRouter.

    A running clock follows the computer's, plus whatever it was advanced by. A paused one only moves by
    :meth:`advance` and :meth:`run_until`. Heartbeats, tokens and network timeouts always follow real time: a stopped
    clock does not cut off the clients, and a token does not grow old by it.

    One clock belongs to one router. All methods may be called from any thread. Those that move it return when the
    timers that fell due have done their work; the clients hear of it at that moment.

    Args:
        start: the first moment, in unix seconds; None: now.
        running: False makes it stand still from the start.
    """

    def __init__(self, start: float | None = None, *, running: bool = True) -> None:
        # Guards the three values below; nothing else is called while it is held.
        self._lock = threading.Lock()
        self._real = time.time
        self._shown = self._real() if start is None else _moment(start)
        self._running = running
        self._since = self._real()
        self._drive: Drive | None = None

    @classmethod
    def virtual(cls, start: float | None = None) -> Clock:
        """Return a clock that stands still until it is moved."""
        return cls(start, running=False)

    def __repr__(self) -> str:
        state = "running" if self._running else "paused"
        return f"<Clock {state} at {self.now():.3f}>"

    @property
    def running(self) -> bool:
        """Whether it follows the computer's clock."""
        return self._running

    def now(self) -> float:
        """Return the time in unix seconds."""
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> None:
        """Move forward; whatever times out on the way does so, in order.

        Raises:
            ValueError: ``seconds`` is negative or not a number.
            StateError: its router has been stopped.
        """
        if not (isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"advance() takes seconds, 0 or more, not {seconds!r}")
        self._move(lambda: self._set(shown=self._now() + seconds))

    def run_until(self, when: float | datetime) -> None:
        """Move forward to a moment (unix seconds, or an aware datetime); a moment that has passed moves nothing.

        Raises:
            ValueError: ``when`` is a naive datetime or not a number.
            StateError: its router has been stopped.
        """
        moment = _moment(when)
        self._move(lambda: self._set(shown=max(self._now(), moment)))

    def pause(self) -> None:
        """Stand still; a clock that does already keeps doing so."""
        self._move(lambda: self._set(running=False))

    def resume(self) -> None:
        """Go on from the moment shown; nothing that happened meanwhile is made up for."""
        self._move(lambda: self._set(running=True))

    def seconds_until(self, moment: float) -> float | None:
        """Return the real seconds until this clock shows ``moment``; None while it stands still."""
        with self._lock:
            return max(0.0, moment - self._now()) if self._running else None

    def bind(self, drive: Drive) -> None:
        """Let a router do each move, so that its timers are looked at; used by the router itself.

        Raises:
            ValueError: the clock belongs to another router.
        """
        if self._drive is not None:
            raise ValueError("This Clock belongs to another LocalTaskRouter; make one clock for each.")
        self._drive = drive

    def _move(self, change: Callable[[], None]) -> None:
        def locked() -> None:
            with self._lock:
                change()

        if self._drive is None:
            locked()
        else:
            self._drive(locked)

    def _set(self, *, shown: float | None = None, running: bool | None = None) -> None:
        """Change the lock's values; the lock is held."""
        self._shown = self._now() if shown is None else shown
        self._since = self._real()
        if running is not None:
            self._running = running

    def _now(self) -> float:
        return self._shown + (self._real() - self._since) if self._running else self._shown


def _moment(when: float | datetime) -> float:
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("A moment must be an aware datetime, such as datetime(..., tzinfo=timezone.utc).")
        return when.timestamp()
    if isinstance(when, bool) or not isinstance(when, (int, float)) or not math.isfinite(when):
        raise ValueError(f"A moment is unix seconds or an aware datetime, not {when!r}.")
    return float(when)
