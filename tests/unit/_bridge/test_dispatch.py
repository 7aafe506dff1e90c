"""The dispatch thread: in order, one at a time, and never ended by what it runs."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from tests.unit._bridge.service import Client, Service
from twilio_taskrouter_worker import Reservation, Worker, _log
from twilio_taskrouter_worker._bridge import dispatch
from twilio_taskrouter_worker._bridge.dispatch import Dispatcher
from twilio_taskrouter_worker._bridge.messages import Message
from twilio_taskrouter_worker._bridge.mirror import Notice
from twilio_taskrouter_worker.errors import InvalidMessageError, TaskRouterError

SOON = 20.0
SECRET = "customer's secret"


class DispatcherDriver:
    """A dispatcher at work, the service it hears from, and the worker it fires on."""

    def __init__(self) -> None:
        self.service = Service()
        self.client = Client(self.service)
        self.client.take_over()
        self.worker: Worker = self.client.worker
        self.dispatcher = Dispatcher(self.client.state, "unit-dispatch")
        self.errors: list[TaskRouterError] = []
        self.dispatcher.thread.start()

    def put(self, *events: Message | str | bytes | Callable[[], None]) -> None:
        for event in events:
            self.dispatcher.put(event)

    def settle(self) -> None:
        """Wait until all that was put is done."""
        done = threading.Event()
        self.dispatcher.put(done.set)
        assert done.wait(SOON)

    def reserve(self) -> Reservation:
        self.put(self.service.create())
        self.settle()
        return self.worker.reservations[f"WR{self.service.made}"]


@pytest.fixture
def driver() -> Iterator[DispatcherDriver]:
    with no_leftover_threads():
        driver = DispatcherDriver()
        yield driver
        driver.dispatcher.stop()
        driver.dispatcher.thread.join(SOON)


def frame(event: Message) -> str:
    return json.dumps({"event_type": event.event_type, "payload": event.payload})


def test_frames_and_messages_in_order(driver: DispatcherDriver) -> None:
    """Frames as text or bytes and messages are used in the order they came, each with its callbacks."""
    heard: list[str] = []
    driver.worker.on("attributes_updated", lambda worker: heard.append(str(worker.attributes["n"])))
    driver.worker.on("reservation_created", lambda reservation: heard.append(reservation.sid))
    driver.put(
        frame(driver.service.set_attributes(n=1)),
        frame(driver.service.create()).encode(),
        driver.service.set_attributes(n=2),
        " ",
        lambda: heard.append("step"),
    )
    driver.settle()
    assert heard == ["1", "WR1", "2", "step"]


def test_callbacks_run_on_one_thread(driver: DispatcherDriver) -> None:
    """Every callback runs on the dispatch thread, never two at once."""
    threads, inside = set(), threading.Lock()

    def heard(worker: Worker) -> None:
        assert inside.acquire(blocking=False)
        threads.add(threading.current_thread())
        inside.release()

    driver.worker.on("attributes_updated", heard)
    driver.worker.on("attributes_updated", heard)
    driver.put(*(driver.service.set_attributes(n=number) for number in range(20)))
    driver.settle()
    assert threads == {driver.dispatcher.thread}


def test_once_and_off_during_an_event(driver: DispatcherDriver) -> None:
    """once() fires once, and listeners that are added or taken off by a callback count from the next event on."""
    heard: list[str] = []

    def late(worker: Worker) -> None:
        heard.append("late")

    def first(worker: Worker) -> None:
        heard.append("first")
        driver.worker.off("attributes_updated", first)
        driver.worker.on("attributes_updated", late)

    driver.worker.on("attributes_updated", first)
    driver.worker.once("attributes_updated", lambda worker: heard.append("once"))
    driver.put(driver.service.set_attributes(n=1), driver.service.set_attributes(n=2))
    driver.settle()
    assert heard == ["first", "once", "late"]


def test_a_once_listener_that_was_taken_off(driver: DispatcherDriver) -> None:
    """Taken off by an earlier callback of the same event, a once() listener does not run any more."""
    heard: list[str] = []

    def second(worker: Worker) -> None:
        heard.append("second")

    driver.worker.on("attributes_updated", lambda worker: driver.worker.off("attributes_updated", second))
    driver.worker.once("attributes_updated", second)
    driver.put(driver.service.set_attributes(n=1))
    driver.settle()
    assert heard == []


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        b"\xff",
        '{"event_type": 1}',
        '{"event_type": "reservation.created", "payload": null}',
        f'{{"event_type": "task.updated", "payload": {{"sid": "{SECRET}"}}}}',
    ],
)
def test_a_bad_frame_costs_itself_only(driver: DispatcherDriver, bad: str | bytes) -> None:
    """It is reported as an error, in words that do not quote it, and the next one is used."""
    driver.worker.on("error", driver.errors.append)
    driver.put(bad, driver.service.set_attributes(n=1))
    driver.settle()
    assert [type(error) for error in driver.errors] == [InvalidMessageError]
    assert SECRET not in str(driver.errors[0])
    assert driver.worker.attributes == {"n": 1}


def test_errors_without_a_listener_are_logged(driver: DispatcherDriver, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listening, the log has it; with a listener it does not."""
    with caplog.at_level(logging.DEBUG):
        driver.put("{")
        driver.settle()
        assert "InvalidMessageError" in caplog.text
        caplog.clear()
        driver.worker.on("error", driver.errors.append)
        driver.put("{")
        driver.settle()
    assert "InvalidMessageError" not in caplog.text
    assert len(driver.errors) == 1


