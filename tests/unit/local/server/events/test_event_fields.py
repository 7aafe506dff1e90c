"""The facts of events: one table, which is complete, and read from what really happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.desk import ACCOUNT, Desk
from twilio_taskrouter_worker.local.engine import Event
from twilio_taskrouter_worker.local.engine.events import LOG_EVENTS
from twilio_taskrouter_worker.local.server.events import event_fields

UNIT = f"OU{ACCOUNT[2:]}"


def facts(event: Event) -> dict[str, str]:
    """What a callback says of an event."""
    return event_fields.callback_params(event, ACCOUNT, "W")


@pytest.fixture
def desk() -> Desk:
    """A desk with two queues: Spanish, for those who speak it, and Last, for all."""
    desk = Desk(template="NONE")
    desk.queue("Spanish", 'skills HAS "es"')
    desk.queue("Last")
    return desk


def q(desk: Desk, name: str) -> str:
    """The sid of a queue."""
    return next(queue.sid for queue in desk.engine.queues(desk.ws) if queue.friendly_name == name)


def flow(desk: Desk, *targets: dict[str, Any]) -> str:
    """A workflow with one filter for Spanish, and the queue Last by default."""
    spanish = {"filter_friendly_name": "es", "expression": 'lang == "es"', "targets": list(targets)}
    return desk.workflow(spanish, default={"queue": q(desk, "Last")})


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_event_has_its_row() -> None:
    """The table names each type of event that there is, and no other."""
    assert event_fields.FACTS.keys() == LOG_EVENTS


@pytest.mark.parametrize("kind", sorted(LOG_EVENTS))
def test_a_fact_is_listed_once(kind: str) -> None:
    """A name stands for one fact; only the operating unit, which an account has one of, comes from two records."""
    names = [fact.name for fact in event_fields.FACTS[kind] if fact.name != "operating_unit_sid"]
    assert len(names) == len(set(names))


# -- what events say -------------------------------------------------------------------------------------------------


def test_an_activity_change_names_both_activities(desk: Desk) -> None:
    """Programs read where the worker comes from by name as well as by sid."""
    alice = desk.worker("Alice", "Offline")
    desk.now += 26.5
    desk.set_activity(alice, "Available")
    found = facts(desk.event("worker.activity.update"))
    assert found["WorkerPreviousActivitySid"] == desk.activity("Offline")
    assert found["WorkerPreviousActivityName"] == "Offline"
    assert found["WorkerActivityName"] == "Available"
    assert found["WorkerTimeInPreviousActivity"] == "26"
    assert found["WorkerTimeInPreviousActivityMs"] == "26500"
    assert found["OperatingUnitSid"] == UNIT
    assert found["EventDescription"] == "Worker Alice updated to Available Activity"


def test_a_queue_is_named_as_the_service_names_it(desk: Desk) -> None:
    """Type and sentence of a queue's events are written differently from those of its URL."""
    created = desk.queue("New", "1==1")
    found = facts(desk.event("task-queue.created"))
    assert (found["ResourceType"], found["ResourceSid"]) == ("taskqueue", created)
    assert found["EventDescription"] == f"TaskQueue {created} created"
    assert found["TaskQueueTargetExpression"] == "1==1"
    assert found["OperatingUnitSid"] == UNIT


def test_reservation_events_have_everything_around_them(desk: Desk) -> None:
    """Task, worker, channel and queue with their versions and dates, all as texts, dates in unix seconds."""
    workflow = flow(desk, {"queue": q(desk, "Spanish")})
    alice = desk.worker("Alice", "Offline", capacity=3, skills=["es"])
    desk.now += 0.5
    desk.task({"lang": "es"}, priority=7)
    desk.set_activity(alice, "Available")
    found = facts(desk.event("reservation.created"))
    [sid] = desk.pending(alice)
    task, worker = desk.get(desk.reservation(sid).task_sid), desk.worker_record(alice)
    assert {name: found[name] for name in found if name.startswith("Task")} == {
        "TaskSid": task.sid,
        "TaskAttributes": task.attributes,
        "TaskAge": "0",
        "TaskPriority": "7",
        "TaskAssignmentStatus": "reserved",
        "TaskVersion": str(task.version),
        "TaskDateCreated": str(int(task.date_created)),
        "TaskVirtualStartTime": str(int(task.virtual_start_time)),
        "TaskIgnoreCapacity": "false",
        "TaskQueueSid": q(desk, "Spanish"),
        "TaskQueueName": "Spanish",
        "TaskQueueTargetExpression": 'skills HAS "es"',
        "TaskQueueEnteredDate": str(int(desk.now)),
        "TaskChannelSid": task.task_channel_sid,
        "TaskChannelUniqueName": "default",
    }
    assert found["ReservationVersion"] == "0"
    assert found["WorkerVersion"] == str(worker.version)
    assert (found["WorkerChannelCapacity"], found["WorkerChannelConsumedCapacity"]) == ("3", "1")
    assert (found["WorkflowSid"], found["WorkflowName"]) == (workflow, "Workflow 0")
    assert found["OperatingUnitSid"] == UNIT
    assert found["EventDescription"] == f"Reservation {sid} created"
    assert "ReservationReasonCode" not in found and "TaskRoutingTarget" not in found


