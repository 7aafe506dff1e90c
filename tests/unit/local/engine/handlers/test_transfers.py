"""Transfers: what they need, and every outcome."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Rules


class Handover(Desk):
    """Ann has accepted a task; Bob is available; there is a queue only Bob is in."""

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules=rules)
        self.ann = self.worker("Ann")
        self.call, self.held = self.accepted(self.ann, attributes={"a": 1}, priority=3)
        self.bob = self.worker("Bob", level=2)
        self.home = self.engine.queues(self.ws)[0].sid
        self.bobs = self.queue("Bobs", "level == 2")

    def hand(self, to: str, mode: str = "WARM", **fields: Any) -> str:
        """Start a transfer and return its sid."""
        return self.transfer(self.held, to, mode, **fields).sid

    def status_of(self, transfer: str) -> str:
        """Return the status of a transfer."""
        return self.engine.transfer(self.ws, transfer).transfer_status


@pytest.fixture
def desk() -> Handover:
    """A task to hand over."""
    return Handover()


def refused(desk: Handover, **fields: Any) -> str:
    """Return why a transfer is refused, with everything in order but what is given."""
    asked = {"worker_sid": desk.ann, "reservation_sid": desk.held, "task_sid": desk.call, "to": desk.bob, **fields}
    refusal = desk.refused("CreateTransfer", **asked)
    assert refusal.status == 400
    return refusal.message


def test_what_a_transfer_needs(desk: Handover) -> None:
    """Each condition is checked, and nothing is made when one is missing."""
    assert "Mode" in refused(desk, mode="HOT")
    assert "To 'WKxx'" in refused(desk, to="WKxx")
    assert "who has it" in refused(desk, to=desk.ann)
    assert "ReservationSid 'WRxx'" in refused(desk, reservation_sid="WRxx")
    assert "TaskSid 'WTxx'" in refused(desk, task_sid="WTxx")
    assert "Attributes" in refused(desk, attributes="[]")
    assert "Priority" in refused(desk, priority=-1)
    other = desk.task()
    assert desk.status(other) == "reserved"
    assert "no capacity" in refused(desk)
    desk.set_activity(desk.bob, "Offline")
    assert "not available" in refused(desk)
    desk.to(desk.held, "wrapping")
    assert "not currently assigned" in refused(desk)


def test_capacity_need_not_be_checked() -> None:
    """The switch allows handing over to somebody who is full."""
    desk = Handover(Rules(transfer_checks_capacity=False))
    desk.task()
    assert desk.status_of(desk.hand(desk.bob)) == "initiated"


def test_one_transfer_at_a_time(desk: Handover) -> None:
    """While one is open another is refused, and so are wrap-up and completion of the task."""
    desk.hand(desk.bob)
    assert "already being transferred" in refused(desk, to=desk.home)
    for status in ("wrapping", "completed"):
        assert desk.refused("UpdateTask", sid=desk.call, assignment_status=status).status == 400


def test_what_a_transfer_is(desk: Handover) -> None:
    """Type, mode and the four initiating sids; attributes and priority replace the task's, in one version."""
    before = desk.get(desk.call).version
    transfer = desk.transfer(desk.held, desk.bob, attributes='{"b":2}', priority=7)
    assert (transfer.transfer_type, transfer.transfer_mode, transfer.transfer_to) == ("WORKER", "WARM", desk.bob)
    assert transfer.initiating_reservation_sid == desk.held and transfer.initiating_worker_sid == desk.ann
    assert transfer.initiating_queue_sid == desk.home
    assert transfer.initiating_workflow_sid == desk.get(desk.call).workflow_sid
    task = desk.get(desk.call)
    assert (task.attributes, task.priority, task.version, task.assignment_status) == (
        '{"b":2}',
        7,
        before + 1,
        "reserved",
    )
    assert desk.engine.task_attributes(desk.ws, desk.call) == {"b": 2}
    assert [t.sid for t in desk.engine.transfers(desk.ws, desk.call)] == [transfer.sid]


