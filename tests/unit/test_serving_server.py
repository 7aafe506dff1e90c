"""The handler of ``serve`` and its steps without a service: ends, failures, decisions that cannot be carried out."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import ClosedError, Complete, Reject, Reservation, Transfer, Worker, serving
from twilio_taskrouter_worker._bridge.steps import Steps
from twilio_taskrouter_worker._bridge.work import Work
from twilio_taskrouter_worker.events import Listener
from twilio_taskrouter_worker.testing import calls_of, make_reservation

SOON = 30.0


def disconnected(*args: object, **options: object) -> NoReturn:
    """The worker is disconnected when this step is made."""
    raise ClosedError("The worker was disconnected")


def invalid(*args: object) -> NoReturn:
    """An argument of the decision is invalid."""
    raise ValueError("no such mode")


def handle(reservation: Reservation) -> str:
    """Complete the task."""
    return "done"


class Served:
    """A server with a handler, and a worker that is not connected."""

    def __init__(self, handler: Any = handle) -> None:
        worker = Worker("token")
        self.work, self.server = worker._work, worker._server
        self.server.listener(handler, 1, False, "reject", None)

    def serve(self, reservation: Reservation) -> None:
        """Offer it, and wait until the thread that handled it has ended."""
        with no_leftover_threads():
            self.server.offered(reservation)
            eventually(lambda: not self.work.jobs(), SOON)

    def decide(self, reservation: Reservation, decided: Any) -> None:
        """Carry out what a callback on an executor has decided."""
        job = self.work.add("reservation_created", reservation)
        self.server._decide(reservation, decided, job, Listener(handle))


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """The log of this level."""
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_a_reservation_is_served() -> None:
    """It is accepted, and the handler's value is acted on."""
    served, reservation = Served(), make_reservation()
    served.serve(reservation)
    assert [call.name for call in calls_of(reservation)] == ["accept", "complete_task"]


def test_an_earlier_process_had_run_the_handler() -> None:
    """A reservation that wraps up is completed, without the handler."""
    ran: list[Reservation] = []
    served, reservation = Served(ran.append), make_reservation(status="wrapping")
    served.serve(reservation)
    assert (reservation.status, ran) == ("completed", [])


def test_a_handler_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the task goes back to its queue."""
    served, reservation = Served(invalid), make_reservation()
    served.serve(reservation)
    assert [call.name for call in calls_of(reservation)][:2] == ["accept", "create_transfer"]
    assert "invalid of 'reservation_created' raised ValueError" in lines(caplog, logging.ERROR)[0]


def test_disconnected_while_it_accepts(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """This is no failure of the handler: it is noted, and the next reservation is served."""
    caplog.set_level(logging.INFO, "twilio_taskrouter_worker")
    served, first, second = Served(), make_reservation(), make_reservation(sid="WR" + "1" * 32)
    with monkeypatch.context() as patch:
        patch.setattr(served.server._steps, "accept", disconnected)
        served.serve(first)
    assert lines(caplog, logging.ERROR) == []
    assert lines(caplog, logging.INFO)[0].endswith("the worker was disconnected before it had ended")
    served.serve(second)
    assert second.task.status == "completed"


def test_disconnected_while_it_decides(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A decision of a callback on an executor is lost with the connection, and no job is left."""
    caplog.set_level(logging.INFO, "twilio_taskrouter_worker")
    served = Served()
    monkeypatch.setattr(served.server._steps, "accept", disconnected)
    served.decide(make_reservation(), Complete())
    assert lines(caplog, logging.INFO)[0].endswith("the worker was disconnected before a decision was carried out")
    assert served.work.jobs() == []


def test_a_decision_that_is_invalid(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is reported as an error of the callback, and no job is left."""
    served = Served()
    monkeypatch.setattr(served.server._steps, "carry_out", invalid)
    served.decide(make_reservation(), Complete())
    assert "handle of 'reservation_created' raised ValueError" in lines(caplog, logging.ERROR)[0]
    assert served.work.jobs() == []


def test_the_failures_that_are_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that failed least recently is forgotten first."""
    monkeypatch.setattr(serving, "REMEMBERED", 1)
    server = Served().server
    for digit in "12":
        server._pause_before_reject(make_reservation(task_sid="WT" + digit * 32))
    assert server._failures == {"WT" + "2" * 32: 1}


def test_a_stop_takes_pending_reservations() -> None:
    """What waits and is accepted is still served; what is pending is returned, once, and its job removed."""
    served = Served()
    pending, accepted = make_reservation(), make_reservation(sid="WR" + "1" * 32, status="accepted")
    # As if the only thread were busy.
    served.server._threads = 1
    for reservation in (pending, pending, accepted):
        served.server.offered(reservation)
    assert served.server.stop_taking() == [pending]
    assert [job.args for job in served.work.jobs()] == [(accepted,)]
    assert served.server.stop_taking() == []


class Ending:
    """A reservation that ends, by an event, once its status was read."""

    def __init__(self) -> None:
        self.sid, self._statuses = "WR1", ["timeout", "pending"]

    @property
    def status(self) -> str:
        """The status: pending when it is read first."""
        return self._statuses.pop() if len(self._statuses) > 1 else self._statuses[0]


def test_a_reservation_ends_while_a_stop_takes_it() -> None:
    """Its job is removed nevertheless: the stop would wait for it for ever."""
    served, ending = Served(), Ending()
    served.server._queue.append((ending, served.work.add("reservation_created", ending)))  # type: ignore[arg-type]
    assert served.server.stop_taking() == [ending]
    assert served.work.jobs() == [] and served.server._queue == []


def test_a_task_without_a_queue_is_not_returned(caplog: pytest.LogCaptureFixture) -> None:
    """It stays accepted, and the log has the reason; an activity that cannot be set is logged as well."""
    reservation: Any = SimpleNamespace(sid="WR1", worker_sid="WK1", task=SimpleNamespace(queue_sid=None))
    state: Any = SimpleNamespace(worker=None, find_activity=invalid)
    Steps(state, Work()).carry_out(reservation, Reject("Lunch"))
    activity, queue = lines(caplog, logging.ERROR)
    assert activity.endswith("reservation WR1: the activity 'Lunch' could not be set: no such mode")
    assert queue.endswith("its task is not in a queue; it stays accepted")


def test_a_transfer_of_a_task_that_has_ended() -> None:
    """Nothing is called for it any more."""
    reservation = make_reservation(status="accepted")
    reservation.task.complete("by the supervisor").result(0)
    before = calls_of(reservation)
    Steps(Worker("token")._state, Work()).carry_out(reservation, Transfer("WQ" + "1" * 32))
    assert calls_of(reservation) == before


def test_a_late_event_of_an_earlier_transfer() -> None:
    """The latest transfer stays the current one; the earlier one is known, for its events."""
    task = make_reservation(status="accepted").task
    task.transfer("WQ" + "1" * 32).result(0)
    latest = task.transfers.outgoing
    assert latest is not None
    payload = task._state._caller._transfer({"To": "WQ" + "2" * 32})  # type: ignore[attr-defined]
    earlier = "TT" + "9" * 32
    task._transfer_answered({**payload, "sid": earlier, "date_created": payload["date_created"] - 60})
    assert task.transfers.outgoing is latest
    known = task._known_outgoing(earlier)
    assert known is not None and known.sid == earlier