def test_the_matched_target_is_told(desk: Desk) -> None:
    """The filter by name and expression, the target by name and expression; the default filter has no expression."""
    flow(desk, {"queue": q(desk, "Spanish"), "expression": "worker.level > 1", "target_friendly_name": "seniors"})
    desk.task({"lang": "es"})
    found = facts(desk.event("workflow.target-matched"))
    assert found["WorkflowFilterName"] == "es"
    assert found["WorkflowFilterExpression"] == 'lang == "es"'
    assert found["WorkflowFilterTargetName"] == "seniors"
    assert found["WorkflowFilterTargetExpression"] == "worker.level > 1"
    desk.task()
    default = facts(desk.event("workflow.target-matched"))
    assert not {"WorkflowFilterExpression", "WorkflowFilterTargetExpression"} & default.keys()


def test_a_move_names_the_queue_before(desk: Desk) -> None:
    """Queue and priority that the task leaves, and why."""
    flow(desk, {"queue": q(desk, "Spanish"), "priority": 3, "timeout": 10}, {"queue": q(desk, "Last"), "priority": 9})
    desk.task({"lang": "es"})
    desk.advance(10)
    found = facts(desk.event("task-queue.moved"))
    assert found["PreviousTaskQueueSid"] == q(desk, "Spanish")
    assert found["PreviousTaskQueueName"] == "Spanish"
    assert (found["PreviousTaskPriority"], found["TaskPriority"]) == ("3", "9")
    assert found["TargetChangedReason"] == "target_timeout"
    assert found["TaskQueueName"] == "Last"


@pytest.mark.parametrize(
    ("key", "by", "name"),
    [
        ("known_worker_sid", "sid", "KnownWorkerSid"),
        ("known_worker_friendly_name", "friendly_name", "KnownWorkerFriendlyName"),
    ],
)
def test_a_known_worker_is_named(desk: Desk, key: str, by: str, name: str) -> None:
    """Routing to a known agent tells whom it is for, when the task comes to the step and when it is offered."""
    flow(desk, {"queue": q(desk, "Last"), key: "task.agent"})
    alice = desk.worker("Alice")
    agent = getattr(desk.worker_record(alice), by)
    desk.task({"lang": "es", "agent": agent})
    for kind in ("workflow.target-matched", "task-queue.entered", "reservation.created"):
        assert facts(desk.event(kind))[name] == agent


@pytest.mark.parametrize(
    ("ending", "reason"), [("rejected", "reservation_rejected"), ("timeout", "reservation_timeout")]
)
def test_an_offer_after_another_says_why(desk: Desk, ending: str, reason: str) -> None:
    """What comes after a rejection or a timeout is told apart from a first offer, until somebody accepts."""
    desk.workflow(default={"queue": q(desk, "Last")}, task_reservation_timeout=5)
    alice, bob = desk.worker("Alice"), desk.worker("Bob")
    desk.task()
    assert "TaskReEvaluatedReason" not in facts(desk.event("reservation.created"))
    [sid] = desk.pending(alice) or desk.pending(bob)
    if ending == "rejected":
        desk.to(sid, "rejected")
    else:
        desk.advance(5)
    assert facts(desk.event("reservation.created"))["TaskReEvaluatedReason"] == reason


def test_canceling_gives_the_reason_twice(desk: Desk) -> None:
    """Programs read it under either name; a task that ran out of time says so in its sentence."""
    flow(desk, {"queue": q(desk, "Spanish")})
    task = desk.task()
    desk.do("UpdateTask", sid=task, assignment_status="canceled", reason="hangup")
    found = facts(desk.event("task.canceled"))
    assert found["TaskCanceledReason"] == found["Reason"] == "hangup"
    desk.task(timeout=60)
    desk.advance(60)
    assert facts(desk.event("task.canceled"))["EventDescription"] == "Task TTL Exceeded"


def test_a_transfer_is_told_with_its_start(desk: Desk) -> None:
    """Its sid and its beginning are in its own events and in those of the reservation it has made."""
    desk.workflow(default={"queue": q(desk, "Last")})
    alice = desk.worker("Alice")
    _, reservation = desk.accepted(alice)
    bob = desk.worker("Bob")
    transfer = desk.transfer(reservation, bob)
    for kind in ("task.transfer-initiated", "reservation.created"):
        found = facts(desk.event(kind))
        assert found["TaskTransferSid"] == transfer.sid
        assert found["TransferStarted"] == str(int(desk.now))
        assert "TransferSid" not in found


def test_a_failed_call_has_its_code(desk: Desk) -> None:
    """A reservation that a voice instruction cost says by which code."""
    desk.workflow(default={"queue": q(desk, "Last")})
    alice = desk.worker("Alice")
    desk.task()
    desk.do("ResolveInstruction", canceled_reason_code=13223)
    desk.do("InstructReservation", sid=desk.pending(alice)[0], instruction="conference")
    assert facts(desk.event("reservation.canceled"))["ReservationReasonCode"] == "13223"


def test_a_routing_target_is_told(desk: Desk) -> None:
    """A task for one worker says so, and that it does not ask for capacity."""
    desk.workflow(default={"queue": q(desk, "Last")})
    alice = desk.worker("Alice", "Offline")
    desk.task(routing_target=alice)
    found = facts(desk.event("reservation.created"))
    assert (found["TaskRoutingTarget"], found["TaskIgnoreCapacity"]) == (alice, "true")
