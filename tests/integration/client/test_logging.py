"""The log of a worker against a real service: one line for each step, with the sids of what it is about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.client.event_recorder import EventRecorder
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Reservation, Worker, _log
from twilio_taskrouter_worker.local import LocalTaskRouter

ROOT = "twilio_taskrouter_worker"


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """Give a service whose time is moved by hand."""
    with LocalTaskRouter(clock="virtual") as router:
        yield router


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Record everything from INFO on."""
    caplog.set_level(logging.INFO, ROOT)
    return caplog


def lines(log: pytest.LogCaptureFixture, topic: str) -> list[str]:
    """Level and text of what one logger has written, without sids."""
    return [
        f"{record.levelname} {record.getMessage().partition(': ')[2]}"
        for record in log.records
        if record.name == f"{ROOT}.{topic}"
    ]


def record_of(log: pytest.LogCaptureFixture, text: str) -> Any:
    """The one record with this text."""
    (found,) = [record for record in log.records if text in record.getMessage()]
    return found


def new_worker(router: LocalTaskRouter, activity: str = "Available") -> Worker:
    """A worker, not connected yet."""
    return Worker(router.token(router.add_worker("Alice", activity=activity)), **router.connection)


def test_the_life_of_a_connection(router: LocalTaskRouter, log: pytest.LogCaptureFixture) -> None:
    """Connecting, ready, disconnected with the reason, reconnecting with the delay; then the end."""
    worker = new_worker(router)
    recorder = EventRecorder(worker)
    with worker:
        router.faults.drop(worker.sid)
        recorder.wait_for("ready", 2, timeout=30)
    steps = [line.split(" in ")[0].split(" to ws")[0] for line in lines(log, "connection")]
    assert steps[0] == "INFO connecting"
    assert steps[1] == "INFO ready, with activity 'Available' and 0 open reservations"
    assert steps[2].startswith("INFO disconnected: ")
    assert steps[3:] == ["INFO reconnecting", "INFO connecting", steps[1], "INFO disconnected: SDK Disconnect"]
    assert {vars(record)["worker_sid"] for record in log.records if "ready" in record.getMessage()} == {worker.sid}


def test_a_reservation_that_times_out_is_a_warning(router: LocalTaskRouter, log: pytest.LogCaptureFixture) -> None:
    """Offered is INFO; timed out is a WARNING that names what follows for the worker, which it then shows."""
    with new_worker(router) as worker:
        recorder = EventRecorder(worker)
        task_sid = router.create_task({})
        reservation: Reservation = recorder.wait_for("reservation_created")
        router.clock.advance(121)
        eventually(lambda: not worker.activity.available)
        eventually(lambda: any("activity is" in line for line in lines(log, "events")))
    offered, timed_out = record_of(log, "was offered"), record_of(log, "timed out")
    for record, event in ((offered, "reservation_created"), (timed_out, "timeout")):
        assert (record.worker_sid, record.task_sid, record.reservation_sid, record.event) == (
            worker.sid, task_sid, reservation.sid, event,
        )  # fmt: skip
    assert (offered.levelno, timed_out.levelno) == (logging.INFO, logging.WARNING)
    assert "INFO the activity is 'Offline' now (not available)" in lines(log, "events")


def test_a_callback_that_raises_is_named(router: LocalTaskRouter, log: pytest.LogCaptureFixture) -> None:
    """Its name, the event, the sids and a traceback without a frame of the library."""

    def handle(reservation: Reservation) -> None:
        raise LookupError("no such customer")

    with new_worker(router) as worker:
        worker.on("reservation_created", handle)
        recorder = EventRecorder(worker)
        router.create_task({})
        reservation: Reservation = recorder.wait_for("reservation_created")
        eventually(lambda: lines(log, "callbacks"))
    record = record_of(log, "raised LookupError")
    assert f"{__name__}.test_a_callback_that_raises_is_named.<locals>.handle" in record.getMessage()
    assert record.reservation_sid == reservation.sid and record.event == "reservation_created"
    trace = record.exc_info[2]
    assert trace.tb_frame.f_code.co_name == "handle" and trace.tb_next is None


def test_a_call_that_fails_in_a_callback_is_one_line(router: LocalTaskRouter, log: pytest.LogCaptureFixture) -> None:
    """What the service said, and where the user's code asked for it; no traceback of HTTP libraries."""

    def handle(reservation: Reservation) -> None:
        reservation.task.complete("too early").result(30)

    with new_worker(router) as worker:
        worker.on("reservation_created", handle)
        router.create_task({})
        eventually(lambda: lines(log, "callbacks"))
    record = record_of(log, "handle of")
    assert "raised RequestRejectedError at test_logging.py:" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.usefixtures("slow_reconnections")
def test_many_workers_that_lose_the_service_are_summed_up(
    router: LocalTaskRouter, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty workers that cannot connect are two lines: the first, and one for ten more."""
    # However long a busy machine takes for thirty attempts.
    monkeypatch.setattr(_log, "_REPEATS", _log.Repeats(period=600.0))
    workers = [Worker(router.token(router.add_worker(f"W{n}")), **router.connection) for n in range(30)]
    router.faults.refuse_connects()
    futures = [worker.start() for worker in workers]
    try:
        eventually(lambda: sum("reconnecting" in line for line in lines(log, "connection")) == 30)
    finally:
        for worker in workers:
            worker.disconnect()
    assert all(future.exception() for future in futures)
    warnings = [record for record in log.records if record.levelno >= logging.WARNING]
    assert ["of these" in record.getMessage() for record in warnings] == [False, True]
    assert all(record.exc_info is None for record in warnings)


def test_a_handler_that_raises_ends_nothing(
    router: LocalTaskRouter, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log handler is the application's code: where it raises at every line, the worker goes on."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the disk is full")

    monkeypatch.setattr(logging, "raiseExceptions", False)
    broken = Broken()
    logging.getLogger(ROOT).addHandler(broken)
    try:
        with new_worker(router) as worker:
            recorder = EventRecorder(worker)
            router.faults.drop(worker.sid)
            recorder.wait_for("ready", timeout=30)
            worker.on("reservation_created", lambda reservation: 1 / 0)
            router.create_task({})
            recorder.wait_for("reservation_created")
            router.clock.advance(121)
            eventually(lambda: not worker.activity.available)
    finally:
        logging.getLogger(ROOT).removeHandler(broken)
