"""Taking a worker back after a timeout: what is done when the service refuses it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from twilio_taskrouter_worker import ClosedError
from twilio_taskrouter_worker._bridge.returning import Return
from twilio_taskrouter_worker._bridge.work import Work


class Moved:
    """A worker that is not available, and notes the activities it is to be moved to; ``back`` is its listener."""

    def __init__(self, failure: Exception | None = None, **ended: str) -> None:
        self.available = False
        self.work = Work()
        self.activities: list[object] = []
        self.answers: list[Future[Any]] = []
        self._failure = failure
        state = SimpleNamespace(ended=ended, worker_sid="WK1", find_activity=self._find)
        self.back: Any = Return(state, self.work, "Ready", 1.0)  # type: ignore[arg-type]

    def _find(self, name: str, wanted: object) -> SimpleNamespace:
        self.activities.append(wanted)
        return SimpleNamespace(set_as_current=self._set_as_current)

    def _set_as_current(self) -> Future[Any]:
        if self._failure is not None:
            raise self._failure
        self.answers.append(Future())
        return self.answers[-1]


def test_each_timeout_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    """The worker is moved for a timeout, and not again for the same one; success is not logged."""
    worker = Moved(WR1="timeout", WR2="completed")
    worker.back(worker)
    worker.answers[0].set_result(None)
    assert worker.activities == ["Ready"]
    assert worker.back._back(worker) is False
    assert worker.activities == ["Ready"] and not caplog.records


class Meeting(set[str]):
    """The timeouts that counted; once one thread has read them, the other one looks for timeouts too."""

    other: threading.Thread | None = None

    def __init__(self, back: Callable[[], object]) -> None:
        super().__init__()
        self._back = back

    def __rsub__(self, found: Any) -> set[str]:
        left = set(found) - set(self)
        if self.other is None:
            self.other = threading.Thread(target=self._back)
            self.other.start()
            # If it has to wait for this thread, as it should, it has not ended by then.
            self.other.join(0.2)
        return left


def test_a_timer_and_an_event_at_once() -> None:
    """The worker is moved once for a timeout, whichever of the two threads is first."""
    worker = Moved(WR1="timeout")
    meeting = worker.back._seen = Meeting(lambda: worker.back._back(worker))
    worker.back(worker)
    assert meeting.other is not None
    meeting.other.join(30)
    assert worker.activities == ["Ready"]


@pytest.mark.parametrize("state", ["available", "stopping"])
def test_a_worker_that_need_not_be_moved(state: str) -> None:
    """One that is available again, or stops, is left where it is; the timeout counts as seen."""
    worker = Moved(WR1="timeout")
    if state == "available":
        worker.available = True
    else:
        worker.work.stopping.set()
    assert worker.back._back(worker) is True
    assert worker.activities == []


@pytest.mark.parametrize("error", [ClosedError("disconnected"), ValueError("no such activity")])
def test_a_call_that_is_refused_at_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged with the worker and the activity, and does not reach the dispatcher."""
    worker = Moved(error, WR1="timeout")
    worker.back(worker)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"Worker WK1: could not return to 'Ready' after a reservation timed out: {error}"


def test_an_answer_that_refuses_it(caplog: pytest.LogCaptureFixture) -> None:
    """A call that fails later is logged as well."""
    worker = Moved(WR1="timeout")
    worker.back(worker)
    worker.answers[0].set_exception(ClosedError("disconnected"))
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["disconnected"]
