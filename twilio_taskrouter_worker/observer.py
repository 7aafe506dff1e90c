"""Watching a Worker: the hooks of an Observer, and what each of them gets.

``Worker(observer=...)`` takes one Observer; the extras ``prometheus`` and ``opentelemetry`` bring two that are ready.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from ._display.tables import moment

__all__ = ["CallRecord", "CallbackRecord", "ConnectionRecord", "EventRecord", "HistoryEntry", "Observer", "RetryRecord"]


@attrs.frozen(kw_only=True)
class EventRecord:
    """One event that is about to be given to its listeners, or would be if there were any."""

    event: str
    """Its name, e.g. ``reservation_created``, or ``accepted`` of a reservation."""
    on: str
    """Class of the object that fires it: ``Worker``, ``Reservation``, ``Task``, ``OutgoingTransfer`` or ``Channel``."""
    worker_sid: str
    """Sid of the worker; empty before the first connection."""
    task_sid: str | None
    """Sid of the task it is about; None for events that are about none."""
    reservation_sid: str | None
    """Sid of the reservation it is about; None for events that are about none."""
    waited: float
    """Seconds since it arrived."""


@attrs.frozen(kw_only=True)
class CallbackRecord:
    """One callback that has ended."""

    event: str
    """Name of the event it was called for; ``reservation_created`` for the handler of ``serve``."""
    worker_sid: str
    """Sid of the worker."""
    task_sid: str | None
    """Sid of the task it was about; None for events that are about none."""
    reservation_sid: str | None
    """Sid of the reservation it was about; None for events that are about none."""
    function: str
    """Module and qualified name of the function."""
    seconds: float
    """Its duration; on an executor or in ``serve``, without the wait for a thread."""
    error: BaseException | None
    """The exception it raised; None if it returned."""


@attrs.frozen(kw_only=True)
class CallRecord:
    """One call to TaskRouter that has ended, with all its attempts."""

    call: str
    """Name of the request, e.g. ``accept``, ``complete_task``, ``set_attributes``."""
    worker_sid: str
    """Sid of the worker that made it."""
    task_sid: str | None
    """Sid of the task it is about; None for calls that are about none."""
    reservation_sid: str | None
    """Sid of the reservation it is about; None for calls that are about none."""
    seconds: float
    """From the call to its end: waits for earlier calls and for a thread, all attempts, and the pauses between them."""
    attempts: int
    """Number of HTTP requests; 0 where it ended before it was sent."""
    error: BaseException | None
    """The exception of its Future; None for success."""

    @property
    def status(self) -> int | None:
        """HTTP status of the last answer; None where there was no answer."""
        return 200 if self.error is None else getattr(self.error, "status", None)


@attrs.frozen(kw_only=True)
class RetryRecord:
    """One attempt of a call that failed and is made again."""

    call: str
    """Name of the request."""
    worker_sid: str
    """Sid of the worker that made it."""
    attempt: int
    """Which attempt failed, from 1."""
    delay: float
    """Seconds until the next one."""


@attrs.frozen(kw_only=True)
class ConnectionRecord:
    """One step in the life of a worker's connection."""

    step: str
    """``ready``, ``disconnected`` or ``reconnecting``."""
    worker_sid: str
    """Sid of the worker; empty before the first connection."""
    reason: str | None = None
    """The reason, for ``disconnected``."""
    delay: float | None = None
    """Seconds until the next attempt, for ``reconnecting``."""


class Observer:
    """Base class of observers: override the methods that are of interest.

    Methods are called synchronously on the thread concerned (the dispatch thread, or one of the shared pool threads),
    so they must be quick and thread-safe, and must not block. One Observer may serve any number of workers. An
    exception in a method is logged and has no other effect. No record contains a token or attributes; an ``error`` of a
    callback is the application's own exception.
    """

    def event_dispatched(self, record: EventRecord) -> None:
        """An event is about to be passed to its listeners; called on the dispatch thread, in order.

        Args:
            record: The event.
        """

    def callback_ended(self, record: CallbackRecord) -> None:
        """A callback has returned or raised; called on the thread it ran on.

        Args:
            record: The callback.
        """

    def call_ended(self, record: CallRecord) -> None:
        """A call has ended; called before the callbacks of its Future run, on any thread.

        Args:
            record: The call, with all its attempts.
        """

    def call_retried(self, record: RetryRecord) -> None:
        """An attempt of a call failed and will be repeated; called on a pool thread.

        Args:
            record: The failed attempt.
        """

    def connection_changed(self, record: ConnectionRecord) -> None:
        """The worker is ready, has lost its connection or is about to reconnect; called on the dispatch thread.

        Args:
            record: The change.
        """


@attrs.frozen(kw_only=True, repr=False)
class HistoryEntry:
    """One entry of ``worker.history``."""

    at: datetime
    """When, in UTC."""
    what: str
    """The event, e.g. ``reservation_created``; of a call its name, with ``()``, e.g. ``accept()``."""
    task_sid: str | None
    """Sid of the task it is about; None if it is about none."""
    reservation_sid: str | None
    """Sid of the reservation it is about; None if it is about none."""
    outcome: str | None
    """Of a call the name of its error's class, or None for success; of a lost connection the reason; None otherwise."""

    @property
    def time(self) -> str:
        """The time of day in UTC, as text with milliseconds."""
        return moment(self.at)

    def __repr__(self) -> str:
        parts = (self.time, self.what, self.reservation_sid or self.task_sid, self.outcome)
        return f"<{' '.join(filter(None, parts))}>"
