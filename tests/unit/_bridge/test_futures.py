"""The Future of a call: where its callbacks run, and what becomes of a failure that nobody looks at."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, ClassVar

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker._bridge import futures, routes, threads
from twilio_taskrouter_worker._bridge.futures import CallFuture
from twilio_taskrouter_worker._bridge.request import Request, as_it_is
from twilio_taskrouter_worker._bridge.threads import POOL, TIMERS
from twilio_taskrouter_worker.errors import NotFoundError, RequestTimeoutError, TaskRouterError

SOON = 20.0


@pytest.fixture(autouse=True)
def leaves_no_thread() -> Iterator[None]:
    with no_leftover_threads():
        yield
        POOL.drain(SOON)
        TIMERS.drain(SOON)


def make(heard: Callable[[], None] | None = None, **options: Any) -> CallFuture[Any]:
    sids = {"ws": "WS1", "wk": "WK1", "reservation": "WR1"}
    return CallFuture(Request(routes.ACCEPT, sids, {}, as_it_is, ("WT1",), after_callbacks=heard), **options)


# -- callbacks -------------------------------------------------------------------------------------------------------


def test_callbacks_run_on_the_pool() -> None:
    """Whoever settles it does not run the callbacks, and is not held up by one that blocks."""
    future, names, gate = make(), [], threading.Event()

    def callback(done: Any) -> None:
        names.append(threading.current_thread().name)
        assert gate.wait(SOON)

    future.add_done_callback(callback)
    future.set_running_or_notify_cancel()
    future.set_result(5)
    assert future.result(0) == 5
    eventually(lambda: len(names) == 1)
    assert names[0].startswith("taskrouter-rest")
    gate.set()


def test_callbacks_of_a_call_that_the_pool_settles() -> None:
    """On a thread of the pool they run at once."""
    future, names = make(), []
    future.add_done_callback(lambda done: names.append(threading.current_thread().name))
    settled_by: list[str] = []

    def settle() -> None:
        settled_by.append(threading.current_thread().name)
        future.set_result(1)
        assert names == settled_by

    POOL.submit(settle)
    eventually(lambda: names == settled_by != [])


@pytest.mark.parametrize("error", [RuntimeError("of the test"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Those after it run all the same, and the log has what it raised."""
    future, notes = make(), []

    def bad(done: Any) -> None:
        raise error

    future.add_done_callback(bad)
    future.add_done_callback(lambda done: notes.append("second"))
    future.set_result(1)
    eventually(lambda: notes == ["second"])
    assert "A callback of a Future raised" in caplog.text


def test_cancelling() -> None:
    """Whoever waits for it hears of it, its call is told, and callbacks run as of any Future: where it is cancelled."""
    notes: list[str] = []
    future = make(lambda: notes.append("heard"))
    future._on_cancel = lambda: notes.append(str(future.set_running_or_notify_cancel()))
    future.add_done_callback(lambda done: notes.append("callback"))
    assert future.cancel() and future.cancelled()
    assert wait([future], 1).done == {future}
    with pytest.raises(CancelledError):
        future.result(0)
    assert notes == ["callback", "heard", "False"]


# -- heard -----------------------------------------------------------------------------------------------------------


def test_heard_comes_after_all_callbacks() -> None:
    """It runs once, after the last callback, whether the call succeeded or failed."""
    settles: list[Callable[[Any], None]] = [
        lambda each: each.set_result(1),
        lambda each: each.set_exception(ValueError("x")),
    ]
    for settle in settles:
        notes: list[str] = []
        future = make(lambda notes=notes: notes.append("heard"))  # type: ignore[misc]
        future.add_done_callback(lambda done, notes=notes: notes.append("first"))  # type: ignore[misc]
        future.add_done_callback(lambda done, notes=notes: notes.append("second"))  # type: ignore[misc]
        settle(future)
        eventually(lambda notes=notes: notes == ["first", "second", "heard"])  # type: ignore[misc]


def test_heard_without_callbacks() -> None:
    """It does not need one."""
    heard = threading.Event()
    make(heard.set).set_result(1)
    assert heard.wait(SOON)


def test_a_callback_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """``heard`` waits for callbacks a while only, and does not run again when the last one has ended."""
    monkeypatch.setattr(futures, "CALLBACKS_AT_MOST", 0.01)
    count: list[int] = []
    heard, over = threading.Event(), threading.Event()

    def note() -> None:
        count.append(1)
        heard.set()

    def block(done: Any) -> None:
        assert heard.wait(SOON)
        over.set()

    future = make(note)
    future.add_done_callback(block)
    future.set_result(1)
    assert over.wait(SOON)
    POOL.drain(SOON)
    assert count == [1]


# -- failures that nobody looks at -----------------------------------------------------------------------------------


