"""The clock of a local TaskRouter, without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from twilio_taskrouter_worker.local.clock import Clock


def stopped_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The computer's clock, as the only item of a list that a test may change."""
    real = [1000.0]
    monkeypatch.setattr("twilio_taskrouter_worker.local.clock.time.time", lambda: real[0])
    return real


def test_real_clock_follows_and_is_advanced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A running clock follows the computer's and keeps what it was advanced by."""
    real = stopped_time(monkeypatch)
    clock = Clock()
    assert clock.now() == 1000.0
    clock.advance(60)
    real[0] += 5
    assert clock.now() == 1065.0
    assert clock.running
    assert clock.seconds_until(1070.0) == 5.0
    assert clock.seconds_until(1.0) == 0.0


def test_virtual_clock_moves_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock stands still, jumps, and never goes back."""
    real = stopped_time(monkeypatch)
    clock = Clock.virtual(50.0)
    real[0] += 100
    assert (clock.now(), clock.running, clock.seconds_until(60.0)) == (50.0, False, None)
    clock.run_until(datetime.fromtimestamp(80, timezone.utc))
    with pytest.raises(ValueError, match="cannot go back to 1970-01-01T00:01:10"):
        clock.run_until(70.0)
    clock.advance(0.5)
    assert clock.now() == 80.5


def test_pause_and_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paused, it stands; resumed, it goes on from there; each twice is once."""
    real = stopped_time(monkeypatch)
    clock = Clock()
    clock.pause()
    clock.pause()
    real[0] += 30
    assert clock.now() == 1000.0
    clock.resume()
    clock.resume()
    real[0] += 2
    assert clock.now() == 1002.0
    assert "running" in repr(clock)


def test_a_router_makes_the_moves() -> None:
    """Bound to a router, every move goes through it, one router only."""
    clock = Clock.virtual(0.0)
    moves: list[float] = []

    def drive(move: Callable[[], None]) -> None:
        move()
        moves.append(clock.now())

    clock.bind(drive)
    clock.advance(3)
    clock.run_until(10)
    assert moves == [3.0, 10.0]
    with pytest.raises(ValueError, match="another"):
        clock.bind(drive)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "5"])
def test_bad_advance(seconds: float) -> None:
    """Time only goes forward, by a number."""
    with pytest.raises(ValueError, match="0 or more"):
        Clock().advance(seconds)


@pytest.mark.parametrize("when", ["noon", True, float("nan"), datetime(2024, 1, 1)])  # noqa: DTZ001
def test_bad_moments(when: float) -> None:
    """A moment is a number or an aware datetime."""
    with pytest.raises(ValueError, match="moment"):
        Clock().run_until(when)
