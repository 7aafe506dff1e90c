"""The shared threads: they come when there is work, stay within bounds, and go when there is none."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker._bridge import threads
from twilio_taskrouter_worker._bridge.threads import EAGER, TIMERS, Pool, Timers
from twilio_taskrouter_worker.errors import TaskRouterError

SOON = 20.0
"""Seconds that a test waits for what should come at once."""


@pytest.fixture(autouse=True)
def leaves_no_thread() -> Iterator[None]:
    with no_leftover_threads():
        yield
        # Pools that grow use the timers of the process.
        TIMERS.drain(SOON)


def pool(size: int = 100, idle: float = 60.0) -> Pool:
    return Pool(size, "unit-pool", idle)


class Gate:
    """Jobs that stand at a gate: how many are in, and the way to let them through."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()
        self.done: list[str] = []

    def job(self) -> None:
        self.inside.release()
        assert self.open.wait(SOON)
        self.done.append(threading.current_thread().name)

    def wait_inside(self, number: int) -> None:
        for _ in range(number):
            assert self.inside.acquire(timeout=SOON)


def run(each: Pool, job: Callable[[], None] = lambda: None) -> None:
    """Submit a job and wait until it is done."""
    done = threading.Event()

    def both() -> None:
        job()
        done.set()

    each.submit(both)
    assert done.wait(SOON)


# -- the pool --------------------------------------------------------------------------------------------------------


def test_a_new_pool_has_no_thread() -> None:
    """Making one starts nothing, and draining it is no work."""
    before = set(threading.enumerate())
    each = pool()
    each.drain(SOON)
    assert set(threading.enumerate()) <= before


def test_it_grows_with_the_jobs_under_way() -> None:
    """Jobs that run at the same time each have a thread, named and daemonic."""
    each, gate = pool(), Gate()
    for _ in range(10):
        each.submit(gate.job)
    gate.wait_inside(10)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("unit-pool-")]
    # On a busy machine it may have started more, before the first ones came to their jobs.
    eventually(lambda: len(each._threads) - each._idle == 10)
    assert len(threads) >= 10
    assert all(thread.daemon for thread in threads)
    gate.open.set()
    each.drain(SOON)


def test_jobs_that_compute_have_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """While jobs end one after the other and wait for nothing, more threads would only be in each other's way."""
    # A test must not depend on how busy the machine is: these jobs have the processor all the time.
    monkeypatch.setattr(threads, "STUCK_SECONDS", 60.0)
    monkeypatch.setattr(threads, "time", SimpleNamespace(monotonic=time.monotonic, thread_time=time.monotonic))
    each, finished = pool(), threading.Semaphore(0)

    def compute() -> None:
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            pass
        finished.release()

    for _ in range(150):
        each.submit(compute)
    most = 0
    for _ in range(150):
        assert finished.acquire(timeout=SOON * 4)
        most = max(most, len(each._threads))
    assert most <= EAGER + 4
    each.drain(SOON)


