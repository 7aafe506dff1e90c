"""The threads that all clients of a process share: growing pools, and one thread for deadlines.

All start when first needed and end when idle, so that a process without work has none. All are daemons: an interpreter
that exits must not wait for a call in flight. After a fork the child starts with none of them.

If the system cannot start a thread, nothing is lost: the job or timer stays queued, and starting a thread is retried
with each further one and after a pause. A caller that prefers an error calls ``require`` first.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from .._log import THREADS as log
from .._log import about, summed_up
from ..errors import TaskRouterError

__all__ = ["POOL", "TIMERS", "Pool", "Timer", "Timers", "defer", "drain_all"]

POOL_SIZE = 100
"""Maximum number of threads for calls, and so of calls on the wire at once."""

EAGER = 4
"""Threads that a pool starts however short jobs wait."""

GROWTH_SECONDS = 0.005
"""Interval at which a pool with waiting jobs checks whether to grow."""

STUCK_SECONDS = 0.02
"""When no job has ended for this long, all threads are held by something slow, and waiting jobs need others."""

RETRY_SECONDS = 0.25
"""Pause before the next attempt to start a thread after the system has refused one."""

IDLE_SECONDS = 5.0
"""How long a thread without work stays; long enough to outlast the pauses of a busy worker."""

MOMENT = 0.05
"""Seconds: enough for a thread to end after it has set the result of its Future."""

Job = Callable[[], object]


def _join(thread: threading.Thread, deadline: float) -> None:
    """Wait for a thread; one that is not started yet, or is this one, cannot be waited for."""
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(max(0.0, deadline - time.monotonic()))


def _start(thread: threading.Thread) -> bool:
    """False where the system has no thread to give."""
    try:
        # RuntimeError, where the system refuses a thread and, since Python 3.12, while the interpreter shuts down.
        thread.start()
    except RuntimeError as error:
        summed_up(log, logging.WARNING, f"No thread can be started: {error}", about())
        return False
    return True


def _no_thread(purpose: str) -> TaskRouterError:
    return TaskRouterError(
        f"No thread could be started for {purpose}: the system has none left (limit of processes or memory), or the "
        "interpreter is shutting down. Nothing was sent; try again when threads have ended"
    )


# -- jobs of finalizers ------------------------------------------------------------------------------------------------

# A deque, whose methods are atomic: a finalizer may run in the middle of anything, even of code that holds a lock.
_deferred: deque[Job] = deque()


def defer(job: Job) -> None:
    """Queue a job for the next shared thread that finishes something. Safe to call in a finalizer; does not block.

    Args:
        job: The job.
    """
    _deferred.append(job)


def run_deferred() -> None:
    """Run the jobs that finalizers have deferred."""
    while True:
        try:
            job = _deferred.popleft()
        except IndexError:
            return
        try:
            job()
        except Exception:
            log.exception("A deferred job of a finalizer failed; this is a defect of the library")


# -- pools -------------------------------------------------------------------------------------------------------------


class Pool:
    """Runs jobs on threads that it starts as needed, up to a bound; further jobs wait in order.

    The first few threads are started at once. The useful number beyond them depends on the jobs: while one waits for a
    service, others can compute, so ``1 + waiting / computing`` threads keep a processor busy, and more only contend for
    the interpreter lock. A service that answers at once is served fastest by few threads, a slow one by one thread for
    each call. Waiting is measured on the quickest jobs, since that of others is in part waiting for the lock. ``_grow``
    runs every few milliseconds while jobs wait, and doubles the threads up to that number, or regardless of it if no
    job ends at all.

    Args:
        size: Maximum number of threads.
        name: Prefix of their names.
        idle: Seconds after which an idle thread ends.
    """

    def __init__(self, size: int = POOL_SIZE, name: str = "taskrouter-rest", idle: float = IDLE_SECONDS) -> None:
        self._size = size
        self._name = name
        self._idle_seconds = idle
        self.at_rest: Job = lambda: None
        """Called when a drain has left no thread, on the last one to end or in ``drain``; it must not raise."""
        self.reset()

    def reset(self) -> None:
        """Forget all threads and jobs: in a forked child there are none."""
        self._numbers = itertools.count(1)
        # Guards all below; the condition is notified once per job.
        self._condition = threading.Condition(threading.Lock())
        # With the time at which each was submitted.
        self._jobs: deque[tuple[float, Job]] = deque()
        self._threads: set[threading.Thread] = set()
        # Those that will take no further job, but may not have ended yet.
        self._leaving: list[threading.Thread] = []
        # Those that run a job, and how many wait for one; a thread that is starting is neither.
        self._working: set[threading.Thread] = set()
        self._idle = 0
        self._draining = False
        # Whether a run of `_grow` is scheduled, and its timer.
        self._growing = False
        self._growth: Timer | None = None
        # Of recent jobs: how long the quickest waited for something, and what one took of the processor on average.
        self._waiting = 0.0
        self._computing = 1e-4
        self._last_end = 0.0

    def __contains__(self, thread: threading.Thread) -> bool:
        return thread in self._threads

    def require(self) -> None:
        """Make sure that there is a thread for the next job.

        Raises:
            TaskRouterError: There is none, and none can be started.
        """
        with self._condition:
            # Or the thread would end at once: a drain lasts until the next job, which is about to come.
            self._draining = False
        if not self._threads and not self._add_thread():
            raise _no_thread("calls")

    def warm_up(self) -> None:
        """Start the first threads before there are jobs for them; does not block and does not raise."""
        with self._condition:
            # As in ``require``.
            self._draining = False
        for _ in range(len(self._threads), EAGER):
            self._add_thread()

    def submit(self, job: Job) -> None:
        """Run a job soon; does not block and does not raise: if no thread can be started, the job waits for one.

        Args:
            job: The job; it must not raise.
        """
        now = time.monotonic()
        with self._condition:
            # The threads of a drain that are still there are needed again.
            self._draining = False
            self._jobs.append((now, job))
            # Idle threads are counted until they have taken a job, so compare with all queued jobs, not with this one.
            if self._idle >= len(self._jobs):
                self._condition.notify()
                return
            count = len(self._threads)
            if count >= self._size:
                return
            if count >= EAGER:
                if self._growing:
                    return
                self._growing = True
        if count >= EAGER:
            self._growth = TIMERS.at(now + GROWTH_SECONDS, self._grow)
        elif not self._add_thread():
            self._try_again()

    def _add_thread(self) -> bool:
        thread = threading.Thread(target=self._run, name=f"{self._name}-{next(self._numbers)}", daemon=True)
        with self._condition:
            if len(self._threads) >= self._size:
                return True
            # Before it is started: it takes itself out, and must be counted by then.
            self._threads.add(thread)
        if _start(thread):
            return True
        with self._condition:
            self._threads.discard(thread)
            return bool(self._threads)

    def _try_again(self) -> None:
        """Schedule another attempt to start a thread, since there is none at all."""
        with self._condition:
            if self._growing:
                return
            self._growing = True
        self._growth = TIMERS.at(time.monotonic() + RETRY_SECONDS, self._grow)

    def _grow(self) -> None:
        """Start threads while jobs wait, if that helps; runs on the timers' thread."""
        now = time.monotonic()
        with self._condition:
            self._growing = False
            count = len(self._threads)
            if not self._jobs or self._idle >= len(self._jobs) or count >= self._size:
                return
            # No job has ended since the longest waiting one came.
            stuck = now - max(self._last_end, self._jobs[0][0]) >= STUCK_SECONDS
            useful = self._size if stuck else min(self._size, 1 + round(self._waiting / self._computing))
            # At most doubled at a time: the next run measures whether that helped.
            wanted = min(len(self._jobs), max(1, count), useful - count)
            self._growing = True
        started = all(self._add_thread() for _ in range(wanted))
        self._growth = TIMERS.at(now + (GROWTH_SECONDS if started else RETRY_SECONDS), self._grow)

    def _measure(self, begun: float, used: float) -> None:
        """Update the averages after a job. Without a lock: losing another thread's figure does no harm."""
        self._last_end = time.monotonic()
        used = time.thread_time() - used
        waited = max(0.0, self._last_end - begun - used)
        # A moving average over about the last 20 jobs.
        self._computing += 0.05 * (used - self._computing)
        # A quick job counts at once; slower ones raise the figure by 5 % each, so it follows a service that becomes
        # slow.
        self._waiting = min(waited, 1.05 * self._waiting + 1e-5)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            begun, used = time.monotonic(), time.thread_time()
            try:
                job()
            except Exception:
                log.exception("A job of the pool failed; this is a defect of the library")
            except BaseException as error:
                # SystemExit from user code must not end this thread.
                log.error("A job of the pool raised", exc_info=error)
            del job
            self._measure(begun, used)
            if _deferred:
                run_deferred()
        with self._condition:
            # Two threads that end together may both find this; closing idle connections twice does no harm.
            last = self._draining and not self._threads
        if last:
            self.at_rest()

    def _next(self) -> Job | None:
        current = threading.current_thread()
        with self._condition:
            self._working.discard(current)
            if not self._jobs:
                deadline = time.monotonic() + self._idle_seconds
                while not self._jobs:
                    if self._draining or time.monotonic() >= deadline:
                        # Under the lock of the decision: ``submit`` must not count on this thread any more.
                        self._threads.discard(current)
                        self._leaving = [each for each in self._leaving if each.is_alive()]
                        self._leaving.append(current)
                        return None
                    self._idle += 1
                    self._condition.wait(max(0.0, deadline - time.monotonic()))
                    self._idle -= 1
            self._working.add(current)
            return self._jobs.popleft()[1]

    def drain(self, timeout: float) -> None:
        """End the threads that are idle, and each other one when its job is done, until the next job is submitted.

        Blocks until they have ended; if one has a job, which may be another client's, only for a moment.

        Args:
            timeout: Seconds to wait.
        """
        with self._condition:
            self._draining = True
            before = [*self._threads, *self._leaving]
            quiet = not self._working and not self._jobs
            none_at_work = not self._threads
            if not self._jobs and self._growth is not None:
                # Or the timers' thread would have something to wait for.
                self._growth.cancel()
                self._growing, self._growth = False, None
            self._condition.notify_all()
        deadline = time.monotonic() + (timeout if quiet else min(timeout, MOMENT))
        for thread in before:
            _join(thread, deadline)
        if none_at_work:
            self.at_rest()


