"""Connections that end while something else begins: nothing hangs, nothing is lost, nothing is blamed on the wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.client.event_recorder import EventRecorder, connected, make_token, new_worker
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Call, Hang
from tests.tools.seams import connection_of, listeners_of
from tests.tools.shortage import refuse_threads
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import ClosedError, GatewayDisconnectedError, Reservation, TaskRouterError, Worker
from twilio_taskrouter_worker._bridge import http
from twilio_taskrouter_worker._bridge.connection import Connection
from twilio_taskrouter_worker._bridge.reloading import ReloadRequests
from twilio_taskrouter_worker._bridge.signaling import Socket
from twilio_taskrouter_worker._bridge.threads import POOL, TIMERS, Timer

SOON = 30.0
REPLACED = 4001


class Late(Executor):
    """Runs nothing until it is told to."""

    def __init__(self) -> None:
        self.todo: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.todo.append((future, fn, args))
        return future

    def run(self) -> None:
        for future, function, args in self.todo:
            try:
                future.set_result(function(*args))
            except Exception as error:
                future.set_exception(error)


def test_connecting_while_another_thread_disconnects(bridge: RecordingBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of one connection does not close the calls of the next, which began in the middle of it."""
    stopping, go_on = threading.Event(), threading.Event()
    stop = Connection.stop

    def slow_stop(connection: Connection) -> None:
        stop(connection)
        stopping.set()
        assert go_on.wait(SOON)

    with no_leftover_threads(), connected(bridge) as (worker, _):
        monkeypatch.setattr(Connection, "stop", slow_stop)
        leaving = threading.Thread(target=worker.disconnect)
        leaving.start()
        assert stopping.wait(SOON)
        monkeypatch.setattr(Connection, "stop", stop)
        ready = worker.start()
        go_on.set()
        leaving.join(SOON)
        assert ready.result(SOON) is worker
        assert worker.fetch_latest_version().result(SOON) is worker


