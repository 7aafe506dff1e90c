"""The threads that all clients of a process share: a growing pool for calls, and one thread for deadlines.

Both start when first needed and end when idle, so that a process without work has neither. All are daemons: an
interpreter that exits must not wait for a call in flight. After a fork the child starts with none of them.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from .._log import THREADS as log

__all__ = ["POOL", "TIMERS", "Pool", "Timer", "Timers"]

POOL_SIZE = 100
"""Threads at most. One is made per call in flight, so this is also how many calls run at once."""

IDLE_SECONDS = 5.0
"""How long a thread without work stays; long enough to outlast the pauses of a busy worker."""

MOMENT = 0.05
"""Seconds: enough for a thread that has just given its result to its Future to come to its end."""

Job = Callable[[], None]


def _join(thread: threading.Thread, deadline: float) -> None:
    """Wait for a thread; one that is not started yet, or is this one, cannot be waited for."""
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(max(0.0, deadline - time.monotonic()))


class Pool:
    """Runs jobs on threads that it makes as needed, up to a bound; further jobs wait in order."""

    def __init__(self, size: int = POOL_SIZE, name: str = "taskrouter-rest", idle: float = IDLE_SECONDS) -> None:
        self._size = size
        self._name = name
        self._idle_seconds = idle
        self._numbers = itertools.count(1)
        # Guards all below; the condition is notified once per job.
        self._condition = threading.Condition(threading.Lock())
        self._jobs: deque[Job] = deque()
        self._threads: set[threading.Thread] = set()
        # Those that have taken their leave, but may not be over yet.
        self._leaving: list[threading.Thread] = []
        self._idle = 0
        self._draining = False
        self.at_rest: Job = lambda: None
        """Called when a drain has left no thread, on the last one to end or in ``drain``; it must not raise."""

    def submit(self, job: Job) -> None:
        """Run the job soon; it must not raise."""
        with self._condition:
            self._draining = False
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._condition.notify()
                return
            if len(self._threads) >= self._size:
                return
            thread = threading.Thread(target=self._run, name=f"{self._name}-{next(self._numbers)}", daemon=True)
            self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:
                log.exception("A job of the pool failed; this is a defect of the library")
            except BaseException as error:
                # SystemExit out of a user's callback of a Future: it must not take this thread along.
                log.error("A callback of a Future raised", exc_info=error)
            del job
        with self._condition:
            last = self._draining and not self._threads
        if last:
            self.at_rest()

    def _next(self) -> Job | None:
        with self._condition:
            deadline = time.monotonic() + self._idle_seconds
            while not self._jobs:
                if self._draining or time.monotonic() >= deadline:
                    self._threads.discard(threading.current_thread())
                    self._leaving = [each for each in self._leaving if each.is_alive()]
                    self._leaving.append(threading.current_thread())
                    return None
                self._idle += 1
                self._condition.wait(max(0.0, deadline - time.monotonic()))
                self._idle -= 1
            return self._jobs.popleft()

    def drain(self, timeout: float) -> None:
        """Until the next job: end the threads that have nothing to do, and each other one when its job is done.

        Waits for them; where one has a job, which may be another client's, only for a moment.
        """
        with self._condition:
            self._draining = True
            before = [*self._threads, *self._leaving]
            quiet = self._idle == len(self._threads) and not self._jobs
            none_at_work = not self._threads
            self._condition.notify_all()
        deadline = time.monotonic() + (timeout if quiet else min(timeout, MOMENT))
        for thread in before:
            _join(thread, deadline)
        if none_at_work:
            self.at_rest()


class Timer:
    """One deadline; ``cancel`` is idempotent and may be too late."""

    __slots__ = ("action", "at", "number")

    def __init__(self, at: float, number: int, action: Job | None) -> None:
        self.at = at
        self.number = number
        self.action = action

    def cancel(self) -> None:
        self.action = None

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.number) < (other.at, other.number)


class Timers:
    """Runs actions at given times of the monotonic clock, on one thread; actions must be short and not raise."""

    def __init__(self, name: str = "taskrouter-timers", idle: float = IDLE_SECONDS) -> None:
        self._name = name
        self._idle_seconds = idle
        self._numbers = itertools.count()
        # Guards all below.
        self._condition = threading.Condition(threading.Lock())
        self._heap: list[Timer] = []
        self._draining = False
        self._thread: threading.Thread | None = None
        self._leaving: threading.Thread | None = None

    def at(self, when: float, action: Job) -> Timer:
        """Run the action at this time, or at once if it has passed."""
        timer = Timer(when, next(self._numbers), action)
        started: threading.Thread | None = None
        with self._condition:
            self._draining = False
            heapq.heappush(self._heap, timer)
            if self._thread is None:
                started = self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            elif self._heap[0] is timer:
                self._condition.notify()
        if started is not None:
            started.start()
        return timer

    def _run(self) -> None:
        while True:
            with self._condition:
                timer = self._due()
                if timer is None:
                    return
                action, timer.action = timer.action, None
            if action is not None:
                try:
                    action()
                except Exception:
                    log.exception("A timer failed; this is a defect of the library")
            del timer, action

    def _due(self) -> Timer | None:
        """Wait for the next timer that was not cancelled; None when there was none for a while."""
        idle_until = time.monotonic() + self._idle_seconds
        while True:
            while self._heap and self._heap[0].action is None:
                heapq.heappop(self._heap)
            now = time.monotonic()
            if self._heap and self._heap[0].at <= now:
                return heapq.heappop(self._heap)
            if not self._heap and (now >= idle_until or self._draining):
                self._leaving, self._thread = self._thread, None
                return None
            self._condition.wait((self._heap[0].at if self._heap else idle_until) - now)

    def drain(self, timeout: float) -> None:
        """End the thread if it has nothing to wait for, and wait for that."""
        with self._condition:
            self._heap = [timer for timer in self._heap if timer.action is not None]
            heapq.heapify(self._heap)
            if self._heap:
                return
            self._draining = True
            thread = self._thread or self._leaving
            self._condition.notify()
        if thread is not None:
            _join(thread, time.monotonic() + timeout)


POOL = Pool()
TIMERS = Timers()


def _forget_threads() -> None:
    """In a forked child: the threads do not exist, and a lock may have been held while forking."""
    POOL.__init__()  # type: ignore[misc]
    TIMERS.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
