"""The clock of a local TaskRouter, without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from twilio_taskrouter_worker.local.clock import Clock


def stopped_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The computer's clocks, as the only item of a list that a test may change."""
    real = [1000.0]
    for name in ("time.time", "_steady"):
        monkeypatch.setattr(f"twilio_taskrouter_worker.local.clock.{name}", lambda: real[0])
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


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 10**400, -(10**400)])
def test_bad_advance(seconds: float) -> None:
    """Time only goes forward, by a number."""
    with pytest.raises(ValueError, match="0 or more"):
        Clock().advance(seconds)


@pytest.mark.parametrize("when", [float("nan"), datetime(2024, 1, 1), 10**400])  # noqa: DTZ001
def test_bad_moments(when: float) -> None:
    """A moment is a number or an aware datetime."""
    with pytest.raises(ValueError, match="moment"):
        Clock().run_until(when)


def test_run_until_true_without_a_router() -> None:
    """Alone, a clock has no timers to stop at: it looks now, and at the end of the timeout."""
    clock = Clock.virtual(0.0)
    clock.run_until(lambda: clock.now() >= 10, timeout=10)
    assert clock.now() == 10.0
    with pytest.raises(TimeoutError):
        clock.run_until(lambda: False)
    assert clock.now() == 10.0 + 86400.0


def test_run_until_stops_at_timers() -> None:
    """With a router the clock moves from deadline to deadline; one that is overdue does not take it back."""
    deadlines = [3.0, 1.0, 8.0]
    clock = Clock.virtual(0.0)
    seen: list[float] = []
    clock.bind(lambda move: move(), lambda: deadlines[0] if deadlines else None)

    def look() -> bool:
        seen.append(clock.now())
        if len(seen) > 1 and deadlines:
            deadlines.pop(0)
        return False

    with pytest.raises(TimeoutError):
        clock.run_until(look, timeout=20)
    assert seen == [0.0, 3.0, 3.0, 8.0, 20.0]


@pytest.mark.parametrize("options", [{"timeout": -1}, {"patience": -1}])
def test_bad_options_of_run_until(options: dict[str, float]) -> None:
    """Timeout and patience are numbers of seconds."""
    with pytest.raises(ValueError, match="must be a number of seconds, 0 or more"):
        Clock.virtual().run_until(lambda: True, **options)


def test_arguments_of_a_wrong_type() -> None:
    """Seconds and moments that are no numbers are a TypeError, which names the type."""
    clock = Clock.virtual(0.0)
    wrong: Any = "noon"
    with pytest.raises(TypeError, match="seconds must be a number of seconds, 0 or more, not str"):
        clock.advance(wrong)
    with pytest.raises(TypeError, match="A moment must be unix seconds or an aware datetime, not str"):
        clock.run_until(wrong)
    with pytest.raises(TypeError, match="A moment must be unix seconds or an aware datetime, not bool"):
        clock.run_until(True)
    with pytest.raises(TypeError, match="timeout must be a number of seconds, 0 or more, not str"):
        clock.run_until(lambda: True, timeout=wrong)
    with pytest.raises(TypeError, match="patience must be a number of seconds, 0 or more, not bool"):
        clock.run_until(lambda: True, patience=True)
    assert clock.now() == 0.0


def test_a_timeout_belongs_to_a_function() -> None:
    """With a moment it would mean nothing."""
    with pytest.raises(ValueError, match="together with a function"):
        Clock.virtual(0.0).run_until(5.0, timeout=3)


def test_a_running_clock_forgives_a_moment_that_has_just_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between asking for the time and using it some passes; a second is no mistake, a minute is."""
    stopped_time(monkeypatch)
    clock = Clock()
    clock.run_until(999.5)
    assert clock.now() == 1000.0
    with pytest.raises(ValueError, match="cannot go back"):
        clock.run_until(900.0)


@pytest.mark.parametrize(
    "move",
    [
        lambda clock: clock.advance(1e12),
        lambda clock: clock.run_until(1e12),
        lambda clock: clock.run_until(lambda: True, timeout=1e12),
    ],
)
def test_dates_end_with_the_year_9999(move: Callable[[Clock], None]) -> None:
    """Further on there is no date to show, so a clock does not go there."""
    clock = Clock.virtual(0.0)
    with pytest.raises(ValueError, match="from the year 1 to the year 9999"):
        move(clock)
    assert clock.now() == 0.0


def test_a_running_clock_ends_with_the_year_9999(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands still at the last second that has a date; one that begins before the year 1 is refused."""
    real = stopped_time(monkeypatch)
    clock = Clock(253402300798.0)
    real[0] += 500
    assert clock.now() == 253402300799.0
    with pytest.raises(ValueError, match="from the year 1"):
        Clock(-62135596801.0)


def test_setting_the_time_of_day_does_not_move_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A running clock goes on as if nothing had happened, forwards and backwards."""
    real, of_day = stopped_time(monkeypatch), [5000.0]
    monkeypatch.setattr("twilio_taskrouter_worker.local.clock.time.time", lambda: of_day[0])
    clock = Clock()
    for change in (-3600.0, 7200.0):
        of_day[0] += change
        real[0] += 3
    assert clock.now() == 5006.0
    assert clock.seconds_until(5010.0) == 4.0


@pytest.mark.parametrize(("was", "runs", "shown"), [(True, True, 90.0), (True, False, 60.0), (False, True, 60.0)])
def test_going_on_from_a_state(was: bool, runs: bool, shown: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time between two services has passed only if the clock ran before and runs now."""
    real = stopped_time(monkeypatch)
    state = Clock(60.0, running=was).state()
    real[0] += 30
    clock = Clock(running=runs)
    clock.go_on(state)
    assert clock.now() == shown
    clock.not_before(50.0)
    assert clock.now() == shown
    clock.not_before(1234.0)
    assert clock.now() == 1234.0
