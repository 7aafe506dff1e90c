"""The receiving thread's steps: errors that no peer can be made to cause."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from twilio_taskrouter_worker import GatewayConnectionError
from twilio_taskrouter_worker._bridge import receiving
from twilio_taskrouter_worker._bridge.actions import Connect
from twilio_taskrouter_worker._bridge.receiving import Receiver
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.timings import Timings

URL = "ws://bridge.example/"


class Heard:
    """A session that notes what it is told, and its receiver."""

    def __init__(self, state: State = State.CONNECTING) -> None:
        self.failures: list[Any] = []
        self.ends: list[tuple[int | None, str]] = []
        session: Any = SimpleNamespace(
            state=state,
            connect_failed=lambda failure, now: self.failures.append(failure),
            closed=lambda code, reason, now: self.ends.append((code, reason)),
        )
        self.receiver = Receiver(
            URL,
            Timings(),
            None,
            session,
            threading.Lock(),
            self.tell,
            lambda action: None,
            lambda error: error,
            lambda: "WK1",
            "unit-recv",
        )

    def tell(self, event: Callable[[float], object]) -> None:
        """Pass an event to the session."""
        event(0.0)


class Broken:
    """A websocket of which every step fails as none should."""

    def __init__(self, *args: object) -> None: ...

    def open(self, seconds: float) -> None:
        raise RuntimeError("a defect")

    def read(self) -> list[bytes]:
        raise RuntimeError("a defect")


def test_an_unforeseen_failure_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as a failed attempt, with the class of the error: the thread goes on."""
    monkeypatch.setattr(receiving, "Socket", Broken)
    heard = Heard()
    assert heard.receiver._open(Connect(())) is None
    (failure,) = heard.failures
    assert type(failure) is GatewayConnectionError
    assert failure.message == f"Could not connect to {URL}: RuntimeError"
    assert isinstance(failure.__cause__, RuntimeError)
    with heard.receiver._lock:
        assert heard.receiver.send_close() is None, "there is no websocket to close"


def test_disconnected_before_the_websocket_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not opened any more, and no failure is reported."""
    monkeypatch.setattr(receiving, "Socket", Broken)
    heard = Heard(State.CLOSED)
    assert heard.receiver._open(Connect(())) is None
    assert heard.failures == []


def test_an_unforeseen_failure_to_read() -> None:
    """It ends the connection, and not the thread: without it no event would come any more."""
    heard, socket = Heard(), Broken()
    heard.receiver._read(socket)  # type: ignore[arg-type]
    assert heard.ends == [(None, "The websocket could not be read: RuntimeError")]
