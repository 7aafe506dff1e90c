"""Requests by the state of a reservation, and reservations that nobody answers."""

from __future__ import annotations

import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def desk() -> Desk:
    """A desk with Ann, who has room for several tasks."""
    desk = Desk()
    desk.ann = desk.worker("Ann", capacity=9)  # type: ignore[attr-defined]
    return desk


def in_state(desk: Desk, state: str) -> str:
    """Return the sid of a reservation in a state."""
    ann: str = desk.ann  # type: ignore[attr-defined]
    task = desk.task()
    reservation = desk.pending(ann)[-1]
    if state in ("accepted", "wrapping", "completed", "rejected"):
        for step in {"wrapping": ("accepted", "wrapping"), "completed": ("accepted", "completed")}.get(state, (state,)):
            desk.to(reservation, step)
    elif state == "canceled":
        desk.do("UpdateTask", sid=task, assignment_status="canceled")
    elif state == "timeout":
        desk.advance(120)
    elif state == "rescinded":
        desk.do("UpdateTaskQueue", sid=desk.engine.queues(desk.ws)[0].sid, max_reserved_workers=2)
        bob = desk.worker("Bob")
        task = desk.task()
        desk.to(desk.pending(bob)[0], "accepted")
        return next(r.sid for r in desk.engine.reservations(desk.ws, task_sid=task) if r.worker_sid == ann)
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
def test_which_requests_each_state_takes(desk: Desk, state: str, wanted: str) -> None:
    """The table of allowed requests: what is allowed works, all else is refused with the state that is needed."""
    reservation = in_state(desk, state)
    assert desk.reservation(reservation).reservation_status == state
    if (state, wanted) in ALLOWED:
        before = desk.reservation(reservation).version
        answer = desk.to(reservation, wanted)
        assert (answer.reservation_status, answer.version) == (wanted, before + 1)
        return
    refusal = desk.refused("UpdateReservation", sid=reservation, reservation_status=wanted)
    gone = state == "rescinded" and wanted == "accepted"
    assert (refusal.status, refusal.code) == ((410, 20410) if gone else (400, 20001))
    assert f"Reservation {reservation} not in expected state [" in refusal.message
    assert refusal.message.endswith(f"cannot be updated to [{wanted}]")


def test_other_words_for_a_status_are_refused(desk: Desk) -> None:
    """Only four statuses can be asked for, an unknown activity is named, a wrong parent is not found."""
    reservation = in_state(desk, "pending")
    assert desk.refused("UpdateReservation", sid=reservation, reservation_status="timeout").status == 400
    fields = {"sid": reservation, "reservation_status": "rejected"}
    assert "WAxx" in desk.refused("UpdateReservation", worker_activity_sid="WAxx", **fields).message
    assert desk.refused("UpdateReservation", worker_sid="WK" + "0" * 32, **fields).status == 404
    refusal = desk.refused("UpdateReservation", task_sid="WT" + "0" * 32, **fields)
    assert refusal.message.endswith(f"/Tasks/WT{'0' * 32}/Reservations/{reservation} was not found")
    assert desk.refused("UpdateReservation", if_match=4, **fields).status == 412


def test_rejecting_with_an_activity_moves_the_worker(desk: Desk) -> None:
    """The rejection comes first, then the activity; the task is not offered to the worker again."""
    ann: str = desk.ann  # type: ignore[attr-defined]
    reservation = in_state(desk, "pending")
    desk.to(reservation, "rejected", worker_activity_sid=desk.activity("Offline"))
    assert desk.types(ann) == ["reservation.rejected", "worker.activity.update"]
    assert desk.worker_record(ann).activity_name == "Offline" and desk.pending(ann) == []


def test_nobody_answers(desk: Desk) -> None:
    """The offer times out, the worker goes to the timeout activity, the task to the next worker."""
    ann: str = desk.ann  # type: ignore[attr-defined]
    task = desk.task()
    other = desk.task()
    bob = desk.worker("Bob")
    desk.do("UpdateWorkspace", timeout_activity_sid=desk.activity("Unavailable"))
    desk.to(desk.pending(ann)[1], "accepted")
    desk.advance(119.5)
    assert desk.types() == []
    desk.advance(10)
    assert desk.types() == ["reservation.timeout", "worker.activity.update", "reservation.created"]
    timed_out = desk.event("reservation.timeout", ann)
    assert timed_out.at == desk.now - 9.5
    assert timed_out.task and timed_out.task.assignment_status == "pending"
    assert desk.worker_record(ann).activity_name == "Unavailable"
    assert desk.reservation(desk.pending(bob)[0]).task_sid == task
    assert desk.status(other) == "assigned"


def test_other_pending_reservations_stay_after_a_timeout(desk: Desk) -> None:
    """A worker who missed one offer still has the later ones."""
    ann: str = desk.ann  # type: ignore[attr-defined]
    desk.task()
    desk.advance(60)
    second = desk.task()
    desk.advance(60)
    assert [desk.reservation(r).task_sid for r in desk.pending(ann)] == [second]


def test_versions_of_task_reservation_and_worker(desk: Desk) -> None:
    """Each status is a version of task and reservation; of the worker only being reserved is."""
    ann: str = desk.ann  # type: ignore[attr-defined]
    start = desk.worker_record(ann).version
    task, reservation = desk.accepted(ann)
    assert (desk.get(task).version, desk.reservation(reservation).version) == (2, 1)
    desk.to(reservation, "wrapping")
    desk.to(reservation, "completed")
    assert (desk.get(task).version, desk.reservation(reservation).version) == (4, 3)
    assert desk.worker_record(ann).version == start + 1


def test_completion_can_count_for_the_worker() -> None:
    """The switch makes a completed reservation a version of its worker."""
    desk = Desk(rules=Rules(worker_version_grows_on_completion=True))
    ann = desk.worker("Ann")
    _, reservation = desk.accepted(ann)
    before = desk.worker_record(ann).version
    desk.to(reservation, "completed")
    assert desk.worker_record(ann).version == before + 1


def test_queries_of_reservations(desk: Desk) -> None:
    """By task, by worker, by both, and as views; unknown parents are not found."""
    ann: str = desk.ann  # type: ignore[attr-defined]
    task, first = desk.accepted(ann)
    desk.task()
    second = desk.pending(ann)[0]
    engine, ws = desk.engine, desk.ws
    assert [r.sid for r in engine.reservations(ws)] == [first, second]
    assert [r.sid for r in engine.reservations(ws, worker_sid=ann)] == [first, second]
    assert [r.sid for r in engine.reservations(ws, task_sid=task, worker_sid=ann)] == [first]
    assert engine.reservation(ws, first, task_sid=task, worker_sid=ann).sid == first
    desk.to(first, "completed")
    assert [v.reservation.sid for v in engine.reservation_views(ws, ann, active=True)] == [second]
    assert [v.task.sid for v in engine.reservation_views(ws, ann, active=False)][0] == task
    view = engine.reservation_view(ws, second)
    assert (view.worker.sid, view.task_transfer, view.active_outgoing_task_transfer) == (ann, None, None)
