"""Requests by the state of a reservation, and reservations that nobody answers."""

from __future__ import annotations

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def driver() -> EngineDriver:
    """A driver with Ann, who has room for several tasks."""
    driver = EngineDriver()
    driver.ann = driver.worker("Ann", capacity=9)  # type: ignore[attr-defined]
    return driver


def in_state(driver: EngineDriver, state: str) -> str:
    """Return the sid of a reservation in a state."""
    ann: str = driver.ann  # type: ignore[attr-defined]
    task = driver.task()
    reservation = driver.pending(ann)[-1]
    if state in ("accepted", "wrapping", "completed", "rejected"):
        for step in {"wrapping": ("accepted", "wrapping"), "completed": ("accepted", "completed")}.get(state, (state,)):
            driver.to(reservation, step)
    elif state == "canceled":
        driver.do("UpdateTask", sid=task, assignment_status="canceled")
    elif state == "timeout":
        driver.advance(120)
    elif state == "rescinded":
        driver.do("UpdateTaskQueue", sid=driver.engine.queues(driver.ws)[0].sid, max_reserved_workers=2)
        bob = driver.worker("Bob")
        task = driver.task()
        driver.to(driver.pending(bob)[0], "accepted")
        return next(r.sid for r in driver.engine.reservations(driver.ws, task_sid=task) if r.worker_sid == ann)
    return reservation


ALLOWED = {
    ("pending", "accepted"),
    ("pending", "rejected"),
    ("accepted", "wrapping"),
    ("accepted", "completed"),
    ("wrapping", "completed"),
}
STATES = ["pending", "accepted", "wrapping", "completed", "rejected", "canceled", "timeout", "rescinded"]


@pytest.mark.parametrize("wanted", ["accepted", "rejected", "wrapping", "completed"])
@pytest.mark.parametrize("state", STATES)
def test_which_requests_each_state_takes(driver: EngineDriver, state: str, wanted: str) -> None:
    """The table of allowed requests: what is allowed works, all else is refused with the state that is needed."""
    reservation = in_state(driver, state)
    assert driver.reservation(reservation).reservation_status == state
    if (state, wanted) in ALLOWED:
        before = driver.reservation(reservation).version
        answer = driver.to(reservation, wanted)
        assert (answer.reservation_status, answer.version) == (wanted, before + 1)
        return
    refusal = driver.refused("UpdateReservation", sid=reservation, reservation_status=wanted)
    gone = state == "rescinded" and wanted == "accepted"
    assert (refusal.status, refusal.code) == ((410, 20410) if gone else (400, 20001))
    assert f"Reservation {reservation} not in expected state [" in refusal.message
    assert refusal.message.endswith(f"cannot be updated to [{wanted}]")


def test_other_words_for_a_status_are_refused(driver: EngineDriver) -> None:
    """Only four statuses can be asked for, an unknown activity is named, a wrong parent is not found."""
    reservation = in_state(driver, "pending")
    assert driver.refused("UpdateReservation", sid=reservation, reservation_status="timeout").status == 400
    fields = {"sid": reservation, "reservation_status": "rejected"}
    assert "WAxx" in driver.refused("UpdateReservation", worker_activity_sid="WAxx", **fields).message
    assert driver.refused("UpdateReservation", worker_sid="WK" + "0" * 32, **fields).status == 404
    refusal = driver.refused("UpdateReservation", task_sid="WT" + "0" * 32, **fields)
    assert refusal.message.endswith(f"/Tasks/WT{'0' * 32}/Reservations/{reservation} was not found")
    assert driver.refused("UpdateReservation", if_match=4, **fields).status == 412


def test_rejecting_with_an_activity_moves_the_worker(driver: EngineDriver) -> None:
    """The rejection comes first, then the activity; the task is not offered to the worker again."""
    ann: str = driver.ann  # type: ignore[attr-defined]
    reservation = in_state(driver, "pending")
    driver.to(reservation, "rejected", worker_activity_sid=driver.activity("Offline"))
    assert driver.types(ann) == ["reservation.rejected", "worker.activity.update"]
    assert driver.worker_record(ann).activity_name == "Offline" and driver.pending(ann) == []


def test_nobody_answers(driver: EngineDriver) -> None:
    """The offer times out, the worker goes to the timeout activity, the task to the next worker."""
    ann: str = driver.ann  # type: ignore[attr-defined]
    task = driver.task()
    other = driver.task()
    bob = driver.worker("Bob")
    driver.do("UpdateWorkspace", timeout_activity_sid=driver.activity("Unavailable"))
    driver.to(driver.pending(ann)[1], "accepted")
    driver.advance(119.5)
    assert driver.types() == []
    driver.advance(10)
    assert driver.types() == ["reservation.timeout", "worker.activity.update", "reservation.created"]
    timed_out = driver.reservation_event("reservation.timeout", ann)
    assert timed_out.at == driver.now - 9.5
    assert timed_out.task.assignment_status == "pending"
    assert driver.worker_record(ann).activity_name == "Unavailable"
    assert driver.reservation(driver.pending(bob)[0]).task_sid == task
    assert driver.status(other) == "assigned"


def test_other_pending_reservations_stay_after_a_timeout(driver: EngineDriver) -> None:
    """A worker who missed one offer still has the later ones."""
    ann: str = driver.ann  # type: ignore[attr-defined]
    driver.task()
    driver.advance(60)
    second = driver.task()
    driver.advance(60)
    assert [driver.reservation(r).task_sid for r in driver.pending(ann)] == [second]


def test_versions_of_task_reservation_and_worker(driver: EngineDriver) -> None:
    """Each status is a version of task and reservation; of the worker only being reserved is."""
    ann: str = driver.ann  # type: ignore[attr-defined]
    start = driver.worker_record(ann).version
    task, reservation = driver.accepted(ann)
    assert (driver.get(task).version, driver.reservation(reservation).version) == (2, 1)
    driver.to(reservation, "wrapping")
    driver.to(reservation, "completed")
    assert (driver.get(task).version, driver.reservation(reservation).version) == (4, 3)
    assert driver.worker_record(ann).version == start + 1


def test_completion_can_count_for_the_worker() -> None:
    """The switch makes a completed reservation a version of its worker."""
    driver = EngineDriver(rules=Rules(worker_version_grows_on_completion=True))
    ann = driver.worker("Ann")
    _, reservation = driver.accepted(ann)
    before = driver.worker_record(ann).version
    driver.to(reservation, "completed")
    assert driver.worker_record(ann).version == before + 1


def test_queries_of_reservations(driver: EngineDriver) -> None:
    """By task, by worker, by both, and as views; unknown parents are not found."""
    ann: str = driver.ann  # type: ignore[attr-defined]
    task, first = driver.accepted(ann)
    driver.task()
    second = driver.pending(ann)[0]
    engine, ws = driver.engine, driver.ws
    assert [r.sid for r in engine.reservations(ws)] == [first, second]
    assert [r.sid for r in engine.reservations(ws, worker_sid=ann)] == [first, second]
    assert [r.sid for r in engine.reservations(ws, task_sid=task, worker_sid=ann)] == [first]
    assert engine.reservation(ws, first, task_sid=task, worker_sid=ann).sid == first
    driver.to(first, "completed")
    assert [v.reservation.sid for v in engine.reservation_views(ws, ann, active=True)] == [second]
    assert [v.task.sid for v in engine.reservation_views(ws, ann, active=False)][0] == task
    view = engine.reservation_view(ws, second)
    assert (view.worker.sid, view.task_transfer, view.active_outgoing_task_transfer) == (ann, None, None)
