"""The dispatch thread: in order, one at a time, and never ended by what it runs."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from tests.unit._bridge.service import Client, Service
from twilio_taskrouter_worker import Reservation, Worker, _log
from twilio_taskrouter_worker._bridge.dispatch import Dispatcher
from twilio_taskrouter_worker._bridge.messages import Message
from twilio_taskrouter_worker._bridge.mirror import Notice
from twilio_taskrouter_worker.errors import InvalidMessageError, TaskRouterError

SOON = 5.0
SECRET = "customer's secret"


class Desk:
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
def desk() -> Iterator[Desk]:
    with no_leftover_threads():
        desk = Desk()
        yield desk
        desk.dispatcher.stop()
        desk.dispatcher.thread.join(SOON)


def frame(event: Message) -> str:
    return json.dumps({"event_type": event.event_type, "payload": event.payload})


def test_frames_and_messages_in_order(desk: Desk) -> None:
    """Frames as text or bytes and messages are used in the order they came, each with its callbacks."""
    heard: list[str] = []
    desk.worker.on("attributes_updated", lambda worker: heard.append(str(worker.attributes["n"])))
    desk.worker.on("reservation_created", lambda reservation: heard.append(reservation.sid))
    desk.put(
        frame(desk.service.set_attributes(n=1)),
        frame(desk.service.create()).encode(),
        desk.service.set_attributes(n=2),
        " ",
        lambda: heard.append("step"),
    )
    desk.settle()
    assert heard == ["1", "WR1", "2", "step"]


def test_callbacks_run_on_one_thread(desk: Desk) -> None:
    """Every callback runs on the dispatch thread, never two at once."""
    threads, inside = set(), threading.Lock()

    def heard(worker: Worker) -> None:
        assert inside.acquire(blocking=False)
        threads.add(threading.current_thread())
        inside.release()

    desk.worker.on("attributes_updated", heard)
    desk.worker.on("attributes_updated", heard)
    desk.put(*(desk.service.set_attributes(n=number) for number in range(20)))
    desk.settle()
    assert threads == {desk.dispatcher.thread}


def test_once_and_off_during_an_event(desk: Desk) -> None:
    """once() fires once, and listeners that are added or taken off by a callback count from the next event on."""
    heard: list[str] = []

    def late(worker: Worker) -> None:
        heard.append("late")

    def first(worker: Worker) -> None:
        heard.append("first")
        desk.worker.off("attributes_updated", first)
        desk.worker.on("attributes_updated", late)

    desk.worker.on("attributes_updated", first)
    desk.worker.once("attributes_updated", lambda worker: heard.append("once"))
    desk.put(desk.service.set_attributes(n=1), desk.service.set_attributes(n=2))
    desk.settle()
    assert heard == ["first", "once", "late"]


def test_a_once_listener_that_was_taken_off(desk: Desk) -> None:
    """Taken off by an earlier callback of the same event, a once() listener does not run any more."""
    heard: list[str] = []

    def second(worker: Worker) -> None:
        heard.append("second")

    desk.worker.on("attributes_updated", lambda worker: desk.worker.off("attributes_updated", second))
    desk.worker.once("attributes_updated", second)
    desk.put(desk.service.set_attributes(n=1))
    desk.settle()
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
def test_a_bad_frame_costs_itself_only(desk: Desk, bad: str | bytes) -> None:
    """It is reported as an error, in words that do not quote it, and the next one is used."""
    desk.worker.on("error", desk.errors.append)
    desk.put(bad, desk.service.set_attributes(n=1))
    desk.settle()
    assert [type(error) for error in desk.errors] == [InvalidMessageError]
    assert SECRET not in str(desk.errors[0])
    assert desk.worker.attributes == {"n": 1}


def test_errors_without_a_listener_are_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listening, the log has it; with a listener it does not."""
    with caplog.at_level(logging.DEBUG):
        desk.put("{")
        desk.settle()
        assert "InvalidMessageError" in caplog.text
        caplog.clear()
        desk.worker.on("error", desk.errors.append)
        desk.put("{")
        desk.settle()
    assert "InvalidMessageError" not in caplog.text
    assert len(desk.errors) == 1