def test_warm_accepted(desk: Handover) -> None:
    """Both have the task; each completes its own part, the task with the last; the receiver may hand on."""
    transfer = desk.hand(desk.bob)
    incoming = desk.pending(desk.bob)[0]
    desk.to(incoming, "accepted")
    assert desk.types(desk.ann) == ["task.transfer-completed", "task.updated"]
    accepted = desk.event("reservation.accepted", desk.bob)
    assert accepted.task_transfer and accepted.task_transfer.transfer_status == "complete"
    assert desk.status(desk.call) == "assigned" and desk.status_of(transfer) == "complete"
    assert desk.engine.reservation_view(desk.ws, desk.held).active_outgoing_task_transfer is None
    desk.to(desk.held, "wrapping")
    assert desk.types(desk.ann) == ["reservation.wrapup"]
    desk.to(desk.held, "completed")
    assert desk.types(desk.ann) == ["reservation.completed"] and desk.status(desk.call) == "assigned"
    onward = desk.transfer(incoming, desk.queue("Empty", "")).sid
    desk.do("CancelTransfer", worker_sid=desk.bob, task_sid=desk.call, sid=onward)
    assert desk.status_of(onward) == "canceled"
    desk.to(incoming, "completed")
    assert desk.types(desk.bob) == ["task.completed", "reservation.completed"]


def test_the_receiver_may_not_be_the_one_who_holds_it(desk: Handover) -> None:
    """After a warm transfer neither can hand over to the other."""
    desk.hand(desk.bob)
    desk.to(desk.pending(desk.bob)[0], "accepted")
    desk.do("UpdateWorkerChannel", worker_sid=desk.bob, channel="default", capacity=3)
    assert "already has a reservation" in refused(desk)


def test_cold_wraps_the_transferor_up_at_once(desk: Handover) -> None:
    """In a cold transfer the transferor is wrapping before the target answers, and may complete meanwhile."""
    transfer = desk.hand(desk.bob, "COLD")
    assert desk.types(desk.ann) == ["task.transfer-initiated", "reservation.wrapup", "task.updated"]
    wrapup = desk.event("reservation.wrapup")
    assert wrapup.task and wrapup.task.assignment_status == "reserved"
    outgoing = wrapup.active_outgoing_task_transfer
    assert outgoing and outgoing.sid == transfer
    desk.to(desk.held, "completed")
    assert desk.types(desk.ann) == ["reservation.completed"]
    assert desk.status(desk.call) == "reserved"
    desk.to(desk.pending(desk.bob)[0], "accepted")
    assert desk.types(desk.ann) == ["task.transfer-completed", "task.updated"]
    assert desk.status(desk.call) == "assigned"


@pytest.mark.parametrize(
    ("completed", "status"), [(False, "wrapping"), (True, "completed")], ids=["wrapping", "completed"]
)
def test_cold_rejected(desk: Handover, completed: bool, status: str) -> None:
    """The task falls back to what is left of it with the transferor."""
    transfer = desk.hand(desk.bob, "COLD")
    if completed:
        desk.to(desk.held, "completed")
    desk.to(desk.pending(desk.bob)[0], "rejected")
    assert desk.types(desk.ann) == ["task.transfer-failed", "task.updated"]
    assert (desk.status(desk.call), desk.status_of(transfer)) == (status, "failed")
    assert ("task.completed" in desk.types(desk.bob)) == completed


def test_worker_target_times_out(desk: Handover) -> None:
    """The transfer fails, the target goes to the timeout activity."""
    desk.hand(desk.bob)
    desk.advance(120)
    assert desk.types(desk.bob) == ["reservation.timeout", "worker.activity.update"]
    timed_out = desk.event("reservation.timeout")
    assert timed_out.task_transfer and timed_out.task_transfer.transfer_status == "failed"
    failed = desk.event("task.transfer-failed", desk.ann).transfer
    assert failed and failed.transfer_failed_reason == "Transfer failed because the reservation timed out"
    assert desk.status(desk.call) == "assigned"


def test_worker_targets_media_fails(desk: Handover) -> None:
    """The reservation is canceled with its code, the transfer fails."""
    desk.hand(desk.bob)
    desk.do("ResolveInstruction", canceled_reason_code=21215)
    desk.do("InstructReservation", sid=desk.pending(desk.bob)[0], instruction="conference")
    canceled = desk.event("reservation.canceled", desk.bob)
    assert canceled.reservation and canceled.reservation.canceled_reason_code == 21215
    assert canceled.task_transfer and canceled.task_transfer.transfer_status == "failed"
    assert desk.types(desk.ann) == ["task.transfer-failed", "task.updated"]


