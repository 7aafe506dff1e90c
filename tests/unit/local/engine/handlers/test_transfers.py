"""Transfers: what they need, and every outcome."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Rules


class Handover(EngineDriver):
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
def driver() -> Handover:
    """A task to hand over."""
    return Handover()


def refused(driver: Handover, **fields: Any) -> str:
    """Return why a transfer is refused, with everything in order but what is given."""
    asked = {
        "worker_sid": driver.ann,
        "reservation_sid": driver.held,
        "task_sid": driver.call,
        "to": driver.bob,
        **fields,
    }
    refusal = driver.refused("CreateTransfer", **asked)
    assert refusal.status == 400
    return refusal.message


def test_the_conditions_of_a_transfer(driver: Handover) -> None:
    """Each condition is checked, and nothing is made when one is missing."""
    assert "Mode" in refused(driver, mode="HOT")
    assert "To 'WKxx'" in refused(driver, to="WKxx")
    assert "who has it" in refused(driver, to=driver.ann)
    assert "ReservationSid 'WRxx'" in refused(driver, reservation_sid="WRxx")
    assert "TaskSid 'WTxx'" in refused(driver, task_sid="WTxx")
    assert "Attributes" in refused(driver, attributes="[]")
    assert "Priority" in refused(driver, priority=-1)
    other = driver.task()
    assert driver.status(other) == "reserved"
    assert "no capacity" in refused(driver)
    driver.set_activity(driver.bob, "Offline")
    assert "not available" in refused(driver)
    driver.to(driver.held, "wrapping")
    assert "not currently assigned" in refused(driver)


def test_capacity_need_not_be_checked() -> None:
    """The switch allows handing over to somebody who is full."""
    driver = Handover(Rules(transfer_checks_capacity=False))
    driver.task()
    assert driver.status_of(driver.hand(driver.bob)) == "initiated"


def test_one_transfer_at_a_time(driver: Handover) -> None:
    """While one is open another is refused, and so are wrap-up and completion of the task."""
    driver.hand(driver.bob)
    assert "already being transferred" in refused(driver, to=driver.home)
    for status in ("wrapping", "completed"):
        assert driver.refused("UpdateTask", sid=driver.call, assignment_status=status).status == 400


def test_the_fields_of_a_transfer(driver: Handover) -> None:
    """Type, mode and the four initiating sids; attributes and priority replace the task's, in one version."""
    before = driver.get(driver.call).version
    transfer = driver.transfer(driver.held, driver.bob, attributes='{"b":2}', priority=7)
    assert (transfer.transfer_type, transfer.transfer_mode, transfer.transfer_to) == ("WORKER", "WARM", driver.bob)
    assert transfer.initiating_reservation_sid == driver.held and transfer.initiating_worker_sid == driver.ann
    assert transfer.initiating_queue_sid == driver.home
    assert transfer.initiating_workflow_sid == driver.get(driver.call).workflow_sid
    task = driver.get(driver.call)
    assert (task.attributes, task.priority, task.version, task.assignment_status) == (
        '{"b":2}',
        7,
        before + 1,
        "reserved",
    )
    assert driver.engine.task_attributes(driver.ws, driver.call) == {"b": 2}
    assert [t.sid for t in driver.engine.transfers(driver.ws, driver.call)] == [transfer.sid]


def test_warm_accepted(driver: Handover) -> None:
    """Both have the task; each completes its own part, the task with the last; the receiver may hand on."""
    transfer = driver.hand(driver.bob)
    incoming = driver.pending(driver.bob)[0]
    driver.to(incoming, "accepted")
    assert driver.types(driver.ann) == ["task.transfer-completed", "task.updated"]
    accepted = driver.reservation_event("reservation.accepted", driver.bob)
    assert accepted.task_transfer and accepted.task_transfer.transfer_status == "complete"
    assert driver.status(driver.call) == "assigned" and driver.status_of(transfer) == "complete"
    assert driver.engine.reservation_view(driver.ws, driver.held).active_outgoing_task_transfer is None
    driver.to(driver.held, "wrapping")
    assert driver.types(driver.ann) == ["reservation.wrapup"]
    driver.to(driver.held, "completed")
    assert driver.types(driver.ann) == ["reservation.completed"] and driver.status(driver.call) == "assigned"
    onward = driver.transfer(incoming, driver.queue("Empty", "")).sid
    driver.do("CancelTransfer", worker_sid=driver.bob, task_sid=driver.call, sid=onward)
    assert driver.status_of(onward) == "canceled"
    driver.to(incoming, "completed")
    assert driver.types(driver.bob) == ["task.completed", "reservation.completed"]


