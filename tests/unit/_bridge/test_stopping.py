"""A stop, step by step: moving the worker, and rejecting what was offered and not begun."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from twilio_taskrouter_worker import ClosedError, NetworkError
from twilio_taskrouter_worker._bridge.stopping import Stop
from twilio_taskrouter_worker._bridge.work import Work


class Offer:
    """A reservation whose rejection is answered, or refused, as the test says."""

    def __init__(self, sid: str, status: str = "pending", failure: Exception | None = None) -> None:
        self.sid = sid
        self.status = status
        self.answer: Future[Any] = Future()
        self.asked = 0
        self._failure = failure

    def reject(self) -> Future[Any]:
        self.asked += 1
        if self._failure is not None:
            raise self._failure
        return self.answer


class Stopping:
    """A stop whose worker has no callback under way."""

    def __init__(self, hurry: Callable[[], bool] = lambda: False) -> None:
        self.work = Work()
        self.dispatcher = SimpleNamespace(declining=False, declined=[], calling=None, put_first=lambda step: step())
        connection = SimpleNamespace(dispatcher=self.dispatcher, ended=threading.Event())
        state = SimpleNamespace(worker_sid="WK1", worker=None)
        deadline = time.monotonic() + 60.0
        self.stop = Stop(state, connection, self.work, deadline, hurry)  # type: ignore[arg-type]

    def move(self, available: bool, waiting: list[Any], answer: Future[Any]) -> None:
        """Move the worker to an activity; the service's answer is given."""
        activity = SimpleNamespace(name="Break", available=available, set_as_current=lambda: answer)
        self.stop.take_activity(activity, waiting)  # type: ignore[arg-type]


def done(error: Exception | None = None) -> Future[Any]:
    """An answer."""
    future: Future[Any] = Future()
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return future


def test_offers_are_rejected_in_an_unavailable_activity() -> None:
    """What is pending is rejected once, also what comes while the stop waits; what has ended is left alone."""
    stopping, first, ended, late = Stopping(), Offer("WR1"), Offer("WR2", "timeout"), Offer("WR3")
    stopping.move(False, [first, ended], done())
    stopping.dispatcher.declined.append(late)
    for offer in (first, late):
        offer.answer.set_result(None)
    assert stopping.stop.wait(None) == []
    assert [offer.asked for offer in (first, ended, late)] == [1, 0, 1]
    assert stopping.work.jobs() == [] and stopping.dispatcher.declining


def test_offers_are_left_in_an_available_activity() -> None:
    """There they would be offered to this worker again."""
    stopping, offer = Stopping(), Offer("WR1")
    stopping.move(True, [offer], done())
    assert stopping.stop.wait(None) == [] and offer.asked == 0


def test_a_move_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged, and nothing is rejected: the service would offer it to this worker again."""
    stopping, offer = Stopping(), Offer("WR1")
    stopping.move(False, [offer], done(NetworkError("no answer")))
    assert stopping.stop.wait(None) == [] and offer.asked == 0
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (logging.WARNING, "Worker WK1: could not be moved to activity 'Break' before it stops: no answer")
    ]


def test_a_move_that_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """A second signal ends the wait for the answer."""
    stopping = Stopping(hurry=lambda: True)
    stopping.move(False, [], Future())
    assert [each.getMessage().rpartition(": ")[2] for each in caplog.records] == ["no answer yet"]


def test_a_rejection_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with the reservation, and the stop does not wait for it any longer."""
    stopping, offer = Stopping(), Offer("WR1")
    stopping.move(False, [offer], done())
    offer.answer.set_exception(NetworkError("no answer"))
    assert stopping.stop.wait(None) == []
    assert [each.getMessage() for each in caplog.records] == ["Worker WK1: could not reject WR1: no answer"]


def test_another_thread_disconnects_meanwhile() -> None:
    """Calls are refused from then on: the rest is not asked for."""
    stopping, offers = Stopping(), [Offer("WR1", failure=ClosedError("disconnected")), Offer("WR2")]
    stopping.move(False, offers, done())
    assert stopping.stop.wait(None) == []
    assert offers[1].asked == 0 and stopping.work.jobs() == []
