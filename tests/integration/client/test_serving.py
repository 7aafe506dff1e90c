"""serve(): what the handler's value does, what happens when it fails, and what is taken up after a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from tests.tools.workers import becomes, leave_open, new_worker
from twilio_taskrouter_worker import (
    Complete,
    Reject,
    RequestRejectedError,
    Reservation,
    TaskRouterError,
    Transfer,
    Worker,
    WrapUp,
)
from twilio_taskrouter_worker.local import LocalTaskRouter

SOON = 30.0


def states(router: LocalTaskRouter, worker_sid: str) -> list[str]:
    """Statuses of all reservations of a worker, in order."""
    return [each.reservation_status for each in router.reservations(worker_sid=worker_sid)]


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        ("shipped", "completed", "shipped"),
        (None, "completed", None),
        (Complete(), "completed", None),
        (Complete("shipped"), "completed", "shipped"),
        (WrapUp(), "wrapping", None),
        (WrapUp("later"), "wrapping", "later"),
    ],
    ids=repr,
)
def test_the_returned_value_decides(
    router: LocalTaskRouter, alice: str, value: Any, status: str, reason: str | None
) -> None:
    """The handler gets the accepted reservation, and what it returns decides over the task."""
    seen: list[str] = []
    worker = new_worker(router, alice)

    @worker.serve
    def handle(reservation: Reservation) -> Any:
        seen.append(reservation.status)
        return value

    with no_leftover_threads(), worker:
        task = becomes(router, router.create_task(), status)
    assert (seen, task.reason) == (["accepted"], reason)


def test_nothing_waits_without_need(router: LocalTaskRouter, alice: str, timings: Callable[..., None]) -> None:
    """The pauses between tries are for calls that failed."""
    timings(retry_first=60.0)
    worker = new_worker(router, alice)
    worker.serve(lambda reservation: "at once")
    with worker:
        becomes(router, router.create_task(), "completed")


def test_values_are_checked() -> None:
    """A reason is text, a mode is one of two, and wrong ones are refused where they are made."""
    for make in (lambda: Complete(1), lambda: WrapUp(b""), lambda: Transfer(1), lambda: Transfer("WQ", mode="HOT")):  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError)):
            make()


def test_a_task_is_given_back(router: LocalTaskRouter, alice: str) -> None:
    """Reject moves the worker first, and then the task is free for another one; Alice has nothing left."""
    bob = router.add_worker("Bob", activity="Offline")
    first, second = new_worker(router, alice), new_worker(router, bob)
    first.serve(lambda reservation: Reject("Unavailable"))
    second.serve(lambda reservation: "done by Bob")
    with first, second:
        task = router.create_task()
        eventually(lambda: first.activity_name == "Unavailable")
        eventually(lambda: states(router, alice) == ["completed"])
        assert router.task(task).assignment_status == "pending"
        second.set_activity("Available").result(SOON)
        assert becomes(router, task, "completed").reason == "done by Bob"
        eventually(lambda: not first.reservations)


@pytest.mark.parametrize("mode", ["COLD", "WARM"])
def test_a_task_is_transferred_to_a_worker(router: LocalTaskRouter, alice: str, mode: Any) -> None:
    """The own reservation stays until the other one has taken the task, and is completed then."""
    bob = router.add_worker("Bob", activity="Available")
    first, second = new_worker(router, alice), new_worker(router, bob)
    there, go_on = threading.Event(), threading.Event()

    @first.serve
    def hand_on(reservation: Reservation) -> Transfer:
        assert there.wait(SOON)
        return Transfer(bob, mode=mode, attributes={"from": "Alice"})

    @second.on("reservation_created")
    def take(reservation: Reservation) -> None:
        if reservation.transfer is not None:
            assert go_on.wait(SOON)
            reservation.accept().result(SOON)

    with first, second:
        second.set_activity("Unavailable").result(SOON)
        task = router.create_task()
        eventually(lambda: first.reservations)
        second.set_activity("Available").result(SOON)
        there.set()
        eventually(lambda: any(each.status == "pending" for each in second.reservations.values()))
        assert states(router, alice) == ["wrapping" if mode == "COLD" else "accepted"]
        go_on.set()
        eventually(lambda: states(router, alice) == ["completed"])
        (reservation,) = second.reservations.values()
        assert dict(reservation.task.attributes) == {"from": "Alice"}
        assert becomes(router, task, "assigned")
        reservation.complete().result(SOON)
        becomes(router, task, "completed")


def test_a_transfer_that_an_earlier_run_started(router: LocalTaskRouter, alice: str) -> None:
    """It is not started a second time: the reservation is completed when the other worker has taken the task."""
    bob = router.add_worker("Bob", activity="Offline")
    with new_worker(router, alice) as before:
        task = router.create_task()
        eventually(lambda: before.reservations)
        (reservation,) = before.reservations.values()
        reservation.accept().result(SOON)
        router.set_activity("Bob", "Available")
        eventually(lambda: reservation.task.status == "assigned")
        reservation.task.transfer(bob).result(SOON)
    first, second = new_worker(router, alice), new_worker(router, bob)
    begun = threading.Event()

    @first.serve
    def handle(reservation: Reservation) -> Transfer:
        begun.set()
        return Transfer(bob)

    with first, second:
        assert begun.wait(SOON)
        (taken,) = second.reservations.values()
        taken.accept().result(SOON)
        eventually(lambda: states(router, alice) == ["completed"])
        assert router.task(task).assignment_status == "assigned"


def test_a_transfer_that_fails(router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture) -> None:
    """The reservation is left as it is, and the log says so with its sids."""
    bob = router.add_worker("Bob", activity="Available")
    first, second = new_worker(router, alice), new_worker(router, bob)
    there = threading.Event()

    @first.serve
    def hand_on(reservation: Reservation) -> Transfer:
        assert there.wait(SOON)
        return Transfer(bob, mode="WARM")

    second.on("reservation_created", lambda reservation: reservation.reject(activity_sid=None))
    with first, second:
        second.set_activity("Unavailable").result(SOON)
        router.create_task()
        eventually(lambda: first.reservations)
        (reservation,) = first.reservations.values()
        second.set_activity("Available").result(SOON)
        there.set()
        eventually(lambda: "its transfer ended as failed" in caplog.text)
        assert states(router, alice) == ["accepted"]
    (record,) = [each for each in caplog.records if "its transfer ended as failed" in each.getMessage()]
    assert (record.levelno, record.reservation_sid) == (logging.ERROR, reservation.sid)  # type: ignore[attr-defined]


# -- failures --------------------------------------------------------------------------------------------------------


def test_a_handler_that_raises_gives_the_task_back(
    router: LocalTaskRouter, alice: str, timings: Callable[..., None]
) -> None:
    """Tried again after a pause, by the same worker where there is no other; each failure is an error event."""
    timings(reject_pause=0.01)
    worker = new_worker(router, alice)
    errors: list[TaskRouterError] = []
    worker.on("error", errors.append)
    tries = iter([LookupError("no stock"), LookupError("still none"), None])

    @worker.serve
    def handle(reservation: Reservation) -> str:
        if (error := next(tries)) is not None:
            raise error
        return "third time"

    with worker:
        assert becomes(router, router.create_task(), "completed").reason == "third time"
        eventually(lambda: len(errors) == 2)
    assert [type(each.__cause__) for each in errors] == [LookupError, LookupError]
    assert states(router, alice) == ["completed"] * 3


def test_a_decision_that_is_refused_is_an_error_event(router: LocalTaskRouter, alice: str) -> None:
    """No caller waits for its calls, so a program that watches ``error`` hears of them there."""
    worker = new_worker(router, alice)
    errors: list[TaskRouterError] = []
    worker.on("error", errors.append)
    decisions = iter([Transfer("nowhere"), Reject("Nowhere"), None])
    worker.serve(lambda reservation: next(decisions), concurrency=2)
    with worker:
        stays = router.create_task()
        eventually(lambda: "'nowhere' does not name a" in " ".join(map(str, errors)))
        router.complete_task(stays)
        goes = router.create_task()
        assert becomes(router, goes, "completed")
        eventually(lambda: len(errors) == 2)
    assert isinstance(errors[0], RequestRejectedError)
    assert "there is no activity 'Nowhere'" in errors[1].message


@pytest.mark.parametrize("value", [17, {"a": 1}, True])
def test_a_value_of_another_kind_is_an_error(
    router: LocalTaskRouter, alice: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as an exception of the handler; with ``leave`` the reservation stays accepted."""
    worker = new_worker(router, alice)
    worker.serve(lambda reservation: value, on_error="leave")
    with worker:
        task = router.create_task()
        eventually(lambda: "must return None, a string, Complete, Reject, WrapUp or Transfer" in caplog.text)
        assert becomes(router, task, "assigned")
    assert states(router, alice) == ["accepted"]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"handler": 5}, TypeError, "The handler of serve"),
        ({"handler": print, "concurrency": 0}, ValueError, "concurrency must be 1 or more, not 0"),
        ({"handler": print, "concurrency": "2"}, TypeError, "concurrency must be a whole number, not str"),
        ({"handler": print, "existing": None}, TypeError, "existing must be True or False"),
        ({"handler": print, "on_error": "retry"}, ValueError, "on_error must be 'reject' or 'leave', not 'retry'"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    """Before anything is registered."""
    worker = Worker("token")
    with pytest.raises(kind, match=words):
        worker.serve(**options)
    assert worker.listeners() == {}


def test_a_reservation_has_one_handler() -> None:
    """Another function is refused while one serves; the same one again takes its place."""
    worker = Worker("token")

    @worker.serve(concurrency=2)
    def first(reservation: Reservation) -> None: ...

    worker.serve(first)
    with pytest.raises(ValueError, match=r"first serves already, .* off\('reservation_created'\)"):
        worker.serve(print)
    worker.off("reservation_created", first)
    worker.serve(print)
    assert worker.listeners() == {"reservation_created": (print,)}


@pytest.mark.parametrize("call", ["accept", "complete"])
def test_calls_that_fail_and_may_pass(
    router: LocalTaskRouter, alice: str, call: str, timings: Callable[..., None]
) -> None:
    """They are made again until they succeed; the handler runs once."""
    timings(retry_first=0.02)
    calls: list[str] = []
    worker = new_worker(router, alice)

    def fail() -> None:
        router.faults.http_status(500, times=2, route="POST Reservations/*")

    @worker.serve
    def handle(reservation: Reservation) -> None:
        calls.append(reservation.sid)
        if call == "complete":
            fail()

    with worker:
        if call == "accept":
            fail()
        becomes(router, router.create_task(), "completed")
    assert len(calls) == 1
    assert states(router, alice) == ["completed"]


def test_an_answer_that_comes_too_late(router: LocalTaskRouter, alice: str, timings: Callable[..., None]) -> None:
    """The service accepts after the client has given up: the second try is refused, and the reservation is ours."""
    timings(retry_first=1.0)
    calls: list[str] = []
    worker = Worker(router.token(alice), request_timeout=0.5, **router.connection)
    worker.serve(lambda reservation: calls.append(reservation.sid))
    with worker:
        router.faults.http_latency(1.0, times=1, route="POST Reservations/*")
        becomes(router, router.create_task(), "completed")
    assert len(calls) == 1


# -- endings while the handler runs ----------------------------------------------------------------------------------


def test_a_task_that_ends_meanwhile(router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture) -> None:
    """The handler sees it in the status and by an event, and nothing is called for it any more."""
    worker = new_worker(router, alice)
    begun, ended, statuses = threading.Event(), threading.Event(), []

    @worker.serve
    def handle(reservation: Reservation) -> str:
        reservation.once("completed", lambda _: ended.set())
        begun.set()
        assert ended.wait(SOON)
        statuses.append(reservation.status)
        return "in vain"

    with worker:
        task = router.create_task()
        assert begun.wait(SOON)
        router.complete_task(task, "by the supervisor")
    assert statuses == ["completed"]
    assert router.task(task).reason == "by the supervisor"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_an_offer_that_ends_before_it_is_begun(router: LocalTaskRouter, alice: str) -> None:
    """A reservation that waits for its turn and is canceled is passed over."""
    worker = new_worker(router, alice)
    go_on, served = threading.Event(), []

    @worker.serve
    def handle(reservation: Reservation) -> None:
        served.append(reservation.task.sid)
        assert go_on.wait(SOON)

    with worker:
        first = router.create_task()
        eventually(lambda: served)
        second = router.create_task()
        eventually(lambda: len(worker.reservations) == 2)
        router.cancel_task(second, "changed my mind")
        eventually(lambda: len(worker.reservations) == 1)
        go_on.set()
        becomes(router, first, "completed")
    assert served == [first]


def test_a_handler_that_completes_by_itself(router: LocalTaskRouter, alice: str) -> None:
    """Its value has nothing left to do."""
    worker = new_worker(router, alice)

    @worker.serve
    def handle(reservation: Reservation) -> str:
        reservation.task.complete("by hand").result(SOON)
        return "again"

    with worker:
        task = becomes(router, router.create_task(), "completed")
    assert task.reason == "by hand"


# -- how many at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 2])
def test_never_more_at_once(router: LocalTaskRouter, alice: str, concurrency: int) -> None:
    """Further reservations stay pending until there is a thread for them."""
    worker = new_worker(router, alice)
    lock = threading.Lock()
    at_once: list[int] = []
    running = 0
    slots = threading.Semaphore(0)

    @worker.serve(concurrency=concurrency)
    def handle(reservation: Reservation) -> None:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        assert slots.acquire(timeout=SOON)
        with lock:
            running -= 1

    with no_leftover_threads(), worker:
        tasks = [router.create_task() for _ in range(9)]
        eventually(lambda: len(worker.reservations) == 3 and len(at_once) == concurrency)
        assert sorted(states(router, alice)) == ["accepted"] * concurrency + ["pending"] * (3 - concurrency)
        for _ in tasks:
            slots.release()
        for task in tasks:
            becomes(router, task, "completed")
    assert max(at_once) == concurrency and len(at_once) == 9


# -- restarts --------------------------------------------------------------------------------------------------------


def test_open_reservations_are_resumed(router: LocalTaskRouter, alice: str) -> None:
    """Pending is accepted, accepted is handled again, wrapping is completed; each once."""
    expected = leave_open(router, alice)
    worker = new_worker(router, alice)
    handled: list[str] = []

    @worker.serve
    def handle(reservation: Reservation) -> str:
        handled.append(reservation.task.sid)
        return "taken up"

    with worker:
        for task in expected:
            becomes(router, task, "completed")
    assert sorted(handled) == sorted(task for task, status in expected.items() if status != "wrapping")
    assert states(router, alice) == ["completed"] * 3


def test_open_reservations_may_be_left(router: LocalTaskRouter, alice: str) -> None:
    """With ``existing=False`` only new ones are served."""
    leave_open(router, alice)
    bystander = router.add_worker("Bob", activity="Offline")
    worker = new_worker(router, alice)
    handled: list[str] = []
    worker.serve(lambda reservation: handled.append(reservation.task.sid), existing=False)
    with worker:
        (accepted,) = [each for each in worker.reservations.values() if each.status == "accepted"]
        accepted.complete().result(SOON)
        new = router.create_task()
        becomes(router, new, "completed")
    assert handled == [new] and bystander


def test_a_lost_connection_serves_nothing_twice(router: LocalTaskRouter, alice: str) -> None:
    """The reservation that is worked on is not begun again when the connection comes back."""
    worker = new_worker(router, alice)
    go_on, handled = threading.Event(), []

    @worker.serve(concurrency=3)
    def handle(reservation: Reservation) -> str:
        handled.append(reservation.task.sid)
        assert go_on.wait(SOON)
        return "once"

    ready: list[Worker] = []
    worker.on("ready", ready.append)
    with worker:
        first = router.create_task()
        eventually(lambda: handled)
        router.faults.drop(alice)
        eventually(lambda: len(ready) == 2)
        second = router.create_task()
        eventually(lambda: len(handled) == 2)
        go_on.set()
        for task in (first, second):
            assert becomes(router, task, "completed").reason == "once"
    assert handled == [first, second]


def test_a_redefined_handler(router: LocalTaskRouter, alice: str) -> None:
    """A notebook's cell that is run again: the new version serves what comes next."""
    cell = "@worker.serve\ndef handle(reservation):\n    return version\n"
    with new_worker(router, alice) as worker:
        for version in ("first", "second"):
            exec(cell, {"worker": worker, "version": version, "__name__": "__main__"})
            assert becomes(router, router.create_task(), "completed").reason == version
