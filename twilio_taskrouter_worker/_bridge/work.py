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
    """One callback, from the moment it is handed over until it has ended."""

    event: str
    args: tuple[Any, ...]
    thread: int | None = None
    """Identifies the thread that runs it; None while it waits for one."""


class Work:
    """The jobs of one Worker. All methods may be called on any thread."""

    def __init__(self) -> None:
        # Guards both below; notified whenever a job ends, and by ``wake``.
        self._changed = threading.Condition(threading.Lock())
        self._jobs: dict[Job, None] = {}
        # Threads that wait for the jobs themselves, inside one of them: nobody must wait for those.
        self._stopping: set[int] = set()
        self.closed = threading.Event()
        """Set once the worker is disconnected; another one for each connection."""

    def add(self, event: str, *args: Any) -> Job:
        """A callback of this event is handed over."""
        job = Job(event, args)
        with self._changed:
            self._jobs[job] = None
        return job

    def remove(self, job: Job) -> None:
        """It has ended, or will never begin; idempotent."""
        with self._changed:
            self._jobs.pop(job, None)
            self._changed.notify_all()

    def jobs(self) -> list[Job]:
        """Those to wait for."""
        with self._changed:
            return [job for job in self._jobs if job.thread is None or job.thread not in self._stopping]

    def wait(self, timeout: float) -> None:
        """Wait until something changes, at most this many seconds."""
        with self._changed:
            self._changed.wait(timeout)

    def wake(self) -> None:
        """End the waits of now."""
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def waited_for_here(self) -> Iterator[None]:
        """Within it, a job of this very thread is not among those to wait for."""
        here = threading.get_ident()
        with self._changed:
            self._stopping.add(here)
        try:
            yield
        finally:
            with self._changed:
                self._stopping.discard(here)
