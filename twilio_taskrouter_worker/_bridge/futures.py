"""The Future of a call: its callbacks run on a pool thread, and a failure that is never checked is logged."""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Generic, TypeVar

from .._log import CALLS as log
from .._log import about
from ..errors import TaskRouterError
from .request import Request
from .threads import POOL, TIMERS, defer, run_deferred

__all__ = ["CallFuture", "PlainFuture", "Unawaited", "report_failures"]

T = TypeVar("T")
R = TypeVar("R")

CALLBACKS_AT_MOST = 1.0
"""Seconds after which callbacks that still run are no longer waited for: one of them may itself wait for what comes
next."""

Unawaited = Callable[[TaskRouterError], None]
"""Receives the error of a failed call whose Future was never checked, on a shared thread."""


if sys.version_info >= (3, 11):
    WaitTimeoutError = TimeoutError
else:

    class WaitTimeoutError(FutureTimeoutError, TimeoutError):
        """A wait that timed out; ``except TimeoutError`` does not catch the base class's before Python 3.11."""


class PlainFuture(Future[T], Generic[T]):
    """A Future settled by other Futures, whose waits raise the built-in TimeoutError."""

    def result(self, timeout: float | None = None) -> T:
        """Block for the result, as in the base class.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Returns:
            The result.

        Raises:
            TimeoutError: The Future was not done in time.
        """
        try:
            return super().result(timeout)
        except FutureTimeoutError as error:
            if isinstance(error, TimeoutError):
                raise
            raise WaitTimeoutError(*error.args) from None

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Block for the exception, as in the base class.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Returns:
            The exception; None on success.

        Raises:
            TimeoutError: The Future was not done in time.
        """
        try:
            return super().exception(timeout)
        except FutureTimeoutError as error:
            if isinstance(error, TimeoutError):
                raise
            raise WaitTimeoutError(*error.args) from None


class CallFuture(Future[T], Generic[T]):
    """The outcome of one call.

    Waiting threads are woken by the thread that settles the Future, which may be the timers' or the one that
    disconnects. Callbacks are user code and may block, so they never run there: they run on the pool. The request's
    ``after_callbacks`` runs after them.

    Args:
        request: The request.
        cancelled: Called when the Future is cancelled, on the thread that cancels; None calls nothing.
        unawaited: Called with the error of a failure that was never checked; None only logs it.
    """

    # The base class's.
    _done_callbacks: list[Callable[[Future[T]], object]]

    def __init__(
        self,
        request: Request[T],
        cancelled: Callable[[], None] | None = None,
        unawaited: Unawaited | None = None,
    ) -> None:
        super().__init__()
        self._request = request
        self._on_cancel = cancelled
        self._unawaited = unawaited
        self._failure: TaskRouterError | None = None
        self._looked_at = False

    # -- looking -----------------------------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> T:
        """Block for the result, as in the base class; a failure then counts as checked.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Returns:
            The result.

        Raises:
            TimeoutError: The Future was not done in time.
            TaskRouterError: The call failed.
        """
        return self._look(super().result, timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Block for the exception, as in the base class; a failure then counts as checked.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Returns:
            The exception; None on success.

        Raises:
            TimeoutError: The Future was not done in time.
        """
        return self._look(super().exception, timeout)

    def _look(self, look: Callable[[float | None], R], timeout: float | None) -> R:
        try:
            outcome = look(timeout)
        except BaseException as error:
            # Otherwise only the wait has ended. Never reset: another thread may have checked the failure meanwhile.
            if error is self._failure:
                self._looked_at = True
            if isinstance(error, FutureTimeoutError) and not isinstance(error, TimeoutError):
                raise WaitTimeoutError(*error.args) from None
            raise
        self._looked_at = True
        return outcome

    def settled(self) -> None:
        """Drop the cancel hook, and the objects it refers to: the call can no longer be cancelled."""
        self._on_cancel = None

    # -- settling ----------------------------------------------------------------------------------------------------

    def cancel(self) -> bool:
        """Cancel the call, as in the base class: possible until the request is sent. Does not block.

        Returns:
            Whether the call was cancelled; then it is never sent.
        """
        if not super().cancel():
            return False
        # Read once: a call that expires at this moment drops it.
        on_cancel = self._on_cancel
        if on_cancel is not None:
            on_cancel()
        return True

    def set_exception(self, exception: BaseException | None) -> None:
        """Fail the Future, as in the base class.

        Args:
            exception: The exception.

        Raises:
            InvalidStateError: It is done already.
        """
        if isinstance(exception, TaskRouterError):
            self._failure = exception
            _failed.add(weakref.ref(self, _failed.discard))
        super().set_exception(exception)

    def _invoke_callbacks(self) -> None:
        # Called by the base class, once, when it is done and without its lock. Whoever cancels runs the callbacks, as
        # of any Future.
        if self.cancelled() or threading.current_thread() in POOL:
            self._run_callbacks()
        elif self._done_callbacks or self._request.after_callbacks is not None:
            POOL.submit(self._run_callbacks)

    def _run_callbacks(self) -> None:
        after_callbacks = None if self._request.after_callbacks is None else _once(self._request.after_callbacks)
        timer = None if after_callbacks is None else TIMERS.at(time.monotonic() + CALLBACKS_AT_MOST, after_callbacks)
        for callback in self._done_callbacks:
            try:
                callback(self)
            except Exception:
                log.exception("A callback of a Future raised")
            except BaseException as error:
                # SystemExit on a pool thread would end nothing but the callbacks after this one.
                if threading.current_thread() not in POOL:
                    raise
                log.error("A callback of a Future raised", exc_info=error)
        if after_callbacks is not None and timer is not None:
            timer.cancel()
            after_callbacks()

    # -- failures that were never checked ------------------------------------------------------------------------------

    def report(self) -> None:
        """Report the failure if there is one that was never checked. Safe to call in a finalizer."""
        # ``__del__`` runs also where ``__init__`` has raised.
        failure = getattr(self, "_failure", None)
        if failure is not None and not self._looked_at:
            self._looked_at = True
            # Not here and now: a finalizer may interrupt code that holds any lock, that of a log handler too.
            defer(_Report(self._request, failure, self._unawaited))

    def __del__(self) -> None:
        self.report()


