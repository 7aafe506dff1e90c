"""Applying, refusing, time, the journal, and reading."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from twilio_taskrouter_worker.local.engine import Engine, JournalEntry, Rejected, Rules, commands
from twilio_taskrouter_worker.local.engine.events import TaskEvent


@pytest.fixture
def driver() -> EngineDriver:
    """A driver of an empty workspace."""
    return EngineDriver()


def test_the_same_seed_makes_the_same_sids() -> None:
    """Two engines with one seed are the same; another seed makes other sids."""
    sids = [
        Engine(account_sid=ACCOUNT, seed=seed).apply(commands.CreateWorkspace(friendly_name="x"), 0.0).result.sid
        for seed in (1, 1, 2)
    ]
    assert sids[0] == sids[1] != sids[2]


def test_timers_run_before_the_command_each_at_its_own_time(driver: EngineDriver) -> None:
    """A late command finds everything done that was due, in order, with the times it was due at."""
    ann = driver.worker("Ann")
    task = driver.task(timeout=200)
    start = driver.now
    driver.now += 1000
    driver.do("UpdateWorker", sid=ann, attributes='{"late": true}')
    assert [(event.type, event.at - start) for event in driver.events] == [
        ("reservation.timeout", 120),
        ("worker.activity.update", 120),
        ("task.canceled", 200),
        ("worker.attributes.update", 1000),
    ]
    with pytest.raises(Rejected):
        driver.engine.task(driver.ws, task)


def test_timers_due_at_one_time_run_in_the_order_they_were_made(driver: EngineDriver) -> None:
    """Two tasks with one deadline end in the order of their creation."""
    tasks = [driver.task(timeout=50) for _ in range(3)]
    driver.advance(50)
    assert [event.task.sid for event in driver.events if isinstance(event, TaskEvent)] == tasks


def test_a_refusal_brings_the_events_of_the_timers_with_it(driver: EngineDriver) -> None:
    """What was due has happened although the command was refused, and is in the journal as time passing."""
    driver.worker("Ann")
    driver.task()
    driver.now += 500
    with pytest.raises(Rejected) as caught:
        driver.engine.apply(commands.DeleteWorker(workspace_sid=driver.ws, sid="WKxx"), driver.now)
    assert [event.type for event in caught.value.events] == ["reservation.timeout", "worker.activity.update"]
    assert isinstance(driver.journal[-1].command, commands.AdvanceTime)
    assert driver.replayed().state() == driver.engine.state()


def test_a_refusal_is_not_in_the_journal(driver: EngineDriver) -> None:
    """Neither is time that passes without anything being due."""
    before = len(driver.journal)
    driver.refused("DeleteWorker", sid="WKxx")
    driver.advance(5)
    assert len(driver.journal) == before


def test_time_does_not_go_back(driver: EngineDriver) -> None:
    """A clock that was set back counts as standing still, in the journal too."""
    driver.engine.apply(commands.AdvanceTime(), driver.now + 100)
    made = driver.engine.apply(commands.CreateWorker(workspace_sid=driver.ws, friendly_name="Ann"), driver.now).result
    assert made.date_created == driver.now + 100 == driver.engine.now == driver.journal[-1].now


def test_the_next_deadline(driver: EngineDriver) -> None:
    """The earliest timer counts, cancelled ones do not, and without any there is none."""
    assert driver.engine.next_deadline() is None
    task = driver.task(timeout=500)
    assert driver.engine.next_deadline() == driver.now + 500
    driver.worker("Ann")
    assert driver.engine.next_deadline() == driver.now + 120
    driver.do("DeleteTask", sid=task)
    assert driver.engine.next_deadline() is None


def test_an_object_that_is_not_a_command_raises(driver: EngineDriver) -> None:
    """A programming mistake is no refusal."""
    with pytest.raises(TypeError, match="Not a command of the engine: str"):
        driver.engine.apply("accept", driver.now)  # type: ignore[arg-type]


def test_a_snapshot_does_not_move(driver: EngineDriver) -> None:
    """What was handed out stays as it was, whatever happens afterwards."""
    ann = driver.worker("Ann")
    task = driver.do("CreateTask")
    event = driver.reservation_event("reservation.created")
    worker, channels = driver.worker_record(ann), driver.engine.channels(driver.ws, ann)
    kept = repr((task, event, worker, channels))
    driver.to(driver.pending(ann)[0], "accepted")
    driver.do("UpdateTask", sid=task.sid, assignment_status="completed")
    assert repr((task, event, worker, channels)) == kept
    with pytest.raises(TypeError):
        driver.engine.worker_attributes(driver.ws, ann)["x"] = 1  # type: ignore[index]


def test_events_are_numbered_and_have_recipients(driver: EngineDriver) -> None:
    """Sequence and sid are unique; events without recipients are for the log only."""
    ann = driver.worker("Ann")
    driver.task()
    created, logged = driver.reservation_event("reservation.created"), driver.task_event("task.created")
    assert created.sequence > logged.sequence and created.sid != logged.sid
    assert len(created.sid) == 34 and created.sid.startswith("EV")
    assert created.bridge and created.recipients == (ann,) and not logged.bridge
    assert created.worker.version == 1


def test_a_replayed_journal_gives_the_same_digest(driver: EngineDriver) -> None:
    """Everything that was done, read back as text and done again, ends in the same state; other state differs."""
    ann = driver.worker("Ann", capacity=3)
    flow = driver.workflow(default={"queue": driver.queue("Q")})
    for number in range(3):
        driver.task({"n": number}, workflow_sid=flow)
    driver.to(driver.pending(ann)[1], "accepted")
    driver.do("UpdateCustomerParticipant", worker_sid=ann, task_sid=driver.engine.tasks(driver.ws)[1].sid, hold=True)
    driver.do("ResolveInstruction", canceled_reason_code=1)
    driver.do("SessionOpened", worker_sid=ann)
    driver.advance(130)
    again = driver.replayed()
    assert again.state() == driver.engine.state()
    assert again.state_digest() == driver.engine.state_digest()
    again.apply(commands.SessionOpened(workspace_sid=driver.ws, worker_sid=ann), driver.now)
    assert again.state_digest() != driver.engine.state_digest()


def test_a_foreign_journal_does_not_replay(driver: EngineDriver) -> None:
    """With another seed the sids do not fit, and that is said."""
    driver.task()
    with pytest.raises(Rejected):
        Engine.replay(driver.journal, account_sid=ACCOUNT, seed=8)


EXAMPLES: list[commands.Command] = [
    commands.AdvanceTime(),
    commands.UpdateWorker(workspace_sid="WS1", sid="WK1", attributes='{"ü": "\\n"}', if_match=0),
    commands.UpdateTaskQueue(workspace_sid="WS1", sid="WQ1", target_workers=None, max_reserved_workers=3),
    commands.InstructReservation(workspace_sid="WS1", sid="WR1", instruction="call", params={"CallAccept": True}),
    commands.UpdateWorkspace(workspace_sid="WS1", event_callback_url=None),
    commands.CreateTask(workspace_sid="WS1", virtual_start_time=1.5, ignore_capacity=False),
]


@pytest.mark.parametrize("command", EXAMPLES, ids=lambda command: type(command).__name__)
def test_commands_go_to_json_and_back(command: commands.Command) -> None:
    """A journal line keeps exactly what was asked, absent and cleared parameters apart."""
    entry = JournalEntry(12.25, command)
    assert JournalEntry.from_json(entry.to_json()) == entry


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "nonsense",
        '{"now": 1, "command": {"type": "Dance"}}',
        '{"now": 1, "command": {}}',
        '{"now": 1, "command": {"type": "CreateTask", "colour": "red"}}',
        '{"now": "x", "command": {"type": "AdvanceTime"}}',
    ],
)
def test_lines_that_are_no_journal_are_refused(text: str) -> None:
    """A damaged or foreign line says so."""
    with pytest.raises(ValueError):
        JournalEntry.from_json(text)


def test_unset_shows_as_such() -> None:
    """The sentinel is recognizable in a repr."""
    assert repr(commands.UNSET) == "UNSET"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("activity", {}),
        ("worker", {}),
        ("queue", {}),
        ("workflow", {}),
        ("task", {}),
        ("reservation", {}),
        ("transfer", {}),
        ("task_channel", {}),
        ("channels", {}),
        ("explain", {}),
        ("transfers", {}),
    ],
)
def test_reading_missing_records(driver: EngineDriver, name: str, fields: dict[str, Any]) -> None:
    """Unknown sids are not found, whatever they should name."""
    with pytest.raises(Rejected) as caught:
        getattr(driver.engine, name)(driver.ws, "XX" + "0" * 32, **fields)
    assert caught.value.status == 404
    assert caught.value.message.startswith(f"The requested resource /Workspaces/{driver.ws}/")


def test_reading_records(driver: EngineDriver) -> None:
    """Single records are found by sid, lists are in order of creation."""
    engine, ws = driver.engine, driver.ws
    queue, flow = engine.queues(ws)[0], engine.workflows(ws)[0]
    assert engine.queue(ws, queue.sid) == queue and engine.workflow(ws, flow.sid) == flow
    assert engine.task_channel(ws, "voice") == engine.task_channels(ws)[1]
    tasks = [driver.task() for _ in range(3)]
    assert [task.sid for task in engine.tasks(ws)] == tasks
    assert engine.activity(ws, driver.activity("Available")).available


def test_rules_are_given_with_the_engine() -> None:
    """The switches of an engine can be read back."""
    rules = Rules(purge_finished_after=5.0)
    assert Engine(account_sid=ACCOUNT, rules=rules).rules is rules


_HISTORY = """
from tests.unit.local.engine.driver import EngineDriver
driver = EngineDriver()
driver.do("UpdateTaskQueue", sid=driver.engine.queues(driver.ws)[0].sid, max_reserved_workers=3)
for name in ("Ann", "Bob", "Cyd", "Dee", "Eve"):
    driver.worker(name, skills=[name, "x"])
driver.queue("Skilled", 'skills HAS "x"')
for number in range(6):
    driver.task({"n": number})
driver.advance(500)
print(driver.engine.state_digest())
"""


def test_the_state_does_not_depend_on_the_process() -> None:
    """The same history has the same digest under other hash seeds, by which Python orders sets."""
    digests = set()
    for seed in ("1", "2"):
        root = Path(__file__).parents[4]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", _HISTORY]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1