@pytest.fixture
def reports(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    def read() -> list[logging.LogRecord]:
        gc.collect()
        threads.run_deferred()
        return [record for record in caplog.records if "was never checked" in record.getMessage()]

    return read


def fail(future: CallFuture[Any], error: BaseException | None = None) -> None:
    future.set_exception(error or NotFoundError("no such reservation", status=404))


def test_nobody_looks(reports: Callable[[], list[logging.LogRecord]]) -> None:
    """A WARNING when it is collected: the call, its sids, and why it failed."""
    told: list[TaskRouterError] = []
    future = make(unawaited=told.append)
    fail(future)
    assert reports() == []
    del future
    (record,) = reports()
    assert record.levelno == logging.WARNING and record.name == "twilio_taskrouter_worker.calls"
    assert "POST Workspaces/WS1/Workers/WK1/Reservations/WR1, WT1: NotFoundError: no such reservation" in (
        record.getMessage()
    )
    assert vars(record)["worker_sid"] == "WK1"
    assert (vars(record)["task_sid"], vars(record)["reservation_sid"]) == ("WT1", "WR1")
    assert [each.message for each in told] == ["no such reservation"]


@pytest.mark.parametrize(
    "look",
    [
        lambda future: future.exception(0),
        lambda future: pytest.raises(NotFoundError, future.result, 0),
        lambda future: future.add_done_callback(lambda done: done.exception()),
    ],
    ids=["exception", "result", "callback"],
)
def test_somebody_looks(look: Callable[[Any], object], reports: Callable[[], list[logging.LogRecord]]) -> None:
    """Asking for the result or the exception is looking, in a callback too."""
    future = make()
    fail(future)
    look(future)
    del future
    assert reports() == []


def test_outcomes_that_are_not_failures(reports: Callable[[], list[logging.LogRecord]]) -> None:
    """A result, a cancelled call and one that is dropped before its end say nothing."""
    for settle in (lambda each: each.set_result(1), lambda each: each.cancel(), lambda each: None):
        future = make()
        settle(future)
        del future
    assert reports() == []


def test_a_wait_that_timed_out_is_not_a_check(reports: Callable[[], list[logging.LogRecord]]) -> None:
    """Whoever gave up waiting has not seen the failure that came later; a call that itself timed out was seen."""
    future = make()
    with pytest.raises(FutureTimeoutError):
        future.result(0)
    fail(future)
    del future
    assert len(reports()) == 1
    future = make()
    fail(future, RequestTimeoutError("Request timed out"))
    with pytest.raises(RequestTimeoutError):
        future.result(0)
    del future
    assert len(reports()) == 1


def test_a_wait_that_times_out_beside_one_that_looks(reports: Callable[[], list[logging.LogRecord]]) -> None:
    """A thread whose wait ends without the failure leaves it as checked by the thread that has seen it."""
    futures = [make()]

    def look(timeout: float | None) -> None:
        fail(futures[0])
        assert futures[0].exception(0) is not None
        raise FutureTimeoutError

    with pytest.raises(FutureTimeoutError):
        futures[0]._look(look, 0)
    futures.clear()
    assert reports() == []


def test_a_call_that_expires_while_it_is_cancelled() -> None:
    """Its hook is read once, as the thread of the deadline drops it."""

    class Expiring(CallFuture[Any]):
        hooks: ClassVar[list[Any]] = [None, lambda: called.append(True)]

        @property
        def _on_cancel(self) -> Any:
            return self.hooks.pop()

        @_on_cancel.setter
        def _on_cancel(self, hook: Any) -> None: ...

    called: list[bool] = []
    assert Expiring(make()._request).cancel()
    assert called == [True]


def test_a_call_that_fails_while_others_are_reported() -> None:
    """At the interpreter's end a daemon thread may still bring a failure: the report does not break off."""
    script = (
        "import atexit, sys\n"
        "from tests.unit._bridge.test_futures import fail, make\n"
        "kept = [make() for _ in range(3)]\n"
        "for each in kept[:2]: fail(each)\n"
        # In the midst of an iteration over a set of weak references, as another thread may.
        "def meanwhile(frame, event, argument):\n"
        "    if event == 'line' and frame.f_code.co_filename.endswith('_weakrefset.py') and 'item' in frame.f_locals:\n"
        "        sys.settrace(None)\n"
        "        fail(kept[2])\n"
        "    return meanwhile\n"
        "atexit.register(sys.settrace, meanwhile)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("was never checked") >= 2 and "Traceback" not in done.stderr


def test_at_exit() -> None:
    """A Future that is still held when the interpreter exits is reported then."""
    script = (
        "from tests.unit._bridge.test_futures import fail, make\n"
        "kept = make()\nfail(kept)\nlooked = make()\nfail(looked)\nlooked.exception()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("was never checked") == 1
    assert "NotFoundError: no such reservation" in done.stderr
