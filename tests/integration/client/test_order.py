"""Calls that nobody waits for: those that change the same thing are sent one after the other, all others at once."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from tests.integration.client.event_recorder import connected
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Hang, Reply
from tests.tools.seams import calls_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker import (
    ClosedError,
    RequestRejectedError,
    RequestTimeoutError,
    Reservation,
    ServerError,
    Worker,
)
from twilio_taskrouter_worker._bridge.threads import POOL
from twilio_taskrouter_worker.local import LocalTaskRouter

OWN = r"Workers/\w+$"
SOON = 20.0


def change(worker: Worker, number: int) -> Future[Worker]:
    return worker.set_attributes({"n": number})


def numbers(bridge: RecordingBridge) -> list[int]:
    """The changes of the worker's attributes that reached the bridge, in order."""
    return [call.params["Attributes"]["n"] for call in bridge.calls_to(OWN, method="POST")]


def test_each_is_sent_when_the_one_before_has_its_answer(bridge: RecordingBridge) -> None:
    """A change that hangs keeps the next ones back; reads, and changes of other things, go at once."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Hang(), method="POST", times=1)
        futures = [change(worker, number) for number in range(3)]
        bridge.wait_for_call(OWN, method="POST", timeout=SOON)
        assert worker.fetch_latest_version().result(SOON) is worker
        bridge.on_call("Tasks$", {"sid": "WTnew"})
        assert worker.create_task("a", "b", "WW1", "WQ1").result(SOON) == "WTnew"
        assert numbers(bridge) == [0]
        assert not any(future.done() for future in futures)
        bridge.release()
        assert [future.result(SOON) for future in futures] == [worker] * 3
        assert numbers(bridge) == [0, 1, 2]


def test_a_failure_fails_nobody_else(bridge: RecordingBridge) -> None:
    """The next one is sent all the same."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(500, {"message": "no"}), method="POST", times=1)
        first, second = change(worker, 1), change(worker, 2)
        assert isinstance(first.exception(SOON), ServerError)
        assert second.result(SOON) is worker
        assert numbers(bridge) == [1, 2]


def test_a_retry_keeps_those_behind_waiting(bridge: RecordingBridge) -> None:
    """Also in the pause between two attempts nobody overtakes."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(503, {"message": "later"}, {"Retry-After": "0"}), method="POST", times=2)
        futures = [change(worker, number) for number in range(3)]
        assert [future.result(SOON) for future in futures] == [worker] * 3
        assert numbers(bridge) == [0, 0, 0, 1, 2]


def test_a_call_that_waits_can_be_cancelled(bridge: RecordingBridge) -> None:
    """It is never sent, whoever waits for it is told, and those behind it keep waiting for those before it."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Hang(), method="POST", times=1)
        futures = [change(worker, number) for number in range(3)]
        bridge.wait_for_call(OWN, method="POST", timeout=SOON)
        assert futures[1].cancel() and not futures[0].cancel()
        with pytest.raises(CancelledError):
            futures[1].result(SOON)
        POOL.drain(0.1)
        assert numbers(bridge) == [0]
        bridge.release()
        assert futures[2].result(SOON) is worker
        assert numbers(bridge) == [0, 2]


def test_a_call_that_expires_while_it_waits_is_never_sent(bridge: RecordingBridge) -> None:
    """Its time counts from the call; the error says that it was not sent. Then the next ones go."""
    with connected(bridge, request_timeout=60.0) as (worker, _):
        bridge.on_call(OWN, Hang(), method="POST", times=1)
        first = change(worker, 1)
        calls_of(worker).timeout = 0.2
        second = change(worker, 2)
        error = second.exception(SOON)
        assert isinstance(error, RequestTimeoutError) and "was not sent" in error.message
        calls_of(worker).timeout = 60.0
        third = change(worker, 3)
        bridge.release()
        assert first.result(SOON) is third.result(SOON) is worker
        assert numbers(bridge) == [1, 3]


def test_a_call_that_expires_on_the_wire_lets_the_next_one_go(bridge: RecordingBridge) -> None:
    """Its answer may never come."""
    with connected(bridge, request_timeout=60.0) as (worker, _):
        bridge.on_call(lambda call: call.params.get("Attributes") == {"n": 1}, Hang())
        calls_of(worker).timeout = 1.0
        first = change(worker, 1)
        calls_of(worker).timeout = 60.0
        second = change(worker, 2)
        error = first.exception(SOON)
        assert isinstance(error, RequestTimeoutError) and "had no complete answer" in error.message
        assert second.result(SOON) is worker
        assert numbers(bridge)[-1] == 2
        bridge.release()


