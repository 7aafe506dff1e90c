"""The record of a Worker's own work: the history, and the records for an observer."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from .._log import CALLBACKS, EVENTS, about, name_of, own_frames, summed_up
from ..observer import (
    CallbackRecord,
    CallRecord,
    ConnectionRecord,
    EventRecord,
    HistoryEntry,
    Observer,
    RetryRecord,
)
from . import routes
from .reporting import sids_of

if TYPE_CHECKING:
    from ..events import Emitter
    from .request import Request

__all__ = ["Around", "Watch"]

T = TypeVar("T")
Around = Callable[[str, "tuple[Any, ...]"], AbstractContextManager[object]]
"""Given the name of an event and a callback's arguments, returns the context in which the callback runs."""

HISTORY = 200
"""Entries of ``worker.history``."""

# Events that an observer also gets as changes of the connection.
_STEPS = frozenset({"ready", "disconnected", "reconnecting"})

# Unix time, event or call, sid of the task, sid of the reservation, outcome.
_Entry = tuple[float, str, "str | None", "str | None", "str | None"]


class Watch:
    """One Worker's history, and its observer, if any. Safe on any thread; observers are called synchronously.

    The history is always kept: an entry costs one small tuple. Records are made for an observer only.

    Args:
        observer: The observer; None for none.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self.observer = observer
        self.around: tuple[Around, ...] = ()
        """The contexts around each callback and handler, the outermost first."""
        # A deque's append and copy are atomic.
        self._history: deque[_Entry] = deque(maxlen=HISTORY)
        self.connections = 0
        """Number of connections of the worker so far."""
        self.foreign_accepts = 0
        """Reservations that were accepted, but not by this process."""
        # Guards their count: events report them on the dispatch thread, refused calls on pool threads.
        self._lock = threading.Lock()

    # -- history -----------------------------------------------------------------------------------------------------

    def history(self) -> list[HistoryEntry]:
        """Return the latest events and calls, oldest first."""
        return [
            HistoryEntry(
                at=datetime.fromtimestamp(at, timezone.utc),
                what=what,
                task_sid=task,
                reservation_sid=reservation,
                outcome=outcome,
            )
            for at, what, task, reservation, outcome in self._history.copy()
        ]

    # -- the dispatch thread -----------------------------------------------------------------------------------------

    def event(
        self, worker_sid: str, emitter: Emitter, event: str, args: tuple[Any, ...], arrived: float | None
    ) -> None:
        """Record an event that is about to be dispatched; on the dispatch thread.

        Args:
            worker_sid: Sid of the worker; empty before the first connection.
            emitter: The object that fires it.
            event: Its name.
            args: Its arguments.
            arrived: Time of its arrival in monotonic seconds; None if it did not arrive as a message.
        """
        task, reservation = sids_of(emitter, args)
        if event == "connected":
            self.connections += 1
        reason = str(args[0]) if event == "disconnected" else None
        self._history.append((time.time(), event, task, reservation, reason))
        if self.observer is None:
            return
        record = EventRecord(
            event=event,
            on=type(emitter).__name__,
            worker_sid=worker_sid,
            task_sid=task,
            reservation_sid=reservation,
            waited=0.0 if arrived is None else max(0.0, time.monotonic() - arrived),
        )
        self._notify(self.observer.event_dispatched, record)
        if event in _STEPS:
            delay = args[0] if event == "reconnecting" else None
            change = ConnectionRecord(step=event, worker_sid=worker_sid, reason=reason, delay=delay)
            self._notify(self.observer.connection_changed, change)

    def run(
        self, worker_sid: str, emitter: Emitter, event: str, args: tuple[Any, ...], function: Callable[..., T]
    ) -> T:
        """Call a user's function and record its duration; any thread, blocks for the function.

        Args:
            worker_sid: Sid of the worker.
            emitter: The object that fired the event.
            event: Name of the event.
            args: Arguments of the function.
            function: The function.

        Returns:
            The function's value.

        Raises:
            BaseException: Any exception of the function, unchanged.
        """
        if self.observer is None:
            return self._inside(event, args, function)
        started = time.monotonic()
        failure: BaseException | None = None
        try:
            return self._inside(event, args, function)
        except BaseException as error:
            failure = error
            raise
        finally:
            self.callback_ended(worker_sid, emitter, event, args, function, started, failure)

    def callback_ended(
        self,
        worker_sid: str,
        emitter: Emitter,
        event: str,
        args: tuple[Any, ...],
        function: Callable[..., Any],
        started: float,
        error: BaseException | None,
    ) -> None:
        """Record the end of a user's function; any thread.

        Args:
            worker_sid: Sid of the worker.
            emitter: The object that fired the event.
            event: Name of the event.
            args: Arguments of the function.
            function: The function.
            started: Time of its start in monotonic seconds.
            error: Its exception; None if it returned.
        """
        if self.observer is None:
            return
        task, reservation = sids_of(emitter, args)
        record = CallbackRecord(
            event=event,
            worker_sid=worker_sid,
            task_sid=task,
            reservation_sid=reservation,
            function=name_of(function),
            seconds=time.monotonic() - started,
            error=error,
        )
        self._notify(self.observer.callback_ended, record)

    def _inside(self, event: str, args: tuple[Any, ...], function: Callable[..., T]) -> T:
        if not self.around:
            return function(*args)
        failures: list[BaseException] = []
        with ExitStack() as stack:
            try:
                for each in self.around:
                    stack.enter_context(each(event, args))
                value = function(*args)
            except BaseException as error:
                failures.append(error)
                raise
        if failures:
            # A context that suppresses it would turn a handler that failed into one that completes its task.
            raise failures[0]
        return value

    def foreign_accept(self, worker_sid: str, task_sid: str, reservation_sid: str) -> None:
        """Record a reservation that was accepted by another process or backend; a WARNING the first time.

        Args:
            worker_sid: Sid of the worker.
            task_sid: Sid of the task.
            reservation_sid: Sid of the reservation.
        """
        with self._lock:
            self.foreign_accepts += 1
            level = logging.WARNING if self.foreign_accepts == 1 else logging.INFO
        if not EVENTS.isEnabledFor(level):
            return
        EVENTS.log(
            level,
            "Worker %s: reservation %s was accepted, but not by this process: either a backend accepts, or another "
            "session of this worker is connected (a second process, a development server's reloader), and each gets "
            "every offer; single= lets only one process connect",
            worker_sid,
            reservation_sid,
            extra=about(worker=worker_sid, task=task_sid, reservation=reservation_sid, event="accepted"),
        )

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(self, request: Request[Any], started: float, attempts: int, error: BaseException | None) -> None:
        """Record a call that has ended.

        Args:
            request: The request.
            started: Time of the call in monotonic seconds.
            attempts: Number of HTTP requests.
            error: Its error; None for success.
        """
        name = routes.name_of(request.route)
        task, reservation = request.task_sid, request.sids.get("reservation")
        # The history has only the calls that change something.
        if request.route.method != "GET":
            outcome = None if error is None else type(error).__name__
            self._history.append((time.time(), f"{name}()", task, reservation, outcome))
        if self.observer is not None:
            record = CallRecord(
                call=name,
                worker_sid=request.sids.get("wk", ""),
                task_sid=task,
                reservation_sid=reservation,
                seconds=time.monotonic() - started,
                attempts=attempts,
                error=error,
            )
            self._notify(self.observer.call_ended, record)

    def retry(self, request: Request[Any], attempt: int, delay: float) -> None:
        """Record a failed attempt that will be repeated.

        Args:
            request: The request.
            attempt: Number of the failed attempt, from 1.
            delay: Seconds until the next one.
        """
        if self.observer is not None:
            record = RetryRecord(
                call=routes.name_of(request.route),
                worker_sid=request.sids.get("wk", ""),
                attempt=attempt,
                delay=delay,
            )
            self._notify(self.observer.call_retried, record)

    def _notify(self, hook: Callable[[Any], None], record: object) -> None:
        try:
            hook(record)
        except BaseException as error:
            # SystemExit too: it would end the thread that does the work.
            text = f"The observer's {name_of(hook)} raised {type(error).__name__}"
            summed_up(CALLBACKS, logging.ERROR, text, about(), exc_info=own_frames(error))
