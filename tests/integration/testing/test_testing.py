"""The test kit itself: benches, waits, fault profiles, and handlers without a service."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from tests.tools.wait import no_leftover_threads
from twilio_taskrouter_worker import Reservation, Task
from twilio_taskrouter_worker._log import CALLBACKS
from twilio_taskrouter_worker.errors import RequestRejectedError, StateError
from twilio_taskrouter_worker.testing import (
    FAULT_PROFILES,
    TestBench,
    calls_of,
    eventually,
    fault_profile,
    make_reservation,
    make_task,
)
from twilio_taskrouter_worker.testing.fault_profiles import _later


def test_a_bench_serves_and_leaves_nothing() -> None:
    """A worker is made, connected, served, and gone with the bench."""
    with no_leftover_threads(), TestBench() as bench:
        worker = bench.worker(attributes={"languages": ["de"]})
        done = threading.Event()

        @worker.on("reservation_created")
        def serve(reservation: Reservation) -> None:
            reservation.accept().result(timeout=30)
            reservation.task.complete("done").result(timeout=30)
            done.set()

        task = bench.router.create_task()
        assert done.wait(30)
        eventually(lambda: bench.router.task(task).assignment_status == "completed")
        assert bench.worker("Alice", connect=False).ready is False
        assert bench.problems == []
    assert not worker.connected


def test_the_report_of_a_bench() -> None:
    """It has the events that name a task or worker, and why the open task waits."""
    with TestBench() as bench:
        bench.router.add_worker("Bob", activity="Offline")
        task = bench.router.create_task()
        lines = bench.report().splitlines()
    assert any("task.created" in line and task in line for line in lines)
    assert any("worker.created" in line and "Bob" in line for line in lines)
    assert any(task in line for line in lines[lines.index("Events:") + 1 :] if not line.startswith("  "))


def test_an_error_in_a_callback_is_raised_at_the_end() -> None:
    """An assertion that failed in a callback is not lost, and has its own traceback."""
    with pytest.raises(AssertionError, match="wrong language") as raised, TestBench() as bench:
        worker = bench.worker()

        @worker.on("reservation_created")
        def serve(reservation: Reservation) -> None:
            assert reservation.task.attributes["lang"] == "de", "wrong language"

        bench.router.create_task({"lang": "en"})
        eventually(lambda: bench.problems)
    assert raised.traceback[-1].name == "serve"


def test_a_failed_call_that_nobody_looked_at_is_raised() -> None:
    """A refused call without ``result()`` would otherwise vanish."""
    with (
        pytest.raises(AssertionError, match=r"its Future was never checked: POST .*/Reservations/WR"),
        TestBench() as bench,
    ):
        worker = bench.worker()
        bench.router.create_task()
        reservation = eventually(lambda: list(worker.reservations.values()))[0]
        reservation.accept().result(timeout=30)
        future = reservation.accept()
        eventually(future.done)
        del future


def test_a_failure_of_an_earlier_test_is_not_its_own() -> None:
    """A Future that failed before, and is dropped only now, is left out."""
    with TestBench() as first:
        worker = first.worker()
        first.router.create_task()
        reservation = eventually(lambda: list(worker.reservations.values()))[0]
        reservation.reject().result(timeout=30)
        held = [reservation.accept()]
        eventually(held[0].done)
    with TestBench() as second:
        held.clear()
        assert second.problems == []


def test_an_error_of_the_test_itself_comes_first() -> None:
    """A test that fails for a reason of its own shows that one."""
    with pytest.raises(KeyError, match="mine"), TestBench() as bench:
        worker = bench.worker()
        worker.on("reservation_created", lambda reservation: 1 / 0)
        bench.router.create_task()
        eventually(lambda: bench.problems)
        raise KeyError("mine")


def test_problems_may_be_left_alone() -> None:
    """With check=False the test looks at them itself."""
    with TestBench(check=False) as bench:
        worker = bench.worker()
        worker.on("reservation_created", lambda reservation: 1 / 0)
        bench.router.create_task()
        eventually(lambda: [type(each) for each in bench.problems] == [ZeroDivisionError])


class Watched:
    """The lock of a handler, which reports that another thread waits for it."""

    def __init__(self, lock: Any, waiting: threading.Event) -> None:
        self._lock, self._waiting = lock, waiting

    def acquire(self) -> None:
        """Acquire it."""
        if not self._lock.acquire(blocking=False):
            self._waiting.set()
            self._lock.acquire()

    def release(self) -> None:
        """Release it."""
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def test_an_error_that_comes_as_the_problems_are_raised() -> None:
    """It is raised now or the next time, and not lost between the two."""
    adding, taken = threading.Event(), threading.Event()

    class Slow(list[BaseException]):
        def append(self, error: BaseException) -> None:
            adding.set()
            # Until the problems were taken, or their taker waits.
            taken.wait(20)
            super().append(error)

    with TestBench(check=False) as bench:
        handler = bench._problems
        handler.errors = Slow()
        handler.lock = Watched(handler.lock, taken)  # type: ignore[assignment]
        error = ValueError("late")
        record = logging.LogRecord(CALLBACKS.name, logging.ERROR, "", 0, "failed", (), (ValueError, error, None))
        other = threading.Thread(target=handler.handle, args=(record,))
        other.start()
        assert adding.wait(20)
        raised: list[BaseException] = []
        for _ in range(2):
            try:
                bench.raise_problems()
            except ValueError as late:
                raised.append(late)
            taken.set()
            other.join(20)
        assert raised == [error]


def test_eventually_says_what_it_saw() -> None:
    """The error has the time and the last result."""
    with pytest.raises(AssertionError, match=r"^The queue is empty within 0.01 s: \[\]$"):
        eventually(list, 0.01, message="The queue is empty")


@pytest.mark.parametrize("name", ["laptop_sleep", "train_tunnel", "token_expires_mid_accept", "rate_limited"])
def test_a_worker_survives(name: str) -> None:
    """What passes by itself costs no task: after it, a task is served."""
    with TestBench() as bench:
        # A token that was refused is a new one's turn; a provider has it.
        worker = bench.worker(token_provider=lambda: bench.router.token("Alice"), request_timeout=60)
        offers: list[Reservation] = []
        worker.on("reservation_created", offers.append)
        with fault_profile(bench.router, name):
            task = bench.router.create_task()
            reservation = eventually(lambda: offers, 40)[0]
            if name == "token_expires_mid_accept":
                eventually(lambda: _accepted(reservation), 30)
            else:
                reservation.accept().result(timeout=60)
        assert bench.router.task(task).assignment_status == "assigned"


def _accepted(reservation: Reservation) -> bool:
    try:
        reservation.accept().result(timeout=30)
    except Exception:
        return reservation.status == "accepted"
    return True


def test_an_evicted_worker_is_gone() -> None:
    """A newer session elsewhere ends this one for good."""
    with TestBench() as bench:
        worker = bench.worker()
        with fault_profile(bench.router, "evicted"):
            eventually(lambda: not worker.connected)


def test_a_zombie_socket_is_silent() -> None:
    """The connection stays open, and nothing comes any more."""
    with TestBench() as bench:
        worker = bench.worker()
        with fault_profile(bench.router, "zombie_socket"):
            bench.router.create_task()
            (fault,) = bench.router.faults.active
            eventually(lambda: fault.hits)
            assert worker.connected and not worker.reservations


def test_a_router_that_stops_before_a_profile_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the profile has nothing to act on, and its thread ends without an exception."""
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    begun = threading.Event()
    with TestBench() as bench, ExitStack() as stack:
        bench.router.stop()

        def wake_up() -> None:
            begun.set()
            bench.router.faults.drop()

        _later(stack, 0.0, wake_up)
        assert begun.wait(20)
    assert not raised


