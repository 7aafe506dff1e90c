"""The worked sequences of the service reference, as far as they are the engine's and not the wire's."""

from __future__ import annotations

import json

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine.events import TaskEvent
from twilio_taskrouter_worker.local.engine.expressions import WORKER, compile_expression


class Setting(EngineDriver):
    """The reference's setting: FIFO template, four activities, Alice and Bob, both Offline."""

    def __init__(self) -> None:
        super().__init__()
        self.do("UpdateActivity", sid=self.activity("Available"), friendly_name="Idle")
        self.do("UpdateActivity", sid=self.activity("Unavailable"), friendly_name="Busy")
        self.do("CreateActivity", friendly_name="Reserved")
        self.alice = self.worker("Alice", "Offline", contact_uri="client:alice")
        self.bob = self.worker("Bob", "Offline", contact_uri="client:bob")


@pytest.fixture
def driver() -> Setting:
    """A fresh setting."""
    return Setting()


@pytest.fixture
def idle(driver: Setting) -> Setting:
    """The setting with Alice Idle."""
    driver.set_activity(driver.alice, "Idle")
    return driver


def test_1_alice_connects(driver: Setting) -> None:
    """A worker sees four activities, five channels of capacity 1 and no reservation, and hears its activity change."""
    worker = driver.set_activity(driver.alice, "Idle")
    assert driver.types(driver.alice) == ["worker.activity.update"]
    assert [a.friendly_name for a in driver.engine.activities(driver.ws)] == ["Offline", "Idle", "Busy", "Reserved"]
    channels = driver.engine.channels(driver.ws, driver.alice)
    assert [c.task_channel_unique_name for c in channels] == ["default", "voice", "sms", "chat", "video"]
    assert all(c.configured_capacity == 1 and c.available for c in channels)
    assert driver.open(driver.alice) == []
    assert (worker.activity_name, worker.available, worker.version) == ("Idle", True, 1)


def test_2_a_task_reserves_the_idle_worker(idle: Setting) -> None:
    """A new task is offered at once, on the default channel and without routing target."""
    result = idle.do("CreateTask", attributes='{"selected_language":"es"}')
    event = idle.reservation_event("reservation.created", idle.alice)
    assert result.assignment_status == "pending"
    assert event.reservation and event.task
    assert event.reservation.sid[:2] == "WR" and event.task.sid[:2] == "WT"
    assert event.reservation.reservation_status == "pending"
    assert event.task.assignment_status == "reserved"
    assert (event.task.task_channel_unique_name, event.task.routing_target) == ("default", None)
    assert event.reservation.reservation_timeout == 120


def test_3_accept(idle: Setting) -> None:
    """Accepting makes the reservation's version grow by one and the task assigned."""
    idle.task()
    reservation = idle.reservation(idle.pending(idle.alice)[0])
    answer = idle.to(reservation.sid, "accepted", if_match=reservation.version)
    assert (answer.reservation_status, answer.version) == ("accepted", reservation.version + 1)
    event = idle.reservation_event("reservation.accepted", idle.alice)
    assert event.reservation == answer
    assert event.task.assignment_status == "assigned"


def test_4_wrap_up_and_complete_the_task(idle: Setting) -> None:
    """Task wrap-up and completion each keep their reason, and end the reservation."""
    task, reservation = idle.accepted(idle.alice)
    wrapped = idle.do("UpdateTask", sid=task, assignment_status="wrapping", reason="one")
    assert (wrapped.assignment_status, wrapped.reason) == ("wrapping", "one")
    assert idle.types(idle.alice) == ["task.wrapup", "reservation.wrapup"]
    done = idle.do("UpdateTask", sid=task, assignment_status="completed", reason="two")
    assert (done.assignment_status, done.reason) == ("completed", "two")
    assert idle.types(idle.alice) == ["task.completed", "reservation.completed"]
    assert idle.reservation(reservation).reservation_status == "completed"
    assert idle.open(idle.alice) == []


def test_5_complete_the_reservation(idle: Setting) -> None:
    """Completing the only reservation completes the task."""
    task, reservation = idle.accepted(idle.alice)
    assert idle.to(reservation, "completed").reservation_status == "completed"
    assert idle.types(idle.alice) == ["task.completed", "reservation.completed"]
    assert idle.status(task) == "completed"