def test_a_third_worker_who_holds_the_task_sees_every_step(driver: Handover) -> None:
    """After a warm transfer the first transferor hears ``task.updated`` at each step of the receiver's own transfer."""
    driver.hand(driver.bob)
    held = driver.pending(driver.bob)[0]
    driver.to(held, "accepted")
    carl = driver.worker("Carl", level=3)
    carls = driver.queue("Carls", "level == 3")

    def seen() -> tuple[list[str], str, int]:
        """Return the types of Ann's events, and status and version of the task that they show."""
        task = driver.task_event("task.updated", driver.ann).task
        return driver.types(driver.ann), task.assignment_status, task.version

    def now(status: str) -> tuple[list[str], str, int]:
        """Return what is to be seen: one event, with the task as it is."""
        return ["task.updated"], status, driver.get(driver.call).version

    driver.transfer(held, carl)
    assert seen() == now("reserved")
    assert driver.types(carl) == ["reservation.created"]
    driver.to(driver.pending(carl)[0], "rejected")
    assert seen() == now("assigned")
    onward = driver.transfer(held, carls).sid
    assert seen() == now("reserved")
    driver.do("CancelTransfer", worker_sid=driver.bob, task_sid=driver.call, sid=onward)
    assert seen() == now("assigned")
    driver.transfer(held, carls)
    driver.to(driver.pending(carl)[0], "rejected")
    assert "task.updated" in driver.types(driver.ann)
    driver.to(driver.pending(carl)[0], "accepted")
    assert seen() == now("assigned")
    assert driver.types(carl) == ["reservation.accepted"]


def test_the_receiver_may_not_be_the_one_who_holds_it(driver: Handover) -> None:
    """After a warm transfer neither can hand over to the other."""
    driver.hand(driver.bob)
    driver.to(driver.pending(driver.bob)[0], "accepted")
    driver.do("UpdateWorkerChannel", worker_sid=driver.bob, channel="default", capacity=3)
    assert "already has a reservation" in refused(driver)


def test_cold_wraps_the_transferor_up_at_once(driver: Handover) -> None:
    """In a cold transfer the transferor is wrapping before the target answers, and may complete meanwhile."""
    transfer = driver.hand(driver.bob, "COLD")
    assert driver.types(driver.ann) == ["task.transfer-initiated", "reservation.wrapup", "task.updated"]
    wrapup = driver.reservation_event("reservation.wrapup")
    assert wrapup.task.assignment_status == "reserved"
    outgoing = wrapup.active_outgoing_task_transfer
    assert outgoing and outgoing.sid == transfer
    driver.to(driver.held, "completed")
    assert driver.types(driver.ann) == ["reservation.completed"]
    assert driver.status(driver.call) == "reserved"
    driver.to(driver.pending(driver.bob)[0], "accepted")
    assert driver.types(driver.ann) == ["task.transfer-completed", "task.updated"]
    assert driver.status(driver.call) == "assigned"


@pytest.mark.parametrize(
    ("completed", "status"), [(False, "wrapping"), (True, "completed")], ids=["wrapping", "completed"]
)
def test_cold_rejected(driver: Handover, completed: bool, status: str) -> None:
    """The task falls back to what is left of it with the transferor."""
    transfer = driver.hand(driver.bob, "COLD")
    if completed:
        driver.to(driver.held, "completed")
    driver.to(driver.pending(driver.bob)[0], "rejected")
    assert driver.types(driver.ann) == ["task.transfer-failed", "task.updated"]
    assert (driver.status(driver.call), driver.status_of(transfer)) == (status, "failed")
    assert ("task.completed" in driver.types(driver.bob)) == completed


def test_worker_target_times_out(driver: Handover) -> None:
    """The transfer fails, the target goes to the timeout activity."""
    driver.hand(driver.bob)
    driver.advance(120)
    assert driver.types(driver.bob) == ["reservation.timeout", "worker.activity.update"]
    timed_out = driver.reservation_event("reservation.timeout")
    assert timed_out.task_transfer and timed_out.task_transfer.transfer_status == "failed"
    failed = driver.transfer_event("task.transfer-failed", driver.ann).transfer
    assert failed.transfer_failed_reason == "Transfer failed because the reservation timed out"
    assert driver.status(driver.call) == "assigned"


