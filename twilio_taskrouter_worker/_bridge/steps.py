"""The steps by which a Worker carries out decisions about its reservations.

They block, on the threads of ``serve`` only. Every step can be repeated: before a call is sent again the reservation is
read, so a call whose answer was lost is not carried out twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from .._log import CALLBACKS
from ..activity import Activity
from ..decisions import Complete, Decided, Transfer, WrapUp
from ..errors import (
    AuthorizationError,
    InvalidAnswerError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    RequestTimeoutError,
    ServerError,
    TaskRouterError,
)
from ..events import Emitter, Listener
from . import reporting
from .timings import Timings
from .work import Work

if TYPE_CHECKING:
    from ..reservation import Reservation
    from ..transfer import OutgoingTransfer
    from .mirror import Mirror

__all__ = ["Steps"]

OPEN = frozenset({"accepted", "wrapping"})

# Transient: the service may have acted, or will do so on a retry.
_PASSING = (NetworkError, RequestTimeoutError, ServerError, RateLimitedError, InvalidAnswerError)


class Steps:
    """Accepting reservations, and carrying out decisions about them.

    Args:
        state: The worker's state.
        work: Its jobs; when they are closed, no call is made any more.
        report: Fires ``error``; any thread. None fires nothing.
        timings: The pauses between two attempts.
    """

    def __init__(
        self,
        state: Mirror,
        work: Work,
        report: Callable[[TaskRouterError], None] | None = None,
        timings: Timings | None = None,
    ) -> None:
        self._timings = timings or Timings()
        self._state = state
        self._work = work
        self._report = report
        self.declined: list[Reservation] = []
        """Reservations that were not accepted since the worker is stopping."""

    def accept(self, reservation: Reservation, uncertain: bool = False) -> bool:
        """Accept a reservation if it is pending; blocks.

        Args:
            reservation: The reservation.
            uncertain: Whether it may have been accepted already, so that a refusal is not a failure.

        Returns:
            Whether it is accepted or wrapping; False if it is not to be handled here.

        Raises:
            ClosedError: The worker was disconnected.
        """
        for _ in self._tries():
            if reservation.status != "pending":
                return not self.has_ended(reservation)
            if self._work.stopping.is_set():
                # For the stop, which rejects it or leaves it pending for the next connection.
                self.declined.append(reservation)
                return False
            error = self._make(reservation.accept)
            if error is None:
                return not self.has_ended(reservation)
            # The answer may have been lost after the service acted; the reservation itself shows whether it did.
            if not self._refresh(reservation):
                return False
            if not _may_pass(error):
                if uncertain and reservation.status in OPEN:
                    # The request before this one had been carried out.
                    return not self.has_ended(reservation)
                self.log(logging.WARNING, reservation, "could not be accepted: %s", error)
                return False
            uncertain = True
        return False

    def carry_out(self, reservation: Reservation, decided: Decided) -> None:
        """Act on a decision about an accepted reservation; blocks.

        Args:
            reservation: The reservation.
            decided: The decision.

        Raises:
            ClosedError: The worker was disconnected.
            TypeError, ValueError: An argument of a Transfer is invalid.
        """
        if isinstance(decided, Complete):
            self._complete(reservation, decided.reason)
        elif isinstance(decided, WrapUp):
            self._wrap_up(reservation, decided.reason)
        elif isinstance(decided, Transfer):
            self._transfer(reservation, decided)
        else:
            self._give_back(reservation, decided.activity)

    def _complete(self, reservation: Reservation, reason: str | None) -> None:
        task = reservation.task
        outgoing = task.transfers.outgoing
        # A task that was transferred belongs to another worker: only the reservation may be completed.
        if reason is None or (outgoing is not None and outgoing.status in ("initiated", "complete")):
            self._insist(reservation, reservation.complete, lambda: self.has_ended(reservation))
        else:
            self._insist(reservation, lambda: task.complete(reason), lambda: self.has_ended(reservation))

    def _wrap_up(self, reservation: Reservation, reason: str | None) -> None:
        def wrap() -> Future[Any]:
            return reservation.wrap() if reason is None else reservation.task.wrap_up(reason=reason)

        self._insist(reservation, wrap, lambda: reservation.status != "accepted")

    def _give_back(self, reservation: Reservation, activity: str | Activity | None) -> None:
        queue = reservation.task.queue_sid
        if activity is not None:
            try:
                self._state.find_activity("activity", activity).set_as_current().result()
            except (ValueError, TypeError, RequestError) as error:
                self._failed(reservation, error, "the activity %r could not be set: %s", activity)
        if queue is None:
            self.log(logging.ERROR, reservation, "cannot be returned: its task is not in a queue; it stays accepted")
            return
        # TaskRouter has no way to reject an accepted reservation; a transfer to the task's own queue routes it again.
        self._transfer(reservation, Transfer(queue))

    def _transfer(self, reservation: Reservation, transfer: Transfer) -> None:
        task = reservation.task

        def started() -> bool:
            return task.transfers.outgoing is not None and task.transfers.outgoing.status == "initiated"

        def start() -> Future[Any]:
            return task.transfer(
                transfer.to, mode=transfer.mode, priority=transfer.priority, attributes=transfer.attributes
            )

        # An earlier run may have started it.
        if not self._insist(reservation, start, lambda: started() or self.has_ended(reservation)):
            return
        outgoing = task.transfers.outgoing
        if outgoing is None or self.has_ended(reservation):
            return
        # A cold transfer to a queue needs nobody to take it: the task is routed again, whatever happens here.
        if not (outgoing.type == "QUEUE" and outgoing.mode == "COLD") and not self._has_gone(reservation, outgoing):
            why = outgoing.transfer_failed_reason
            self.log(logging.ERROR, reservation, "its transfer ended as %s: %s", outgoing.status, why)
            return
        self._insist(reservation, reservation.complete, lambda: self.has_ended(reservation))

    def _has_gone(self, reservation: Reservation, outgoing: OutgoingTransfer) -> bool:
        """Block until a transfer ends; return whether the other side took the task."""
        over = threading.Event()
        ends: list[tuple[Emitter, str]] = [
            *((outgoing, event) for event in ("completed", "failed", "canceled")),
            *((reservation, event) for event in ("completed", "canceled")),
        ]
        for emitter, event in ends:
            emitter._attach(event, Listener(lambda _: over.set()))
        # The listeners were attached before the first check, so no end is missed; the bound covers a status that a
        # reload changed without an event.
        while outgoing.status == "initiated" and not self.has_ended(reservation) and not self._work.closed.is_set():
            over.wait(1.0)
        return outgoing.status == "complete"

    def reject(self, reservation: Reservation, activity: str | Activity | None) -> None:
        """Reject a pending reservation; blocks.

        Args:
            reservation: The reservation.
            activity: The activity to take; one that does not exist is logged. None keeps the activity.

        Raises:
            ClosedError: The worker was disconnected.
        """
        sid: str | None = None
        if activity is not None:
            try:
                sid = self._state.find_activity("activity", activity).sid
            except (ValueError, TypeError) as error:
                self._failed(reservation, error, "the activity %r could not be set: %s", activity)
        call = partial(reservation.reject, activity_sid=sid)
        self._insist(reservation, call, lambda: reservation.status != "pending")

    # -- calls that must not get lost ------------------------------------------------------------------------------

    def _insist(self, reservation: Reservation, call: Callable[[], Future[Any]], done: Callable[[], bool]) -> bool:
        """Make a call until it succeeds or is ``done``; return False if it is refused.

        The reservation is read after each failure.
        """
        for _ in self._tries():
            if done():
                return True
            error = self._make(call)
            if error is None:
                return True
            # Gone, or done after all: the failed call may have been carried out.
            if not self._refresh(reservation) or done():
                return True
            if not _may_pass(error):
                self._failed(reservation, error, "the handler's decision was refused: %s")
                return False
        return False

    def _tries(self) -> Iterator[None]:
        """Yield before each attempt, with growing pauses; ends when the worker is disconnected."""
        pause = self._timings.retry_first
        while not self._work.closed.is_set():
            yield
            self._work.closed.wait(pause)
            pause = min(2 * pause, self._timings.retry_max)

    def _make(self, call: Callable[[], Future[Any]]) -> RequestError | None:
        try:
            call().result()
        except RequestError as error:
            return error
        return None

    def _refresh(self, reservation: Reservation) -> bool:
        """Read the reservation again; return False if it no longer exists."""
        try:
            reservation.fetch_latest_version().result()
        except NotFoundError:
            return False
        except RequestError:
            pass
        return True

    def has_ended(self, reservation: Reservation) -> bool:
        """Return whether a reservation is not accepted and not wrapping, or its task has ended.

        Args:
            reservation: The reservation.
        """
        return reservation.status not in OPEN or reservation.task.status in ("completed", "canceled")

    def _failed(self, reservation: Reservation, error: Exception, text: str, *args: object) -> None:
        """Log an error, and fire ``error`` for it, since no caller waits for these calls."""
        self.log(logging.ERROR, reservation, text, *args, error)
        # Without a listener ``error`` would be a second line in the log.
        if self._report is not None and self._state.worker._listening("error"):
            self._report(error if isinstance(error, TaskRouterError) else TaskRouterError(str(error)))

    def log(self, level: int, reservation: Reservation, text: str, *args: object) -> None:
        """Log a line about a reservation.

        Args:
            level: Level of the line.
            reservation: The reservation.
            text: Format of the line, after the sids.
            *args: Arguments of the format.
        """
        worker_sid = reservation.worker_sid
        extra = reporting.subject(worker_sid, self._state.worker, "reservation_created", (reservation,))
        CALLBACKS.log(level, f"Worker %s: reservation %s: {text}", worker_sid, reservation.sid, *args, extra=extra)


def _may_pass(error: RequestError) -> bool:
    """Whether a retry of the same call may succeed; an expired token may be renewed."""
    return isinstance(error, _PASSING) or (isinstance(error, AuthorizationError) and error.status == 401)
