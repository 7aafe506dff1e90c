"""The facts of events: one table, which is complete, and read from what really happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from twilio_taskrouter_worker.local.engine import Event
from twilio_taskrouter_worker.local.engine.events import LOG_EVENTS
from twilio_taskrouter_worker.local.server.events import event_fields

UNIT = f"OU{ACCOUNT[2:]}"


def facts(event: Event) -> dict[str, str]:
    """What a callback says of an event."""
    return event_fields.callback_params(event, ACCOUNT, "W")


@pytest.fixture
def driver() -> EngineDriver:
    """A driver with two queues: Spanish, for those who speak it, and Last, for all."""
    driver = EngineDriver(template="NONE")
    driver.queue("Spanish", 'skills HAS "es"')
    driver.queue("Last")
    return driver


def q(driver: EngineDriver, name: str) -> str:
    """The sid of a queue."""
    return next(queue.sid for queue in driver.engine.queues(driver.ws) if queue.friendly_name == name)


def flow(driver: EngineDriver, *targets: dict[str, Any]) -> str:
    """A workflow with one filter for Spanish, and the queue Last by default."""
    spanish = {"filter_friendly_name": "es", "expression": 'lang == "es"', "targets": list(targets)}
    return driver.workflow(spanish, default={"queue": q(driver, "Last")})


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_event_has_its_row() -> None:
    """The table names each type of event that there is, and no other."""
    assert event_fields.FIELDS.keys() == LOG_EVENTS


@pytest.mark.parametrize("kind", sorted(LOG_EVENTS))
def test_a_fact_is_listed_once(kind: str) -> None:
    """A name stands for one fact; only the operating unit, which an account has one of, comes from two records."""
    names = [fact.name for fact in event_fields.FIELDS[kind] if fact.name != "operating_unit_sid"]
    assert len(names) == len(set(names))


# -- what events say -------------------------------------------------------------------------------------------------


def test_an_activity_change_names_both_activities(driver: EngineDriver) -> None:
    """Programs read where the worker comes from by name as well as by sid."""
    alice = driver.worker("Alice", "Offline")
    driver.now += 26.5
    driver.set_activity(alice, "Available")
    found = facts(driver.event("worker.activity.update"))
    assert found["WorkerPreviousActivitySid"] == driver.activity("Offline")
    assert found["WorkerPreviousActivityName"] == "Offline"
    assert found["WorkerActivityName"] == "Available"
    assert found["WorkerTimeInPreviousActivity"] == "26"
    assert found["WorkerTimeInPreviousActivityMs"] == "26500"
    assert found["OperatingUnitSid"] == UNIT
    assert found["EventDescription"] == "Worker Alice updated to Available Activity"


def test_a_queue_is_named_as_the_service_names_it(driver: EngineDriver) -> None:
    """Type and sentence of a queue's events are written differently from those of its URL."""
    created = driver.queue("New", "1==1")
    found = facts(driver.event("task-queue.created"))
    assert (found["ResourceType"], found["ResourceSid"]) == ("taskqueue", created)
    assert found["EventDescription"] == f"TaskQueue {created} created"
    assert found["TaskQueueTargetExpression"] == "1==1"
    assert found["OperatingUnitSid"] == UNIT


def test_reservation_events_have_everything_around_them(driver: EngineDriver) -> None:
    """Task, worker, channel and queue with their versions and dates, all as texts, dates in unix seconds."""
    workflow = flow(driver, {"queue": q(driver, "Spanish")})
    alice = driver.worker("Alice", "Offline", capacity=3, skills=["es"])
    driver.now += 0.5
    driver.task({"lang": "es"}, priority=7)
    driver.set_activity(alice, "Available")
    found = facts(driver.event("reservation.created"))
    [sid] = driver.pending(alice)
    task, worker = driver.get(driver.reservation(sid).task_sid), driver.worker_record(alice)
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
        "TaskQueueSid": q(driver, "Spanish"),
        "TaskQueueName": "Spanish",
        "TaskQueueTargetExpression": 'skills HAS "es"',
        "TaskQueueEnteredDate": str(int(driver.now)),
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


def test_the_matched_target_is_told(driver: EngineDriver) -> None:
    """The filter by name and expression, the target by name and expression; the default filter has no expression."""
    flow(driver, {"queue": q(driver, "Spanish"), "expression": "worker.level > 1", "target_friendly_name": "seniors"})
    driver.task({"lang": "es"})
    found = facts(driver.event("workflow.target-matched"))
    assert found["WorkflowFilterName"] == "es"
    assert found["WorkflowFilterExpression"] == 'lang == "es"'
    assert found["WorkflowFilterTargetName"] == "seniors"
    assert found["WorkflowFilterTargetExpression"] == "worker.level > 1"
    driver.task()
    default = facts(driver.event("workflow.target-matched"))
    assert not {"WorkflowFilterExpression", "WorkflowFilterTargetExpression"} & default.keys()


