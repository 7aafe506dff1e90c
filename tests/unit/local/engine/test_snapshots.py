"""Snapshots: an engine from a text. Random histories are cut at random moments by the machine in ``test_machine``."""

from __future__ import annotations

import json

import pytest

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from tests.unit.local.engine.invariants import check_snapshot
from twilio_taskrouter_worker.local.engine import Engine, Rules, commands
from twilio_taskrouter_worker.local.engine.core import state
from twilio_taskrouter_worker.local.engine.core.kernel import Kernel
from twilio_taskrouter_worker.local.engine.core.workspace import WorkspaceState


def busy() -> EngineDriver:
    """A driver with everything that a snapshot has to keep."""
    driver = EngineDriver(rules=Rules(voice_answer_delay=30.0))
    ann, cyd = driver.worker("Ann", capacity=3), driver.worker("Cyd")
    driver.worker("Bob", "Offline", level=2)
    bobs = driver.queue("Bobs", "level == 2", task_order="LIFO")
    target = {"queue": bobs, "timeout": 50, "expression": "worker.level > task.level"}
    flow = driver.workflow(
        {"expression": "level >= 1", "targets": [target, {"queue": bobs, "known_worker_friendly_name": "task.who"}]}
    )
    held = [driver.accepted(ann, routing_target=ann, ignore_capacity=True) for _ in range(2)]
    driver.do("UpdateWorkerParticipant", worker_sid=ann, reservation_sid=held[0][1], mute=True)
    driver.do("UpdateCustomerParticipant", worker_sid=ann, task_sid=held[0][0], hold=True)
    driver.do(
        "InstructReservation", sid=held[0][1], task_sid=held[0][0], instruction="supervise", params={"Supervisor": cyd}
    )
    driver.transfer(held[1][1], bobs, "COLD")
    for level in (1, 1, 3):
        driver.task({"level": level, "who": "Bob"}, workflow_sid=flow)
    driver.do(
        "UpdateWorkflow", sid=flow, configuration=json.dumps({"task_routing": {"default_filter": {"queue": bobs}}})
    )
    driver.task({"level": 9}, workflow_sid=flow, priority=3)
    offered = driver.task(routing_target=cyd)
    driver.do(
        "InstructReservation",
        sid=driver.pending(cyd)[0],
        task_sid=offered,
        instruction="dequeue",
        params={"DequeueTo": "+1"},
    )
    driver.do("SessionOpened", worker_sid=ann)
    driver.do("ResolveInstruction", canceled_reason_code=13224)
    gone = driver.worker("Gone")
    task = driver.task(routing_target=gone)
    driver.to(driver.pending(gone)[0], "rejected")
    driver.do("DeleteWorker", sid=gone)
    assert driver.status(task) == "canceled"
    driver.do("CreateWorkspace", friendly_name="Other")
    return driver


def test_the_future_of_a_restored_engine_is_the_same() -> None:
    """Whatever is on its way when the snapshot is taken happens as it would have happened."""
    driver = busy()
    for seconds in (20, 20, 20, 100, 400, 90000):
        driver.advance(seconds)
    for moment in range(0, len(driver.journal) + 1, 3):
        check_snapshot(driver, moment)


def test_tasks_for_a_worker_who_was_deleted() -> None:
    """They wait for their timeout, and for no worker, before a snapshot and after it."""
    driver = EngineDriver()
    ann = driver.worker("Ann", "Offline")
    tasks = [driver.task(routing_target=ann, ignore_capacity=False) for _ in range(3)]
    driver.do("DeleteWorker", sid=ann)
    check_snapshot(driver, len(driver.journal))
    assert [driver.status(task) for task in tasks] == ["pending"] * 3
    assert not any(task["waiting"] for task in driver.engine.state()["workspaces"][0]["tasks"])


def test_a_restored_engine_is_independent() -> None:
    """What happens to the one does not happen to the other; both may go on."""
    driver = busy()
    captured = driver.engine.capture()
    before = driver.engine.state_digest()
    for snapshot in (driver.engine.snapshot(), captured, captured):
        fork = Engine.restore(snapshot)
        assert fork.state_digest() == before
        fork.apply(
            commands.CreateTask(workspace_sid=driver.ws, workflow_sid=driver.engine.workflows(driver.ws)[0].sid),
            driver.now + 1,
        )
        assert driver.engine.state_digest() == before != fork.state_digest()
    driver.advance(90000)
    assert driver.engine.state_digest() != before == Engine.restore(captured).state_digest()


def test_the_rules_go_with_it() -> None:
    """A snapshot needs nothing else to go on by the same rules."""
    assert Engine.restore(busy().engine.snapshot()).rules == Rules(voice_answer_delay=30.0)


@pytest.mark.parametrize(
    ("cls", "slots"),
    [
        (WorkspaceState, 16),
        (state.WorkerState, 16),
        (state.QueueState, 8),
        (state.WorkflowState, 3),
        (state.TaskState, 29),
        (state.ReservationState, 5),
        (state.TransferState, 4),
        (Kernel, 17),
    ],
)
def test_nothing_new_is_forgotten(cls: type, slots: int) -> None:
    """Who gives the state another field must write it into snapshots, or build it again; then correct the number."""
    names = getattr(cls, "__slots__", None) or vars(Kernel(ACCOUNT, 1, Rules()))
    assert len(names) == slots


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "0"}'])
def test_invalid_snapshots_are_refused(text: str) -> None:
    """A text of another version, or of something else, is a ValueError."""
    with pytest.raises(ValueError):
        Engine.restore(text)