class Odd(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize("raised", [ValueError(SECRET), SystemExit(1), KeyboardInterrupt(), Odd()])
def test_a_callback_that_raises(desk: Desk, caplog: pytest.LogCaptureFixture, raised: BaseException) -> None:
    """It costs itself only: the others run, the error is reported with its cause, and the thread goes on."""
    heard: list[str] = []

    def bad(worker: Worker) -> None:
        raise raised

    desk.worker.on("error", desk.errors.append)
    desk.worker.on("attributes_updated", bad)
    desk.worker.on("attributes_updated", lambda worker: heard.append("other"))
    desk.put(desk.service.set_attributes(n=1))
    desk.settle()
    assert heard == ["other"]
    (error,) = desk.errors
    assert error.__cause__ is raised
    assert error.message == f"A callback of 'attributes_updated' raised {type(raised).__name__}"
    assert desk.reserve().status == "pending"


def test_a_callback_of_error_that_raises(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """An error listener that fails is logged and not told again: that could go on for ever."""
    calls: list[object] = []

    def bad(error: TaskRouterError) -> None:
        calls.append(error)
        raise ValueError("again")

    desk.worker.on("error", bad)
    desk.put("{")
    desk.settle()
    assert len(calls) == 1
    assert "of 'error' raised" in caplog.text


def test_an_unforeseen_failure(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A defect of our own is logged and reported, and the thread goes on."""
    desk.worker.on("error", desk.errors.append)
    desk.put(lambda: 1 / 0)  # type: ignore[arg-type]
    desk.settle()
    assert isinstance(desk.errors[0].__cause__, ZeroDivisionError)
    assert "defect of the library" in caplog.text


def test_an_executor(desk: Desk) -> None:
    """A listener with an executor runs there, and the dispatch thread does not wait for it."""
    gate, done, names = threading.Event(), threading.Event(), []

    def slow(worker: Worker) -> None:
        assert gate.wait(SOON)
        names.append(threading.current_thread().name)
        done.set()

    with ThreadPoolExecutor(1, "unit-executor") as executor:
        desk.worker.on("attributes_updated", slow, executor=executor)
        desk.put(desk.service.set_attributes(n=1))
        desk.settle()
        assert names == []
        gate.set()
        assert done.wait(SOON)
    assert names[0].startswith("unit-executor")


def test_an_executor_whose_job_fails(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises on an executor is reported, on the dispatch thread, like any other."""
    threads: list[threading.Thread] = []

    def report(error: TaskRouterError) -> None:
        threads.append(threading.current_thread())
        desk.errors.append(error)

    desk.worker.on("error", report)
    with ThreadPoolExecutor(1) as executor:
        desk.worker.on("attributes_updated", lambda worker: 1 / 0, executor=executor)
        desk.put(desk.service.set_attributes(n=1))
        desk.settle()
    eventually(lambda: desk.errors)
    assert isinstance(desk.errors[0].__cause__, ZeroDivisionError)
    assert threads == [desk.dispatcher.thread]


def test_an_executor_that_takes_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """An executor that is shut down, or cancels a job, did not run the callback, and that is reported."""

    class Cancelling(Executor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    desk.worker.on("error", desk.errors.append)
    desk.worker.on("attributes_updated", lambda worker: None, executor=closed)
    desk.worker.on("attributes_updated", lambda worker: None, executor=Cancelling())
    desk.put(desk.service.set_attributes(n=1))
    desk.settle()
    assert [type(error.__cause__) for error in desk.errors] == [RuntimeError, CancelledError]


def test_lag_and_backlog(desk: Desk) -> None:
    """While a callback runs, it can be asked how long ago its event came and how many wait; then there is nothing."""
    inside, gate = threading.Event(), threading.Event()

    def slow(worker: Worker) -> None:
        inside.set()
        assert gate.wait(SOON)

    desk.worker.once("attributes_updated", slow)
    assert (desk.dispatcher.lag, desk.dispatcher.backlog) == (0.0, 0)
    desk.put(*(desk.service.set_attributes(n=number) for number in range(4)))
    assert inside.wait(SOON)
    eventually(lambda: desk.dispatcher.lag > 0.01)
    assert desk.dispatcher.backlog == 3
    gate.set()
    desk.settle()
    eventually(lambda: desk.dispatcher.lag == 0.0)
    assert desk.dispatcher.backlog == 0


def test_slow_callbacks_are_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that had to wait 5 s is logged, the next only after twice as long; what it says is not."""
    monkeypatch.setattr(_log, "_REPEATS", _log.Repeats())
    idle = Dispatcher(desk.client.state, "never started")
    warnings = []
    with caplog.at_level(logging.WARNING, logger="twilio_taskrouter_worker"):
        for waited in (4.0, 6.0, 6.0, 9.0, 11.0, 11.0, 21.0):
            caplog.clear()
            idle._working_on = time.monotonic() - waited
            idle._message(desk.service.set_attributes(secret=SECRET))
            warnings.append("callbacks are slow" in caplog.text)
            assert SECRET not in caplog.text
    assert warnings == [False, True, False, False, True, False, True]


def test_a_step_put_first(desk: Desk) -> None:
    """A step that is put first runs after the callback that runs, and before all that waits."""
    inside, gate, order = threading.Event(), threading.Event(), []
    desk.put(lambda: (inside.set(), gate.wait(SOON)))  # type: ignore[arg-type]
    assert inside.wait(SOON)
    desk.put(lambda: order.append("waits"))
    desk.dispatcher.put_first(lambda: order.append("first"))
    gate.set()
    desk.settle()
    assert order == ["first", "waits"]


def test_stop_ends_after_what_is_there(desk: Desk) -> None:
    """What was put before the stop is done; then the thread ends."""
    heard: list[int] = []
    desk.put(*(lambda number=number: heard.append(number) for number in range(50)))
    desk.dispatcher.stop()
    desk.put(lambda: heard.append(99))
    desk.dispatcher.thread.join(SOON)
    assert not desk.dispatcher.thread.is_alive()
    assert heard == list(range(50))


def test_after_another(desk: Desk) -> None:
    """The dispatcher of a second connection begins when the thread of the first is over."""
    gate, order = threading.Event(), []
    desk.put(lambda: (gate.wait(SOON), order.append("first")))  # type: ignore[arg-type]
    second = Dispatcher(desk.client.state, "unit-dispatch-second", desk.dispatcher.thread)
    second.put(lambda: order.append("second"))
    second.thread.start()
    desk.dispatcher.stop()
    assert order == []
    gate.set()
    second.stop()
    second.thread.join(SOON)
    assert order == ["first", "second"]


def test_fire(desk: Desk) -> None:
    """Notices run the callbacks of their object and event with their arguments."""
    heard: list[Any] = []
    reservation = desk.reserve()
    reservation.on("accepted", heard.append)
    desk.put(
        lambda: desk.dispatcher.fire(
            [Notice(reservation, "accepted", (reservation,)), Notice(reservation, "timeout", (reservation,))]
        )
    )
    desk.settle()
    assert heard == [reservation]


def test_ended_reservations_are_forgotten_when_nothing_comes(desk: Desk) -> None:
    """What ended is let go of on time, without another frame."""
    desk.client.state._linger = 0.05
    desk.reserve()
    desk.put(desk.service.change("WR1", "rejected"))
    desk.settle()
    eventually(lambda: desk.client.state.ended == {} and desk.client.state._tasks == {}, 5, "it is still there")


def test_heartbeats_forget_ended_reservations(desk: Desk) -> None:
    """A heartbeat is enough to let go of what ended long ago."""
    desk.reserve()
    desk.put(desk.service.change("WR1", "rejected"))
    desk.settle()
    assert "WR1" in desk.client.state.ended
    at, reservation_sid, task_sid = desk.client.state._ended_at.popleft()
    desk.client.state._ended_at.append((at - 10.0, reservation_sid, task_sid))
    desk.put(" ")
    desk.settle()
    assert desk.client.state.ended == {}


def test_a_log_handler_that_raises_costs_a_line_only(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A handler is the application's code: where it fails while a callback's failure is logged, events go on."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError("no space left")

    def failing(worker: Worker) -> None:
        raise KeyError("callback")

    desk.worker.on("attributes_updated", failing)
    desk.worker.on("error", desk.errors.append)
    logger, handler = logging.getLogger("twilio_taskrouter_worker"), Broken()
    logger.addHandler(handler)
    try:
        desk.put(desk.service.set_attributes(n=1), "{", desk.service.set_attributes(n=2))
        desk.settle()
    finally:
        logger.removeHandler(handler)
    assert [type(error.__cause__) for error in desk.errors] == [KeyError, type(None), KeyError]
    assert desk.worker.attributes == {"n": 2} and "no space left" in capsys.readouterr().err


def test_frames_put_together_count_one_by_one(desk: Desk) -> None:
    """A batch is used in order, a step put first comes between two of its frames, and the backlog counts frames."""
    heard: list[object] = []
    inside, gate = threading.Event(), threading.Event()

    def first(worker: Worker) -> None:
        heard.append(worker.attributes["n"])
        if not inside.is_set():
            inside.set()
            assert gate.wait(SOON)

    desk.worker.on("attributes_updated", first)
    frames = [frame(desk.service.set_attributes(n=number)).encode() for number in range(4)]
    desk.dispatcher.put_frames(frames)
    desk.put(lambda: heard.append("after"))
    assert inside.wait(SOON)
    assert desk.dispatcher.backlog == 4
    desk.dispatcher.put_first(lambda: heard.append("first"))
    gate.set()
    desk.settle()
    assert heard == [0, "first", 1, 2, 3, "after"]
    assert desk.dispatcher.backlog == 0