def test_queue_transfer_waits_and_finds(desk: Handover) -> None:
    """With nobody free the task is pending in the other queue; somebody who comes is offered it."""
    desk.set_activity(desk.bob, "Offline")
    transfer = desk.hand(desk.bobs)
    task = desk.get(desk.call)
    assert (task.assignment_status, task.task_queue_sid) == ("pending", desk.bobs)
    assert desk.types(desk.ann) == ["task.transfer-initiated", "task.updated"]
    desk.advance(80000)
    assert desk.status(desk.call) == "pending"
    desk.set_activity(desk.bob, "Available")
    created = desk.event("reservation.created", desk.bob)
    assert created.task_transfer and created.task_transfer.sid == transfer
    assert desk.types(desk.ann) == ["task.updated"]
    desk.to(desk.pending(desk.bob)[0], "accepted")
    assert desk.status_of(transfer) == "complete"
    assert desk.engine.transfer(desk.ws, transfer).transfer_failed_reason is None


def test_queue_transfer_attempt_times_out(desk: Handover) -> None:
    """An attempt that nobody answers fails with its own words, and the transfer goes on."""
    transfer = desk.hand(desk.bobs)
    desk.advance(120)
    attempt = desk.event("task.transfer-attempt-failed", desk.ann).transfer
    assert attempt and attempt.transfer_failed_reason == (
        "Transfer attempt failed on reservation timeout because there are no more pending reservations"
    )
    assert (desk.status(desk.call), desk.status_of(transfer)) == ("pending", "initiated")


def test_queue_transfer_to_several_at_once(desk: Handover) -> None:
    """The queue's number of workers applies; one who rejects is no failed attempt while another is asked."""
    desk.do("UpdateTaskQueue", sid=desk.bobs, max_reserved_workers=2)
    cyd = desk.worker("Cyd", level=2)
    desk.hand(desk.bobs)
    first, second = desk.pending(desk.bob)[0], desk.pending(cyd)[0]
    desk.to(first, "rejected")
    assert desk.types() == ["reservation.rejected"]
    desk.to(second, "accepted")
    assert desk.status(desk.call) == "assigned"


@pytest.mark.parametrize(("mode", "expected"), [("COLD", 1), ("WARM", 0)])
def test_a_queue_may_give_it_back(desk: Handover, mode: str, expected: int) -> None:
    """Cold, the transferor itself may be chosen if it has another place; warm it is left out."""
    desk.set_activity(desk.bob, "Offline")
    desk.do("UpdateWorkerChannel", worker_sid=desk.ann, channel="default", capacity=2)
    desk.hand(desk.home, mode)
    assert len(desk.pending(desk.ann)) == expected


def test_a_task_that_may_return_is_found_when_a_place_becomes_free(desk: Handover) -> None:
    """Waiting in line it is offered to its own transferor, too, once there is room; if the switch allows it."""
    desk.set_activity(desk.bob, "Offline")
    desk.hand(desk.home, "COLD")
    assert desk.pending(desk.ann) == []
    desk.do("UpdateWorkerChannel", worker_sid=desk.ann, channel="default", capacity=2)
    assert len(desk.pending(desk.ann)) == 1
    strict = Handover(Rules(cold_transfer_may_return=False))
    strict.set_activity(strict.bob, "Offline")
    strict.do("UpdateWorkerChannel", worker_sid=strict.ann, channel="default", capacity=2)
    strict.hand(strict.home, "COLD")
    assert strict.pending(strict.ann) == []
    loose = Handover(Rules(one_reservation_per_worker_and_task=False))
    loose.set_activity(loose.bob, "Offline")
    loose.do("UpdateWorkerChannel", worker_sid=loose.ann, channel="default", capacity=2)
    loose.hand(loose.home)
    assert len(loose.pending(loose.ann)) == 1


def test_taking_a_queue_transfer_back(desk: Handover) -> None:
    """The task is assigned again, in the queue it was in; the open offer is canceled."""
    transfer = desk.hand(desk.bobs)
    desk.do("CancelTransfer", worker_sid=desk.ann, task_sid=desk.call, sid=transfer)
    task = desk.get(desk.call)
    assert (task.assignment_status, task.task_queue_sid) == ("assigned", desk.home)
    assert desk.types(desk.bob) == ["reservation.canceled"]
    desk.set_activity(desk.bob, "Offline")
    waiting = desk.hand(desk.bobs)
    desk.do("CancelTransfer", worker_sid=desk.ann, task_sid=desk.call, sid=waiting)
    desk.set_activity(desk.bob, "Available")
    assert desk.pending(desk.bob) == [] and desk.status(desk.call) == "assigned"