def test_jobs_that_wait_have_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that wait for a slow service each get a thread, also while others end all the time."""
    monkeypatch.setattr(threads, "STUCK_SECONDS", 60.0)
    each, finished = pool(), threading.Semaphore(0)
    pause = threading.Event()

    def wait() -> None:
        pause.wait(0.02)
        finished.release()

    most = 0
    for _ in range(400):
        each.submit(wait)
    for _ in range(400):
        assert finished.acquire(timeout=SOON * 4)
        most = max(most, len(each._threads))
    assert most > 4 * EAGER
    each.drain(SOON)


def test_threads_are_used_again() -> None:
    """One job after the other needs one thread only."""
    each, names = pool(), []
    for _ in range(50):
        run(each, lambda: names.append(threading.current_thread().name))
        eventually(lambda: each._idle == 1)
    assert set(names) == {"unit-pool-1"}
    each.drain(SOON)


def test_a_burst_is_not_left_to_one_idle_thread() -> None:
    """Jobs submitted before an idle thread has woken up each find a thread: none waits behind another."""
    each, gate = pool(), Gate()
    run(each)
    eventually(lambda: each._idle == 1)
    for _ in range(3):
        each.submit(gate.job)
    gate.wait_inside(3)
    gate.open.set()
    each.drain(SOON)


def test_it_is_bounded() -> None:
    """Above its size jobs wait, in order, and all are done in the end."""
    each, gate, order = pool(size=2), Gate(), []
    each.submit(gate.job)
    each.submit(gate.job)
    gate.wait_inside(2)
    finished = threading.Event()
    for number in range(100):
        each.submit(lambda number=number: order.append(number))  # type: ignore[misc]
    each.submit(finished.set)
    assert order == []
    assert len(each._threads) == 2
    gate.open.set()
    assert finished.wait(SOON)
    eventually(lambda: len(order) == 100)
    each.drain(SOON)


def test_the_order_of_waiting_jobs() -> None:
    """With one thread jobs run in the order they came."""
    each, order = pool(size=1), []
    for number in range(100):
        each.submit(lambda number=number: order.append(number))  # type: ignore[misc]
    run(each)
    assert order == list(range(100))
    each.drain(SOON)


def test_idle_threads_end() -> None:
    """A thread that had nothing to do for a while is gone, and the next job has a new one."""
    each = pool(idle=0.01)
    run(each)
    eventually(lambda: not each._threads)
    run(each)
    eventually(lambda: not each._threads)


def test_drain_ends_the_idle_ones() -> None:
    """When nothing is under way, drain returns with every thread gone, however long they could have stayed."""
    each, gate = pool(), Gate()
    for _ in range(5):
        each.submit(gate.job)
    gate.wait_inside(5)
    gate.open.set()
    eventually(lambda: each._idle == len(each._threads))
    threads = list(each._threads)
    each.drain(SOON)
    assert not any(thread.is_alive() for thread in threads)


def test_the_first_threads_start_before_there_are_jobs() -> None:
    """A pool that is warmed up has the threads that the first jobs need, and starts no more when it is done again."""
    each, gate = pool(), Gate()
    each.warm_up()
    each.warm_up()
    threads = list(each._threads)
    assert len(threads) == EAGER and all(thread.is_alive() for thread in threads)
    eventually(lambda: each._idle == EAGER)
    for _ in range(EAGER):
        each.submit(gate.job)
    gate.wait_inside(EAGER)
    assert set(each._threads) == set(threads)
    gate.open.set()
    each.drain(SOON)


def test_drain_ends_the_ones_that_are_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that have not come to look for a job yet are waited for like idle ones, not for a moment only."""
    each, may_go_on, limits = pool(), threading.Event(), []
    next_job, join = each._next, threads._join

    def next_job_later() -> Callable[[], object] | None:
        assert may_go_on.wait(SOON)
        return next_job()

    def joined(thread: threading.Thread, deadline: float) -> None:
        limits.append(deadline - time.monotonic())
        may_go_on.set()
        join(thread, deadline)

    monkeypatch.setattr(each, "_next", next_job_later)
    monkeypatch.setattr(threads, "_join", joined)
    each.warm_up()
    started = list(each._threads)
    each.drain(SOON)
    assert limits[0] > threads.MOMENT
    assert not any(thread.is_alive() for thread in started)


def test_drain_leaves_the_busy_ones() -> None:
    """A job under way goes on, drain does not wait for it, and its thread ends after it."""
    each, gate = pool(), Gate()
    run(each)
    each.submit(gate.job)
    gate.wait_inside(1)
    started = time.monotonic()
    each.drain(SOON)
    assert time.monotonic() - started < SOON / 2
    assert gate.done == []
    gate.open.set()
    eventually(lambda: not each._threads)
    assert len(gate.done) == 1


def test_drain_on_a_thread_of_its_own() -> None:
    """A job may drain the pool it runs on; it does not wait for itself."""
    each = pool()
    run(each, lambda: each.drain(SOON))
    eventually(lambda: not each._threads)


def test_after_a_drain_it_goes_on() -> None:
    """A drained pool takes jobs as before, and keeps their threads for a while."""
    each = pool()
    run(each)
    each.drain(SOON)
    run(each)
    eventually(lambda: each._idle == 1)
    each.drain(SOON)


