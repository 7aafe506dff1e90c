"""``taskrouter reset``: it waits for the new service, but not for ever."""

from __future__ import annotations

import itertools
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from twilio_taskrouter_worker.cli import control, remote


class Clock:
    """A clock that goes on three seconds each time it is read."""

    def __init__(self) -> None:
        self._now = itertools.count(0.0, 3.0)

    def monotonic(self) -> float:
        """Read it."""
        return next(self._now)

    def sleep(self, seconds: float) -> None:
        """Return at once."""


class Remote:
    """A service that does not answer for a number of requests after its reset."""

    url = "http://127.0.0.1:1"

    def __init__(self, silent: int) -> None:
        self.silent = silent
        self.resets = 0

    def control(self, method: str, path: str) -> dict[str, Any]:
        """Answer, or not."""
        if path == "reset":
            self.resets += 1
        elif self.resets:
            self.silent -= 1
            if self.silent >= 0:
                raise click.ClickException("connection refused")
        return {"resets": self.resets}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes no time."""
    monkeypatch.setattr(control, "time", Clock())


def reset(silent: int, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Run the command."""
    monkeypatch.setattr(remote, "find", lambda *_, **__: Remote(silent))
    return CliRunner().invoke(control.reset)


def test_the_new_service_answers_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reset is reported once it does."""
    assert reset(2, monkeypatch).output == "http://127.0.0.1:1 was reset to its initial state\n"


def test_a_service_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails after ten seconds."""
    ended = reset(100, monkeypatch)
    assert ended.exit_code == 1 and "did not come back within 10 s" in ended.output