def test_taking_back_what_one_has_completed_oneself(desk: Handover) -> None:
    """A transferor who completed after a cold start and then cancels ends the task."""
    transfer = desk.hand(desk.bob, "COLD")
    desk.to(desk.held, "completed")
    desk.do("CancelTransfer", worker_sid=desk.ann, task_sid=desk.call, sid=transfer)
    assert desk.status(desk.call) == "completed"
    assert desk.types(desk.ann)[:2] == ["task.transfer-canceled", "task.updated"]


def test_who_may_cancel_what(desk: Handover) -> None:
    """Only the transferor, only this task's transfer, only to the status canceled, only while it is open."""
    transfer = desk.hand(desk.bob)
    fields = {"worker_sid": desk.ann, "task_sid": desk.call, "sid": transfer}
    assert desk.refused("CancelTransfer", **{**fields, "worker_sid": desk.bob}).status == 404
    assert desk.refused("CancelTransfer", **{**fields, "sid": "TTxx"}).status == 404
    assert desk.refused("CancelTransfer", **{**fields, "task_sid": "WTxx"}).status == 400
    assert desk.refused("CancelTransfer", **fields, transfer_status="failed").status == 400
    desk.to(desk.pending(desk.bob)[0], "accepted")
    refusal = desk.refused("CancelTransfer", **fields)
    assert refusal.message == f"Transfer {transfer} is already complete . Cannot cancel transfer."


@pytest.mark.parametrize("how", ["canceled", "deleted"])
def test_the_task_ends_meanwhile(desk: Handover, how: str) -> None:
    """The transfer has failed, the offer is canceled, the transferor's part is completed."""
    transfer = desk.hand(desk.bob)
    if how == "canceled":
        desk.do("UpdateTask", sid=desk.call, assignment_status="canceled", reason="gone")
        assert desk.types(desk.ann) == ["task.canceled", "reservation.completed"]
        assert desk.types(desk.bob) == ["task.canceled", "reservation.canceled"]
        assert desk.status_of(transfer) == "failed"
    else:
        desk.do("DeleteTask", sid=desk.call)
        assert desk.types() == ["reservation.completed", "reservation.canceled", "task.deleted"]
        event = desk.event("reservation.canceled")
        assert event.task_transfer is not None


def test_quiet_transfers() -> None:
    """The switch leaves out the task updates that are only assumed; those of a failure stay."""
    desk = Handover(Rules(task_updated_on_transfer=False))
    desk.hand(desk.bobs)
    assert desk.types(desk.ann) == ["task.transfer-initiated"]
    desk.to(desk.pending(desk.bob)[0], "rejected")
    assert desk.types(desk.ann) == ["task.transfer-attempt-failed", "task.updated"]
    desk.to(desk.pending(desk.bob)[0], "accepted")
    assert desk.types(desk.ann) == ["task.transfer-completed"]


def test_a_queue_transfer_can_be_made_to_give_up() -> None:
    """With a number of attempts the last one fails the transfer, and the task is back where it was."""
    desk = Handover(Rules(queue_transfer_attempts=2))
    transfer = desk.hand(desk.bobs)
    desk.to(desk.pending(desk.bob)[0], "rejected")
    assert desk.status_of(transfer) == "initiated"
    desk.to(desk.pending(desk.bob)[0], "rejected")
    assert desk.types(desk.ann) == ["task.transfer-failed", "task.updated"]
    task = desk.get(desk.call)
    assert (task.assignment_status, task.task_queue_sid) == ("assigned", desk.home)
    assert desk.status_of(transfer) == "failed"


def test_a_failed_cold_transfer_can_cancel_the_task() -> None:
    """The switch says what a task is that its transferor had completed and nobody took."""
    desk = Handover(Rules(failed_cold_transfer_status="canceled"))
    desk.hand(desk.bob, "COLD")
    desk.to(desk.held, "completed")
    desk.to(desk.pending(desk.bob)[0], "rejected")
    assert desk.status(desk.call) == "canceled"
    assert "task.canceled" in desk.types(desk.bob)
