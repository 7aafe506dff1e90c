"""Taking a worker back after a timeout: what is done when the service refuses it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from twilio_taskrouter_worker import ClosedError
from twilio_taskrouter_worker._bridge.returning import Return


class Moved:
    """A worker that is not available, and notes the activities it is to be moved to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.available = False
        self.stopping = threading.Event()
        self.activities: list[object] = []
        self.answers: list[Future[Any]] = []
        self._failure = failure

    def set_activity(self, activity: object) -> Future[Any]:
        self.activities.append(activity)
        if self._failure is not None:
            raise self._failure
        self.answers.append(Future())
        return self.answers[-1]


def listener(**ended: str) -> Any:
    """A listener whose worker has had reservations that ended so."""
    return Return(SimpleNamespace(ended=ended, worker_sid="WK1"), "Ready")  # type: ignore[arg-type]


def test_each_timeout_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    """The worker is moved for a timeout, and not again for the same one; success is not logged."""
    worker, back = Moved(), listener(WR1="timeout", WR2="completed")
    back(worker)
    worker.answers[0].set_result(None)
    assert worker.activities == ["Ready"]
    assert back._back(worker) is False
    assert worker.activities == ["Ready"] and not caplog.records


@pytest.mark.parametrize("state", ["available", "stopping"])
def test_a_worker_that_need_not_be_moved(state: str) -> None:
    """One that is available again, or stops, is left where it is; the timeout counts as seen."""
    worker, back = Moved(), listener(WR1="timeout")
    if state == "available":
        worker.available = True
    else:
        worker.stopping.set()
    assert back._back(worker) is True
    assert worker.activities == []


@pytest.mark.parametrize("error", [ClosedError("disconnected"), ValueError("no such activity")])
def test_a_call_that_is_refused_at_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged with the worker and the activity, and does not reach the dispatcher."""
    listener(WR1="timeout")(Moved(error))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"Worker WK1: could not return to 'Ready' after a reservation timed out: {error}"


def test_an_answer_that_refuses_it(caplog: pytest.LogCaptureFixture) -> None:
    """A call that fails later is logged as well."""
    worker = Moved()
    listener(WR1="timeout")(worker)
    worker.answers[0].set_exception(ClosedError("disconnected"))
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["disconnected"]
