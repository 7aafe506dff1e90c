"""What all tests of the client share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from twilio_taskrouter_worker import _log
from twilio_taskrouter_worker._bridge import connection, session


@pytest.fixture(autouse=True)
def quick_reconnections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect after 50 ms instead of a second; how the delays grow is tested without a socket."""
    monkeypatch.setattr(session, "BACKOFF_MIN", 0.05)
    monkeypatch.setattr(connection, "random", SimpleNamespace(random=lambda: 0.0))


@pytest.fixture(autouse=True)
def nothing_logged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold back no line because another test has logged the same a moment ago."""
    monkeypatch.setattr(_log, "_REPEATS", _log.Repeats())


@pytest.fixture
def slow_reconnections(quick_reconnections: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect after 30 s: for what happens in between."""
    monkeypatch.setattr(session, "BACKOFF_MIN", 30.0)
