"""Callbacks and handlers on executors: what they get, what their values do, and what happens when executors fail."""

from __future__ import annotations

import functools
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from tests.tools import handlers
from tests.tools.seams import connection_of
from tests.tools.shortage import refuse_threads
from tests.tools.wait import eventually, no_leftover_threads
from tests.tools.workers import becomes, errors_of, new_worker
from twilio_taskrouter_worker import (
    Complete,
    Reject,
    Reservation,
    ReservationHandle,
    TaskRouterError,
    Transfer,
    WrapUp,
)
from twilio_taskrouter_worker.local import LocalTaskRouter

SOON = 30.0


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """Give two processes of the standard library."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


# -- in this process -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        ("shipped", "completed", "shipped"),
        (Complete(), "completed", None),
        (Complete("shipped"), "completed", "shipped"),
        (WrapUp("later"), "wrapping", "later"),
    ],
    ids=repr,
)
def test_a_callback_on_threads_decides(
    router: LocalTaskRouter, alice: str, value: Any, status: str, reason: str | None
) -> None:
    """The pending reservation is accepted, and the value is acted on; a decorator works, too."""
    seen: list[str] = []
    worker = new_worker(router, alice)
    with ThreadPoolExecutor(1) as pool:

        @worker.on("reservation_created", executor=pool)
        def decide(reservation: Reservation) -> Any:
            seen.append(reservation.status)
            return value

        with no_leftover_threads(ignore=("ThreadPool", "tool-")), worker:
            task = becomes(router, router.create_task(), status)
    assert (seen, task.reason) == (["pending"], reason)


def test_reject_of_a_pending_reservation(router: LocalTaskRouter, alice: str) -> None:
    """It is not accepted before, and the worker takes the activity."""
    worker = new_worker(router, alice)
    with ThreadPoolExecutor(1) as pool:
        worker.on("reservation_created", lambda reservation: Reject("Unavailable"), executor=pool)
        with worker:
            router.create_task()
            eventually(lambda: [each.reservation_status for each in router.reservations()] == ["rejected"], SOON)
            eventually(lambda: worker.activity_name == "Unavailable", SOON)


def test_reject_with_an_activity_that_does_not_exist(
    router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is rejected nevertheless, and the log says which activity could not be set."""
    worker = new_worker(router, alice)
    with ThreadPoolExecutor(1) as pool:
        worker.once("reservation_created", lambda reservation: Reject("Lunch"), executor=pool)
        with worker:
            router.create_task()
            eventually(lambda: router.reservations()[0].reservation_status == "rejected", SOON)
    assert "the activity 'Lunch' could not be set" in caplog.text


@pytest.fixture
def no_thread_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse the threads of decisions and handlers."""
    refuse_threads(monkeypatch, lambda name: name.endswith("-serve"))


@pytest.mark.usefixtures("no_thread_to_serve")
def test_a_decision_without_a_thread(router: LocalTaskRouter, alice: str) -> None:
    """It is reported, and a stop does not wait for it."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    with ThreadPoolExecutor(1) as pool:
        worker.on("reservation_created", lambda reservation: "shipped", executor=pool)
        with worker:
            router.create_task()
            eventually(lambda: [type(each.__cause__) for each in errors] == [RuntimeError], SOON)
            assert worker.drain(SOON)