# -- timers ------------------------------------------------------------------------------------------------------------


class Timer:
    """One deadline; ``cancel`` is idempotent and may be too late."""

    __slots__ = ("action", "at", "number", "owner")

    def __init__(self, at: float, number: int, action: Job | None, owner: Timers) -> None:
        self.at = at
        self.number = number
        self.action = action
        self.owner = owner

    def cancel(self) -> None:
        """Cancel the timer; idempotent, does not block. The action may be running already."""
        if self.action is not None:
            self.action = None
            self.owner.cancelled += 1

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.number) < (other.at, other.number)


class Timers:
    """Runs actions at given times of the monotonic clock, on one thread; actions must be short and not raise.

    A cancelled timer stays in the heap until it is due, or until most of the heap is cancelled timers: taking each out
    would cost more than it saves.
    """

    def __init__(self, name: str = "taskrouter-timers", idle: float = IDLE_SECONDS) -> None:
        self._name = name
        self._idle_seconds = idle
        self.reset()

    def reset(self) -> None:
        """Forget the thread and all timers: in a forked child there are none."""
        self._numbers = itertools.count()
        # About how many timers in the heap are cancelled: counted without the lock, so it may be wrong by a few.
        self.cancelled = 0
        # Guards all below.
        self._condition = threading.Condition(threading.Lock())
        self._heap: list[Timer] = []
        self._draining = False
        self._thread: threading.Thread | None = None
        self._leaving: threading.Thread | None = None

    def require(self) -> None:
        """Make sure that the thread runs.

        Raises:
            TaskRouterError: It cannot be started.
        """
        with self._condition:
            # As in ``Pool.require``.
            self._draining = False
        if self._thread is None and not self._start_thread():
            raise _no_thread("deadlines")

    def at(self, when: float, action: Job) -> Timer:
        """Run an action at a given time, or at once if it has passed; does not block and does not raise.

        If the thread cannot be started, the next timer tries again.

        Args:
            when: Time in monotonic seconds.
            action: The action, which runs on the timers' thread; it must be short and must not raise.

        Returns:
            The timer, to cancel it.
        """
        timer = Timer(when, next(self._numbers), action, self)
        with self._condition:
            self._draining = False
            if self.cancelled > 64 and self.cancelled > len(self._heap) // 2:
                self._sweep()
            heapq.heappush(self._heap, timer)
            if self._thread is not None:
                # A timer that is not the first does not change the time at which the thread has to wake.
                if self._heap[0] is timer:
                    self._condition.notify()
                return timer
        self._start_thread()
        return timer

    def _start_thread(self) -> bool:
        with self._condition:
            if self._thread is not None:
                return True
            thread = self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if _start(thread):
            return True
        with self._condition:
            # Still this one: only a thread that runs takes itself out.
            self._thread = None
        return False

    def _sweep(self) -> None:
        self._heap = [timer for timer in self._heap if timer.action is not None]
        heapq.heapify(self._heap)
        self.cancelled = 0

    def _run(self) -> None:
        while True:
            with self._condition:
                timer = self._due()
                if timer is None:
                    return
                # Taken with the lock held: from here on cancel() has no effect, and the action runs once.
                action, timer.action = timer.action, None
            if action is not None:
                try:
                    action()
                except Exception:
                    log.exception("A timer failed; this is a defect of the library")
            del timer, action
            if _deferred:
                run_deferred()

    def _due(self) -> Timer | None:
        """Block until the next timer that was not cancelled is due; None if there was none during the idle time."""
        idle_until = time.monotonic() + self._idle_seconds
        while True:
            while self._heap and self._heap[0].action is None:
                heapq.heappop(self._heap)
                self.cancelled -= 1
            now = time.monotonic()
            if self._heap and self._heap[0].at <= now:
                return heapq.heappop(self._heap)
            if not self._heap and (now >= idle_until or self._draining):
                self._leaving, self._thread = self._thread, None
                return None
            # Woken early only for a timer that is now the first, or to end.
            self._condition.wait((self._heap[0].at if self._heap else idle_until) - now)

    def drain(self, timeout: float) -> None:
        """End the thread once it has no timers; if it has none now, block until it has ended.

        Args:
            timeout: Seconds to wait.
        """
        with self._condition:
            self._sweep()
            self._draining = True
            if self._heap:
                return
            thread = self._thread or self._leaving
            self._condition.notify()
        if thread is not None:
            _join(thread, time.monotonic() + timeout)


POOL = Pool()
TIMERS = Timers()


def drain_all(deadline: float) -> None:
    """End the shared threads that are idle, as ``Pool.drain`` does; blocks.

    Args:
        deadline: Time limit in monotonic seconds.
    """
    for each in (POOL, TIMERS):
        each.drain(max(0.0, deadline - time.monotonic()))


def _forget_threads() -> None:
    """Reset pool and timers in a forked child: the threads do not exist, and a lock may have been held."""
    POOL.reset()
    TIMERS.reset()
    _deferred.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
