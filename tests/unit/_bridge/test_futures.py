"""Following: a Future that ends as another one does, and tells when everybody has heard of it."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, wait

import pytest

from twilio_taskrouter_worker._bridge import futures
from twilio_taskrouter_worker._bridge.futures import Following


def make() -> tuple[Future[int], Following[int], list[str]]:
    """An inner Future, the one that follows it, and the list in which ``heard`` is noted."""
    inner: Future[int] = Future()
    notes: list[str] = []
    return inner, Following(inner, lambda: notes.append("heard")), notes


def test_a_result() -> None:
    """The result is passed on, and ``heard`` runs after all callbacks, once."""
    inner, following, notes = make()
    following.add_done_callback(lambda future: notes.append("first"))
    following.add_done_callback(lambda future: notes.append("second"))
    inner.set_running_or_notify_cancel()
    assert following.running() and not following.cancel()
    inner.set_result(5)
    assert following.result(0) == 5
    assert notes == ["first", "second", "heard"]


def test_an_error() -> None:
    """So is an exception."""
    inner, following, notes = make()
    error = ValueError("x")
    following.add_done_callback(lambda future: notes.append("first"))
    inner.set_exception(error)
    assert following.exception(0) is error
    assert notes == ["first", "heard"]


def test_canceling() -> None:
    """Canceling cancels the Future that is followed, wakes those who wait, and is heard of."""
    inner, following, notes = make()
    following.add_done_callback(lambda future: notes.append("first"))
    assert following.cancel()
    assert inner.cancelled() and following.cancelled()
    assert wait([following], 1).done == {following}
    with pytest.raises(CancelledError):
        following.result(0)
    assert notes == ["first", "heard"]


def test_a_callback_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """``heard`` waits for callbacks a while only, and does not run again when the last one is over."""
    monkeypatch.setattr(futures, "HEARD_AT_MOST", 0.01)
    inner: Future[int] = Future()
    heard = threading.Event()
    count: list[int] = []

    def note() -> None:
        count.append(1)
        heard.set()

    following = Following(inner, note)
    following.add_done_callback(lambda future: heard.wait(5))
    inner.set_result(1)
    assert heard.is_set()
    assert count == [1]
