"""A Worker between its connections: what comes then has no effect, and nothing of a failed start is left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.tools.shortage import refuse_threads
from tests.tools.wait import no_leftover_threads
from tests.unit._bridge.service import Client, Service, message
from twilio_taskrouter_worker import ClosedError, NetworkError, TaskRouterError, Worker
from twilio_taskrouter_worker._bridge.waiting import Waiting
from twilio_taskrouter_worker._token_source import TokenSource
from twilio_taskrouter_worker.single import ProcessLock


def test_a_start_without_threads_releases_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file of ``single`` is free again for another process, and the next connect() of this one may try again."""
    refuse_threads(monkeypatch, lambda name: name.startswith("taskrouter-worker"))
    path = tmp_path / "alice.lock"
    worker = Worker("token", single=path)
    with no_leftover_threads():
        with pytest.raises(TaskRouterError, match="no more threads"):
            worker.connect()
    assert not worker.health().running
    other = ProcessLock(path)
    assert other.acquire()
    other.release()


def test_a_provider_that_fails_between_two_connections() -> None:
    """The token stays, and no listener hears of it: the next connection asks again."""
    errors: list[object] = []

    def provider() -> str:
        raise KeyError("shift")

    worker = Worker("token", token_provider=provider)
    worker.on("error", errors.append)
    worker._renew_token()
    assert worker._token == "token" and not worker._renewing
    assert not errors


def test_events_too_late_for_a_connection() -> None:
    """Failures that nobody checked, messages held back and refused tokens have no listener any more."""
    errors: list[object] = []
    worker = Worker("token")
    worker.on("error", errors.append)
    worker._report_error(NetworkError("late"))
    worker._token_refused("token")
    worker._release(list)
    assert not errors
    assert not worker.health().running


def test_an_event_just_before_the_end() -> None:
    """The wait returns the event, although the connection ends before it has woken up."""
    waiting, dispatch, detached = Waiting(), threading.Thread(), []
    waiting.open(dispatch)

    class Emitter:
        def _attach(self, event: str, listener: Any) -> None:
            listener.callback("first")
            waiting.close(ClosedError("The worker was disconnected"), dispatch)

        def _detach(self, event: str, listener: Any) -> None:
            detached.append(event)

    emitter: Any = Emitter()
    assert waiting.for_event(emitter, "ready", 5.0, None) == ("first",)
    assert detached == ["ready"]


def test_a_token_that_another_thread_has_fetched_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is not asked twice."""

    def provider() -> str:
        raise AssertionError("asked again")

    source: Any = TokenSource(None, provider)

    class Lock:
        def __enter__(self) -> None:
            source._token = "fetched"

        def __exit__(self, *_: object) -> None: ...

    source._lock = Lock()
    monkeypatch.setattr(source, "_ends_soon", lambda token: False)
    assert source.current() == "fetched"


def test_an_acceptance_refused_after_another_one() -> None:
    """The error says so, and the acceptance of another session counts once."""
    service = Service()
    client = Client(service)
    service.create()
    client.take_over()
    (reservation,) = client.state.reservations.values()
    service.change("WR1", "accepted")
    # As the answer of fetch_latest_version() does, before the event.
    reservation._answered(service.bare("WR1"))
    for _ in range(2):
        assert reservation._why_not_accepted().startswith("It is accepted already")
    assert client.worker.health().foreign_accepts == 1


def test_the_first_event_of_an_earlier_transfer_comes_late() -> None:
    """The later transfer stays the current one; further events of the earlier one find it."""
    service = Service()
    client = Client(service)
    client.take_over()
    client.hear(service.create(), service.change("WR1", "accepted"))
    client.hear(message("task.transfer-initiated", service.transfer("WR1", 2)))
    client.hear(message("task.transfer-failed", service.transfer("WR1", 1, "failed")))
    (reservation,) = client.state.reservations.values()
    outgoing = reservation.task.transfers.outgoing
    assert outgoing is not None and outgoing.sid == "TT2"
    assert [each.status for each in reservation.task._replaced.values()] == ["failed"]
