"""The dispatch thread: applies the messages in order, and runs the callbacks.

**Invariant.** One thread applies all messages and runs all callbacks of a Worker, in the order of arrival, and it never
ends because of one of them: an invalid frame or record, or a callback that raises, affects only itself, and is reported
as an ``error`` event.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from .._executors import is_remote
from .._log import CALLBACKS, EVENTS, about, summed_up, write
from ..decisions import Decided, decided_by
from ..errors import InvalidMessageError, TaskRouterError
from ..events import Emitter, Listener
from ..reservation import Reservation
from . import remote, reporting
from .inbox import Inbox
from .messages import Message, parse
from .mirror import Mirror, Notice
from .updates import apply
from .watching import Watch
from .work import Job, Work

__all__ = ["Decide", "Dispatcher"]

LAG_WARNING = 5.0
"""Seconds an event may wait before slow callbacks are logged; doubled after each warning."""

# Time of arrival in monotonic seconds, and the frames, the message or the step.
_Item = tuple[float, Any]

Decide = Callable[[Reservation, Decided, Listener], None]


class Dispatcher:
    """Owns the queue and its thread. ``put`` never blocks.

    Args:
        state: The worker's state, which only this thread changes by messages.
        name: Name of the thread.
        after: Thread of an earlier connection, whose callbacks run first: the callbacks of one Worker never run
            concurrently, even if it is connected again while a callback still runs. None if there is none.
        work: Registers callbacks on executors while they are under way.
        watch: Records events for history and observer.
        decided: Carries out what a callback on an executor decided about its reservation; must not block.
    """

    def __init__(
        self,
        state: Mirror,
        name: str,
        after: threading.Thread | None = None,
        work: Work | None = None,
        watch: Watch | None = None,
        decided: Decide | None = None,
    ) -> None:
        self._state = state
        self._watch = watch or Watch()
        self._work = work or Work()
        self._decided = decided
        self._after = after
        self._queue: Inbox[_Item | None] = Inbox()
        # The steps of ``put_first``, seldom any. A list, as an empty deque takes 600 bytes; their methods are atomic.
        self._first: list[Callable[[], None]] = []
        # When the item that is being handled arrived; None when idle.
        self._working_on: float | None = None
        self._warn_after = LAG_WARNING
        # Frames put in batches, and taken out of them, beyond the first of each, which counts as the queue's entry.
        # Each has one writer at a time: the caller of put_frames, and the dispatch thread.
        self._more_put = 0
        self._more_taken = 0
        self.calling: tuple[str, tuple[Any, ...]] | None = None
        """Event and arguments of the callback that runs on this thread now."""
        self.declining = False
        """Whether the worker is being stopped: new reservations are not announced, but kept in ``declined``."""
        self.declined: list[Reservation] = []
        # A daemon: a callback that blocks for ever must not keep the interpreter from exiting.
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def put(self, item: str | bytes | Message | Callable[[], None]) -> None:
        """Add a frame, a message or a step to the queue; any thread, does not block.

        Args:
            item: The frame, message or step.
        """
        self._queue.put((time.monotonic(), item))

    def put_frames(self, frames: Sequence[str | bytes]) -> None:
        """Add frames that arrived together as one entry; does not block. Not to be called by two threads at once.

        Args:
            frames: The frames in order, at least one.
        """
        # Before the entry is put, so that the backlog is never negative.
        self._more_put += len(frames) - 1
        self._queue.put((time.monotonic(), frames))

    def put_first(self, step: Callable[[], None]) -> None:
        """Run a step after the callback that is running, before everything that is queued; any thread, does not block.

        Args:
            step: The step; it runs on the dispatch thread.
        """
        # The empty step wakes the thread if it is idle; the step itself runs before whichever item comes next.
        self._first.append(step)
        self.put(lambda: None)

    def put_held(self, take: Callable[[], list[Message]]) -> None:
        """Apply messages that were held back, before everything that is queued; any thread, does not block.

        Args:
            take: Removes and returns them in order; called on the dispatch thread.
        """

        def apply_them() -> None:
            for message in take():
                self._message(message)

        self.put_first(apply_them)

    def stop(self) -> None:
        """End the thread after everything that is in the queue now; does not block."""
        self._queue.put(None)

    @property
    def lag(self) -> float:
        """Seconds since the item being handled arrived; 0.0 when idle."""
        arrived = self._working_on
        return 0.0 if arrived is None else time.monotonic() - arrived

    @property
    def backlog(self) -> int:
        """Number of frames and steps that wait."""
        # What was taken first: of frames that are put and taken meanwhile only the former may count.
        return -self._more_taken + self._more_put + len(self._queue)

    def _run(self) -> None:
        if self._after is not None:
            self._after.join()
            self._after = None
        while (item := self._next()) is not None:
            self._handle(item)
            # The thread may now wait for long; the frame, and objects a step refers to, must not live that long.
            del item
        self._queue.end_turn()

    def _handle(self, item: _Item) -> None:
        self._working_on, what = item
        if isinstance(what, (list, tuple)):
            # The first one was counted as the queue's entry.
            self._more_taken -= 1
            for frame in what:
                self._more_taken += 1
                if self._first:
                    self._run_first()
                self._message(frame)
        else:
            self._run_first()
            if callable(what):
                self._step(what)
            else:
                self._message(what)
        self._working_on = None

    def _run_first(self) -> None:
        # Before each frame, also within a batch: such a step waits for one callback at most.
        while self._first:
            self._step(self._first.pop(0))

    def _next(self) -> _Item | None:
        """Return the next item; ended reservations are forgotten on time even if no item arrives."""
        while (forget_at := self._state.forget_at) is not None:
            try:
                return self._queue.get(forget_at)
            except queue.Empty:
                self._state.forget_ended(time.monotonic())
        return self._queue.get()

    def _step(self, step: Callable[[], object]) -> None:
        # It may run callbacks of Futures.
        self._queue.end_turn()
        try:
            step()
        except Exception as error:
            self._unforeseen(error)

    def _message(self, what: str | bytes | Message) -> None:
        now = time.monotonic()
        arrived = now if self._working_on is None else self._working_on
        if now - arrived > self._warn_after:
            self._warn_slow()
        try:
            message = what if isinstance(what, Message) else parse(what)
            if message is None:
                self._state.forget_ended(arrived)
                return
            self.fire(apply(self._state, message, now, arrived))
        except InvalidMessageError as error:
            self.report(error)
        except Exception as error:
            self._unforeseen(error)

    def _warn_slow(self) -> None:
        sid, limit = self._state.worker_sid, self._warn_after
        text = f"Worker {sid}: callbacks are slow: an event waited more than {limit:g} s; see lag and backlog"
        summed_up(CALLBACKS, logging.WARNING, text, about(worker=sid))
        # Doubled for the life of the connection: a callback that is always slow logs some lines, not one per event.
        self._warn_after *= 2

    def _unforeseen(self, error: Exception) -> None:
        write(
            EVENTS,
            logging.ERROR,
            "An event could not be handled; this is a defect of the library",
            exc_info=error,
            extra=about(worker=self._state.worker_sid),
        )
        self.report(TaskRouterError(f"An event could not be handled: {type(error).__name__}"), error)

    def report(self, error: TaskRouterError, cause: BaseException | None = None) -> None:
        """Fire ``error``, and log it if there is no listener; on the dispatch thread only.

        Args:
            error: The error.
            cause: Its ``__cause__``; None keeps the current one.
        """
        if cause is not None:
            error.__cause__ = cause
        if not self._state.worker._listening("error"):
            reporting.failed(self._state.worker_sid, error)
        self.fire([Notice(self._state.worker, "error", (error,))])

    def fire(self, notices: Iterable[Notice]) -> None:
        """Run the callbacks of these events; on the dispatch thread only.

        Args:
            notices: The events in order.
        """
        for emitter, event, args in notices:
            # Kept for the end of the stop, which rejects or withdraws them.
            if self.declining and event == "reservation_created":
                self.declined.append(args[0])
                continue
            self._watch.event(self._state.worker_sid, emitter, event, args, self._working_on)
            for listener in emitter._listening(event):
                if not listener.waits:
                    self._call_listener(emitter, event, listener, args)

    def hold_existing(self) -> None:
        """Make listeners for open reservations wait for ``fire_existing``; on the dispatch thread only."""
        for listener in self._state.worker._listening("reservation_created"):
            listener.waits = listener.existing

    def fire_existing(self) -> None:
        """Pass the open reservations to the listeners that wait for them; on the dispatch thread only."""
        worker, event = self._state.worker, "reservation_created"
        listeners = [each for each in worker._listening(event) if each.waits]
        for listener in listeners:
            # Reset for all before the first callback runs: a reservation that is announced by an event from now on
            # belongs to all of them.
            listener.waits = False
        for reservation in self._state.reservations.values():
            for listener in listeners:
                self._call_listener(worker, event, listener, (reservation,))

    def _call_listener(self, emitter: Emitter, event: str, listener: Listener, args: tuple[Any, ...]) -> None:
        # Only the thread that removes a ``once`` listener calls it: off() on another thread may have been first.
        if listener.once and not emitter._detach(event, listener):
            return
        try:
            if listener.executor is None:
                # It may block, and the thread of another Worker can run meanwhile.
                self._queue.end_turn()
                self.calling = event, args
                self._call(emitter, event, listener, args)
            else:
                self._submit(emitter, listener, listener.executor, self._work.add(event, *args))
        except BaseException as error:
            # SystemExit too: it would silently end this thread, and with it all further events.
            reporting.callback_failed(self._state.worker_sid, emitter, event, args, listener, error)
            self._report_failed(emitter, event, error)
        finally:
            self.calling = None

    def withdraw_declined(self) -> None:
        """Forget the reservations that were not announced, so that a later connection announces them."""
        for reservation in self.declined:
            self._state.withdraw(reservation)

    def _submit(self, emitter: Emitter, listener: Listener, executor: Executor, job: Job) -> None:
        started = time.monotonic()
        try:
            here = partial(self._execute, emitter, listener, job)
            future = remote.submit(executor, job.event, listener.callback, job.args, here)
        except BaseException:
            # Not accepted, e.g. because the executor was shut down: nothing else would remove the job.
            self._work.remove(job)
            raise
        if is_remote(executor):
            future.add_done_callback(lambda done: self._watch_ended(emitter, listener, job, started, done))
        future.add_done_callback(lambda done: self._executed(emitter, listener, executor, job, done))

    def _execute(self, emitter: Emitter, listener: Listener, job: Job) -> Any:
        """Run a callback on a thread of the executor."""
        # Submitted before the stop and started after it, so it is declined like those that come later.
        if self.declining and job.event == "reservation_created":
            self.declined.append(job.args[0])
            return None
        job.thread = threading.get_ident()
        return self._call(emitter, job.event, listener, job.args)

    def _call(self, emitter: Emitter, event: str, listener: Listener, args: tuple[Any, ...]) -> Any:
        watch = self._watch
        # Others are the library's own, such as those of wait_for and serve.
        if listener.handler is listener.callback and (watch.around or watch.observer is not None):
            return watch.run(self._state.worker_sid, emitter, event, args, listener.callback)
        return listener.callback(*args)

    def _executed(self, emitter: Emitter, listener: Listener, executor: Executor, job: Job, done: Future[Any]) -> None:
        """Act on the end of a callback; on a thread of the executor, which must not be blocked."""
        try:
            value = remote.result(done, executor, job.event, listener.callback)
            decided = decided_by(value, strict=is_remote(executor))
        except BaseException as error:
            self.callback_failed(emitter, listener, job, error)
        else:
            given = job.args[0] if job.args else None
            if decided is not None and isinstance(given, Reservation) and self._decided is not None:
                self._decided(given, decided, listener)
        finally:
            # Last, so that a stop waits for the decision, too.
            self._work.remove(job)

    def _watch_ended(self, emitter: Emitter, listener: Listener, job: Job, started: float, done: Future[Any]) -> None:
        error = None if done.cancelled() else done.exception()
        self._watch.callback_ended(
            self._state.worker_sid, emitter, job.event, job.args, listener.callback, started, error
        )

    def callback_failed(self, emitter: Emitter, listener: Listener, job: Job, error: BaseException) -> None:
        """Report a callback that raised on another thread; any thread, ``error`` fires on the dispatch thread.

        Args:
            emitter: The object that fired the event.
            listener: The listener whose callback raised.
            job: The callback.
            error: Its exception.
        """
        # Logged here, not in the queued step: if the connection has ended, that step never runs.
        reporting.callback_failed(self._state.worker_sid, emitter, job.event, job.args, listener, error)
        self.put(lambda: self._report_failed(emitter, job.event, error))

    def _report_failed(self, emitter: Emitter, event: str, error: BaseException) -> None:
        # A listener of ``error`` that raises would be called for its own failure, without end.
        if emitter is self._state.worker and event == "error":
            return
        self.fire([Notice(self._state.worker, "error", (remote.failure(event, error),))])