@pytest.mark.usefixtures("no_thread_to_serve")
def test_a_handler_without_a_thread(router: LocalTaskRouter, alice: str) -> None:
    """It is reported, and a stop does not wait for it."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.once("reservation_created", lambda reservation: reservation.accept())
    with worker:
        becomes(router, router.create_task(), "assigned")
        worker.serve(lambda reservation: "shipped")
        eventually(lambda: [type(each.__cause__) for each in errors] == [RuntimeError], SOON)
        assert worker.drain(SOON)


def test_transfer_accepts_before(router: LocalTaskRouter, alice: str) -> None:
    """A pending reservation cannot be transferred, so it is accepted first."""
    router.add_worker("Bob", activity="Offline")
    worker = new_worker(router, alice)
    with ThreadPoolExecutor(1) as pool:

        @worker.once("reservation_created", executor=pool)
        def hand_on(reservation: Reservation) -> Transfer:
            worker.set_activity("Unavailable").result(SOON)
            return Transfer(router.task_queue_sid)

        with worker:
            task = router.create_task()
            eventually(lambda: [each.reservation_status for each in router.reservations()] == ["completed"], SOON)
            assert becomes(router, task, "pending")


@pytest.mark.parametrize("value", [None, 5, Future()], ids=lambda value: type(value).__name__)
def test_other_values_on_threads_do_nothing(router: LocalTaskRouter, alice: str, value: Any) -> None:
    """A callback that makes its own calls may return whatever they return."""
    worker = new_worker(router, alice)
    done = threading.Event()
    errors = errors_of(worker)

    def give(reservation: Reservation) -> Any:
        done.set()
        return value

    with ThreadPoolExecutor(1) as pool:
        worker.on("reservation_created", give, executor=pool)
        with worker:
            task = router.create_task()
            assert done.wait(SOON)
        assert (router.task(task).assignment_status, errors) == ("reserved", [])


def test_serve_on_threads(router: LocalTaskRouter, alice: str) -> None:
    """The handler gets the accepted reservation itself, on a thread of the executor."""
    worker = new_worker(router, alice)
    threads: list[str] = []
    with ThreadPoolExecutor(1, thread_name_prefix="shared") as pool:

        @worker.serve(executor=pool)
        def ship(reservation: Reservation) -> str:
            threads.append(threading.current_thread().name)
            return reservation.status

        with worker:
            assert becomes(router, router.create_task(), "completed").reason == "accepted"
    assert threads == ["shared_0"]


def test_a_handler_on_threads_that_outlives_the_worker(router: LocalTaskRouter, alice: str) -> None:
    """When the worker has given it up, its value is ignored, and no thread of the worker waits for it."""
    worker = new_worker(router, alice)
    begun, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:

        @worker.serve(executor=pool)
        def slow(reservation: Reservation) -> str:
            begun.set()
            assert go_on.wait(SOON)
            return "too late"

        try:
            worker.connect()
            task = router.create_task()
            assert begun.wait(SOON)
            with no_leftover_threads():
                worker.disconnect(0.1)
        finally:
            worker.disconnect(0.1)
            go_on.set()
        eventually(lambda: not [each for each in threading.enumerate() if each.name.endswith("-serve")], SOON)
    assert router.task(task).assignment_status == "assigned"


def test_a_handler_on_threads_that_disconnects(router: LocalTaskRouter, alice: str) -> None:
    """It does not wait for itself."""
    worker = new_worker(router, alice)
    took: list[float] = []

    with ThreadPoolExecutor(1) as pool:

        @worker.serve(executor=pool)
        def leave(reservation: Reservation) -> None:
            begun = time.monotonic()
            worker.disconnect(SOON)
            took.append(time.monotonic() - begun)

        worker.connect()
        router.create_task()
        eventually(lambda: took, SOON)
    assert took[0] < SOON / 2


# -- in other processes ----------------------------------------------------------------------------------------------


def test_serve_on_processes(router: LocalTaskRouter, alice: str, processes: Executor) -> None:
    """The handler gets a handle with a snapshot of the accepted reservation; each task is completed by its value."""
    worker = new_worker(router, alice)
    worker.serve(handlers.where, concurrency=3, executor=processes)
    with worker:
        tasks = [router.create_task(attributes={"order": order}) for order in range(6)]
        reasons = [becomes(router, task, "completed").reason.split() for task in tasks]
    assert [reason[1:] for reason in reasons] == [["accepted", str(order)] for order in range(6)]


@pytest.mark.parametrize(
    ("do", "value", "status", "reason"),
    [
        ("string", "shipped", "completed", "shipped"),
        ("complete", None, "completed", None),
        ("wrap up", "later", "wrapping", "later"),
        ("accept", "by itself", "completed", "by itself"),
        ("accept", None, "assigned", None),
    ],
)
def test_a_callback_in_another_process_decides(
    router: LocalTaskRouter, alice: str, processes: Executor, do: str, value: Any, status: str, reason: str | None
) -> None:
    """As on threads; a callback that has accepted by its handle may decide as well, or not."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.on("reservation_created", handlers.as_asked, executor=processes)
    with worker:
        task = becomes(router, router.create_task(attributes={"do": do, "value": value}), status)
    assert (task.reason, errors) == (reason, [])


