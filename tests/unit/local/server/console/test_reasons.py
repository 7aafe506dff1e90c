"""What the console and the replay of a kept file show of timers and of events' reasons, from real engines."""

from __future__ import annotations

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.cli.replay import _why
from twilio_taskrouter_worker.local.engine import Event
from twilio_taskrouter_worker.local.server.console import life, timers


@pytest.fixture
def driver() -> EngineDriver:
    """A workspace whose workflow names a wish of its only target."""
    driver = EngineDriver()
    queue = driver.queue("All")
    targets = [{"queue": queue, "expression": "worker.level > 1", "timeout": 30}, {"queue": queue}]
    driver.workflow(
        {"filter_friendly_name": "vip", "expression": "vip == 1", "targets": targets}, default={"queue": queue}
    )
    return driver


def event_of(driver: EngineDriver, kind: str) -> Event:
    """The latest event of a type."""
    return next(event for event in reversed(driver.events) if event.type == kind)


def vip(driver: EngineDriver) -> str:
    """Create a task for the filter."""
    return driver.task({"vip": 1}, workflow_sid=driver.engine.workflows(driver.ws)[-1].sid)


def test_the_reason_of_a_matched_target(driver: EngineDriver) -> None:
    """The filter, its expression, and the wish of the target."""
    vip(driver)
    matched = event_of(driver, "workflow.target-matched")
    assert life._reason(matched) == "filter 'vip' matches: vip == 1; target 1 wants worker.level > 1"
    assert _why(matched) == "vip == 1; target worker.level > 1"


def test_the_reason_of_an_end(driver: EngineDriver) -> None:
    """A task has the reason that was given for its cancellation."""
    task = vip(driver)
    driver.do("UpdateTask", sid=task, assignment_status="canceled", reason="hung up")
    canceled = event_of(driver, "task.canceled")
    assert (life._reason(canceled), _why(canceled)) == ("hung up", "hung up")


def test_the_reason_of_a_canceled_reservation(driver: EngineDriver) -> None:
    """One without a code has no reason, which is not a reason of None."""
    driver.worker("Ann", level=2)
    task = vip(driver)
    driver.do("UpdateTask", sid=task, assignment_status="canceled", reason="hung up")
    canceled = event_of(driver, "reservation.canceled")
    assert life._reason(canceled) == ""
    assert _why(canceled) is None


def test_timers_name_their_task_and_worker(driver: EngineDriver) -> None:
    """The timeout of a reservation has both, that of a task has none of a worker."""
    worker = driver.worker("Ann", level=2)
    task = vip(driver)
    rows = {row["kind"]: row for row in timers.rows(driver.engine, driver.ws)}
    timeout = rows["reservation-timeout"]
    assert (timeout["task_sid"], timeout["worker_sid"]) == (task, worker)
    assert timeout["text"] == "the reservation of Ann times out"
    assert rows["task-timeout"]["sid"] == rows["task-timeout"]["task_sid"] == task
    assert "worker_sid" not in rows["task-timeout"]


def test_the_timer_of_a_disconnected_worker(driver: EngineDriver) -> None:
    """It is the worker's own."""
    worker = driver.worker("Ann", level=2)
    record = driver.engine.worker(driver.ws, worker)
    row = timers._row(5.0, "offline", record)
    assert row == {
        "due": 5.0,
        "kind": "offline",
        "sid": worker,
        "worker_sid": worker,
        "text": "Ann goes offline, being disconnected",
    }