def test_disconnecting_before_the_lists_are_asked_for(
    bridge: RecordingBridge, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that nobody wants any more are not asked for, without a word of a defect."""
    load = ReloadRequests.read_lists
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def slow_load(requests: ReloadRequests, action: Any) -> None:
        begun.set()
        assert go_on.wait(SOON)
        try:
            load(requests, action)
        finally:
            over.set()

    monkeypatch.setattr(ReloadRequests, "read_lists", slow_load)
    with no_leftover_threads(), caplog.at_level(logging.ERROR):
        worker = new_worker(bridge)
        ready = worker.start()
        assert begun.wait(SOON)
        # Not here: it waits for the thread that reads, which is about to ask.
        stop = threading.Thread(target=worker.disconnect, name="tool-stop")
        stop.start()
        eventually(lambda: worker._calls.closed)
        go_on.set()
        assert over.wait(SOON)
        stop.join(SOON)
        assert isinstance(ready.exception(SOON), ClosedError)
    assert not caplog.records


@pytest.mark.parametrize("how", ["start", "update_token"])
def test_taking_the_worker_back_inside_the_callback_that_says_it_was_replaced(
    bridge: RecordingBridge, how: str
) -> None:
    """The last error of a connection comes before its end; what it advises works there, too."""
    futures: list[Future[Worker]] = []

    def take_back(error: Exception) -> None:
        if isinstance(error, GatewayDisconnectedError):
            if how == "update_token":
                worker.update_token("another.good.token")
            futures.append(worker.start())

    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        worker.on("error", take_back)
        bridge.close(REPLACED, "replaced")
        recorder.wait_for("ready", 2)
        assert futures[0].result(SOON) is worker
        assert worker.ready and len(bridge.connections) == 2
        assert worker.fetch_latest_version().result(SOON) is worker


def test_a_callback_of_start_that_exits_ends_nothing(bridge: RecordingBridge, caplog: pytest.LogCaptureFixture) -> None:
    """SystemExit out of a callback of a Future, on the dispatch thread, costs itself only."""

    def leave(_: Future[Worker]) -> None:
        raise SystemExit(1)

    with no_leftover_threads():
        worker = new_worker(bridge)
        recorder = EventRecorder(worker)
        bridge.hold_init()
        worker.start().add_done_callback(leave)
        bridge.release_init()
        worker.connect(SOON)
        bridge.add_reservation(announce=True)
        recorder.wait_for("reservation_created")
        worker.disconnect()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [SystemExit]


def test_a_callback_of_a_call_that_exits_costs_no_thread(bridge: RecordingBridge) -> None:
    """SystemExit out of a callback of a Future, on a pool thread, leaves the pool as it was."""

    def leave(_: Future[Worker]) -> None:
        raise SystemExit(1)

    added = threading.Event()

    def answer(_: Call) -> None:
        # Of a Future that is done already the callback would run on this test's thread.
        assert added.wait(SOON)

    with no_leftover_threads(), connected(bridge) as (worker, _):
        bridge.on_call("Workers/", answer)
        for _ in range(5):
            added.clear()
            future = worker.fetch_latest_version()
            future.add_done_callback(leave)
            added.set()
            future.result(SOON)
        worker.disconnect()
        eventually(lambda: not POOL._threads)


def test_an_executor_that_fails_after_the_end_is_logged(
    bridge: RecordingBridge, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback handed to an executor may outlive the connection; what it raises is in the log all the same."""

    def fail(payload: Any) -> None:
        raise LookupError("too late")

    executor = Late()
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        worker.on("reservation_failed", fail, executor=executor)
        bridge.send("reservation.failed", {})
        eventually(lambda: executor.todo)
        worker.disconnect(0.1)
    with caplog.at_level(logging.ERROR):
        executor.run()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [LookupError]


def test_connections_put_away_under_a_call_are_made_again(
    bridge: RecordingBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last call of one client puts the idle connections away, a call that another just begins is sent."""
    find, once = http._targets.find, iter([True])

    def put_away(*args: Any) -> Any:
        target = find(*args)
        if next(once, False):
            http.close_idle()
        return target

    with no_leftover_threads(), connected(bridge) as (worker, _):
        monkeypatch.setattr(http._targets, "find", put_away)
        assert worker.set_attributes({"languages": ["en"]}).result(SOON) is worker
        assert next(once, None) is None


def test_disconnecting_between_two_attempts_at_the_activity(
    bridge: RecordingBridge, timings: Callable[..., None]
) -> None:
    """The next attempt is not waited for, and no timer stays behind."""
    timings(backoff_min=60.0)
    bridge.on_call("Workers/", [503], method="POST")
    with no_leftover_threads():
        worker = new_worker(bridge, connect_activity_sid=next(iter(bridge.state.activities)))
        recorder = EventRecorder(worker)
        worker.start()
        recorder.wait_for("error")
        eventually(lambda: any(each.at > time.monotonic() + 20 and each.action for each in TIMERS._heap))
        worker.disconnect()


def test_disconnecting_while_a_call_begins(bridge: RecordingBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is given up before it has its timer leaves no timer behind."""
    at, once = TIMERS.at, iter([True])

    def disconnect_first(when: float, action: Any) -> Timer:
        if next(once, False):
            worker.disconnect()
        return at(when, action)

    with connected(bridge, request_timeout=600.0) as (worker, _):
        monkeypatch.setattr(TIMERS, "at", disconnect_first)
        future = worker.fetch_latest_version()
        assert isinstance(future.exception(SOON), ClosedError)
        assert not [timer for timer in TIMERS._heap if timer.action and timer.at > time.monotonic() + 300]


def test_connecting_while_it_reconnects(bridge: RecordingBridge) -> None:
    """A worker that has lost its connection is not ready, and whoever connects it waits until it is again."""
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        bridge.hold_init()
        bridge.abort()
        recorder.wait_for("disconnected")
        ready = worker.start()
        assert not ready.done()
        bridge.release_init()
        assert worker.connect(SOON) is worker
        assert worker.ready and ready.result(SOON) is worker
        assert len(bridge.connections) == 2


def test_disconnecting_while_it_reconnects(bridge: RecordingBridge) -> None:
    """Whoever waits for it to be ready again hears that it never will."""
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        bridge.hold_init()
        bridge.abort()
        recorder.wait_for("disconnected")
        ready = worker.start()
        worker.disconnect()
        assert isinstance(ready.exception(SOON), ClosedError)


def test_a_token_provider_that_exits_is_asked_again(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """SystemExit out of the provider, on a pool thread, is a failure like any other: reported, and tried again."""
    timings(renewal_retry=0.05)
    answers = iter([SystemExit(1)])

    def provide() -> str:
        for answer in answers:
            raise answer
        return make_token()

    with no_leftover_threads(), connected(bridge, make_token(6), token_provider=provide) as (_, recorder):
        assert "SystemExit" in recorder.wait_for("error").message
        recorder.wait_for("token_updated")


def test_a_predicate_that_exits_ends_the_wait(bridge: RecordingBridge) -> None:
    """Whatever the predicate raises is raised where the event is waited for, SystemExit too."""

    def leave(_: Reservation) -> bool:
        raise SystemExit(3)

    with no_leftover_threads(), connected(bridge) as (worker, recorder), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(worker.wait_for, "reservation_created", SOON, leave)
        eventually(lambda: len(listeners_of(worker, "reservation_created")) == 2)
        bridge.add_reservation(announce=True)
        assert isinstance(waiting.exception(SOON), SystemExit)
        assert not recorder.all("error")


@pytest.mark.parametrize("thread", ["dispatch", "recv"])
def test_a_start_without_a_thread_starts_nothing(
    bridge: RecordingBridge, monkeypatch: pytest.MonkeyPatch, thread: str
) -> None:
    """Where the system has no thread for the worker, that is said, nothing is left, and the next connect() works."""
    worker = new_worker(bridge)
    with no_leftover_threads():
        shortage = [thread]
        refuse_threads(monkeypatch, lambda name: name.endswith(tuple(shortage)))
        for _ in range(2):
            with pytest.raises(TaskRouterError, match="no more threads"):
                worker.connect(30)
        worker.disconnect()
        shortage.clear()
        with worker:
            assert worker.ready and len(bridge.connections) == 1


def test_frames_that_wait_in_the_kernel_are_no_silence(
    bridge: RecordingBridge, timings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stood still finds the time of silence over before its reader had a turn: what has come counts."""
    timings(silence=600.0)
    held, stands, go_on, read = threading.Event(), threading.Event(), threading.Event(), Socket.read

    def slow_read(socket: Socket) -> Any:
        if held.is_set():
            stands.set()
            assert go_on.wait(SOON)
        return read(socket)

    monkeypatch.setattr(Socket, "read", slow_read)
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        held.set()
        bridge.beat()
        assert stands.wait(SOON)
        bridge.beat()
        eventually(lambda: connection_of(worker) is not None and connection_of(worker)._receiver.has_unread())
        inner = connection_of(worker)
        assert inner is not None
        before = inner._session.silent_at
        # The limit passes while the frame lies in the kernel, and is put off.
        inner._tell(lambda _: inner._due(before))
        assert worker.ready and inner._session.silent_at > before
        held.clear()
        go_on.set()
        bridge.add_reservation(announce=True)
        recorder.wait_for("reservation_created")
        assert len(bridge.connections) == 1


def test_disconnecting_does_not_wait_for_callbacks_of_futures(bridge: RecordingBridge) -> None:
    """They run on the pool: one that takes its time does not keep disconnect(), and one that exits ends nothing."""
    go_on, ran = threading.Event(), threading.Event()
    main = threading.current_thread()

    def take_time(_: Future[Any]) -> None:
        assert threading.current_thread() is not main
        ran.set()
        assert go_on.wait(SOON)

    def leave(_: Future[Any]) -> None:
        raise SystemExit(1)

    with no_leftover_threads():
        worker = new_worker(bridge)
        worker.connect(SOON)
        bridge.on_call("Workers/", Hang())
        futures = [worker.fetch_latest_version() for _ in range(4)]
        bridge.wait_for_call("Workers/")
        futures[0].add_done_callback(take_time)
        futures[1].add_done_callback(leave)
        started = time.monotonic()
        worker.disconnect(1.0)
        assert time.monotonic() - started < SOON / 2
        assert all(isinstance(each.exception(SOON), ClosedError) for each in futures)
        assert ran.wait(SOON)
        go_on.set()