def test_6_wrap_the_reservation(idle: Setting) -> None:
    """Wrapping the only reservation wraps the task up, and still occupies the worker."""
    task, reservation = idle.accepted(idle.alice)
    assert idle.to(reservation, "wrapping").reservation_status == "wrapping"
    assert idle.types(idle.alice) == ["task.wrapup", "reservation.wrapup"]
    assert idle.status(task) == "wrapping"
    channel = idle.engine.channel(idle.ws, idle.alice, "default")
    assert (channel.occupied, channel.assigned_tasks, channel.available_capacity_percentage) == (1, 0, 0)


def test_7_delete_an_accepted_task(idle: Setting) -> None:
    """Deleting the task completes the accepted reservation; the task is gone."""
    task, reservation = idle.accepted(idle.alice)
    idle.do("DeleteTask", sid=task)
    assert idle.types(idle.alice) == ["reservation.completed"]
    assert idle.types() == ["reservation.completed", "task.deleted"]
    assert idle.refused("DeleteTask", sid=task).status == 404
    assert idle.refused("UpdateReservation", sid=reservation, reservation_status="completed").status == 404


def test_8_reject(idle: Setting) -> None:
    """A rejected task is pending in the event and is then offered again to the lone worker."""
    task = idle.task()
    first = idle.pending(idle.alice)[0]
    assert idle.to(first, "rejected").reservation_status == "rejected"
    assert idle.types(idle.alice) == ["reservation.rejected", "reservation.created"]
    rejected = idle.reservation_event("reservation.rejected")
    assert rejected.task.assignment_status == "pending"
    assert idle.status(task) == "reserved"
    assert idle.pending(idle.alice) != [first]


@pytest.mark.parametrize("reason", [None, "no longer needed"])
def test_9_cancel_a_reserved_task(idle: Setting, reason: str | None) -> None:
    """Cancelling ends the pending reservation without a reason code, and carries the reason."""
    task = idle.task()
    reservation = idle.pending(idle.alice)[0]
    given = {} if reason is None else {"reason": reason}
    idle.do("UpdateTask", sid=task, assignment_status="canceled", **given)
    assert idle.types(idle.alice) == ["task.canceled", "reservation.canceled"]
    canceled = idle.reservation_event("reservation.canceled")
    assert canceled.reservation.sid == reservation
    assert canceled.reservation.canceled_reason_code is None
    assert canceled.task.assignment_status == "canceled"
    told = idle.task_event("task.canceled").task
    assert told.reason == reason


def test_10_capacity_three(idle: Setting) -> None:
    """With three places three tasks are reserved at the same time, a fourth waits."""
    idle.do("UpdateWorkerChannel", worker_sid=idle.alice, channel="default", capacity=3)
    assert idle.types(idle.alice) == ["worker.capacity.update"]
    tasks = [idle.task() for _ in range(4)]
    assert len(idle.pending(idle.alice)) == 3
    assert [idle.status(task) for task in tasks] == ["reserved", "reserved", "reserved", "pending"]


def test_11_going_offline_rejects_everything_pending(idle: Setting) -> None:
    """The activity changes first, then each pending reservation is rejected."""
    idle.do("UpdateWorkerChannel", worker_sid=idle.alice, channel="default", capacity=3)
    tasks = [idle.task() for _ in range(3)]
    idle.set_activity(idle.alice, "Offline", reject_pending_reservations=True)
    assert idle.types(idle.alice) == ["worker.activity.update", *["reservation.rejected"] * 3]
    assert {idle.status(task) for task in tasks} == {"pending"}


def test_12_tasks_for_oneself_while_offline(driver: Setting) -> None:
    """A task for a worker is reserved for that worker whatever its activity, and counts in its version."""
    queue = driver.engine.queues(driver.ws)[0].sid
    flow = driver.engine.workflows(driver.ws)[0].sid
    for number in (1, 2):
        before = driver.worker_record(driver.alice).version
        answer = driver.do("CreateTask", routing_target=driver.alice, workflow_sid=flow, task_queue_sid=queue)
        assert answer.assignment_status == "pending"
        assert driver.types(driver.alice) == ["reservation.created"]
        assert len(driver.pending(driver.alice)) == number
        assert driver.worker_record(driver.alice).version == before + 1