def _once(function: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls this one the first time, on whichever thread, and then does nothing."""
    first = threading.Lock()

    def call() -> None:
        if first.acquire(blocking=False):
            function()

    return call


class _Report:
    """Reports one failure that was never checked."""

    def __init__(self, request: Request[Any], failure: TaskRouterError, unawaited: Unawaited | None) -> None:
        self._request = request
        self._failure = failure
        self._unawaited = unawaited

    def __call__(self) -> None:
        request, failure = self._request, self._failure
        more = "".join(f", {subject}" for subject in request.subjects if subject not in request.url)
        text = f"A call failed and its Future was never checked: {request}{more}: {type(failure).__name__}: {failure}"
        sids = request.sids
        extra = about(
            worker=sids.get("wk"), task=request.task_sid, reservation=sids.get("reservation"), event="unawaited"
        )
        # One line for each, not summed up: every one of them may be a task that was left behind.
        log.warning("%s", text, extra=extra)
        if self._unawaited is not None:
            self._unawaited(failure)


# Failed, and not yet collected. Not a WeakSet: further calls may fail while it is iterated over.
_failed: set[weakref.ref[CallFuture[Any]]] = set()


@atexit.register
def report_failures() -> None:
    """Report every failure that was not checked up to now, also of Futures that are still held somewhere."""
    # Before, since a collected Future may have deferred a report; and after, for those of the loop.
    run_deferred()
    for known in list(_failed):
        future = known()
        if future is not None:
            future.report()
    run_deferred()