def test_disconnecting_names_the_calls_that_were_not_sent(bridge: RecordingBridge) -> None:
    """What is on the wire may have been done; what waits behind it was not sent, and never is."""
    with connected(bridge, request_timeout=60.0) as (worker, _):
        bridge.on_call(OWN, Hang(), method="POST", times=1)
        first, second = change(worker, 1), change(worker, 2)
        bridge.wait_for_call(OWN, method="POST", timeout=SOON)
        worker.disconnect()
        assert isinstance(first.exception(30), ClosedError) and "may or may not" in str(first.exception())
        assert isinstance(second.exception(30), ClosedError) and "It was not sent" in str(second.exception())
        worker.connect(SOON)
        assert change(worker, 3).result(SOON) is worker
        assert numbers(bridge) == [1, 3]
        bridge.release()


def test_a_callback_may_wait_for_the_next_call(bridge: RecordingBridge) -> None:
    """A call is sent before the callbacks of the one before it run."""
    with connected(bridge) as (worker, _):
        results: list[Any] = []
        bridge.on_call(OWN, Hang(), method="POST", times=1)
        first, second = change(worker, 1), change(worker, 2)
        first.add_done_callback(lambda done: results.append(second.result(SOON)))
        bridge.wait_for_call(OWN, method="POST", timeout=SOON)
        bridge.release()
        eventually(lambda: results == [worker], SOON)


# -- what is the same thing, with the local TaskRouter -----------------------------------------------------------------


class Alice:
    """A connected worker with an offer."""

    def __init__(self, router: LocalTaskRouter, **options: Any) -> None:
        self.router = router
        self.sid = router.add_worker("Alice", attributes={}, activity="Available")
        self.worker = Worker(router.token(self.sid), **router.connection, **options)
        offers: list[Reservation] = []
        self.worker.on("reservation_created", offers.append)
        self.worker.connect()
        self.task_sid = router.create_task({"a": 1})
        eventually(lambda: offers, SOON)
        self.reservation = offers[0]


@pytest.fixture(params=[False, True], ids=["plain", "with versions"])
def alice(router: LocalTaskRouter, request: pytest.FixtureRequest) -> Iterator[Alice]:
    alice = Alice(router, enable_version_check=request.param)
    yield alice
    alice.worker.disconnect()


def test_a_task_and_its_reservation(alice: Alice) -> None:
    """A whole life without waiting for anything; a version that an earlier call changed is that of the sending."""
    task = alice.reservation.task
    futures: list[Future[Any]] = [
        alice.reservation.accept(),
        task.set_attributes({"a": 2}),
        task.set_attributes({"a": 3}),
        task.wrap_up(reason="almost"),
        task.complete("done"),
    ]
    assert [future.exception(SOON) for future in futures] == [None] * 5
    found = alice.router.task(alice.task_sid)
    assert (found.assignment_status, found.attributes) == ("completed", '{"a":3}')


def test_the_worker(alice: Alice) -> None:
    """Attributes and activity, also where rejecting a reservation changes the activity."""
    worker = alice.worker
    futures: list[Future[Any]] = [worker.set_attributes({"n": number}) for number in range(5)]
    futures.append(worker.set_activity("Unavailable"))
    futures.append(alice.reservation.reject(activity_sid=alice.router.activities["Unavailable"]))
    futures.append(worker.set_activity("Offline"))
    assert [future.exception(SOON) for future in futures] == [None] * 8
    found = alice.router.worker(alice.sid)
    assert (found.attributes, found.activity_sid) == ('{"n":4}', alice.router.activities["Offline"])


def test_a_failure_that_nobody_looks_at(alice: Alice, caplog: pytest.LogCaptureFixture) -> None:
    """A second accept that is not waited for: a WARNING with its call and its sids."""
    alice.reservation.accept()
    alice.reservation.accept()

    def warned() -> list[logging.LogRecord]:
        gc.collect()
        return [each for each in caplog.records if "was never checked" in each.getMessage()]

    (record,) = eventually(warned, SOON)
    assert alice.reservation.sid in record.getMessage() and alice.task_sid in record.getMessage()
    assert RequestRejectedError.__name__ in record.getMessage() or "VersionConflictError" in record.getMessage()
    assert vars(record)["reservation_sid"] == alice.reservation.sid
    assert vars(record)["event"] == "unawaited"


def test_a_failure_that_nobody_looks_at_as_an_event(router: LocalTaskRouter) -> None:
    """With ``report_unawaited`` it also fires ``error``, on the dispatch thread."""
    alice = Alice(router, report_unawaited=True)
    errors: list[Any] = []
    alice.worker.on("error", errors.append)
    alice.reservation.accept()
    alice.reservation.accept()
    eventually(lambda: gc.collect() >= 0 and errors, SOON)
    assert isinstance(errors[0], RequestRejectedError)
    alice.worker.disconnect()


def test_checked_failures_are_not_logged(alice: Alice, caplog: pytest.LogCaptureFixture) -> None:
    """Neither are calls that succeeded."""
    looks: list[Callable[[], Any]] = [alice.reservation.accept, alice.reservation.accept]
    for look in looks:
        look().exception(SOON)
    alice.worker.set_attributes({"n": 2})
    alice.worker.fetch_latest_version().result(SOON)
    gc.collect()
    assert "was never checked" not in caplog.text
