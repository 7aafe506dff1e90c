"""Stopping a Worker: work under way finishes first, and is abandoned if it does not finish in time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from .._log import CALLBACKS, EVENTS, about
from ..errors import ClosedError, TaskRouterError
from . import reporting
from .work import Job, Work

if TYPE_CHECKING:
    from ..activity import Activity
    from ..reservation import Reservation
    from .connection import Connection
    from .mirror import Mirror

__all__ = ["SIGNAL_CHECK", "Stop"]

SIGNAL_CHECK = 0.2
"""Seconds between two checks for a signal."""


class Stop:
    """One stop, from the request to the moment at which the connection may be closed. For one thread.

    Args:
        state: The state of the worker that stops.
        connection: Its connection. From now on it announces no new reservation.
        work: The worker's jobs.
        deadline: When to give up, on the monotonic clock.
        hurry: Whether to give up at once, asked every SIGNAL_CHECK seconds.
    """

    def __init__(
        self, state: Mirror, connection: Connection, work: Work, deadline: float, hurry: Callable[[], bool]
    ) -> None:
        self._state = state
        self._connection = connection
        self._dispatcher = connection.dispatcher
        self._work = work
        self._deadline = deadline
        self._hurry = hurry
        self._passed = False
        self._rejecting: tuple[list[Reservation], ...] = ()
        # How many of each list were handled: both grow while the stop waits.
        self._rejected = [0, 0]
        # First: once ``_passed`` is set, no callback for a new reservation may start.
        self._dispatcher.declining = True
        # Runs when the callback that is running now has ended: that one began before the stop and is waited for.
        self._dispatcher.put_first(self._pass)

    def _pass(self) -> None:
        self._passed = True
        self._work.wake()

    def take_activity(self, activity: Activity, waiting: list[Reservation]) -> None:
        """Move the worker to an activity, and reject what was offered and not begun, if it is an unavailable one.

        Args:
            activity: The activity.
            waiting: Reservations that were announced and not begun; it may grow.
        """
        try:
            future = activity.set_as_current()
            future.add_done_callback(lambda done: self._work.wake())
            # Not ``future.result``: a second signal must be noticed while it waits.
            while not future.done() and not self._late():
                self._work.wait(self._pause())
            future.result(0)
        except (TaskRouterError, FutureTimeoutError) as error:
            EVENTS.warning(
                "Worker %s: could not be moved to activity %r before it stops: %s",
                self._worker_sid, activity.name, str(error) or "no answer yet",
                extra=about(worker=self._worker_sid, event="activity_updated"),
            )  # fmt: skip
            return
        # In an available one they would be offered to this worker again.
        if not activity.available:
            self._rejecting = (waiting, self._dispatcher.declined)

    def wait(self, timeout: float | None) -> list[str]:
        """Block until all work has finished, the deadline has passed, or ``hurry`` returns True.

        Args:
            timeout: The time limit in seconds, for the log only; None for none.

        Returns:
            Descriptions of the abandoned work.
        """
        while not (self._passed and not self._work.jobs() or self._late() or self._connection.ended.is_set()):
            self._reject()
            self._work.wait(self._pause())
        self._reject()
        return [self._give_up(job, timeout) for job in self._under_way()]

    def _under_way(self) -> list[Job]:
        calling = self._dispatcher.calling
        # The callback of the dispatch thread is not among the jobs, which are those of other threads.
        here = [Job(*calling)] if calling is not None and not self._passed else []
        return [*here, *self._work.jobs()]

    def _late(self) -> bool:
        return time.monotonic() >= self._deadline or self._hurry()

    def _pause(self) -> float:
        return max(0.0, min(SIGNAL_CHECK, self._deadline - time.monotonic()))

    def _reject(self) -> None:
        for index, reservations in enumerate(self._rejecting):
            for reservation in itertools.islice(list(reservations), self._rejected[index], None):
                self._rejected[index] += 1
                # It may have timed out or been withdrawn while it waited.
                if reservation.status == "pending":
                    try:
                        future = reservation.reject()
                    except ClosedError:
                        # Another thread has disconnected meanwhile, without waiting for what this one waits for.
                        return
                    job = self._work.add("reject", reservation)
                    future.add_done_callback(lambda done, job=job: self._was_rejected(job, done))  # type: ignore[misc]

    def _was_rejected(self, job: Job, done: Future[Any]) -> None:
        self._work.remove(job)
        error = done.exception()
        if error is not None:
            extra = reporting.subject(self._worker_sid, self._state.worker, "rejected", job.args)
            EVENTS.warning("Worker %s: could not reject %s: %s", self._worker_sid, job.args[0].sid, error, extra=extra)

    def _give_up(self, job: Job, timeout: float | None) -> str:
        what = f"the callback of {job.event!r}"
        extra = reporting.subject(self._worker_sid, self._state.worker, job.event, job.args)
        if extra["reservation_sid"] is not None:
            what += f" for reservation {extra['reservation_sid']} of task {extra['task_sid']}"
        CALLBACKS.warning(
            "Worker %s: gave up %s: it had not ended %s",
            self._worker_sid, what, "in time" if timeout is None else f"within {timeout:g} s", extra=extra,
        )  # fmt: skip
        return what

    @property
    def _worker_sid(self) -> str:
        return self._state.worker_sid