def test_at_rest() -> None:
    """Whoever wants to know is told when a drain has left no thread, by the last to end or by the drain itself."""
    each, gate = pool(), Gate()
    told: list[str] = []
    each.at_rest = lambda: told.append(threading.current_thread().name)
    run(each)
    assert told == []
    eventually(lambda: each._idle == 1)
    each.drain(SOON)
    eventually(lambda: told == ["unit-pool-1"])
    each.drain(SOON)
    assert told == ["unit-pool-1", threading.current_thread().name]
    each.submit(gate.job)
    gate.wait_inside(1)
    each.drain(SOON)
    assert len(told) == 2
    gate.open.set()
    eventually(lambda: told[2:] == ["unit-pool-2"])


def test_at_rest_after_an_idle_end() -> None:
    """Threads that ended by themselves told nobody: the drain that finds none tells."""
    each, told = pool(idle=0.01), []
    each.at_rest = lambda: told.append(threading.current_thread())
    run(each)
    eventually(lambda: not each._threads)
    assert told == []
    each.drain(SOON)
    assert told == [threading.current_thread()]


def test_a_job_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The log has it, and the thread goes on."""
    each, names = pool(), []
    each.submit(lambda: 1 / 0)
    eventually(lambda: each._idle == 1)
    run(each, lambda: names.append(threading.current_thread().name))
    assert names == ["unit-pool-1"]
    assert "A job of the pool failed" in caplog.text
    each.drain(SOON)


def test_many_submitters() -> None:
    """Jobs from many threads at once are each done once, within the bound."""
    each, lock, counts = pool(size=8), threading.Lock(), [0]

    def job() -> None:
        with lock:
            counts[0] += 1

    def submit() -> None:
        for _ in range(200):
            each.submit(job)

    submitters = [threading.Thread(target=submit) for _ in range(4)]
    for thread in submitters:
        thread.start()
    for thread in submitters:
        thread.join(SOON)
    eventually(lambda: counts[0] == 800)
    assert len(each._threads) <= 8
    eventually(lambda: each._idle == len(each._threads))
    each.drain(SOON)


# -- the timers ------------------------------------------------------------------------------------------------------


def timers(idle: float = 60.0) -> Timers:
    return Timers("unit-timers", idle)


# -- no thread to be had ---------------------------------------------------------------------------------------------


class Shortage:
    """``Thread.start`` fails for threads whose names begin so, as where the system has no thread to give."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.names = names
        self.refused = 0
        real = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            if thread.name.startswith(self.names):
                self.refused += 1
                raise RuntimeError("can't start new thread")
            real(thread)

        monkeypatch.setattr(threading.Thread, "start", start)

    def end(self) -> None:
        self.names = ()


def test_a_pool_without_a_thread_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """``require`` raises in words, as often as it is asked, and no longer when threads are there again."""
    shortage, each = Shortage(monkeypatch, "unit-pool"), pool()
    for _ in range(200):
        with pytest.raises(TaskRouterError, match="No thread could be started"):
            each.require()
    assert len(each._threads) == 0
    shortage.end()
    each.require()
    run(each)
    each.drain(SOON)


def test_a_job_waits_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that was submitted during the shortage runs once, after it, without another one being submitted."""
    shortage, each, done = Shortage(monkeypatch, "unit-pool"), pool(), []
    finished = threading.Event()
    each.submit(lambda: done.append(1))
    each.submit(finished.set)
    eventually(lambda: shortage.refused >= 3)
    assert done == []
    shortage.end()
    assert finished.wait(SOON)
    # By then there may be a second thread, which overtook the first one.
    eventually(lambda: done)
    each.drain(SOON)
    assert done == [1]


def test_a_pool_with_a_thread_makes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where at least one thread lives, jobs wait for it, and nothing is raised."""
    each, gate, finished = pool(), Gate(), threading.Event()
    each.submit(gate.job)
    gate.wait_inside(1)
    shortage = Shortage(monkeypatch, "unit-pool")
    each.require()
    each.submit(finished.set)
    assert not finished.wait(0.05)
    gate.open.set()
    assert finished.wait(SOON)
    assert shortage.refused
    shortage.end()
    each.drain(SOON)