def test_13_attributes_of_a_reserved_task(driver: Setting) -> None:
    """New attributes replace the old ones entirely and make the version grow by exactly one."""
    task = driver.task({"a": 1, "b": 2}, routing_target=driver.alice)
    before = driver.reservation_event("reservation.created").task
    assert before
    answer = driver.do("UpdateTask", sid=task, attributes='{"c": 3}', if_match=before.version)
    event = driver.task_event("task.updated", driver.alice)
    assert event.task == answer
    assert (answer.assignment_status, answer.version) == ("reserved", before.version + 1)
    assert json.loads(answer.attributes) == {"c": 3}
    assert answer.routing_target == driver.alice


def test_14_virtual_start_time(driver: Setting) -> None:
    """A time in the past is taken and returned, one in the future is refused."""
    past = driver.now - 3600
    assert driver.do("CreateTask", virtual_start_time=past).virtual_start_time == past
    refusal = driver.refused("CreateTask", virtual_start_time=driver.now + 86400)
    assert refusal.status == 400 and "future" in refusal.message
    task = driver.task()
    assert driver.do("UpdateTask", sid=task, virtual_start_time=past).virtual_start_time == past
    assert "future" in driver.refused("UpdateTask", sid=task, virtual_start_time=driver.now + 1).message


def _with_transfer(driver: Setting, to: str, mode: str = "WARM") -> tuple[str, str, str]:
    """Let Alice accept, let Bob come, let Alice hand over; return task, Alice's reservation, transfer."""
    task, reservation = driver.accepted(driver.alice)
    driver.set_activity(driver.bob, "Idle")
    transfer = driver.transfer(reservation, to, mode)
    return task, reservation, transfer.sid


def test_15_transfer_to_a_worker_who_rejects(idle: Setting) -> None:
    """Both see the transfer begin and fail; the task stays with the transferor."""
    task, reservation, transfer = _with_transfer(idle, idle.bob)
    assert idle.types(idle.alice) == ["task.transfer-initiated", "task.updated"]
    created = idle.reservation_event("reservation.created", idle.bob)
    assert created.task.assignment_status == "reserved"
    incoming = created.task_transfer
    assert incoming and incoming.sid == transfer
    assert (incoming.transfer_mode, incoming.transfer_type, incoming.transfer_status) == ("WARM", "WORKER", "initiated")
    assert (incoming.initiating_worker_sid, incoming.transfer_to) == (idle.alice, idle.bob)
    assert incoming.initiating_reservation_sid == reservation
    assert created.active_outgoing_task_transfer is None
    view = idle.engine.reservation_view(idle.ws, reservation)
    assert view.active_outgoing_task_transfer and view.active_outgoing_task_transfer.sid == transfer

    idle.to(idle.pending(idle.bob)[0], "rejected")
    assert idle.types(idle.alice) == ["task.transfer-failed", "task.updated"]
    updated = idle.task_event("task.updated").task
    assert updated.assignment_status == "assigned"
    failed = idle.transfer_event("task.transfer-failed").transfer
    assert failed.transfer_failed_reason == "Transfer failed because the reservation was rejected"
    rejected = idle.reservation_event("reservation.rejected", idle.bob)
    assert rejected.task_transfer and rejected.task_transfer.transfer_status == "failed"
    assert rejected.task.assignment_status == "assigned"
    assert idle.pending(idle.bob) == []