class Odd(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize("raised", [ValueError(SECRET), SystemExit(1), KeyboardInterrupt(), Odd()])
def test_a_callback_that_raises(
    driver: DispatcherDriver, caplog: pytest.LogCaptureFixture, raised: BaseException
) -> None:
    """It costs itself only: the others run, the error is reported with its cause, and the thread goes on."""
    heard: list[str] = []

    def bad(worker: Worker) -> None:
        raise raised

    driver.worker.on("error", driver.errors.append)
    driver.worker.on("attributes_updated", bad)
    driver.worker.on("attributes_updated", lambda worker: heard.append("other"))
    driver.put(driver.service.set_attributes(n=1))
    driver.settle()
    assert heard == ["other"]
    (error,) = driver.errors
    assert error.__cause__ is raised
    assert error.message == f"A callback of 'attributes_updated' raised {type(raised).__name__}"
    assert driver.reserve().status == "pending"


def test_a_callback_of_error_that_raises(driver: DispatcherDriver, caplog: pytest.LogCaptureFixture) -> None:
    """An error listener that fails is logged and not told again: that could go on for ever."""
    calls: list[object] = []

    def bad(error: TaskRouterError) -> None:
        calls.append(error)
        raise ValueError("again")

    driver.worker.on("error", bad)
    driver.put("{")
    driver.settle()
    assert len(calls) == 1
    assert "of 'error' raised" in caplog.text


def test_an_unforeseen_failure(driver: DispatcherDriver, caplog: pytest.LogCaptureFixture) -> None:
    """A defect of our own is logged and reported, and the thread goes on."""
    driver.worker.on("error", driver.errors.append)
    driver.put(lambda: 1 / 0)  # type: ignore[arg-type]
    driver.settle()
    assert isinstance(driver.errors[0].__cause__, ZeroDivisionError)
    assert "defect of the library" in caplog.text


def test_an_executor(driver: DispatcherDriver) -> None:
    """A listener with an executor runs there, and the dispatch thread does not wait for it."""
    gate, done, names = threading.Event(), threading.Event(), []

    def slow(worker: Worker) -> None:
        assert gate.wait(SOON)
        names.append(threading.current_thread().name)
        done.set()

    with ThreadPoolExecutor(1, "unit-executor") as executor:
        driver.worker.on("attributes_updated", slow, executor=executor)
        driver.put(driver.service.set_attributes(n=1))
        driver.settle()
        assert names == []
        gate.set()
        assert done.wait(SOON)
    assert names[0].startswith("unit-executor")


def test_an_executor_that_comes_to_it_after_a_stop(driver: DispatcherDriver) -> None:
    """A callback for a new reservation that still waited for its thread when the stop began is declined, not run."""
    gate = threading.Event()
    called: list[Any] = []
    with ThreadPoolExecutor(1) as executor:
        executor.submit(gate.wait, SOON)
        driver.worker.on("reservation_created", called.append, executor=executor)
        reservation = driver.reserve()
        driver.dispatcher.declining = True
        gate.set()
        eventually(lambda: driver.dispatcher.declined == [reservation])
    assert called == []


def test_an_executor_whose_job_fails(driver: DispatcherDriver, caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises on an executor is reported, on the dispatch thread, like any other."""
    threads: list[threading.Thread] = []

    def report(error: TaskRouterError) -> None:
        threads.append(threading.current_thread())
        driver.errors.append(error)

    driver.worker.on("error", report)
    with ThreadPoolExecutor(1) as executor:
        driver.worker.on("attributes_updated", lambda worker: 1 / 0, executor=executor)
        driver.put(driver.service.set_attributes(n=1))
        driver.settle()
    eventually(lambda: driver.errors)
    assert isinstance(driver.errors[0].__cause__, ZeroDivisionError)
    assert threads == [driver.dispatcher.thread]


def test_an_executor_that_takes_nothing(driver: DispatcherDriver, caplog: pytest.LogCaptureFixture) -> None:
    """An executor that is shut down, or cancels a job, did not run the callback, and that is reported."""

    class Cancelling(Executor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    driver.worker.on("error", driver.errors.append)
    driver.worker.on("attributes_updated", lambda worker: None, executor=closed)
    driver.worker.on("attributes_updated", lambda worker: None, executor=Cancelling())
    driver.put(driver.service.set_attributes(n=1))
    driver.settle()
    assert [type(error.__cause__) for error in driver.errors] == [RuntimeError, CancelledError]


def test_lag_and_backlog(driver: DispatcherDriver) -> None:
    """While a callback runs, it can be asked how long ago its event came and how many wait; then there is nothing."""
    inside, gate = threading.Event(), threading.Event()

    def slow(worker: Worker) -> None:
        inside.set()
        assert gate.wait(SOON)

    driver.worker.once("attributes_updated", slow)
    assert (driver.dispatcher.lag, driver.dispatcher.backlog) == (0.0, 0)
    driver.put(*(driver.service.set_attributes(n=number) for number in range(4)))
    assert inside.wait(SOON)
    eventually(lambda: driver.dispatcher.lag > 0.01)
    assert driver.dispatcher.backlog == 3
    gate.set()
    driver.settle()
    eventually(lambda: driver.dispatcher.lag == 0.0)
    assert driver.dispatcher.backlog == 0


def test_slow_callbacks_are_logged(
    driver: DispatcherDriver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that had to wait 5 s is logged, the next only after twice as long; what it says is not."""
    monkeypatch.setattr(_log, "_REPEATS", _log.Repeats())
    idle, now = Dispatcher(driver.client.state, "never started"), time.monotonic()
    monkeypatch.setattr(dispatch, "time", SimpleNamespace(monotonic=lambda: now))
    warnings = []
    with caplog.at_level(logging.WARNING, logger="twilio_taskrouter_worker"):
        for waited in (4.0, 6.0, 6.0, 9.0, 11.0, 11.0, 21.0):
            caplog.clear()
            idle._working_on = now - waited
            idle._message(driver.service.set_attributes(secret=SECRET))
            warnings.append("callbacks are slow" in caplog.text)
            assert SECRET not in caplog.text
    assert warnings == [False, True, False, False, True, False, True]


def test_a_step_put_first(driver: DispatcherDriver) -> None:
    """A step that is put first runs after the callback that runs, and before all that waits."""
    inside, gate, order = threading.Event(), threading.Event(), []
    driver.put(lambda: (inside.set(), gate.wait(SOON)))  # type: ignore[arg-type]
    assert inside.wait(SOON)
    driver.put(lambda: order.append("waits"))
    driver.dispatcher.put_first(lambda: order.append("first"))
    gate.set()
    driver.settle()
    assert order == ["first", "waits"]


def test_stop_ends_after_the_queued_items(driver: DispatcherDriver) -> None:
    """What was put before the stop is done; then the thread ends."""
    heard: list[int] = []
    driver.put(*(lambda number=number: heard.append(number) for number in range(50)))
    driver.dispatcher.stop()
    driver.put(lambda: heard.append(99))
    driver.dispatcher.thread.join(SOON)
    assert not driver.dispatcher.thread.is_alive()
    assert heard == list(range(50))


def test_after_another(driver: DispatcherDriver) -> None:
    """The dispatcher of a second connection begins when the thread of the first is over."""
    gate, order = threading.Event(), []
    driver.put(lambda: (gate.wait(SOON), order.append("first")))  # type: ignore[arg-type]
    second = Dispatcher(driver.client.state, "unit-dispatch-second", driver.dispatcher.thread)
    second.put(lambda: order.append("second"))
    second.thread.start()
    driver.dispatcher.stop()
    assert order == []
    gate.set()
    second.stop()
    second.thread.join(SOON)
    assert order == ["first", "second"]


def test_fire(driver: DispatcherDriver) -> None:
    """Notices run the callbacks of their object and event with their arguments."""
    heard: list[Any] = []
    reservation = driver.reserve()
    reservation.on("accepted", heard.append)
    driver.put(
        lambda: driver.dispatcher.fire(
            [Notice(reservation, "accepted", (reservation,)), Notice(reservation, "timeout", (reservation,))]
        )
    )
    driver.settle()
    assert heard == [reservation]


def test_ended_reservations_are_forgotten_when_nothing_comes(driver: DispatcherDriver) -> None:
    """What ended is let go of on time, without another frame."""
    driver.client.state._linger = 0.05
    driver.reserve()
    driver.put(driver.service.change("WR1", "rejected"))
    driver.settle()
    eventually(lambda: driver.client.state.ended == {} and driver.client.state._tasks == {})


def test_a_repetition_behind_a_slow_callback_is_recognized(driver: DispatcherDriver) -> None:
    """What arrives soon after an ending counts as that, however long a callback makes it wait."""
    driver.client.state._linger = 0.05
    created: list[str] = []
    driver.worker.on("reservation_created", lambda reservation: created.append(reservation.sid))
    reserved = driver.service.create()
    driver.put(reserved)
    driver.settle()
    # Longer than what has ended is remembered.
    driver.client.worker.reservations["WR1"].on("rejected", lambda _: threading.Event().wait(0.06))
    both_arrived = threading.Event()

    def until_both_arrived() -> None:
        both_arrived.wait(30)

    driver.put(until_both_arrived)
    driver.put(driver.service.change("WR1", "rejected"))
    driver.put(reserved)
    both_arrived.set()
    driver.settle()
    assert created == ["WR1"]


def test_heartbeats_forget_ended_reservations(driver: DispatcherDriver) -> None:
    """A heartbeat is enough to let go of what ended long ago."""
    driver.reserve()
    driver.put(driver.service.change("WR1", "rejected"))
    driver.settle()
    assert "WR1" in driver.client.state.ended
    at, reservation_sid, task_sid = driver.client.state._ended_at.popleft()
    driver.client.state._ended_at.append((at - 10.0, reservation_sid, task_sid))
    driver.put(" ")
    driver.settle()
    assert driver.client.state.ended == {}


def test_a_log_handler_that_raises_costs_a_line_only(
    driver: DispatcherDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler is the application's code: where it fails while a callback's failure is logged, events go on."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError("no space left")

    def failing(worker: Worker) -> None:
        raise KeyError("callback")

    driver.worker.on("attributes_updated", failing)
    driver.worker.on("error", driver.errors.append)
    logger, handler = logging.getLogger("twilio_taskrouter_worker"), Broken()
    logger.addHandler(handler)
    try:
        driver.put(driver.service.set_attributes(n=1), "{", driver.service.set_attributes(n=2))
        driver.settle()
    finally:
        logger.removeHandler(handler)
    assert [type(error.__cause__) for error in driver.errors] == [KeyError, type(None), KeyError]
    assert driver.worker.attributes == {"n": 2} and "no space left" in capsys.readouterr().err


def test_frames_put_together_count_one_by_one(driver: DispatcherDriver) -> None:
    """A batch is used in order, a step put first comes between two of its frames, and the backlog counts frames."""
    heard: list[object] = []
    inside, gate = threading.Event(), threading.Event()

    def first(worker: Worker) -> None:
        heard.append(worker.attributes["n"])
        if not inside.is_set():
            inside.set()
            assert gate.wait(SOON)

    driver.worker.on("attributes_updated", first)
    frames = [frame(driver.service.set_attributes(n=number)).encode() for number in range(4)]
    driver.dispatcher.put_frames(frames)
    driver.put(lambda: heard.append("after"))
    assert inside.wait(SOON)
    assert driver.dispatcher.backlog == 4
    driver.dispatcher.put_first(lambda: heard.append("first"))
    gate.set()
    driver.settle()
    assert heard == [0, "first", 1, 2, 3, "after"]
    assert driver.dispatcher.backlog == 0