def test_timers_survive_a_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer set while there was no thread runs as soon as one is to be had."""
    shortage, each = Shortage(monkeypatch, "unit-timers"), Timers("unit-timers", 0.01)
    ran: list[int] = []
    finished = threading.Event()
    each.at(time.monotonic(), lambda: ran.append(1))
    with pytest.raises(TaskRouterError, match="No thread could be started"):
        each.require()
    shortage.end()
    each.require()
    each.at(time.monotonic(), finished.set)
    assert finished.wait(SOON)
    assert ran == [1]
    eventually(lambda: each._thread is None)


def test_two_threads_find_no_timers_thread() -> None:
    """The later one uses the thread that the earlier one has started meanwhile."""
    each = Timers("unit-timers", 60.0)
    each.at(time.monotonic() + 60.0, lambda: None).cancel()
    thread = each._thread
    assert thread is not None and each._start_thread() and each._thread is thread
    each.drain(SOON)


def test_cancelled_timers_do_not_pile_up() -> None:
    """Twenty thousand deadlines that were met leave a heap of some hundred entries."""
    each = Timers("unit-timers", 60.0)
    for _ in range(20_000):
        each.at(time.monotonic() + 80_000, lambda: None).cancel()
    assert len(each._heap) < 200
    each.drain(SOON)


def test_finalizers_leave_jobs() -> None:
    """What a finalizer leaves is run by the next thread that has finished something, even if it raises."""
    each, done = pool(), []
    threads.defer(lambda: 1 / 0)
    threads.defer(lambda: done.append(threading.current_thread().name))
    run(each)
    eventually(lambda: done == ["unit-pool-1"])
    each.drain(SOON)


def test_timers_run_in_order_of_time() -> None:
    """Whatever the order they were set in, the earlier runs first; at the same time, the first set."""
    each, order, done, all_set = timers(), [], threading.Event(), threading.Event()
    now = time.monotonic()
    each.at(now, lambda: all_set.wait(SOON))
    each.at(now + 0.04, done.set)
    for number, at in enumerate([0.03, 0.01, 0.02, 0.01, 0.03]):
        each.at(now + at, lambda number=number: order.append(number))  # type: ignore[misc]
    all_set.set()
    assert done.wait(SOON)
    assert order == [1, 3, 2, 0, 4]
    each.drain(SOON)


def test_a_timer_is_not_early() -> None:
    """An action runs at its time or later, one whose time has passed at once."""
    each, ran, done = timers(), [], threading.Event()
    at = time.monotonic() + 0.05
    each.at(at, lambda: (ran.append(time.monotonic()), done.set()))
    assert done.wait(SOON)
    assert ran[0] >= at
    done.clear()
    each.at(0.0, done.set)
    assert done.wait(SOON)
    each.drain(SOON)


def test_an_earlier_timer_overtakes() -> None:
    """The thread that waits for a far time turns to a nearer one that is set later."""
    each, done = timers(), threading.Event()
    far = each.at(time.monotonic() + 3600.0, lambda: None)
    each.at(time.monotonic() + 0.01, done.set)
    assert done.wait(SOON)
    far.cancel()
    each.drain(SOON)


def test_cancel() -> None:
    """A timer that was cancelled does not run, however often it is cancelled; after it ran that is no harm."""
    each, ran, done, cancels = timers(), [], threading.Event(), threading.Event()
    at = time.monotonic()
    each.at(at, lambda: cancels.wait(SOON))
    cancelled = each.at(at, lambda: ran.append("no"))
    last = each.at(at, done.set)
    cancelled.cancel()
    cancelled.cancel()
    cancels.set()
    assert done.wait(SOON)
    last.cancel()
    assert ran == []
    each.drain(SOON)


def test_one_thread_only() -> None:
    """However many timers, there is one thread, named and daemonic."""
    each, done = timers(), threading.Semaphore(0)
    names: set[str] = set()
    for number in range(50):
        each.at(
            time.monotonic() + number / 5000,
            lambda: (names.add(threading.current_thread().name), done.release()),
        )
    assert each._thread is not None and each._thread.daemon
    for _ in range(50):
        assert done.acquire(timeout=SOON)
    assert names == {"unit-timers"}
    each.drain(SOON)


def test_the_timers_thread_ends_when_idle() -> None:
    """Without timers the thread ends after a while, and the next timer has a new one."""
    each = timers(idle=0.01)
    for _ in range(2):
        done = threading.Event()
        each.at(0.0, done.set)
        assert done.wait(SOON)
        eventually(lambda: each._thread is None)


def test_drain_of_timers() -> None:
    """Cancelled timers are nothing to wait for: drain ends the thread; a timer that is to come keeps it."""
    each = timers()
    each.drain(SOON)
    keeps = each.at(time.monotonic() + 3600.0, lambda: None)
    each.at(time.monotonic() + 1800.0, lambda: None).cancel()
    each.drain(SOON)
    assert each._thread is not None and each._thread.is_alive()
    keeps.cancel()
    thread = each._thread
    each.drain(SOON)
    assert not thread.is_alive()
    assert each._thread is None


def test_drain_by_a_timer() -> None:
    """An action may drain the timers; it does not wait for itself."""
    each, done = timers(), threading.Event()
    each.at(0.0, lambda: (each.drain(SOON), done.set()))
    assert done.wait(SOON)
    eventually(lambda: each._thread is None)


def test_a_timer_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The log has it, and the others run."""
    each, done = timers(), threading.Event()
    with caplog.at_level(logging.ERROR):
        each.at(0.0, lambda: 1 / 0)
        each.at(0.0, done.set)
        assert done.wait(SOON)
    assert "A timer failed" in caplog.text
    each.drain(SOON)


