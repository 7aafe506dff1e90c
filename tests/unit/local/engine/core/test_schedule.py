"""Timers as data."""

from __future__ import annotations

from twilio_taskrouter_worker.local.engine.core.schedule import Schedule, TimerKind

FIRST, SECOND, THIRD = TimerKind.TASK_TIMEOUT, TimerKind.STEP_TIMEOUT, TimerKind.PURGE


def test_timers_come_in_order_and_only_when_due() -> None:
    """By time, then by making; one that is cancelled never comes."""
    schedule = Schedule()
    schedule.at(2.0, SECOND)
    schedule.at(1.0, FIRST, "argument")
    schedule.at(2.0, THIRD)
    gone = schedule.at(0.5, TimerKind.VOICE_ANSWER)
    schedule.cancel(gone)
    schedule.cancel(gone)
    schedule.cancel(None)
    assert schedule.pop_due(0.9) is None
    assert [timer.kind for timer in schedule] == [FIRST, SECOND, THIRD]
    first = schedule.pop_due(1.0)
    assert first is not None and (first.kind, first.args) == (FIRST, ("argument",))
    kinds = [timer.kind for timer in iter(lambda: schedule.pop_due(9.0), None)]
    assert kinds == [SECOND, THIRD]
    assert schedule.next_due() is None


def test_cancelled_timers_do_not_pile_up() -> None:
    """A router that runs for weeks keeps no more timers than there are live ones, about."""
    schedule = Schedule()
    keep = [schedule.at(float(number), FIRST) for number in range(10)]
    for number in range(5000):
        schedule.cancel(schedule.at(1e6 + number, SECOND))
    assert len(schedule._heap) < 1000
    assert schedule.next_due() == 0.0
    schedule.cancel(keep[0])
    assert schedule.next_due() == 1.0


def test_cancelling_a_timer_that_has_run_changes_nothing() -> None:
    """Who holds an old timer may cancel it."""
    schedule = Schedule()
    timer = schedule.at(1.0, FIRST)
    assert schedule.pop_due(1.0) is timer
    schedule.cancel(timer)
    assert schedule.next_due() is None and timer not in schedule
