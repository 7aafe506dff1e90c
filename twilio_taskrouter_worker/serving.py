"""Serving: accept each reservation, run a handler, and act on the handler's return value.

See :meth:`~twilio_taskrouter_worker.Worker.serve`. Handlers run on threads of their own, so that events are processed
meanwhile, for example the end of the reservation that a handler works on.

**Invariant.** Each reservation is handled by one thread at a time (``_taken``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, wait
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

from . import _checks
from ._bridge import remote
from ._bridge.steps import Steps
from ._bridge.timings import Timings
from ._bridge.work import Job, Work
from ._callables import check_callback, is_same_function
from ._executors import check_executor, check_portable
from ._log import name_of
from .decisions import Complete, Decided, Decision, Reject, decision
from .errors import ClosedError, TaskRouterError
from .events import Listener

if TYPE_CHECKING:
    from ._bridge.mirror import Mirror
    from ._bridge.watching import Watch
    from .reservation import Reservation
    from .worker_client import ReservationHandle

__all__ = ["HandleHandler", "Handler", "OnError", "Server"]

CLOSED_CHECK = 1.0
"""Seconds between two checks whether the worker was disconnected while a handler runs on an executor."""
REMEMBERED = 1000
"""Maximum number of tasks whose failures are counted."""


Handler = Callable[["Reservation"], Decision]
HandleHandler = Callable[["ReservationHandle"], Decision]
"""A handler in another process."""
OnError = Literal["reject", "leave"]


class _Abandoned(ClosedError):
    """The worker was disconnected while a handler ran on an executor."""


class Server:
    """The handler of one Worker, its queue and its threads, which end when the queue is empty."""

    def __init__(
        self,
        state: Mirror,
        work: Work,
        watch: Watch,
        failed: Callable[[Job, Listener, BaseException], None],
        report: Callable[[TaskRouterError], None],
        timings: Timings,
    ) -> None:
        """Make a server without a handler; see ``listener``.

        Args:
            state: The state of the worker that serves.
            work: Its jobs.
            watch: Its record of its own work.
            failed: Reports an exception of a job's function; called on the thread of the job.
            report: Fires ``error``; called on the thread of the job.
            timings: The pauses after failures.
        """
        self._worker = state.worker
        self._work = work
        self._watch = watch
        self._failed = failed
        self._timings = timings
        self._steps = Steps(state, work, report, timings)
        self._on_error: OnError = "reject"
        self._concurrency = 1
        # Guards all below.
        self._lock = threading.Lock()
        self._handler: Handler | None = None
        self._executor: Executor | None = None
        # In the order in which they were offered. A list, as an empty deque takes 600 bytes.
        self._queue: list[tuple[Reservation, Job]] = []
        # Sids of the reservations that are in the queue or being handled.
        self._taken: set[str] = set()
        self._threads = 0
        # By task sid: how often its handler raised here.
        self._failures: dict[str, int] = {}

    def listener(
        self, handler: Handler, concurrency: int, existing: bool, on_error: OnError, executor: Executor | None
    ) -> Listener:
        """Use this handler from now on.

        Args:
            handler: The handler.
            concurrency: Maximum number of handlers that run at once.
            existing: Whether to resume the reservations that are open at the first ``ready``.
            on_error: ``reject`` or ``leave``; see ``Worker.serve``.
            executor: Runs the handler; None uses threads of its own.

        Returns:
            The listener to register for ``reservation_created``.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument has the wrong value, or another handler is registered.
        """
        check_callback("The handler of serve()", handler, "reservation")
        if _checks.integer("concurrency", concurrency) < 1:
            raise ValueError(f"concurrency must be 1 or more, not {concurrency}")
        _checks.boolean("existing", existing)
        _checks.one_of("reject", "leave")("on_error", on_error)
        check_executor(executor)
        check_portable("The handler of serve()", handler, executor)
        for each in self._worker._listening("reservation_created"):
            if each.callback == self.offered and not is_same_function(handler, each.handler):
                raise ValueError(
                    f"{name_of(each.handler or self.offered)} serves already, and a reservation can have one handler "
                    "only; remove it first with off('reservation_created')"
                )
        with self._lock:
            self._handler, self._concurrency, self._on_error = handler, concurrency, on_error
            self._executor = executor
        return Listener(self.offered, handler=handler, existing=existing, waits=existing)

    def offered(self, reservation: Reservation) -> None:
        """Add a reservation to the queue; called on the dispatch thread, does not block.

        Args:
            reservation: The reservation; one that is in the queue or being handled is ignored.

        Raises:
            RuntimeError: The system has no thread for it; it was not added.
        """
        with self._lock:
            if reservation.sid in self._taken:
                return
            # Until it is done here: a reload can announce it again, and it must not be handled twice.
            self._taken.add(reservation.sid)
            job = self._work.add("reservation_created", reservation)
            self._queue.append((reservation, job))
            if self._threads >= self._concurrency:
                return
            name = f"taskrouter-worker-{reservation.worker_sid}-serve"
            try:
                threading.Thread(target=self._run, name=name, daemon=True).start()
                self._threads += 1
            except RuntimeError:
                # The system has no thread left. Those that run take it in their turn; without any it stays pending, and
                # is routed to another worker in time.
                if self._threads:
                    return
                self._queue.pop()
                self._taken.discard(reservation.sid)
                self._work.remove(job)
                raise

    def stop_taking(self) -> list[Reservation]:
        """Remove the reservations that are still pending from the queue; does not block.

        Returns:
            The removed reservations. A thread that is about to accept one may still append it.
        """
        with self._lock:
            # Each status is read once: an event may change it, and a job that no list has any more would never end.
            waiting = {job: reservation for reservation, job in self._queue if reservation.status == "pending"}
            self._queue = [each for each in self._queue if each[1] not in waiting]
            # A list of this stop's own, to which a thread that is accepting at this moment still adds.
            declined = self._steps.declined = list(waiting.values())
        for job, reservation in waiting.items():
            self._done(reservation, job)
        return declined

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            reservation, job = taken
            job.thread = threading.get_ident()
            try:
                self._serve(reservation, job)
            except ClosedError:
                self._steps.log(logging.INFO, reservation, "the worker was disconnected before it had ended")
            except BaseException as error:
                self._report(job, error)
            finally:
                self._done(reservation, job)
            del reservation, job, taken

    def _next(self) -> tuple[Reservation, Job] | None:
        with self._lock:
            # A lower concurrency takes effect here: surplus threads end after their current reservation.
            if self._queue and self._threads <= self._concurrency:
                return self._queue.pop(0)
            self._threads -= 1
            return None

    def _done(self, reservation: Reservation, job: Job) -> None:
        with self._lock:
            self._taken.discard(reservation.sid)
        self._work.remove(job)

    # -- one reservation -------------------------------------------------------------------------------------------

    def _serve(self, reservation: Reservation, job: Job) -> None:
        if not self._steps.accept(reservation):
            return
        if reservation.status == "wrapping":
            # An earlier process ran the handler, but not this last step.
            self._steps.carry_out(reservation, Complete())
            return
        # Read for each reservation: a handler that was registered again replaces the old one for those still in the
        # queue.
        with self._lock:
            handler, executor = self._handler, self._executor
        assert handler is not None
        function = handler if executor is None else self._on_executor(executor, job, handler)
        try:
            decided = decision(self._watch.run(reservation.worker_sid, self._worker, job.event, job.args, function))
        except _Abandoned:
            raise
        except BaseException as error:
            self._report(job, error)
            if self._on_error == "leave":
                return
            decided = Reject()
            self._pause_before_reject(reservation)
        else:
            with self._lock:
                self._failures.pop(reservation.task.sid, None)
        # It may have ended while the handler ran, e.g. with the caller's call: then the decision has no object.
        if not self._steps.has_ended(reservation):
            self._steps.carry_out(reservation, decided)

    def _on_executor(self, executor: Executor, job: Job, handler: Handler) -> Handler:
        """Return a function that runs the handler on the executor and blocks until it has ended."""

        def here() -> Decision:
            # A handler that disconnects must not wait for itself.
            job.thread = threading.get_ident()
            return handler(*job.args)

        @wraps(handler)
        def wait_for_it(reservation: Reservation) -> Any:
            future = remote.submit(executor, job.event, handler, job.args, here)
            # The bound: an executor whose processes are gone for good may never end it.
            while not wait([future], CLOSED_CHECK).done:
                if self._work.closed.is_set():
                    future.cancel()
                    raise _Abandoned("The worker was disconnected")
            job.thread = threading.get_ident()
            return remote.result(future, executor, job.event, handler)

        return wait_for_it

    # -- decisions of callbacks on executors -------------------------------------------------------------------------

    def decided(self, reservation: Reservation, decided: Decided, listener: Listener) -> None:
        """Carry out what a callback on an executor decided; any thread, does not block.

        Args:
            reservation: The reservation that the callback got.
            decided: Its decision.
            listener: Its listener, for reports.
        """
        job = self._work.add("reservation_created", reservation)
        # A thread for each: one may wait for the end of a transfer, while others have a reservation to accept in time.
        name = f"taskrouter-worker-{reservation.worker_sid}-serve"
        thread = threading.Thread(
            target=self._decide, args=(reservation, decided, job, listener), name=name, daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no thread left. Nobody else would report it, or end the job for which a stop waits.
            self._report(job, error, listener)
            self._work.remove(job)

    def _decide(self, reservation: Reservation, decided: Decided, job: Job, listener: Listener) -> None:
        job.thread = threading.get_ident()
        try:
            # The callback may have accepted it by its handle, and the event may still be on its way.
            if isinstance(decided, Reject) and reservation.status == "pending":
                self._steps.reject(reservation, decided.activity)
                taken = not self._steps.has_ended(reservation)
            else:
                taken = self._steps.accept(reservation, uncertain=True)
            if taken:
                self._steps.carry_out(reservation, decided)
        except ClosedError:
            self._steps.log(logging.INFO, reservation, "the worker was disconnected before a decision was carried out")
        except BaseException as error:
            self._report(job, error, listener)
        finally:
            self._work.remove(job)

    def _pause_before_reject(self, reservation: Reservation) -> None:
        """Pause before a task that failed before is returned: the service may offer it to this worker again at once."""
        sid = reservation.task.sid
        with self._lock:
            # Taken out and put back at the end: the task that failed least recently is forgotten first.
            failures = self._failures.pop(sid, 0)
            self._failures[sid] = failures + 1
            if len(self._failures) > REMEMBERED:
                del self._failures[next(iter(self._failures))]
        if failures:
            pause = self._timings.reject_pause * 2 ** (failures - 1)
            self._work.stopping.wait(min(pause, self._timings.reject_pause_max))

    # -- reporting -------------------------------------------------------------------------------------------------

    def _report(self, job: Job, error: BaseException, listener: Listener | None = None) -> None:
        self._failed(job, listener or Listener(self._handler or self.offered), error)
