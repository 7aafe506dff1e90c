"""Timers as data."""

from __future__ import annotations

from twilio_taskrouter_worker.local.engine.core.schedule import Schedule, TimerKind

FIRST, SECOND, THIRD = TimerKind.TASK_TIMEOUT, TimerKind.STEP_TIMEOUT, TimerKind.PURGE
ABOUT = ("workspace", "owner")


def test_timers_come_in_order_and_only_when_due() -> None:
    """By time, then by making; one that is cancelled never comes."""
    schedule = Schedule()
    schedule.at(2.0, SECOND, *ABOUT)
    schedule.at(1.0, FIRST, *ABOUT, "more")
    schedule.at(2.0, THIRD, *ABOUT)
    gone = schedule.at(0.5, TimerKind.VOICE_ANSWER, *ABOUT)
    schedule.cancel(gone)
    schedule.cancel(gone)
    schedule.cancel(None)
    assert schedule.pop_due(0.9) is None
    assert [timer.kind for timer in schedule] == [FIRST, SECOND, THIRD]
    first = schedule.pop_due(1.0)
    assert first is not None and (first.kind, first.workspace, first.owner, first.more) == (FIRST, *ABOUT, ("more",))
    kinds = [timer.kind for timer in iter(lambda: schedule.pop_due(9.0), None)]
    assert kinds == [SECOND, THIRD]
    assert schedule.next_due() is None


def test_cancelled_timers_do_not_pile_up() -> None:
    """A router that runs for weeks keeps no more timers than there are live ones, about."""
    schedule = Schedule()
    keep = [schedule.at(float(number), FIRST, *ABOUT) for number in range(10)]
    for number in range(5000):
        schedule.cancel(schedule.at(1e6 + number, SECOND, *ABOUT))
    assert len(schedule._heap) < 1000
    assert schedule.next_due() == 0.0
    schedule.cancel(keep[0])
    assert schedule.next_due() == 1.0


def test_cancelling_a_timer_that_has_run_changes_nothing() -> None:
    """Who holds an old timer may cancel it."""
    schedule = Schedule()
    timer = schedule.at(1.0, FIRST, *ABOUT)
    assert schedule.pop_due(1.0) is timer
    schedule.cancel(timer)
    assert schedule.next_due() is None and timer not in schedule
