"""The time of a local TaskRouter: real, advanced by the program, or paused."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import datetime, timezone

import attrs

from .. import _checks

__all__ = ["Clock", "ClockState"]

_DAY: float = 86400.0
_LATE_SECONDS = 1.0
"""Accepted lateness: a running clock may pass the requested moment during the call."""
# Real seconds between two calls of a condition that clients make true.
_STEP_SECONDS = 0.005
_LATEST = 253402300799.0
"""The last second of the year 9999: dates end there, and so does every clock."""
_EARLIEST = -62135596800.0
"""The first second of the year 1."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Not the time of day, which may be set back. It continues while the computer sleeps, if the system has such a
clock."""

_ALL: weakref.WeakSet[Clock] = weakref.WeakSet()

Drive = Callable[[Callable[[], None]], None]
"""How a running router moves its clock: it makes the move, and runs all timers that fall due."""


@attrs.frozen(kw_only=True)
class ClockState:
    """The time a clock showed at a real moment, and whether it was running."""

    shown: float
    since: float
    """Real unix seconds."""
    running: bool


def _steady() -> float:
    return time.clock_gettime(_STEADY)


class Clock:
    """The time for tasks, reservations and all timers of a local TaskRouter.

    A running clock starts with the computer's time of day and advances at the same rate, plus every :meth:`advance`;
    setting the time of day does not change it. A paused clock only moves by :meth:`advance` and :meth:`run_until`.
    Heartbeats, tokens and network timeouts always follow real time: a paused clock does not disconnect clients, and
    does not keep tokens valid.

    One clock belongs to one router. All methods may be called from any thread. The methods that move the clock block
    until the due timers have run on the service's thread; their events are sent to clients then. The other methods do
    not block.

    Args:
        start: The first moment, in unix seconds; None: now.
        running: False creates a paused clock.

    Raises:
        TypeError: ``start`` is neither a number nor a datetime.
        ValueError: ``start`` is not a moment from the year 1 to 9999.
    """

    def __init__(self, start: float | None = None, *, running: bool = True) -> None:
        # Guards the three values below; nothing else is called while it is held.
        self._lock = threading.Lock()
        self._shown = time.time() if start is None else _moment(start)
        self._running = running
        self._since = _steady()
        # None until a router binds it: then a move only changes the value.
        self._drive: Drive | None = None
        self._next_deadline: Callable[[], float | None] | None = None
        self._describe: Callable[[], str] = str
        _ALL.add(self)

    @classmethod
    def virtual(cls, start: float | None = None) -> Clock:
        """Return a paused clock.

        Args:
            start: The first moment, in unix seconds; None: now.

        Raises:
            TypeError: ``start`` is neither a number nor a datetime.
            ValueError: ``start`` is not a moment from the year 1 to 9999.
        """
        return cls(start, running=False)

    def __repr__(self) -> str:
        state = "running" if self._running else "paused"
        return f"<Clock {state} at {self.now():.3f}>"

    @property
    def running(self) -> bool:
        """Whether the clock is running. Does not block."""
        return self._running

    def now(self) -> float:
        """Return the time in unix seconds. Does not block."""
        # Shown time and start of counting must be of the same change.
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> None:
        """Move the clock forward, and run the timers that fall due on the way, in order.

        Blocks until they have run, without waiting for *seconds* of real time.

        Args:
            seconds: The span, 0 or more, in seconds of this clock.

        Raises:
            TypeError: ``seconds`` is not a number.
            ValueError: ``seconds`` is negative, not a number, or leads beyond the year 9999.
            StateError: Its router has been stopped.
        """
        span = _span("seconds", seconds)
        # Refused here, in the caller's thread: a clock stops at the end of the year 9999 without an error.
        _moment(self.now() + span)
        self._move(lambda: self._set(shown=self._now() + span))

    def advance_to_next(self) -> None:
        """Move the clock forward to the next timer of its router, and run it; does nothing if there is none.

        Blocks until it has run.

        Raises:
            StateError: Its router has been stopped.
        """
        # A clock without a router has no timers.
        due = self._next_deadline() if self._next_deadline is not None else None
        if due is not None:
            self._advance_to(due)

    def run_until(
        self,
        when: float | datetime | Callable[[], object],
        timeout: float | None = None,
        *,
        patience: float = 0.0,
    ) -> None:
        """Move forward to a moment, or from timer to timer until a condition is true.

        Blocks until then: for as long as the timers, the function and ``patience`` take.

        ::

            clock.run_until(datetime(2030, 1, 1, 12, tzinfo=timezone.utc))
            clock.run_until(lambda: router.task(sid).assignment_status == "canceled", timeout=3600)

        Args:
            when: Unix seconds, an aware datetime, or a function without arguments. The function is called on the
                calling thread: at once, and whenever the timers of one moment have run; it may call the router.
            timeout: With a function: the largest span to move, in seconds of this clock; None: a day.
            patience: With a function: real seconds that connected clients get to act between one timer and the next.

        Raises:
            TimeoutError: The function did not become true; the clock shows the end of the timeout, and the message says
                which tasks are open, and why.
            TypeError: An argument has the wrong type.
            ValueError: ``when`` has passed or is not a moment, or the timeout leads beyond the year 9999.
            StateError: Its router has been stopped.
        """
        if callable(when):
            self._run_until_true(when, _span("timeout", _DAY if timeout is None else timeout), patience)
            return
        if timeout is not None:
            raise ValueError("run_until() takes a timeout only together with a function; a moment needs none")
        moment = _moment(when)
        now = self.now()
        # A running clock may have passed the moment since the caller computed it.
        if moment < now - (_LATE_SECONDS if self._running else 0.0):
            raise ValueError(
                f"The clock shows {_text(now)} and cannot go back to {_text(moment)}; advance(seconds) takes a span"
            )
        self._advance_to(moment)

    def _run_until_true(self, predicate: Callable[[], object], timeout: float, patience: float) -> None:
        # Fixed at the start: the function may move the clock as well.
        limit = _moment(self.now() + timeout)
        while not _becomes_true(predicate, _span("patience", patience)):
            now = self.now()
            if now >= limit:
                raise TimeoutError(
                    f"The condition of run_until() did not become true within {timeout:g} s of this clock. "
                    f"{self._describe()}".rstrip()
                )
            # From timer to timer: nothing can change between two of them, and the function must see each moment.
            due = self._next_deadline() if self._next_deadline is not None else None
            self._advance_to(limit if due is None else min(due, limit))

    def _advance_to(self, moment: float) -> None:
        self._move(lambda: self._set(shown=max(self._now(), moment)))

    def pause(self) -> None:
        """Pause the clock; does nothing if it is paused. Blocks for less than a millisecond.

        Raises:
            StateError: Its router has been stopped.
        """
        self._move(lambda: self._set(running=False))

    def resume(self) -> None:
        """Run a paused clock again from the moment it shows. Blocks for less than a millisecond.

        Raises:
            StateError: Its router has been stopped.
        """
        self._move(lambda: self._set(running=True))

    def seconds_until(self, moment: float) -> float | None:
        """Return the real seconds until the clock shows a moment.

        Args:
            moment: Unix seconds of this clock.

        Returns:
            The seconds, 0 for a past moment; None while the clock is paused.
        """
        # None and not a large number: a paused clock reaches no moment by waiting.
        with self._lock:
            return max(0.0, moment - self._now()) if self._running else None

    def state(self) -> ClockState:
        """Return the state to pass to :meth:`go_on` after a restart."""
        # Both times are read together: go_on adds the difference to the present.
        with self._lock:
            return ClockState(shown=self._now(), since=time.time(), running=self._running)

    def go_on(self, state: ClockState) -> None:
        """Continue from the state of an earlier clock; used by a router that is restarted.

        The time in between is added only if both that clock and this one run.

        Args:
            state: The state of the earlier clock.
        """
        with self._lock:
            # By the time of day, the only clock that survives a restart; never negative, as it may have been set
            # back.
            away = max(0.0, time.time() - state.since) if state.running and self._running else 0.0
            self._set(shown=state.shown + away)

    def not_before(self, moment: float) -> None:
        """Move forward to a moment unless it has passed; used by a router whose journal contains that moment.

        Args:
            moment: Unix seconds.
        """
        with self._lock:
            self._set(shown=max(self._now(), moment))

    def bind(
        self,
        drive: Drive,
        next_deadline: Callable[[], float | None] | None = None,
        describe: Callable[[], str] = str,
    ) -> None:
        """Move through a router from now on, so that its timers run; used by the router itself.

        Args:
            drive: Makes a move and runs the due timers.
            next_deadline: Returns when the router's next timer is due, or None.
            describe: Returns what is open in the router, for the error of ``run_until``.

        Raises:
            ValueError: The clock belongs to another router.
        """
        # Two routers would each run the timers of their own moves only.
        if self._drive is not None:
            raise ValueError("This Clock belongs to another LocalTaskRouter; make one clock for each")
        self._drive = drive
        self._next_deadline = next_deadline
        self._describe = describe

    def _move(self, change: Callable[[], None]) -> None:
        # The lock is taken on the service's thread and for the change alone: timers run without it, and may read the
        # clock.
        def locked() -> None:
            with self._lock:
                change()

        if self._drive is None:
            locked()
        else:
            self._drive(locked)

    def _set(self, *, shown: float | None = None, running: bool | None = None) -> None:
        """Change the guarded values; the lock is held by the caller."""
        self._shown = self._now() if shown is None else min(shown, _LATEST)
        # With every change, so that shown and since are always of the same moment.
        self._since = _steady()
        if running is not None:
            self._running = running

    def _now(self) -> float:
        return min(self._shown + (_steady() - self._since), _LATEST) if self._running else self._shown


def _becomes_true(predicate: Callable[[], object], patience: float) -> bool:
    """Return whether the predicate is true now or within *patience* real seconds."""
    deadline = time.monotonic() + patience
    never = threading.Event()
    while not predicate():
        if time.monotonic() >= deadline:
            return False
        never.wait(_STEP_SECONDS)
    return True


def _span(name: str, seconds: float) -> float:
    right = "a number of seconds, 0 or more"
    if not _finite(_checks.number(name, seconds, right)):
        raise ValueError(f"{name} must be {right}, not {_shown(seconds)}")
    if seconds < 0:
        raise ValueError(f"{name} must be {right}, not {_shown(seconds)}: time does not go back")
    return float(seconds)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _shown(value: object) -> str:
    # Not the digits of a very long integer.
    return "such a large number" if isinstance(value, int) and abs(value) > _LATEST else repr(value)


def _text(moment: float) -> str:
    # In UTC: moments in messages can be compared with those in the log and in answers.
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")


def _moment(when: float | datetime) -> float:
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("A moment must be an aware datetime, such as datetime(..., tzinfo=timezone.utc)")
        return when.timestamp()
    if not _finite(_checks.number("A moment", when, "unix seconds or an aware datetime")):
        raise ValueError(f"A moment is unix seconds or an aware datetime, not {_shown(when)}")
    if not _EARLIEST <= when <= _LATEST:
        raise ValueError(f"A moment must lie from the year 1 to the year 9999, not at {when!r} unix seconds")
    return float(when)


def _renew_locks() -> None:
    """Replace the locks in a forked child: one that another thread of the parent held would never be released there."""
    for clock in list(_ALL):
        clock._lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)