# -- fork ------------------------------------------------------------------------------------------------------------

FORK = """
import os, threading, time
from twilio_taskrouter_worker._bridge.threads import POOL, TIMERS

def works():
    done = threading.Semaphore(0)
    POOL.submit(done.release)
    TIMERS.at(time.monotonic(), done.release)
    return done.acquire(timeout=60) and done.acquire(timeout=60)

assert works()
held = threading.Event()
TIMERS.at(time.monotonic() + 3600, held.set)
POOL._condition.acquire()  # another thread could hold it at this very moment
TIMERS._condition.acquire()
child = os.fork()
if child == 0:
    fine = not POOL._threads and TIMERS._thread is None and not TIMERS._heap and works()
    os._exit(0 if fine and threading.active_count() <= 3 else 1)
POOL._condition.release()
TIMERS._condition.release()
assert os.waitpid(child, 0)[1] == 0, "the child"
assert works() and TIMERS._heap, "the parent"
"""


def test_a_forked_child_has_threads_of_its_own() -> None:
    """After a fork the child starts with none, even where a lock was held, and they come as needed; the parent keeps
    its own."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=200)


# -- a drain that comes while a thread is being made -------------------------------------------------------------------


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold up the start of the pool's threads: (it is about to start, it may)."""
    about, may = threading.Event(), threading.Event()
    start = threading.Thread.start

    def held_up(thread: threading.Thread) -> None:
        if thread.name.startswith("unit-") and not thread.name.startswith("unit-test"):
            about.set()
            assert may.wait(SOON)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", held_up)
    yield about, may
    may.set()


def in_thread(action: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Start the action on a thread; gives the thread, and what the action raised."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=guarded, name="unit-test")
    thread.start()
    return thread, raised


def test_the_pool_is_drained_while_a_thread_starts(slow_start: tuple[threading.Event, threading.Event]) -> None:
    """A worker that ends while another one's call makes a thread does not stumble over that thread."""
    each, done = pool(), threading.Event()
    about, may = slow_start
    submitting, failed = in_thread(lambda: each.submit(done.set))
    assert about.wait(SOON)
    draining, stumbled = in_thread(lambda: each.drain(SOON))
    draining.join(0.1)
    may.set()
    for thread in (submitting, draining):
        thread.join(SOON)
    assert (failed, stumbled) == ([], [])
    assert done.wait(SOON)
    each.drain(SOON)