def test_worker_targets_media_fails(driver: Handover) -> None:
    """The reservation is canceled with its code, the transfer fails."""
    driver.hand(driver.bob)
    driver.do("ResolveInstruction", canceled_reason_code=21215)
    driver.do("InstructReservation", sid=driver.pending(driver.bob)[0], instruction="conference")
    canceled = driver.reservation_event("reservation.canceled", driver.bob)
    assert canceled.reservation.canceled_reason_code == 21215
    assert canceled.task_transfer and canceled.task_transfer.transfer_status == "failed"
    assert driver.types(driver.ann) == ["task.transfer-failed", "task.updated"]


def test_queue_transfer_waits_and_finds(driver: Handover) -> None:
    """With nobody free the task is pending in the other queue; somebody who comes is offered it."""
    driver.set_activity(driver.bob, "Offline")
    transfer = driver.hand(driver.bobs)
    task = driver.get(driver.call)
    assert (task.assignment_status, task.task_queue_sid) == ("pending", driver.bobs)
    assert driver.types(driver.ann) == ["task.transfer-initiated", "task.updated"]
    driver.advance(80000)
    assert driver.status(driver.call) == "pending"
    driver.set_activity(driver.bob, "Available")
    created = driver.reservation_event("reservation.created", driver.bob)
    assert created.task_transfer and created.task_transfer.sid == transfer
    assert driver.types(driver.ann) == ["task.updated"]
    driver.to(driver.pending(driver.bob)[0], "accepted")
    assert driver.status_of(transfer) == "complete"
    assert driver.engine.transfer(driver.ws, transfer).transfer_failed_reason is None


def test_queue_transfer_attempt_times_out(driver: Handover) -> None:
    """An attempt that nobody answers fails with its own words, and the transfer goes on."""
    transfer = driver.hand(driver.bobs)
    driver.advance(120)
    attempt = driver.transfer_event("task.transfer-attempt-failed", driver.ann).transfer
    assert attempt.transfer_failed_reason == (
        "Transfer attempt failed on reservation timeout because there are no more pending reservations"
    )
    assert (driver.status(driver.call), driver.status_of(transfer)) == ("pending", "initiated")


def test_queue_transfer_to_several_at_once(driver: Handover) -> None:
    """The queue's number of workers applies; one who rejects is no failed attempt while another is asked."""
    driver.do("UpdateTaskQueue", sid=driver.bobs, max_reserved_workers=2)
    cyd = driver.worker("Cyd", level=2)
    driver.hand(driver.bobs)
    first, second = driver.pending(driver.bob)[0], driver.pending(cyd)[0]
    driver.to(first, "rejected")
    assert driver.types() == ["reservation.rejected"]
    driver.to(second, "accepted")
    assert driver.status(driver.call) == "assigned"


@pytest.mark.parametrize(("mode", "expected"), [("COLD", 1), ("WARM", 0)])
def test_a_queue_may_give_it_back(driver: Handover, mode: str, expected: int) -> None:
    """Cold, the transferor itself may be chosen if it has another place; warm it is left out."""
    driver.set_activity(driver.bob, "Offline")
    driver.do("UpdateWorkerChannel", worker_sid=driver.ann, channel="default", capacity=2)
    driver.hand(driver.home, mode)
    assert len(driver.pending(driver.ann)) == expected


def test_a_task_that_may_return_is_found_when_a_place_becomes_free(driver: Handover) -> None:
    """Waiting in line it is offered to its own transferor, too, once there is room; if the switch allows it."""
    driver.set_activity(driver.bob, "Offline")
    driver.hand(driver.home, "COLD")
    assert driver.pending(driver.ann) == []
    driver.do("UpdateWorkerChannel", worker_sid=driver.ann, channel="default", capacity=2)
    assert len(driver.pending(driver.ann)) == 1
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


def test_taking_a_queue_transfer_back(driver: Handover) -> None:
    """The task is assigned again, in the queue it was in; the open offer is canceled."""
    transfer = driver.hand(driver.bobs)
    driver.do("CancelTransfer", worker_sid=driver.ann, task_sid=driver.call, sid=transfer)
    task = driver.get(driver.call)
    assert (task.assignment_status, task.task_queue_sid) == ("assigned", driver.home)
    assert driver.types(driver.bob) == ["reservation.canceled"]
    driver.set_activity(driver.bob, "Offline")
    waiting = driver.hand(driver.bobs)
    driver.do("CancelTransfer", worker_sid=driver.ann, task_sid=driver.call, sid=waiting)
    driver.set_activity(driver.bob, "Available")
    assert driver.pending(driver.bob) == [] and driver.status(driver.call) == "assigned"


