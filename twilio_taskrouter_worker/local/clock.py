"""The time of a local TaskRouter: real, moved forward, or standing still until it is told to go on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

import attrs

__all__ = ["Clock", "ClockState"]

_DAY: float = 86400.0
_LATE_SECONDS = 1.0
"""A moment that a running clock has just passed, while it was being asked for, is no mistake."""
_STEP_SECONDS = 0.005
_LATEST = 253402300799.0
"""The last second of the year 9999: dates end there, and so does every clock."""
_EARLIEST = -62135596800.0
"""The first second of the year 1."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Not the time of day, which may be set back. It goes on while the computer sleeps, if the system has such a clock."""

Drive = Callable[[Callable[[], None]], None]
"""What a running router offers to its clock: it makes the move, and does the work of all timers on the way."""


@attrs.frozen(kw_only=True)
class ClockState:
    """What a clock showed, at which real moment, and whether it went on by itself."""

    shown: float
    since: float
    """Real unix seconds."""
    running: bool


def _steady() -> float:
    return time.clock_gettime(_STEADY)


class Clock:
    """What time it is for tasks, reservations and every timer of a local TaskRouter.

    A running clock starts with the computer's time of day and goes on as fast, plus whatever it was advanced by; it is
    not moved when the time of day is set. A paused clock only moves by :meth:`advance` and :meth:`run_until`.
    Heartbeats, tokens and network timeouts always follow real time: a stopped clock does not cut off the clients, and
    a token does not grow old by it.

    One clock belongs to one router. All methods may be called from any thread. Those that move it return when the
    timers that fell due have done their work; the clients hear of it at that moment.

    Args:
        start: the first moment, in unix seconds; None: now.
        running: False makes it stand still from the start.
    """

    def __init__(self, start: float | None = None, *, running: bool = True) -> None:
        # Guards the three values below; nothing else is called while it is held.
        self._lock = threading.Lock()
        self._shown = time.time() if start is None else _moment(start)
        self._running = running
        self._since = _steady()
        self._drive: Drive | None = None
        self._next_deadline: Callable[[], float | None] | None = None

    @classmethod
    def virtual(cls, start: float | None = None) -> Clock:
        """Return a clock that stands still until it is moved."""
        return cls(start, running=False)

    def __repr__(self) -> str:
        state = "running" if self._running else "paused"
        return f"<Clock {state} at {self.now():.3f}>"

    @property
    def running(self) -> bool:
        """Whether it moves by itself."""
        return self._running

    def now(self) -> float:
        """Return the time in unix seconds."""
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> None:
        """Move forward; whatever times out on the way does so, in order.

        Raises:
            ValueError: ``seconds`` is negative, not a number, or leads beyond the year 9999.
            StateError: its router has been stopped.
        """
        span = _span("advance()", seconds)
        _moment(self.now() + span)
        self._move(lambda: self._set(shown=self._now() + span))

    def run_until(
        self,
        when: float | datetime | Callable[[], object],
        timeout: float | None = None,
        *,
        patience: float = 0.0,
    ) -> None:
        """Move forward to a moment, or from timer to timer until something is true.

        ::

            clock.run_until(datetime(2030, 1, 1, 12, tzinfo=timezone.utc))
            clock.run_until(lambda: router.task(sid).assignment_status == "canceled", timeout=3600)

        Args:
            when: unix seconds, an aware datetime, or a function without arguments. The function is called on this
                thread: at once, and whenever the timers of one moment have done their work; it may ask the router.
            timeout: with a function: how far to move at most, in seconds of this clock; None: a day.
            patience: with a function: real seconds that connected clients get to act between one timer and the next.

        Raises:
            TimeoutError: the function did not become true; the clock shows the end of the timeout.
            ValueError: ``when`` has passed or is not a moment, or the timeout leads beyond the year 9999.
            StateError: its router has been stopped.
        """
        if callable(when):
            self._run_until_true(when, _span("timeout", _DAY if timeout is None else timeout), patience)
            return
        if timeout is not None:
            raise ValueError("run_until() takes a timeout only together with a function; a moment needs none.")
        moment = _moment(when)
        now = self.now()
        if moment < now - (_LATE_SECONDS if self._running else 0.0):
            raise ValueError(
                f"The clock shows {_text(now)} and cannot go back to {_text(moment)}; advance(seconds) takes a span."
            )
        self._advance_to(moment)

    def _run_until_true(self, predicate: Callable[[], object], timeout: float, patience: float) -> None:
        limit = _moment(self.now() + timeout)
        while not _becomes_true(predicate, _span("patience", patience)):
            now = self.now()
            if now >= limit:
                raise TimeoutError(f"What run_until() waits for did not happen within {timeout:g} s of this clock.")
            due = self._next_deadline() if self._next_deadline is not None else None
            self._advance_to(limit if due is None else min(due, limit))

    def _advance_to(self, moment: float) -> None:
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

    def state(self) -> ClockState:
        """Return what to give to :meth:`go_on` after a restart."""
        with self._lock:
            return ClockState(shown=self._now(), since=time.time(), running=self._running)

    def go_on(self, state: ClockState) -> None:
        """Show what a clock of that state would show by now; used by a router that is restarted.

        The time in between has passed if both that clock and this one run by themselves; else none has.
        """
        with self._lock:
            away = max(0.0, time.time() - state.since) if state.running and self._running else 0.0
            self._set(shown=state.shown + away)

    def not_before(self, moment: float) -> None:
        """Move forward to a moment unless it has passed; used by a router whose journal knows of that moment."""
        with self._lock:
            self._set(shown=max(self._now(), moment))

    def bind(self, drive: Drive, next_deadline: Callable[[], float | None] | None = None) -> None:
        """Let a router do each move, so that its timers are looked at; used by the router itself.

        Args:
            drive: makes a move and does the work of the timers on the way.
            next_deadline: says when the router's next timer is due, or None.

        Raises:
            ValueError: the clock belongs to another router.
        """
        if self._drive is not None:
            raise ValueError("This Clock belongs to another LocalTaskRouter; make one clock for each.")
        self._drive = drive
        self._next_deadline = next_deadline

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
        self._shown = self._now() if shown is None else min(shown, _LATEST)
        self._since = _steady()
        if running is not None:
            self._running = running

    def _now(self) -> float:
        return min(self._shown + (_steady() - self._since), _LATEST) if self._running else self._shown


def _becomes_true(predicate: Callable[[], object], patience: float) -> bool:
    """Whether the predicate is true now or within so many real seconds."""
    deadline = time.monotonic() + patience
    never = threading.Event()
    while not predicate():
        if time.monotonic() >= deadline:
            return False
        never.wait(_STEP_SECONDS)
    return True


def _span(name: str, seconds: float) -> float:
    if not _finite(seconds):
        raise ValueError(f"{name} takes seconds, 0 or more, not {_shown(seconds)}")
    if seconds < 0:
        raise ValueError(f"{name} takes seconds, 0 or more, not {_shown(seconds)}: time does not go back")
    return float(seconds)


def _finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _shown(value: object) -> str:
    # Not the digits of a very long integer.
    return "such a large number" if isinstance(value, int) and abs(value) > _LATEST else repr(value)


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")


def _moment(when: float | datetime) -> float:
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("A moment must be an aware datetime, such as datetime(..., tzinfo=timezone.utc).")
        return when.timestamp()
    if not _finite(when):
        raise ValueError(f"A moment is unix seconds or an aware datetime, not {_shown(when)}.")
    if not _EARLIEST <= when <= _LATEST:
        raise ValueError(f"A moment must lie from the year 1 to the year 9999, not at {when!r} unix seconds.")
    return float(when)