def test_profiles_have_names() -> None:
    """A name that is not there is refused with those there are."""
    with TestBench() as bench, pytest.raises(ValueError, match="no fault profile 'nap'; there are laptop_sleep"):
        with fault_profile(bench.router, "nap"):
            pass
    assert len(FAULT_PROFILES) == 6


# -- without a service -----------------------------------------------------------------------------------------------


def test_a_handler_without_a_service() -> None:
    """Calls succeed by status, change the objects, and are recorded with their parameters."""
    reservation = make_reservation({"order": 4711}, task_channel="chat", priority=5)
    assert (reservation.status, reservation.task.status) == ("pending", "reserved")
    assert (reservation.task.attributes["order"], reservation.task.task_channel_unique_name) == (4711, "chat")
    assert reservation.accept().result() is reservation
    assert (reservation.status, reservation.task.status) == ("accepted", "assigned")
    assert reservation.task.set_attributes({"order": 1}).result().attributes == {"order": 1}
    reservation.task.wrap_up(reason="late").result()
    assert reservation.task.complete("shipped").result().status == "completed"
    calls = calls_of(reservation)
    assert [call.name for call in calls] == ["accept", "set_task_attributes", "wrap_up", "complete_task"]
    assert calls[1].params["Attributes"] == {"order": 1}
    assert calls_of(reservation.task) == calls


def test_a_handler_that_is_wrong_is_refused() -> None:
    """A step that the status does not allow fails as in the service."""
    reservation = make_reservation()
    with pytest.raises(RequestRejectedError, match="reserved, and only assigned or wrapping can become completed"):
        reservation.task.complete("done").result()
    reservation.reject().result()
    with pytest.raises(RequestRejectedError, match="rejected, and only pending"):
        reservation.accept().result()


def test_a_reservation_without_a_service_has_no_handle() -> None:
    """A handle is for calls from elsewhere, which there is nothing to answer."""
    with pytest.raises(StateError, match=r"no handle\(\)"):
        make_reservation().handle()


def test_a_task_alone() -> None:
    """A task is that of an accepted reservation; it can be transferred."""
    task = make_task({"n": 1})
    assert isinstance(task, Task)
    task.transfer("WQ1", mode="COLD").result()
    assert task.transfers.outgoing is not None
    assert (task.transfers.outgoing.to, task.transfers.outgoing.mode) == ("WQ1", "COLD")
    assert task.fetch_latest_version().result() is task
    with pytest.raises(TypeError, match="make_reservation"), TestBench() as bench:
        worker = bench.worker()
        bench.router.create_task()
        calls_of(eventually(lambda: list(worker.reservations.values()))[0])


def test_the_kit_needs_no_service_to_be_imported() -> None:
    """Handlers can be tried where the extra for the service is missing."""
    code = (
        "import sys, twilio_taskrouter_worker.testing as t; t.make_reservation(); assert 'aiohttp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=100)