def test_taking_back_what_one_has_completed_oneself(driver: Handover) -> None:
    """A transferor who completed after a cold start and then cancels ends the task."""
    transfer = driver.hand(driver.bob, "COLD")
    driver.to(driver.held, "completed")
    driver.do("CancelTransfer", worker_sid=driver.ann, task_sid=driver.call, sid=transfer)
    assert driver.status(driver.call) == "completed"
    assert driver.types(driver.ann)[:2] == ["task.transfer-canceled", "task.updated"]


def test_who_may_cancel_what(driver: Handover) -> None:
    """Only the transferor, only this task's transfer, only to the status canceled, only while it is open."""
    transfer = driver.hand(driver.bob)
    fields = {"worker_sid": driver.ann, "task_sid": driver.call, "sid": transfer}
    assert driver.refused("CancelTransfer", **{**fields, "worker_sid": driver.bob}).status == 404
    assert driver.refused("CancelTransfer", **{**fields, "sid": "TTxx"}).status == 404
    assert driver.refused("CancelTransfer", **{**fields, "task_sid": "WTxx"}).status == 400
    assert driver.refused("CancelTransfer", **fields, transfer_status="failed").status == 400
    driver.to(driver.pending(driver.bob)[0], "accepted")
    refusal = driver.refused("CancelTransfer", **fields)
    assert refusal.message == f"Transfer {transfer} is already complete . Cannot cancel transfer."


@pytest.mark.parametrize("how", ["canceled", "deleted"])
def test_the_task_ends_meanwhile(driver: Handover, how: str) -> None:
    """The transfer has failed, the offer is canceled, the transferor's part is completed."""
    transfer = driver.hand(driver.bob)
    if how == "canceled":
        driver.do("UpdateTask", sid=driver.call, assignment_status="canceled", reason="gone")
        assert driver.types(driver.ann) == ["task.canceled", "reservation.completed"]
        assert driver.types(driver.bob) == ["task.canceled", "reservation.canceled"]
        assert driver.status_of(transfer) == "failed"
    else:
        driver.do("DeleteTask", sid=driver.call)
        assert driver.types() == ["reservation.completed", "reservation.canceled", "task.deleted"]
        event = driver.reservation_event("reservation.canceled")
        assert event.task_transfer is not None


def test_quiet_transfers() -> None:
    """The switch leaves out the task updates that are only assumed; those of a failure stay."""
    driver = Handover(Rules(task_updated_on_transfer=False))
    driver.hand(driver.bobs)
    assert driver.types(driver.ann) == ["task.transfer-initiated"]
    driver.to(driver.pending(driver.bob)[0], "rejected")
    assert driver.types(driver.ann) == ["task.transfer-attempt-failed", "task.updated"]
    driver.to(driver.pending(driver.bob)[0], "accepted")
    assert driver.types(driver.ann) == ["task.transfer-completed"]


def test_a_queue_transfer_can_be_made_to_give_up() -> None:
    """With a number of attempts the last one fails the transfer, and the task is back where it was."""
    driver = Handover(Rules(queue_transfer_attempts=2))
    transfer = driver.hand(driver.bobs)
    driver.to(driver.pending(driver.bob)[0], "rejected")
    assert driver.status_of(transfer) == "initiated"
    driver.to(driver.pending(driver.bob)[0], "rejected")
    assert driver.types(driver.ann) == ["task.transfer-failed", "task.updated"]
    task = driver.get(driver.call)
    assert (task.assignment_status, task.task_queue_sid) == ("assigned", driver.home)
    assert driver.status_of(transfer) == "failed"


def test_a_failed_cold_transfer_can_cancel_the_task() -> None:
    """The switch says what a task is that its transferor had completed and nobody took."""
    driver = Handover(Rules(failed_cold_transfer_status="canceled"))
    driver.hand(driver.bob, "COLD")
    driver.to(driver.held, "completed")
    driver.to(driver.pending(driver.bob)[0], "rejected")
    assert driver.status(driver.call) == "canceled"
    assert "task.canceled" in driver.types(driver.bob)
