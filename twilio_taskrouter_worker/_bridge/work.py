"""Callbacks under way on other threads than the dispatch thread, so that a stop can wait for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

__all__ = ["Job", "Work"]


@attrs.define(eq=False)
class Job:
    """One callback, from its submission until it has ended."""

    event: str
    args: tuple[Any, ...]
    thread: int | None = None
    """Identifies the thread that runs it; None while it waits for one."""


class Work:
    """The jobs of one Worker. All methods may be called on any thread."""

    def __init__(self) -> None:
        # Guards both below; notified whenever a job ends, and by ``wake``.
        self._changed = threading.Condition(threading.Lock())
        # In the order in which they were added.
        self._jobs: dict[Job, None] = {}
        # Threads that wait for the jobs themselves, inside one of them: other waits must exclude those.
        self._waiting: set[int] = set()
        self.stopping: threading.Event = threading.Event()
        """Set when the worker is asked to stop; another one for the next connection."""
        self.closed: threading.Event = threading.Event()
        """Set once the worker is disconnected; another one for each connection."""

    def add(self, event: str, *args: Any) -> Job:
        """Register a callback that is about to run on another thread.

        Args:
            event: Name of the event.
            *args: Arguments of the callback.

        Returns:
            The job, to be removed when the callback has ended.
        """
        job = Job(event, args)
        with self._changed:
            self._jobs[job] = None
        return job

    def remove(self, job: Job) -> None:
        """Remove a job that has ended or will never start; idempotent.

        Args:
            job: The job.
        """
        with self._changed:
            self._jobs.pop(job, None)
            self._changed.notify_all()

    def jobs(self) -> list[Job]:
        """Return the jobs to wait for."""
        with self._changed:
            return [job for job in self._jobs if job.thread is None or job.thread not in self._waiting]

    def wait(self, timeout: float) -> None:
        """Block until a job ends or ``wake`` is called.

        Args:
            timeout: Seconds to wait.
        """
        with self._changed:
            self._changed.wait(timeout)

    def wake(self) -> None:
        """Wake all waiting threads; does not block."""
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def waited_for_here(self) -> Iterator[None]:
        """Exclude a job of the current thread, which would wait for itself, from the jobs; a ``with`` block."""
        here = threading.get_ident()
        with self._changed:
            self._waiting.add(here)
        try:
            yield
        finally:
            with self._changed:
                self._waiting.discard(here)
