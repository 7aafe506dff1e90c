"""What all tests of the client share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from tests.oracle.bridge import RecordingBridge
from tests.tools.workers import add_alice
from twilio_taskrouter_worker import Worker, _log
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A local TaskRouter of the test's own."""
    with LocalTaskRouter() as router:
        yield router


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    """The sid of an available worker who takes three tasks at a time."""
    return add_alice(router, 3)


@pytest.fixture
def bridge() -> Iterator[RecordingBridge]:
    """A bridge without heartbeats, which records the requests."""
    with RecordingBridge() as bridge:
        yield bridge


@pytest.fixture
def timings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change how long the connections of this test wait for what; see the record Timings."""

    def change(**seconds: Any) -> None:
        monkeypatch.setattr(Worker, "_timings", attrs.evolve(Worker._timings, **seconds))

    return change


@pytest.fixture(autouse=True)
def quick_reconnections(timings: Callable[..., None]) -> None:
    """Reconnect after 50 ms instead of a second; how the delays grow is tested without a socket."""
    timings(backoff_min=0.05, random=lambda: 0.0)


@pytest.fixture(autouse=True)
def nothing_logged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold back no line because another test has logged the same a moment ago."""
    monkeypatch.setattr(_log, "_REPEATS", _log.Repeats())


@pytest.fixture
def unknown_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer look-ups of names under ``.invalid`` at once; a network's name server may be slow, or not there."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).rstrip(".").endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def slow_reconnections(quick_reconnections: None, timings: Callable[..., None]) -> None:
    """Reconnect after 30 s: for what happens in between."""
    timings(backoff_min=30.0)