def test_16_transfer_is_taken_back(idle: Setting) -> None:
    """Cancelling returns the task; doing it twice is refused with the service's own words."""
    task, reservation, transfer = _with_transfer(idle, idle.bob)
    answer = idle.do("CancelTransfer", worker_sid=idle.alice, task_sid=task, sid=transfer)
    assert answer.transfer_status == "canceled"
    assert idle.types(idle.alice) == ["task.transfer-canceled", "task.updated"]
    updated = idle.task_event("task.updated").task
    assert updated.assignment_status == "assigned"
    canceled = idle.reservation_event("reservation.canceled", idle.bob)
    assert canceled.task_transfer and canceled.task_transfer.transfer_status == "canceled"
    assert canceled.task.assignment_status == "assigned"
    refusal = idle.refused("CancelTransfer", worker_sid=idle.alice, task_sid=task, sid=transfer)
    assert refusal.status == 400
    assert refusal.message == f"Transfer {transfer} is already canceled . Cannot cancel transfer."
    assert idle.transfer(reservation, idle.bob).transfer_status == "initiated"


def test_17_transfer_to_the_queue_that_is_rejected(idle: Setting) -> None:
    """An attempt fails but the transfer goes on: the task is pending, then offered again."""
    queue = idle.engine.queues(idle.ws)[0].sid
    task, _, _ = _with_transfer(idle, queue)
    first = idle.pending(idle.bob)[0]
    idle.to(first, "rejected")
    assert idle.types(idle.alice)[:2] == ["task.transfer-attempt-failed", "task.updated"]
    attempt = idle.transfer_event("task.transfer-attempt-failed").transfer
    assert attempt.transfer_status == "initiated"
    assert attempt.transfer_failed_reason == (
        "Transfer attempt failed on reservation reject because there are no more pending reservations"
    )
    updated = next(e.task for e in idle.events if isinstance(e, TaskEvent) and e.type == "task.updated")
    assert updated.assignment_status == "pending"
    rejected = idle.reservation_event("reservation.rejected", idle.bob)
    assert rejected.task_transfer and rejected.task_transfer.transfer_status == "initiated"
    assert idle.pending(idle.bob) != [first] and idle.status(task) == "reserved"


def test_18_transfer_to_an_unavailable_worker(idle: Setting) -> None:
    """Nothing is made of a transfer to somebody who is Offline."""
    _, reservation = idle.accepted(idle.alice)
    record = idle.reservation(reservation)
    refusal = idle.refused(
        "CreateTransfer", worker_sid=idle.alice, reservation_sid=reservation, task_sid=record.task_sid, to=idle.bob
    )
    assert refusal.status == 400


def test_19_what_lists_of_workers_are_made_of(driver: Setting) -> None:
    """Workers come in order of creation, an expression selects among them, unknown sids are not found."""
    assert [w.friendly_name for w in driver.engine.workers(driver.ws)] == ["Alice", "Bob"]
    expression = compile_expression(f"sid IN ['{driver.bob}']", WORKER)
    matching = [
        w.sid
        for w in driver.engine.workers(driver.ws)
        if expression.matches(driver.engine.worker_scope(driver.ws, w.sid))
    ]
    assert matching == [driver.bob]


def test_20_queues_of_a_worker(driver: Setting) -> None:
    """A queue that asks for what the worker lacks is there, but not among the worker's queues."""
    missing = driver.queue("Missing", 'missingAttribute = "foo"')
    assert missing in [q.sid for q in driver.engine.queues(driver.ws)]
    assert [q.friendly_name for q in driver.engine.queues_of_worker(driver.ws, driver.bob)] == ["Sample Queue"]
    assert driver.engine.queue_members(driver.ws, missing) == []


def test_22_two_workers_at_once(idle: Setting) -> None:
    """Both are offered the task; the first to accept has it, the other is told and comes too late."""
    idle.do("UpdateTaskQueue", sid=idle.engine.queues(idle.ws)[0].sid, max_reserved_workers=2)
    idle.set_activity(idle.bob, "Idle")
    task = idle.task()
    assert idle.types(idle.alice) == idle.types(idle.bob) == ["reservation.created"]
    alice, bob = idle.pending(idle.alice)[0], idle.pending(idle.bob)[0]
    idle.to(bob, "accepted")
    assert idle.types(idle.bob) == ["reservation.accepted"]
    rescinded = idle.reservation_event("reservation.rescinded", idle.alice)
    assert rescinded.task.assignment_status == "assigned"
    assert idle.refused("UpdateReservation", sid=alice, reservation_status="accepted").status == 410
    assert idle.get(task).counter == 1
