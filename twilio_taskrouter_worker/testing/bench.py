"""A service with workers for a test, and waiting for what they do."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .._bridge.futures import report_failures
from .._bridge.threads import run_deferred
from .._log import CALLBACKS, CALLS

if TYPE_CHECKING:
    from ..local import LocalTaskRouter
    from ..worker import Worker

__all__ = ["TestBench", "eventually"]

T = TypeVar("T")

POLL_SECONDS = 0.005
"""Seconds between two evaluations of a condition."""


def eventually(condition: Callable[[], T], timeout: float = 10.0, *, message: str = "") -> T:
    """Block the calling thread until a condition is true.

    Args:
        condition: Called repeatedly on the calling thread, until its result is true.
        timeout: Seconds to wait.
        message: Beginning of the error's text; empty for a general one.

    Returns:
        The result of the condition.

    Raises:
        AssertionError: It did not become true in time; the text has its last result.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"{message or 'The condition did not become true'} within {timeout:g} s: {value!r}")
        pause.wait(POLL_SECONDS)
    return value


class _Problems(logging.Handler):
    """Collects errors of callbacks, and failures of calls that were never checked, while it is installed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        # The log is the only place where both arrive, whichever thread they come from.
        error = record.exc_info[1] if record.exc_info else None
        if record.name == CALLBACKS.name and error is not None:
            self.errors.append(error)
        elif record.name == CALLS.name and getattr(record, "event", None) == "unawaited":
            self.errors.append(error or AssertionError(record.getMessage()))

    def take(self) -> list[BaseException]:
        """Return the errors so far, and forget them."""
        # logging holds this lock while emit() runs: an error of another thread is in this list or in the next.
        self.acquire()
        try:
            errors, self.errors = self.errors, []
        finally:
            self.release()
        return errors


class TestBench:
    """A local TaskRouter of its own, and Workers connected to it. Used in a ``with`` block.

    Entering it starts the service and blocks until it answers; leaving it disconnects the workers and stops it.

    Args:
        router: A LocalTaskRouter that is not started yet; None for a new one with its defaults.
        check: Whether to raise, at the end, an error of a callback or a failure that was never checked.
    """

    __test__ = False  # pytest would take the name for a class of tests

    def __init__(self, router: LocalTaskRouter | None = None, *, check: bool = True) -> None:
        if router is None:
            from ..local import LocalTaskRouter

            router = LocalTaskRouter()
        self.router = router
        """The service."""
        self._check = check
        self._problems = _Problems()
        self._workers = ExitStack()

    def __repr__(self) -> str:
        return f"<TestBench of {self.router}>"

    def __enter__(self) -> TestBench:
        self.router.start()
        # What exists by now need not be searched when failures are collected: in a large suite that takes long.
        gc.freeze()
        # Failures of earlier tests are not this one's, also those whose Futures are still held somewhere.
        report_failures()
        for logger in (CALLBACKS, CALLS):
            logger.addHandler(self._problems)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            try:
                self._workers.close()
            finally:
                self.router.stop()
            _collect_failures()
        finally:
            gc.unfreeze()
            for logger in (CALLBACKS, CALLS):
                logger.removeHandler(self._problems)
        # The test's own failure is the one to show.
        if error is None and self._check:
            self._raise_first()

    def worker(
        self,
        name: str = "Alice",
        *,
        activity: str = "Available",
        attributes: Mapping[str, Any] | None = None,
        connect: bool = True,
        **options: Any,
    ) -> Worker:
        """Create a worker in the service and a Worker for it, and connect it; leaving the block disconnects it.

        Blocks until the worker is ready if ``connect`` is True. Callbacks run on the Worker's dispatch thread.

        Args:
            name: Name of the worker; an existing worker of this name is used.
            activity: Activity of a new worker.
            attributes: Attributes of a new worker; None for none.
            connect: Whether to connect. False allows registering listeners first.
            **options: Further options of the Worker.

        Returns:
            The Worker.

        Raises:
            TaskRouterError: The worker could not be connected.
        """
        from ..worker import Worker

        if name not in (each.friendly_name for each in self.router.workers()):
            self.router.add_worker(name, activity=activity, attributes=attributes)
        worker = Worker(self.router.token(name), **{**self.router.connection, **options})
        if connect:
            worker.connect()
        # After connecting: a ``connect()`` that raises leaves nothing to disconnect.
        self._workers.callback(worker.disconnect)
        return worker

    @property
    def problems(self) -> list[BaseException]:
        """Errors of callbacks, and failures that were never checked, so far."""
        return list(self._problems.errors)

    def raise_problems(self) -> None:
        """Raise the first of the problems, if there are any, and clear them all.

        Raises:
            BaseException: The exception of a callback, with its own traceback.
        """
        __tracebackhide__ = True
        _collect_failures()
        self._raise_first()

    def _raise_first(self) -> None:
        __tracebackhide__ = True
        problems = self._problems.take()
        if problems:
            raise problems[0]

    def report(self) -> str:
        """Describe the service for a failed test: who had which task when, its latest events, and its open tasks.

        Returns:
            Lines of text.

        Raises:
            StateError: The service is not running.
        """
        lines = [str(self.router.timeline()), "", "Events:"]
        for event in self.router.events()[-60:]:
            names = [event.data[key] for key in ("task_sid", "worker_name", "reservation_sid") if key in event.data]
            if names:
                lines.append(f"  {event.time}  {event.type:28} {' '.join(names)}")
        open_tasks = [task for task in self.router.tasks() if not task.final]
        for task in open_tasks[:5]:
            lines += ["", str(self.router.explain(task.sid))]
        return "\n".join(lines)


def _collect_failures() -> None:
    """Log the failures that were never checked now: a Future reports its own only when it is collected."""
    gc.collect()
    run_deferred()