def test_a_callback_that_accepts_and_then_rejects(router: LocalTaskRouter, alice: str, processes: Executor) -> None:
    """An accepted reservation is given back, also where the worker has not yet learned that it is accepted."""
    worker = new_worker(router, alice)
    worker.once("reservation_created", handlers.as_asked, executor=processes)
    with worker:
        task = router.create_task(attributes={"do": "accept and reject", "value": "Unavailable"})
        eventually(lambda: [each.reservation_status for each in router.reservations()] == ["completed"], SOON)
        assert becomes(router, task, "pending")
        assert worker.activity_name == "Unavailable"


def test_decisions_about_open_reservations(router: LocalTaskRouter, alice: str, processes: Executor) -> None:
    """With existing=True the handle of an accepted reservation comes, and its decision is carried out."""
    task = router.create_task(attributes={"do": "string", "value": "resumed"})
    with new_worker(router, alice) as before:
        eventually(lambda: before.reservations, SOON)
        next(iter(before.reservations.values())).accept().result(SOON)
    worker = new_worker(router, alice)
    worker.on("reservation_created", handlers.as_asked, executor=processes, existing=True)
    with worker:
        assert becomes(router, task, "completed").reason == "resumed"


@pytest.mark.parametrize(
    ("do", "value", "words"), [("raise", "no stock", "raised ValueError"), ("value", 5, "raised TypeError")]
)
def test_a_failure_in_another_process_is_reported(
    router: LocalTaskRouter, alice: str, processes: Executor, do: str, value: Any, words: str
) -> None:
    """An exception, or a value that is no decision, fires ``error``; the reservation stays pending."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.on("reservation_created", handlers.as_asked, executor=processes)
    with worker:
        task = router.create_task(attributes={"do": do, "value": value})
        eventually(lambda: errors, SOON)
        assert words in errors[0].message and str(value) in str(errors[0].__cause__) or do == "value"
        assert router.task(task).assignment_status == "reserved"


def test_other_objects_arrive_as_snapshots(
    router: LocalTaskRouter, alice: str, processes: Executor, tmp_path: Path
) -> None:
    """A worker, a task, an error: what has no handle is plain data, or itself."""
    worker = new_worker(router, alice)
    note = functools.partial(handlers.note, str(tmp_path))
    for event in ("attributes_updated", "error"):
        worker.on(event, note, executor=processes)
    with worker:
        worker.set_attributes({"skill": "pipes"}).result(SOON)
        eventually(lambda: len(list(tmp_path.iterdir())) == 1, SOON)
        connection = connection_of(worker)
        assert connection is not None
        connection.dispatcher.put(lambda: connection.dispatcher.report(TaskRouterError("broken")))
        eventually(lambda: len(list(tmp_path.iterdir())) == 2, SOON)
        task = router.create_task()
        eventually(lambda: worker.reservations, SOON)
        (reservation,) = worker.reservations.values()
        reservation.task.on("canceled", note, executor=processes)
        router.cancel_task(task)
        eventually(lambda: len(list(tmp_path.iterdir())) == 3, SOON)
    texts = [path.read_text(encoding="utf-8") for path in sorted(tmp_path.iterdir())]
    assert "'pipes'" in texts[0] and texts[0].startswith("{")
    assert "TaskRouterError" in texts[1] and "broken" in texts[1]
    assert task in texts[2] and texts[2].startswith("{")


# -- what cannot travel ----------------------------------------------------------------------------------------------


def test_a_callback_that_cannot_travel_is_refused(router: LocalTaskRouter, alice: str, processes: Executor) -> None:
    """Where the executor uses pickle: a lambda, a closure, and a partial or a method that holds a Worker."""
    worker = new_worker(router, alice)

    def closure(handle: ReservationHandle) -> None:
        worker.disconnect()

    cases: tuple[tuple[Any, str], ...] = (
        (lambda handle: None, "is a lambda; define it at the top level of a module"),
        (closure, "closure, cannot be sent to the processes of ProcessPoolExecutor: it is defined inside a function"),
        (functools.partial(print, worker), "Worker cannot be pickled"),
        (worker.update_token, "Worker cannot be pickled"),
    )
    listen: Callable[..., object]
    serve: Callable[..., object]
    listen, serve = cast(Any, worker.on), cast(Any, worker.serve)
    for callback, words in cases:
        with pytest.raises(TypeError, match=f"The callback of 'reservation_created', .*{words}"):
            listen("reservation_created", callback, executor=processes)
        with pytest.raises(TypeError, match=f"The handler of serve.., .*{words}"):
            serve(callback, executor=processes)
    assert worker.listeners() == {}


def test_a_callback_that_is_seen_too_late_not_to_travel(
    router: LocalTaskRouter, alice: str, processes: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that is not found by its name is an error that names event and function; the task is given back."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.serve(handlers.where, executor=processes, on_error="leave")
    monkeypatch.setattr(handlers, "where", None)
    with worker:
        task = router.create_task(attributes={"order": 1})
        eventually(lambda: errors, SOON)
        assert "did not run the callback tests.tools.handlers.where of 'reservation_created'" in errors[0].message
        assert "it cannot be pickled" in errors[0].message
        assert becomes(router, task, "assigned")


# -- executors that fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remote", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize("on_error", ["reject", "leave"])
def test_serve_on_an_executor_that_was_shut_down(
    router: LocalTaskRouter, alice: str, on_error: Any, remote: bool
) -> None:
    """It is an error that names executor and handler, and on_error decides: the task is given back, or kept."""
    gone: Executor = ProcessPoolExecutor(1) if remote else ThreadPoolExecutor(1)
    gone.shutdown()
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.serve(handlers.where, on_error=on_error, executor=gone)
    with worker:
        task = router.create_task(attributes={"order": 1})
        eventually(lambda: errors, SOON)
        assert f"{type(gone).__name__} did not run the callback tests.tools.handlers.where" in errors[0].message
        assert "shutdown" in errors[0].message and isinstance(errors[0].__cause__, RuntimeError)
        if on_error == "leave":
            assert becomes(router, task, "assigned")
        else:
            worker.set_activity("Unavailable").result(SOON)
            assert becomes(router, task, "pending")


def test_a_listener_on_an_executor_that_was_shut_down(router: LocalTaskRouter, alice: str) -> None:
    """The reservation stays pending, and worker.reservations has it."""
    gone = ProcessPoolExecutor(1)
    gone.shutdown()
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.on("reservation_created", handlers.where, executor=gone)
    with worker:
        router.create_task()
        eventually(lambda: errors, SOON)
        assert "ProcessPoolExecutor did not run the callback" in errors[0].message
        assert [each.status for each in worker.reservations.values()] == ["pending"]


def test_a_callback_that_was_canceled_with_its_executor(router: LocalTaskRouter, alice: str) -> None:
    """It never ran, and that is an error."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    busy, submitted = threading.Event(), threading.Semaphore(0)

    class Pool(ThreadPoolExecutor):
        def submit(self, function: Any, /, *args: Any, **fields: Any) -> Future[Any]:
            future = super().submit(function, *args, **fields)
            submitted.release()
            return future

    pool = Pool(1)
    try:
        pool.submit(busy.wait, SOON)
        assert submitted.acquire(timeout=SOON)
        worker.on("reservation_created", handlers.where, executor=pool)
        with worker:
            router.create_task()
            assert submitted.acquire(timeout=SOON)
            pool.shutdown(wait=False, cancel_futures=True)
            eventually(lambda: errors, SOON)
            assert "CancelledError" in errors[0].message
    finally:
        busy.set()
        pool.shutdown()


def test_a_pool_that_broke_is_replaced(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """A process that dies breaks its pool: the task is given back, and served when the handler has a new pool."""
    worker = new_worker(router, alice)
    pools = [ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))]
    handler = functools.partial(handlers.die_at_first, str(tmp_path))

    @worker.on("error")
    def renew(error: TaskRouterError) -> None:
        if isinstance(error.__cause__, BrokenExecutor):
            pools.append(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
            worker.serve(handler, executor=pools[-1])

    worker.serve(handler, executor=pools[0])
    try:
        with worker:
            task = router.create_task()
            assert becomes(router, task, "completed").reason == "second run"
        assert len(pools) == 2
    finally:
        for pool in pools:
            pool.shutdown()