def test_a_move_names_the_queue_before(driver: EngineDriver) -> None:
    """Queue and priority that the task leaves, and why."""
    flow(
        driver,
        {"queue": q(driver, "Spanish"), "priority": 3, "timeout": 10},
        {"queue": q(driver, "Last"), "priority": 9},
    )
    driver.task({"lang": "es"})
    driver.advance(10)
    found = facts(driver.event("task-queue.moved"))
    assert found["PreviousTaskQueueSid"] == q(driver, "Spanish")
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
def test_a_known_worker_is_named(driver: EngineDriver, key: str, by: str, name: str) -> None:
    """Routing to a known agent tells whom it is for, when the task comes to the step and when it is offered."""
    flow(driver, {"queue": q(driver, "Last"), key: "task.agent"})
    alice = driver.worker("Alice")
    agent = getattr(driver.worker_record(alice), by)
    driver.task({"lang": "es", "agent": agent})
    for kind in ("workflow.target-matched", "task-queue.entered", "reservation.created"):
        assert facts(driver.event(kind))[name] == agent


@pytest.mark.parametrize(
    ("ending", "reason"), [("rejected", "reservation_rejected"), ("timeout", "reservation_timeout")]
)
def test_an_offer_after_another_says_why(driver: EngineDriver, ending: str, reason: str) -> None:
    """What comes after a rejection or a timeout is told apart from a first offer, until somebody accepts."""
    driver.workflow(default={"queue": q(driver, "Last")}, task_reservation_timeout=5)
    alice, bob = driver.worker("Alice"), driver.worker("Bob")
    driver.task()
    assert "TaskReEvaluatedReason" not in facts(driver.event("reservation.created"))
    [sid] = driver.pending(alice) or driver.pending(bob)
    if ending == "rejected":
        driver.to(sid, "rejected")
    else:
        driver.advance(5)
    assert facts(driver.event("reservation.created"))["TaskReEvaluatedReason"] == reason


def test_canceling_gives_the_reason_twice(driver: EngineDriver) -> None:
    """Programs read it under either name; a task that ran out of time says so in its sentence."""
    flow(driver, {"queue": q(driver, "Spanish")})
    task = driver.task()
    driver.do("UpdateTask", sid=task, assignment_status="canceled", reason="hangup")
    found = facts(driver.event("task.canceled"))
    assert found["TaskCanceledReason"] == found["Reason"] == "hangup"
    driver.task(timeout=60)
    driver.advance(60)
    assert facts(driver.event("task.canceled"))["EventDescription"] == "Task TTL Exceeded"


def test_a_transfer_is_told_with_its_start(driver: EngineDriver) -> None:
    """Its sid and its beginning are in its own events and in those of the reservation it has made."""
    driver.workflow(default={"queue": q(driver, "Last")})
    alice = driver.worker("Alice")
    _, reservation = driver.accepted(alice)
    bob = driver.worker("Bob")
    transfer = driver.transfer(reservation, bob)
    for kind in ("task.transfer-initiated", "reservation.created"):
        found = facts(driver.event(kind))
        assert found["TaskTransferSid"] == transfer.sid
        assert found["TransferStarted"] == str(int(driver.now))
        assert "TransferSid" not in found


def test_a_failed_call_has_its_code(driver: EngineDriver) -> None:
    """A reservation that a voice instruction cost says by which code."""
    driver.workflow(default={"queue": q(driver, "Last")})
    alice = driver.worker("Alice")
    driver.task()
    driver.do("ResolveInstruction", canceled_reason_code=13223)
    driver.do("InstructReservation", sid=driver.pending(alice)[0], instruction="conference")
    assert facts(driver.event("reservation.canceled"))["ReservationReasonCode"] == "13223"


def test_a_routing_target_is_told(driver: EngineDriver) -> None:
    """A task for one worker says so, and that it does not ask for capacity."""
    driver.workflow(default={"queue": q(driver, "Last")})
    alice = driver.worker("Alice", "Offline")
    driver.task(routing_target=alice)
    found = facts(driver.event("reservation.created"))
    assert (found["TaskRoutingTarget"], found["TaskIgnoreCapacity"]) == (alice, "true")
